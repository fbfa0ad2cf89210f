"""Make the answer of one turn: the message, its usage and the events that stream it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from demo.claude import binding
from demo.claude.binding import Link
from demo.claude.cache import Figures
from demo.claude.script import Turn

PIECE = 48  # characters in one delta


@dataclass(frozen=True)
class Answer:
    """One message with the JSON text of its last tool call, which a cut may have shortened."""

    message: dict[str, Any]
    cut_json: str | None = None


def content(turn: Turn, links: Sequence[Link]) -> list[dict[str, Any]]:
    """Return the blocks of a turn; ids and signatures follow from the prompt, so a repeat gets the same."""
    digest = links[-1].digest
    seed = digest
    blocks: list[dict[str, Any]] = []
    if turn.thinking is not None:
        signature = binding.sign_thinking(digest, turn.thinking)
        blocks.append({"type": "thinking", "thinking": turn.thinking, "signature": signature})
    if turn.text:
        blocks.append({"type": "text", "text": turn.text})
    for number, (name, arguments) in enumerate(turn.tools):
        call = _identity("toolu", seed, str(number))
        blocks.append({"type": "tool_use", "id": call, "name": name, "input": dict(arguments)})
    return blocks


def message(turn: Turn, model: str, links: Sequence[Link], figures: Figures) -> Answer:
    """Return the whole answer of a turn to the prompt that the links spell out."""
    blocks = content(turn, links)
    output = max(1, sum(len(json.dumps(block)) for block in blocks) // 4)
    cut_json = None
    if turn.cut is not None and blocks and blocks[-1]["type"] == "tool_use":
        cut_json = json.dumps(blocks[-1]["input"], ensure_ascii=False)[: turn.cut]
        blocks[-1]["input"] = {}
    whole = {
        "id": _identity("msg", links[-1].digest, "message"),
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": blocks,
        "stop_reason": turn.ending,
        "stop_sequence": None,
        "stop_details": dict(turn.stop_details) if turn.stop_details else None,
        "usage": {**usage(figures, output), **turn.usage},
    }
    return Answer(whole, cut_json)


def compaction(block: Mapping[str, Any], model: str, links: Sequence[Link], figures: Figures) -> Answer:
    """Return the answer to a compaction request: the block alone, its tokens only in `iterations`."""
    spent = usage(figures, max(1, len(str(block.get("content") or "")) // 4))
    iteration = {key: value for key, value in spent.items() if key != "service_tier"}
    nothing = usage(Figures(0, 0, 0, 0), 0)
    whole = {
        "id": _identity("msg", links[-1].digest, "compaction"),
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [dict(block)],
        "stop_reason": "compaction",
        "stop_sequence": None,
        "stop_details": None,
        "usage": {**nothing, "iterations": [{"type": "compaction", **iteration}]},
    }
    return Answer(whole)


def usage(figures: Figures, output: int) -> dict[str, Any]:
    """Return the usage object for a prompt's figures and so many output tokens."""
    return {
        "input_tokens": figures.plain,
        "cache_creation_input_tokens": figures.written_5m + figures.written_1h,
        "cache_read_input_tokens": figures.read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": figures.written_5m,
            "ephemeral_1h_input_tokens": figures.written_1h,
        },
        "output_tokens": output,
        "service_tier": "standard",
    }


def events(answer: Answer) -> Iterator[dict[str, Any]]:
    """Yield the stream of an answer, event by event, as the API orders them."""
    whole = answer.message
    start_usage = {**whole["usage"], "output_tokens": 1}
    start_usage.pop("iterations", None)
    opening = {**whole, "content": [], "stop_reason": None, "stop_details": None, "usage": start_usage}
    yield {"type": "message_start", "message": opening}
    yield {"type": "ping"}
    last = len(whole["content"]) - 1
    for index, block in enumerate(whole["content"]):
        text = answer.cut_json if index == last else None
        yield {"type": "content_block_start", "index": index, "content_block": _empty(block)}
        for delta in _deltas(block, text):
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    final = whole["usage"]
    keep = (
        "input_tokens",
        "cache_creation_input_tokens",
        "cache_read_input_tokens",
        "output_tokens",
        "iterations",
    )
    delta = {key: whole[key] for key in ("stop_reason", "stop_sequence", "stop_details")}
    yield {
        "type": "message_delta",
        "delta": delta,
        "usage": {key: final[key] for key in keep if key in final},
    }
    yield {"type": "message_stop"}


def _empty(block: Mapping[str, Any]) -> dict[str, Any]:
    blank: dict[str, Any] = {"text": {"text": ""}, "thinking": {"thinking": "", "signature": ""}}.get(
        str(block["type"]), {}
    )
    if block["type"] == "tool_use":
        blank = {"input": {}}
    if block["type"] == "compaction":
        blank = {"content": None, "encrypted_content": None}  # the signature has no delta: it comes first
    return {**block, **blank}


def _deltas(block: Mapping[str, Any], cut_json: str | None) -> Iterator[dict[str, Any]]:
    kind = block["type"]
    if kind == "text":
        yield from ({"type": "text_delta", "text": piece} for piece in _pieces(block["text"]))
    elif kind == "thinking":
        yield from ({"type": "thinking_delta", "thinking": piece} for piece in _pieces(block["thinking"]))
        yield {"type": "signature_delta", "signature": block["signature"]}
    elif kind == "tool_use":
        text = json.dumps(block["input"], ensure_ascii=False) if cut_json is None else cut_json
        yield {"type": "input_json_delta", "partial_json": ""}
        yield from ({"type": "input_json_delta", "partial_json": piece} for piece in _pieces(text))
    elif kind == "compaction":
        told = {key: block.get(key) for key in ("content", "encrypted_content")}
        yield {"type": "compaction_delta", **told}


def _pieces(text: str) -> Iterator[str]:
    yield from (text[at : at + PIECE] for at in range(0, len(text), PIECE))


def _identity(kind: str, *parts: str) -> str:
    return f"{kind}_01{hashlib.sha256('|'.join((kind, *parts)).encode()).hexdigest()[:22]}"
