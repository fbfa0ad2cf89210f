"""Say whether this process lives, whether it can store a delivery, and what around it is out of order."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import structlog
from aiohttp import web
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from storage.database import Database

log = structlog.get_logger(__name__)

# Below this the next delivery, snapshot or checkout may be the one that does not fit.
LEAST_FREE_BYTES = 256 * 1024 * 1024
# Who asks must get an answer even while a stranger holds the database's lock.
PATIENCE_SECONDS = 5.0
# However many ask, what lies around us is looked at this often.
FRESH_SECONDS = 30.0

# Each returns what it is about with the reason why it is out of order, or None.
Check = Callable[[], Awaitable[Mapping[str, str | None]]]


class Health:
    """The probes of the contract, section 3; `around` looks at what a delivery can be stored without."""

    def __init__(self, database: Database, data_dir: Path, around: Mapping[str, Check] | None = None) -> None:
        self._database = database
        self._data_dir = data_dir
        self._around = dict(around or {})
        self._asking: asyncio.Task[tuple[int, dict[str, Any]]] | None = None
        self._asked_at = float("-inf")
        self._storing: asyncio.Task[str | None] | None = None

    async def alive(self, request: web.Request) -> web.Response:
        """Answer without touching anything else."""
        del request
        return web.json_response({"status": "ok"})

    async def ready(self, request: web.Request) -> web.Response:
        """Answer 200 when a delivery could be stored now, else 503 with the reasons."""
        del request
        reasons = await self._own()
        status = 503 if any(reasons.values()) else 200
        checks = {name: problem or "ok" for name, problem in reasons.items()}
        return web.json_response(
            {"status": "ok" if status == 200 else "unavailable", "checks": checks}, status=status
        )

    async def overview(self, request: web.Request) -> web.Response:
        """Answer with everything and each reason, at most 30 s old; 503 only when `ready` would be."""
        del request
        now = asyncio.get_running_loop().time()
        if self._asking is None or now - self._asked_at > FRESH_SECONDS:
            # Whoever comes while it is being found out waits for the same answer.
            self._asking, self._asked_at = asyncio.create_task(self._look()), now
        status, document = await asyncio.shield(self._asking)
        return web.json_response(document, status=status, headers={"Cache-Control": "no-store"})

    async def close(self, _: web.Application) -> None:
        """Stop looking."""
        looking = [task for task in (self._asking, self._storing) if task is not None and not task.done()]
        for task in looking:
            task.cancel()
        if looking:
            await asyncio.wait(looking)

    async def _look(self) -> tuple[int, dict[str, Any]]:
        own, *others = await asyncio.gather(
            self._own(), *(_bounded(name, check) for name, check in self._around.items())
        )
        reasons = dict(own)
        for other in others:
            reasons |= other
        status = "ok" if not any(reasons.values()) else "unavailable" if any(own.values()) else "degraded"
        checks = {
            name: {"status": "ok"} if reason is None else {"status": "failed", "reason": reason}
            for name, reason in reasons.items()
        }
        return 503 if status == "unavailable" else 200, {"status": status, "checks": checks}

    async def _own(self) -> dict[str, str | None]:
        return {"database": await self._database_problem(), "disk": self._disk_problem()}

    async def _database_problem(self) -> str | None:
        """Wait so long and no longer; whoever asks meanwhile waits for the same attempt.

        It is not cancelled: SQLite holds the connection until the lock is free or its own time-out is over,
        and one connection after the other would go that way.
        """
        if self._storing is None or self._storing.done():
            self._storing = asyncio.create_task(self._store())
        done, _ = await asyncio.wait({self._storing}, timeout=PATIENCE_SECONDS)
        if not done:
            return (
                f"the database does not answer within {PATIENCE_SECONDS:.0f} s; something may hold its lock"
            )
        return self._storing.result()

    async def _store(self) -> str | None:
        try:
            async with self._database.transaction() as session:  # a write lock, as a delivery needs it
                await session.execute(text("SELECT 1 FROM deliveries LIMIT 1"))
        except (SQLAlchemyError, OSError) as problem:
            return f"the database does not answer: {type(problem).__name__}"
        return None

    def _disk_problem(self) -> str | None:
        try:
            free = shutil.disk_usage(self._data_dir).free
        except OSError as problem:
            return f"the data directory can't be looked at: {problem.strerror}"
        if free < LEAST_FREE_BYTES:
            needed = LEAST_FREE_BYTES // 2**20
            return f"{free // 2**20} MiB free on the data directory's disk; {needed} are needed"
        return None


async def _bounded(name: str, check: Check) -> Mapping[str, str | None]:
    """Return what a check finds; one that hangs or breaks is itself out of order."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await check()
    except TimeoutError:
        return {name: f"no answer within {PATIENCE_SECONDS:.0f} s"}
    except Exception as problem:
        log.exception("health.check_failed", check=name)
        return {name: f"it could not be looked at ({type(problem).__name__}); the log has details"}
