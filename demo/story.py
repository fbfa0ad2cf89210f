"""The story decides what the demo is about: a small library with a real fault, an issue, a scripted Claude."""

from collections.abc import Callable, Sequence
from typing import Any

from demo.claude.conversation import Conversation
from demo.claude.script import Play, Script, Turn

REPOSITORY = "acme/almanac"
MAINTAINER = "maria"
USER = "jonas"
LABEL = "journeyman"

TITLE = "to_utc ignores the minutes of an offset"
BODY = '''\
Times from India come out half an hour late:

```python
>>> to_utc("2026-03-01T12:00:00+05:30")
datetime.datetime(2026, 3, 1, 7, 0, tzinfo=datetime.timezone.utc)
```

That should be 06:30. The offset is read as `+05`, and its minutes are dropped.

- [ ] Minutes count east of Greenwich: `+05:30`, `+0530`, `+05:45`
- [ ] Minutes count west of it: `-03:30` is three and a half hours behind
- [ ] `format_offset` and `parse_offset` agree again
'''
COMMENT = "Same here, from Kathmandu: `+05:45` is read as five hours."

OFFSETS = '''\
"""Read and write offsets from UTC, as ISO 8601 words them."""

import re
from datetime import timedelta

_OFFSET = re.compile(r"([+-]\\d{2})(?::?\\d{2})?")


def parse_offset(text: str) -> timedelta:
    """Return the offset that "Z", "+02:00", "+0200" or "+02" stands for."""
    if text in ("Z", "z"):
        return timedelta(0)
    found = _OFFSET.fullmatch(text)
    if found is None:
        raise ValueError(f"not an offset from UTC: {text!r}")
    return timedelta(hours=int(found[1]))


def format_offset(offset: timedelta) -> str:
    """Return an offset as "+02:00"; the offset of UTC itself is "Z"."""
    if not offset:
        return "Z"
    hours, minutes = divmod(abs(offset) // timedelta(minutes=1), 60)
    return f"{'-' if offset < timedelta(0) else '+'}{hours:02}:{minutes:02}"
'''

TEST_OFFSETS = '''\
"""Test how offsets are read and written."""

from datetime import timedelta

import pytest

from almanac import format_offset, parse_offset


@pytest.mark.parametrize("text", ["Z", "z", "+00:00", "-00:00"])
def test_utc_itself_has_no_offset(text):
    assert parse_offset(text) == timedelta(0)


def test_east_is_positive():
    assert parse_offset("+02:00") == timedelta(hours=2)


def test_west_is_negative():
    assert parse_offset("-0800") == timedelta(hours=-8)


@pytest.mark.parametrize("text", ["", "UTC", "2", "+2", "+02:0"])
def test_anything_else_is_refused(text):
    with pytest.raises(ValueError, match="not an offset"):
        parse_offset(text)


def test_an_offset_is_written_with_minutes():
    assert format_offset(timedelta(hours=-3, minutes=-30)) == "-03:30"


def test_utc_is_written_as_z():
    assert format_offset(timedelta(0)) == "Z"
'''

