"""Read what Claude says at its end: in `finish`, else in the text with which it ended its turn."""

from collections.abc import Sequence
from typing import Any

from bot.words import answer
from bot.workspace.tools import FINISH
from storage.models import Interaction
from storage.words import InteractionType


def said(given: Any) -> dict[str, Any]:
    """Return what a call of `finish` says, as far as it has the form that was asked for."""
    given = given if isinstance(given, dict) else {}
    return {
        "summary": str(given.get("summary") or ""),
        "look_at": _texts(given.get("look_at")),
        "open_questions": _texts(given.get("open_questions")),
        "replies": _replies(given.get("replies")),
    }


def last(entries: Sequence[Interaction]) -> str:
    """Return what Claude answers to whoever spoke last, in its own Markdown; empty when it says nothing.

    What it says beside other calls ("I look at the tests.") is no answer.
    """
    for entry in reversed(entries):
        if entry.interaction_type is InteractionType.HUMAN:
            return ""  # what was said before that answers something else
        if entry.interaction_type is InteractionType.CLAUDE_RESPONSE and (found := _answer(entry.content)):
            return found
    return ""


def _answer(content: dict[str, Any]) -> str:
    blocks = content["message"]["content"]
    calls = [block for block in blocks if block.get("type") == "tool_use"]
    if not calls:
        return "\n\n".join(block["text"] for block in blocks if block.get("type") == "text").strip()
    whole = [one for one in calls if one["name"] == FINISH and one["id"] not in content.get("cut", ())]
    if not whole:
        return ""
    told = said(whole[-1]["input"])
    return answer.markdown(told["summary"], open_questions=told["open_questions"])


def _texts(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []


def _replies(value: Any) -> list[dict[str, Any]]:
    """Return what Claude answers to inline threads."""
    found = [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
    return [
        {"thread": one["thread"], "done": bool(one.get("done")), "text": str(one.get("text") or "")}
        for one in found
        if isinstance(one.get("thread"), int)
    ]
