"""Decide how Markdown from elsewhere is rewritten so that it pings, links, closes and loads nothing."""

import re
from collections.abc import Iterator

from bot.words import quoting

# Turning text around hides what a template says beside it.
BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")

_FENCE = re.compile(r"^[ \t]*(?P<ticks>`{3,}|~{3,})[ \t]*(?P<info>[^`\n]*)$")
_CODE_SPAN = re.compile(r"(?<!\\)(?P<slashes>\\*)(?P<run>(?<!`)`+)(?!`)(?:(?P<code>.+?)(?<!`)(?P=run)(?!`))?")
_SLASH_COMMAND = re.compile(r"^(?:\s|>|[-*+]\s|\d+[.)]\s)*/(?=[A-Za-z])")
_SKIP_CI = re.compile(r"(?i)\[((?:skip|no) (?:ci|actions)|(?:ci|actions) skip)\]")
_ADDRESS = re.compile(r"://|www\.", re.IGNORECASE)
_ADDRESS_LENGTH = 2_000
_SPAN_LENGTH = 500
_URL = (
    r"(?P<host>(?<![\w-])(?:www\.)?github\\?\.com)?"
    r"(?P<path>(?:\\?/[\w.-]+){0,2}\\?/?\b(?:issues|pulls?|discussions)\\?/)(?=\d)"
)
_ALIVE = re.compile(
    _URL + r"|(?P<entity>&(?=#?\w+;))|(?P<image>!(?=\[))|(?P<escape>[<$])|(?P<tildes>~{3,})"
    r"|(?P<slashes>\\+(?=[&<$\\]|!\[|~{3}))"
    r"|(?P<sign>@(?=\w)|#(?=\d)|gh\\?-(?=\d))",
    re.IGNORECASE,
)
_PLAIN = re.compile(_URL + r"|(?P<sign>@(?=\w)|#(?=\d))|\b(?P<gh>gh)-(?=\d)", re.IGNORECASE)


def markdown(text: str) -> str:
    """Return Markdown in which no mention, reference, closing keyword, image, HTML or command is live.

    Code blocks are written anew at the left margin, always closed, and a backtick that opens no span on its
    line becomes an entity, so that our reading of what is code and GitHub's agree.
    """
    out: list[str] = []
    for code, info, lines in _blocks(BIDI.sub("", text)):
        if not code:
            out += [one_line(one) for one in lines]
            continue
        if out and out[-1].strip():
            out.append("")
        out.append(quoting.fence("\n".join(lines), info))
    return "\n".join(out)


def one_line(one: str) -> str:
    """Return one line of Markdown: its code spans kept, everything else made inert."""
    command = _SLASH_COMMAND.match(one)
    out = [command.group()[:-1], "&#47;"] if command else []
    at = done = command.end() if command else 0
    while found := _CODE_SPAN.search(one, at):
        before = one[done : found.start()]
        code = found["code"]
        # An escaped backtick opens no span for GitHub; behind an entity there is nothing that escapes it.
        escaped = "&#92;" * len(found["slashes"])
        if code is None or _in_address(one, found.start("run")):
            out += [_inert(before), escaped, "&#96;" * len(found["run"])]
            at = done = found.end("run")
            continue
        span = _span(found["run"], code)
        out += [_inert(before), escaped, span]
        at = done = found.end()
    return "".join([*out, _inert(one[done:])])


def plain(text: str) -> str:
    """Return one line for titles and commits, where nothing can be escaped: a space breaks each reference."""
    text = " ".join(BIDI.sub("", text).split())
    return _SKIP_CI.sub(r"(\1)", _PLAIN.sub(_spaced, text))


def _blocks(text: str) -> Iterator[tuple[bool, str, list[str]]]:
    """Yield (is code, info, lines) for runs of prose and fenced blocks; an open block ends with the text."""
    lines: list[str] = []
    ticks = info = ""
    indent = 0
    for one in text.split("\n"):
        bare = one.strip()
        if ticks and len(bare) >= len(ticks) and not bare.strip(ticks[0]):
            yield True, info, lines
            lines, ticks = [], ""
        elif ticks:
            lead = len(one) - len(one.lstrip(" "))
            lines.append(one[min(lead, indent) :])
        elif opening := _FENCE.match(one):
            yield False, "", lines
            lines, ticks, info = [], opening["ticks"], opening["info"]
            indent = len(one) - len(one.lstrip(" "))
        else:
            lines.append(one)
    yield bool(ticks), info, lines


def _span(run: str, code: str) -> str:
    # Tables split cells inside code spans, and a cut inside a span would bring its content alive.
    return quoting.html_code(code) if "|" in code or len(code) > _SPAN_LENGTH else run + code + run


def _in_address(one: str, at: int) -> bool:
    """Tell whether a bare address reaches *at*: it swallows backticks (GFM, extended autolinks)."""
    word = re.split(r"[ \t]", one[max(0, at - _ADDRESS_LENGTH) : at])[-1]
    return len(word) >= _ADDRESS_LENGTH or bool(_ADDRESS.search(word))


def _inert(text: str) -> str:
    return _ALIVE.sub(_defused, text)


def _defused(found: re.Match[str]) -> str:
    whole = found.group()
    if found["path"]:
        return _elsewhere(found, quoting.ZERO_WIDTH)
    if found["entity"]:
        return "&amp;"
    if found["sign"]:
        return whole + quoting.ZERO_WIDTH
    return "".join(f"&#{ord(character)};" for character in whole) if whole != "<" else "&lt;"


def _spaced(found: re.Match[str]) -> str:
    if found["path"]:
        return _elsewhere(found, " ")
    return f"{found['gh'] or found['sign']} "


def _elsewhere(found: re.Match[str], breaker: str) -> str:
    """Send an issue's address by way of GitHub's redirecting host, which leaves no mark on the issue."""
    return "redirect.github.com" + found["path"] if found["host"] else found["path"] + breaker
