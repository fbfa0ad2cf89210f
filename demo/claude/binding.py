"""Bind thinking blocks and compaction blocks to the exact prefix they grew from, by a chain of hashes.

The rule (preserved thinking, compaction on demand) is Anthropic's; the way to compute it is this stand-in's
own: link k hashes link k-1 with one block, `cache_control` left out, so that moving a breakpoint changes
nothing while any edit of history does. A compaction block carries the link it stands for.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_KEY = b"stand-in for Claude"


@dataclass(frozen=True)
class Link:
    """One block of the prompt with the hash of everything up to and including it."""

    role: str
    block: Mapping[str, Any]
    digest: str
    before: str
    tokens: int
    where: str


@dataclass(frozen=True)
class Compacted:
    """What a compaction block stands for: the chain's digest, the turns taken, the play."""

    digest: str
    turns: int
    play: int


def blocks(content: object) -> list[dict[str, Any]]:
    """Return content as a list of blocks; a plain string is one text block."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [dict(block) for block in content] if isinstance(content, Iterable) else []


def bare(value: object) -> object:
    """Return a block without `cache_control`, at any depth, and with string content spelled out."""
    if isinstance(value, Mapping):
        kept = {key: bare(item) for key, item in value.items() if key != "cache_control"}
        if kept.get("type") == "tool_result" and isinstance(kept.get("content"), str):
            kept["content"] = blocks(kept["content"])
        return kept
    return [bare(item) for item in value] if isinstance(value, list) else value


def extend(digest: str, role: str, block: Mapping[str, Any]) -> tuple[str, int]:
    """Return the next digest and the block's size in estimated tokens (four characters each)."""
    text = json.dumps([role, bare(block)], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(f"{digest}\n{text}".encode()).hexdigest(), max(1, len(text) // 4)


def chain(body: Mapping[str, Any]) -> list[Link]:
    """Return the links of a request in the API's order: tools, system, messages."""
    parts: list[tuple[str, Mapping[str, Any], str]] = []
    parts += [("tools", tool, f"tools.{n}") for n, tool in enumerate(body.get("tools") or [])]
    system = blocks(body.get("system") or [])
    parts += [("system", block, f"system.{n}") for n, block in enumerate(system)]
    for n, message in enumerate(body["messages"]):
        role = str(message["role"])
        role = "message-system" if role == "system" else role
        content = blocks(message["content"])
        parts += [(role, block, f"messages.{n}.content.{k}") for k, block in enumerate(content)]
    links: list[Link] = []
    digest = ""
    for role, block, where in parts:
        before = digest
        digest, tokens = extend(digest, role, block)
        compacted = read_compaction(block)
        if compacted is not None:
            digest = compacted.digest
        links.append(Link(role, block, digest, before, tokens, where))
    return links


def sign_thinking(before: str, thinking: str) -> str:
    """Return the signature of a thinking block that grows from the prefix with this digest."""
    return _mac("thinking", before, thinking)


def first_broken(links: list[Link]) -> Link | None:
    """Return the first thinking block whose prefix or text is not the one it was signed for."""
    for link in links:
        if link.role != "assistant" or link.block.get("type") != "thinking":
            continue
        expected = sign_thinking(link.before, str(link.block.get("thinking", "")))
        if not hmac.compare_digest(expected, str(link.block.get("signature", ""))):
            return link
    return None


def compaction_block(digest: str, turns: int, play: int, summary: str) -> dict[str, Any]:
    """Return the signed block that stands for a conversation; an empty summary makes a failed one."""
    if not summary:
        return {"type": "compaction", "content": None}
    state = json.dumps({"digest": digest, "turns": turns, "play": play})
    encrypted = base64.b64encode(state.encode()).decode()
    return {
        "type": "compaction",
        "content": summary,
        "encrypted_content": encrypted,
        "signature": _mac("compaction", encrypted, summary),
    }


def read_compaction(block: Mapping[str, Any]) -> Compacted | None:
    """Return what a compaction block stands for; None for other, failed or forged blocks."""
    if block.get("type") != "compaction" or not compaction_is_genuine(block):
        return None
    state = json.loads(base64.b64decode(str(block["encrypted_content"])))
    return Compacted(state["digest"], state["turns"], state["play"])


def compaction_is_genuine(block: Mapping[str, Any]) -> bool:
    """Return whether the block's signature fits its summary and its state."""
    expected = _mac("compaction", str(block.get("encrypted_content")), str(block.get("content")))
    return hmac.compare_digest(expected, str(block.get("signature", "")))


def _mac(*parts: str) -> str:
    digest = hmac.new(_KEY, "\n".join(parts).encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()
