"""`/health` tells what is out of order and why; `/readyz` only what keeps a delivery from being stored."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bot import server
from storage.database import Database
from tests import api_world
from tests.api_world import Api

NAMES = {"database", "disk", "clock", "sandbox", "github", "claude"}


@dataclass
class Neighbours:
    """A GitHub and a Claude API as far as the check asks them."""

    url: str = ""
    github: int = 200
    claude: int = 200
    ahead: timedelta = timedelta()
    asked: Counter[str] = field(default_factory=Counter)
    hold: asyncio.Event | None = None

    async def answer(self, request: web.Request) -> web.Response:
        """Answer `GET /app` and `GET /v1/models`."""
        self.asked[f"{request.method} {request.path}"] += 1
        if self.hold is not None:
            await self.hold.wait()
        headers = {"Date": format_datetime(datetime.now(UTC) + self.ahead, usegmt=True)}
        if request.path == "/app":
            assert request.headers["Authorization"].startswith("Bearer ey")
            return web.json_response({"id": 7, "slug": "keeper"}, status=self.github, headers=headers)
        assert request.headers["x-api-key"] == "sk-of-the-test"
        return web.json_response({"data": []}, status=self.claude)


@asynccontextmanager
async def _serving(database: Database, data_dir: Path, **more: Any) -> AsyncIterator[tuple[Api, Neighbours]]:
    near = Neighbours()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", near.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    near.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    given = {"github_api_url": near.url, "anthropic_base_url": near.url} | more
    try:
        async with api_world.serving(database, data_dir, **given) as api:
            yield api, near
    finally:
        await runner.cleanup()


@asynccontextmanager
async def _locked(database: Database) -> AsyncIterator[None]:
    """Hold the write lock."""
    async with database.transaction() as session:
        await session.connection()  # BEGIN IMMEDIATE
        yield


async def _health(api: Api, path: str = "/health") -> tuple[int, Any]:
    async with api.http.get(f"{api.url}{path}") as answer:
        return answer.status, await answer.json()


async def test_all_is_well(database: Database, tmp_path: Path) -> None:
    """Every check of the contract is named and ok, nobody needs a token, and nothing is spent."""
    async with _serving(database, tmp_path) as (api, near):
        status, told = await _health(api)

    assert (status, told["status"]) == (200, "ok"), told
    assert told["checks"] == {name: {"status": "ok"} for name in NAMES}
    assert near.asked == {"GET /app": 1, "GET /v1/models": 1}


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        pytest.param({"github": 401}, {"github": "APP_ID"}, id="key"),
        pytest.param({"github": 502}, {"github": "502"}, id="GitHub fails"),
        pytest.param({"claude": 401}, {"claude": "ANTHROPIC_API_KEY"}, id="Claude's key"),
        pytest.param({"claude": 529}, {"claude": "529"}, id="Claude is overloaded"),
        pytest.param({"claude": 404}, {}, id="a gateway without models"),
        pytest.param({"ahead": timedelta(minutes=2)}, {"clock": "behind"}, id="our clock is behind"),
        pytest.param(
            {"ahead": timedelta(minutes=-2), "github": 401},
            {"clock": "ahead of", "github": "401"},
            id="our clock is ahead",
        ),
        pytest.param({"ahead": timedelta(seconds=3)}, {}, id="a small difference"),
    ],
)
async def test_what_is_out_of_order_is_named_with_its_reason(
    sqlite: Database, tmp_path: Path, change: dict[str, Any], failed: dict[str, str]
) -> None:
    """200 and degraded: a delivery can still be stored."""
    async with _serving(sqlite, tmp_path) as (api, near):
        for name, value in change.items():
            setattr(near, name, value)
        status, told = await _health(api)

    assert (status, told["status"]) == (200, "degraded" if failed else "ok")
    found = {name: check["reason"] for name, check in told["checks"].items() if check["status"] == "failed"}
    assert found.keys() == failed.keys()
    assert all(words in found[name] for name, words in failed.items())


async def test_nobody_there_is_degraded(
    sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GitHub, Claude and bubblewrap missing: each has its reason, without a secret in it."""
    monkeypatch.setattr("bot.workspace.plan.bubblewrap", lambda: Path("/nothing/bwrap"))
    async with api_world.serving(sqlite, tmp_path) as api:
        status, told = await _health(api)

    assert (status, told["status"]) == (200, "degraded")
    failed = {name for name, check in told["checks"].items() if check["status"] == "failed"}
    assert failed == {"github", "claude", "clock", "sandbox"}
    assert "sk-of-the-test" not in str(told)


