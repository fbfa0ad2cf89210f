"""What got lost on its way to us is picked up by a sweep, once, and nothing else is."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, MutableMapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot.engine import offers, sweeping
from bot.github import faults, reads
from bot.task.configured import Configured
from storage import repositories, sessions, tasks
from storage.database import Database
from storage.models import Request
from storage.words import RequestKind
from tests import records, sweep_room
from tests.sweep_room import LABEL, Room


@pytest.fixture
async def room(database: Database, tmp_path: Path) -> AsyncIterator[Room]:
    """Serve GitHub and our receiver, over a database of each kind."""
    async with sweep_room.room(database, tmp_path) as made:
        yield made


@pytest.fixture
async def quick(sqlite: Database, tmp_path: Path) -> AsyncIterator[Room]:
    """Serve the same over SQLite alone, for a test that claims nothing of storage."""
    async with sweep_room.room(sqlite, tmp_path) as made:
        yield made


@pytest.fixture
def said() -> Iterator[list[MutableMapping[str, Any]]]:
    """Keep what is logged."""
    with capture_logs() as logs:
        yield logs


def _kinds(asked: list[Request]) -> list[tuple[RequestKind, str | None, str]]:
    return [(each.kind, each.actor, each.text["event"]) for each in asked]


async def test_a_lost_label_is_picked_up_once(room: Room) -> None:
    """The Request names who labelled the issue, and the worker is woken; the next sweeps find nothing."""
    async with room.losing():
        await room.world.label(room.issue, LABEL, "kim")
    assert await room.sweeping().once() == 1
    (request,) = await room.asked()
    assert _kinds([request]) == [(RequestKind.RUN, "kim", "sweep.labeled")]
    assert (request.repository, request.issue_number, request.delivery_id) == ("acme/shop", 1, None)
    assert request.text["title"] == "Totals are wrong"
    (happened,) = [each for each in room.issue.history if each.event == "labeled"]
    assert request.cause == f"swept:run:{room.repository_id}:1:{happened.id}"
    assert room.woken == [None]
    assert await room.sweeping().once() == 0


async def test_a_label_that_was_heard_is_not_picked_up(room: Room) -> None:
    """Its webhook's Request stands for it, also when we hear of it by a clock that is wrong by hours."""
    await room.world.label(room.issue, LABEL, "kim")
    assert len(await room.asked()) == 1
    room.later.seconds = 7200
    assert await room.sweeping().once() == 0
    room.later.seconds = -7200
    assert await room.sweeping().once() == 0


async def test_a_label_put_on_again_is_another_one(quick: Room) -> None:
    """Of a label that was taken away and put on again hours later, the second time counts by itself."""
    await quick.world.label(quick.issue, LABEL, "kim")
    await quick.asked()
    quick.world.faults.clock_offset = quick.later.seconds = 7200
    async with quick.losing():
        await quick.world.unlabel(quick.issue, LABEL, "kim")
        await quick.world.label(quick.issue, LABEL, "maria")
    quick.later.seconds += 60
    assert await quick.sweeping().once() == 1
    assert _kinds(await quick.asked())[-1] == (RequestKind.RUN, "maria", "sweep.labeled")


async def test_a_label_heard_late_is_not_a_later_one(quick: Room) -> None:
    """A label's webhook that took an hour stands for that label, not for one put on since and lost."""
    quick.world.faults.clock_offset = -3600
    await quick.world.label(quick.issue, LABEL, "kim")
    await quick.asked()
    quick.world.faults.clock_offset = -1800
    async with quick.losing():
        await quick.world.unlabel(quick.issue, LABEL, "kim")
        await quick.world.label(quick.issue, LABEL, "kim")
    quick.world.faults.clock_offset = 0
    assert await quick.sweeping().once() == 1


async def test_work_begun_since_stands_for_the_label(room: Room) -> None:
    """Who asked for the same by a command, when the label did nothing, is not given it twice."""
    async with room.losing():
        await room.world.label(room.issue, LABEL, "kim")
    owner = await room.work(kind=RequestKind.COMMENT, event="issue_comment.created")
    await room.finish(owner)
    assert await room.sweeping().once() == 0


