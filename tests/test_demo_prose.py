"""Test how Markdown, as it stands on GitHub, reads on a terminal."""

import io

import pytest

from demo import chronicle, paint
from demo.chronicle import Line
from demo.paint import Paint
from demo.prose import Prose
from demo.screen import Screen

PLAIN = Prose(Paint(colour=False), 60)
COLOURED = Prose(Paint(colour=True), 60)


class Console(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


@pytest.mark.parametrize(
    ("markdown", "lines"),
    [
        ("<!-- journeyman:status v1 s=1 op=2 -->\n### Working", ["Working"]),
        ('<span aria-hidden="true">✅</span> Done', ["✅ Done"]),
        ("- [x] read\n- [ ] **write** — now\n  - deeper", ["☑ read", "☐ write — now", "  • deeper"]),
        ("1. one\n2. two", ["1. one", "2. two"]),
        ("> said\n> > before", ["│ said", "│ │ before"]),
        ("```python\nif x:\n    y()\n```", ["    if x:", "        y()"]),
        ("see [the log](https://example.com/a) and ![x](y)", ["see the log and x"]),
        ("@&#8203;maria's `str&#95;replace`, str&#95;replace", ["@maria's `str&#95;replace`, str_replace"]),
        ("<code>a&#95;b</code> <sup>new</sup>", ["`a_b` (new)"]),
        ("*soft*, **hard** and snake_case_name", ["soft, hard and snake_case_name"]),
        ("a\n\n\n\nb\n\n", ["a", "", "b"]),
        (None, []),
    ],
)
def test_markdown_becomes_plain_words(markdown: str | None, lines: list[str]) -> None:
    """Marks, tags, entities and hidden comments are gone; the words and their order are not."""
    assert PLAIN.lines(markdown) == lines


def test_a_table_stands_in_columns() -> None:
    """Cells are padded to their column, to the right where the table says so; a head is ruled off."""
    table = "| | Before (`main`) | Now |\n|---|--:|--:|\n| New tests | 9 failed | 9 \\| 9 |"
    assert PLAIN.lines(table) == [
        "          │ Before (`main`) │   Now",
        "──────────┼─────────────────┼──────",
        "New tests │        9 failed │ 9 | 9",
    ]


def test_a_table_without_a_head_has_no_rule() -> None:
    """A head of empty cells, which GitHub's Markdown demands, is left out."""
    assert PLAIN.lines("| | |\n|---|---|\n| Model | opus |") == ["Model │ opus"]


def test_a_fold_is_a_heading_until_it_is_opened() -> None:
    """A closed fold shows its summary alone, an open one its content too, and so does each on demand."""
    deep = "<details open><summary>deep</summary>\nx\n</details>"
    text = f"<details><summary><b>1</b> task</summary>\n\ninside\n\n{deep}\n</details>"
    assert PLAIN.lines(text) == ["▸ 1 task"]
    assert PLAIN.lines(text.replace("<details>", "<details open>", 1)) == [
        "▾ 1 task",
        "  inside",
        "",
        "  ▾ deep",
        "    x",
    ]
    assert Prose(PLAIN.paint, 60, unfold=True).lines(text)[:2] == ["▾ 1 task", "  inside"]


@pytest.mark.parametrize("prose", [PLAIN, COLOURED])
@pytest.mark.parametrize(
    "markdown",
    [
        "word " * 40,
        "x" * 500,
        "- " + "tests/test_a_rather_long_name.py::test_something_that_is_long[parameter] " * 3,
        "| Test | Reason |\n|---|---|\n| `" + "long_name" * 12 + "` | **" + "why " * 30 + "** |",
        "> " + "quoted " * 30,
        "### " + "heading " * 20,
        "```\n" + "y" * 200 + "\n```",
        "日本語" * 40,
    ],
)
def test_no_line_is_wider_than_the_terminal(prose: Prose, markdown: str) -> None:
    """Whatever the text, every line fits, wide characters and colours counted as a terminal does."""
    lines = prose.lines(markdown)
    assert max(paint.columns(line) for line in lines) <= 60
    assert len(lines) > 1


@pytest.mark.parametrize(
    "text", ["\x1b[2J", "a\x07b", "&#27;[31m", "`\x9b31m`", "<code>&#x1b;]0;title</code>", "\u202e"]
)
def test_no_text_can_steer_the_terminal(text: str) -> None:
    """Control characters and direction marks are left out, those written as entities too."""
    assert not any(ord(each) < 32 or each in "\x7f\x9b\u202e" for each in "".join(PLAIN.lines(text)))


def test_colour_is_for_terminals_that_want_it() -> None:
    """A terminal gets colour unless NO_COLOR is set or it is dumb; a pipe never does."""
    assert Screen(Console(), {"TERM": "xterm"}).paint.colour
    assert not Screen(Console(), {"TERM": "xterm", "NO_COLOR": "1"}).paint.colour
    assert not Screen(Console(), {"TERM": "dumb"}).paint.colour
    assert not Screen(io.StringIO(), {"TERM": "xterm"}).paint.colour


def test_bold_and_code_are_set_off_in_colour() -> None:
    """Code loses its marks where colour tells it apart."""
    assert COLOURED.lines("**a b** `c`") == ["\x1b[1ma\x1b[0m \x1b[1mb\x1b[0m \x1b[36mc\x1b[0m"]


def test_speech_takes_two_lines_at_most_and_ticks_share_one() -> None:
    """The story stays readable: long speech is cut, and repeated runs add a dot each."""
    out = io.StringIO()
    screen = Screen(out, {})
    screen.line(Line("Claude", "word " * 100))
    for _ in range(3):
        screen.line(Line("proof", "runs the tests", tick=True))
    screen.line(Line("proof", "says proven"))
    speech, rest, ticks, last = out.getvalue().splitlines()
    assert speech.split()[:4] == ["0.0", "s", "Claude", "word"]
    assert rest.endswith("…")
    assert ticks.endswith("runs the tests ···")
    assert last.endswith("says proven")


def test_a_headline_is_told_without_its_time() -> None:
    """Two status comments that differ in the time passed say the same."""
    body = (
        '<!-- journeyman:status v1 -->\n### <span aria-hidden="true">🟢</span> Testing · 3 of 4 · 1 min 2 s\n'
    )
    assert chronicle.headline(body) == "🟢 Testing · 3 of 4"
    assert chronicle.marker(body) == "status"
