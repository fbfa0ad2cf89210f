"""Decide how Claude's own last words are laid out: what it says, what it points at, what it asks."""

from collections.abc import Mapping, Sequence
from typing import Any


def markdown(
    summary: str,
    *,
    look_at: Sequence[str] = (),
    open_questions: Sequence[str] = (),
    replies: Sequence[Mapping[str, Any]] = (),
) -> str:
    """Return them as Markdown in Claude's own words, which whoever shows it has to clear."""
    threads = [
        f"{one['thread']} ({'done' if one['done'] else 'not changed'}): {one['text']}" for one in replies
    ]
    parts = (
        summary.strip(),
        _listed("Please look at", look_at),
        _listed("Open questions", open_questions),
        _listed("In the inline threads", threads),
    )
    return "\n\n".join(filter(None, parts))


def _listed(title: str, items: Sequence[str]) -> str:
    lines = [f"- {' '.join(one.split())}" for one in items if one.strip()]
    return "\n".join([f"{title}:", "", *lines]) if lines else ""
