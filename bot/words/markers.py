"""Decide how our own comments are known again: a hidden line, together with the author."""

import re

_SAFE = re.compile(r"[^A-Za-z0-9_.:-]")


def marker(kind: str, session: str, op: str) -> str:
    """Return the hidden line by which a comment is found again after a crash, for one of *kind* and key *op*.

    People can write it too: it counts only when the author is our App.
    """
    return f"<!-- journeyman:{_word(kind)} v1 s={_word(session)} op={_word(op)} -->"


def has_marker(body: str | None, kind: str, session: str, op: str | None = None) -> bool:
    """Tell whether the first or the last line of *body* is exactly our marker; any *op* will do when None."""
    lines = (body or "").lstrip("\ufeff").replace("\r\n", "\n").strip("\n").split("\n")
    any_op = r"[A-Za-z0-9_.:-]+" if op is None else re.escape(_word(op))
    pattern = rf"<!-- journeyman:{re.escape(_word(kind))} v1 s={re.escape(_word(session))} op={any_op} -->"
    return any(re.fullmatch(pattern, one.strip()) for one in (lines[0], lines[-1]))


def _word(text: str) -> str:
    """Keep what cannot end an HTML comment or split the line."""
    return re.sub(r"--+", "-", _SAFE.sub("_", text)) or "_"