FILES = {
    "README.md": """\
# Almanac

Points in time as text, read and written without surprises.

    >>> from almanac import to_utc
    >>> to_utc("2026-03-01T12:00:00+02:00")
    datetime.datetime(2026, 3, 1, 10, 0, tzinfo=datetime.timezone.utc)
""",
    "CHANGELOG.md": "# Changes\n\n## Unreleased\n\n## 1.2.0\n\n- `format_offset` writes minutes.\n",
    "CLAUDE.md": "Every fix gets a line in CHANGELOG.md under Unreleased.\nTests: `python -m pytest -q`.\n",
    "pyproject.toml": """\
[project]
name = "almanac"
version = "1.2.0"
description = "Points in time as text"
requires-python = ">=3.11"

[dependency-groups]
dev = ["pytest"]

[tool.uv]
package = false

[tool.pytest.ini_options]
testpaths = ["tests"]
pythonpath = ["src"]
""",
    "src/almanac/__init__.py": '''\
"""Points in time as text, read and written without surprises."""

from almanac.offsets import format_offset, parse_offset
from almanac.stamps import to_text, to_utc

__all__ = ["format_offset", "parse_offset", "to_text", "to_utc"]
''',
    "src/almanac/offsets.py": OFFSETS,
    "src/almanac/stamps.py": '''\
"""Read and write points in time, as ISO 8601 words them."""

import re
from datetime import datetime, timedelta, timezone

from almanac.offsets import format_offset, parse_offset

_STAMP = re.compile(r"(\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2})(.+)")


def to_utc(text: str) -> datetime:
    """Return the point in time that a text such as "2026-03-01T12:00:00+02:00" names, in UTC."""
    found = _STAMP.fullmatch(text)
    if found is None:
        raise ValueError(f"not a point in time: {text!r}")
    local = datetime.fromisoformat(found[1]).replace(tzinfo=timezone.utc)
    return local - parse_offset(found[2])


def to_text(moment: datetime, offset: timedelta = timedelta(0)) -> str:
    """Return a point in time as text, in the local time of an offset."""
    local = moment.astimezone(timezone.utc) + offset
    return f"{local:%Y-%m-%dT%H:%M:%S}{format_offset(offset)}"
''',
    "tests/test_offsets.py": TEST_OFFSETS,
    "tests/test_stamps.py": '''\
"""Test how points in time are read and written."""

from datetime import datetime, timedelta, timezone

import pytest

from almanac import to_text, to_utc

NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)


def test_utc_is_read_as_it_is():
    assert to_utc("2026-03-01T12:00:00Z") == NOON


def test_the_offset_is_taken_off():
    assert to_utc("2026-03-01T14:00:00+02:00") == NOON


def test_an_offset_of_hours_alone_will_do():
    assert to_utc("2026-03-01T14:00:00+02") == NOON


def test_a_time_without_offset_is_refused():
    with pytest.raises(ValueError, match="not a point in time"):
        to_utc("2026-03-01T12:00:00")


def test_utc_is_written_with_z():
    assert to_text(NOON) == "2026-03-01T12:00:00Z"


def test_local_time_is_written_with_its_offset():
    assert to_text(NOON, timedelta(hours=2)) == "2026-03-01T14:00:00+02:00"
''',
}
HISTORY = [
    ("Start a changelog", {"CHANGELOG.md": FILES["CHANGELOG.md"]}),
    ("Say how tests are run", {"CLAUDE.md": FILES["CLAUDE.md"]}),
]

WRITTEN = '''

@pytest.mark.parametrize(("text", "minutes"), [("+05:30", 330), ("+0530", 330), ("-03:30", -210)])
def test_minutes_count(text, minutes):
    assert parse_offset(text) == timedelta(minutes=minutes)
'''
GENERATED = {
    "east_of_greenwich": '''\
"""Offsets east of Greenwich that are not whole hours."""

from datetime import datetime, timezone

from almanac import to_utc


def test_noon_in_india_is_half_past_six_in_utc():
    assert to_utc("2026-03-01T12:00:00+05:30") == datetime(2026, 3, 1, 6, 30, tzinfo=timezone.utc)


def test_noon_in_nepal_is_a_quarter_past_six_in_utc():
    assert to_utc("2026-03-01T12:00:00+05:45") == datetime(2026, 3, 1, 6, 15, tzinfo=timezone.utc)
''',
    "west_of_greenwich": '''\
"""Offsets west of Greenwich that are not whole hours, and the way back."""

from datetime import datetime, timezone

import pytest

from almanac import format_offset, parse_offset, to_utc


def test_noon_in_newfoundland_is_half_past_three_in_utc():
    assert to_utc("2026-03-01T12:00:00-03:30") == datetime(2026, 3, 1, 15, 30, tzinfo=timezone.utc)


@pytest.mark.parametrize("text", ["+05:30", "-03:30", "-00:30"])
def test_what_is_read_is_written_the_same(text):
    assert format_offset(parse_offset(text)) == text
''',
}

EDITOR = "str_replace_based_edit_tool"


def script(tell: Callable[[Conversation, Turn], None]) -> Script:
    """Return what Claude says, each answer told to `tell` with the conversation that it answers."""

    def telling(turn: Turn) -> Callable[[Conversation], Turn]:
        def answer(conversation: Conversation) -> Turn:
            tell(conversation, turn)
            return turn

        return answer

    cases = [
        {"name": name, "test_code": code, "path": f"tests/test_{name}.py"} for name, code in GENERATED.items()
    ]

    def tests(conversation: Conversation) -> Turn:
        turn = Turn(text=conversation.as_json({"test_cases": cases}))
        tell(conversation, turn)
        return turn

    return Script([Play(match=TITLE, turns=[telling(turn) for turn in _turns()], tests=tests, name="almanac")])


