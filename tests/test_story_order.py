"""However GitHub shuffles and repeats what it tells, the end is the one that its own clock says."""

import contextlib
import itertools
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import select

from bot import worker
from bot.engine.dispatch import Dispatcher
from bot.github.client import GitHub
from bot.settings import Settings
from demo.github.issue import Issue, comment_shape, shape
from demo.github.world import World
from storage.database import Database
from storage.models import Request, Session, Task
from storage.words import ENDED
from tests import github_world, webhook_post
from tests.webhook_post import Hook


@dataclass
class Desk:
    """The receiver, the dispatcher and GitHub, without an engine: what is asked for shows in the tables."""

    world: World
    hook: Hook
    http: aiohttp.ClientSession
    begun: list[str] = field(default_factory=list)

    async def begin(self, task_id: str, run: int) -> None:
        """Take a run as the engine does."""
        self.begun.append(f"{task_id}.{run}")

    async def enqueue(self, task_id: str, run: int, repository: str) -> None:
        """Take a run as the engine does."""
        del repository
        self.begun.append(f"{task_id}.{run}")

    async def going_on(self, number: int) -> int:
        """Count the issue's tasks that are to go on."""
        async with self.hook.database.reading() as session:
            query = select(Task).join(Session).where(Session.issue_number == number)
            found = list(await session.scalars(query))
        return sum(task.status not in ENDED and task.cancel_wanted is None for task in found)

    async def told(self, number: int) -> list[str]:
        """Return what became of each Request, for reading."""
        async with self.hook.database.reading() as session:
            query = select(Request).where(Request.issue_number == number).order_by(Request.id)
            return [f"{one.text['event']}: {one.outcome}" for one in await session.scalars(query)]


@contextlib.asynccontextmanager
async def desk(database: Database, folder: Path) -> AsyncIterator[Desk]:
    """Put a dispatcher with the real attendant between the real receiver and the stand-in GitHub."""
    async with (
        webhook_post.receiving(database, folder) as hook,
        github_world.bench(folder / "github") as bench,
    ):
        await bench.world.delivered()
        bench.world.hook_url = None  # the test delivers by itself
        yield Desk(bench.world, hook, bench.session)


@contextlib.asynccontextmanager
async def attending(desk: Desk) -> AsyncIterator[Dispatcher]:
    """Dispatch as a worker that was just started does; the last one's content limits are not this one's."""
    app, database = desk.world.app, desk.hook.database
    github = GitHub(desk.http, api_url=desk.world.url, app_id=str(app.id), private_key=app.private_key)
    means = worker._outside(Settings(app_id=str(app.id)), database, github)
    try:
        yield Dispatcher(database, desk, worker.attendant(means, _unshown))
    finally:
        await github.close()


def _unshown(session: Session) -> Any:
    del session
    return _Unshown()


class _Unshown:
    async def show(self, work: Any, *, asked: bool = False) -> None:
        """Show nothing: there is no worker."""


