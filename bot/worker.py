"""Put a worker together: everything that does tasks, from the sandbox to the engine."""

import asyncio
import os
import socket
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
import structlog

from bot import stopping, wake
from bot.claude.ask import Claude
from bot.engine import durable
from bot.engine.dispatch import Dispatcher
from bot.engine.notifications import Notifications
from bot.engine.retention import Retention
from bot.engine.sweeping import Sweeping
from bot.engine.takeover import Takeover
from bot.engine.watchdog import Watchdog
from bot.errors import Blocked
from bot.github.client import GitHub
from bot.github.permissions import Permissions
from bot.lock import Lock
from bot.settings import Settings
from bot.talk.attendant import Attendant
from bot.talk.voice import Voice
from bot.task import leftovers, on_local
from bot.task.configured import Configured
from bot.task.desk import Workshop
from bot.task.forge import Forge
from bot.task.github_means import GitHubMeans
from bot.task.interruption import Interruptions
from bot.task.ledger import TableLedger
from bot.task.lifecycle import Lifecycle
from bot.task.on_github import OnGitHub
from bot.task.phases import Means, Phases
from bot.task.portrait import Portraitist
from bot.task.posting import Posting
from bot.task.work import Work
from bot.words.redaction import Redactor
from bot.workspace import registries
from bot.workspace.environment import Environments
from bot.workspace.mirror import Mirrors
from bot.workspace.sandbox import Sandbox
from storage import database as databases
from storage import requests, schema, tasks
from storage.database import Database
from storage.models import Session
from storage.words import LIVE

log = structlog.get_logger(__name__)

# The last worker of this data directory may still be ending; it gets this long before we give up.
HANDOVER_SECONDS = 40.0
# A stop takes 20 seconds at most, whatever GitHub does: so long for steps, so long for edits beside them, so
# long for what the steps had to say at last, and the rest for closing.
STEP_SECONDS, EDIT_SECONDS, LAST_EDIT_SECONDS = 14.0, 8.0, 1.0


async def work(settings: Settings, wake_descriptor: int | None) -> None:
    """Work until SIGTERM or SIGINT, or until the server that started us is dead."""
    stop = stopping.signalled()
    settings.make_data_dir()
    with Lock(settings.data_dir / "worker.lock", wait_seconds=HANDOVER_SECONDS):
        database = databases.connect(settings.database_url or databases.default_url(settings.data_dir))
        try:
            await schema.verify(database)
            async with working(settings, database) as dispatcher:
                if wake_descriptor is not None:
                    wake.listen(wake_descriptor, dispatcher.wake, stopping.vanish)
                log.info("worker.started")
                await stop.wait()
                log.info("worker.stopping")
        finally:
            await database.aclose()


@asynccontextmanager
async def working(settings: Settings, database: Database) -> AsyncIterator[Dispatcher]:
    """Run the engine and the dispatcher; at the end, let steps in flight reach their checkpoint."""
    async with AsyncExitStack() as stack:
        stack.push_async_callback(durable.close)
        http = await stack.enter_async_context(
            aiohttp.ClientSession(trust_env=True, cookie_jar=aiohttp.DummyCookieJar())
        )
        github = GitHub(
            http, api_url=settings.github_api_url, app_id=settings.app_id, private_key=settings.private_key
        )
        stack.push_async_callback(github.close)
        claude = Claude(api_key=settings.anthropic_api_key, base_url=settings.anthropic_base_url)
        stack.push_async_callback(claude.close)
        outside = _outside(settings, database, github)
        shop = await workshop(settings)
        await leftovers.clear(shop, database)  # the data directory is ours alone: we hold its lock

        def forge_of(session: Session) -> Forge:
            if session.project_path is not None:
                return on_local.for_session(session, shop.mirrors, settings.project_roots)
            return OnGitHub(outside)

        interruptions = Interruptions(database)
        phases = Phases(Means(settings, claude, shop, forge_of, outside.portraits))
        lifecycle = Lifecycle(
            database, interruptions, phases.table(), forge_of, settings.task_timeout,
            wake=lambda: dispatcher.wake(),  # noqa: PLW0108  # it is made below
        )  # fmt: skip
        name = _executor_id(database)
        engine = _engine(settings, database, lifecycle, name)
        dispatcher = Dispatcher(database, engine, attendant(outside, forge_of))
        if database.is_sqlite:  # nobody else can be at what a dead worker had taken up
            async with database.transaction() as writing:
                await requests.unclaim(writing)
        else:  # an embedded database has one worker, which the engine itself recovers
            mark = settings.data_dir / "worker.name"
            await stack.enter_async_context(Takeover(database, engine, name, mark))
        await engine.start()
        loops = [dispatcher.run(), interruptions.run(), Watchdog(engine).run()]
        loops.append(leftovers.keep_within(shop, int(settings.cache_gb * 2**30)))
        loops.append(Retention(database, engine, settings.retention_days).run())
        loops.append(Sweeping(database, github, settings.label, dispatcher.wake).run())
        if settings.notify_url and settings.notify_secret:
            told = (settings.notify_url, settings.notify_secret, http, settings.public_url or "")
            loops.append(Notifications(database, *told).run())
        background = [asyncio.create_task(loop) for loop in loops]
        try:
            yield dispatcher
        finally:
            for loop in background:
                loop.cancel()
            await asyncio.wait(background)
            await _wind_down(engine, github)


