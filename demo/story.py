"""The story decides what the demo tells: an issue, and how a scripted Claude works on it."""

from collections.abc import Callable, Sequence
from typing import Any

from demo.claude.conversation import Conversation
from demo.claude.script import Play, Script, Turn

REPOSITORY = "acme/almanac"  # demo.almanac has its files
MAINTAINER = "maria"
USER = "jonas"
LABEL = "journeyman"

TITLE = "to_utc ignores the minutes of an offset"
BODY = """\
Times from India come out half an hour late:

```python
>>> to_utc("2026-03-01T12:00:00+05:30")
datetime.datetime(2026, 3, 1, 7, 0, tzinfo=datetime.timezone.utc)
```

That should be 06:30. The offset is read as `+05`, and its minutes are dropped.

- [ ] Minutes count east of Greenwich: `+05:30`, `+0530`, `+05:45`
- [ ] Minutes count west of it: `-03:30` is three and a half hours behind
- [ ] `format_offset` and `parse_offset` agree again
"""
COMMENT = "Same here, from Kathmandu: `+05:45` is read as five hours."

# What Claude writes: a test below the last one of its file, and its fix, the second pattern breaking `+02`.
LAST_TEST = 'def test_utc_is_written_as_z():\n    assert format_offset(timedelta(0)) == "Z"\n'
WRITTEN = """

@pytest.mark.parametrize(
    ("text", "minutes"), [("+05:30", 330), ("+0530", 330), ("-03:30", -210)]
)
def test_minutes_count(text, minutes):
    assert parse_offset(text) == timedelta(minutes=minutes)
"""
PATTERNS = (
    r'r"([+-]\d{2})(?::?\d{2})?"',
    r'r"([+-])(\d{2}):?(\d{2})"',
    r'r"([+-])(\d{2})(?::?(\d{2}))?"',
)
HOURS = "    return timedelta(hours=int(found[1]))\n"
SIZE = """\
    size = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return -size if found[1] == "-" else size
"""
NEWS = "## Unreleased\n\n- `parse_offset` and `to_utc` no longer drop the minutes of an offset.\n"
FIRST_SUMMARY = "`parse_offset` now reads the minutes of an offset."
SUMMARY = (
    "`parse_offset` matched the minutes of an offset and dropped them, so `to_utc` was off by up to 59"
    " minutes. Hours and minutes are now read apart, and the sign applies to both. Offsets of hours alone,"
    " such as `+02`, still work."
)

GENERATED = {
    "east_of_greenwich": '''\
"""Offsets east of Greenwich that are not whole hours."""

from datetime import datetime, timezone

from almanac import to_utc


def test_noon_in_india_is_half_past_six_in_utc():
    moment = datetime(2026, 3, 1, 6, 30, tzinfo=timezone.utc)
    assert to_utc("2026-03-01T12:00:00+05:30") == moment


def test_noon_in_nepal_is_a_quarter_past_six_in_utc():
    moment = datetime(2026, 3, 1, 6, 15, tzinfo=timezone.utc)
    assert to_utc("2026-03-01T12:00:00+05:45") == moment
''',
    "west_of_greenwich": '''\
"""Offsets west of Greenwich that are not whole hours, and the way back."""

from datetime import datetime, timezone

import pytest

from almanac import format_offset, parse_offset, to_utc


def test_noon_in_newfoundland_is_half_past_three_in_utc():
    moment = datetime(2026, 3, 1, 15, 30, tzinfo=timezone.utc)
    assert to_utc("2026-03-01T12:00:00-03:30") == moment


@pytest.mark.parametrize("text", ["+05:30", "-03:30", "-00:30"])
def test_what_is_read_is_written_the_same(text):
    assert format_offset(parse_offset(text)) == text
''',
}

_EDITOR = "str_replace_based_edit_tool"
_NEAR = "python -m pytest -q tests/test_offsets.py"
Call = tuple[str, dict[str, Any]]


def script(tell: Callable[[Conversation, Turn], None]) -> Script:
    """Return what Claude says; `tell` hears each answer with the conversation that it answers."""
    cases = [
        {"name": name, "test_code": code, "path": f"tests/test_{name}.py"} for name, code in GENERATED.items()
    ]

    def telling(turn: Turn) -> Callable[[Conversation], Turn]:
        def answer(conversation: Conversation) -> Turn:
            tell(conversation, turn)
            return turn

        return answer

    turns = [telling(turn) for turn in (*_first_attempt(), *_second_attempt())]
    tests = telling(Turn(text=Conversation.as_json({"test_cases": cases})))
    return Script([Play(match=TITLE, turns=turns, tests=tests, name="almanac")])


def _bash(command: str) -> Call:
    return "bash", {"command": command}


def _view(path: str) -> Call:
    return _EDITOR, {"command": "view", "path": f"/workspace/{path}"}


def _replace(path: str, old: str, new: str) -> Call:
    return _EDITOR, {"command": "str_replace", "path": f"/workspace/{path}", "old_str": old, "new_str": new}


def _finish(summary: str, look_at: Sequence[str]) -> Call:
    return "finish", {"summary": summary, "look_at": [*look_at], "open_questions": []}


def _first_attempt() -> list[Turn]:
    """Return a fix of what the issue names that breaks a form of offset which it doesn't name."""
    look = [
        _bash("git log --oneline && ls src/almanac tests"),
        _view("src/almanac/offsets.py"),
        _view("tests/test_offsets.py"),
    ]
    mend = [
        _replace("src/almanac/offsets.py", PATTERNS[0], PATTERNS[1]),
        _replace("src/almanac/offsets.py", HOURS, SIZE),
    ]
    return [
        Turn(text="I read the code that handles offsets, and its tests.", tools=look),
        Turn(
            text="`_OFFSET` matches the minutes and never keeps them. First a test that shows it.",
            tools=[_replace("tests/test_offsets.py", LAST_TEST, LAST_TEST + WRITTEN)],
        ),
        Turn(tools=[_bash(_NEAR)]),
        Turn(
            text="It fails for the reason the issue gives. Hours and minutes become groups of their own, and"
            " the sign applies to both.",
            tools=mend,
        ),
        Turn(tools=[_bash(_NEAR)]),
        Turn(
            text="The tests of offsets pass. Now the line in the changelog that CLAUDE.md asks for.",
            tools=[_replace("CHANGELOG.md", "## Unreleased\n", NEWS)],
        ),
        Turn(text="That should be all.", tools=[_finish(FIRST_SUMMARY, ["`_OFFSET` has new groups."])]),
    ]


def _second_attempt() -> list[Turn]:
    """Return the same fix without the regression that the proof found."""
    mend = [
        _replace("src/almanac/offsets.py", PATTERNS[1], PATTERNS[2]),
        _replace("src/almanac/offsets.py", "int(found[3]))", "int(found[3] or 0))"),
    ]
    look_at = ["`_OFFSET` in `src/almanac/offsets.py`: the minutes stay optional, as before."]
    return [
        Turn(
            text="True: I only ran the tests of offsets. I look at the one that broke.",
            tools=[_bash("python -m pytest -q"), _bash("grep -n -A2 hours_alone tests/test_stamps.py")],
        ),
        Turn(
            text="`+02` is a valid offset, and I had made its minutes compulsory. They are optional again.",
            tools=mend,
        ),
        Turn(tools=[_bash("python -m pytest -q && git diff --stat")]),
        Turn(text="The whole suite passes, and the change is small.", tools=[_finish(SUMMARY, look_at)]),
    ]
