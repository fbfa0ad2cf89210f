"""Whatever order events come in, the same goes on in the end; what can't go on ends wherever it is."""

import itertools
from typing import Any

import pytest

from storage import sessions
from storage.database import Database
from storage.models import Session, Task
from storage.words import Reason, RequestKind, TaskState
from tests import records
from tests.talk_room import Room

RUN, STOP = RequestKind.RUN, RequestKind.STOP
EVENTS = {"l10": RUN, "u20": STOP, "l30": RUN}
ORDERS = [" ".join(order) for order in itertools.permutations(EVENTS)]


@pytest.fixture
def room(sqlite: Database) -> Room:
    """Enter a room."""
    return Room(sqlite)


@pytest.fixture
def either(database: Database) -> Room:
    """Enter a room over each kind of database."""
    return Room(database)


async def _label(room: Room, name: str, cause: str = "") -> str:
    """Let the label be added or taken away, at the second that the name ends with."""
    event = "issues.labeled" if EVENTS[name] is RUN else "issues.unlabeled"
    text = {"title": "T", "event": event, "updated_at": f"2026-01-01T00:00:{name[1:]}Z"}
    return str((await room.ask(cause or name, EVENTS[name], text)).outcome)


async def _wanted(room: Room) -> list[Task]:
    return await room.tasks(Task.cancel_wanted.is_(None), Task.finished_at.is_(None))


@pytest.mark.parametrize("order", ORDERS)
async def test_the_issues_own_clock_decides(room: Room, order: str) -> None:
    """Added, taken away, added again: in every order of arrival one task works in an open session."""
    for name in order.split():
        await _label(room, name)
    (working,) = await _wanted(room)
    async with room.database.reading() as reading:
        owner = await sessions.find_open(reading, 7, 42)
    assert owner is not None
    assert owner.id == working.session_id


@pytest.mark.parametrize("between", [[], ["u20"]], ids=["at once", "after an older one"])
async def test_a_label_that_is_told_twice_is_one(room: Room, between: list[str]) -> None:
    """Also when its task has ended meanwhile, and whatever older thing was heard of in between."""
    await _label(room, "l30")
    (task,) = await _wanted(room)
    for name in between:
        await _label(room, name)
    work = await room.work(task)
    await work.conclude(TaskState.CANCELLED, None, "over")
    await room.phases.conclude(work)
    assert await _label(room, "l30", "again") == "ignored: it was heard of before"
    assert len(await room.tasks()) == 1


async def test_a_label_while_the_old_task_is_stopped_opens_a_new_session(either: Room) -> None:
    """What is about to end absorbs nothing."""
    old = await either.at_work()
    await either.comment(1, "/journeyman stop")
    text = {"title": "T", "event": "issues.labeled", "updated_at": "2026-11-22T10:00:30Z"}
    outcome = str((await either.ask("l30", RUN, text)).outcome)
    (new,) = await _wanted(either)
    assert (outcome, new.session_id != old.session_id) == (f"task {new.id}", True)
    async with either.database.reading() as reading:
        assert (await sessions.get(reading, old.session_id)).ended_at is not None


async def test_a_label_is_taken_away_from_the_session_it_started(room: Room) -> None:
    """A follow-up on the pull request of an earlier session goes on."""
    earlier, late = await _two(room)
    await _label(room, "u20")
    stopped = {task.id: task.cancel_wanted for task in await room.tasks()}
    assert (stopped[earlier.id], stopped[late.id]) == (None, "@maria removed the label")


async def _two(room: Room) -> tuple[Task, Task]:
    """Let a task be at work in an ended session of the issue, and another in its open one."""
    made = []
    for is_old in (True, False):
        owner = await records.a_session(room.database, 42)
        made.append(await room.at_work(owner))
        if is_old:
            async with room.database.transaction() as writing:
                await sessions.end(writing, owner.id)
    return made[0], made[1]


@pytest.mark.parametrize("event", ["repository.renamed", "repository.transferred"])
async def test_all_sessions_go_along_with_a_repository(room: Room, event: str) -> None:
    """Ended ones too: they may go on, and tasks may be at work there."""
    both = await _two(room)
    text = {"event": event, "old_name": "shop"}
    where = {"repository": "new/store", "installation_id": 8, "issue_number": None}
    await room.ask("moved", RequestKind.REPOSITORY, text, **where)
    async with room.database.reading() as reading:
        owners = [await sessions.get(reading, task.session_id) for task in both]
    assert [(owner.repository, owner.installation_id) for owner in owners] == [("new/store", 8)] * 2


NOWHERE: dict[str, Any] = {"repository": "", "repository_id": None}
ENDS: list[tuple[RequestKind, str, dict[str, Any], str]] = [
    (RequestKind.REPOSITORY, "repository.archived", {}, "archived"),
    (RequestKind.REPOSITORY, "repository.deleted", {}, "deleted"),
    (RequestKind.REPOSITORY, "installation_repositories.removed", {}, "taken from"),
    (RequestKind.INSTALLATION, "installation.suspend", NOWHERE, "suspended"),
    (RequestKind.INSTALLATION, "installation.deleted", NOWHERE, "uninstalled"),
    (STOP, "issues.locked", {"issue_number": 42}, "locked"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "event", "where", "why"), ENDS, ids=[one[1] for one in ENDS])
async def test_what_can_not_go_on_is_blocked_wherever_it_is(
    room: Room, kind: RequestKind, event: str, where: dict[str, Any], why: str
) -> None:
    """Tasks at work in ended sessions too, and nothing of another repository's."""
    elsewhere = {"repository_id": 8, "installation_id": 4, "repository": "acme/other"}
    other = await room.at_work(await records.a_session(room.database, 42, **elsewhere))
    both = await _two(room)
    await room.ask("end", kind, {"event": event}, **({"issue_number": None} | where))
    found = {task.id: task for task in await room.tasks()}
    assert [found[task.id].cancel_as for task in both] == [Reason.BLOCKED] * 2
    assert all(why in str(found[task.id].cancel_wanted) for task in both)
    assert found[other.id].cancel_wanted is None


@pytest.mark.parametrize("event", ["closed", "deleted", "transferred"])
async def test_an_issue_that_is_gone_stops_all_of_its_tasks(room: Room, event: str) -> None:
    """Those of its earlier sessions too; it ends the open one."""
    both = await _two(room)
    await room.ask("gone", STOP, {"event": f"issues.{event}"})
    why = {task.cancel_wanted for task in await room.tasks()}
    assert why == {f"@maria {event} the issue"}
    async with room.database.reading() as reading:
        assert await sessions.find_open(reading, 7, 42) is None
        ended: list[Session] = [await sessions.get(reading, task.session_id) for task in both]
    assert all(owner.ended_at is not None for owner in ended)
