"""The almanac decides what the demo's repository holds: a small library with a real fault, and its tests."""

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

TESTS = '''\
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
    "tests/test_offsets.py": TESTS,
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
