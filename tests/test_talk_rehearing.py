"""What was heard too early is heard once more when what it follows has come: every order ends alike."""

import itertools
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from storage import requests, sessions, tasks
from storage.database import Database
from storage.models import Request, Task
from storage.words import ENDED, RequestKind, TaskState
from tests import records
from tests.talk_room import Room

# What is said, minute by minute; whether work goes on then, and rests, and what it has heard.
LIVES = {
    "stop, run": (("label", "stop", "run", "word"), (1, False, ["@bot round it"])),
    "stop, retry": (("label", "stop", "retry", "word"), (1, False, ["@bot round it"])),
    "label off, run": (("label", "off", "run", "word"), (1, False, ["@bot round it"])),
    "run, stop": (("label", "run", "word", "stop"), (0, False, [])),
    "pause, resume": (("label", "pause", "resume", "word"), (1, False, ["@bot round it"])),
    "pause for good": (("run", "pause", "resume", "pause"), (1, True, [])),
    "a pause that a stop ends": (("label", "pause", "stop", "run"), (1, False, [])),
    "a pause after a stop": (("label", "stop", "run", "pause"), (1, True, [])),
}


@pytest.fixture
def room(sqlite: Database) -> Room:
    """Enter a room."""
    return Room(sqlite)


def _at(minute: int) -> str:
    return f"2026-11-22T11:{minute:02}:00Z"


async def _happen(room: Room, issue: int, word: str, minute: int, again: str = "") -> Request:
    """Let it be told that something happened in an issue at that minute; what is stopped then ends."""
    made = await _told(room, issue, word, minute, again)
    for task in await room.tasks(Task.cancel_wanted.is_not(None), Task.status.not_in(ENDED)):
        async with room.database.transaction() as writing:
            await tasks.finish(writing, task.id, TaskState.CANCELLED)
    return made


async def _told(room: Room, issue: int, word: str, minute: int, again: str) -> Request:
    if word in {"label", "off"}:
        kind, event = {"label": (RequestKind.RUN, "labeled"), "off": (RequestKind.STOP, "unlabeled")}[word]
        text: dict[str, Any] = {"event": f"issues.{event}", "title": "T", "updated_at": _at(minute)}
        return await room.ask(f"{word}:{issue}:{minute}{again}", kind, text, issue_number=issue)
    body = {"word": "@bot round it", "run": "/journeyman run budget=3"}.get(word, f"/journeyman {word}")
    text = {
        "event": "issue_comment.created", "comment_id": 100 * issue + minute, "body": body, "title": "T",
        "issue_body": "B", "issue_author": "ann", "state": "open", "created_at": _at(minute),
        "thread_updated_at": _at(minute),
    }  # fmt: skip
    cause = f"comment:7:{text['comment_id']}"
    return await room.ask(cause, RequestKind.COMMENT, text, issue_number=issue)


async def _all_heard(room: Room) -> None:
    """Let everything be done that waits, as often as it is put off."""
    for _ in range(5):
        async with room.database.transaction() as writing:
            await requests.unclaim(writing)
        await room.dispatcher.once()


async def _going(room: Room, issue: int) -> list[Task]:
    async with room.database.reading() as reading:
        owners = {
            task.id: (await sessions.get(reading, task.session_id)).issue_number
            for task in await room.tasks()
        }
    return [
        task
        for task in await room.tasks()
        if owners[task.id] == issue and task.status not in ENDED and task.cancel_wanted is None
    ]


async def _end(room: Room, issue: int) -> tuple[int, bool, list[str]]:
    """Return how many tasks go on, whether one is to rest, and what they have heard."""
    found = await _going(room, issue)
    said = [word for task in found for word in task.facts.get("words") or task.trigger.get("guidance") or []]
    return len(found), any(task.pause_wanted for task in found), [word["text"] for word in said]


@pytest.mark.parametrize("life", LIVES)
@pytest.mark.parametrize("twice", [False, True], ids=["once", "twice"])
async def test_the_same_words_in_any_order_end_alike(room: Room, life: str, *, twice: bool) -> None:
    """Whatever comes first, GitHub's clock says what was asked for last; told again, it changes nothing."""
    words, end = LIVES[life]
    wrong = []
    first = [(0, "label")] if "retry" in words else []  # without a task there is nothing to try again
    orders = list(itertools.permutations(list(enumerate(words))[len(first) :]))
    for issue, others in enumerate(orders[:: 12 if twice else 7], 50):
        order = [*first, *others]
        for minute, word in order:
            await _happen(room, issue, word, minute)
        for minute, word in reversed(order if twice else ()):
            await _happen(room, issue, word, minute, " again")
        await _all_heard(room)
        if await _end(room, issue) != end:
            wrong.append(([word for _, word in order], await _end(room, issue)))
    assert wrong == []


