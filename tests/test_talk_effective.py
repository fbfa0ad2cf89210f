"""Of each value of the configuration in force it is told from where it comes."""

from bot.settings import Settings
from bot.talk import effective
from bot.task import configuration
from bot.task.configuration import Configuration
from bot.words.configured import Source

FILE = """\
label:
test: "cd a && pytest -k 'not *slow'"
proof: "off"
budget_usd: 900
allow: {run: write}
"""


def _sources(found: Configuration, *, fresh: bool = True) -> dict[str, object]:
    shown = effective.settings(found, Settings(), fresh=fresh)
    return {one.key: one.source for one in shown if one.source is not Source.DEFAULT}


def test_what_the_file_says_is_from_the_file() -> None:
    """Whatever signs of YAML its values hold, and though it may say what holds anyway."""
    assert _sources(configuration.parse(FILE)) == {
        "test": Source.FILE,
        "proof": Source.FILE,
        "allow": Source.FILE,
        "budget_usd": Source.CAP,
        "label": Source.HOST,
        "model": Source.HOST,
        "setup": Source.DETECTED,
    }


def test_of_what_was_kept_the_differences_are_from_the_file() -> None:
    """While the file can't be read, the last good one holds, of which only the values are known."""
    kept = Configuration.model_validate(configuration.parse(FILE).model_dump())
    found = _sources(kept, fresh=False)
    assert (found["test"], found["proof"]) == (Source.FILE, Source.FILE)
    assert "allow" not in found
    assert "human" not in found


def test_without_a_file_nothing_is_from_it() -> None:
    """The defaults, the host's own, and what is detected for each commit."""
    assert set(_sources(Configuration()).values()) == {Source.HOST, Source.DETECTED}
