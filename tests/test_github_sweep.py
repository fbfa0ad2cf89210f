"""What GitHub says of now is read as the sweep needs it, from a served GitHub and from a stranger one."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.github import faults, sweep
from bot.github.client import GitHub, Installation
from tests import github_world
from tests.github_stub import ALICE, BOT, START, Stub, Time, stamp
from tests.github_world import Bench

SHOP = "acme/shop"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
LABEL = "needs: work & more/ü"


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Serve a world with one repository and one issue."""
    async with github_world.bench(tmp_path) as made:
        await made.world.open_issue(SHOP, "maria", "Totals are wrong")
        yield made


@pytest.fixture
async def github(bench: Bench) -> AsyncIterator[GitHub]:
    """Return the App's client of that world."""
    app = bench.world.app
    made = GitHub(bench.session, api_url=bench.world.url, app_id=str(app.id), private_key=app.private_key)
    yield made
    await made.close()


def _installed(bench: Bench, github: GitHub) -> Installation:
    return github.for_installation(next(iter(bench.world.installations)))


async def test_attempts_are_read_page_by_page(bench: Bench, github: GitHub) -> None:
    """Every attempt is told, newest first, over cursors; one that got no answer at all did not succeed."""
    world = bench.world
    await world.delivered()
    world.hook_url = None
    await world.close_issue(world.issue(SHOP, 1), "maria")
    await world.delivered()
    world.faults.page_size = 2
    found = await sweep.attempts(github.app(), LONG_AGO)
    assert [each.id for each in found] == [each.id for each in reversed(world.deliveries)]
    assert len([each for each in world.requests if each.path == "/app/hook/deliveries"]) > 1
    assert (found[0].event, found[0].action, found[0].succeeded) == ("issues", "closed", False)
    assert found[1].succeeded
    assert await sweep.attempts(github.app(), found[0].at + timedelta(seconds=1)) == []


async def test_a_redelivery_keeps_the_guid(bench: Bench, github: GitHub) -> None:
    """The new attempt is one more of the same event; an unknown delivery is refused."""
    await bench.world.delivered()
    first = (await sweep.attempts(github.app(), LONG_AGO))[0]
    await sweep.redeliver(github.app(), first)
    await bench.world.delivered()
    again = (await sweep.attempts(github.app(), LONG_AGO))[0]
    assert (again.guid, again.redelivery, first.redelivery) == (first.guid, True, False)
    assert again.id != first.id
    del bench.world.deliveries[:]
    with pytest.raises(faults.NotFound):
        await sweep.redeliver(github.app(), first)


async def test_installations_and_repositories(bench: Bench, github: GitHub) -> None:
    """A suspended installation is left out, an archived repository is marked."""
    world = bench.world
    (installation,) = world.installations.values()
    (found,) = await sweep.installations(github.app())
    assert (found.id, found.created_at) == (
        installation.id, datetime.fromisoformat(installation.created_at)
    )  # fmt: skip
    world.repository(SHOP).archived = True
    (place,) = await sweep.repositories(_installed(bench, github))
    assert (place.full_name, place.id, place.archived) == (SHOP, world.repository(SHOP).id, True)
    world.suspend(installation)
    assert await sweep.installations(github.app()) == []


async def test_open_issues_that_wear_a_label(bench: Bench, github: GitHub) -> None:
    """A pull request, a closed issue and one without the label are left out, whatever the label's letters."""
    world = bench.world
    await world.label(world.issue(SHOP, 1), LABEL, "maria")
    await world.open_issue(SHOP, "maria", "Plain")
    await world.close_issue(await world.open_issue(SHOP, "maria", "Closed", labels=(LABEL,)), "maria")
    await world.commit(SHOP, "work", {"shop.py": "TOTAL = 2\n"}, "maria", "Fix")
    await world.label((await world.open_pull(SHOP, "maria", "Fix", "work")).issue, LABEL, "maria")
    (thread,) = await sweep.labelled(_installed(bench, github), SHOP, LABEL)
    assert (thread.number, thread.is_open, thread.repository) == (1, True, SHOP)
    assert thread.wears(LABEL.upper())