def _event(world: World, issue: Issue, word: str, minute: int) -> tuple[str, dict[str, Any]]:
    """Return the event and payload of one step of the life, as GitHub's clock stamps it."""
    at = datetime(2026, 11, 22, 10, minute, tzinfo=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    told = shape(world.url, issue) | {"updated_at": at}
    maria = world.user("maria")
    sender = {"id": maria.id, "login": "maria", "type": "User"}
    said = {
        "repository": {"id": issue.repository.id, "full_name": issue.repository.full_name},
        "installation": {"id": next(iter(world.installations))},
        "sender": sender,
    }
    if word in {"labeled", "unlabeled"}:
        return "issues", {"action": word, "issue": told, "label": {"name": "journeyman"}, **said}
    if word in {"closed", "reopened"}:
        state = "closed" if word == "closed" else "open"
        return "issues", {"action": word, "issue": {**told, "state": state}, **said}
    comment = next(one for one in issue.comments if f" {word}" in one.body)
    shaped = comment_shape(world.url, comment) | {"created_at": at, "updated_at": at}
    return "issue_comment", {"action": "created", "issue": told, "comment": shaped, **said}


async def _live(desk: Desk, order: Sequence[int], life: Sequence[str], twice: random.Random | None) -> int:
    """Deliver a life's events in that order, each perhaps again, and return the issue's number."""
    issue = await desk.world.open_issue("acme/shop", "maria", "Totals are wrong", "Off.")
    for word in {"stop", "run"} & set(life):
        await desk.world.comment(issue, "maria", f"/journeyman {word}")
    told = [(*_event(desk.world, issue, life[step], step), f"{issue.number}-{step}") for step in order]
    if twice is not None:  # the same delivery again, and another hook's telling of it
        again = [*told, *((event, payload, f"{guid}-hook") for event, payload, guid in told)]
        for one in again:
            told.insert(twice.randrange(len(told) + 1), one)
    async with attending(desk) as dispatcher:
        for event, payload, guid in told:
            assert await desk.hook.post(payload, event, guid) in {200, 202}
            await dispatcher.once()
    return issue.number


def _shuffle(seed: int) -> random.Random:
    """Return the same chance in every run."""
    return random.Random(seed)  # noqa: S311  # it guards nothing


def _orders(length: int, most: int) -> list[tuple[int, ...]]:
    found = list(itertools.permutations(range(length)))
    return found if len(found) <= most else [found[0], *_shuffle(7).sample(found, most - 1)]


async def _wrong(made: Desk, life: Sequence[str], goes_on: bool, most: int) -> list[tuple[str, list[str]]]:
    found = []
    for seed, order in enumerate(_orders(len(life), most)):
        for twice in (None, _shuffle(seed)):
            number = await _live(made, order, life, twice)
            if await made.going_on(number) != goes_on:
                order_told = ("doubled: " if twice else "") + ", ".join(life[step] for step in order)
                found.append((order_told, await made.told(number)))
    return found


@pytest.mark.parametrize(
    ("life", "goes_on"),
    [
        (("labeled", "unlabeled", "labeled"), True),
        (("labeled", "unlabeled", "closed"), False),
        (("labeled", "closed", "reopened", "unlabeled", "labeled"), True),
        (("labeled", "unlabeled", "labeled", "closed", "reopened"), False),
    ],
)
async def test_labels_and_ends_in_any_order(
    sqlite: Database, tmp_path: Path, life: Sequence[str], goes_on: bool
) -> None:
    """Late and repeated events change nothing: the newest by the clock says whether work goes on."""
    async with desk(sqlite, tmp_path) as made:
        assert await _wrong(made, life, goes_on, 6) == []


@pytest.mark.parametrize(
    ("life", "goes_on"),
    [
        (("labeled", "stop"), False),
        (("labeled", "stop", "unlabeled", "labeled"), True),
        (("run", "stop"), False),
        (("labeled", "stop", "run"), True),
        (("labeled", "unlabeled", "run"), True),
        (("labeled", "stop", "closed", "reopened", "unlabeled", "labeled"), True),
    ],
)
async def test_commands_among_them_in_any_order(
    sqlite: Database, tmp_path: Path, life: Sequence[str], goes_on: bool
) -> None:
    """A command counts as of the moment when it was written, however late it is heard."""
    async with desk(sqlite, tmp_path) as made:
        assert await _wrong(made, life, goes_on, 5) == []


async def test_the_newest_decides_on_both_databases(database: Database, tmp_path: Path) -> None:
    """Of three events the newest decides, though what was heard last before the label was older than it."""
    life = ("closed", "reopened", "labeled", "closed")
    async with desk(database, tmp_path) as made:
        for twice in (None, _shuffle(1)):
            number = await _live(made, (3, 0, 1, 2), life, twice)
            assert await made.going_on(number) == 0, await made.told(number)


async def test_a_clock_that_stands_still_hides_no_label(sqlite: Database, tmp_path: Path) -> None:
    """Where an issue's `updated_at` never moves, a label after a `stop` counts: it was heard after it."""
    life = ("labeled", "stop", "unlabeled", "labeled")
    async with desk(sqlite, tmp_path) as made:
        issue = await made.world.open_issue("acme/shop", "maria", "Totals are wrong", "Off.")
        await made.world.comment(issue, "maria", "/journeyman stop")
        async with attending(made) as dispatcher:
            for minute, word in enumerate(life):
                event, payload = _event(made.world, issue, word, minute)
                payload["issue"]["updated_at"] = "2026-11-22T09:00:00Z"
                assert await made.hook.post(payload, event, f"still-{minute}") == 202
                await dispatcher.once()
        assert await made.going_on(issue.number) == 1, await made.told(issue.number)
