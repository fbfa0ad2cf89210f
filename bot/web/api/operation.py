"""Say what a route of the API is: where it is mounted, and what the OpenAPI document tells of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter

from bot.web.api.problems import Handler

PREFIX = "/api/v1"


@dataclass(frozen=True)
class Operation:
    """One method of one path below the prefix."""

    method: str
    path: str
    name: str  # the operationId
    summary: str
    handler: Handler
    answers: Mapping[int, Any]  # by status: a model; None for what has no JSON of ours
    refusals: Sequence[int] = ()
    body: TypeAdapter[Any] | None = None
    parameters: Sequence[Mapping[str, Any]] = field(default_factory=tuple)
    streams: bool = False
    public: bool = False


def parameter(
    name: str, place: str, description: str, schema: Mapping[str, Any], *, required: bool = False
) -> dict[str, Any]:
    """Return an OpenAPI parameter; `place` is path, query or header."""
    return {
        "name": name,
        "in": place,
        "description": description,
        "required": required,
        "schema": dict(schema),
    }


def identity(what: str) -> dict[str, Any]:
    """Return the parameter `id` of a path."""
    return parameter("id", "path", f"the {what}'s id", {"type": "string", "minLength": 1}, required=True)


IDEMPOTENCY_KEY = parameter(
    "Idempotency-Key",
    "header",
    "the same key again gets the same answer, and nothing is made twice",
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]*$"},
)
