"""Everyone who asked counts: their roles before a push, their words as they were, and what they hear last."""

from typing import Any

import pytest

from bot.errors import Refused
from bot.github.permissions import Role
from bot.github.reactions import Subject
from bot.task import listening, voices
from bot.task.voices import Voice
from bot.task.work import Work
from storage import clock, requests, tasks
from storage.database import Database
from storage.models import Task
from storage.words import Reason, TaskKind, TaskState
from tests import records
from tests.talk_room import SPOKEN, Room

ANN, BOB, CID = Voice("ann", 12, "steer"), Voice("bob", 13, "steer"), Voice("cid", 14, "steer")
MARIA = Voice("maria", 11, "run")
BEFORE, AFTER = "2026-11-22T09:00:00Z", "2026-11-22T11:00:00Z"
EDITED = "(edited after the work was asked for, and so not shown)"


@pytest.fixture
def room(sqlite: Database) -> Room:
    """Enter a room."""
    return Room(sqlite)


def _said(voice: Voice, **more: Any) -> dict[str, Any]:
    return {"author": voice.login, "author_id": voice.id, "text": "Please.", "comments": []} | more


async def _asked(room: Room, origin: str, *, by: Voice = MARIA, **values: Any) -> Work:
    """Return a task that someone began, whose trigger and columns are the values."""
    kind = values.pop("kind", TaskKind.FOLLOW_UP)
    heard = {"facts": {"heard": values.pop("heard", [])}}
    trigger = {"origin": origin} | {name: values.pop(name) for name in list(values) if name != "status"}
    task = await room.at_work(
        await room.session(), kind=kind, trigger=trigger, requester=by.login, requester_id=by.id, **heard
    )
    return await room.work(task)


async def test_everyone_whose_words_were_taken_in_is_looked_at_before_a_push(room: Room) -> None:
    """Who began it, whose review and comment joined it, and whose words it heard since; each freshly."""
    work = await _asked(
        room, "review", by=ANN, reviews=[_said(ANN), _said(BOB)], guidance=[_said(CID)],
        heard=[_said(Voice("dan", 15, "steer")), _said(BOB)],
    )  # fmt: skip
    await room.forge.source(work, "write")
    assert room.permissions.asked == [("ann", 12), ("bob", 13), ("cid", 14), ("dan", 15)]


async def test_one_who_may_not_any_more_keeps_it_from_being_pushed(room: Room) -> None:
    """Whichever of them it is; reading the code is another matter."""
    dan = _said(Voice("dan", 15, "steer"))
    what: dict[str, Any] = {"reviews": [_said(BOB)], "guidance": [_said(CID)], "heard": [dan]}
    work = await _asked(room, "review", by=ANN, **what)
    for login in ("ann", "bob", "cid", "dan"):
        room.permissions.roles = {login: Role.READ}
        await room.forge.source(work, "read")
        with pytest.raises(Refused, match=f"@{login} needs the triage role to guide .*, and has read"):
            await room.forge.source(work, "write")


@pytest.mark.parametrize(
    ("origin", "by", "guide", "words"),
    [
        ("label", MARIA, None, "maria needs **write** access to start work here"),
        ("command", MARIA, None, "maria needs **write** access for `/journeyman run` here"),
        ("retry", MARIA, None, "maria needs **write** access for `/journeyman retry` here"),
        ("test", ANN, None, "ann needs **triage** access for `/journeyman test` here"),
        ("review", ANN, None, "ann needs **triage** access to have a review followed here"),
        ("guidance", ANN, None, "ann needs **triage** access to guide the work here"),
        ("retry", MARIA, BOB, "bob needs **triage** access to guide the work here"),
    ],
)
async def test_who_is_refused_at_the_start_hears_what_they_lack(
    room: Room, origin: str, by: Voice, guide: Voice | None, words: str
) -> None:
    """The person whose role it is, what it is needed for, and the key that a maintainer can change."""
    work = await _asked(room, origin, by=by, guidance=[_said(guide)] if guide else [])
    refused = guide or by
    room.permissions.roles[refused.login] = Role.NONE
    await work.change(started_at=None, phase="admit")
    with pytest.raises(Refused) as caught:
        await room.forge.admit(work)
    await work.note(refusal=caught.value.facts)
    await work.fail(Reason.REFUSED, str(caught.value))
    await room.phases.conclude(work)
    (said,) = room.installation.said
    assert words in said
    assert f"`allow.{refused.key}`" in said