async def test_a_fresh_label_gets_its_time_to_arrive(quick: Room) -> None:
    """What happened within the last half minute is left to its webhook, and looked at by the next sweep."""
    async with quick.losing():
        await quick.world.label(quick.issue, LABEL, "kim")
    quick.later.seconds = 0
    sweep = quick.sweeping()
    assert await sweep.once() == 0
    quick.later.seconds = 60
    assert await sweep.once() == 1


async def test_what_starts_nothing_is_left_alone(quick: Room) -> None:
    """A bot's label, another label, a closed issue and a pull request start nothing by being found."""
    world = quick.world
    async with quick.losing():
        await world.label(quick.issue, LABEL, world.user("other[bot]", "Bot"))
        await world.open_issue("acme/shop", "maria", "Other", labels=("bug",))
        closed = await world.open_issue("acme/shop", "maria", "Closed", labels=(LABEL,))
        await world.close_issue(closed, "maria")
        await world.commit("acme/shop", "theirs", {"shop.py": "TOTAL = 3\n"}, "maria", "Fix")
        pull = await world.open_pull("acme/shop", "maria", "Fix", "theirs")
        await world.label(pull.issue, LABEL, "maria")
    assert await quick.sweeping().once() == 0
    assert await quick.asked() == []


async def test_a_repositorys_own_label_counts(quick: Room) -> None:
    """Where the configuration names a label, it is that one, whatever case it is written in."""
    async with quick.database.transaction() as session:
        await repositories.save(session, quick.repository_id, "acme/shop", "Fix-Me", {})
    async with quick.losing():
        await quick.world.label(quick.issue, LABEL, "kim")
        await quick.world.label(quick.issue, "fix-me", "kim")
    assert await quick.sweeping().once() == 1


async def test_a_label_from_before_the_installation_is_not_for_us(quick: Room) -> None:
    """Who set it could not mean an App that was not there; a later label counts, at our first start too."""
    world = quick.world
    fresh = await world.open_issue("acme/shop", "maria", "Fresh")
    next(iter(world.installations.values())).created_at = world.stamp(-3600)
    async with quick.losing():
        for issue, offset in ((quick.issue, -90 * 86_400), (fresh, -1800)):
            world.faults.clock_offset = offset
            await world.label(issue, LABEL, "kim")
        world.faults.clock_offset = 0
    assert await quick.sweeping().once() == 1
    assert [each.issue_number for each in await quick.asked()] == [fresh.number]


async def test_a_label_from_before_it_started_tasks_is_not_for_us(room: Room) -> None:
    """The configuration names another label: issues that wore it before start nothing, later ones do."""
    world = room.world
    sweep = room.sweeping()
    fresh = await world.open_issue("acme/shop", "maria", "Fresh")
    async with room.losing():
        world.faults.clock_offset = -3600
        await world.label(room.issue, "bug", "kim")
        world.faults.clock_offset = 0
    assert await sweep.once() == 0  # it reads that there is no configuration
    await world.commit("acme/shop", "main", {".github/journeyman.yml": "label: Bug\n"}, "maria", "Configure")
    await Configured(room.database).read(
        room.installation, await reads.repository(room.installation, "acme/shop")
    )
    async with room.losing():
        world.faults.clock_offset = 60
        await world.label(fresh, "bug", "kim")
    world.faults.clock_offset, room.later.seconds = 0, 120
    assert await sweep.once() == 1
    told = [each.issue_number for each in await room.asked() if each.kind is RequestKind.RUN]
    assert told == [fresh.number]


async def test_everyones_label_starts_tasks_from_its_first_sweep_on(room: Room) -> None:
    """A host that renames it gets no task for each issue that wears the new name already."""
    world = room.world
    fresh = await world.open_issue("acme/shop", "maria", "Fresh")
    async with room.losing():
        world.faults.clock_offset = -3600
        await world.label(room.issue, "bug", "kim")
        world.faults.clock_offset = 0
    assert await room.sweeping().once() == 0
    assert await room.sweeping(label="bug").once() == 0
    async with room.losing():
        world.faults.clock_offset = 120
        await world.label(fresh, "bug", "kim")
    world.faults.clock_offset, room.later.seconds = 0, 240
    assert await room.sweeping(label="BUG").once() == 1
    assert [each.issue_number for each in await room.asked()] == [fresh.number]


