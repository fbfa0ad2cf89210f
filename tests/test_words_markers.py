"""Holds the hidden marker to one exact line."""

import pytest

from bot.words import markers

MARK = markers.marker("status", "s1", "st-1")


def test_a_marker_is_found_on_the_first_line() -> None:
    """Our comments begin with it; line ends and blank lines are GitHub's to change."""
    assert MARK == "<!-- journeyman:status v1 s=s1 op=st-1 -->"
    assert markers.begins(f"{MARK}\nbody", MARK)
    assert markers.begins(f"\r\n{MARK}\r\nbody", MARK)
    assert markers.begins(MARK, MARK)


@pytest.mark.parametrize(
    "body",
    [
        None,
        "",
        "text\n{}\ntext",
        "text\n{}",
        "```\n{}\n```",
        "> {}",
        "{} trailing",
        "&lt;!-- journeyman:status v1 s=s1 op=st-1 -->",
        "<!-- journeyman:status v1 s=s1 op=st-11 -->",
        "<!-- journeyman:status v1 s=s12 op=st-1 -->",
        "<!-- journeyman:log v1 s=s1 op=st-1 -->",
    ],
)
def test_anything_else_is_not_the_marker(body: str | None) -> None:
    """A quoted, embedded, longer or other marker is none."""
    assert not markers.begins(body and body.format(MARK), MARK)


def test_a_key_cannot_end_the_comment() -> None:
    """Whatever a key holds, the marker stays one HTML comment on one line."""
    mark = markers.marker("status", "a --> b\n", "x--y")

    assert mark.count("-->") == 1
    assert "\n" not in mark
    assert markers.begins(mark, mark)
