"""List the models that the stand-in knows, as `GET /v1/models` shows them."""

from __future__ import annotations

from typing import Any

NAMES = {
    "claude-fable-5-2": "Claude Fable 5.2",
    "claude-opus-5-5": "Claude Opus 5.5",
    "claude-sonnet-5-5": "Claude Sonnet 5.5",
    "claude-haiku-5-5": "Claude Haiku 5.5",
    "claude-opus-5": "Claude Opus 5",
    "claude-sonnet-5": "Claude Sonnet 5",
    "claude-haiku-4-5": "Claude Haiku 4.5",
}


def knows(model: str) -> bool:
    """Return whether the id, dated or not, is one of the models."""
    return any(model == name or model.startswith(f"{name}-20") for name in NAMES)


def entry(model: str, context_tokens: int, output_tokens: int) -> dict[str, Any]:
    """Return the ModelInfo object of a model."""
    name = next(name for name in NAMES if model == name or model.startswith(f"{name}-20"))
    return {
        "type": "model",
        "id": model,
        "display_name": NAMES[name],
        "line": name.split("-")[1],
        "lifecycle": "active",
        "created_at": "2026-10-01T00:00:00Z",
        "deprecated_at": None,
        "retires_at": None,
        "max_input_tokens": context_tokens,
        "max_tokens": output_tokens,
    }
