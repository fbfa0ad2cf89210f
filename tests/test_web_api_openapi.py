"""The OpenAPI document is true: whatever is generated from it is answered as it says, never with a 5xx."""

import asyncio
import contextlib
import itertools
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi import checks

from storage.database import Database
from tests import api_world
from tests.api_world import TOKEN

CHECKOUT = Path(__file__).resolve().parent.parent
EXAMPLES = 16  # of each operation, each way
SLOW = {"createTask": 4}  # long texts by a pattern take Hypothesis a second each
CHECKS = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.unsupported_method,
]


async def test_the_document_names_every_route_and_nothing_else(sqlite: Database, tmp_path: Path) -> None:
    """It is OpenAPI 3.1, valid by its schema dialect, and holds the contract's table."""
    async with api_world.serving(sqlite, tmp_path) as api:
        answer = await api.call("GET", "/openapi.json", token=None)

    told = answer.body
    routes = {(method.upper(), path) for path, item in told["paths"].items() for method in item}
    assert routes == {
        ("POST", "/api/v1/sessions"), ("GET", "/api/v1/sessions/{id}"),
        ("GET", "/api/v1/sessions/{id}/tasks"), ("POST", "/api/v1/tasks"),
        ("GET", "/api/v1/tasks/{id}"), ("GET", "/api/v1/tasks/{id}/status"),
        ("POST", "/api/v1/tasks/{id}/cancel"), ("GET", "/api/v1/tasks/{id}/events"),
        ("GET", "/api/v1/openapi.json"),
    }  # fmt: skip
    assert told["openapi"].startswith("3.1.")
    schemas = told["components"]["schemas"]
    for schema in schemas.values():
        assert jsonschema_rs.meta.is_valid(
            {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
        )
    assert set(schemas["Session"]["required"]) == {
        "id", "repository", "issue_number", "project_path", "branch", "pull_request", "created_at",
        "updated_at",
    }  # fmt: skip
    assert set(schemas["Status"]["required"]) == {
        "status", "reason", "progress", "test_summary", "iterations", "pauses", "cost_usd", "budget_usd",
        "error_message",
    }  # fmt: skip
    task = [name for name in schemas["TaskInFull"]["required"] if name not in {"test_cases", "interactions"}]
    assert task == schemas["Task"]["required"]


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["right", "wrong"])
async def test_whatever_is_asked_is_answered_as_described(
    sqlite: Database, tmp_path: Path, mode: GenerationMode
) -> None:
    """Generated calls, sensible and not, meet status, type, headers and shape that the document tells."""
    async with _empty_github() as url, api_world.serving(sqlite, tmp_path, github_api_url=url) as api:
        document = (await api.call("GET", "/openapi.json")).body
        session_id = await api.session()
        task_id = await api.task(session_id)
        await api.finish(task_id)
        schema = schemathesis.openapi.from_dict(document)
        schema.config.update(base_url=api.url)
        known = {"sessions": session_id, "tasks": task_id}
        made = await asyncio.to_thread(
            lambda: sum(_ask(one, mode, known) for one in _operations(schema, mode))
        )

    assert made > 100


@contextlib.asynccontextmanager
async def _empty_github() -> AsyncIterator[str]:
    """Be a GitHub where the App is installed nowhere."""

    async def nothing(request: web.Request) -> web.Response:
        return web.json_response({"message": "Not Found"}, status=404)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", nothing)
    async with TestServer(app) as server:
        yield str(server.make_url("/"))


def _operations(schema: Any, mode: GenerationMode) -> Iterator[Any]:
    for result in schema.get_all_operations():
        operation = result.ok()
        if mode is GenerationMode.POSITIVE or not operation.path.endswith(
            ".json"
        ):  # nothing to do wrong there
            yield operation


def _ask(operation: Any, mode: GenerationMode, known: dict[str, str]) -> int:
    """Make calls of one operation, every other one about something that is there; return how many."""
    turn = itertools.count()

    @settings(
        max_examples=SLOW.get(operation.definition.raw["operationId"], EXAMPLES),
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        if next(turn) % 2 and "{id}" in operation.path:
            case.path_parameters = {"id": known[operation.path.split("/")[3]]}
        if operation.path == "/api/v1/tasks" and isinstance(case.body, dict) and next(turn) % 2:
            case.body = {**case.body, "session_id": known["sessions"]}
        headers = {"Authorization": f"Bearer {TOKEN}"}
        case.call_and_validate(headers=headers, checks=CHECKS, timeout=20)

    ask()
    return next(turn)


def test_the_receiver_does_not_carry_the_workers_libraries() -> None:
    """The server's process imports neither the engine nor the model's SDK."""
    program = (
        "import sys, bot.supervisor\n"
        "print([name for name in sys.modules if name.partition('.')[0] in {'dbos', 'anthropic', 'httpx2'}])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )

    assert json.loads(ran.stdout.replace("'", '"')) == []
