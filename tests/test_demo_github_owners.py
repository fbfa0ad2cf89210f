"""What owners do with repositories has its effect, and the App hears of it and understands it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from storage.database import Database
from storage.models import Delivery, Request
from storage.words import DeliveryState, RequestKind
from tests import github_world
from tests.github_world import REPO, Bench
from tests.webhook_post import receiving

CONFIGURATION = ".github/journeyman.yml"


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Serve a world with one repository and one open issue."""
    async with github_world.bench(tmp_path) as made:
        await made.world.open_issue("acme/shop", "maria", "Totals are wrong")
        yield made


async def test_a_withdrawn_repository_is_out_of_reach(bench: Bench) -> None:
    """Without it in the selection the repository answers 404 and tells nothing; granted again it does."""
    world = bench.world
    shop, installation = world.repository("acme/shop"), next(iter(world.installations.values()))
    world.withdraw(installation, shop, "maria")
    assert (await bench.ask("GET", REPO)).status == 404
    await world.comment(world.issue(shop, 1), "maria", "Anyone?")
    assert await bench.names() == ["issues.opened"]
    world.grant(installation, shop, "maria")
    assert (await bench.ask("GET", REPO)).status == 200
    told = [each for each in world.deliveries if each.event == "installation_repositories"]
    assert [each.action for each in told] == ["removed", "added"]
    assert told[0].json()["repositories_removed"][0]["full_name"] == "acme/shop"


async def test_a_moved_repository_answers_at_its_new_name(bench: Bench) -> None:
    """After a transfer the old name answers 301, and the new owner's installation hears of it."""
    world = bench.world
    world.install("lee")
    world.transfer_repository(world.repository("acme/shop"), "lee", "maria")
    assert (await bench.ask("GET", REPO)).status == 301
    assert (await bench.ask("GET", "/repos/lee/shop")).status == 404  # with the old owner's token
    told = world.deliveries[-1]
    assert (told.name, told.json()["repository"]["full_name"]) == ("repository.transferred", "lee/shop")
    assert told.json()["changes"]["owner"]["from"]["organization"]["login"] == "acme"


async def test_a_transferred_issue_is_gone(bench: Bench) -> None:
    """The old number answers 410; the issue is in the other repository."""
    other = await bench.world.seed_repository("acme/other", {"a": "b"})
    issue = bench.world.issue("acme/shop", 1)
    assert (await bench.world.transfer_issue(issue, other, "maria")).number == 1
    assert (await bench.ask("GET", f"{REPO}/issues/1")).status == 410
    moved = await bench.ask("GET", "/repos/acme/other/issues/1")
    assert moved.body["title"] == "Totals are wrong"


async def test_the_router_understands_the_stand_in(bench: Bench, sqlite: Database, tmp_path: Path) -> None:
    """Every event that it sends is taken by the receiver as the Request that it must become."""
    world = bench.world
    thread, shop = world.issue("acme/shop", 1), world.repository("acme/shop")
    remark = await world.comment(thread, "maria", "/journeyman run")
    await world.edit_comment(remark, "maria", "/journeyman stop")
    await world.commit(shop, "main", {CONFIGURATION: "draft: true\n"}, "maria", "Configure")
    await world.commit(shop, "main", {CONFIGURATION: None}, "maria", "Configure no more")
    await world.commit(shop, "work", {"shop.py": "TOTAL = 2\n"}, "maria", "Fix")
    pull = await world.open_pull(shop, "maria", "Fix", "work")
    line = {"path": "shop.py", "line": 1, "body": "Why?"}
    await world.review(pull, "maria", "REQUEST_CHANGES", "No.", (line,))
    check = world.new_check(shop, "ci", pull.head_sha, conclusion="failure")
    world.tell_check(check, "completed", world.app.bot)
    await world.rerequest(check, "maria")
    await world.rerequest_all(check, "maria")
    await world.close_issue(pull.issue, "maria")
    await world.reopen_issue(pull.issue, "maria")
    world.archive_repository(shop, "maria")
    world.suspend(next(iter(world.installations.values())))
    await world.delivered()
    async with receiving(sqlite, tmp_path / "data") as hook:
        for each in world.deliveries:
            assert await hook.post(each.payload, event=each.event, id_=each.guid) in (200, 202)
        assert DeliveryState.PARKED not in {row.state for row in await hook.rows(Delivery)}
        kinds = [request.kind for request in await hook.rows(Request)]
    kind = RequestKind
    expected = [
        kind.INSTALLATION,
        kind.CONFIGURED,
        kind.COMMENT,
        kind.EDITED,
        kind.CONFIGURED,
        kind.CONFIGURED,
    ]
    expected += [
        kind.REVIEW,
        kind.CHECK_FAILED,
        kind.BUTTON,
        kind.BUTTON,
        kind.PULL_CLOSED,
        kind.PULL_REOPENED,
    ]
    assert kinds == [*expected, kind.REPOSITORY, kind.INSTALLATION]