def _bash(command: str) -> tuple[str, dict[str, Any]]:
    return "bash", {"command": command}


def _view(path: str) -> tuple[str, dict[str, Any]]:
    return EDITOR, {"command": "view", "path": f"/workspace/{path}"}


def _replace(path: str, old: str, new: str) -> tuple[str, dict[str, Any]]:
    return EDITOR, {"command": "str_replace", "path": f"/workspace/{path}", "old_str": old, "new_str": new}


def _finish(summary: str, look_at: Sequence[str]) -> tuple[str, dict[str, Any]]:
    return "finish", {"summary": summary, "look_at": [*look_at], "open_questions": []}


def _turns() -> list[Turn]:
    return [*_first_attempt(), *_second_attempt()]


def _first_attempt() -> list[Turn]:
    """A fix that mends what the issue names, and breaks a form of offset that it doesn't name."""
    last = 'def test_utc_is_written_as_z():\n    assert format_offset(timedelta(0)) == "Z"\n'
    pattern, strict = r'r"([+-]\d{2})(?::?\d{2})?"', r'r"([+-])(\d{2}):?(\d{2})"'
    return [
        Turn(
            text="I read the code that handles offsets, and its tests.",
            tools=[
                _bash("git log --oneline && ls src/almanac tests"),
                _view("src/almanac/offsets.py"),
                _view("tests/test_offsets.py"),
            ],
        ),
        Turn(
            text="`_OFFSET` matches the minutes and never keeps them. First a test that shows it.",
            tools=[_replace("tests/test_offsets.py", last, last + WRITTEN)],
        ),
        Turn(tools=[_bash("python -m pytest -q tests/test_offsets.py")]),
        Turn(
            text="It fails for the reason the issue gives. Hours and minutes become groups of their own, and the"
            " sign applies to both.",
            tools=[
                _replace("src/almanac/offsets.py", pattern, strict),
                _replace(
                    "src/almanac/offsets.py",
                    "    return timedelta(hours=int(found[1]))\n",
                    "    size = timedelta(hours=int(found[2]), minutes=int(found[3]))\n"
                    '    return -size if found[1] == "-" else size\n',
                ),
            ],
        ),
        Turn(tools=[_bash("python -m pytest -q tests/test_offsets.py")]),
        Turn(
            text="The tests of offsets pass. Now the line in the changelog that CLAUDE.md asks for.",
            tools=[
                _replace(
                    "CHANGELOG.md",
                    "## Unreleased\n",
                    "## Unreleased\n\n- `parse_offset` and `to_utc` no longer drop the minutes of an offset.\n",
                ),
            ],
        ),
        Turn(
            text="Done.",
            tools=[_finish("`parse_offset` now reads the minutes of an offset.", ["`_OFFSET` has new groups."])],
        ),
    ]


def _second_attempt() -> list[Turn]:
    """The same fix without the regression that the proof found."""
    strict, lenient = r'r"([+-])(\d{2}):?(\d{2})"', r'r"([+-])(\d{2})(?::?(\d{2}))?"'
    return [
        Turn(
            text="The review is right: I only ran the tests of offsets. I look at the one that broke.",
            tools=[_bash("python -m pytest -q"), _bash("grep -n -A2 hours_alone tests/test_stamps.py")],
        ),
        Turn(
            text="`+02` is a valid offset, and I had made its minutes compulsory. They are optional again.",
            tools=[
                _replace("src/almanac/offsets.py", strict, lenient),
                _replace("src/almanac/offsets.py", "minutes=int(found[3]))", "minutes=int(found[3] or 0))"),
            ],
        ),
        Turn(tools=[_bash("python -m pytest -q && git diff --stat")]),
        Turn(
            text="The whole suite passes, and the change is small.",
            tools=[
                _finish(
                    "`parse_offset` matched the minutes of an offset and dropped them, so `to_utc` was off by up"
                    " to 59 minutes. Hours and minutes are now read apart, and the sign applies to both."
                    " Offsets of hours alone, such as `+02`, still work.",
                    ["`_OFFSET` in `src/almanac/offsets.py`: the minutes stay optional, as before."],
                )
            ],
        ),
    ]
