"""Decide what the OpenAPI document tells: what the routes and shapes say of themselves, no more."""

import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from bot.web.api import shapes
from bot.web.api.operation import PREFIX, Operation
from bot.web.api.problems import CONTENT_TYPE
from storage.words import EventKind

VERSION = "1"
REFERENCE = "#/components/schemas/{model}"
# Whatever is asked: no token, too often, ours, away.
ALWAYS = (401, 429, 500, 503)
# One event of a stream, as the fields of https://html.spec.whatwg.org/multipage/server-sent-events.html
EVENT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "pattern": "^[0-9]+$"},
        "event": {"enum": [kind.value for kind in EventKind]},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
    "required": ["id", "event", "data"],
}
EXPECTED = {200: "Here it is.", 201: "It was made.", 202: "It was accepted."}


def document(operations: Sequence[Operation]) -> bytes:
    """Return the document in JSON (OpenAPI 3.1, https://spec.openapis.org/oas/v3.1.1)."""
    paths: dict[str, dict[str, Any]] = {}
    for one in operations:
        paths.setdefault(PREFIX + one.path, {})[one.method.lower()] = _operation(one)
    told = {
        "openapi": "3.1.0",
        "info": {
            "title": "Journeyman",
            "version": VERSION,
            "description": "Sessions and tasks of this server. Ids are opaque; times are RFC 3339 in UTC; "
            "amounts are US dollars.",
        },
        "paths": paths,
        "components": {
            "schemas": _schemas(operations),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }
    return json.dumps(told).encode()


def _operation(one: Operation) -> dict[str, Any]:
    told: dict[str, Any] = {
        "operationId": one.name,
        "summary": one.summary,
        "parameters": list(one.parameters),
        "responses": {
            **{str(status): _answer(one, status, model) for status, model in one.answers.items()},
            **{str(status): _refusal(status) for status in (*one.refusals, *ALWAYS)},
        },
    }
    if one.body is not None:
        told["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _taken(one.body)[0]}},
        }
    if one.public:
        told["security"] = []
    return told


def _answer(one: Operation, status: int, model: type[BaseModel] | None) -> dict[str, Any]:
    told: dict[str, Any] = {"description": EXPECTED[status]}
    if model is not None:
        schema = {"$ref": REFERENCE.format(model=model.__name__)}
        told["content"] = {"application/json": {"schema": schema}}
    elif one.streams:
        told["content"] = {"text/event-stream": {"schema": EVENT}}
    else:
        told["content"] = {"application/json": {"schema": {"type": "object"}}}
    if one.body is not None:
        told["headers"] = {"Location": {"schema": {"type": "string"}, "required": True}}
    return told


def _refusal(status: int) -> dict[str, Any]:
    told: dict[str, Any] = {
        "description": HTTPStatus(status).phrase,
        "content": {CONTENT_TYPE: {"schema": {"$ref": REFERENCE.format(model=shapes.Problem.__name__)}}},
    }
    if status in {429, 503}:
        told["headers"] = {"Retry-After": {"schema": {"type": "string"}, "required": True}}
    if status == 401:
        told["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}, "required": True}}
    return told


def _schemas(operations: Sequence[Operation]) -> dict[str, Any]:
    models: dict[str, type[BaseModel]] = {shapes.Problem.__name__: shapes.Problem}
    for one in operations:
        models |= {model.__name__: model for model in one.answers.values() if model is not None}
    given: list[tuple[type[BaseModel], JsonSchemaMode]] = [
        (model, "serialization") for model in models.values()
    ]
    _, made = models_json_schema(given, ref_template=REFERENCE)
    schemas: dict[str, Any] = dict(made["$defs"])
    for one in operations:
        if one.body is not None:
            schemas |= _taken(one.body)[1]
    return schemas


def _taken(body: TypeAdapter[Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the schema of a body, and the named schemas that it refers to."""
    schema = body.json_schema(ref_template=REFERENCE)
    return schema, schema.pop("$defs", {})
