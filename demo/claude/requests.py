"""Decide whether a request body's parameters are ones that the Messages API accepts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from demo.claude import binding, messages
from demo.claude.errors import ApiError, invalid

COMPACTION_BETA = "compact-2026-09-04"
KNOWN = {
    "model", "messages", "max_tokens", "system", "tools", "tool_choice", "stream", "metadata",
    "stop_sequences", "thinking", "output_config", "cache_control", "service_tier", "diagnostics",
    "inference_geo", "container",
}  # fmt: skip
TOOL_NAMES = {
    "bash_20250124": "bash",
    "text_editor_20250124": "str_replace_editor",
    "text_editor_20250429": "str_replace_based_edit_tool",
    "text_editor_20250728": "str_replace_based_edit_tool",
    "memory_20250818": "memory",
    "web_search_20260318": "web_search",
    "web_fetch_20260318": "web_fetch",
    "code_execution_20260521": "code_execution",
}
ALWAYS_THINKING = re.compile(r"claude-(opus|sonnet|haiku|fable|mythos)-5-[1-9]")


def check(body: object, betas: set[str], max_output_tokens: int, *, counting: bool = False) -> None:
    """Raise the API's 400 when the body is not a request it would take.

    Source: Anthropic's Messages API reference, API version 2026-10-21.
    """
    if not isinstance(body, dict):
        raise invalid("Input should be a valid dictionary")
    _known(body, betas)
    for name in ("model", "messages", *(() if counting else ("max_tokens",))):
        if name not in body:
            raise invalid(f"{name}: Field required")
    if not counting:
        _max_tokens(body, max_output_tokens)
    _model_rules(body)
    _tools(body.get("tools") or [])
    messages.check(body, compaction=COMPACTION_BETA in betas)
    _breakpoints(body)
    if body.get("compaction") is not None:
        _compaction(body)


def _known(body: Mapping[str, Any], betas: set[str]) -> None:
    allowed = KNOWN | ({"compaction"} if COMPACTION_BETA in betas else set())
    for name in body:
        if name in ("temperature", "top_p", "top_k"):
            raise invalid(f"`{name}` is not supported by this API version.")
        if name not in allowed:
            raise invalid(f"{name}: Extra inputs are not permitted")


def _max_tokens(body: Mapping[str, Any], most: int) -> None:
    value = body["max_tokens"]
    if not isinstance(value, int) or isinstance(value, bool):
        raise invalid("max_tokens: Input should be a valid integer")
    if value < 1:
        raise invalid("max_tokens: Input should be greater than or equal to 1")
    if value > most:
        raise invalid(
            f"max_tokens: {value} > {most}, which is the maximum allowed number of output tokens for"
            f" {body['model']}"
        )


def _model_rules(body: Mapping[str, Any]) -> None:
    model = body["model"]
    if not isinstance(model, str):
        raise invalid("model: Input should be a valid string")
    if not ALWAYS_THINKING.match(model):
        return
    thinking = body.get("thinking") or {}
    if thinking.get("type") in ("disabled", "enabled"):
        raise invalid(f"thinking.type: `{thinking['type']}` is not supported on this model.")
    if (body.get("tool_choice") or {}).get("type") in ("any", "tool"):
        raise invalid("tool_choice: forced tool use is not supported on this model.")


def _tools(tools: object) -> None:
    if not isinstance(tools, list):
        raise invalid("tools: Input should be a valid list")
    seen: set[str] = set()
    for number, tool in enumerate(tools):
        if not isinstance(tool, dict):
            raise invalid(f"tools.{number}: Input should be a valid dictionary")
        name = str(tool.get("name", ""))
        _tool(f"tools.{number}", tool, name)
        if name in seen:
            raise invalid("tools: Tool names must be unique.")
        seen.add(name)


def _tool(where: str, tool: Mapping[str, Any], name: str) -> None:
    kind = tool.get("type", "custom")
    if kind == "custom":
        if not re.fullmatch(r"[a-zA-Z0-9_-]{1,128}", name):
            raise invalid(f"{where}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
        schema = tool.get("input_schema")
        if not isinstance(schema, dict) or schema.get("type") != "object":
            raise invalid(f"{where}.custom.input_schema.type: Field required")
    elif kind not in TOOL_NAMES:
        tags = ", ".join(repr(tag) for tag in ("custom", *TOOL_NAMES))
        raise invalid(f"{where}: Input tag '{kind}' found using 'type' does not match any of: {tags}")
    elif name != TOOL_NAMES[kind]:
        raise invalid(f"{where}.{kind}.name: Input should be '{TOOL_NAMES[kind]}'")


def _breakpoints(body: Mapping[str, Any]) -> None:
    controls = [
        link.block["cache_control"] for link in binding.chain(body) if link.block.get("cache_control")
    ]
    if body.get("cache_control"):
        controls.append(body["cache_control"])
    for control in controls:
        if control.get("type") != "ephemeral" or control.get("ttl", "5m") not in ("5m", "1h"):
            raise invalid("cache_control: Input should be {'type': 'ephemeral'} with ttl '5m' or '1h'")
    if len(controls) > 4:
        raise invalid(f"A maximum of 4 blocks with cache_control may be provided. Found {len(controls)}.")
    lifetimes = [control.get("ttl", "5m") for control in controls]
    if lifetimes != sorted(lifetimes):  # "1h" sorts before "5m"
        raise invalid("a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block.")


def _compaction(body: Mapping[str, Any]) -> None:
    if (body["compaction"] or {}).get("type") != "summarize":
        raise invalid("compaction.type: Input should be 'summarize'")
    if body.get("stop_sequences") or (body.get("output_config") or {}).get("format"):
        raise invalid("compaction: cannot be combined with stop_sequences or output_config.format")
    if messages.open_calls(body["messages"]):
        raise invalid(
            "compaction: the conversation ends on an unfinished assistant turn", "compaction_incomplete_turn"
        )


def too_long(tokens: int, limit: int) -> ApiError:
    """Return the 400 for a prompt beyond the context window."""
    return invalid(f"prompt is too long: {tokens} tokens > {limit} maximum")
