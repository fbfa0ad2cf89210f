"""Name what a tool call comes back with."""

from dataclasses import dataclass

TEXT_BYTES = 16_000  # of a command's output or a file, as the model sees it


@dataclass(frozen=True)
class ToolOutcome:
    """The text for the model, never empty; `is_error` for a failed tool or a time-out, never an exit code."""

    text: str
    is_error: bool = False
