"""Put the API together: its routes behind its door, with one way to say what went wrong."""

from collections.abc import Callable

from aiohttp import web

from bot.errors import UserFault
from bot.github.client import GitHub
from bot.settings import Settings
from bot.web.api import access, intake, openapi, problems
from bot.web.api.access import Access
from bot.web.api.events import EventRoutes
from bot.web.api.installed import Repositories
from bot.web.api.means import Means
from bot.web.api.operation import Operation
from bot.web.api.sessions import SessionRoutes
from bot.web.api.tasks import TaskRoutes
from bot.web.api.views import Views
from bot.words.redaction import Redactor
from storage.database import Database


def build(
    settings: Settings, database: Database, github: GitHub, stored: Callable[[], None]
) -> web.Application:
    """Return the application to mount at `/api/v1`; raises UserFault for a rate that can't be read.

    `stored` is called when there is something for the worker.
    """
    try:
        door = Access(settings.api_tokens, settings.api_rate)
    except ValueError as problem:
        raise UserFault(f"JOURNEYMAN_API_RATE {problem} (it is {settings.api_rate!r})") from None
    means = Means(
        database, settings, Views(Redactor.knowing(settings.secrets())), Repositories(github), stored
    )
    streams = EventRoutes(means)
    operations = [
        *SessionRoutes(means).operations(),
        *TaskRoutes(means).operations(),
        *streams.operations(),
    ]
    application = web.Application(middlewares=[problems.told, door.guard])
    for one in [*operations, _described(operations)]:
        application.router.add_route(
            one.method, one.path, one.handler, name=access.PUBLIC if one.public else None
        )
    application.on_shutdown.append(streams.close)
    return application


def _described(operations: list[Operation]) -> Operation:
    async def describe(request: web.Request) -> web.Response:
        del request
        return intake.answer(written)

    own = Operation(
        "GET", "/openapi.json", "describe", "Read this document", describe, {200: None}, public=True
    )
    written = openapi.document([*operations, own])
    return own
