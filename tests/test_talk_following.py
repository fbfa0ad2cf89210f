"""Words, reviews and failing checks reach the task that can still hear them, or begin the next one."""

import asyncio
from decimal import Decimal

import pytest

from bot.github.permissions import Role
from bot.talk import following
from bot.talk.thread import Said, Speaker, Thread
from bot.task import ending
from bot.task.work import Phase
from storage import events, sessions, tasks
from storage.database import Database
from storage.models import Task
from storage.words import Reason, RequestKind, TaskKind, TaskState
from tests import records
from tests.talk_room import BRANCH, HEAD, PULL, Room


@pytest.fixture
def room(sqlite: Database) -> Room:
    """Enter a room."""
    return Room(sqlite)


@pytest.fixture
def either(database: Database) -> Room:
    """Enter a room over each kind of database."""
    return Room(database)


@pytest.fixture
def crowded(database: Database) -> Room:
    """Enter a room where two may write at once."""
    if database.is_sqlite:
        pytest.skip("SQLite lets one writer in at a time")
    return Room(database)


@pytest.mark.parametrize("phase", [tasks.ADMIT, Phase.PREPARE])
async def test_a_review_makes_a_waiting_retest_a_follow_up(room: Room, phase: str) -> None:
    """Its proof runs the tests in any case; there is one task, and the Request ends."""
    await room.done()
    await room.comment(1, "/journeyman test")
    retest = await room.waiting(TaskKind.RETEST)
    async with room.database.transaction() as writing:
        await tasks.change(writing, retest.id, phase=phase)
    request = await room.review(5)
    follow_up = await room.waiting()
    assert (follow_up.id, request.outcome) == (retest.id, f"task {retest.id}")
    assert [review["id"] for review in follow_up.trigger["reviews"]] == [5]


async def test_guidance_makes_a_waiting_retest_a_follow_up(either: Room) -> None:
    """A task that only runs tests would hear no word."""
    await either.done()
    await either.comment(1, "/journeyman test")
    retest = await either.waiting(TaskKind.RETEST)
    await either.comment(2, "@bot use Decimal", pull=True)
    follow_up = await either.waiting()
    assert follow_up.id == retest.id
    assert [word["text"] for word in follow_up.trigger["guidance"]] == ["@bot use Decimal"]


async def test_a_word_after_a_stop_begins_the_next_task(either: Room) -> None:
    """The task that is being stopped would take it with it."""
    owner = await either.session()
    old = await either.at_work(owner)
    await either.comment(1, "/journeyman stop")
    request = await either.comment(2, "@bot do it for floats only instead")
    follow_up = await either.waiting()
    assert request.outcome == f"task {follow_up.id}"
    assert [word["comment_id"] for word in follow_up.trigger["guidance"]] == [2]
    assert not (await records.read_task(either.database, old.id)).facts.get("words")


async def test_a_review_after_a_stop_does_not_join_what_is_stopped(either: Room) -> None:
    """The follow-up that waited is about to end, unbegun."""
    owner, _ = await either.done()
    await either.review(5)
    stopped = await either.waiting()
    await either.comment(1, "/journeyman stop", pull=True)
    assert (await either.review(6)).dispatched_at is None  # one task waits at a time
    async with either.database.transaction() as writing:
        await tasks.finish(writing, stopped.id, TaskState.CANCELLED)
    await either.heard("review:7:6")
    begun = await either.waiting()
    assert (begun.id != stopped.id, begun.session_id) == (True, owner.id)
    assert [review["id"] for review in begun.trigger["reviews"]] == [6]


async def _word(room: Room, cause: str, read: asyncio.Event, go: asyncio.Event) -> Said:
    """Say something as the attendant does, with a pause between the look and what is done."""
    request = await records.read_request(room.database, cause)
    speaker = Speaker("maria", 11, Role.WRITE)
    async with room.database.transaction() as writing:
        thread = await Thread.read(writing, request, speaker, Decimal(5))
        read.set()
        await go.wait()
        return await following.guidance(thread, f"word {cause}")


async def _said(room: Room, *causes: str) -> tuple[list[asyncio.Task[Said]], asyncio.Event]:
    """Let each word look at the thread; what comes of them waits for the event."""
    go, looks = asyncio.Event(), [asyncio.Event() for _ in causes]
    said: list[asyncio.Task[Said]] = []
    for cause, look in zip(causes, looks, strict=True):
        await records.a_request(room.database, cause, RequestKind.COMMENT, text={"comment_id": len(said) + 1})
        said.append(asyncio.create_task(_word(room, cause, look, go)))
    async with asyncio.timeout(20):
        for look in looks:
            await look.wait()
    return said, go


async def test_two_words_at_once_both_arrive(crowded: Room) -> None:
    """They take turns at the task's row, and none is written over."""
    task = await crowded.at_work()
    said, go = await _said(crowded, "one", "two")
    go.set()
    await asyncio.gather(*said)
    words = (await records.read_task(crowded.database, task.id)).facts["words"]
    assert sorted(word["text"] for word in words) == ["word one", "word two"]