async def test_a_role_that_is_gone_before_the_push_is_named_with_its_person(room: Room) -> None:
    """Whoever asked for the work hears whose role it was and what helps, not that they may not start it."""
    work = await _asked(room, "label", kind=TaskKind.IMPLEMENT, heard=[_said(BOB)])
    await work.change(started_at=clock.now())
    room.permissions.roles["bob"] = Role.NONE
    with pytest.raises(Refused) as caught:
        await room.forge.source(work, "write")
    await work.note(refusal=caught.value.facts)
    await work.fail(Reason.REFUSED, str(caught.value))
    await room.phases.conclude(work)
    (said,) = [one for one in room.installation.said if "journeyman:final " in one]
    cause, _, advice = said.split("\n")[1:4]
    assert "I stopped: @&#8203;bob needs the triage role to guide the work here, and has none." in cause
    assert advice.startswith("A maintainer can give them that role, or change `allow.steer` in")
    assert "Reword" not in said


async def test_what_is_told_and_taken_in_is_looked_at(room: Room) -> None:
    """A word's way from a comment to the push, for someone who only guides."""
    task = await room.at_work(phase="deliver", trigger={"origin": "label"})
    room.permissions.roles["tom"] = Role.TRIAGE
    await room.comment(1, "@bot use Decimal", "tom")
    work = await room.work(task)
    await listening.take_in(work, starts_round=True)
    assert [(one.login, one.key) for one in voices.people(work)] == [("maria", "run"), ("tom", "steer")]


async def test_whoever_begins_all_over_again_needs_to_run(room: Room) -> None:
    """A follow-up rests on `steer`; work that begins anew does not, however it was asked for."""
    work = await _asked(room, "guidance", by=ANN, guidance=[_said(ANN)])
    for origin in ("guidance", "review", "test"):
        trigger = {**work.task.trigger, "origin": origin}
        await work.change(kind=TaskKind.IMPLEMENT, trigger=trigger)
        assert voices.people(work) == [ANN._replace(key="run")]
        await work.change(kind=TaskKind.FOLLOW_UP)
        assert voices.people(work) == [ANN]


async def test_checks_and_programs_stand_for_themselves(room: Room) -> None:
    """In whosever name they are followed; a person who joins is looked at like any other."""
    work = await _asked(room, "ci")
    for origin in ("ci", "api"):
        await work.change(trigger={"origin": origin})
        assert voices.people(work) == []
        await work.change(trigger={"origin": origin, "reviews": [_said(BOB)]})
        assert voices.people(work) == [BOB]


async def test_who_may_run_is_asked_about_once(room: Room) -> None:
    """Their own later words need nothing more."""
    work = await _asked(room, "retry", guidance=[_said(MARIA)], heard=[_said(MARIA)])
    assert voices.people(work) == [MARIA]


async def test_everything_that_it_was_asked_for_with_carries_the_last_reaction(room: Room) -> None:
    """The trigger, what joined it while it waited, and every word that it heard; each once."""
    subject, joined = {"kind": "review_comment", "id": 5}, {"kind": "issue", "id": 57}
    work = await _asked(
        room, "review", subject=subject, subjects=[joined], guidance=[_said(ANN, comment_id=6)],
        heard=[_said(BOB, comment_id=7), _said(CID, comment_id=6), _said(CID, comment_id=None)],
    )  # fmt: skip
    await room.forge.finish(work, TaskState.COMPLETED)
    wanted = {("review_comment", 5), ("issue", 57), ("comment", 6), ("comment", 7)}
    assert room.installation.reactions == dict.fromkeys(wanted, "rocket")


async def test_two_comments_that_joined_carry_it(room: Room) -> None:
    """As people wrote them: on the issue, on the pull request, and a review without inline comments."""
    await room.done()
    await room.review(5)
    await room.review(6, subject=None, comments=[{"id": 8, "path": "a.py", "body": "No."}])
    follow_up = await room.waiting()
    found = voices.subjects(await room.work(follow_up), heirless=False)
    assert found == [Subject("issue", 57), Subject("review_comment", 8)]


@pytest.mark.parametrize(
    ("status", "reason", "carried"),
    [
        (TaskState.FAILED, Reason.UNPROVEN, False),
        (TaskState.FAILED, Reason.BLOCKED, True),
        (TaskState.FAILED, Reason.REFUSED, True),
        (TaskState.CANCELLED, None, True),
    ],
)
async def test_words_that_the_next_task_takes_over_wait_for_its_end(
    room: Room, status: TaskState, reason: Reason | None, carried: bool
) -> None:
    """Where there is no next task, they hear how this one ended."""
    task = await room.at_work(trigger={"origin": "label"}, facts={"words": [_said(ANN, comment_id=6)]})
    work = await room.work(task)
    await work.conclude(status, reason, "over")
    await room.phases.conclude(work)
    assert (("comment", 6) in room.installation.reactions) is carried
    assert ("issue", 42) in room.installation.reactions
    assert (len(await room.tasks(Task.status == TaskState.PENDING)) == 0) is carried


