"""The pages decide what a person sees of the stand-in in a browser."""

from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Handler

from demo.github.pages import views
from demo.github.world import World

REPO = r"/{owner:[\w.-]+}/{repo:[\w.-]+}"


def _shown(find: Callable[[web.Request], Awaitable[str]]) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            text = await find(request)
        except KeyError:
            return web.Response(status=404, text="Not found", content_type="text/plain")
        # Nothing on a page is a script, and nothing comes from elsewhere.
        policy = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
        return web.Response(text=text, content_type="text/html", headers=policy)

    return handle


def site(world: World) -> list[tuple[str, Handler]]:
    """Return every page's path with its handler."""

    def name(request: web.Request) -> str:
        return f"{request.match_info['owner']}/{request.match_info['repo']}"

    async def home(_request: web.Request) -> str:
        return views.home(world)

    async def overview(request: web.Request) -> str:
        return await views.overview(world, world.repository(name(request)))

    async def thread(request: web.Request) -> str:
        number = int(request.match_info["number"])
        found = world.issue(name(request), number)
        if found.deleted:
            raise KeyError(number)
        if found.is_pull:
            return await views.pull(world, world.pull(name(request), number))
        return views.issue(found)

    return [
        ("/", _shown(home)),
        (REPO, _shown(overview)),
        (REPO + r"/issues/{number:\d+}", _shown(thread)),
        (REPO + r"/pull/{number:\d+}", _shown(thread)),
    ]