async def test_a_database_that_stores_nothing_is_503(sqlite: Database, tmp_path: Path) -> None:
    """As `/readyz` says; the other checks are told all the same."""
    async with _serving(sqlite, tmp_path) as (api, _):
        async with sqlite.transaction() as writing:
            await (await writing.connection()).exec_driver_sql("DROP TABLE deliveries")
        ready, _ = await _health(api, "/readyz")
        status, told = await _health(api)

    assert (ready, status, told["status"]) == (503, 503, "unavailable")
    assert "does not answer" in told["checks"]["database"]["reason"]
    assert told["checks"]["github"] == {"status": "ok"}


async def test_it_is_looked_at_once_for_all_who_ask(
    sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty at once share one look; within 30 s so do later ones, and after that there is a new one."""
    async with _serving(sqlite, tmp_path) as (api, near):
        answers = await asyncio.gather(*(_health(api) for _ in range(20)))
        near.claude = 401
        later = await _health(api)
        assert near.asked["GET /app"] == 1
        monkeypatch.setattr("bot.web.health.FRESH_SECONDS", 0.0)
        fresh = await _health(api)

    assert {status for status, _ in answers} == {200}
    assert later == answers[0]
    assert (fresh[1]["status"], near.asked["GET /app"]) == ("degraded", 2)


async def test_a_check_that_hangs_is_given_up(
    sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer comes all the same, and so does the server's end while someone waits for it."""
    monkeypatch.setattr("bot.web.health.PATIENCE_SECONDS", 0.5)
    async with _serving(sqlite, tmp_path) as (api, near):
        near.hold = asyncio.Event()
        status, told = await _health(api)
        near.hold.set()

    assert status == 200
    assert "no answer within" in told["checks"]["github"]["reason"]


async def test_workers_elsewhere_look_after_their_own_sandbox(
    sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A receiver by itself does not judge a machine where nothing runs."""
    monkeypatch.setattr("bot.workspace.plan.bubblewrap", lambda: Path("/nothing/bwrap"))
    own = server.serving
    monkeypatch.setattr("bot.server.serving", lambda *given: own(*given, worker_here=False))
    async with _serving(sqlite, tmp_path) as (api, _):
        assert (await _health(api))[1]["checks"]["sandbox"] == {"status": "ok"}


async def test_a_lock_that_stays_is_said_in_time(
    sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often it is asked for, the probe keeps one connection, and what only reads goes on."""
    monkeypatch.setattr("bot.web.health.PATIENCE_SECONDS", 0.2)
    async with _serving(sqlite, tmp_path) as (api, _):
        async with _locked(sqlite):
            told = await asyncio.gather(*(_health(api, "/readyz") for _ in range(40)))
            unknown = await api.call("GET", "/sessions/abcdefghjkmn")
        after, _ = await _health(api, "/readyz")

    assert {status for status, _ in told} == {503}
    assert "may hold its lock" in told[0][1]["checks"]["database"]
    assert (unknown.status, after) == (404, 200)


async def test_alive_touches_nothing(sqlite: Database, tmp_path: Path) -> None:
    """`/healthz` answers whatever the database does."""
    async with api_world.serving(sqlite, tmp_path) as api, _locked(sqlite):
        assert await _health(api, "/healthz") == (200, {"status": "ok"})