async def test_a_configuration_that_nobody_told_us_of_is_read(quick: Room) -> None:
    """A file that was there before us names the label by which the same sweep finds an issue; once."""
    world = quick.world
    files = {".github/journeyman.yml": "label: agent\n"}
    async with quick.losing():
        await world.commit("acme/shop", "main", files, "maria", "Configure")
        await world.label(quick.issue, "agent", "kim")
    assert await quick.sweeping().once() == 1
    world.requests.clear()
    assert await quick.sweeping().once() == 0
    assert not any("journeyman.yml" in each.path for each in world.requests)


async def test_a_configuration_that_can_not_be_used_is_read_once(quick: Room) -> None:
    """It is read again after a push or a restart, not by every sweep; meanwhile everyone's label counts."""
    async with quick.losing():
        await quick.world.commit(
            "acme/shop", "main", {".github/journeyman.yml": "label: [\n"}, "maria", "Try"
        )
        await quick.world.label(quick.issue, LABEL, "kim")
    sweep = quick.sweeping()
    assert await sweep.once() == 1
    quick.world.requests.clear()
    assert await sweep.once() == 0
    assert not any("journeyman.yml" in each.path for each in quick.world.requests)


async def test_without_an_issues_history_its_author_stands_in(quick: Room) -> None:
    """A server without that list: the label of an issue we never worked on counts, as its author's, once."""
    quick.world.faults.fail("GET .*/issues/1/events", times=9, status=404, body={"message": "Not Found"})
    async with quick.losing():
        await quick.world.label(quick.issue, LABEL, "kim")
    assert await quick.sweeping().once() == 1
    assert _kinds(await quick.asked()) == [(RequestKind.RUN, "maria", "sweep.labeled")]
    quick.world.faults.clock_offset = 3600
    quick.later.seconds += 3600
    async with quick.losing():
        await quick.world.comment(quick.issue, quick.world.app.bot, "Done.")
    assert await quick.sweeping().once() == 0


async def test_lost_comments_are_picked_up_once(room: Room) -> None:
    """Of two comments the one that was heard stays one Request, and the lost one has its webhook's cause."""
    sweep = room.sweeping()
    await sweep.once()
    await room.world.comment(room.issue, "kim", "/journeyman help")
    async with room.losing():
        lost = await room.world.comment(room.issue, "maria", "/journeyman run")
        await room.world.comment(room.issue, room.world.app.bot, "Not for us.")
        ours = await room.world.comment(room.issue, "maria", "Said through us.")
        ours.via = room.world.app
    assert await sweep.once() == 1
    first, second = await room.asked()
    assert (first.actor, first.delivery_id is None) == ("kim", False)
    assert _kinds([second]) == [(RequestKind.COMMENT, "maria", "issue_comment.created")]
    assert second.cause == f"comment:{room.repository_id}:{lost.id}"
    assert (second.text["body"], second.text["is_pull"]) == ("/journeyman run", False)
    assert await sweep.once() == await room.sweeping().once() == 0
    await room.world.comment(room.issue, "kim", "/journeyman status")
    assert len(await room.asked()) == 3


async def test_a_comment_that_was_just_said_is_on_its_way(quick: Room) -> None:
    """Found in its first half minute it would be heard before the label that came before it."""
    quick.later.seconds, sweep = 0, quick.sweeping()
    await sweep.once()
    async with quick.losing():
        await quick.world.comment(quick.issue, "kim", "/journeyman help")
    assert await sweep.once() == 0
    quick.later.seconds = 60
    assert await sweep.once() == 1


