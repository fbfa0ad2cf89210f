"""Decide how a pull request template is followed: its headings and its order, our sections under them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bot.words import ingoing, outgoing
from bot.words.redaction import Redactor

LIMIT = 20_000  # characters of a template
_LONG_LINE = 300  # a longer one is neither heading nor placeholder


class Kind(StrEnum):
    """What one of our sections is about."""

    FIXES = "Fixes"
    WHAT = "What and why"
    CHANGES = "Changes"
    EVIDENCE = "Evidence"
    LOOK_AT = "Please look at"


# The first that fits a heading decides; None: such a section is its author's to fill, and stays empty.
_MEANINGS: tuple[tuple[str, Kind | None], ...] = (
    (r"check ?list|type of|types of|breaking|change ?log|screen ?shot|licen[cs]e|contribut|depend", None),
    (r"\b(?:issues?|tickets?|fix(?:es)?|close[sd]?|resolves)\b", Kind.FIXES),
    (r"\b(?:tests?|tested|testing|verif\w+|evidence|proof|qa|validat\w+)\b", Kind.EVIDENCE),
    (r"\b(?:review\w*|notes?|look at|attention|risks?)\b", Kind.LOOK_AT),
    (r"\b(?:descri\w+|summary|why|motivation|overview|purpose|context|background|rationale)\b", Kind.WHAT),
    (r"\b(?:chang\w+|how|implementation|approach|solution)\b", Kind.CHANGES),
    (r"\bwhat\b", Kind.WHAT),
)
_HEADING = re.compile(r" {0,3}(?P<signs>#{1,6})[ \t]+(?P<title>.*?)(?:[ \t]+#+)?[ \t]*$")
_BOLD = re.compile(r" {0,3}(?:\*\*|__)(?P<title>[^*_]{1,100})(?:\*\*|__):?[ \t]*$")
_UNDERLINE = re.compile(r" {0,3}(?:=+|-{2,})[ \t]*$")
_FENCE = re.compile(r" {0,3}(?P<ticks>`{3,}|~{3,})")
_BOX = re.compile(r"^(?P<lead>[ \t]*(?:[-*+]|\d+[.)])[ \t]+)\[[ \txX]\](?=\s)")
_TAG = re.compile(
    r"(?i)</?(?:details|summary|br|p|div|span|img|a|b|i|em|strong|sub|sup|center|hr|h[1-6]|picture|source)\b[^<>]*>"
)
_IMAGE = re.compile(r"!\[image\](?:\([^()\n]*\)|\[[^\[\]\n]*\])")
# "Fixes # (issue)", "Closes #": the reference to the issue is ours to make.
_PLACEHOLDER = re.compile(
    r"(?i)[\W_]*(?:fix(?:es)?|close[sd]?|resolve[sd]?|related to|issue|refs?)\b[\s:]*"
    r"(?:#[\s<(\[{]*(?:issue|number|\d+|n+|x+)?[\s\w]{0,20}[>)\]}]*)\W*$"
)
_WORDLESS = re.compile(r"[^\w\s]+")


@dataclass
class Section:
    """One heading of the template with what stands below it; the first may have no heading."""

    heading: str = ""
    level: int = 0
    kind: Kind | None = None
    lines: list[str] = field(default_factory=list)


def follow(template: str, ours: Mapping[Kind, str], secrets: Redactor) -> str:
    """Return the pull request's text in the shape of *template*: our sections under its matching headings.

    Its hidden comments are instructions and go; so does the prose that asks for what we have written there.
    No box is ticked: a person has to vouch for it. Those of our sections that have no heading follow below.
    """
    sections = list(_sections(_plain(template)))
    level = next((one.level for one in sections if one.kind is not None), 3)
    left = dict(ours)
    parts: list[str] = []
    if Kind.FIXES in left and not any(one.kind is Kind.FIXES for one in sections):
        parts.append(left.pop(Kind.FIXES))
    for one in sections:
        parts += [outgoing.clear(one.heading, secrets, 500)] if one.heading else []
        text = left.pop(one.kind, None) if one.kind is not None else None
        kept = _kept(one, filled=text is not None)
        if text is None and not kept and one.kind in ours:
            text = "See above."
        parts += [text] if text else []
        parts += [outgoing.clear(kept, secrets)] if kept else []
    for kind, text in left.items():
        parts += [f"{'#' * level} {kind}", text]
    return "\n\n".join(parts)


def _plain(template: str) -> str:
    """Return the template as a reader of it sees it, its markup other than Markdown taken away."""
    text = ingoing.clean(template, LIMIT).text
    return "\n".join(_IMAGE.sub("", line) if code else _TAG.sub("", _IMAGE.sub("", line))
                     for code, line in _lines(text))  # fmt: skip


def _lines(text: str) -> Iterator[tuple[bool, str]]:
    """Yield each line and whether it belongs to a code block."""
    ticks = ""
    for line in text.split("\n"):
        bare = line.strip()
        if ticks:
            yield True, line
            ticks = "" if len(bare) >= len(ticks) and not bare.strip(ticks[0]) else ticks
        elif found := _FENCE.match(line):
            ticks = found["ticks"]
            yield True, line
        else:
            yield False, line


def _sections(text: str) -> Iterator[Section]:
    section = Section()
    lines = list(_lines(text))
    for index, (code, line) in enumerate(lines):
        underlined = index + 1 < len(lines) and bool(_UNDERLINE.match(lines[index + 1][1]))
        heading = None if code else _heading(line, underlined=underlined and section.lines[-1:] in ([], [""]))
        if heading is not None:
            yield section
            section = heading
        elif code or not (_UNDERLINE.match(line) and section.heading and not section.lines):
            section.lines.append(line)
    yield section


def _heading(line: str, *, underlined: bool) -> Section | None:
    if len(line) > _LONG_LINE:
        return None
    if found := _HEADING.match(line):
        title, level = found["title"], len(found["signs"])
    elif underlined and line.strip() and not _BOX.match(line):
        title, level = line.strip(), 2
    elif found := _BOLD.match(line):
        return Section(line.strip(), 3, _kind(found["title"]))
    else:
        return None
    return Section(f"{'#' * level} {title}", level, _kind(title))


def _kind(title: str) -> Kind | None:
    words = _WORDLESS.sub(" ", title.lower())
    return next((kind for pattern, kind in _MEANINGS if re.search(pattern, words)), None)


def _kept(section: Section, *, filled: bool) -> str:
    """Return what stays below a heading: all but placeholders, or beside our own text the boxes alone."""
    lines = [
        _BOX.sub(r"\g<lead>[ ]", line)
        for line in section.lines
        if (_BOX.match(line) or not filled) and not (len(line) <= _LONG_LINE and _PLACEHOLDER.match(line))
    ]
    kept = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")
    return kept if kept.strip(" \n\t-*+_#") else ""
