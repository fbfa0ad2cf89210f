"""Offer the agent its tools, in an order that never changes, and run the two that work on files."""

from collections.abc import Mapping
from typing import Any

from bot.workspace.command import Limits, Mount
from bot.workspace.editor import Editor
from bot.workspace.outcome import ToolOutcome
from bot.workspace.sandbox import Sandbox
from bot.workspace.shell import Shell

__all__ = ["BASH", "EDITOR", "FINISH", "TOOLS", "ToolOutcome", "Tools"]

BASH = "bash"
EDITOR = "str_replace_based_edit_tool"
FINISH = "finish"

_STRINGS = {"type": "array", "items": {"type": "string"}}
TOOLS: list[dict[str, Any]] = [  # the cached prompt prefix begins with these bytes
    {"type": "bash_20250124", "name": BASH},
    {"type": "text_editor_20250728", "name": EDITOR},
    {
        "name": FINISH,
        "description": "Say that the work is complete and hand it over for proof and review. Call it once, "
        "alone, when the change is made and you have run what can be run.",
        "input_schema": {
            "type": "object",
            "properties": {
                "summary": {
                    "type": "string",
                    "description": "What was done and why, in two or three sentences.",
                },
                "look_at": {
                    **_STRINGS,
                    "description": "What a reviewer should look at: a file and the reason, one each.",
                },
                "open_questions": {**_STRINGS, "description": "What a person has to decide, one each."},
                "replies": {
                    "type": "array",
                    "description": "Of a review: what came of each inline comment, one for each thread.",
                    "items": {
                        "type": "object",
                        "properties": {
                            "thread": {"type": "integer", "description": "The thread's number."},
                            "done": {"type": "boolean", "description": "Whether you did what it asks."},
                            "text": {"type": "string", "description": "What you did, or why not."},
                        },
                        "required": ["thread", "done", "text"],
                        "additionalProperties": False,
                    },
                },
            },
            "required": ["summary"],
            "additionalProperties": False,
        },
    },
]


class Tools:
    """One task's tools; between calls they keep the shell's folder and exported variables."""

    def __init__(
        self,
        sandbox: Sandbox,
        mounts: tuple[Mount, ...],
        limits: Limits | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        limits = limits or Limits()
        self._shell = Shell(sandbox, mounts, limits, environment or {})
        self._editor = Editor(sandbox, mounts, limits)

    async def run(self, name: str, tool_input: object) -> ToolOutcome:
        """Run one call and return what the model is told.

        Bad input comes back as an error text. Raises SandboxUnavailable when the sandbox cannot be built and
        WorldFault when a process cannot be ended; `finish` belongs to the conversation and is refused here.
        """
        if name not in {BASH, EDITOR}:
            return ToolOutcome(f"There is no tool {name!r} here; use {BASH} or {EDITOR}.", is_error=True)
        if not isinstance(tool_input, dict):
            return ToolOutcome(f"{name} needs a JSON object.", is_error=True)
        return await (self._shell if name == BASH else self._editor).run(tool_input)
