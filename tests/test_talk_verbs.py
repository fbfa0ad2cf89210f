"""A command does the sensible thing in whatever state its thread is, and its person hears of it."""

from typing import Any

import pytest

from bot.github.permissions import Role
from bot.task.work import Phase
from storage import sessions, tasks
from storage.database import Database
from storage.models import Task
from storage.words import PausedBy, Reason, RequestKind, TaskKind, TaskState
from tests import records
from tests.talk_room import HEAD, Room

OLD = {"title": "Old", "body": "Old words.", "author": "ann"}


@pytest.fixture
def room(sqlite: Database) -> Room:
    """Enter a room."""
    return Room(sqlite)


async def _ended(room: Room, trigger: dict[str, Any], reason: Reason = Reason.REFUSED) -> Task:
    """Return a task without any code that has failed."""
    owner = await room.session(branch=None, pull_request=None, pull_state=None)
    return await room.ended(owner, TaskState.FAILED, reason, head_sha=None, trigger=trigger)


def _asked(task: Task) -> tuple[str, str, str]:
    return task.trigger["title"], task.trigger["body"], task.description


@pytest.mark.parametrize("words", ["/journeyman retry", "@bot please try the new words"])
async def test_what_begins_on_the_issue_goes_by_its_text_as_it_is_then(room: Room, words: str) -> None:
    """It was reworded since, as our last word advised; comments are read up to that moment too."""
    await _ended(room, OLD | {"origin": "label"})
    await room.comment(1, words)
    again = await room.waiting(TaskKind.IMPLEMENT)
    assert (_asked(again), again.trigger["author"]) == (("T", "B", "T"), "ann")


async def test_what_the_api_described_is_not_the_issues_text(room: Room) -> None:
    """A retry on the issue is of what was wanted there, also when it is the second one."""
    first = await _ended(room, {"origin": "api", "title": "Rates", "body": "Add them."}, Reason.ERROR)
    await room.comment(1, "/journeyman retry")
    again = await room.waiting(TaskKind.IMPLEMENT)
    assert _asked(again) == ("Rates", "Add them.", "Rates")
    async with room.database.transaction() as writing:
        await tasks.finish(writing, again.id, TaskState.FAILED, Reason.ERROR)
    await room.comment(2, "/journeyman retry")
    last = await room.waiting(TaskKind.IMPLEMENT)
    assert (_asked(last), last.session_id) == (_asked(again), first.session_id)


async def test_where_the_issue_is_not_seen_its_text_stays(room: Room) -> None:
    """A comment on the pull request brings that one's words, and a button none."""
    owner = await room.session()
    await room.ended(owner, TaskState.FAILED, Reason.UNPROVEN, trigger=OLD | {"origin": "label"})
    await room.comment(1, "/journeyman retry", pull=True)
    again = await room.waiting()
    assert _asked(again) == ("Old", "Old words.", "Old")
    async with room.database.transaction() as writing:
        await tasks.finish(writing, again.id, TaskState.FAILED, Reason.UNPROVEN)
        await sessions.change(writing, owner.id, pull_request=None, pull_state=None)
    press = {"app_id": 1, "head_sha": HEAD, "identifier": "retry"}
    await room.ask("press", RequestKind.BUTTON, press, issue_number=None)
    assert _asked(await room.waiting()) == ("Old", "Old words.", "Old")


REVIEW: dict[str, Any] = {"origin": "review", "reviews": [{"id": 5, "author": "ann", "comments": []}]}


async def test_a_retest_in_between_does_not_change_what_is_tried_again(room: Room) -> None:
    """The review that was not followed is asked of the next attempt, which goes on with what was kept."""
    owner, _ = await room.done()
    failed = await room.ended(
        owner, TaskState.FAILED, Reason.UNPROVEN, head_sha="d" * 40, kind=TaskKind.FOLLOW_UP,
        trigger=REVIEW, facts={"kept_branch": "aside"},
    )  # fmt: skip
    await room.ended(owner, kind=TaskKind.RETEST, trigger={"origin": "test"})
    await room.comment(1, "/journeyman retry", pull=True)
    again = await room.waiting()
    assert again.trigger["retry_of"] == failed.id
    assert [review["id"] for review in again.trigger["reviews"]] == [5]


async def test_a_retest_that_fails_on_good_work_is_what_is_tried_again(room: Room) -> None:
    """Its failure is the evidence."""
    owner, _ = await room.done(trigger=REVIEW)
    retest = await room.ended(
        owner, TaskState.FAILED, Reason.TESTS_FAILED, kind=TaskKind.RETEST, trigger={"origin": "test"}
    )
    await room.comment(1, "/journeyman retry", pull=True)
    again = await room.waiting()
    assert (again.trigger["retry_of"], "reviews" in again.trigger) == (retest.id, False)


