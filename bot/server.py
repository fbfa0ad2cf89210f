"""Run the receiver: the web application, its group-committing writer, its probes and the API."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import aiohttp
import structlog
from aiohttp import web

from bot.errors import UserFault
from bot.github.client import GitHub
from bot.settings import Settings
from bot.web.api import application as api
from bot.web.api.operation import PREFIX
from bot.web.health import Health
from bot.web.metrics import Metrics
from bot.web.receive import MOST_BYTES, Receiver
from bot.web.surroundings import Surroundings
from bot.web.writer import DeliveryWriter
from handlers import routes
from storage.database import Database

log = structlog.get_logger(__name__)


@asynccontextmanager
async def serving(
    settings: Settings, database: Database, stored: Callable[[], None], *, worker_here: bool = True
) -> AsyncIterator[int]:
    """Serve until the block ends, and hand it the port that was bound.

    `worker_here` says that tasks are done on this machine, so that its sandbox is worth a look.
    """
    writer = DeliveryWriter(database, routes.router(), settings.label, stored)
    async with _outside() as http:
        application = _application(settings, database, writer)
        _add_health(application, settings, database, Surroundings(settings, http, sandboxed_here=worker_here))
        github = GitHub(
            http, api_url=settings.github_api_url, app_id=settings.app_id, private_key=settings.private_key
        )
        application.add_subapp(PREFIX, api.build(settings, database, github, stored))
        writing = asyncio.create_task(writer.run())
        # The signature is over the bytes as sent: nothing is inflated for a stranger.
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=10, auto_decompress=False)
        try:
            await runner.setup()
            await _listen(runner, settings)
            port = runner.addresses[0][1]
            log.info("server.started", host=settings.host, port=port, path=settings.webhook_path)
            yield port
        finally:
            await runner.cleanup()
            writing.cancel()
            with suppress(asyncio.CancelledError):
                await writing
            await github.close()


def _outside() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(trust_env=True, cookie_jar=aiohttp.DummyCookieJar())


async def _listen(runner: web.AppRunner, settings: Settings) -> None:
    try:
        await web.TCPSite(runner, settings.host, settings.port, backlog=2048).start()
    except OSError as problem:
        raise UserFault(
            f"cannot listen on HOST {settings.host}, PORT {settings.port}: {problem.strerror or problem}"
        ) from None


def _application(settings: Settings, database: Database, writer: DeliveryWriter) -> web.Application:
    application = web.Application(client_max_size=MOST_BYTES)
    receiver = Receiver(writer, settings.webhook_secrets)
    metrics = Metrics(database)

    async def receive(request: web.Request) -> web.Response:
        began = time.perf_counter()
        answer = await receiver.receive(request)
        metrics.answered(answer.status, time.perf_counter() - began)
        return answer

    application.add_routes(
        [
            web.post(settings.webhook_path, receive),
            web.get("/metrics", metrics.show),
        ]
    )
    return application


def _add_health(
    application: web.Application, settings: Settings, database: Database, around: Surroundings
) -> None:
    health = Health(database, settings.data_dir, around.checks())
    application.add_routes(
        [
            web.get("/healthz", health.alive),
            web.get("/readyz", health.ready),
            web.get("/health", health.overview),
        ]
    )
    application.on_shutdown.append(health.close)
