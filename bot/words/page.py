"""Decide what of a Markdown text its reader on GitHub sees, block by block."""

import functools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from markdown_it import MarkdownIt
from markdown_it.common.utils import normalizeReference
from markdown_it.rules_block import StateBlock
from markdown_it.rules_block.table import escapedSplit

from bot.words import elements, prose

_DEPTH = 40  # levels of nesting, two for each list; what stands deeper is left out
_LEAVES = ("table", "code", "fence", "hr", "reference", "html_block", "heading", "lheading", "paragraph")
_NOTE = re.compile(r"\[\^([^\]\s]+)\]:[ \t]*")  # a note's definition (GitHub's own, no CommonMark)
_NAME = re.compile(r"\[\^([^\]\s]+)\](?=:)")
_CONTAINERS = re.compile(r"(?:[\s>*+.)-]|\d|\[\^[^\]\s]+\]:)*")
_INFO = re.compile(r"(?P<ticks>`{3,}|~{3,})[ \t]*(?P<word>[\w+#./:-]{1,40}(?!\S))?")
# A definition that leads nowhere is how people write a comment in Markdown. Below a line of text it is drawn,
# which nobody means it to be.
_REMARK = re.compile(r"\[[^\]]*+\]:\s*+(?:#|<#?>)(?:\s++(?:\(.*\)|\".*\"|'.*'))?")
_BLANK_LINES = 2  # together, outside code


@dataclass(frozen=True)
class _Leaf:
    """A block that holds no others: its lines, and where in the source the content of each begins."""

    kind: str
    first: int
    starts: list[int]

    @property
    def end(self) -> int:
        return self.first + len(self.starts)


@dataclass(frozen=True)
class _Note:
    label: str
    first: int
    end: int


@dataclass
class _Found:
    """What the parser of blocks found in a text."""

    leaves: list[_Leaf] = field(default_factory=list)
    notes: list[_Note] = field(default_factory=list)


def shown(text: str) -> tuple[str, int]:
    """Return *text*, whose lines end in LF, as its reader sees it, and how many characters stood too deep.

    Code blocks stay as they are, but for what follows the first word beside a fence. What GitHub draws
    nowhere goes: definitions of links, notes that nothing refers to, surplus cells of a table, raw HTML other
    than elements. Where something went, the lines around it keep their signs of quotes and lists.
    """
    found = _Found()
    environment: dict[str, object] = {"found": found}
    _parser().parse(text, environment)
    references = environment.get("references")
    addresses = {
        label: str(one["href"]) for label, one in (references.items() if isinstance(references, dict) else ())
    }
    return _Page(text, found, addresses).write()


class _Page:
    """A text while it is written anew."""

    def __init__(self, text: str, found: _Found, addresses: dict[str, str]) -> None:
        self._lines = text.split("\n")
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line) + 1)
        self._found = found
        self._reading = prose.Reading(addresses, frozenset(one.label for one in found.notes))

    def write(self) -> tuple[str, int]:
        seen = [(leaf, self._seen(leaf)) for leaf in self._found.leaves]
        hidden = self._hidden_lines()
        out: list[tuple[str, bool]] = []  # a line, and whether it is code
        deep = at = 0
        for leaf, lines in [*seen, (None, [])]:
            for number in range(at, leaf.first if leaf else len(self._lines)):
                line = self._lines[number]
                bare = bool(_CONTAINERS.fullmatch(line))
                deep += 0 if bare or number in hidden else len(line)
                out.append((self._signs(line) if bare and number not in hidden else "", False))
            if leaf and leaf.first in hidden:
                out.append(("", False))
            elif leaf:
                is_code = leaf.kind in {"code", "fence"}
                out += [(line, is_code) for line in self._placed(leaf, lines)]
            at = leaf.end if leaf else at
        return _joined(out), deep

    def _seen(self, leaf: _Leaf) -> list[str]:
        """Return the lines of what is seen of a leaf, without what stands before them."""
        if leaf.kind == "html_block":
            text, self._reading.still = elements.shown(self._content(leaf), self._reading.still)
            return text.split("\n")
        if self._reading.still or leaf.kind == "reference":
            return [""]
        if leaf.kind in {"code", "hr"}:
            return self._content(leaf).split("\n")
        if leaf.kind == "fence":
            first, *others = self._content(leaf).split("\n")
            return [_named(first), *others]
        if leaf.kind == "table":
            return list(self._rows(leaf))
        lines = prose.shown(self._content(leaf), self._reading).split("\n")
        return [line for line in lines if line.strip() and not _REMARK.fullmatch(line.strip())]

    def _content(self, leaf: _Leaf) -> str:
        return "\n".join(self._line(leaf, number) for number in range(leaf.first, leaf.end))

    def _line(self, leaf: _Leaf, number: int) -> str:
        return self._lines[number][leaf.starts[number - leaf.first] - self._starts[number] :]

    def _placed(self, leaf: _Leaf, lines: list[str]) -> list[str]:
        """Return *lines* with the signs of quotes and lists that stand before those of the leaf."""
        befores = [
            self._signs(self._lines[leaf.first + at][: start - self._starts[leaf.first + at]])
            for at, start in enumerate(leaf.starts[: max(1, len(lines))])
        ]
        if not any(line.strip() for line in lines):
            return [befores[0].rstrip()]
        befores += befores[-1:] * (len(lines) - len(befores))
        return [f"{before}{line}" for before, line in zip(befores, lines, strict=False)]

    def _signs(self, before: str) -> str:
        """Return what stands before a content, with the numbers of notes for their names."""
        if "[^" not in before:
            return before
        numbers = self._reading.numbers
        return _NAME.sub(lambda one: f"[^{numbers.get(normalizeReference(one[1]), one[1])}]", before)

    def _rows(self, leaf: _Leaf) -> Iterator[str]:
        columns = 0
        for number in range(leaf.first, leaf.end):
            line = self._line(leaf, number).strip()
            cells = _cells(line)
            columns = columns or len(cells)
            if number == leaf.first + 1:  # the dashes
                yield line
                continue
            seen = [prose.shown(cell, self._reading) for cell in cells[:columns]]
            if seen == cells:
                yield line
            else:
                yield f"| {' | '.join(one.replace('|', chr(92) + '|') for one in seen)} |"

    def _hidden_lines(self) -> set[int]:
        """Return the lines of notes that nothing refers to, and of those that come a second time."""
        hidden: set[int] = set()
        known: set[str] = set()
        for note in self._found.notes:
            if note.label in known or note.label not in self._reading.numbers:
                hidden.update(range(note.first, note.end))
            known.add(note.label)
        return hidden


