"""The paint decides how words are set off on a terminal, and how wide they are there."""

import re
import unicodedata
from dataclasses import dataclass

CODES = {
    "bold": "1",
    "dim": "2",
    "italic": "3",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "magenta": "35",
    "cyan": "36",
}
_BREAK = re.compile(r"::|[/\[_-]")
_ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Paint:
    """Colours and weights; without `colour` every text stays as it is."""

    colour: bool

    def __call__(self, text: str, *styles: str) -> str:
        """Return a text in these styles, each word by itself, so that lines can break between them."""
        if not self.colour or not styles:
            return text
        start = f"\x1b[{';'.join(CODES[each] for each in styles)}m"
        return re.sub(r"\S+", lambda word: f"{start}{word[0]}\x1b[0m", text)


def safe(text: str) -> str:
    """Return a text without anything that could steer a terminal: control and invisible characters."""
    return "".join(
        each
        for each in text.replace("\r\n", "\n").expandtabs(4)
        if each == "\n" or unicodedata.category(each) not in {"Cc", "Cf", "Co", "Cs"}
    )


def columns(text: str) -> int:
    """Return how many columns a text takes, its colours left out."""
    plain = _ESCAPE.sub("", text)
    return sum(_width(each) for each in plain)


def _width(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in {"Mn", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1


def pad(text: str, width: int, *, right: bool = False) -> str:
    """Return a text filled up with spaces to a width in columns."""
    filling = " " * max(0, width - columns(text))
    return filling + text if right else text + filling


def cut(text: str, width: int) -> str:
    """Return a text of one line without colours, shortened to a width with an ellipsis where it is longer."""
    if columns(text) <= width:
        return text
    kept, room = "", width - 1
    for each in text:
        room -= _width(each)
        if room < 0:
            break
        kept += each
    return kept.rstrip() + "…"


def wrap(text: str, width: int) -> list[str]:
    """Return a text broken between words into lines of this width; longer words are broken anywhere."""
    lines, line = [], ""
    for word in text.split():
        joined = f"{line} {word}" if line else word
        if columns(joined) <= width:
            line = joined
            continue
        if line:
            lines.append(line)
        *whole, line = _pieces(word, width)
        lines += whole
    return [*lines, line] if line else lines


def fold(line: str, width: int) -> list[str]:
    """Return a line as it is, its spaces kept, in as many lines of this width as it needs."""
    pieces, piece = [], ""
    for each in line:
        if columns(piece) + _width(each) > width:
            pieces.append(piece)
            piece = ""
        piece += each
    return [*pieces, piece]


def _pieces(word: str, width: int) -> list[str]:
    """Break a word that is too long, at its last separator that fits; colours go with it where they fit."""
    if columns(word) <= width:
        return [word]
    found = _ESCAPE.findall(word)
    start, end = (found[0], found[-1]) if found else ("", "")
    rest, pieces = _ESCAPE.sub("", word), []
    while columns(rest) > width:
        room = len(fold(rest, width)[0])
        breaks = [found.end() for found in _BREAK.finditer(rest) if room // 2 < found.end() <= room]
        at = breaks[-1] if breaks else room
        pieces.append(rest[:at])
        rest = rest[at:]
    return [f"{start}{piece}{end}" for piece in [*pieces, rest] if piece]
