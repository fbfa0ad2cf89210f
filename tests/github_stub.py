"""Stand in for the few GitHub routes one test needs, with a clock in the test's hand and faults on demand."""

import asyncio
import functools
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import aiohttp
import jwt
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bot.github.client import GitHub

APP_ID = 7
SLUG = "keeper"
BOT = {"id": 70, "login": f"{SLUG}[bot]", "type": "Bot"}
ALICE = {"id": 1, "login": "alice", "type": "User"}
START = 1_800_000_000.0


class Time:
    """A clock that moves only when someone sleeps by it (`manual`: only when the test says so)."""

    def __init__(self, *, manual: bool = False) -> None:
        self.now = START
        self.slept: list[float] = []
        self._manual = manual
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def __call__(self) -> float:
        """Return the time."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Pass the time, or wait for the test to pass it."""
        self.slept.append(seconds)
        if not self._manual:
            self.now += seconds
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.now + seconds, future))
        await future

    async def pass_by(self, seconds: float) -> None:
        """Move the clock second by second, waking whoever is due."""
        end = self.now + seconds
        await _settle()
        while self.now < end:
            self.now = min(end, self.now + 1)
            due = [future for at, future in self._sleepers if at <= self.now]
            self._sleepers = [pair for pair in self._sleepers if pair[0] > self.now]
            for future in due:
                if not future.done():
                    future.set_result(None)
            await _settle()


async def _settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@functools.cache
def key() -> rsa.RSAPrivateKey:
    """Return the App's key, made once for all tests."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem() -> str:
    """Return the App's key as GitHub hands it out."""
    return (
        key()
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        .decode()
    )


@dataclass(frozen=True)
class Seen:
    """One request as the stub saw it."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]  # names in lower case
    data: Any


@dataclass
class Fault:
    """What happens to the next requests that fit: `applied` lets the state change first."""

    method: str
    part: str
    left: int
    answer: Callable[[], web.Response] | None  # None: the connection breaks
    applied: bool = False


Handler = Callable[[web.Request, Any], web.Response]


@dataclass
class Stub:
    """A GitHub with one App; routes are added by each test."""

    time: Time
    server: TestServer | None = None
    skew: float = 0.0  # seconds that this GitHub's clock is ahead of the bot's
    token_life: float = 3600.0
    seen: list[Seen] = field(default_factory=list)
    routes: dict[tuple[str, str], Handler] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    tokens: dict[str, float] = field(default_factory=dict)
    minted: list[Any] = field(default_factory=list)
    refused_jwts: int = 0

    async def __aenter__(self) -> "Stub":
        application = web.Application()
        application.router.add_route("*", "/{tail:.*}", self._handle)
        self.server = TestServer(application)
        await self.server.start_server()
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self.server is not None
        await self.server.close()

    @property
    def url(self) -> str:
        """Return the address of this API."""
        assert self.server is not None
        return str(self.server.make_url("/api/v3"))

    def client(self, http: aiohttp.ClientSession, **changes: Any) -> GitHub:
        """Return a client that talks to this stub by the test's clock."""
        wish: dict[str, Any] = {
            "api_url": self.url,
            "app_id": str(APP_ID),
            "private_key": pem(),
            "clock": self.time,
            "sleep": self.time.sleep,
            "jitter": lambda: 0.0,
        }
        return GitHub(http, **(wish | changes))

    def on(self, method: str, path: str, handler: Handler) -> None:
        """Answer one route; `path` is below the API's base."""
        self.routes[method, path] = handler

    def says(self, path: str, data: Any, status: int = 200, **headers: str) -> None:
        """Answer a GET always the same way."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.on("GET", path, lambda *_: answer(data, status, named))

    def fail(
        self,
        method: str,
        part: str,
        *,
        times: int = 1,
        answer: Callable[[], web.Response] | None = None,
        applied: bool = False,
    ) -> None:
        """Spoil the next requests whose path contains `part`."""
        self.faults.append(Fault(method, part, times, answer, applied))

    def asked(self, method: str, part: str = "") -> list[Seen]:
        """Return the requests that came in."""
        return [seen for seen in self.seen if seen.method == method and part in seen.path]

    @property
    def now(self) -> float:
        """Return GitHub's own time."""
        return self.time.now + self.skew

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        data = json.loads(body) if body else None
        path = request.path.removeprefix("/api/v3")
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.seen.append(Seen(request.method, path, dict(request.query), headers, data))
        response = self._answer(request, path, data)
        response.headers["Date"] = format_datetime(datetime.fromtimestamp(self.now, UTC), usegmt=True)
        if response.headers.get("X-Break"):
            assert request.transport is not None
            request.transport.abort()
        return response

    def _answer(self, request: web.Request, path: str, data: Any) -> web.Response:
        for fault in self.faults:
            if fault.left and fault.method == request.method and fault.part in path:
                fault.left -= 1
                if fault.applied:
                    self._route(request, path, data)
                return fault.answer() if fault.answer is not None else web.Response(headers={"X-Break": "1"})
        return self._route(request, path, data)

    def _route(self, request: web.Request, path: str, data: Any) -> web.Response:
        kind, _, value = request.headers["Authorization"].partition(" ")
        if path == "/app" or path.startswith("/app/"):
            return self._as_app(path, value, data)
        if kind != "token" or self.tokens.get(value, 0.0) <= self.now:
            return answer({"message": "Bad credentials"}, 401)
        if path == f"/users/{SLUG}[bot]" and ("GET", path) not in self.routes:
            return answer(BOT)
        handler = self.routes.get((request.method, path))
        return answer({"message": "Not Found"}, 404) if handler is None else handler(request, data)

    def _as_app(self, path: str, token: str, data: Any) -> web.Response:
        by_our_clock = {"verify_exp": False, "verify_iat": False}
        claims = jwt.decode(token, key().public_key(), algorithms=["RS256"], options=by_our_clock)
        if claims["iat"] > self.now or not self.now < claims["exp"] <= self.now + 600:
            self.refused_jwts += 1
            words = "'Expiration time' claim ('exp') must be a numeric value representing the future time"
            return answer({"message": words}, 401)
        if path == "/app":
            return answer({"id": APP_ID, "slug": SLUG, "name": "Keeper", "permissions": {"issues": "write"}})
        self.minted.append(data)
        value = f"ghs_{len(self.minted)}"
        self.tokens[value] = self.now + self.token_life
        return answer({"token": value, "expires_at": stamp(self.now + self.token_life)}, 201)


def answer(data: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """Return a JSON answer."""
    return web.json_response(data, status=status, headers=headers)


def stamp(moment: float) -> str:
    """Return a time as GitHub writes it."""
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%SZ}"


@dataclass
class Effect:
    """One line of the ledger in memory."""

    state: str = "begun"
    external_id: str | None = None


@dataclass
class Ledger:
    """The effects ledger in memory."""

    effects: dict[str, Effect] = field(default_factory=dict)

    async def begin(self, key: str, kind: str, task_id: str | None) -> Effect:  # noqa: ARG002
        """Remember that something is about to happen."""
        return self.effects.setdefault(key, Effect())

    async def done(self, key: str, external_id: str, detail: dict[str, Any] | None = None) -> None:
        """Remember that it happened."""
        assert detail is None or isinstance(detail, dict)
        self.effects[key] = Effect("done", external_id)

    async def find(self, key: str) -> Effect | None:
        """Return what is remembered."""
        return self.effects.get(key)
