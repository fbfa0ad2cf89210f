"""Estimate how many tokens a prompt has, before it is sent, from the last answer and what was added."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

BYTES_PER_TOKEN = 3  # code and English take three to four; a reservation must not be too small
TOOL_TOKENS = 700  # the definitions of bash and editor live in the model, not in the request


@dataclass(frozen=True)
class Anchor:
    """A size that the API told: after the first `messages` messages the prompt had `tokens` tokens."""

    messages: int
    tokens: int


def prompt(
    system: str,
    tools: Sequence[Mapping[str, Any]],
    messages: Sequence[Mapping[str, Any]],
    anchor: Anchor | None = None,
) -> int:
    """Return the estimated tokens of a prompt, on the high side.

    The anchor is the last answer's `usage.total` with the length of the history it was appended to make;
    only what came after it is estimated, a token for each three bytes of JSON. An anchor of less than one
    token for twelve bytes is a service that doesn't count, and is not believed.
    """
    if anchor is not None and 0 < anchor.messages <= len(messages):
        told = max(anchor.tokens, _tokens(messages[: anchor.messages]) // 4)
        return told + _tokens(messages[anchor.messages :])
    return _tokens([system]) + _tokens(tools) + _tokens(messages) + (TOOL_TOKENS if tools else 0)


def _tokens(parts: Sequence[object]) -> int:
    return sum(-(-len(json.dumps(part, ensure_ascii=False).encode()) // BYTES_PER_TOKEN) for part in parts)