async def test_what_was_looked_at_is_not_asked_for_again(quick: Room) -> None:
    """The next question begins ten minutes before the newest comment, and stays so until there is one."""
    sweep = quick.sweeping()
    await sweep.once()
    first = await _asked_since(quick)
    quick.world.faults.clock_offset = 3600
    async with quick.losing():
        made = await quick.world.comment(quick.issue, "kim", "Hello")
    await sweep.once()
    assert await _asked_since(quick) == first
    for _ in range(2):
        quick.later.seconds += 240
        await sweep.once()
        moved = datetime.fromisoformat(made.created_at) - timedelta(minutes=10)
        assert await _asked_since(quick) == moved


async def _asked_since(room: Room) -> datetime:
    asked = [each for each in room.world.requests if each.path.endswith("/issues/comments")]
    return datetime.fromisoformat(asked[-1].query["since"])


async def test_old_comments_are_not_replayed(quick: Room) -> None:
    """What was said before we came is not for us, and an old comment stays old when it is edited."""
    quick.world.faults.clock_offset = -3600
    async with quick.losing():
        old = await quick.world.comment(quick.issue, "maria", "/journeyman run")
    quick.world.faults.clock_offset = 0
    sweep = quick.sweeping()
    assert await sweep.once() == 0
    async with quick.losing():
        await quick.world.edit_comment(old, "maria", "/journeyman run model=x")
    assert await sweep.once() == 0


async def test_a_lost_review_is_picked_up_once(quick: Room) -> None:
    """A person's review of our pull request becomes the Request that its webhook would have made."""
    pull = await quick.offer(await quick.work())
    async with quick.losing():
        given = await quick.world.review(pull, "maria", "REQUEST_CHANGES", "Please test it.")
        await quick.world.review(pull, quick.world.user("other[bot]", "Bot"), "COMMENT", "Nice.")
    assert await quick.sweeping().once() == 1
    request = (await quick.asked())[-1]
    assert _kinds([request]) == [(RequestKind.REVIEW, "maria", "pull_request_review.submitted")]
    assert (request.cause, request.issue_number) == (f"review:{quick.repository_id}:{given.id}", 2)
    assert (request.text["state"], request.text["head_ref"]) == ("changes_requested", "work")
    assert await quick.sweeping().once() == 0


async def test_a_review_is_not_lost_with_its_session(room: Room) -> None:
    """The issue was closed or labelled again, or there never was one: the pull request is still reviewed."""
    owner = await room.work()
    pull = await room.offer(owner)
    await room.finish(owner)
    api = await records.a_session(room.database, None, repository_id=room.repository_id)
    other = await room.offer(api, "other")
    async with room.database.transaction() as session:
        await sessions.end(session, owner.id)
    async with room.losing():
        for each in (pull, other):
            await room.world.review(each, "maria", "REQUEST_CHANGES", "Please test it.")
    sweep = room.sweeping()
    assert await sweep.once() == 2
    assert {each.issue_number for each in (await room.asked())[-2:]} == {
        pull.issue.number,
        other.issue.number,
    }
    assert await sweep.once() == 0
    room.world.requests.clear()
    await sweep.once()
    asked = [each for each in room.world.requests if "/pulls/" in each.path]
    assert [each.status for each in asked] == [304] * 4