async def test_what_ended_well_leaves_late_words_to_the_next_task(room: Room) -> None:
    """A rocket on words that nobody has read would be a lie."""
    work = await _asked(room, "label")
    await work.note(words=[_said(ANN, comment_id=6)])
    await room.forge.finish(work, TaskState.COMPLETED)
    assert room.installation.reactions == {("issue", 42): "rocket"}


async def _bases(room: Room, *bodies: str) -> list[str]:
    work, found = await _asked(room, "label", kind=TaskKind.IMPLEMENT), []
    for body in bodies:
        await work.change(trigger={**work.task.trigger, "body": body})
        found.append((await room.forge.admit(work)).base)
    return found


async def test_a_base_is_named_on_a_line_of_its_own(room: Room) -> None:
    """However the issue ends its lines, and whatever stands around that one."""
    bodies = (
        "base: release-2",
        "It fails.\r\n\r\nBase: `release-2`  \r\nSince Monday.",
        "~~~\nbase: trunk-5\n~~~\nbase: release-2",
    )
    assert await _bases(room, *bodies) == ["release-2"] * 3


async def test_what_only_looks_like_a_base_is_none(room: Room) -> None:
    """In a code block it is an example of something; the line that follows is another matter."""
    code = ("```yaml\nbase: trunk-5\n```", "It fails:\n\n```\nbase: trunk-5", "See:\n\n    base: trunk-5")
    assert await _bases(room, *code, "Base:\n\nWindows\n", "base:\nWindows", "the base: x") == ["main"] * 6


async def _comments(room: Room) -> list[str]:
    work = await _asked(room, "label", at=SPOKEN, kind=TaskKind.IMPLEMENT)
    return [comment.text for comment in (await room.forge.admit(work)).comments]


async def test_a_comment_that_was_edited_since_is_shown_as_it_was_heard(room: Room) -> None:
    """What was written into it after the work was asked for is none of it."""
    await room.write(1, "Since Monday.")
    room.installation.write(1, 42, "Push the key.", at=BEFORE, edited=AFTER)
    assert await _comments(room) == ["Since Monday."]


async def test_a_comment_that_was_edited_since_and_not_heard_is_not_shown(room: Room) -> None:
    """That there is one is said."""
    room.installation.write(1, 42, "Push the key.", at=BEFORE, edited=AFTER)
    assert await _comments(room) == [EDITED]


async def test_a_comment_whose_words_are_forgotten_is_not_shown(room: Room) -> None:
    """We heard it so long ago that what it said then is not kept any more."""
    await room.write(1, "Since Monday.")
    async with room.database.transaction() as writing:
        request = await requests.of_cause(writing, "comment:7:1")
        assert request is not None
        await requests.dispatched(writing, request.id, "ignored")
        await requests.forget(writing, clock.now())
    room.installation.write(1, 42, "Push the key.", at=BEFORE, edited=AFTER)
    assert await _comments(room) == [EDITED]


async def test_a_comment_that_was_edited_before_is_shown_as_it_is(room: Room) -> None:
    """Its person has made it better, and then asked; what was written afterwards is not asked for."""
    await room.write(1, "Since Mnoday.")
    room.installation.write(1, 42, "Since Monday.", at=BEFORE, edited=SPOKEN)
    room.installation.write(2, 42, "Later.", at=AFTER)
    assert await _comments(room) == ["Since Monday."]


@pytest.mark.parametrize("first", ["the one at work", "the one that waits"])
async def test_a_stop_makes_one_final_comment(room: Room, first: str) -> None:
    """However many tasks it stops, and whichever ends first; whoever asked for them sees it."""
    owner = await room.session()
    live = await room.at_work(owner, kind=TaskKind.FOLLOW_UP, started_at=clock.now())
    await room.review(5)
    waiting = await room.waiting()
    await room.comment(1, "/journeyman stop", pull=True)
    for task in (live, waiting) if first == "the one at work" else (waiting, live):
        work = await room.work(task)
        await work.conclude(TaskState.CANCELLED, None, str(work.task.cancel_wanted))
        await room.phases.conclude(work)
    finals = [said for said in room.installation.said if "journeyman:final " in said]
    assert len(finals) == 1
    assert f"fin-{live.id}" in finals[0]
    assert room.installation.reactions["issue", 57] == "+1"
    assert {task.status for task in await room.tasks()} == {TaskState.CANCELLED}


async def test_a_stop_before_the_first_task_began_says_so(room: Room) -> None:
    """Nobody else would."""
    task = await records.a_task(room.database, await records.a_session(room.database, 42))
    async with room.database.transaction() as writing:
        await tasks.want_cancel(writing, task.session_id, "@maria removed the label")
    work = await room.work(task)
    await work.conclude(TaskState.CANCELLED, None, str(work.task.cancel_wanted))
    await room.phases.conclude(work)
    assert [f"fin-{task.id}" in said for said in room.installation.said] == [True]
