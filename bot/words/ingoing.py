"""Decide how text that people wrote on GitHub reaches the model: nothing hidden in it, and marked as data."""

import re
from dataclasses import dataclass

from bot.words import glyphs, page, redaction

LIMIT = 30_000  # characters of one issue or comment
TAG = "untrusted"

_MOST = 65_536  # characters that are read; GitHub takes no longer text
_READINGS = 8


@dataclass(frozen=True)
class Cleaned:
    """A text as the model may read it, with what was taken away from it."""

    text: str
    invisible: int  # characters removed because they draw nothing
    omitted: int  # characters beyond the limit

    @property
    def noticed(self) -> str:
        """Return the text, and below it what was taken away; a prompt must not hide that."""
        notes = []
        if self.omitted:
            whole = len(self.text) + self.omitted
            notes.append(f"[Cut: the first {len(self.text):,} of {whole:,} characters are shown.]")
        if self.invisible:
            notes.append(f"[{self.invisible:,} invisible characters were removed.]")
        return "\n".join([self.text or "(empty)", *notes])


def wrap(
    text: str | None, *, source: str, author: str = "", limit: int = LIMIT, is_code: bool = False
) -> str:
    """Return *text* cleaned, capped with a notice and enclosed, so that the model sees it as data.

    *source* says where it stands ("issue 42, body"); *author* is a login. Everything from issues, comments
    and reviews passes here before it may become part of a prompt; *is_code* tells what is no Markdown.
    """
    cleaned = literal(text, limit) if is_code else clean(text, limit)
    body = re.sub(rf"(?i)<(?=\s*/?\s*{TAG})", "&lt;", cleaned.noticed)
    by = f' author="{_attribute(author)}"' if author else ""
    return "\n".join([f'<{TAG} source="{_attribute(source)}"{by}>', body, f"</{TAG}>"])


def clean(text: str | None, limit: int = LIMIT) -> Cleaned:
    """Return Markdown without what its reader on GitHub would not see; to clean it again changes nothing.

    It is read as GitHub reads it (`bot.words.page`) until another reading finds nothing more, since entities
    are decoded and may hide something in their turn. A text that is not through with that after eight
    readings was made to hide something, and none of it is shown. It takes up to half a second of computing
    for 64 KB of the most awkward text: call it in a thread.
    """
    seen = literal(text, _MOST)
    whole, omitted = seen.text, seen.omitted
    for _ in range(_READINGS):
        before = whole
        whole, deep = page.shown(before)
        whole = _trimmed(whole)
        omitted += deep
        if whole == before:
            break
    else:
        whole, omitted = "", len(text or "")
    shown = whole[:limit]
    return Cleaned(shown, seen.invisible, len(whole) - len(shown) + omitted)


def literal(text: str | None, limit: int = LIMIT) -> Cleaned:
    """Return what GitHub shows as it is written, a title or a diff, without characters that draw nothing."""
    text = text or ""
    safe = redaction.make_safe(text[:_MOST])
    visible = glyphs.visible(safe)
    whole = _trimmed(visible)
    beyond = max(0, len(whole) - limit) + max(0, len(text) - _MOST)
    return Cleaned(whole[:limit], len(safe) - len(visible), beyond)


def _trimmed(text: str) -> str:
    """Return *text* without blank lines around it; the indentation of its first line may make it code."""
    return text.strip("\n").rstrip()


def _attribute(text: str) -> str:
    return re.sub(r"[^\w #./:,\[\]()-]", "", glyphs.visible(text))[:120]
