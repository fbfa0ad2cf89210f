"""The bench decides how a test meets the stand-in for GitHub: as an App over HTTP, with its own webhook."""

import asyncio
import base64
import contextlib
import json
import os
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import jwt
from aiohttp import web

from demo.github import server
from demo.github.world import World
from tests import openapi

REPO = "/repos/acme/shop"


@dataclass
class Reply:
    """An answer of the stand-in, read."""

    status: int
    headers: Mapping[str, str]
    body: Any


@dataclass
class Heard:
    """A delivery as a receiver got it."""

    headers: dict[str, str]
    raw: bytes

    @property
    def name(self) -> str:
        """`event.action`, or the event alone."""
        event, action = self.headers["X-GitHub-Event"], json.loads(self.raw).get("action")
        return f"{event}.{action}" if action else event


@dataclass
class Bench:
    """A served world with one repository (`acme/shop`, worked on by maria) and the App's token."""

    world: World
    session: aiohttp.ClientSession
    root: Path
    heard: list[Heard] = field(default_factory=list)
    hook_status: int = 202
    token: str = ""

    def app_jwt(self, **claims: object) -> str:
        """Return a JWT as the App signs it."""
        now = int(time.time())
        facts = {"iss": str(self.world.app.id), "iat": now - 60, "exp": now + 300} | claims
        return jwt.encode(facts, self.world.app.private_key, algorithm="RS256")

    async def ask(self, method: str, path: str, body: object = None, **more: Any) -> Reply:
        """Ask as the installation; `token` and `headers` replace what is sent by default."""
        headers = {"Authorization": f"Bearer {more.get('token', self.token)}", "User-Agent": "bench"}
        headers |= more.get("headers", {})
        url = path if path.startswith("http") else self.world.url + path
        async with self.session.request(
            method, url, json=body, headers=headers, allow_redirects=False
        ) as answer:
            text = await answer.text()
            is_json = answer.content_type == "application/json"
            return Reply(answer.status, answer.headers, json.loads(text) if text and is_json else text)

    async def mint(self, **scope: object) -> str:
        """Return a new installation token."""
        number = next(iter(self.world.installations))
        path = f"/app/installations/{number}/access_tokens"
        reply = await self.ask("POST", path, scope or None, token=self.app_jwt())
        assert reply.status == 201, reply.body
        token: str = reply.body["token"]
        return token

    async def git(
        self, *arguments: str, cwd: Path | None = None, token: str | None = None
    ) -> tuple[int, str]:
        """Run git as the App would, its token in a header; returns the exit code and what it said."""
        secret = base64.b64encode(
            f"x-access-token:{self.token if token is None else token}".encode()
        ).decode()
        surroundings = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.root),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"http.{self.world.url}/.extraHeader",
            "GIT_CONFIG_VALUE_0": f"Authorization: Basic {secret}" if token != "" else "",
        }
        for role in ("AUTHOR", "COMMITTER"):
            surroundings |= {f"GIT_{role}_NAME": "Bench", f"GIT_{role}_EMAIL": "bench@example.com"}
        process = await asyncio.create_subprocess_exec(
            "git", *arguments, cwd=cwd, env=surroundings, stdout=-1, stderr=asyncio.subprocess.STDOUT
        )
        output, _ = await process.communicate()
        return process.returncode or 0, output.decode()

    async def clone(self, branch: str = "work") -> Path:
        """Return a clone of acme/shop on a new branch."""
        target = self.root / f"clone-{branch}"
        assert await self.git("clone", "-q", f"{self.world.url}/acme/shop.git", str(target)) == (0, "")
        await self.git("checkout", "-q", "-b", branch, cwd=target)
        return target

    async def push(self, tree: Path, files: dict[str, str], message: str = "Change") -> tuple[int, str]:
        """Commit files in a clone and push its branch."""
        for name, text in files.items():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_text(text)
        await self.git("add", "-A", cwd=tree)
        await self.git("commit", "-q", "-m", message, cwd=tree)
        return await self.git("push", "-q", "origin", "HEAD", cwd=tree)

    async def names(self) -> list[str]:
        """Return the deliveries that arrived so far, installation events aside."""
        await self.world.delivered()
        return [each.name for each in self.heard if not each.name.startswith("installation")]


@contextlib.asynccontextmanager
async def bench(root: Path) -> AsyncIterator[Bench]:
    """Serve a world with its receiver; in the end hold all that was said to GitHub's description."""
    world = World(root)
    async with aiohttp.ClientSession() as session:
        made = Bench(world, session, root)
        receiver = web.AppRunner(_receiver(made))
        await receiver.setup()
        await web.TCPSite(receiver, "127.0.0.1", 0).start()
        world.hook_url = f"http://127.0.0.1:{receiver.addresses[0][1]}/hook"
        running = await server.start(world)
        try:
            await _furnish(made)
            yield made
            await world.delivered()
            openapi.check_journal(world)
        finally:
            await running.close()
            await receiver.cleanup()


async def _furnish(made: Bench) -> None:
    files = {"shop.py": "TOTAL = 1\n", "README.md": "# Shop\n", "docs/a b.md": "x\n"}
    history = [("Add a test", {"test_shop.py": "def test_total():\n    assert True\n"})]
    await made.world.seed_repository("acme/shop", files, history)
    made.world.add_collaborator("maria", "maintain")
    made.token = await made.mint()


def _receiver(made: Bench) -> web.Application:
    async def hook(request: web.Request) -> web.Response:
        made.heard.append(Heard(dict(request.headers), await request.read()))
        return web.Response(status=made.hook_status)

    app = web.Application()
    app.router.add_post("/hook", hook)
    return app
