"""Say whether this process lives, and whether it can store a delivery."""

import asyncio
import shutil
from pathlib import Path

from aiohttp import web
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from storage.database import Database

# Below this the next delivery, snapshot or checkout may be the one that does not fit.
LEAST_FREE_BYTES = 256 * 1024 * 1024
# Who asks must get an answer even while a stranger holds the database's lock.
PATIENCE_SECONDS = 5.0


class Health:
    """The probes of the contract, section 3."""

    def __init__(self, database: Database, data_dir: Path) -> None:
        self._database = database
        self._data_dir = data_dir

    async def alive(self, request: web.Request) -> web.Response:
        """Answer without touching anything else."""
        del request
        return web.json_response({"status": "ok"})

    async def ready(self, request: web.Request) -> web.Response:
        """Answer 200 when a delivery could be stored now, else 503 with the reasons."""
        del request
        reasons = {"database": await self._database_problem(), "disk": self._disk_problem()}
        status = 503 if any(reasons.values()) else 200
        checks = {name: problem or "ok" for name, problem in reasons.items()}
        return web.json_response(
            {"status": "ok" if status == 200 else "unavailable", "checks": checks}, status=status
        )

    async def _database_problem(self) -> str | None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                async with self._database.transaction() as session:  # a write lock, as a delivery needs it
                    await session.execute(text("SELECT 1 FROM deliveries LIMIT 1"))
        except (SQLAlchemyError, OSError, TimeoutError) as problem:
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
