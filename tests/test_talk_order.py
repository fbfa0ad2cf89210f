"""In whatever order GitHub tells of things, each counts as of the moment when it happened."""

import itertools
from typing import Any

import pytest

from bot.github.permissions import Role
from storage import requests, sessions
from storage.database import Database
from storage.models import Request, Session, Task
from storage.words import RequestKind
from tests import records
from tests.talk_room import PULL, Room

LIVES = {  # what becomes of a pull request, minute by minute, and how that leaves it and its session
    "closed, reopened": ("open", False),
    "closed, reopened, closed": ("closed", True),
    "closed, reopened, merged": ("merged", True),
    "closed, reopened, closed, reopened": ("open", False),
}


@pytest.fixture
def room(sqlite: Database) -> Room:
    """Enter a room."""
    return Room(sqlite)


def _orders(life: str) -> list[tuple[tuple[int, str], ...]]:
    """Return the life's steps with their minutes in all orders; of many, some of each beginning."""
    every = list(itertools.permutations(enumerate(life.split(", "), 1)))
    return every[:: -(-len(every) // 8)]


def _at(minute: int) -> str:
    return f"2026-11-22T11:{minute:02}:00Z"


async def _offered(room: Room, pull: int = PULL) -> tuple[Session, Task]:
    """Return a session with that pull request, and its task at work, asked for before everything."""
    owner = await records.a_session(room.database, pull + 1000)
    async with room.database.transaction() as writing:
        await sessions.change(writing, owner.id, branch=f"b{pull}", pull_request=pull, pull_state="open")
    return owner, await room.at_work(owner, trigger={"at": _at(0)})


async def _pull(room: Room, word: str, minute: int, pull: int = PULL, **more: Any) -> Request:
    """Let the pull request be closed, merged or reopened at that minute; `more` is of its payload."""
    updated = {"updated_at": _at(minute)}
    closed = {"closed_at": _at(minute), "merged": word == "merged"} | updated
    cause = f"{word}:{pull}:{minute}:{more.pop('hook', '')}"
    text = {"event": "pull_request", **(updated if word == "reopened" else closed), **more}
    kind = RequestKind.PULL_REOPENED if word == "reopened" else RequestKind.PULL_CLOSED
    return await room.ask(cause, kind, text, issue_number=pull)


async def _word(
    room: Room, number: int, minute: int, body: str = "@bot round it", pull: int = PULL, by: str = "maria"
) -> Request:
    """Let someone write a comment on the pull request at that minute."""
    text = {
        "event": "issue_comment.created", "comment_id": number, "body": body, "is_pull": True, "title": "T",
        "created_at": _at(minute), "thread_updated_at": _at(minute),
    }  # fmt: skip
    who = {"issue_number": pull, "actor": by, "actor_id": sum(by.encode())}
    return await room.ask(f"comment:7:{number}", RequestKind.COMMENT, text, **who)


async def _end(room: Room, owner: Session) -> tuple[str | None, bool, int]:
    """Return the pull request's state, whether the session has ended, and how many tasks are to go on."""
    going_on = await room.tasks(Task.session_id == owner.id, Task.cancel_wanted.is_(None))
    async with room.database.reading() as reading:
        now = await sessions.get(reading, owner.id)
    return now.pull_state, now.ended_at is not None, len(going_on)


@pytest.mark.parametrize("twice", [False, True], ids=["once", "twice"])
@pytest.mark.parametrize("life", LIVES)
async def test_the_newest_says_whether_a_pull_request_is_open(room: Room, life: str, *, twice: bool) -> None:
    """Closed, merged, reopened in any order, also told again by another hook: all ends alike."""
    wrong = []
    for pull, order in enumerate(_orders(life), PULL):
        owner, _ = await _offered(room, pull)
        for hook in ("", "another") if twice else ("",):
            for minute, word in order:
                await _pull(room, word, minute, pull, hook=hook)
        if await _end(room, owner) != (*LIVES[life], 0):
            wrong.append((order, await _end(room, owner)))
    assert wrong == []


@pytest.mark.parametrize(
    ("life", "end"),
    [
        ("word, closed, reopened", ("open", False, 0)),
        ("word, closed, reopened, closed", ("closed", True, 0)),
        ("closed, word", ("closed", True, 0)),
    ],
)
async def test_a_closing_ends_what_was_said_before_it(
    room: Room, life: str, end: tuple[str, bool, int]
) -> None:
    """A wish from before it begins nothing after it, in whatever order they are heard of."""
    wrong = []
    for pull, order in enumerate(_orders(life), PULL):
        owner, _ = await _offered(room, pull)
        for minute, word in order:
            if word == "word":
                await _word(room, pull, minute, pull=pull)
            else:
                await _pull(room, word, minute, pull)
        if await _end(room, owner) != end:
            wrong.append((order, await _end(room, owner)))
    assert wrong == []


async def test_who_asks_after_a_reopening_is_not_stopped_by_a_closing_that_is_told_late(room: Room) -> None:
    """The late one stops only what it would have stopped; mentions are not told that it is closed."""
    owner, first = await _offered(room)
    await _pull(room, "reopened", 2)
    late = await _pull(room, "closed", 1)
    assert late.outcome == "ignored: reopened since; stopping 1 task(s)"
    await _word(room, 1, 3)
    assert await _end(room, owner) == ("open", False, 1)
    assert (await records.read_task(room.database, first.id)).cancel_wanted is not None
    assert room.installation.said == []


async def test_where_the_clock_stands_still_the_order_of_arrival_counts(room: Room) -> None:
    """A GitHub whose `updated_at` never moves makes a reopening seem older than the closing before it."""
    owner, _ = await _offered(room)
    still = {"updated_at": _at(0)}
    await _pull(room, "closed", 1, **still)
    assert (await _pull(room, "reopened", 2, **still)).outcome == "session goes on"
    await _pull(room, "closed", 3, **still)
    assert await _end(room, owner) == ("closed", True, 0)
    await _pull(room, "reopened", 4, **still)
    assert await _end(room, owner) == ("open", False, 0)


@pytest.mark.parametrize("end", ["stop", "label"])
@pytest.mark.parametrize("ask", ["@bot round it", "/journeyman retry", "/journeyman test"])
async def test_a_stop_counts_against_what_was_said_before_it(room: Room, end: str, ask: str) -> None:
    """A word that is heard of late begins no work that someone has ended since; it says how things stand."""
    await room.done()
    if end == "stop":
        await _word(room, 1, 5, "/journeyman stop")
    else:
        off = {"event": "issues.unlabeled", "updated_at": _at(5)}
        await room.ask("off", RequestKind.STOP, off, issue_number=42)
    room.installation.said.clear()
    late = await _word(room, 2, 4, ask)
    assert (late.outcome, len(await room.tasks())) == ("ignored: stopped since", 1)
    assert len(room.installation.said) == 1
    await _word(room, 3, 6, ask)
    assert len(await room.tasks()) == 2


LABEL = {"event": "sweep.labeled", "title": "T", "updated_at": "2026-11-22T09:59:00Z"}


@pytest.mark.parametrize(
    "body",
    [
        "/journeyman stopping",
        "/journeyman ;\u00a0stopping;\u00a0x",
        "/journeyman run x;stopping;",
        "/journeyman nothing to stop",
        "/journeyman stop",
    ],
)
async def test_only_who_may_stops_in_the_order_of_things(room: Room, body: str) -> None:
    """What an outsider writes is no stop, whatever words are in it: an older label still counts."""
    room.permissions.roles["mallory"] = Role.READ
    text = {"event": "issue_comment.created", "comment_id": 1, "body": body, "title": "T"}
    text |= {"created_at": _at(1), "thread_updated_at": _at(1)}
    await room.ask("comment:7:1", RequestKind.COMMENT, text, actor="mallory", actor_id=66)
    (told,) = [(await room.ask("swept", RequestKind.RUN, LABEL)).outcome]
    assert [f"task {task.id}" for task in await room.tasks()] == [told]


async def test_a_stop_among_other_commands_counts_too(room: Room) -> None:
    """Its part of what became of the comment is looked at, not the whole."""
    await room.comment(1, "/journeyman status\n\n/journeyman stop\n\n/journeyman nonsense")
    text = {"event": "issue_comment.created", "comment_id": 2, "title": "T", "thread_updated_at": _at(1)}
    text |= {"body": "/journeyman help\n\n/journeyman stop", "created_at": _at(1)}
    await room.ask("comment:7:2", RequestKind.COMMENT, text)
    swept = await room.ask("swept", RequestKind.RUN, LABEL)
    assert swept.outcome == "ignored: something newer was heard of before it"


@pytest.mark.parametrize("moments", [("", ""), (_at(1), _at(1)), (_at(1), _at(2))], ids=["no", "one", "two"])
async def test_a_label_that_a_stop_went_past_starts_nothing(room: Room, moments: tuple[str, str]) -> None:
    """Also where no clock tells: what came later and is done already was later."""
    causes = ((RequestKind.RUN, "labeled"), (RequestKind.STOP, "unlabeled"))
    for (kind, event), moment in zip(causes, moments, strict=True):
        text = {"event": f"issues.{event}", "title": "T", "updated_at": moment}
        made = await records.a_request(room.database, event, kind, text=text)
    async with room.database.transaction() as writing:
        await requests.dispatched(writing, made, "stopping 0 task(s)")
    assert (await room.heard("labeled")).outcome == "ignored: something newer was heard of before it"
    assert await room.tasks() == []
