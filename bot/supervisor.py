"""Keep the receiver and its worker running as two processes over one data directory."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import structlog

from bot import proxy, server, stopping
from bot.lock import Lock
from bot.settings import Settings
from bot.wake import Bell
from storage import database as databases
from storage import schema

log = structlog.get_logger(__name__)

# A worker gets this long to reach its checkpoint: more than it gives itself, so only a stuck one is killed.
STOP_SECONDS = 30.0
SHORTEST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
CHECKOUT = Path(__file__).resolve().parent.parent


async def serve(settings: Settings, environ: Mapping[str, str]) -> None:
    """Serve until SIGTERM or SIGINT; raises AlreadyRunning when the data directory is taken."""
    settings.make_data_dir()
    stop = stopping.signalled()
    with Lock(settings.data_dir / "server.lock"):
        database = databases.connect(settings.database_url or databases.default_url(settings.data_dir))
        bell = Bell()
        try:
            if database.is_sqlite:
                await schema.upgrade(database)
            else:  # other processes may serve from it: that is `migrate`'s to decide
                await schema.verify(database)
            async with (
                server.serving(settings, database, stored=bell.ring) as port,
                proxy.forwarding(settings, port),
            ):
                worker = asyncio.create_task(_keep_worker(settings, environ, bell))
                await stop.wait()
                log.info("server.stopping")
                # Deliveries are still taken meanwhile: what they ask for waits in the table.
                worker.cancel()
                await asyncio.wait([worker])
        finally:
            bell.close()
            await database.aclose()


async def receive(settings: Settings) -> None:
    """Only receive, until SIGTERM or SIGINT; workers elsewhere find what was stored by their own scan."""
    settings.make_data_dir()
    stop = stopping.signalled()
    async with contextlib.aclosing(databases.connect(settings.database_url or "")) as database:
        await schema.verify(database)
        async with (
            server.serving(settings, database, stored=lambda: None, worker_here=False) as port,
            proxy.forwarding(settings, port),
        ):
            await stop.wait()


async def _keep_worker(settings: Settings, environ: Mapping[str, str], bell: Bell) -> None:
    """Start the worker, and again whenever it dies, until cancelled; then let it finish its step."""
    loop = asyncio.get_running_loop()
    pause = SHORTEST_PAUSE_SECONDS
    while True:
        started, code = loop.time(), None
        try:
            code = await _one_worker(settings, environ, bell)
        except OSError:
            log.exception("worker.not_started")  # out of memory or of processes: it may be better soon
        lived = loop.time() - started
        if lived > LONGEST_PAUSE_SECONDS:
            pause = SHORTEST_PAUSE_SECONDS
        log.error("worker.died", code=code, lived_seconds=round(lived), again_in_seconds=pause)
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


async def _one_worker(settings: Settings, environ: Mapping[str, str], bell: Bell) -> int:
    process = await _start_worker(settings, environ, bell)
    try:
        return await process.wait()
    except asyncio.CancelledError:
        await _stop_worker(process)
        raise


async def _start_worker(
    settings: Settings, environ: Mapping[str, str], bell: Bell
) -> asyncio.subprocess.Process:
    own = {**environ, "JOURNEYMAN_DATA_DIR": str(settings.data_dir.resolve())}
    own.pop("JOURNEYMAN_DATA_DIR_FILE", None)
    # The same folder, since settings may name files by relative paths; whatever lies there, `-m bot` is us.
    own["PYTHONPATH"] = os.pathsep.join(filter(None, [str(CHECKOUT), environ.get("PYTHONPATH")]))
    return await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "bot", "worker", "--wake-descriptor", str(bell.worker_end),
        env=own, pass_fds=(bell.worker_end,), stdin=asyncio.subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip


async def _stop_worker(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        log.warning("worker.killed", seconds=STOP_SECONDS)
        process.kill()
        await process.wait()
