"""The prose decides how Markdown, as people write it on GitHub, reads on a terminal."""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

from demo import paint
from demo.paint import Paint

_COMMENT = re.compile(r"<!--.*?-->\n?", re.DOTALL)
_FENCE = re.compile(r"^\s*(`{3,}|~{3,})")
_FOLD = re.compile(r"<details(?P<open> open)?[^>]*>\s*(?:<summary>(?P<summary>.*?)</summary>)?")
_ITEM = re.compile(r"^(?P<indent>\s*)(?P<mark>[-*+]|\d+[.)])\s+(?P<box>\[[ xX]\]\s+)?(?P<text>.*)$")
_HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$")
_RULE = re.compile(r"^\s*(?:-{3,}|\*{3,}|_{3,})\s*$")
_DASHES = re.compile(r"^\s*\|?[\s:|-]*-[\s:|-]*$")
_CELL = re.compile(r"(?<!\\)\|")
_LINK = re.compile(r"!?\[([^\]\n]*)\]\([^)\s]*\)")
_CODE = re.compile(r"(`+)(.+?)\1(?!`)|<code>(.+?)</code>")
_STRONG = re.compile(r"\*\*(\S(?:.*?\S)?)\*\*|<b>(.*?)</b>")
_EMPHASIS = re.compile(r"(?<![\w*])[*_](\S(?:[^*_\n]*\S)?)[*_](?![\w*])")
_SUPER = re.compile(r"\s*<sup>(.*?)</sup>")
_TAG = re.compile(r"</?[a-z][a-z0-9]*(?:\s[^<>]*)?/?>", re.IGNORECASE)
# Signs that no text has: Unicode keeps U+FDD0 to U+FDEF for a program's own use.
_MARKS = re.compile("[\ufdd0-\ufdef]")
_MARK = "\ufdd4"
_MARK_ITALIC = "\ufdd2\\1\ufdd3"
_BOLD = re.compile("\ufdd0(.*?)\ufdd1")
_ITALIC = re.compile("\ufdd2(.*?)\ufdd3")
_KEPT = re.compile(f"{_MARK}(\\d+){_MARK}")
Block = tuple[int, list[str]] | None  # lines taken, lines shown; None where no such block begins
_NARROWEST = 8  # columns that a table's cell keeps