async def _wind_down(engine: durable.Engine, github: GitHub) -> None:
    """Let steps in flight reach their checkpoint, and edits that wait leave."""
    now = asyncio.get_running_loop().time
    begun = now()
    flushing = asyncio.create_task(github.flush())  # a step need not wait for its edit's turn any longer
    await engine.drain(STEP_SECONDS)
    try:
        async with asyncio.timeout_at(max(begun + EDIT_SECONDS, now() + LAST_EDIT_SECONDS)):
            await flushing
            await github.flush()
    except TimeoutError:
        log.warning("edits.not_sent")  # the next process shows how things stand then


def _outside(settings: Settings, database: Database, github: GitHub) -> GitHubMeans:
    secrets = Redactor.knowing(settings.secrets())
    ledger = TableLedger(database)
    return GitHubMeans(
        github=github, permissions=Permissions(time.monotonic), ledger=ledger, database=database,
        settings=settings, portraits=Portraitist(settings, secrets), configured=Configured(database),
        posting=Posting(database, ledger, secrets), secrets=secrets,
    )  # fmt: skip


def _engine(settings: Settings, database: Database, lifecycle: Lifecycle, name: str) -> durable.Engine:
    shared = settings.database_url if not database.is_sqlite else None
    lanes = durable.Lanes(settings.concurrency, settings.repository_concurrency)
    return durable.Engine(lifecycle.advance, lanes, shared or durable.default_url(settings.data_dir), name)


def attendant(means: GitHubMeans, forge_of: Callable[[Session], Forge]) -> Attendant:
    """Return who understands what people say, with the voice that answers them."""

    async def refresh(session_id: str) -> None:
        """Show the session's status at once: that of the task at work, else of its last."""
        async with means.database.reading() as reading:
            found = await tasks.of_session(reading, session_id)
        at_work = [task for task in found if task.status in LIVE] or found[:1]
        if at_work:
            work = await Work.load(means.database, at_work[0].id)
            await forge_of(work.session).show(work, asked=True)

    voice = Voice(
        github=means.github, ledger=means.ledger, posting=means.posting, configured=means.configured,
        settings=means.settings, secrets=means.secrets, refresh=refresh,
    )  # fmt: skip
    return Attendant(
        database=means.database, github=means.github, permissions=means.permissions,
        configured=means.configured, voice=voice, app_id=means.settings.app_id,
        cap_usd=means.settings.task_budget_usd,
    )  # fmt: skip


async def workshop(settings: Settings) -> Workshop:
    """Return the rooms where work happens; a sandbox that can't be built is said now and refused later."""
    data_dir = settings.data_dir.resolve()
    kind = "none" if settings.sandbox == "none" else "bubblewrap"
    sandbox = Sandbox(kind, data_dir)  # type: ignore[arg-type]
    shop = Workshop(
        data_dir=data_dir,
        sandbox=sandbox,
        mirrors=Mirrors(data_dir / "mirrors"),
        environments=Environments(sandbox, data_dir / "environments", await registries.discover()),
    )
    try:
        await shop.check()
    except Blocked as problem:
        log.error("sandbox.unavailable", why=str(problem))  # noqa: TRY400  # the sentence says it all
    return shop


def _executor_id(database: Database) -> str:
    """Name this process for the engine: one worker owns an embedded database, many share PostgreSQL."""
    if database.is_sqlite:
        return "local"
    return f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
