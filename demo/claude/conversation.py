"""Read a request to the Messages API as a conversation that a script can ask questions of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from demo.claude import binding


@dataclass(frozen=True)
class ToolResult:
    """One tool call of the last answer with what came back."""

    name: str
    input: Mapping[str, Any]
    text: str
    is_error: bool


@dataclass(frozen=True)
class Conversation:
    """One request body, already found valid."""

    body: Mapping[str, Any]
    compacted: binding.Compacted | None = None

    @cached_property
    def messages(self) -> list[tuple[str, list[dict[str, Any]]]]:
        """Return the messages as (role, blocks), plain strings turned into text blocks."""
        return [(str(m["role"]), binding.blocks(m["content"])) for m in self.body["messages"]]

    @property
    def model(self) -> str:
        """Return the model that was asked for."""
        return str(self.body["model"])

    @cached_property
    def system(self) -> str:
        """Return the text of the system prompt."""
        return _text(binding.blocks(self.body.get("system") or []))

    @cached_property
    def opening(self) -> str:
        """Return the text of the first user message."""
        return next((_text(blocks) for role, blocks in self.messages if role == "user"), "")

    @cached_property
    def last_words(self) -> str:
        """Return the text that the last user message carries beside tool results."""
        return next((_text(blocks) for role, blocks in reversed(self.messages) if role == "user"), "")

    @property
    def turns_taken(self) -> int:
        """Return how many answers the conversation holds, those behind a compaction block included."""
        answers = sum(role == "assistant" for role, _ in self.messages)
        return answers if self.compacted is None else answers - 1 + self.compacted.turns

    @property
    def wants_structure(self) -> bool:
        """Return whether the request asks for JSON by a schema."""
        return bool((self.body.get("output_config") or {}).get("format"))

    @cached_property
    def results(self) -> list[ToolResult]:
        """Return the results that answer the last turn's tool calls, in the order of the calls."""
        calls: dict[str, dict[str, Any]] = {}
        found: dict[str, ToolResult] = {}
        for role, blocks in self.messages:
            if role == "assistant":
                calls = {b["id"]: b for b in blocks if b["type"] == "tool_use"}
                found = {}
            for block in blocks:
                if block["type"] == "tool_result" and block["tool_use_id"] in calls:
                    call = calls[block["tool_use_id"]]
                    text = _text(binding.blocks(block.get("content") or []))
                    found[call["id"]] = ToolResult(
                        call["name"], call["input"], text, bool(block.get("is_error"))
                    )
        return [found[name] for name in calls if name in found]

    @staticmethod
    def as_json(value: object) -> str:
        """Return the JSON text of a structured answer."""
        return json.dumps(value, ensure_ascii=False)


def _text(blocks: list[dict[str, Any]]) -> str:
    return "\n".join(str(b["text"]) for b in blocks if b.get("type") == "text")
