"""Decide whether the messages of a request have a shape that the Messages API accepts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from demo.claude import binding
from demo.claude.errors import invalid

OLD_MODELS = re.compile(r"claude-(haiku|sonnet)-4|claude-opus-4-[0-7]")
FIELDS = {
    "text": {"text", "citations"},
    "image": {"source"},
    "document": {"source", "title", "context", "citations"},
    "thinking": {"thinking", "signature"},
    "redacted_thinking": {"data"},
    "tool_use": {"id", "name", "input", "caller", "toolset_name"},
    "tool_result": {"tool_use_id", "content", "is_error"},
    "compaction": {"content", "encrypted_content", "signature", "tool_changes"},
}
ALLOWED = {
    "user": {"text", "image", "document", "tool_result"},
    "assistant": {"text", "thinking", "redacted_thinking", "tool_use", "compaction"},
    "system": {"text"},
}


def check(body: Mapping[str, Any], *, compaction: bool) -> None:
    """Raise the API's 400 when roles, blocks, tool results or signatures don't fit together."""
    for number, block in enumerate(binding.blocks(body.get("system") or [])):
        _block(f"system.{number}", "system", block)
    listed = body["messages"]
    if not isinstance(listed, list) or not listed:
        raise invalid("messages: at least one message is required")
    for number, message in enumerate(listed):
        _message(f"messages.{number}", message, last=number == len(listed) - 1)
    _roles(str(body["model"]), listed)
    _compaction_blocks(listed, allowed=compaction)
    _answered(listed)
    broken = binding.first_broken(binding.chain(body))
    if broken is not None:
        raise invalid(
            f"{broken.where}: Invalid `signature` in `thinking` block: bound to a different conversation."
            ' Remove the block, or set `thinking.block_binding.prefix_mismatch_behavior` to "drop_block".'
        )


def open_calls(listed: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the ids of the last message's tool calls that nothing answers yet."""
    last = listed[-1]
    if last["role"] != "assistant":
        return []
    return [b["id"] for b in binding.blocks(last["content"]) if b["type"] == "tool_use"]


def _message(where: str, message: object, *, last: bool) -> None:
    if not isinstance(message, dict):
        raise invalid(f"{where}: Input should be a valid dictionary")
    role = message.get("role")
    if role not in ALLOWED:
        raise invalid(f"{where}.role: Input should be 'user', 'assistant' or 'system'")
    extra = set(message) - {"role", "content"}
    if extra:
        raise invalid(f"{where}.{min(extra)}: Extra inputs are not permitted")
    content = message.get("content")
    if not isinstance(content, str | list):
        raise invalid(f"{where}.content: Field required")
    if not content and not (last and role == "assistant"):
        raise invalid(
            f"{where}: all messages must have non-empty content except for the optional final assistant"
            " message"
        )
    for number, block in enumerate(binding.blocks(content) if content else []):
        _block(f"{where}.content.{number}", str(role), block)


def _block(where: str, role: str, block: Mapping[str, Any]) -> None:
    kind = str(block.get("type"))
    if kind not in ALLOWED[role]:
        raise invalid(
            f"{where}: Input tag '{kind}' found using 'type' does not match any of the expected tags"
        )
    extra = set(block) - FIELDS[kind] - {"type", "cache_control"}
    if extra:
        raise invalid(f"{where}.{kind}.{min(extra)}: Extra inputs are not permitted")
    if kind == "text":
        _text(where, block)
    elif kind in ("thinking", "redacted_thinking") and block.get("cache_control"):
        raise invalid(f"{where}.{kind}.cache_control: Extra inputs are not permitted")
    elif kind == "tool_use" and not isinstance(block.get("input"), dict):
        raise invalid(f"{where}.tool_use.input: Input should be a valid dictionary")
    elif kind == "tool_result":
        for number, part in enumerate(binding.blocks(block.get("content") or [])):
            if part.get("type") == "text":
                _text(f"{where}.tool_result.content.{number}", part)


def _text(where: str, block: Mapping[str, Any]) -> None:
    text = block.get("text")
    if not isinstance(text, str):
        raise invalid(f"{where}.text.text: Field required")
    if not text:
        raise invalid("messages: text content blocks must be non-empty")
    if not text.strip():
        raise invalid("messages: text content blocks must contain non-whitespace text")


def _roles(model: str, listed: Sequence[Mapping[str, Any]]) -> None:
    first = listed[0]
    kinds = [block.get("type") for block in binding.blocks(first["content"])]
    if first["role"] != "user" and not (first["role"] == "assistant" and kinds[:1] == ["compaction"]):
        raise invalid('messages: first message must use the "user" role')
    for number, message in enumerate(listed):
        if message["role"] != "system":
            continue
        if OLD_MODELS.match(model):
            raise invalid("role 'system' is not supported on this model")
        after = listed[number + 1]["role"] if number + 1 < len(listed) else "assistant"
        if listed[number - 1]["role"] != "user" or after != "assistant":
            raise invalid(
                f"messages.{number}: a `system` message must follow a `user` message and be the last or be"
                " followed by an `assistant` message"
            )


def _compaction_blocks(listed: Sequence[Mapping[str, Any]], *, allowed: bool) -> None:
    for number, message in enumerate(listed):
        for place, block in enumerate(binding.blocks(message["content"])):
            if block.get("type") != "compaction":
                continue
            where = f"messages.{number}.content.{place}"
            if not allowed:
                raise invalid(f"{where}: Input tag 'compaction' found using 'type' needs a beta header")
            if block.get("content") is None:
                continue
            if (number, place) != (0, 0):
                raise invalid(f"{where}: misplaced compaction block", "compaction_block_misplaced")
            if not binding.compaction_is_genuine(block):
                raise invalid(f"{where}: the signature does not verify", "compaction_signature_invalid")


def _answered(listed: Sequence[Mapping[str, Any]]) -> None:
    """Hold every tool call to a result at the start of the next user message, and every result to a call."""
    waiting: list[str] = []
    seen: set[str] = set()
    results_may_follow = False
    for number, message in enumerate(listed):
        for place, block in enumerate(binding.blocks(message["content"])):
            kind = block["type"]
            where = f"messages.{number}.content.{place}"
            if kind == "tool_use":
                if block["id"] in seen:
                    raise invalid("messages: `tool_use` ids must be unique")
                seen.add(block["id"])
                waiting.append(block["id"])
                results_may_follow = True
            elif kind == "tool_result":
                name = block.get("tool_use_id")
                if name not in waiting or not results_may_follow:
                    raise invalid(
                        f"{where}: unexpected `tool_use_id` found in `tool_result` blocks: {name}. Each"
                        " `tool_result` block must have a corresponding `tool_use` block in the previous"
                        " message."
                    )
                waiting.remove(name)
            elif waiting and message["role"] != "assistant":
                raise invalid(
                    f"messages.{number}: `tool_use` ids were found without `tool_result` blocks immediately"
                    f" after: {', '.join(waiting)}. Each `tool_use` block must have a corresponding"
                    " `tool_result` block in the next message."
                )
        if waiting and message["role"] != "assistant":
            nxt = listed[number + 1]["role"] if number + 1 < len(listed) else None
            if nxt != "user":
                raise invalid(
                    f"messages.{number}: `tool_use` ids were found without `tool_result` blocks immediately"
                    f" after: {', '.join(waiting)}."
                )
