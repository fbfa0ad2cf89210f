"""Decide which lines of a comment are plain text that a person wrote, by CommonMark and GitHub's tables."""

import functools
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

# Reading costs up to 25 µs a line and 15 µs a character inside paragraphs: a comment takes less than 0.2 s.
MOST_LINES = 4_000
MOST_INLINE = 6_000  # characters of paragraphs that hold a sign
_LEAD = 2_000  # characters that are read before the first sign of a longer paragraph

_DEPTH = 12  # levels of nesting; what stands deeper is not read

OTHER = "\ufffc"  # stands for what is no plain text: code, a link, HTML
# What these elements hold is quoted, folded away, struck out, code, a heading or a link, and not said.
_APART = "details|blockquote|pre|code|kbd|samp|tt|del|s|strike|h[1-6]|a|table|ul|ol|dl|q|sub|sup|template"
_TAG = re.compile(rf"<(/?)({_APART})(?![\w-])[^<>]*>", re.IGNORECASE)
_HTML_COMMENT = re.compile(r"<!--(?:.*?-->|.*\Z)", re.DOTALL)
_FOOTNOTE = re.compile(r"\s*\[\^[^\]\s]+\]:")  # GitHub moves or hides what follows
_TABLE = re.compile(r"^[^\n]*\n(?=[^\n]*\|)(?=[^\n]*-)[|: -]+$", re.MULTILINE)  # a head and its row of dashes
_SPAN_OPENS = {"link_open": "[", "s_open": "~~"}
_SPAN_CLOSES = {"link_close": "]", "s_close": "~~"}


@dataclass(frozen=True)
class Line:
    """One line of a paragraph: its place in the source, and what of it is seen."""

    number: int  # in the source, from 0; meaningful for a top line alone
    top: bool  # the paragraph stands in no list and no element that sets it apart
    shown: str  # everything visible, with signs around what is not plain text
    said: str  # the plain text alone


class _Page:
    """The lines of one paragraph as they grow, with what is open around the next character."""

    def __init__(self) -> None:
        self.lines: list[tuple[int, list[str], list[str]]] = []  # place of its start, shown, said
        self.open: list[str] = []  # the spans that set apart what stands in them
        self.begin(0)

    def begin(self, at: int) -> None:
        self.lines.append((at, list(self.open), [OTHER] if self.open else []))

    def add(self, text: str, *, plain: bool = True) -> None:
        _, shown, said = self.lines[-1]
        shown.append(text)
        said.append(text if plain and not self.open else OTHER)

    def close(self, sign: str) -> None:
        if self.open:
            self.open.pop()
        self.add(sign, plain=False)


def source_lines(body: str) -> list[str]:
    """Return the lines of *body* as CommonMark counts them."""
    return body.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def paragraphs(source: list[str], sign: re.Pattern[str]) -> Iterator[Line]:
    """Yield the lines of those paragraphs in which *sign* occurs, outside quotes, headings, tables and HTML.

    The source is read up to 4,000 lines, and of all such paragraphs together 6,000 characters. A paragraph in
    a list is yielded with ``top`` False.
    """
    text = "\n".join(source[:MOST_LINES])
    environment: MutableMapping[str, Any] = {}
    tokens = _blocks().parse(text, environment)
    apart: Counter[str] = Counter()
    quotes = lists = 0
    room = MOST_INLINE
    for index, token in enumerate(tokens):
        quotes += (token.type == "blockquote_open") - (token.type == "blockquote_close")
        lists += (token.type == "list_item_open") - (token.type == "list_item_close")
        if token.type == "html_block" and token.level == 0:
            _count(token.content, apart)
        if token.type != "inline" or tokens[index - 1].type != "paragraph_open":
            continue
        found = sign.search(token.content)
        first = (token.map or [0])[0]
        # CommonMark takes a footnote's first line for a definition, and what goes on in it for a paragraph.
        note = _FOOTNOTE.match(source[first - 1] if first else "") or _FOOTNOTE.match(token.content)
        if found is None or note or quotes or apart.total() or room <= 0:
            continue
        table = _TABLE.search(token.content)
        start, content = _window(token.content[: table.start() if table else None], found.start(), room)
        room -= len(content)
        first += token.content.count("\n", 0, start)
        yield from _lines(content, environment, first, top=not lists)


