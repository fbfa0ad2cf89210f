"""Holds the way out to its promise: redacted, then neutralised, then cut."""

import re

import pytest

from bot.words import outgoing
from bot.words.redaction import PLACEHOLDER, Redactor

NONE = Redactor()
TOKEN = "ghp_" + "a1B2" * 9


@pytest.mark.parametrize(
    ("text", "live"),
    [
        ("@alice and @org/team", r"@\w"),
        ("Fixes #1, closes GH-2, see o/r#3", r"(?<!&)#\d|GH-\d"),
        ("Fixes GH\\-12", r"(?i)gh\\?-\d"),
        ("Fixes https://github.com/o/r/issues/1", r"(?<!redirect\.)github\.com/o/r/issues/1"),
        ("[x](http://ghe.example/o/r/pull/9)", r"pull/9"),
        ("<img src=x> </details> <!-- journeyman:status v1 s=a op=b -->", r"<"),
        ("![t](https://tracker.example/p.png)", r"!\["),
        ("/journeyman stop", r"(?m)^/"),
        ("> - /journeyman stop", r"- /"),
        ("` @alice\n`", r"@\w"),
        ("https://e.example/` @alice `", r"@\w"),
        ("| `a | @alice` |\n|---|---|", r"@\w"),
        ("`x` @alice `y`", r"@\w"),
        ("&#64;alice &commat;bob", r"&#64;|&commat;"),
        ("\\![t](https://tracker.example/p.png)", r"!\["),
        ("a \u202egnirts\u202c b", "[\u202a-\u202e]"),
    ],
)
def test_nothing_in_a_foreign_text_is_live(text: str, live: str) -> None:
    """Mentions, references, closing keywords, HTML, images and commands are broken, tricks included."""
    result = outgoing.clear(text, NONE)

    assert not re.search(live, result)
    assert re.search(live, text) or "\\!" in text


def test_code_stays_as_it_was_written() -> None:
    """Inside code nothing is live, so nothing is changed."""
    text = "Use `@cached` and `#1`:\n\n```python\n@app.get('/x')  # <b>\n```"

    assert outgoing.clear(text, NONE) == text


def test_an_escaped_backtick_is_written_so_that_the_code_span_is_one() -> None:
    """Behind an entity nothing escapes the backtick, so GitHub reads code where we do."""
    assert outgoing.clear("\\`@alice`", NONE) == "&#92;`@alice`"


def test_a_fence_that_is_left_open_is_closed() -> None:
    """An open code block cannot swallow what the template writes after it."""
    assert outgoing.clear("```python\nx = 1", NONE) == "```python\nx = 1\n```"


def test_a_fence_inside_a_list_moves_to_the_margin() -> None:
    """A fence that only a list item's indent opens is written where everyone reads it alike."""
    assert outgoing.clear("- a\n\n  ```\n  @x\n  ```\n  @y", NONE) == "- a\n\n```\n@x\n```\n  @&#8203;y"


def test_a_drawn_block_becomes_plain_code() -> None:
    """GitHub draws no diagram and offers no suggestion that a model wrote."""
    assert outgoing.clear("```suggestion\nx\n```", NONE).startswith("```\n")


@pytest.mark.parametrize("runs", [1, 3, 4, 7])
def test_a_fence_is_longer_than_any_run_inside(runs: int) -> None:
    """No run of backticks inside a code block ends it."""
    ticks = outgoing.fence("a\n" + "`" * runs + "\nb").split("\n")[-1]

    assert len(ticks) > max(2, runs)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b", "`a b`"),
        ("a`b", "``a`b``"),
        ("`a", "`` `a ``"),
        ("a\nb", "`a b`"),
        ("a|b", "<code>a&#124;b</code>"),
        ("", "<code></code>"),
    ],
)
def test_inline_code_holds_any_text(text: str, expected: str) -> None:
    """A code span shows backticks, and a pipe does not split the table around it."""
    assert outgoing.inline_code(text) == expected


def test_a_table_cell_has_no_pipe_and_no_line_end() -> None:
    """A cell's text cannot end the cell or the row."""
    assert outgoing.table_cell("a | b\nc") == "a &#124; b c"


def test_a_literal_line_is_inert_everywhere() -> None:
    """A line that goes into a summary element or a cell holds no live sign at all."""
    result = outgoing.line("</summary> @a #1 `x` | [l](http://x) ![i](y) gh-3 www.x.org\nnext", NONE)

    assert not re.search(r"[<>`|\[\]()!*]|@\w|(?<!&)#\d|://|www\.|\n", result)


def test_a_plain_line_refers_to_nothing() -> None:
    """A title or a commit subject closes no issue, notifies nobody and skips no check."""
    result = outgoing.plain_line(
        "Fixes #12 for @alice, GH-3,\nhttps://github.com/o/r/issues/4 [skip ci]", NONE
    )

    assert result == "Fixes # 12 for @ alice, GH 3, https://redirect.github.com/o/r/issues/4 (skip ci)"


def test_redaction_comes_before_the_cut() -> None:
    """A token that the cut would halve is gone whole."""
    for limit in range(220, 300):
        result = outgoing.clear("x" * 50 + " " + TOKEN + " y" * 300, NONE, limit)
        assert "ghp_a" not in result


def test_what_the_template_wrote_stays_live_but_redacted() -> None:
    """The last gate keeps the template's own mention and takes secrets out."""
    assert outgoing.clear(f"@alice Fixes #1 {TOKEN}", NONE, ours=True) == f"@alice Fixes #1 {PLACEHOLDER}"


def test_an_excerpt_says_what_it_leaves_out() -> None:
    """A long output is shown up to its limit, with both numbers."""
    result = outgoing.excerpt("\n".join(f"line {number}" for number in range(100)), NONE)

    assert result.endswith("\n*40 of 100 lines shown (309 of 789 characters).*")
    assert "line 39\n```" in result


def test_a_huge_excerpt_reads_only_what_it_may_show() -> None:
    """Of an endless output the start is shown, and the whole length is still said."""
    result = outgoing.excerpt("x" * 3_000_000, NONE)

    assert result.endswith("\n*1 of 1 lines shown (3,000 of 3,000,000 characters).*")


def test_a_short_excerpt_is_whole_and_has_no_note() -> None:
    """What fits is shown without a word."""
    assert outgoing.excerpt("a\nb\n", NONE) == "```text\na\nb\n```"


def test_hostile_lengths_take_no_time() -> None:
    """No text makes the rules crawl; a quadratic one would take minutes here and meet the time limit."""
    for text in ("`a" * 30_000, "\\" * 60_000, "![](" * 15_000, "@a" * 30_000, "```\n" * 15_000):
        assert outgoing.clear(text, NONE)
