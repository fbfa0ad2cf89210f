"""A stand-in for Claude with raw access to it, for the tests that hold it to the API's rules."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from pydantic import BaseModel

from bot.claude.ask import Claude
from demo.claude import server
from demo.claude.script import Play, Script, Turn

MODEL = "claude-opus-5-5"
KEY = "stand-in-key"
BASH = {"type": "bash_20250124", "name": "bash"}
COMPACTION = {"anthropic-beta": "compact-2026-09-04"}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "bash", "input": {"command": "ls"}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "out"}
Open = Callable[..., Any]


class Clock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


class Desk:
    """One stand-in with raw access to it."""

    def __init__(self, running: server.Running, http: aiohttp.ClientSession, clock: Clock) -> None:
        self.running, self.http, self.clock = running, http, clock

    async def post(self, body: object, path: str = "/v1/messages", **headers: str) -> tuple[int, Any]:
        """Return status and body of a request."""
        sent = {"x-api-key": KEY, "anthropic-version": "2026-10-21", **headers}
        async with self.http.post(self.running.url + path, json=body, headers=sent) as response:
            assert response.headers["request-id"].startswith("req_")
            return response.status, await response.json()


@asynccontextmanager
async def desks() -> AsyncIterator[Open]:
    """Yield a way to open stand-ins by plays and limits; all are closed at the end."""
    opened: list[Desk] = []

    async def open_desk(*plays: Play, **limits: int) -> Desk:
        clock = Clock()
        running = await server.start(Script(plays or (Play("", [Turn("ok")] * 9),), **limits), clock=clock)
        opened.append(Desk(running, aiohttp.ClientSession(), clock))
        return opened[-1]

    yield open_desk
    for one in opened:
        await one.http.close()
        await one.running.close()


@asynccontextmanager
async def pairs() -> AsyncIterator[Open]:
    """Yield a way to open a stand-in for turns after "hi" with a client for it; all are closed at the end."""
    opened: list[Any] = []

    async def open_pair(
        *turns: Any, idle_seconds: float = 5.0, tests: str | None = None
    ) -> tuple[server.Running, Claude]:
        running = await server.start(Script([Play("hi", turns, tests=tests)]))
        claude = Claude(api_key=KEY, base_url=running.url, idle_seconds=idle_seconds)
        opened.extend([claude, running])
        return running, claude

    yield open_pair
    for one in opened:
        await one.close()


def body(*messages: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a request; without messages it says "hi"."""
    listed = list(messages) or [{"role": "user", "content": "hi"}]
    return {"model": MODEL, "max_tokens": 1000, "messages": listed, **more}


def user(content: Any) -> dict[str, Any]:
    """Return a user message."""
    return {"role": "user", "content": content}


def assistant(content: Any) -> dict[str, Any]:
    """Return an assistant message."""
    return {"role": "assistant", "content": content}


def extras(model: object) -> list[str]:
    """Return the names of fields that the SDK's types don't have, at any depth."""
    if isinstance(model, list):
        return [name for item in model for name in extras(item)]
    if not isinstance(model, BaseModel):
        return []
    found = list(model.model_extra or {})
    return found + [name for field in type(model).model_fields for name in extras(getattr(model, field))]