async def test_who_asks_for_running_tests_once_more_hears_how_they_end(room: Room) -> None:
    """Nothing new begins; the reaction of the retest comes to this comment too."""
    owner, _ = await room.done()
    retest = await room.at_work(owner, kind=TaskKind.RETEST, phase=Phase.PROVE, trigger={"origin": "test"})
    request = await room.comment(1, "/journeyman test", pull=True)
    assert request.outcome == "the tests run again already"
    assert room.installation.reactions == {("comment", 1): "eyes"}
    await room.forge.finish(await room.work(retest), TaskState.COMPLETED)
    assert room.installation.reactions["comment", 1] == "rocket"
    assert await room.tasks(Task.status == TaskState.PENDING) == []


async def test_the_status_of_what_was_turned_away_is_said(room: Room) -> None:
    """It never had a status comment that could be brought up to date."""
    owner = await records.a_session(room.database, 42)
    task = await records.a_task(room.database, owner, facts={"refusal": {"needs": "write", "has": "read"}})
    async with room.database.transaction() as writing:
        await tasks.finish(writing, task.id, TaskState.FAILED, Reason.REFUSED)
        await sessions.end(writing, owner.id)
    await room.comment(1, "/journeyman status")
    (said,) = room.installation.said
    assert "ended (refused)" in said
    assert room.installation.reactions == {("comment", 1): "+1"}


@pytest.mark.parametrize("word", ["stop", "pause"])
async def test_who_may_only_guide_stops_and_pauses_nothing_but_what_they_asked_for(
    room: Room, word: str
) -> None:
    """Their follow-up waits behind the work of somebody else, which goes on."""
    owner = await room.session()
    work = await room.at_work(owner)
    room.permissions.roles["tom"] = Role.TRIAGE
    await room.review(5, by="tom")
    theirs = await room.waiting()
    await room.comment(1, f"/journeyman {word}", "tom", pull=True)
    found = [await records.read_task(room.database, task.id) for task in (work, theirs)]
    wanted = [(task.cancel_wanted is not None, task.pause_wanted is not None) for task in found]
    assert wanted == [(False, False), (word == "stop", word == "pause")]
    assert room.installation.reactions["comment", 1] == "+1"
    await room.comment(2, "/journeyman stop", "maria", pull=True)
    assert (await records.read_task(room.database, work.id)).cancel_wanted is not None


async def test_who_may_only_guide_lets_nothing_of_others_go_on(room: Room) -> None:
    """Whoever paused it decides, or whoever may start work."""
    owner = await room.session()
    work = await room.at_work(owner, pause_wanted="maria")
    room.permissions.roles["tom"] = Role.TRIAGE
    await room.review(5, by="tom")
    request = await room.comment(1, "/journeyman resume", "tom", pull=True)
    assert request.outcome == "refused: resume"
    assert (await records.read_task(room.database, work.id)).pause_wanted == "maria"


@pytest.mark.parametrize("state", ["merged", "closed"])
@pytest.mark.parametrize("word", ["stop", "pause", "resume"])
@pytest.mark.parametrize("pull", [True, False], ids=["pull", "issue"])
async def test_what_is_advised_when_the_pull_request_is_over_is_possible(
    room: Room, word: str, state: str, *, pull: bool
) -> None:
    """Nobody is told to review what is merged, or to mention us where we would refuse."""
    owner, _ = await room.done()
    async with room.database.transaction() as writing:
        await sessions.change(writing, owner.id, pull_state=state)
        await sessions.end(writing, owner.id)
    await room.comment(1, f"/journeyman {word}", pull=pull)
    (said,) = room.installation.said
    assert f"Nothing to {word}: #57 is {state}.\n" in said
    assert "review" not in said


async def test_a_pause_hears_that_a_stop_is_under_way(room: Room) -> None:
    """There is nothing to guide any more."""
    await room.at_work()
    await room.comment(1, "/journeyman stop")
    await room.comment(2, "/journeyman pause")
    (said,) = room.installation.said
    assert "Nothing to pause: the work here is being stopped" in said
    assert "Mention" not in said


async def test_what_waits_for_a_slot_again_is_said_to_be_queued(room: Room) -> None:
    """It was paused and let go on: whoever asks is not told to let it go on."""
    task = await room.at_work(pause_wanted="maria")
    async with room.database.transaction() as writing:
        await tasks.move(writing, task.id, TaskState.PAUSED, paused_by=PausedBy.PERSON)
    await room.comment(1, "/journeyman resume")
    await room.comment(2, "/journeyman run")
    (said,) = room.installation.said
    assert "queued already" in said
    assert "resume" not in said
