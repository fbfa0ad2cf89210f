"""The server decides how a world is reached: one HTTP server on loopback for the API, git and the pages."""

import asyncio
import contextlib
from dataclasses import dataclass

from aiohttp import web

from demo.github.api import routes
from demo.github.api.manifests import Manifests
from demo.github.gate import Gate
from demo.github.pages import site
from demo.github.smart_http import SmartHttp
from demo.github.world import World

LARGEST = 64 << 20


@dataclass
class Running:
    """A server that runs; `url` is its address without a slash."""

    url: str
    world: World
    _runner: web.AppRunner
    _deliveries: asyncio.Task[None]

    async def close(self) -> None:
        """Stop delivering and answering."""
        self._deliveries.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._deliveries
        await self._runner.cleanup()


def application(world: World) -> web.Application:
    """Return the web application: git first, then the API at `/` and at `/api/v3`, then pages."""
    app = web.Application(client_max_size=LARGEST)
    git, gate = SmartHttp(world), Gate(world)
    repo = r"/{owner:[\w.-]+}/{repo:[\w.-]+}"
    app.router.add_get(f"{repo}/info/refs", git.handle)
    app.router.add_post(f"{repo}/git-upload-pack", git.handle)
    app.router.add_post(f"{repo}/git-receive-pack", git.handle)
    for route in routes():
        by_id = route.path.replace("/repos/{owner}/{repo}", r"/repositories/{repository_id:\d+}")
        for path in {route.path, by_id}:
            for prefix in ("", "/api/v3"):
                app.router.add_route(route.method, prefix + path, gate.handler(route))
    for method, path, form in Manifests(world).routes():
        app.router.add_route(method, path, form)
    for path, page in site(world):
        app.router.add_get(path, page)
    app.router.add_route("*", "/{missing:.*}", gate.missing)
    return app


async def start(world: World, host: str = "127.0.0.1", port: int = 0) -> Running:
    """Serve a world and start its deliveries; port 0 takes a free one. Sets `world.url`."""
    # auto_decompress stays off: git http-backend inflates what git compressed, and would fail on plain text.
    runner = web.AppRunner(application(world), auto_decompress=False, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    taken = runner.addresses[0][1]
    world.url = f"http://{host}:{taken}"
    return Running(world.url, world, runner, asyncio.create_task(world.hooks.run(), name="github deliveries"))
