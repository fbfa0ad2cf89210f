"""Decide where a text that is too long is cut, and what is said about the rest."""

import re
import unicodedata

_FENCE = re.compile(r"^ {0,3}(?P<ticks>`{3,}|~{3,})(?P<info>[^`\n]*)$")
_DETAILS = re.compile(r"<(/?)details\b")
_HALF_ENTITY = re.compile(r"&#?\w{0,8}$")
_CODE_SPAN = re.compile(r"(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)")
_NOTE_ROOM = 200  # characters for the note and the closing lines
_LINE_SEARCH = 2_000  # a line end this near is preferred to the exact place
_WORD_SEARCH = 200


def cut(text: str, limit: int, *, octets: bool = False) -> str:
    """Return *text* within *limit* characters (UTF-8 bytes with *octets*).

    It is cut at a line end where one is near, else between whole characters; open code blocks and details are
    closed, and a last line says how many characters of how many are shown.
    """
    if _size(text, octets=octets) <= limit:
        return text
    room = limit - _NOTE_ROOM
    while room > 0:
        head = _head(text, _within(text, room, octets=octets))
        result = f"{head}{closing(head)}\n\n*Cut here: {len(head):,} of {len(text):,} characters shown.*"
        if _size(result, octets=octets) <= limit:
            return result
        room -= _NOTE_ROOM
    return _within(f"*Cut here: 0 of {len(text):,} characters shown.*", limit, octets=octets)


def split(text: str, limit: int) -> list[str]:
    """Return *text* in parts of at most *limit* characters, losing nothing; open code goes on in the next."""
    parts: list[str] = []
    opening = ""
    while len(opening) + len(text) > limit:
        window = text[: max(1, limit - _NOTE_ROOM - len(opening))]
        head = _head(text, window) or window
        part = opening + head
        parts.append(part + closing(part))
        text = text[len(head) :].removeprefix("\n")
        still = _open_fence(part)
        opening = f"{still}\n" if still else ""
    return [*parts, opening + text] if text else parts


def closing(text: str) -> str:
    """Return the lines that close the code block and the details which *text* leaves open."""
    still = _open_fence(text)
    ticks = still[: len(still) - len(still.lstrip("`~"))]
    depth = 0
    for one in _outside_fences(text):
        for found in _DETAILS.finditer(one):
            depth = max(0, depth - 1) if found[1] else depth + 1
    return (f"\n{ticks}" if ticks else "") + "\n\n</details>" * depth


def _head(text: str, window: str) -> str:
    """Return the part of *window*, a start of *text*, that ends well."""
    at = window.rfind("\n", max(0, len(window) - _LINE_SEARCH))
    if at > 0:
        return window[:at]
    shortest = max(1, len(window) - 64)
    end = len(window)
    while end > shortest and (_continues(text[end : end + 1]) or window[end - 1] == "\u200d"):
        end -= 1
    if _open_fence(window[:end]):
        return window[:end]
    start = window.rfind("\n", 0, end) + 1
    space = window.rfind(" ", max(start, end - _WORD_SEARCH), end)
    end = space if space > start else end
    half = _HALF_ENTITY.search(window, start, end)
    end = half.start() if half else end
    line_end = text.find("\n", end)
    for span in _CODE_SPAN.finditer(text, start, line_end if line_end >= 0 else len(text)):
        if span.start() < end < span.end():
            # Half a code span is no code: what it quotes would come alive.
            end = span.start()
    return window[:end]


def _continues(character: str) -> bool:
    """Tell whether *character* belongs to the one before it (accents, joiners, skin tones)."""
    return bool(character) and (
        unicodedata.category(character).startswith("M")
        or character == "\u200d"
        or "\U0001f3fb" <= character <= "\U0001f3ff"
    )


def _outside_fences(text: str) -> list[str]:
    lines: list[str] = []
    ticks = ""
    for one in text.split("\n"):
        if ticks:
            bare = one.strip()
            ticks = "" if len(bare) >= len(ticks) and not bare.strip(ticks[0]) else ticks
        elif found := _FENCE.match(one):
            ticks = found["ticks"]
        else:
            lines.append(one)
    return lines


def _open_fence(text: str) -> str:
    """Return the line that opens the code block in which *text* ends, or an empty text."""
    opening = ticks = ""
    for one in text.split("\n"):
        bare = one.strip()
        if ticks and len(bare) >= len(ticks) and not bare.strip(ticks[0]):
            opening = ticks = ""
        elif not ticks and (found := _FENCE.match(one)):
            opening, ticks = bare, found["ticks"]
    return opening


def _size(text: str, *, octets: bool) -> int:
    return len(text.encode("utf-8", "replace")) if octets else len(text)


def _within(text: str, limit: int, *, octets: bool) -> str:
    return text.encode("utf-8", "replace")[:limit].decode("utf-8", "ignore") if octets else text[:limit]
