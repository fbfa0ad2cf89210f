"""Decide what of a text may leave: redacted, then neutralised, then cut with an honest note."""

from bot.words import length, neutral, quoting
from bot.words.quoting import fence, html_code, inline_code, table_cell
from bot.words.redaction import Redactor

__all__ = [
    "BODY",
    "clear",
    "excerpt",
    "fence",
    "html_code",
    "inline_code",
    "line",
    "phrase",
    "plain_line",
    "short",
    "table_cell",
]

_READ = 64_000  # characters of an output that are read to show its first few thousand
_LONGEST_SECRET = 8_000
BODY = 60_000  # GitHub refuses a comment or pull request body above 65,536 characters


def clear(
    text: str, secrets: Redactor, limit: int = BODY, *, ours: bool = False, octets: bool = False
) -> str:
    """Return *text* as it may leave: redacted, then neutralised, then cut to *limit*.

    Everything that people will see passes here: a text from elsewhere before a template takes it in, and
    the template's result once more with ``ours=True``, which leaves its own mentions and markup alive.
    The limit counts characters, or UTF-8 bytes with *octets*, the note about what was cut included.
    """
    text = secrets(text)
    return length.cut(text if ours else neutral.markdown(text), limit, octets=octets)


def line(text: str, secrets: Redactor, limit: int = 300) -> str:
    """Return *text* as one literal line, inert in Markdown, in a table cell and inside HTML."""
    return quoting.literal(short(" ".join(neutral.BIDI.sub("", secrets(text)).split()), limit))


def phrase(text: str, secrets: Redactor, limit: int = 300) -> str:
    """Return *text* as one line of Markdown, neutralised, its code spans kept; not for use inside HTML."""
    return neutral.one_line(short(" ".join(neutral.BIDI.sub("", secrets(text)).split()), limit))


def plain_line(text: str, secrets: Redactor, limit: int = 300) -> str:
    """Return *text* as one line for titles and commits, which know no markup and so no escaping."""
    return short(neutral.plain(secrets(text)), limit)


def code(text: str, secrets: Redactor, limit: int = 200) -> str:
    """Return *text*, redacted and shortened, as a code span."""
    return inline_code(short(" ".join(neutral.BIDI.sub("", secrets(text)).split()), limit))


def excerpt(
    text: str, secrets: Redactor, *, lines: int = 40, characters: int = 3_000, info: str = "text"
) -> str:
    """Return the start of an output as a code block, and an honest line when some of it is not shown."""
    text = text.strip("\n")
    head = secrets(text[:_READ])
    # A secret that the end of the reading cuts must not be shown in part.
    sure = head if len(text) <= _READ else head[:-_LONGEST_SECRET]
    shown = "\n".join(sure.split("\n")[:lines])[:characters]
    block = fence(shown, info)
    if shown == head and len(text) <= _READ:
        return block
    count, every = shown.count("\n") + 1, text.count("\n") + 1
    whole = len(head) + max(0, len(text) - _READ)
    return f"{block}\n*{count:,} of {every:,} lines shown ({len(shown):,} of {whole:,} characters).*"


def short(text: str, limit: int) -> str:
    """Return *text* within *limit* characters, an ellipsis where it was cut."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
