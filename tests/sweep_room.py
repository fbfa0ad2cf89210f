"""The room decides how a test loses webhooks: a served GitHub, the real receiver, a sweep between them."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp

from bot.engine.sweeping import Sweeping
from bot.github.client import GitHub, Installation
from demo.github.issue import Issue
from demo.github.pull import Pull
from demo.github.world import World
from storage import clock, requests, sessions, tasks
from storage.database import Database
from storage.models import Request, Session
from storage.words import RequestKind, TaskState
from tests import github_world, webhook_post
from tests.records import a_session, a_task
from tests.webhook_post import Hook

LABEL = "journeyman"


class Later:
    """A clock that is as many seconds ahead of ours as a test says."""

    def __init__(self, seconds: float = 0) -> None:
        self.seconds = seconds

    def __call__(self) -> datetime:
        """Return its time."""
        return clock.now() + timedelta(seconds=self.seconds)


@dataclass
class Room:
    """GitHub with the repository acme/shop and one issue of maria's, our receiver, and what they share."""

    world: World
    hook: Hook
    github: GitHub
    database: Database
    later: Later = field(default_factory=lambda: Later(60))
    woken: list[None] = field(default_factory=list)

    def sweeping(self, **more: Any) -> Sweeping:
        """Return a sweep as a worker that was just started has it."""
        given: dict[str, Any] = {"label": LABEL, "now": self.later, "patience_seconds": 5.0} | more
        return Sweeping(self.database, self.github, dispatched=lambda: self.woken.append(None), **given)

    @property
    def issue(self) -> Issue:
        """The issue."""
        return self.world.issue("acme/shop", 1)

    @property
    def repository_id(self) -> int:
        """The repository's id."""
        return self.world.repository("acme/shop").id

    @property
    def installation(self) -> Installation:
        """Our caller there."""
        return self.github.for_installation(next(iter(self.world.installations)))

    @contextlib.asynccontextmanager
    async def losing(self) -> AsyncIterator[None]:
        """Let what happens in the block get lost without a trace, in GitHub's record of deliveries too."""
        await self.world.delivered()
        self.world.hook_url = None
        yield
        await self.world.delivered()
        self.world.deliveries.clear()
        self.world.hook_url = self.hook.url

    async def asked(self) -> list[Request]:
        """Return every Request so far, oldest first."""
        await self.world.delivered()
        return sorted(await self.hook.rows(Request), key=lambda request: request.id)

    async def work(self, **trigger: Any) -> Session:
        """Let a task go on for the issue, begun by the label unless the trigger says otherwise."""
        kind = trigger.pop("kind", RequestKind.RUN)
        if kind is RequestKind.RUN:
            async with self.losing():
                await self.world.label(self.issue, LABEL, "maria")
        text = {"event": "issues.labeled", "updated_at": self.issue.updated_at} | trigger
        ask = requests.Ask(
            cause="the first", kind=kind, repository="acme/shop", repository_id=self.repository_id,
            issue_number=1, text=text,
        )  # fmt: skip
        async with self.database.transaction() as session:
            await requests.add(session, [ask])
            made = await requests.of_cause(session, "the first")
            assert made is not None
            number = made.id
        owner = await a_session(self.database, repository_id=self.repository_id)
        await a_task(self.database, owner, request_id=number)
        return owner

    async def finish(self, owner: Session) -> None:
        """Let the session's tasks end."""
        async with self.database.transaction() as session:
            for task in await tasks.unfinished_of(session, owner.id):
                await tasks.finish(session, task.id, TaskState.COMPLETED)

    async def offer(self, owner: Session, branch: str = "work") -> Pull:
        """Let the session have a pull request."""
        await self.world.commit("acme/shop", branch, {"shop.py": "TOTAL = 2\n"}, "maria", "Fix")
        pull = await self.world.open_pull("acme/shop", self.world.app.bot, "Fix", branch)
        async with self.database.transaction() as session:
            number = pull.issue.number
            await sessions.change(session, owner.id, pull_request=number, pull_state="open")
        return pull


@contextlib.asynccontextmanager
async def room(database: Database, folder: Path) -> AsyncIterator[Room]:
    """Serve both sides; in the end hold all that was said to GitHub's description."""
    async with (
        webhook_post.receiving(database, folder) as hook,
        github_world.bench(folder / "github") as bench,
        aiohttp.ClientSession() as http,
    ):
        world = bench.world
        world.app.webhook_secret, world.hook_url = webhook_post.SECRET, hook.url
        await world.open_issue("acme/shop", "maria", "Totals are wrong", "Off by one.")
        next(iter(world.installations.values())).created_at = world.stamp(-86_400)
        await world.delivered()
        github = GitHub(http, api_url=world.url, app_id=str(world.app.id), private_key=world.app.private_key)
        try:
            yield Room(world, hook, github, database)
        finally:
            await github.close()
