"""Decide which characters are drawn at all, and which an entity stands for."""

import html
import re
import unicodedata

from bot.words import redaction

_BLANK = "\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5"  # letters and marks that draw nothing
_LETTER_OR_SIGN = re.compile(r"[A-Za-z/!?]")
# Of an element that no page draws: at most three words, so that it tells no story.
NAME = r"[A-Za-z][A-Za-z0-9]{0,39}(?:-[A-Za-z0-9]{1,20}){0,2}"
_BARE = re.compile(rf"{NAME}(?:>|&gt;)")
# `&amp;lt;` and deeper is meant by nobody; it stands for what it hides.
_ENTITY = re.compile(
    r"&(?:(?:amp|#38|#[xX]26);)*(#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});"
)


def visible(text: str) -> str:
    """Return *text* without what draws nothing: zero width, bidi, variation selectors, blank letters."""
    if text.isascii():
        return text
    return "".join(one for one in text if not _draws_nothing(one))


def begin(text: str) -> str:
    """Return *text* without what it begins with that draws nothing."""
    at = next((at for at, one in enumerate(text) if one.isascii() or not _draws_nothing(one)), len(text))
    return text[at:]


def decoded(text: str) -> str:
    """Return Markdown or HTML with each entity as the character that it shows.

    A bracket that would begin an element with more than a name stays ``&lt;``, and one that would begin a
    quote ``&gt;``: people see what follows.
    """
    return _ENTITY.sub(_character, text) if "&" in text else text


def _character(found: re.Match[str]) -> str:
    entity = f"&{found[1]};"
    character = html.unescape(entity)
    text, at = found.string, found.end()
    if character == ">":
        return "&gt;" if found.start() == 0 or text[found.start() - 1] == "\n" else ">"
    if character == "<":
        return "&lt;" if _LETTER_OR_SIGN.match(text, at) and not _BARE.match(text, at) else "<"
    if character == entity:
        return entity
    return visible(redaction.make_safe(" " if character.isspace() else character))


def _draws_nothing(one: str) -> bool:
    return (
        unicodedata.category(one) == "Cf"
        or "\ufe00" <= one <= "\ufe0f"
        or "\U000e0000" <= one <= "\U000e0fff"
        or one in _BLANK
    )