@functools.cache
def _blocks() -> MarkdownIt:
    """Return the parser of blocks; what stands inside a paragraph is read only where it matters."""
    parser = MarkdownIt("commonmark", {"maxNesting": _DEPTH}).enable("strikethrough")
    parser.core.ruler.enableOnly(["normalize", "block"])
    for name in ("newline", "escape"):
        rule = next(one.fn for one in parser.inline.ruler.__rules__ if one.name == name)
        parser.inline.ruler.at(name, _placed(rule))
    return parser


def _placed(rule: Callable[[StateInline, bool], bool]) -> Callable[[StateInline, bool], bool]:
    """Let the *rule* keep with each line break that it finds where that was."""

    def placed(state: StateInline, silent: bool) -> bool:
        at = state.pos
        matched = rule(state, silent)
        if matched and not silent and state.tokens and state.tokens[-1].type in {"softbreak", "hardbreak"}:
            state.tokens[-1].meta.setdefault("at", at)
        return matched

    return placed


def _window(content: str, sign: int, room: int) -> tuple[int, str]:
    """Return where the part of a long paragraph begins that is read for its first *sign*, and that part."""
    if len(content) <= room:
        return 0, content
    start = content.rfind("\n", 0, max(0, sign - _LEAD)) + 1 if sign > _LEAD else 0
    part = content[start : start + room]
    whole = part.rfind("\n") if len(content) > start + room else -1
    return start, part[:whole] if whole > sign - start else part


def _lines(content: str, environment: MutableMapping[str, Any], first: int, *, top: bool) -> Iterator[Line]:
    parser = _blocks()
    tokens: list[Token] = []
    parser.inline.parse(content, parser, environment, tokens)
    page = _Page()
    for token in tokens:
        _take(token, page)
    breaks = [found.start() for found in re.finditer("\n", content)]
    for at, shown, said in page.lines:
        # A break is noted where its blanks or its backslash begin; what begins a line stands behind it.
        number = bisect_left(breaks, at) + 1 if at else 0
        yield Line(first + number, top, "".join(shown).strip(" "), "".join(said).strip(" "))


def _take(token: Token, page: _Page) -> None:
    match token.type:
        case "text":
            page.add(token.content)
        case "text_special":  # an entity or an escape: seen, but a sign must be written as itself
            page.add(OTHER if token.content in {"/", "@"} else token.content)
        case "softbreak" | "hardbreak":
            page.begin(token.meta["at"])
        case "code_inline":
            page.add(f"`{token.content}`", plain=False)
        case "image":
            page.add("![image]", plain=False)
        case "link_open" | "s_open":
            page.add(_SPAN_OPENS[token.type], plain=False)
            page.open.append(_SPAN_OPENS[token.type])
        case "link_close" | "s_close":
            page.close(_SPAN_CLOSES[token.type])
        case "html_inline":
            _take_html(token.content, page)


def _take_html(tag: str, page: _Page) -> None:
    if tag.startswith("<!--"):
        return
    found = _TAG.fullmatch(tag)
    if found and found[1]:
        page.close(tag)
        return
    page.add(tag, plain=False)
    if found:
        page.open.append(tag)


def _count(html: str, apart: Counter[str]) -> None:
    """Keep count of the elements that an HTML block leaves open around what follows."""
    for closes, name in _TAG.findall(_HTML_COMMENT.sub("", html)):
        apart[name.lower()] = max(0, apart[name.lower()] + (-1 if closes else 1))