async def test_an_issues_history_names_who_did_what(bench: Bench, github: GitHub) -> None:
    """Labels put on, taken away, and closings have their moment and their actor."""
    world, thread = bench.world, bench.world.issue(SHOP, 1)
    await world.label(thread, "bug", "kim")
    await world.unlabel(thread, "bug", "maria")
    await world.close_issue(thread, "maria")
    past = await sweep.history(_installed(bench, github), SHOP, 1)
    told = [(each.event, each.label, (each.actor or {})["login"]) for each in past]
    assert told == [("labeled", "bug", "kim"), ("unlabeled", "bug", "maria"), ("closed", "", "maria")]
    assert all(each.at.tzinfo for each in past)


async def test_comments_since_a_moment(bench: Bench, github: GitHub) -> None:
    """Comments of all threads come with their thread's number; a bot's is no person's."""
    world = bench.world
    world.faults.clock_offset = -600
    await world.comment(world.issue(SHOP, 1), "maria", "Old")
    world.faults.clock_offset = 0
    other = await world.open_issue(SHOP, "maria", "Second")
    await world.comment(other, "kim", "Hello")
    await world.comment(other, world.app.bot, "Beep")
    since = datetime.now(UTC) - timedelta(seconds=300)
    found = await sweep.comments(_installed(bench, github), SHOP, since)
    assert [(each.number, each.told["body"], each.by_person) for each in found] == [
        (2, "Hello", True),
        (2, "Beep", False),
    ]


async def test_a_pull_request_and_its_reviews(bench: Bench, github: GitHub) -> None:
    """A review has its moment and its author; the end of a pull request has its own."""
    world = bench.world
    await world.commit(SHOP, "work", {"shop.py": "TOTAL = 2\n"}, "maria", "Fix")
    made = await world.open_pull(SHOP, "maria", "Fix", "work")
    given = await world.review(made, "kim", "APPROVE", "Fine.")
    installed = _installed(bench, github)
    assert (await sweep.pull(installed, SHOP, 2)).closed_at is None
    (said,) = await sweep.reviews(installed, SHOP, 2)
    assert (said.id, said.number, said.by_person) == (given.id, 2, True)
    await world.merge(made, "kim")
    assert (await sweep.pull(installed, SHOP, 2)).closed_at is not None


async def test_what_a_stranger_server_leaves_out() -> None:
    """A pending review, a deleted author, an address that is none: none is taken for a person's word."""
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:
        installed = stub.client(http).for_installation(5)
        moment = stamp(START)

        def said(number: int, user: Any, **more: Any) -> dict[str, Any]:
            times = {"created_at": moment, "updated_at": moment, "submitted_at": moment}
            return {"id": number, "user": user, "issue_url": "https://h/issues/4", **times, **more}

        stub.says("/repos/o/r/pulls/4/reviews", [
            said(1, ALICE, state="PENDING", submitted_at=None), said(2, ALICE, state="pending"),
            said(3, ALICE, state="APPROVED"), said(4, None, state="COMMENTED"),
            said(5, BOT, state="COMMENTED"),
        ])  # fmt: skip
        reviews = await sweep.reviews(installed, "o/r", 4)
        assert [(each.id, each.by_person) for each in reviews] == [(3, True), (4, False), (5, False)]
        stub.says("/repos/o/r/issues/comments", [said(6, ALICE), said(7, ALICE, issue_url="https://h/x?4")])
        assert [each.number for each in await sweep.comments(installed, "o/r", LONG_AGO)] == [4, 0]
        assert await sweep.history(installed, "o/r", 4) == []
        stub.says("/repos/o/r/issues/9/events", {"message": "Sorry"}, 405)
        assert await sweep.history(installed, "o/r", 9) == []
