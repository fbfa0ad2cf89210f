"""Decide where the cache breakpoints of a request stand: frozen tools and system, moving tail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

MARK = {"type": "ephemeral"}  # five minutes; the reservation in `prices` counts on it
_UNMARKABLE = ("thinking", "redacted_thinking")


def frozen_tools(tools: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the tools with a breakpoint on the last one."""
    copied = [dict(tool) for tool in tools]
    if copied:
        copied[-1]["cache_control"] = MARK
    return copied


def frozen_system(system: str) -> list[dict[str, Any]]:
    """Return the system prompt as one block with a breakpoint; an empty prompt gives no block."""
    return [{"type": "text", "text": system, "cache_control": MARK}] if system.strip() else []


def moving_tail(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the messages with two breakpoints: at the end, and where the last request's end was.

    A breakpoint looks back over 20 blocks only (Anthropic: prompt caching), and one turn with many
    parallel tools adds more; marking the old end again finds the old entry however much was added.
    Given messages are not changed. With tools and system this makes four, the most that is allowed.
    """
    marked = [dict(message) for message in messages]
    answers = [n for n, message in enumerate(marked) if message["role"] == "assistant"]
    for end in {len(marked), answers[-1] if answers else len(marked)}:
        _mark_last(marked[:end])
    return marked


def _mark_last(messages: Sequence[dict[str, Any]]) -> None:
    for message in reversed(messages):
        blocks = _blocks(message["content"])
        for place in range(len(blocks) - 1, -1, -1):
            if blocks[place].get("type") not in _UNMARKABLE:
                blocks[place]["cache_control"] = MARK
                message["content"] = blocks
                return


def _blocks(content: str | Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [dict(block) for block in content]
