"""A stored delivery can be handed to its handlers again, and the terminal shows what is stored."""

import json
from pathlib import Path
from urllib.parse import urlencode

import pytest

from bot import replay, sessions
from bot.settings import Settings
from storage import deliveries, tasks
from storage import sessions as stored_sessions
from storage.database import Database
from storage.models import Delivery, Request
from storage.words import DeliveryState, Reason, TaskState
from tests.records import a_session, a_task
from tests.webhook_post import Hook, labeled, receiving


async def test_a_parked_delivery_is_handled_after_the_fix(
    database: Database, migrated_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a bug parked becomes its Request once replayed, once, whichever form it came in."""
    given = Settings(database_url=migrated_url)
    async with receiving(database, tmp_path) as hook:
        form = urlencode({"payload": json.dumps(labeled())}).encode()
        assert (
            await hook.post(form, id_="one", **{"Content-Type": "application/x-www-form-urlencoded"}) == 202
        )
        await _park(hook)
        capsys.readouterr()
        assert await replay.replay(given, "one")
        assert await replay.replay(given, "one")
        assert capsys.readouterr().out == "issues: HANDLED\n" * 2
        (row,) = await hook.rows(Delivery)
        (request,) = await hook.rows(Request)
    assert (row.state, row.error, request.delivery_id) == (DeliveryState.HANDLED, None, "one")


async def _park(hook: Hook) -> None:
    async with hook.database.transaction() as session:
        for request in await hook.rows(Request):
            await session.delete(await session.get_one(Request, request.id))
        await deliveries.mark(session, "one", DeliveryState.PARKED, "ValueError: a bug")


async def test_a_replay_says_what_it_could_not_do(
    database: Database, migrated_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unknown id is False, a handler that raises again too; an event that nobody takes is fine."""
    given = Settings(database_url=migrated_url)
    async with receiving(database, tmp_path) as hook:
        await hook.post(labeled(repository=None), id_="bad")
        await hook.post({}, event="star", id_="star")
    capsys.readouterr()
    assert not await replay.replay(given, "absent")
    assert not await replay.replay(given, "bad")
    assert await replay.replay(given, "star")
    said = capsys.readouterr().out
    assert "no delivery absent\n" in said
    assert "issues: PARKED\n" in said
    assert "star: IGNORED\n" in said


async def test_sessions_are_shown_with_their_tasks(
    database: Database, migrated_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The list names issue, branch and pull request; one session's page its tasks, how they ended and why."""
    owner = await a_session(database, 42)
    async with database.transaction() as session:
        await stored_sessions.change(session, owner.id, branch="journeyman/issue-42-totals", pull_request=7)
    task = await a_task(database, owner, TaskState.RUNNING)
    async with database.transaction() as session:
        await tasks.finish(session, task.id, TaskState.FAILED, Reason.UNPROVEN, error_message="no test fails")
    assert await sessions.show(Settings(database_url=migrated_url), None)
    listed = capsys.readouterr().out
    assert "acme/shop#42  journeyman/issue-42-totals  pull request #7\n" in listed
    assert task.id not in listed
    assert await sessions.show(Settings(database_url=migrated_url), owner.id)
    assert "FAILED (unproven: no test fails)  0 steps  $0.00" in capsys.readouterr().out
    assert not await sessions.show(Settings(database_url=migrated_url), "absent")