async def test_many_pull_requests_take_turns(quick: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """One look asks about so many of a repository's; those not seen for longest come first."""
    monkeypatch.setattr(offers, "MOST", 2)
    owners = [await records.a_session(quick.database, None, repository_id=quick.repository_id) for _ in "abc"]
    pulls = [(await quick.offer(owner, name)).issue.number for owner, name in zip(owners, "abc", strict=True)]
    sweep = quick.sweeping()
    seen = []
    for _ in range(2):
        quick.world.requests.clear()
        await sweep.once()
        seen += [
            int(each.path.split("/")[5]) for each in quick.world.requests if each.path.endswith("/reviews")
        ]
    assert len(seen) == 4
    assert set(seen) == set(pulls)


@pytest.mark.parametrize("known", [True, False])
async def test_a_pull_request_that_is_open_after_all_is_reopened_once(room: Room, *, known: bool) -> None:
    """We hold it for closed, since its closing came late or its reopening got lost."""
    owner = await room.work()
    pull = await room.offer(owner)
    await room.finish(owner)
    async with room.losing():
        await room.world.close_issue(pull.issue, "kim")
        if not known:
            await room.world.reopen_issue(pull.issue, "kim")
    if known:
        await room.world.reopen_issue(pull.issue, "kim")
    before = len(await room.asked())
    async with room.database.transaction() as session:
        await sessions.change(session, owner.id, pull_state="closed")
        await sessions.end(session, owner.id)
    assert await room.sweeping().once() == 1
    request = (await room.asked())[before]
    assert (request.kind, request.issue_number) == (RequestKind.PULL_REOPENED, pull.issue.number)
    assert await room.sweeping().once() == 0
    room.later.seconds = 0
    async with room.database.transaction() as session:
        await sessions.end(session, owner.id)
    assert await room.sweeping().once() == 0  # closed a moment ago: GitHub may not show it yet
    room.later.seconds = 4 * 86_400
    assert await room.sweeping().once() == 0  # closed long ago: no delivery of then comes any more


async def test_a_pull_request_that_is_closed_stays_closed(quick: Room) -> None:
    """That of a session that ended lately is looked at, and nothing comes of it."""
    owner = await quick.work()
    pull = await quick.offer(owner)
    await quick.finish(owner)
    await quick.world.close_issue(pull.issue, "kim")
    count = len(await quick.asked())
    async with quick.database.transaction() as session:
        await sessions.change(session, owner.id, pull_state="closed")
        await sessions.end(session, owner.id)
    assert await quick.sweeping().once() == 0
    assert len(await quick.asked()) == count


@pytest.mark.parametrize("merged", [True, False])
async def test_a_lost_end_of_a_pull_request_is_picked_up_once(quick: Room, *, merged: bool) -> None:
    """The Request says who ended it and how, and has its webhook's cause."""
    owner = await quick.work()
    pull = await quick.offer(owner)
    await quick.finish(owner)
    async with quick.losing():
        if merged:
            await quick.world.merge(pull, "kim")
        else:
            await quick.world.close_issue(pull.issue, "kim")
    assert await quick.sweeping().once() == 1
    request = (await quick.asked())[-1]
    assert _kinds([request]) == [(RequestKind.PULL_CLOSED, "kim", "pull_request.closed")]
    assert request.cause == f"pull_closed:{quick.repository_id}:2:{pull.issue.closed_at}"
    assert request.text["merged"] is merged
    assert await quick.sweeping().once() == 0


async def test_a_heard_end_of_a_pull_request_is_not_picked_up(quick: Room) -> None:
    """The webhook's Request and the sweep's are one."""
    pull = await quick.offer(await quick.work())
    await quick.world.review(pull, "maria", "COMMENT", "Hm.")
    await quick.world.merge(pull, "kim")
    count = len(await quick.asked())
    assert await quick.sweeping().once() == 0
    assert len(await quick.asked()) == count


async def test_a_lost_close_stops_the_work_once(room: Room) -> None:
    """The issue closed under a running task becomes a STOP in the closer's name."""
    await room.work()
    async with room.losing():
        await room.world.close_issue(room.issue, "kim")
    assert await room.sweeping().once() == 1
    assert _kinds(await room.asked())[1:] == [(RequestKind.STOP, "kim", "issues.closed")]
    assert await room.sweeping().once() == 0


async def test_a_lost_unlabeling_stops_what_the_label_began(quick: Room) -> None:
    """The label taken away becomes a STOP in the name of who took it; while it was there nothing stopped."""
    await quick.work()
    assert await quick.sweeping().once() == 0
    assert not any(each.path.endswith("/events") for each in quick.world.requests)
    async with quick.losing():
        await quick.world.unlabel(quick.issue, LABEL, "kim")
    assert await quick.sweeping().once() == 1
    assert _kinds(await quick.asked())[-1] == (RequestKind.STOP, "kim", "issues.unlabeled")


async def test_who_asked_after_the_close_meant_it(quick: Room) -> None:
    """A command on an issue that was closed before is no reason to stop what it began."""
    async with quick.losing():
        await quick.world.close_issue(quick.issue, "kim")
    moment = quick.world.stamp(5)
    await quick.work(kind=RequestKind.COMMENT, event="issue_comment.created", created_at=moment)
    assert await quick.sweeping().once() == 0


async def test_what_stops_already_is_not_stopped_again(quick: Room) -> None:
    """A task that someone asked to stop needs no other reason."""
    owner = await quick.work()
    async with quick.database.transaction() as session:
        await tasks.want_cancel(session, owner.id, "@kim said stop")
    async with quick.losing():
        await quick.world.close_issue(quick.issue, "kim")
    assert await quick.sweeping().once() == 0


async def test_a_label_of_another_name_was_not_taken_away(quick: Room) -> None:
    """A repository that changes its trigger label stops none of the work that the old one began."""
    await quick.work()
    async with quick.database.transaction() as session:
        await repositories.save(session, quick.repository_id, "acme/shop", "other", {})
    assert await quick.sweeping().once() == 0


async def test_work_begun_by_a_command_needs_no_label(quick: Room) -> None:
    """A label that came and went meanwhile stops nothing that it did not begin."""
    moment = quick.world.stamp(-5)
    await quick.work(kind=RequestKind.COMMENT, event="issue_comment.created", created_at=moment)
    async with quick.losing():
        await quick.world.label(quick.issue, LABEL, "maria")
        await quick.world.unlabel(quick.issue, LABEL, "maria")
    assert await quick.sweeping().once() == 0


async def test_an_issue_that_is_gone_stops_the_work(quick: Room) -> None:
    """A deleted issue answers 410, and its task is asked to stop."""
    await quick.work()
    async with quick.losing():
        await quick.world.delete_issue(quick.issue, "maria")
    assert await quick.sweeping().once() == 1
    assert _kinds(await quick.asked())[-1] == (RequestKind.STOP, "ghost", "issues.deleted")


async def test_things_are_told_in_the_order_in_which_they_happened(quick: Room) -> None:
    """A label and a comment that were lost together come in their own order."""
    world = quick.world
    async with quick.losing():
        world.faults.clock_offset = -100
        await world.comment(quick.issue, "maria", "first")
        world.faults.clock_offset = -80
        await world.label(quick.issue, LABEL, "maria")
        world.faults.clock_offset = -60
        await world.comment(quick.issue, "maria", "last")
        world.faults.clock_offset = 0
    assert await quick.sweeping().once() == 3
    kinds = [each.kind for each in await quick.asked()]
    assert kinds == [RequestKind.COMMENT, RequestKind.RUN, RequestKind.COMMENT]


async def test_one_repositorys_failure_stops_no_other(quick: Room) -> None:
    """While one repository answers with errors the others are swept, and it is swept when it is back."""
    await quick.world.seed_repository("acme/mill", {"a.py": "A = 1\n"})
    async with quick.losing():
        for name in ("acme/shop", "acme/mill"):
            thread = await quick.world.open_issue(name, "maria", "Broken", labels=(LABEL,))
            await quick.world.comment(thread, "maria", "Hello")
    quick.world.faults.fail("GET /repos/acme/shop/issues", times=3, status=403, body={"message": "No."})
    sweep = quick.sweeping()
    assert await sweep.once() == 2
    assert {each.repository for each in await quick.asked()} == {"acme/mill"}
    quick.world.faults.calm()
    assert await sweep.once() == 2


async def test_an_unchanged_repository_costs_nothing(quick: Room) -> None:
    """The second sweep's questions about repositories are answered 304, on the second page too."""
    for number in range(3):
        await quick.world.open_issue("acme/shop", "maria", f"Issue {number}", labels=(LABEL,))
        await quick.world.comment(quick.issue, "maria", f"Comment {number}")
    await quick.asked()
    quick.world.faults.page_size = 2
    sweep = quick.sweeping()
    for _ in range(2):  # what was said moves the question once
        await sweep.once()
    quick.world.requests.clear()
    await sweep.once()
    asked = [each for each in quick.world.requests if each.path.startswith("/repos/")]
    assert {each.path for each in asked} == {"/repos/acme/shop/issues", "/repos/acme/shop/issues/comments"}
    assert [each.status for each in asked] == [304] * len(asked)
    assert len([each for each in asked if each.path.endswith("/issues")]) == 2
    assert len([each for each in asked if each.path.endswith("/issues/comments")]) == 2


async def test_failed_deliveries_are_redelivered_once(room: Room) -> None:
    """One that failed and one that timed out come again, are waited for, and are not found lost besides."""
    room.world.hook_url = room.hook.url.replace("webhooks", "nowhere")
    await room.world.label(room.issue, LABEL, "kim")
    await room.world.delivered()
    room.world.hook_url = None
    await room.world.comment(room.issue, "kim", "/journeyman help")
    await room.world.delivered()
    room.world.hook_url = room.hook.url
    failed = [each for each in room.world.deliveries if each.status != "OK"]
    assert [each.status_code for each in failed] == [404, 0]
    assert await room.sweeping().once() == 0
    asked = await room.asked()
    assert [each.delivery_id for each in asked] == [each.guid for each in failed]
    assert [each.redelivery for each in room.world.deliveries].count(True) == 2
    room.later.seconds += 86_400
    assert await room.sweeping().once() == 0
    assert [each.redelivery for each in room.world.deliveries].count(True) == 2


async def test_what_we_stored_is_not_redelivered(quick: Room) -> None:
    """A delivery that GitHub gave up, but that we had stored by then, needs no other attempt."""
    await quick.world.comment(quick.issue, "kim", "/journeyman help")
    await quick.world.delivered()
    quick.world.deliveries[-1].status_code = 0
    quick.world.deliveries[-1].status = "timed out"
    assert await quick.sweeping().once() == 0
    assert not any(each.redelivery for each in quick.world.deliveries)


async def test_a_delivery_that_fails_again_waits_longer(quick: Room) -> None:
    """Redelivered at once, then after ten minutes, then after twenty, by whichever worker."""
    quick.world.hook_url = None
    await quick.world.comment(quick.issue, "kim", "/journeyman help")
    await quick.world.delivered()
    guid = quick.world.deliveries[-1].guid
    tries = []
    for seconds in (60, 300, 700, 1400, 2000):
        quick.later.seconds = quick.world.faults.clock_offset = seconds
        quick.later.seconds += 40
        await quick.sweeping(patience_seconds=0).once()
        await quick.world.delivered()
        tries.append([each.guid for each in quick.world.deliveries].count(guid) - 1)
    assert tries == [1, 1, 2, 2, 3]


async def test_a_server_without_deliveries_is_swept_all_the_same(quick: Room) -> None:
    """Where GitHub has no record of deliveries, the comparison does without."""
    quick.world.faults.fail("GET /app/hook/deliveries", status=404, body={"message": "Not Found"})
    async with quick.losing():
        await quick.world.comment(quick.issue, "kim", "/journeyman help")
    assert await quick.sweeping().once() == 1


async def test_a_server_without_a_list_of_repositories_is_swept_where_we_were(room: Room) -> None:
    """Then the repositories are those in which something was asked for, by the name they had last."""
    await room.world.label(room.issue, LABEL, "kim")
    await room.asked()
    room.world.rename_repository(room.world.repository("acme/shop"), "store")
    async with room.losing():
        await room.world.comment(room.world.issue("acme/store", 1), "kim", "/journeyman help")
    room.world.faults.fail("GET /installation/repositories", status=404, body={"message": "Not Found"})
    assert await room.sweeping().once() == 1
    assert (await room.asked())[-1].repository == "acme/store"


async def test_two_workers_do_not_sweep_at_once(room: Room) -> None:
    """On PostgreSQL the second gives way; in one process one sweep at a time is all there is."""
    first = room.sweeping()
    others = [first] if room.database.is_sqlite else [first, room.sweeping()]
    async with room.losing():
        await room.world.comment(room.issue, "kim", "/journeyman help")
    room.world.faults.slow("GET /app/installations", 0.5)
    running = asyncio.create_task(first.once())
    await _until(lambda: _sweeps(room) == 1)
    assert [await each.once() for each in others] == [0] * len(others)
    assert not running.done()
    assert await running == 1


async def test_the_loop_sweeps_at_start_and_when_it_is_due(
    quick: Room, monkeypatch: pytest.MonkeyPatch, said: list[MutableMapping[str, Any]]
) -> None:
    """A start does not wait; then four minutes count from the last sweep's start, also of one that failed."""
    monkeypatch.setattr(sweeping, "LOOK_SECONDS", 0.01)
    quick.world.faults.fail("GET /app/installations", status=403, body={"message": "Not now."})
    sweep = quick.sweeping()
    looks: list[bool] = []
    is_due = sweep._is_due

    async def counted() -> bool:
        looks.append(await is_due())
        return looks[-1]

    monkeypatch.setattr(sweep, "_is_due", counted)
    running = asyncio.create_task(sweep.run())
    try:
        await _until(lambda: len(looks) >= 3)
        quick.later.seconds += 220
        looks.clear()
        await _until(lambda: len(looks) >= 3)
        assert (_sweeps(quick), set(looks)) == (1, {False})
        quick.later.seconds += 30
        await _until(lambda: _sweeps(quick) == 2)
        looks.clear()
        await _until(lambda: len(looks) >= 3)
        assert (_sweeps(quick), set(looks)) == (2, {False})
    finally:
        running.cancel()
        await asyncio.wait([running])
    assert [(line["event"], line["log_level"]) for line in said if "why" in line] == [
        ("sweep.unavailable", "warning")
    ]
    assert not any("exc_info" in line for line in said)  # that GitHub refuses is no bug of ours


async def test_a_record_of_deliveries_that_is_away_is_no_bug_of_ours(
    quick: Room, said: list[MutableMapping[str, Any]]
) -> None:
    """The log says in one line what GitHub said."""
    quick.world.faults.fail("GET /app/hook/deliveries", status=429, headers={"retry-after": "3600"})
    with pytest.raises(faults.RateLimited):
        await quick.sweeping().once()
    (line,) = (line for line in said if line["event"] == "sweep.deliveries_unavailable")
    assert (line["log_level"], "exc_info" in line) == ("warning", False)


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110  # what is waited for is GitHub's side
            await asyncio.sleep(0.01)


def _sweeps(room: Room) -> int:
    return len([each for each in room.world.requests if each.path == "/app/hook/deliveries"])


async def test_a_full_purse_bounds_what_a_sweep_costs(quick: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """With more repositories than the purse pays for, each sweep takes those not seen for longest."""
    monkeypatch.setattr(sweeping, "PURSE", 6.0)
    monkeypatch.setattr(sweeping, "ALLOWANCE", 6.0)
    for name in ("acme/a", "acme/b", "acme/c"):
        await quick.world.seed_repository(name, {"a.py": "A = 1\n"})
    sweep = quick.sweeping()
    seen = []
    for _ in range(2):
        quick.world.requests.clear()
        await sweep.once()
        paths = [each.path for each in quick.world.requests if each.path.endswith("/issues/comments")]
        seen.append({path.split("/")[3] for path in paths})
    assert [len(each) for each in seen] == [2, 2]
    assert seen[0] | seen[1] == {"shop", "a", "b", "c"}


async def test_a_comment_that_arrives_after_all_is_one_request(room: Room) -> None:
    """When the redelivery and the comparison both bring a comment, in any order, it is one Request."""
    room.world.hook_url = None
    await room.world.comment(room.issue, "kim", "/journeyman help")
    await room.world.delivered()
    room.world.hook_url = room.hook.url
    await room.sweeping(patience_seconds=0).once()
    (request,) = await room.asked()
    assert (request.kind, request.actor) == (RequestKind.COMMENT, "kim")
    assert [each.redelivery for each in room.world.deliveries].count(True) == 1
