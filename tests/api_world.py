"""Serve the API over a real database and a stand-in for GitHub, and call it as programs do."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp

from bot import server
from bot.settings import Settings
from storage import interactions, tasks
from storage.database import Database
from storage.words import InteractionType, TaskState
from tests import records, rsa_key

TOKEN = "first-token-of-the-test"
OTHER = "second-token-of-the-test"


@dataclass
class Reply:
    """An answer, read."""

    status: int
    headers: Any
    body: Any


@dataclass
class Api:
    """A program that calls the API."""

    url: str
    http: aiohttp.ClientSession
    database: Database
    rung: list[None] = field(default_factory=list)

    async def call(self, method: str, path: str, body: Any = None, **more: Any) -> Reply:
        """Call with the first token; `token`, `headers`, `data` replace what is sent."""
        token = more.pop("token", TOKEN)
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        headers |= more.pop("headers", {})
        if body is not None:
            more["json"] = body
        async with self.http.request(
            method, f"{self.url}/api/v1{path}", headers=headers, allow_redirects=False, **more
        ) as answer:
            raw = await answer.read()
            is_json = "json" in answer.content_type
            return Reply(
                answer.status, answer.headers, await answer.json(content_type=None) if is_json else raw
            )

    async def session(self, **more: Any) -> str:
        """Return the id of a new session on acme/shop."""
        return (await records.a_session(self.database, **({"issue_number": None} | more))).id

    async def task(
        self, session_id: str | None = None, description: str = "Add up\n\nThe total is off."
    ) -> str:
        """Ask for a task, in a session of its own where none is given, and return its id."""
        wish = {"session_id": session_id or await self.session(), "description": description}
        made = await self.call("POST", "/tasks", wish)
        assert made.status == 202, made.body
        return str(made.body["id"])

    async def start(self, task_id: str) -> None:
        """Let a worker begin with a task."""
        async with self.database.transaction() as writing:
            await tasks.move(writing, task_id, TaskState.RUNNING)

    async def finish(self, task_id: str, **values: Any) -> None:
        """Let a worker complete a task."""
        async with self.database.transaction() as writing:
            await tasks.finish(writing, task_id, TaskState.COMPLETED, **values)

    async def say(self, task_id: str, kind: InteractionType, content: dict[str, Any]) -> None:
        """Let a worker add to the conversation."""
        async with self.database.transaction() as writing:
            await interactions.append(writing, task_id, [(kind, content)])


@contextlib.asynccontextmanager
async def serving(database: Database, data_dir: Path, **more: Any) -> AsyncIterator[Api]:
    """Serve on a free port of loopback, with two tokens and a generous rate."""
    given: dict[str, Any] = {
        "webhook_secrets": ("secret",), "host": "127.0.0.1", "port": 0, "api_tokens": (TOKEN, OTHER),
        "api_rate": "100000/min", "app_id": "7", "private_key": rsa_key.pem(), "data_dir": data_dir,
        "github_api_url": "http://127.0.0.1:9", "anthropic_base_url": "http://127.0.0.1:9",
        "anthropic_api_key": "sk-of-the-test", "task_budget_usd": Decimal("3.5"),
    }  # fmt: skip
    rung: list[None] = []
    async with (
        server.serving(Settings(**(given | more)), database, lambda: rung.append(None)) as port,
        aiohttp.ClientSession() as http,
    ):
        yield Api(f"http://127.0.0.1:{port}", http, database, rung)
