"""Decide how a literal text is written in Markdown so that nothing in it comes alive."""

import re

ZERO_WIDTH = "&#8203;"  # Renovate's way to break a mention or a reference without showing it

_INFO = re.compile(r"^[A-Za-z0-9_+#.-]{1,30}")
# GitHub draws or applies these instead of showing them.
_ACTIVE_INFO = frozenset({"mermaid", "geojson", "topojson", "stl", "math", "suggestion"})
_SPECIAL = re.compile(r"(?i)@(?=\w)|#(?=\d)|gh-(?=\d)|://|www\.|[&<>\"'`*_\[\]()~|\\!$]")


def literal(text: str) -> str:
    """Return *text* so that Markdown, HTML and a table cell all show exactly its characters, inert."""
    return _SPECIAL.sub(_entity, text)


def inline_code(text: str) -> str:
    """Return *text* as a code span on one line, its fence longer than the longest run of backticks inside."""
    text = " ".join(text.split())
    if not text or "|" in text:
        # A table splits cells inside code spans too, so a pipe needs the HTML form.
        return html_code(text)
    ticks = "`" * (longest_run(text, "`") + 1)
    pad = " " if "`" in (text[0], text[-1]) else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"


def html_code(text: str) -> str:
    """Return *text* as a ``code`` element, for places where Markdown is not read (a summary line)."""
    return f"<code>{literal(' '.join(text.split()))}</code>"


def table_cell(markdown: str) -> str:
    """Return *markdown*, already clear, on one line and without a pipe that would end the cell."""
    return " ".join(markdown.split()).replace("|", "&#124;")


def fence(text: str, info: str = "text") -> str:
    """Return *text* as a code block whose fence is longer than the longest run of backticks inside."""
    named = _INFO.match(info)
    word = named.group() if named and named.group().lower() not in _ACTIVE_INFO else ""
    ticks = "`" * max(3, longest_run(text, "`") + 1)
    return f"{ticks}{word}\n{text.rstrip()}\n{ticks}"


def longest_run(text: str, character: str) -> int:
    """Return the length of the longest run of *character* in *text*."""
    return max((len(run) for run in re.findall(re.escape(character) + "+", text)), default=0)


def _entity(found: re.Match[str]) -> str:
    sign = found.group()
    if len(sign) > 1:  # gh-12, ://, www.
        return sign[:1] + ZERO_WIDTH + sign[1:] if sign[0] in ":wW" else sign + ZERO_WIDTH
    return sign + ZERO_WIDTH if sign in "@#" else f"&#{ord(sign)};"