def _named(fence: str) -> str:
    """Return the line that opens a code block with the name of its language alone."""
    info = _INFO.match(fence)
    if info is None or info.end() == len(fence.rstrip()):
        return fence
    return f"{info['ticks']}{info['word'] or ''}"


def _cells(row: str) -> list[str]:
    cells = escapedSplit(row)
    cells = cells[1:] if cells and not cells[0] else cells
    return [cell.strip() for cell in (cells[:-1] if cells and not cells[-1] else cells)]


def _joined(lines: list[tuple[str, bool]]) -> str:
    kept: list[str] = []
    blank = 0
    for line, is_code in lines:
        blank = 0 if is_code or line.strip() else blank + 1
        if blank <= _BLANK_LINES:
            kept.append(line)
    return "\n".join(kept)


class _Parser(MarkdownIt):
    """CommonMark's blocks with GitHub's tables and notes; any address makes a link, as on GitHub."""

    def validateLink(self, url: str) -> bool:  # noqa: N802, ARG002
        return True


@functools.cache
def _parser() -> MarkdownIt:
    parser = _Parser("commonmark", {"maxNesting": _DEPTH}).enable("table")
    parser.core.ruler.enableOnly(["normalize", "block"])
    parser.block.ruler.before(
        "reference", "note", _note, {"alt": ["paragraph", "reference", "blockquote", "list"]}
    )
    for rule in parser.block.ruler.__rules__:
        if rule.name in _LEAVES:
            parser.block.ruler.at(rule.name, _noting(rule.name, rule.fn), {"alt": rule.alt})
    return parser


def _noting(
    name: str, rule: Callable[[StateBlock, int, int, bool], bool]
) -> Callable[[StateBlock, int, int, bool], bool]:
    """Let the *rule* write down which lines it took, and where the content of each begins."""

    def noting(state: StateBlock, first: int, end: int, silent: bool) -> bool:
        matched = rule(state, first, end, silent)
        if matched and not silent:
            starts = [state.bMarks[line] + state.tShift[line] for line in range(first, state.line)]
            state.env["found"].leaves.append(_Leaf(name, first, starts))
        return matched

    return noting


def _note(state: StateBlock, first: int, end: int, silent: bool) -> bool:
    """Take a note's definition for what it is, a container whose further lines are indented by four."""
    begin = state.bMarks[first] + state.tShift[first]
    found = None if state.is_code_block(first) else _NOTE.match(state.src, begin, state.eMarks[first])
    if found is None or silent:
        return found is not None
    known = _Note(normalizeReference(found[1]), first, end)
    at = len(state.env["found"].notes)
    state.env["found"].notes.append(known)
    kept = state.bMarks[first], state.tShift[first], state.sCount[first], state.parentType
    state.bMarks[first], state.tShift[first] = found.end(), 0
    state.blkIndent += 4
    state.sCount[first] = state.blkIndent
    state.parentType = "footnote"
    state.level += 1
    state.line = first + 1
    if found.end() < state.eMarks[first] or first + 1 < end:
        state.md.block.tokenize(state, first, end)
    state.level -= 1
    state.blkIndent -= 4
    state.bMarks[first], state.tShift[first], state.sCount[first], state.parentType = kept
    state.line = max(state.line, first + 1)
    state.env["found"].notes[at] = _Note(known.label, first, state.line)
    return True
