"""Decide how our own comments are known again: a hidden line, together with the author."""

import re

_SAFE = re.compile(r"[^A-Za-z0-9_.:-]")


def marker(kind: str, session: str, op: str) -> str:
    """Return the hidden line by which a comment is found again after a crash, for one of *kind* and key *op*.

    It is the first line of a comment and the last of a pull request's text. People can write it too: it
    counts only where we would have put it, and when the author is our App.
    """
    return f"<!-- journeyman:{_word(kind)} v1 s={_word(session)} op={_word(op)} -->"


def begins(body: str | None, mark: str) -> bool:
    """Tell whether the first line of *body* is exactly the marker; one further down is a quoted one."""
    return (body or "").lstrip("\ufeff\r\n").partition("\n")[0].strip() == mark


def _word(text: str) -> str:
    """Keep what cannot end an HTML comment or split the line."""
    return re.sub(r"--+", "-", _SAFE.sub("_", text)) or "_"
