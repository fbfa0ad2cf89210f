"""Put the events of one answer together, block by block, exactly as they came."""

from __future__ import annotations

import json
from typing import Any

from bot.claude import usage as usages
from bot.claude.usage import Usage

BYTES_PER_TOKEN = 3  # low on purpose: an estimate of spent tokens should not come out too small
_GROWING = {"text_delta": "text", "thinking_delta": "thinking"}
_REPLACED = {"signature_delta": "signature"}


class Assembly:
    """One answer while it streams in; events are the SDK's raw stream events."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.answered = False  # a 200 came
        self.begun = False  # and a message began
        self.ended = False  # and was told to be over
        self.model = ""
        self.request_id: str | None = None
        self.stop_reason: str | None = None
        self.stop_details: dict[str, Any] | None = None
        self.usage: dict[str, Any] = {}
        self._blocks: dict[int, dict[str, Any]] = {}
        self._pieces: dict[int, list[str]] = {}
        self._cut: set[int] = set()
        self._received = 0

    def add(self, event: Any) -> None:
        """Take the next event; types that are not known here are skipped."""
        kind = getattr(event, "type", "")
        if kind == "message_start":
            self._start(event.message.to_dict(warnings=False))
        elif kind == "content_block_start":
            self._blocks[event.index] = event.content_block.to_dict(warnings=False)
        elif kind == "content_block_delta":
            self._delta(event.index, event.delta)
        elif kind == "content_block_stop":
            self._close(event.index)
        elif kind == "message_delta":
            self._end(event.to_dict(warnings=False))
        elif kind == "message_stop":
            self.ended = True

    def take(self, message: dict[str, Any]) -> None:
        """Take a whole answer that did not stream."""
        self._start(message)
        self.stop_details = message.get("stop_details")
        self.ended = True

    def content(self) -> tuple[list[dict[str, Any]], list[tuple[str, str, dict[str, Any], bool]]]:
        """Return the blocks for the history and the tool calls as (id, name, input, whole)."""
        kept: list[dict[str, Any]] = []
        calls: list[tuple[str, str, dict[str, Any], bool]] = []
        for index in sorted(self._blocks):
            block = self._blocks[index]
            whole = self._close(index)
            if block.get("type") == "tool_use":
                whole = whole and not (
                    self._hit_limit() and index == max(self._blocks) and not block["input"]
                )
                calls.append((block["id"], block["name"], block["input"], whole))
            if block.get("type") != "text" or block.get("text", "").strip():
                kept.append(block)
        return kept, calls

    def spent(self) -> Usage:
        """Return the tokens of an answer that broke off: the prompt's as told, the output's estimated."""
        known = usages.read(self.usage)
        estimated = self._received // BYTES_PER_TOKEN
        return Usage(**{**known.as_dict(), "output": max(known.output, estimated)})

    def _start(self, message: dict[str, Any]) -> None:
        self.begun = True
        self.model = str(message.get("model", ""))
        self.usage = dict(message.get("usage") or {})
        for index, block in enumerate(message.get("content") or []):
            self._blocks[index] = block
        if message.get("stop_reason"):
            self.stop_reason = message["stop_reason"]

    def _delta(self, index: int, delta: Any) -> None:
        block = self._blocks[index]
        kind = delta.type
        if kind == "input_json_delta":
            self._note(index, delta.partial_json)
        elif kind in _GROWING:
            self._note(index, getattr(delta, _GROWING[kind]))
        elif kind in _REPLACED:
            block[_REPLACED[kind]] = getattr(delta, _REPLACED[kind])
        elif kind == "citations_delta":
            block["citations"] = [*(block.get("citations") or []), delta.citation.to_dict(warnings=False)]

    def _note(self, index: int, piece: str) -> None:
        self._pieces.setdefault(index, []).append(piece)
        self._received += len(piece.encode())

    def _close(self, index: int) -> bool:
        """Join a block's pieces into it; return False for a tool call whose input is no JSON object."""
        block = self._blocks[index]
        joined = "".join(self._pieces.pop(index, []))
        kind = block.get("type")
        if kind in ("text", "thinking"):
            block[kind] = block.get(kind, "") + joined
        elif joined and kind in ("tool_use", "server_tool_use"):
            arguments = _object(joined)
            block["input"] = arguments or {}
            if arguments is None:
                self._cut.add(index)
        return index not in self._cut

    def _hit_limit(self) -> bool:
        return self.stop_reason in ("max_tokens", "model_context_window_exceeded")

    def _end(self, event: dict[str, Any]) -> None:
        delta = event.get("delta") or {}
        self.stop_reason = delta.get("stop_reason")
        self.stop_details = delta.get("stop_details")
        self.ended = self.ended or self.stop_reason is not None
        told = event.get("usage") or {}
        self.usage.update({name: value for name, value in told.items() if value is not None})


def _object(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
