"""Clear away what tasks left on the disk when a process died before it could."""

import asyncio
from pathlib import Path

import structlog
from sqlalchemy.exc import NoResultFound

from bot.task.desk import Workshop
from storage import tasks
from storage.database import Database
from storage.words import ENDED

log = structlog.get_logger(__name__)

EVERY_SECONDS = 86_400.0


async def keep_within(shop: Workshop, limit_bytes: int) -> None:
    """Once a day, remove the environments used longest ago beyond that size; until cancelled."""
    while True:
        try:
            left = await shop.environments.prune(limit_bytes)
        except OSError:
            log.exception("environments.not_pruned")  # tomorrow is another day
        else:
            log.info("environments.pruned", left_bytes=left)
        await asyncio.sleep(EVERY_SECONDS)


async def clear(shop: Workshop, database: Database) -> None:
    """Remove the folders of tasks that have ended, and every half-made one; call it before work starts."""
    for folder in await asyncio.to_thread(_folders, shop.data_dir):
        if await _is_over(database, folder.name.removesuffix(".git")):
            log.info("leftovers.cleared", folder=folder.name)
            await shop.sandbox.remove(folder)
    for folder in await asyncio.to_thread(_half_made, shop.data_dir):
        await shop.sandbox.remove(folder)


def _folders(data_dir: Path) -> list[Path]:
    return [*(data_dir / "tasks").glob("*"), *(data_dir / "quarantine").glob("*.git")]


def _half_made(data_dir: Path) -> list[Path]:
    return [*data_dir.glob("probe-*"), *(data_dir / "environments" / "building").glob("*")]


async def _is_over(database: Database, task_id: str) -> bool:
    async with database.reading() as reading:
        try:
            return (await tasks.get(reading, task_id)).status in ENDED
        except NoResultFound:
            return True