@pytest.mark.parametrize("branch", [BRANCH, None])
async def test_a_word_as_the_task_ends_begins_the_next_one(crowded: Room, branch: str | None) -> None:
    """Between the look and the lock the task ended: nobody would look for a word there."""
    owner = await crowded.session(branch=branch)
    task = await crowded.at_work(owner)
    (late,), go = await _said(crowded, "late")
    await ending.end(await crowded.work(task), TaskState.COMPLETED)
    go.set()
    said = await late
    begun = await crowded.waiting(TaskKind.FOLLOW_UP if branch else TaskKind.IMPLEMENT)
    assert said.outcome == f"task {begun.id}"
    assert [word["text"] for word in begun.trigger["guidance"]] == ["word late"]


async def test_a_word_as_the_task_is_stopped_begins_the_next_one(crowded: Room) -> None:
    """Someone wanted it stopped between the look and the lock."""
    owner = await crowded.session()
    task = await crowded.at_work(owner)
    (late,), go = await _said(crowded, "late")
    async with crowded.database.transaction() as writing:
        await tasks.want_cancel(writing, owner.id, "@noah asked for it")
    go.set()
    said = await late
    begun = await crowded.waiting()
    assert (said.outcome, begun.id != task.id) == (f"task {begun.id}", True)


async def test_a_failing_check_of_the_head_is_followed(room: Room) -> None:
    """One follow-up, in the name of who asked for the work, with everything that fails as evidence."""
    await room.configure(follow_ci=True)
    await room.done(requester="maria", requester_id=11)
    for number in (1, 2):
        await room.check(number)
    follow_up = await room.waiting()
    assert [check["name"] for check in follow_up.trigger["checks"]] == ["ci 1", "ci 2"]
    assert (follow_up.trigger["origin"], follow_up.requester) == ("ci", "maria")


async def _pushed_again(room: Room, head: str, *end: object, **values: object) -> Task:
    """Let a follow-up have ended with another head."""
    first, *_ = await room.tasks()
    async with room.database.reading() as reading:
        owner = await sessions.get(reading, first.session_id)
    return await room.ended(owner, *end, head_sha=head * 40, kind=TaskKind.FOLLOW_UP, **values)


async def test_a_failing_check_of_an_attempt_kept_aside_is_none_of_ours(room: Room) -> None:
    """It was not proven anyway; the pull request's head is another one, and is followed still."""
    await room.configure(follow_ci=True)
    await room.done()
    aside = {"kept_branch": f"{BRANCH}-attempt-2"}
    await _pushed_again(room, "d", TaskState.FAILED, Reason.UNPROVEN, facts=aside)
    assert (await room.check(1, "d" * 40)).outcome == "ignored: not the newest head"
    await room.check(2)
    assert [check["name"] for check in (await room.waiting()).trigger["checks"]] == ["ci 2"]


async def test_a_failing_check_of_an_old_head_does_nothing(room: Room) -> None:
    """What was pushed since may have mended it."""
    await room.configure(follow_ci=True)
    await room.done()
    await _pushed_again(room, "d")
    assert (await room.check(1)).outcome == "ignored: not the newest head"
    assert await room.tasks(Task.status == TaskState.PENDING) == []


async def test_our_own_check_is_not_followed(room: Room) -> None:
    """We know what it says."""
    await room.configure(follow_ci=True)
    await room.done()
    assert (await room.check(1, app=1)).outcome == "ignored: it is our own check"
    assert len(await room.tasks()) == 1


async def test_checks_are_followed_only_where_that_is_wished(room: Room) -> None:
    """`follow_ci` is off where the repository does not say otherwise."""
    await room.done()
    assert (await room.check(1)).outcome == "ignored: follow_ci is off"
    await room.configure(follow_ci=False)
    assert (await room.check(2)).outcome == "ignored: follow_ci is off"
    assert len(await room.tasks()) == 1


async def test_a_check_of_the_head_that_was_just_pushed_waits(either: Room) -> None:
    """The CI is faster than our last word: the follow-up waits behind the task that is ending."""
    await either.configure(follow_ci=True)
    owner, _ = await either.done()
    live = {"head_sha": "d" * 40, "phase": Phase.DELIVER, "kind": TaskKind.FOLLOW_UP}
    await records.a_task(either.database, owner, TaskState.TESTING, **live)
    request = await either.check(1, "d" * 40)
    follow_up = await either.waiting()
    assert request.outcome == f"task {follow_up.id}"
    assert [check["name"] for check in follow_up.trigger["checks"]] == ["ci 1"]


async def test_a_check_while_another_head_is_made_does_nothing(room: Room) -> None:
    """The task at work has not pushed yet; what fails may be gone with what it does."""
    await room.configure(follow_ci=True)
    owner, _ = await room.done()
    await room.at_work(owner, kind=TaskKind.FOLLOW_UP)
    assert (await room.check(1)).outcome == "ignored: another head is being made"


