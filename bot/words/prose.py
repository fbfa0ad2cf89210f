"""Decide what is seen of a paragraph: its text, and of links, images and HTML no word that is not drawn."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from markdown_it.common.utils import normalizeReference

from bot.words import elements, glyphs

_SIGN = re.compile(r"\\[!-/:-@\[-`{-~]|`+|<|!?\[|\]|(?P<spelled>&(?:amp;)*+(?:lt|#60|#[xX]3[cC]);!--)")
_SPELLED_END = re.compile(r"--(?:>|&(?:amp;)*+(?:gt|#62|#[xX]3[eE]);)")
_AUTOLINK = re.compile(
    r"<(?:[A-Za-z][A-Za-z0-9+.-]{1,31}:[^\s<>\x00-\x20]*+|[\w.!#$%&'*+/=?^`{|}~-]++@[A-Za-z0-9.-]++)>"
)
# CommonMark 0.31, raw HTML: within a paragraph only what is well formed is HTML.
_VALUE = r"(?:[^\s\"'=<>`]++|'[^']*+'|\"[^\"]*+\")"
_TAG = re.compile(
    rf"<(?:[A-Za-z][A-Za-z0-9-]*+(?:\s++[A-Za-z_:][\w.:-]*+(?:\s*+=\s*+{_VALUE})?)*+\s*+/?|/[A-Za-z][A-Za-z0-9-]*+\s*+)>",
    re.ASCII,
)
_APART = (("<!--", "-->"), ("<?", "?>"), ("<![CDATA[", "]]>"))
_NOTE = re.compile(r"\[\^([^\]\s]+)\]")
_LABEL = re.compile(r"\[((?:[^\[\]\\]|\\.){0,999})\]", re.DOTALL)
_BLANKS = re.compile(r"\s*+")
_BRACKETED = re.compile(r"<((?:[^<>\n\\]|\\.)*+)>")
_DESTINATION = re.compile(r"[^\s()\\]++|\\\S|\\|[()]")
_TITLE = re.compile(r"\s++(?:\"(?:[^\"\\]|\\.)*+\"|'(?:[^'\\]|\\.)*+'|\((?:[^()\\]|\\.)*+\))", re.DOTALL)
_DEEPEST = 32  # parentheses in an address
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")
_UNFIT = re.compile(r"[\s<>\"`\\\[\]]")
_SCHEME = re.compile(r"(?i)(?!https?:|mailto:)[a-z][a-z0-9+.-]*:")


@dataclass
class Reading:
    """What the links and notes of one text point to, and how far it was told."""

    addresses: Mapping[str, str] = field(default_factory=dict)  # by CommonMark's form of the label
    notes: frozenset[str] = frozenset()
    told: set[str] = field(default_factory=set)
    numbers: dict[str, int] = field(default_factory=dict)  # of the notes that the text refers to
    still: str = ""  # what HTML left open, and so hides what follows

    def address(self, label: str) -> str | None:
        """Return what a label stands for, None when it is none; empty when that was told before."""
        key = normalizeReference(label)
        if key not in self.addresses:
            return None
        known = key in self.told
        self.told.add(key)
        return "" if known else address(self.addresses[key])

    def number(self, label: str) -> int | None:
        """Return the number by which a page shows a note, None when there is no such note."""
        key = normalizeReference(label)
        return self.numbers.setdefault(key, len(self.numbers) + 1) if key in self.notes else None


def shown(text: str, reading: Reading) -> str:
    """Return the Markdown of a paragraph, heading or cell as its reader sees it, with entities decoded.

    Code spans stay as they are. A link keeps its address, at its first use also one that stands elsewhere;
    titles, labels and the alternative text of images go. Takes time in proportion to the text's length.
    """
    return "" if reading.still else _Reader(text, reading).read()


def address(raw: str) -> str:
    """Return an address as it can stand in parentheses, nothing for one that GitHub does not link."""
    found = glyphs.decoded(_ESCAPE.sub(r"\1", raw)).strip()
    if len(found) > elements.LONGEST_ADDRESS or _SCHEME.match(found):
        return ""
    found = _UNFIT.sub(lambda one: f"%{ord(one[0]):02X}" if one[0].isascii() else "", found)
    return found if _balanced(found) else found.replace("(", "%28").replace(")", "%29")


def _balanced(text: str) -> bool:
    depth = 0
    for one in text:
        depth += (one == "(") - (one == ")")
        if not 0 <= depth <= _DEEPEST:
            return False
    return depth == 0


@dataclass
class _Bracket:
    """An opening bracket that may become a link's or an image's."""

    piece: int  # its place in what was put out
    label: int  # where its label begins in the text
    image: bool
    nested: bool = False  # another one was opened within it


class _Reader:
    """Goes through a text once, as CommonMark's appendix on parsing tells."""

    def __init__(self, text: str, reading: Reading) -> None:
        self._text = text
        self._reading = reading
        self._out: list[str] = []
        self._open: list[_Bracket] = []
        self._floor = 0  # links hold no links: below it no bracket opens one any more
        self._absent: set[str] = set()  # what occurs nowhere in the rest of the text
        self._ticks: dict[int, list[int]] = {}
        for run in reversed(list(re.finditer("`+", text))):
            self._ticks.setdefault(len(run.group()), []).append(run.start())

    def read(self) -> str:
        at = 0
        while found := _SIGN.search(self._text, at):
            self._out.append(glyphs.decoded(self._text[at : found.start()]))
            at = self._take(found)
        return "".join([*self._out, glyphs.decoded(self._text[at:])])

    def _take(self, found: re.Match[str]) -> int:
        """Put out what the sign stands for; return where the reading goes on."""
        sign, start, end = found.group(), found.start(), found.end()
        if found["spelled"]:
            ending = _SPELLED_END.search(self._text, end) if "spelled" not in self._absent else None
            self._absent |= set() if ending else {"spelled"}
            self._out.append("" if ending else "&lt;!--")
            return ending.end() if ending else end
        if sign == "]":
            return self._close(start)
        if sign == "<":
            return self._element(start)
        if sign[0] == "`":
            end = self._closing(end, len(sign)) or end
        elif sign[0] != "\\":
            note = _NOTE.match(self._text, end - 1)
            if note and (number := self._reading.number(note[1])):
                self._out.append(f"{sign}^{number}]")
                return note.end()
            if self._open:
                self._open[-1].nested = True
            self._open.append(_Bracket(len(self._out), end, sign[0] == "!"))
        self._out.append(self._text[start:end])
        return end

    def _closing(self, at: int, length: int) -> int | None:
        """Return where the code span ends that began with so many ticks before *at*."""
        runs = self._ticks.get(length, [])
        while runs and runs[-1] < at:
            runs.pop()
        return runs[-1] + length if runs else None

    def _element(self, at: int) -> int:
        text = self._text
        link = _AUTOLINK.match(text, at)
        end = link.end() if link else self._html(at)
        if link or not end:
            end = end or at + 1
            self._out.append(text[at:end])
            return end
        seen, self._reading.still = elements.shown(text[at:end])
        self._out.append(seen)
        return len(text) if self._reading.still else end

    def _html(self, at: int) -> int | None:
        """Return where the raw HTML ends that begins at *at*, None when there is none."""
        text = self._text
        if text.startswith(("<!-->", "<!--->"), at):
            return text.index(">", at) + 1
        for opening, ending in _APART:
            if text.startswith(opening, at):
                return self._find(ending, at + len(opening))
        if text.startswith("<!", at):
            return self._find(">", at + 3) if text[at + 2 : at + 3].isalpha() else None
        tag = _TAG.match(text, at)
        return tag.end() if tag else None

    def _find(self, sign: str, at: int) -> int | None:
        """Return where *sign* ends; what was sought in vain once is not sought again."""
        found = self._text.find(sign, at) if sign not in self._absent else -1
        if found < 0:
            self._absent.add(sign)
            return None
        return found + len(sign)

    def _close(self, at: int) -> int:
        """Make a link or an image of the last open bracket, if one follows from the text behind *at*."""
        bracket = self._open.pop() if self._open else None
        depth = len(self._open)
        found = None
        if bracket is not None and (bracket.image or depth >= self._floor):
            found = self._inline(at + 1) or self._reference(bracket, at)
        self._floor = min(self._floor, depth)
        if bracket is None or found is None:
            self._out.append("]")
            return at + 1
        end, target = found
        place = "" if target is None else f"({target})"
        if bracket.image:
            self._out[bracket.piece :] = [f"![image]{place or '()'}"]
            return end
        self._floor = depth
        if any(one.strip() for one in self._out[bracket.piece + 1 :]):
            self._out.append(f"]{place}")
        else:
            del self._out[bracket.piece :]  # nobody can point at it
        return end

    def _inline(self, at: int) -> tuple[int, str | None] | None:
        """Return the end and the address of ``(address "title")`` at *at*."""
        text = self._text
        if not text.startswith("(", at):
            return None
        start = at = _end(_BLANKS, text, at + 1)
        if bracketed := _BRACKETED.match(text, at):
            raw, at = bracketed[1], bracketed.end()
        else:
            depth = 0
            while part := _DESTINATION.match(text, at):
                depth += (part.group() == "(") - (part.group() == ")")
                if depth < 0:
                    break
                if depth > _DEEPEST:
                    return None
                at = part.end()
            raw = text[start:at]
            if depth > 0 or raw.startswith("<"):
                return None
        at = _end(_BLANKS, text, _end(_TITLE, text, at) if at > start else at)
        return (at + 1, address(raw)) if text.startswith(")", at) else None

    def _reference(self, bracket: _Bracket, at: int) -> tuple[int, str | None] | None:
        """Return the end and the address of a link by its label; the address is told once."""
        named = _LABEL.match(self._text, at + 1)
        label = named[1] if named else ""
        if not label.strip():
            if bracket.nested or at - bracket.label > 999:
                return None
            label = self._text[bracket.label : at]
        if not self._reading.addresses or (found := self._reading.address(label)) is None:
            return None
        return named.end() if named else at + 1, found or None


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at
