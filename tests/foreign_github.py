"""Stand between the bot and the stand-in for GitHub, and answer as another author's GitHub would."""

import asyncio
import base64
import contextlib
import itertools
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
from aiohttp import web

Alter = Callable[[str, int, Any], Any]
# Headers that belong to one connection, or that a plain server has no reason to send.
_DROPPED = {"transfer-encoding", "content-length", "connection", "keep-alive", "content-encoding", "date"}
_FRILLS = {"etag", "last-modified", "cache-control", "vary"}


@dataclass
class ForeignGitHub:
    """A proxy with the manners of another server: `/api/v3` before API paths, short tokens, bare answers.

    `refuse` maps a pattern of `METHOD /path` to the status and body answered in its place; `alter` gets
    `METHOD /path`, status and JSON of every other answer of the API and returns the JSON to send.
    """

    refuse: Mapping[str, tuple[int, str]]
    alter: Alter
    url: str = ""
    upstream: str = ""
    seen: list[str] = field(default_factory=list)
    _ready: asyncio.Event = field(default_factory=asyncio.Event)
    _tokens: dict[str, str] = field(default_factory=dict)
    _numbers: Any = field(default_factory=itertools.count)

    def stand_before(self, upstream: str) -> None:
        """Name the server that does the work; requests wait until then."""
        self.upstream = upstream
        self._ready.set()

    async def handle(self, request: web.Request) -> web.Response:
        """Pass one request on, or refuse it."""
        await self._ready.wait()
        path = request.path
        what = f"{request.method} {path.removeprefix('/api/v3')}"
        self.seen.append(what)
        for pattern, (status, text) in self.refuse.items():
            if path.startswith("/api/v3") and re.fullmatch(pattern, what):
                kind = "text/html" if text.startswith("<") else "application/json"
                return web.Response(status=status, text=text, content_type=kind)
        headers = {name: value for name, value in request.headers.items() if name.lower() != "host"}
        if "Authorization" in headers:
            headers["Authorization"] = self._real(headers["Authorization"])
        body = await request.read()
        target = self.upstream + request.raw_path
        async with (
            aiohttp.ClientSession(auto_decompress=False) as http,
            http.request(request.method, target, data=body, headers=headers, allow_redirects=False) as answer,
        ):
            return self._dress(path, what, answer, await answer.read())

    def _dress(self, path: str, what: str, answer: aiohttp.ClientResponse, body: bytes) -> web.Response:
        kept = {
            name: value.replace(self.upstream, self.url)
            for name, value in answer.headers.items()
            if name.lower() not in _DROPPED and not name.lower().startswith("x-")
        }
        if path.startswith("/api/v3"):
            kept = {name: value for name, value in kept.items() if name.lower() not in _FRILLS}
            if body:
                told = self.alter(what, answer.status, json.loads(body))
                if what.endswith("/access_tokens") and answer.status == 201:
                    told["token"] = self._short(told["token"])
                body = json.dumps(told).replace(self.upstream, self.url).encode()
        return web.Response(status=answer.status, headers=kept, body=body)

    def _short(self, token: str) -> str:
        """Return a token in the shape of earlier years: 40 characters."""
        short = f"ghs_{next(self._numbers):036d}"
        self._tokens[short] = token
        return short

    def _real(self, header: str) -> str:
        scheme, _, value = header.partition(" ")
        if scheme.lower() != "basic":
            return f"{scheme} {self._tokens.get(value, value)}"
        user, _, password = base64.b64decode(value).decode().partition(":")
        assert user == "x-access-token"
        return "Basic " + base64.b64encode(f"{user}:{self._tokens[password]}".encode()).decode()


@contextlib.asynccontextmanager
async def serving(refuse: Mapping[str, tuple[int, str]], alter: Alter) -> AsyncIterator[ForeignGitHub]:
    """Serve such a GitHub on loopback."""
    foreign = ForeignGitHub(refuse, alter)
    app = web.Application(client_max_size=64 << 20)
    app.router.add_route("*", "/{path:.*}", foreign.handle)
    runner = web.AppRunner(app, auto_decompress=False, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    foreign.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield foreign
    finally:
        await runner.cleanup()


# What GitHub's documentation shows of each thing at the least; everything else may be missing.
_PERSON = ("id", "login", "type")
_KEPT = {
    "repository": ("id", "name", "full_name", "default_branch", "private", "owner", "html_url"),
    "issue": (
        "id", "number", "title", "body", "state", "labels", "user", "html_url", "created_at", "updated_at",
    ),
    "comment": ("id", "body", "user", "html_url", "created_at", "updated_at"),
    "pull": ("id", "number", "title", "body", "state", "user", "head", "base", "html_url"),
    "app": ("id", "slug"),
    "permission": ("permission",),
    "token": ("token", "expires_at"),
}  # fmt: skip
_SHAPES = (
    (r".*/access_tokens", "token"),
    (r".*/permission", "permission"),
    (r"GET /app", "app"),
    (r".*/comments(/\d+)?", "comment"),
    (r".*/pulls(/\d+)?", "pull"),
    (r".*/issues/\d+", "issue"),
    (r"GET /repos/[^/]+/[^/]+", "repository"),
)


def barest(what: str, status: int, told: Any) -> Any:
    """Return an answer with nothing in it that a reader could do without."""
    if status >= 400:
        return {"message": told.get("message", "")}
    if isinstance(told, list):
        return [barest(what, status, each) for each in told]
    shape = next((shape for pattern, shape in _SHAPES if re.fullmatch(pattern, what)), None)
    if shape is None or not isinstance(told, dict):
        return told
    kept = {name: told[name] for name in _KEPT[shape] if name in told}
    if isinstance(kept.get("user"), dict):
        kept["user"] = {name: kept["user"][name] for name in _PERSON}
    if shape == "token":
        soon = datetime.now(UTC) + timedelta(seconds=20)
        kept["expires_at"] = f"{soon:%Y-%m-%dT%H:%M:%SZ}"
    return kept