async def _stopped(room: Room, task: Task) -> None:
    """Let maria stop a task, and it end."""
    await room.comment(900, "/journeyman stop", pull=True)
    async with room.database.transaction() as writing:
        await tasks.finish(writing, task.id, TaskState.CANCELLED)


async def test_after_a_stop_no_further_check_of_that_head_is_followed(room: Room) -> None:
    """Jobs fail one after the other; a person has said what they think of that. The next head is new."""
    await room.configure(follow_ci=True)
    await room.done()
    await room.check(1)
    await _stopped(room, await room.waiting())
    assert (await room.check(2)).outcome == "ignored: a person stopped what followed"
    await room.comment(901, "/journeyman test", pull=True)
    retest = await room.waiting(TaskKind.RETEST)
    async with room.database.transaction() as writing:
        await tasks.change(writing, retest.id, head_sha=HEAD)
        await tasks.finish(writing, retest.id, TaskState.COMPLETED)
    assert (await room.check(3)).outcome == "ignored: a person stopped what followed"
    await _pushed_again(room, "d")
    await room.check(4, "d" * 40)
    assert [check["name"] for check in (await room.waiting()).trigger["checks"]] == ["ci 4"]


async def test_after_a_stop_a_retry_takes_in_further_checks(room: Room) -> None:
    """A person wants it after all."""
    await room.configure(follow_ci=True)
    await room.done()
    await room.check(1)
    await _stopped(room, await room.waiting())
    await room.comment(901, "/journeyman retry", pull=True)
    await room.check(2)
    assert [check["name"] for check in (await room.waiting()).trigger["checks"]] == ["ci 1", "ci 2"]


async def test_a_check_while_the_tests_run_again_is_followed(either: Room) -> None:
    """A retest makes no head; the follow-up waits for its end."""
    await either.configure(follow_ci=True)
    owner, _ = await either.done(requester="maria", requester_id=11)
    await either.at_work(owner, kind=TaskKind.RETEST, head_sha=HEAD, requester="tom", requester_id=12)
    request = await either.check(1)
    follow_up = await either.waiting()
    assert (request.outcome, follow_up.requester) == (f"task {follow_up.id}", "maria")


@pytest.mark.parametrize("begin", ["/journeyman test", "@bot and round it"])
async def test_a_check_joins_what_waits(room: Room, begin: str) -> None:
    """It has not begun, and will begin from this head; one that would only test becomes a follow-up of CI."""
    await room.configure(follow_ci=True)
    await room.done()
    await room.comment(1, begin, pull=True)
    (waiting,) = await room.tasks(Task.status == TaskState.PENDING)
    request = await room.check(1)
    follow_up = await room.waiting()
    assert request.outcome == f"task {waiting.id}"
    assert [check["name"] for check in follow_up.trigger["checks"]] == ["ci 1"]
    assert follow_up.trigger["origin"] == ("ci" if waiting.kind is TaskKind.RETEST else "guidance")


async def test_a_check_does_not_join_what_begins_all_over_again(room: Room) -> None:
    """The code that it is about is given up."""
    await room.configure(follow_ci=True)
    await room.done()
    await room.comment(1, "/journeyman retry from=plan", pull=True)
    assert (await room.check(1)).outcome == "ignored: another head is being made"
    assert "checks" not in (await room.waiting(TaskKind.IMPLEMENT)).trigger


async def test_the_fourth_failing_check_is_not_followed(room: Room) -> None:
    """Three follow-ups a pull request; that there is none any more is noted, and the status made fresh."""
    await room.configure(follow_ci=True)
    _, head = await room.done()
    for number, sha in enumerate("abc", 1):
        await room.check(number, sha * 40)
        head = await room.waiting()
        async with room.database.transaction() as writing:
            await tasks.change(writing, head.id, head_sha=chr(ord(sha) + 1) * 40)
            await tasks.finish(writing, head.id, TaskState.COMPLETED)
    request = await room.check(4, "d" * 40)
    assert request.outcome == "ignored: three follow-ups were made"
    assert len(await room.tasks()) == 4
    async with room.database.reading() as reading:
        notes = [event.data["text"] for event in await events.notes(reading, head.id)]
    assert notes == ["check 'ci 4' fails; three follow-ups were made"]
    assert room.refreshed == [head.session_id]


async def test_what_was_asked_of_a_failed_attempt_is_asked_of_the_next(room: Room) -> None:
    """A retry of a review's follow-up holds the review."""
    owner, _ = await room.done()
    await room.ended(
        owner, TaskState.FAILED, Reason.UNPROVEN, head_sha=None, kind=TaskKind.FOLLOW_UP,
        trigger={"origin": "review", "reviews": [{"id": 5, "author": "ann", "comments": []}]},
    )  # fmt: skip
    await room.comment(1, "/journeyman retry", pull=True)
    again = await room.waiting()
    assert ([review["id"] for review in again.trigger["reviews"]], again.trigger["thread"]) == ([5], PULL)
