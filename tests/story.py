"""Tell whole journeys over HTTP: a person on GitHub, the bot as its own processes, a scripted Claude."""

import asyncio
import atexit
import contextlib
import functools
import os
import re
import shutil
import signal
import socket
import sqlite3
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import aiohttp
import psycopg
from psycopg.rows import dict_row

from demo.claude import server as claude_server
from demo.claude.script import Play, Script
from demo.github import server as github_server
from demo.github.issue import Issue
from demo.github.repository import Repository
from demo.github.world import World
from tests import openapi

CHECKOUT = Path(__file__).resolve().parent.parent
LABEL = "journeyman"
ENDED = ("COMPLETED", "FAILED", "CANCELLED")


@dataclass
class Story:
    """One GitHub, one Claude and one bot."""

    root: Path
    world: World
    claude: claude_server.Running
    environment: dict[str, str]
    port: int
    process: asyncio.subprocess.Process | None = None
    log: Path = field(init=False)

    def __post_init__(self) -> None:
        """Name the bot's log."""
        self.log = self.root / "bot.log"

    @property
    def url(self) -> str:
        """Where the bot answers."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start `python -m bot serve` and wait until it is ready."""
        with self.log.open("ab") as log:
            if "DATABASE_URL" in self.environment:
                await self.run("migrate", log)
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "bot", "serve", env=self.environment, cwd=CHECKOUT,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        async with aiohttp.ClientSession() as http:
            await self.until(lambda: _ready(http, self.url), 30)

    async def run(self, command: str, log: IO[bytes]) -> None:
        """Run a command of the bot to its end."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot", command, env=self.environment, cwd=CHECKOUT, stdout=log, stderr=log
        )
        assert await process.wait() == 0, self.tail()

    async def kill(self) -> None:
        """Do what `kill -9` does to the server process; its worker must notice by itself."""
        assert self.process is not None
        self.process.kill()
        await self.process.wait()
        self.process = None

    async def stop(self) -> int:
        """End the bot as a service manager does, and return its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(60):
            code = await self.process.wait()
        self.process = None
        return code

    async def until(self, condition: Any, seconds: float = 60) -> Any:
        """Return the first true answer of a condition; fails with the bot's log when there is none."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    if found := await condition():
                        return found
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"not so within {seconds} s; the bot's log ends:\n{self.tail()}") from None

    def tail(self, characters: int = 6000) -> str:
        """Return the end of the bot's log."""
        return self.log.read_text(errors="replace")[-characters:] if self.log.exists() else ""

    def rows(self, query: str, *values: Any) -> list[Any]:
        """Read the bot's own database."""
        if url := self.environment.get("DATABASE_URL"):
            with psycopg.connect(url, row_factory=dict_row) as postgresql:
                return list(postgresql.execute(query.replace("?", "%s"), values))
        path = self.root / "data" / "journeyman.sqlite"
        with contextlib.closing(sqlite3.connect(path, timeout=30)) as connection:
            connection.row_factory = sqlite3.Row
            return list(connection.execute(query, values))

    def results(self) -> list[Any]:
        """Return the tool results stored so far: what they did is done, a kill can't take it back."""
        return self.rows("SELECT seq FROM interactions WHERE interaction_type = 'TOOL_RESULT'")

    async def ended(self, issue: Issue, seconds: float = 120, tasks: int = 1) -> Any:
        """Return the issue's newest task once so many of its tasks have ended and that is shown."""

        async def look() -> Any:
            found = self.rows(
                "SELECT t.* FROM tasks t JOIN sessions s ON s.id = t.session_id "
                "WHERE s.issue_number = ? ORDER BY t.created_at DESC", issue.number,
            )  # fmt: skip
            done = [row for row in found if row["status"] in ENDED]
            return found[0] if len(done) >= tasks else None

        return await self.until(look, seconds)

    def comments(self, thread: Any, kind: str | None = None) -> list[str]:
        """Return the bodies of our comments on an issue or pull request, of one kind or all."""
        bodies = [one.body for one in self.world.comments.values() if one.issue is thread]
        return [body for body in bodies if kind is None or f"journeyman:{kind} " in body]

    async def branches(self, repo: Repository) -> list[str]:
        """Return the names of a repository's branches."""
        listing = await repo.git.run("for-each-ref", "--format=%(refname:short)", "refs/heads")
        return listing.decode().split()

    def secrets_seen(self) -> list[str]:
        """Return where a secret of ours shows: the log, or anything that GitHub was sent."""
        held = [self.world.app.private_key.split("\n")[2], self.world.app.webhook_secret, "stand-in-key"]
        held += self.world.tokens
        texts = [("log", self.log.read_text(errors="replace"))]
        texts += [(f"{one.method} {one.path}", str(one.request_body)) for one in self.world.mutations()]
        texts += [("a question to Claude", str(entry.body)) for entry in self.claude.journal]
        return [place for place, text in texts for value in held if value in text]


