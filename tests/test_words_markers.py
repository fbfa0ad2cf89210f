"""Holds the hidden marker to one exact line."""

import pytest

from bot.words import markers


def test_a_marker_is_found_on_the_first_and_on_the_last_line() -> None:
    """Comments begin with the marker, pull request bodies end with it."""
    mark = markers.marker("status", "s1", "st-1")

    assert mark == "<!-- journeyman:status v1 s=s1 op=st-1 -->"
    assert markers.has_marker(f"{mark}\nbody", "status", "s1", "st-1")
    assert markers.has_marker(f"body\r\n\r\n{mark}\r\n", "status", "s1")


@pytest.mark.parametrize(
    "body",
    [
        None,
        "",
        "text\n{}\ntext",
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
    text = body and body.format(markers.marker("status", "s1", "st-1"))

    assert not markers.has_marker(text, "status", "s1", "st-1")


def test_a_key_cannot_end_the_comment() -> None:
    """Whatever a key holds, the marker stays one HTML comment on one line."""
    mark = markers.marker("status", "a --> b\n", "x--y")

    assert mark.count("-->") == 1
    assert "\n" not in mark
    assert markers.has_marker(mark, "status", "a --> b\n", "x--y")
