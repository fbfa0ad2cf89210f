"""What one comment or review says becomes one thing done, by whoever may, and heard when GitHub is slow."""

from decimal import Decimal
from typing import Any

import pytest

from bot.errors import WorldFault
from bot.github import reactions
from bot.github.permissions import Role
from bot.task import asked
from storage import sessions, tasks
from storage.database import Database
from storage.models import Session, Task
from storage.words import Reason, RequestKind, TaskKind, TaskState
from tests import records
from tests.talk_room import PULL, Room


@pytest.fixture
def room(sqlite: Database) -> Room:
    """Enter a room."""
    return Room(sqlite)


@pytest.fixture
def either(database: Database) -> Room:
    """Enter a room over each kind of database."""
    return Room(database)


async def test_a_command_and_a_wish_in_one_comment_are_one_follow_up(either: Room) -> None:
    """`/journeyman test` and a mention: the task that waits takes in both, and the Request ends."""
    _, first = await either.done()
    request = await either.comment(1, "/journeyman test\n\n@bot please also handle negatives")
    follow_up = await either.waiting()
    assert (request.dispatched_at is not None, request.answered_at is not None) == (True, True)
    assert request.outcome == f"task {follow_up.id}; task {follow_up.id}"
    assert [word["text"] for word in follow_up.trigger["guidance"]] == ["@bot please also handle negatives"]
    assert [one.id for one in await either.tasks()] == [first.id, follow_up.id]
    assert either.installation.reactions == {("comment", 1): "eyes"}


async def test_what_is_said_after_such_a_comment_is_not_held_up(room: Room) -> None:
    """A Request that would never end would keep its thread's later ones, a stop perhaps, waiting."""
    await room.done()
    await room.write(1, "/journeyman test\n\n@bot please also handle negatives")
    request = await room.comment(2, "/journeyman stop")
    (stopped,) = await room.tasks(Task.status == TaskState.PENDING)
    assert (request.outcome, stopped.cancel_wanted is not None) == ("stopping", True)


async def test_stop_and_run_in_one_comment_do_both(either: Room) -> None:
    """The run does not count the task that is being stopped: it begins another, in a session of its own."""
    old = await either.at_work()
    request = await either.comment(1, "/journeyman stop\n/journeyman run budget=2")
    _, new = await either.tasks()
    assert (await records.read_task(either.database, old.id)).cancel_wanted is not None
    assert (new.status, new.cancel_wanted, new.budget_usd) == (TaskState.PENDING, None, Decimal(2))
    assert new.session_id != old.session_id
    assert request.outcome == f"stopping; task {new.id}"


async def _refused(room: Room) -> Session:
    owner = await records.a_session(room.database, 42)
    task = await records.a_task(room.database, owner)
    async with room.database.transaction() as writing:
        await tasks.finish(writing, task.id, TaskState.FAILED, Reason.REFUSED)
        await sessions.end(writing, owner.id)
    return owner


async def _branchless(room: Room) -> Session:
    owner = await room.session(branch=None, pull_request=None, pull_state=None)
    await room.ended(owner, TaskState.FAILED, Reason.ERROR, head_sha=None)
    return owner


@pytest.mark.parametrize("begin", [_refused, _branchless], ids=["refused", "branchless"])
async def test_who_may_only_guide_starts_no_work_by_a_mention(room: Room, begin: Any) -> None:
    """Where nothing was made, a wish would begin all over again: that needs the `run` role."""
    await begin(room)
    room.permissions.roles["tom"] = Role.TRIAGE
    request = await room.comment(1, "@bot please do fix this", "tom")
    assert await room.tasks(Task.status == TaskState.PENDING) == []
    assert (request.outcome, room.installation.reactions) == ("refused: guidance", {("comment", 1): "-1"})
    (said,) = room.installation.said
    assert "**write**" in said
    assert "**triage**" in said


async def test_who_may_guide_guides_the_work_that_goes_on(either: Room) -> None:
    """Even before it has a branch: nothing is begun by that."""
    task = await either.at_work()
    either.permissions.roles["tom"] = Role.TRIAGE
    request = await either.comment(1, "@bot mind the floats", "tom")
    (heard,) = (await records.read_task(either.database, task.id)).facts["words"]
    assert (request.outcome, heard["author"]) == (f"guidance for task {task.id}", "tom")
    assert either.refreshed == [task.session_id]


def _inline(**more: Any) -> dict[str, Any]:
    comment = {"id": 5, "path": "shop.py", "line": 1, "body": "@bot round it", "diff_hunk": "@@"}
    comment |= {"in_reply_to_id": None} | more
    return {"event": "pull_request_review_comment.created", "review_id": 8, "state": "commented", "body": "",
            "comments": [comment]}  # fmt: skip


async def test_a_review_that_is_not_shown_yet_is_asked_for_again(room: Room) -> None:
    """GitHub tells of an inline comment before its review can be read; the whole review is what counts."""
    await room.done()
    request = await room.ask("review:7:8", RequestKind.REVIEW, _inline(), issue_number=PULL)
    assert (request.dispatched_at, request.attempts) == (None, 1)
    both = [_inline()["comments"][0], _inline(id=6, body="And this.")["comments"][0]]
    room.installation.reviews[8] = {"state": "CHANGES_REQUESTED", "body": "Nearly.", "comments": both}
    assert (await room.heard("review:7:8")).dispatched_at is not None
    (review,) = (await room.waiting()).trigger["reviews"]
    assert (review["state"], review["body"]) == ("changes_requested", "Nearly.")
    assert [comment["id"] for comment in review["comments"]] == [5, 6]


@pytest.mark.parametrize(("answers", "root"), [(None, 5), (4, 4)], ids=["first", "answer"])
async def test_a_review_that_is_never_shown_is_taken_from_the_webhook(
    room: Room, answers: int | None, root: int
) -> None:
    """At the third try; its inline comment has its thread's root, which the first message names."""
    await room.done()
    await room.ask("review:7:8", RequestKind.REVIEW, _inline(in_reply_to_id=answers), issue_number=PULL)
    assert (await room.heard("review:7:8")).dispatched_at is None
    assert (await room.heard("review:7:8")).attempts == 3
    task = await room.waiting()
    (comment,) = task.trigger["reviews"][0]["comments"]
    assert comment["root"] == root
    assert f"Inline comment, thread {root}:" in "\n".join(asked.words(task.trigger))


async def test_a_command_in_an_inline_comment_is_obeyed(room: Room) -> None:
    """A review's comments are heard like its text."""
    _, first = await room.done()
    room.installation.reviews[8] = {"state": "COMMENTED", "comments": []}
    text = _inline(body="/journeyman test")
    await room.ask("review:7:8", RequestKind.REVIEW, text, issue_number=PULL)
    retest = await room.waiting(TaskKind.RETEST)
    assert retest.session_id == first.session_id


async def test_a_reaction_that_can_not_be_set_holds_nothing_up(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stop takes effect while GitHub limits what we may write."""

    async def limited(*_: object) -> bool:
        raise WorldFault("GitHub asks for a pause", 60)

    task = await room.at_work()
    monkeypatch.setattr(reactions, "ensure_reaction", limited)
    request = await room.comment(1, "/journeyman stop")
    assert (await records.read_task(room.database, task.id)).cancel_wanted is not None
    assert request.answered_at is None  # the 👍 comes when it may