async def _in_order(room: Room, *steps: tuple[str, int]) -> list[Request]:
    made = [await _happen(room, 42, word, minute) for word, minute in steps]
    await _all_heard(room)
    return made


@pytest.mark.parametrize(
    "steps",
    [
        (("label", 0), ("run", 2), ("stop", 1), ("word", 3)),
        (("label", 0), ("word", 3), ("run", 2), ("stop", 1)),
        (("label", 0), ("run", 2), ("word", 3), ("off", 1)),
    ],
)
async def test_a_run_that_work_absorbed_counts_when_an_older_stop_ends_that_work(
    room: Room, steps: Sequence[tuple[str, int]]
) -> None:
    """With its options, and with what was said after it."""
    await _in_order(room, *steps)
    (task,) = await _going(room, 42)
    assert (task.budget_usd, task.trigger["origin"]) == (Decimal(3), "command")
    assert [word["text"] for word in task.facts["words"]] == ["@bot round it"]
    (stopped,) = [one for one in await room.tasks() if one.cancel_wanted]
    assert stopped.trigger["origin"] == "label"
    assert room.installation.reactions["comment", 4202] == "eyes"


async def test_what_is_heard_twice_is_answered_once(room: Room) -> None:
    """The second hearing says nothing anew where the first did, and begins nothing twice."""
    await _in_order(room, ("label", 0), ("run", 2), ("stop", 1))
    assert len(room.installation.said) == 1
    await _in_order(room, ("label", 0), ("run", 2), ("stop", 1))
    assert (len(await room.tasks()), len(room.installation.said)) == (2, 1)


@pytest.mark.parametrize(("word", "reaction"), [("word", "eyes"), ("status", "+1"), ("pause", "+1")])
async def test_a_word_that_waits_for_its_session_is_heard_there(room: Room, word: str, reaction: str) -> None:
    """GitHub tells of a comment before the label: nobody is told that there is no session."""
    first = await _happen(room, 42, word, 1)
    assert (first.dispatched_at, room.installation.reactions) == (None, {("comment", 4201): "eyes"})
    await _in_order(room, ("label", 0))
    assert await _end(room, 42) == (1, word == "pause", ["@bot round it"] if word == "word" else [])
    assert (room.installation.said, room.installation.reactions["comment", 4201]) == ([], reaction)


async def test_where_no_session_comes_the_answer_comes_at_the_third_try(room: Room) -> None:
    """Once: who speaks again is answered at once, since we have spoken there."""
    assert (await _happen(room, 42, "status", 0)).dispatched_at is None
    await _all_heard(room)
    assert (await records.read_request(room.database, "comment:7:4200")).attempts == 3
    assert room.installation.reactions == {("comment", 4200): "+1"}
    assert (await _happen(room, 42, "word", 1)).outcome == "no session"
    assert len(room.installation.said) == 2


@pytest.mark.parametrize("word", ["run", "stop", "help"])
async def test_what_needs_no_session_waits_for_none(room: Room, word: str) -> None:
    """Least of all a stop."""
    assert (await _happen(room, 42, word, 0)).dispatched_at is not None


async def test_a_word_lets_pass_what_was_said_before_it(room: Room) -> None:
    """Both are known: they are heard in the order in which they were said."""
    await _happen(room, 42, "label", 0)
    await _happen(room, 42, "stop", 1)
    text = {
        "event": "issue_comment.created",
        "is_pull": False,
        "title": "T",
        "issue_body": "B",
        "state": "open",
    }
    for minute, body in ((4, "@bot round it"), (3, "/journeyman run budget=3")):
        told = text | {"comment_id": minute, "body": body, "created_at": _at(minute)}
        told["thread_updated_at"] = _at(minute)
        await records.a_request(room.database, f"comment:7:{minute}", RequestKind.COMMENT, text=told)
    await _all_heard(room)
    (task,) = await _going(room, 42)
    assert (task.budget_usd, await _end(room, 42)) == (Decimal(3), (1, False, ["@bot round it"]))


async def test_an_older_pause_or_resume_says_that_it_came_too_late(room: Room) -> None:
    """Its person hears how things stand; nothing changes."""
    late = (await _in_order(room, ("label", 0), ("resume", 3), ("pause", 2)))[-1]
    assert late.outcome == "overtaken"
    assert "Someone said otherwise after this" in room.installation.said[-1]
    await _in_order(room, ("pause", 5), ("resume", 4))
    assert (await _end(room, 42))[:2] == (1, True)