@dataclass(frozen=True)
class Prose:
    """A way to set Markdown; `unfold` shows what stands in closed folds too, else only their headings."""

    paint: Paint
    width: int
    unfold: bool = False

    def lines(self, text: str | None) -> list[str]:
        """Return the lines of a text, none of them wider than the width, without hidden comments."""
        plain = _COMMENT.sub("", paint.safe(text or ""))
        return _tidy(list(self._blocks(plain.split("\n"), self.width)))

    def span(self, text: str) -> str:
        """Return the text of one line with its emphasis, links by their words alone."""
        kept: list[str] = []

        def keep(found: re.Match[str]) -> str:
            code = (found[2] or paint.safe(html.unescape(found[3]))).strip()
            kept.append(self.paint(code, "cyan") if self.paint.colour else f"`{code}`")
            return f"{_MARK}{len(kept) - 1}{_MARK}"

        text = _CODE.sub(keep, _MARKS.sub("", text))
        text = _LINK.sub(r"\1", _SUPER.sub(r" (\1)", text))
        # An entity may stand for a sign of Markdown that means itself: emphasis is found before it is read.
        text = _EMPHASIS.sub(_MARK_ITALIC, _STRONG.sub(_mark_bold, text))
        text = paint.safe(html.unescape(_TAG.sub("", text)))
        text = _BOLD.sub(lambda found: self.paint(found[1], "bold"), text)
        text = _ITALIC.sub(lambda found: self.paint(found[1], "italic"), text)
        return _KEPT.sub(lambda found: kept[int(found[1])], text)

    def _blocks(self, lines: list[str], width: int) -> Iterator[str]:
        at = 0
        while at < len(lines):
            taken, shown = self._block(lines, at, width)
            yield from shown
            at += taken

    def _block(self, lines: list[str], at: int, width: int) -> tuple[int, list[str]]:
        """Return how many lines of Markdown the block here takes, and the lines that it becomes."""
        for read in (self._fence, self._fold, self._quote, self._table, self._item, self._heading):
            if block := read(lines, at, width):
                return block
        if _RULE.match(lines[at]):
            return 1, [self.paint("─" * min(width, 20), "dim")]
        return 1, paint.wrap(self.span(lines[at]), width) or [""]

    def _fence(self, lines: list[str], at: int, width: int) -> Block:
        fence = _FENCE.match(lines[at])
        if fence is None:
            return None
        end = at + 1
        while end < len(lines) and not lines[end].strip().startswith(fence[1]):
            end += 1
        shown = [piece for each in lines[at + 1 : end] for piece in paint.fold(each, width - 4)]
        return end - at + 1, [f"    {self.paint(each, 'cyan')}".rstrip() for each in shown]

    def _fold(self, lines: list[str], at: int, width: int) -> Block:
        """Return a fold as a heading, with its content below when it is open."""
        if not lines[at].lstrip().startswith("<details"):
            return None
        end, depth = at, 0
        while end < len(lines) and (depth or end == at):
            depth += lines[end].count("<details") - lines[end].count("</details>")
            end += 1
        whole = "\n".join(lines[at:end]).strip().removesuffix("</details>")
        head = _FOLD.match(whole)
        summary = (head and head["summary"]) or "Details"
        shown = self.unfold or bool(head and head["open"])
        title = paint.wrap(f"{'▾' if shown else '▸'} {self._bare(summary)}", width - 2)
        out = [self.paint(title[0], "bold"), *(f"  {self.paint(each, 'bold')}" for each in title[1:])]
        if shown and head:
            inner = _tidy(list(self._blocks(whole[head.end() :].split("\n"), width - 2)))
            out += [f"  {each}".rstrip() for each in inner]
        return end - at, out

    def _quote(self, lines: list[str], at: int, width: int) -> Block:
        taken = _while(lines, at, r">")
        inside = list(self._blocks([re.sub(r"^> ?", "", each) for each in taken], width - 2))
        shown = [f"{self.paint('│', 'dim')} {each}".rstrip() for each in _tidy(inside)]
        return (len(taken), shown) if taken else None

    def _heading(self, lines: list[str], at: int, width: int) -> Block:
        heading = _HEADING.match(lines[at])
        if heading is None:
            return None
        words = paint.wrap(self._bare(heading[1]), width)
        return 1, ["", *(self.paint(each, "bold") for each in words), ""]

    def _item(self, lines: list[str], at: int, width: int) -> Block:
        item = None if _RULE.match(lines[at]) else _ITEM.match(lines[at])
        if item is None:
            return None
        more = _while(lines, at + 1, r"\s{2,}(?![-*+]\s|\d+[.)]\s)\S")
        mark = {"": "•", "[ ]": "☐"}.get((item["box"] or "").strip(), "☑")
        first = f"{item['indent']}{item['mark'] if item['mark'][0].isdigit() else mark} "
        text = " ".join([item["text"], *(each.strip() for each in more)])
        broken = paint.wrap(self.span(text), width - len(first)) or [""]
        return 1 + len(more), [first + broken[0], *(" " * len(first) + each for each in broken[1:])]

    def _bare(self, text: str) -> str:
        """Return a heading's words without any style of their own, which would end the heading's."""
        return Prose(Paint(colour=False), self.width).span(text)

    def _table(self, lines: list[str], at: int, width: int) -> Block:
        """Return a table in columns; the widest give way until it fits, and their cells break."""
        taken = _while(lines, at, r".*\|")
        if len(taken) < 2 or not _DASHES.match(taken[1]):
            return None
        rows = [_cells(line) for line in (taken[0], *taken[2:])]
        count = max(len(row) for row in rows)
        shown = [[self.span(cell) for cell in [*row, *[""] * (count - len(row))]] for row in rows]
        right = [mark.strip().endswith(":") for mark in _cells(taken[1])]
        right += [False] * (count - len(right))
        sizes = [max(paint.columns(row[n]) for row in shown) for n in range(count)]
        while sum(sizes) + 3 * (count - 1) > width and max(sizes) > _NARROWEST:
            sizes[sizes.index(max(sizes))] -= 1
        head, *body = shown
        out = (
            []
            if not any(head)
            else [*self._row(head, sizes, right), "─┼─".join("─" * size for size in sizes)]
        )
        return len(taken), ["", *out, *(line for row in body for line in self._row(row, sizes, right)), ""]

    def _row(self, cells: list[str], sizes: list[int], right: list[bool]) -> list[str]:
        broken = [paint.wrap(cell, max(size, 1)) or [""] for cell, size in zip(cells, sizes, strict=True)]
        height = max(len(each) for each in broken)
        return [
            " │ ".join(
                paint.pad(each[n] if n < len(each) else "", size, right=on_right)
                for each, size, on_right in zip(broken, sizes, right, strict=True)
            ).rstrip()
            for n in range(height)
        ]


def _mark_bold(found: re.Match[str]) -> str:
    return f"\ufdd0{found[1] or found[2] or ''}\ufdd1"


def _cells(line: str) -> list[str]:
    inside = line.strip().removeprefix("|")
    inside = inside[:-1] if inside.endswith("|") and not inside.endswith("\\|") else inside
    return [cell.strip().replace("\\|", "|") for cell in _CELL.split(inside)]


def _while(lines: list[str], at: int, pattern: str) -> list[str]:
    taken: list[str] = []
    for line in lines[at:]:
        if not re.match(pattern, line):
            break
        taken.append(line)
    return taken


def _tidy(lines: list[str]) -> list[str]:
    """Return the lines with single blank ones between them, and none at either end."""
    out: list[str] = []
    for line in lines:
        if line.strip() or (out and out[-1]):
            out.append(line.rstrip())
    while out and not out[-1]:
        out.pop()
    return out
