"""Holds the cut to honest numbers and whole signs."""

import re

import pytest

from bot.words import length


@pytest.mark.parametrize(
    "unit", ["line of text\n", "x" * 70_000, "汉字", "👩🏽‍💻", "e\u0301", "&#8203;", "```\ncode\n```\n\n"]
)
@pytest.mark.parametrize("octets", [False, True])
def test_a_cut_text_fits_and_says_how_much_is_shown(unit: str, octets: bool) -> None:
    """Whatever the text, the result keeps its limit and names shown and whole truly."""
    text = (unit * (200_000 // len(unit) + 1))[:200_000]

    result = length.cut(text, 6_000, octets=octets)

    size = len(result.encode()) if octets else len(result)
    assert size <= 6_000
    found = re.search(r"\*Cut here: ([\d,]+) of ([\d,]+) characters shown\.\*$", result)
    assert found
    shown, whole = (int(number.replace(",", "")) for number in found.groups())
    assert whole == len(text)
    assert result.startswith(text[:shown])
    assert shown > 800


def test_a_text_that_fits_is_not_touched() -> None:
    """Nothing is said when nothing is cut."""
    assert length.cut("abc", 3) == "abc"


def test_a_cut_keeps_signs_whole() -> None:
    """A joined emoji, an accent and an entity are shown whole or not at all."""
    for limit in range(250, 330):
        head = length.cut("👩🏽‍💻" * 100, limit).split("\n")[0]
        assert len(head) % 4 == 0
        head = length.cut("e\u0301" * 300, limit).split("\n")[0]
        assert head.endswith("\u0301")
        head = length.cut("&#8203;" * 100, limit).split("\n")[0]
        assert head.endswith(";")


def test_a_cut_closes_code_and_details() -> None:
    """What was open where the text was cut is closed before the note."""
    text = "<details><summary>a</summary>\n\n````text\n" + "x\n" * 500

    result = length.cut(text, 600)

    assert result.count("````") == 2
    assert result.index("</details>") < result.index("*Cut here")


def test_a_cut_never_halves_a_code_span() -> None:
    """Half a code span is no code, and what it quotes would come alive."""
    for limit in range(230, 330):
        result = length.cut("word `@alice @bob @carol` " * 50, limit)
        assert result.split("\n")[0].count("`") % 2 == 0


def test_split_loses_nothing_and_closes_each_part() -> None:
    """All lines come back, in order, and each part's code blocks are balanced."""
    lines = [f"line {number}" for number in range(900)]
    text = "````python\n" + "\n".join(lines) + "\n````\nend"

    parts = length.split(text, 2_000)

    assert len(parts) > 4
    assert all(len(part) <= 2_000 for part in parts)
    assert all(part.count("````") == 2 for part in parts)
    assert re.findall(r"line \d+", "\n".join(parts)) == lines
    assert parts[-1].endswith("\nend")