async def _ready(http: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with http.get(f"{url}/readyz") as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False


@contextlib.asynccontextmanager
async def telling(root: Path, plays: Sequence[Play], **environment: str) -> AsyncIterator[Story]:
    """Start a GitHub and a Claude, and the bot between them; end all of it afterwards."""
    world = World(root / "github")
    github = await github_server.start(world)
    claude = await claude_server.start(Script(plays))
    port = free_port()
    world.hook_url = f"http://127.0.0.1:{port}/api/github/webhooks"
    _lend_environments(root)
    story = Story(
        root, world, claude, _environment(root, world, github.url, claude.url, port, environment), port
    )
    try:
        await story.start()
        yield story
        openapi.check_journal(world)
        _keep_environments(root)
    finally:
        if story.process is not None:
            # A graceful end has tests of its own, and takes time; the worker ends with its server.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(story.process.pid, signal.SIGKILL)
            await story.process.wait()
        await claude.close()
        await github.close()


def _environment(
    root: Path, world: World, github: str, claude: str, port: int, more: dict[str, str]
) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not re.match(r"(ANTHROPIC|JOURNEYMAN|GITHUB)_", name)
    }
    return (
        kept
        | {
            "APP_ID": str(world.app.id),
            "PRIVATE_KEY": world.app.private_key,
            "WEBHOOK_SECRET": world.app.webhook_secret,
            "ANTHROPIC_API_KEY": "stand-in-key",
            "ANTHROPIC_BASE_URL": claude,
            "GITHUB_API_URL": github,
            "GITHUB_SERVER_URL": github,
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "JOURNEYMAN_DATA_DIR": str(root / "data"),
            "LOG_FORMAT": "json",
        }
        | more
    )


@functools.cache
def _kept_environments() -> Path:
    """Return the folder of what set-up made in the stories of this process, for the next ones."""
    folder = Path(tempfile.mkdtemp(prefix="journeyman-environments-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _keep_environments(root: Path) -> None:
    """Keep what set-up made: it is the same for every story of the same repository, and takes long."""
    _link_tree(root / "data" / "environments", _kept_environments())


def _lend_environments(root: Path) -> None:
    (root / "data").mkdir(mode=0o700)
    _link_tree(_kept_environments(), root / "data" / "environments")


def _link_tree(source: Path, target: Path) -> None:
    """Let the target have the environments too; nothing ever writes into one that is made."""
    for made in source.glob("*/environment.json"):
        if not (target / made.parent.name).exists():
            shutil.copytree(made.parent, target / made.parent.name, symlinks=True, copy_function=_link)


def _link(source: str, target: str) -> None:
    os.link(source, target, follow_symlinks=False)


def free_port() -> int:
    """Return a port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def labelled(story: Story, repo: Repository, title: str, body: str, user: str = "maria") -> Issue:
    """Let a maintainer open an issue and add the label."""
    story.world.add_collaborator(user, "maintain")
    issue = await story.world.open_issue(repo, user, title, body)
    await story.world.label(issue, LABEL, user)
    await story.world.delivered()
    return issue
