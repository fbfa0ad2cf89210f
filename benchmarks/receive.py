"""Measure what a durable 202 costs, beside the gidgethub sample that stores nothing, in one run.

    python -m benchmarks.receive [DELIVERIES]

Prints CPU milliseconds per delivery of each server process and their ratio (docs/architecture.md, budgets).
"""

import asyncio
import hashlib
import hmac
import json
import os
import sys
import tempfile
import time
import uuid
from pathlib import Path

import aiohttp

SECRET = "a secret for measuring"  # noqa: S105  # it guards nothing
CONNECTIONS = 64

OURS = """
import asyncio, sys
from pathlib import Path
from bot import server
from bot.settings import Settings
from storage import database, schema

async def main(port, folder):
    opened = database.connect(database.default_url(Path(folder)))
    await schema.upgrade(opened)
    settings = Settings(webhook_secrets=(sys.argv[3],), host="127.0.0.1", port=port, data_dir=Path(folder))
    async with server.serving(settings, opened, stored=lambda: None):
        await asyncio.Event().wait()

asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
"""

# The web application of gidgethub's documentation, with its access log off.
PEER = """
import sys
from aiohttp import web
from gidgethub import routing, sansio

router = routing.Router()

@router.register("issues", action="labeled")
async def labeled(event):
    return None

async def main(request):
    body = await request.read()
    event = sansio.Event.from_http(request.headers, body, secret=sys.argv[3])
    await router.dispatch(event)
    return web.Response(status=200)

application = web.Application()
application.router.add_post("/", main)
web.run_app(application, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)
"""


def delivery(number: int) -> tuple[bytes, dict[str, str]]:
    """Return one signed delivery of about GitHub's median size."""
    document = {
        "action": "labeled",
        "label": {"name": "other"},
        "issue": {"number": number, "title": "A title", "body": "words " * 1900, "updated_at": None},
        "repository": {"id": 1, "full_name": "acme/shop"},
        "installation": {"id": 1},
        "sender": {"id": 2, "login": "maria", "type": "User"},
    }
    body = json.dumps(document).encode()
    signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    return body, {
        "Content-Type": "application/json",
        "X-GitHub-Event": "issues",
        "X-GitHub-Delivery": str(uuid.uuid4()),
        "X-Hub-Signature-256": f"sha256={signature}",
    }


async def measure(program: str, path: str, count: int) -> tuple[float, float]:
    """Return CPU milliseconds and wall milliseconds per delivery of a server started for this."""
    port = 18000 + os.getpid() % 20000
    with tempfile.TemporaryDirectory() as folder:
        server = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, str(port), folder, SECRET, cwd=Path(__file__).parent.parent
        )
        try:
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONNECTIONS)) as http:
                url = f"http://127.0.0.1:{port}{path}"
                await _answers(http, url)
                ready = [delivery(number) for number in range(count)]
                before, began = _cpu(server.pid), time.perf_counter()
                waiting = asyncio.Semaphore(CONNECTIONS)
                await asyncio.gather(*(_post(http, url, each, waiting) for each in ready))
                spent, wall = _cpu(server.pid) - before, time.perf_counter() - began
        finally:
            server.kill()
            await server.wait()
    return spent / count * 1000, wall / count * 1000


async def _answers(http: aiohttp.ClientSession, url: str) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                await _post(http, url, delivery(0), asyncio.Semaphore(1))
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.1)
            else:
                return


async def _post(
    http: aiohttp.ClientSession, url: str, one: tuple[bytes, dict[str, str]], turn: asyncio.Semaphore
) -> None:
    async with turn, http.post(url, data=one[0], headers=one[1]) as answer:
        if answer.status not in (200, 202):
            raise SystemExit(f"{url} answered {answer.status}: {await answer.text()}")


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def main(count: int) -> None:
    """Print both servers' figures and their ratio."""
    ours, our_wall = await measure(OURS, "/api/github/webhooks", count)
    peer, peer_wall = await measure(PEER, "/", count)
    sys.stdout.write(
        f"durable receiver   {ours:.3f} ms CPU, {our_wall:.3f} ms wall per delivery\n"
        f"gidgethub sample   {peer:.3f} ms CPU, {peer_wall:.3f} ms wall per delivery\n"
        f"ratio              {ours / peer:.2f} x CPU\n"
    )


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 3000))
