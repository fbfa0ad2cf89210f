"""What one comment or review says becomes one thing done, by whoever may, and heard when GitHub is slow."""

from decimal import Decimal
from typing import Any

import pytest

from bot.errors import WorldFault
from bot.github import reactions
from bot.github.permissions import Role
from bot.talk import happenings
from bot.task import asked
from storage import sessions, tasks
from storage.database import Database
from storage.models import Request, Session, Task
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


async def _edit(room: Room, number: int, text: dict[str, Any]) -> Any:
    told = {"event": "pull_request_review_comment.edited", "is_pull": True} | text
    return await room.ask(f"edited:{number}", RequestKind.EDITED, told, issue_number=PULL)


async def test_a_review_says_what_it_said_when_it_was_submitted(room: Room) -> None:
    """Its inline comments are read later: what was told of one wins, and what an edit says was there."""
    await room.done()
    now = [_inline(id=each, body="Delete it all.")["comments"][0] for each in (5, 6, 7)]
    room.installation.reviews[8] = {"state": "COMMENTED", "body": "Edited, too.", "comments": now}
    await records.a_request(
        room.database, "review:7:8", RequestKind.REVIEW, text=_inline(), issue_number=PULL
    )
    for number, remark, was in ((1, 6, "Round it."), (2, 6, "Later."), (3, None, "Nearly."), (4, 5, None)):
        edit = {"event": "e", "is_pull": True, "review_id": 8, "remark_id": remark, "was": was}
        await records.a_request(
            room.database, f"edited:{number}", RequestKind.EDITED, text=edit, issue_number=PULL
        )
    await room.heard("review:7:8")
    (review,) = (await room.waiting()).trigger["reviews"]
    assert review["body"] == "Nearly."
    assert [one["body"] for one in review["comments"]] == ["@bot round it", "Round it.", "Delete it all."]


async def test_an_edit_of_a_review_that_was_acted_on_is_answered_once(room: Room) -> None:
    """In few words, whichever of its texts is edited, however often; one that asked for nothing, never."""
    await room.done()
    await room.review(8)
    await room.review(9, "Nice.", state="approved")
    assert room.installation.said == []
    for number, remark in ((1, None), (2, 71), (3, 71)):
        assert (await _edit(room, number, {"review_id": 8, "remark_id": remark})).outcome == "edit ignored"
    (said,) = room.installation.said
    assert "first written" in said
    ignored = await _edit(room, 4, {"review_id": 9, "remark_id": None})
    assert ignored.outcome == "ignored: it had asked for nothing"
    alone = _inline() | {"review_id": None}
    await room.ask("review_comment:7:5", RequestKind.REVIEW, alone, issue_number=PULL)
    assert (await _edit(room, 5, {"review_id": None, "remark_id": 5})).outcome == "edit ignored"
    assert len(room.installation.said) == 2


async def test_an_edit_waits_for_what_was_edited(room: Room) -> None:
    """Its thread may go past a review that GitHub does not show yet; what comes of that is not known then."""
    await room.done()
    await records.a_request(
        room.database, "review:7:8", RequestKind.REVIEW, text=_inline(), issue_number=PULL
    )
    edit = await records.a_request(
        room.database, "edited:1", RequestKind.EDITED, text={"review_id": 8}, issue_number=PULL
    )
    async with room.database.transaction() as writing:
        with pytest.raises(WorldFault, match="not done yet"):
            await happenings.edited(writing, await writing.get_one(Request, edit))


@pytest.mark.parametrize("inline", [[], [_inline(body="Lovely.")["comments"][0]]], ids=["text", "inline"])
async def test_a_review_that_only_thanks_starts_nothing(room: Room, inline: list[dict[str, Any]]) -> None:
    """As a comment that only thanks does not; one that requests changes does, whatever its words."""
    await room.done()
    thanks = "Thanks @bot!"
    room.installation.reviews[8] = {"state": "APPROVED", "body": thanks, "comments": inline}
    assert (await room.review(8, thanks, state="approved")).outcome == "ignored: not for us"
    assert (await room.comment(1, thanks, pull=True)).outcome == "ignored: not for us"
    assert len(await room.tasks()) == 1
    await room.review(9, thanks)
    assert (await room.waiting()).trigger["reviews"][0]["id"] == 9


async def test_a_name_alone_hands_over_the_rest_of_its_review(room: Room) -> None:
    """What is wanted stands beside the lines; where nothing does, the name asks for help."""
    await room.done()
    beside = [_inline(body="Round it.")["comments"][0]]
    room.installation.reviews[8] = {"state": "COMMENTED", "body": "@bot", "comments": beside}
    await room.review(8, "@bot", state="commented")
    assert [one["id"] for one in (await room.waiting()).trigger["reviews"]] == [8]
    assert room.installation.said == []
    assert (await room.review(9, "@bot", state="commented")).outcome == "help shown"


async def test_a_review_of_somebody_elses_pull_request_is_answered_as_a_comment_is(room: Room) -> None:
    """Commands and wishes hear what is the case; a verdict alone is none of ours, and nothing is read."""
    words = "/journeyman help\n\n@bot what do you think?"
    review = await room.review(8, words, state="commented")
    comment = await room.comment(1, words, pull=True)
    assert review.outcome == comment.outcome == "help shown; not a pull request of ours"
    assert room.installation.reactions == {("issue", PULL): "confused", ("comment", 1): "confused"}
    table, first, second = room.installation.said
    assert "| Command" in table
    assert "not one of mine" in first
    assert "not one of mine" in second
    asked: list[str] = []
    read = room.installation.get

    async def get(path: str, /, **where: Any) -> Any:
        asked.append(path)
        return await read(path, **where)

    room.installation.get = get  # type: ignore[method-assign]
    assert (await room.review(9, "No.")).outcome == "ignored: not for us"
    assert (asked, len(room.installation.said)) == ([], 3)


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
