"""GitHub's own description catches a stand-in, or an App, that departs from it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from demo.github.world import World
from tests import github_description, github_world, openapi
from tests.github_world import REPO, Bench

ISSUES = f"{REPO}/issues"


@pytest.fixture(autouse=True)
def _description() -> None:
    """Skip, saying why, where the description can't be had."""
    if reason := github_description.absence():
        pytest.skip(reason)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Serve a world with one repository and one issue."""
    async with github_world.bench(tmp_path) as made:
        await made.world.open_issue("acme/shop", "maria", "Totals are wrong")
        yield made


def _take(world: World) -> str:
    """Return the newest violations and forget the request that made them."""
    found = openapi.violations(world)
    world.requests.clear()
    return "\n".join(found)


async def test_what_the_app_sends_is_held(bench: Bench) -> None:
    """Unknown fields, unknown parameters, wrong types and unknown routes are violations."""
    world = bench.world
    assert _take(world) == ""
    await bench.ask("POST", f"{ISSUES}/1/comments", {"body": "x", "colour": "red"})
    assert _take(world).endswith("unknown field colour")
    await bench.ask("GET", f"{ISSUES}?perpage=3")
    assert _take(world).endswith("unknown query parameter perpage")
    await bench.ask("GET", f"{ISSUES}?state=any")
    assert "query state" in _take(world)
    await bench.ask("GET", f"{ISSUES}/1/colours")
    assert _take(world).endswith("GitHub has no such operation")
    await bench.ask("POST", f"{ISSUES}/1/labels", {"labels": [{"name": "x", "size": 3}]})
    assert "unknown field labels.size" in _take(world)


async def test_what_the_stand_in_says_is_held(bench: Bench) -> None:
    """A missing field in an answer and one in a payload are violations."""
    await bench.ask("GET", f"{ISSUES}/1")
    entry = bench.world.requests[-1]
    del entry.response_body["node_id"]
    assert '"node_id" is a required property' in _take(bench.world)
    delivery = bench.world.deliveries[-1]
    kept, delivery.payload = delivery.payload, delivery.payload.replace(b'"sender"', b'"from"')
    assert "delivery issues.opened" in _take(bench.world)
    delivery.payload = kept


def test_without_npm_the_reason_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where npm isn't there, or fails, the description is unavailable for a reason that can be read."""
    monkeypatch.setattr(github_description, "CACHE", tmp_path / "cache")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(github_description.Unavailable, match="npm is not installed"):
        github_description._fetch("@octokit/openapi", "x", tmp_path / "cache" / "x.json")
    (tmp_path / "npm").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "npm").chmod(0o755)
    with pytest.raises(github_description.Unavailable, match="npm pack @octokit/openapi failed"):
        github_description._fetch("@octokit/openapi", "x", tmp_path / "cache" / "x.json")


OPERATIONS = [
    ("GET", f"{REPO}/labels", None),
    ("POST", f"{REPO}/labels", {"name": "bug", "color": "ff0000", "description": "Broken"}),
    ("GET", f"{REPO}/labels/bug", None),
    ("POST", ISSUES, {"title": "Second", "body": "Text", "labels": ["bug"], "assignees": ["maria"]}),
    ("PUT", f"{ISSUES}/2/labels", {"labels": ["one", "two"]}),
    ("GET", f"{ISSUES}/2/labels", None),
    ("DELETE", f"{ISSUES}/2/labels", None),
    ("PATCH", f"{ISSUES}/2", {"labels": ["three"], "body": "Other"}),
    ("DELETE", f"{ISSUES}/2/assignees", {"assignees": ["maria"]}),
    ("PUT", f"{ISSUES}/2/lock", {"lock_reason": "resolved"}),
    ("DELETE", f"{ISSUES}/2/lock", None),
    ("GET", f"{REPO}/branches", None),
    ("GET", f"{REPO}/git/matching-refs/heads", None),
    ("GET", f"{REPO}/commits?sha=main&per_page=1", None),
    ("GET", f"{REPO}/contents", None),
    ("GET", f"{REPO}/contents/shop.py", None),
    ("GET", f"{REPO}/pulls/3", None),
    ("GET", f"{REPO}/pulls?state=all&sort=updated", None),
    ("GET", f"{ISSUES}/3", None),
    ("POST", f"{ISSUES}/3/comments", {"body": "On a pull request"}),
    ("GET", f"{ISSUES}?state=all", None),
    ("GET", f"{REPO}/rules/branches/main", None),
    ("GET", "/installation/repositories", None),
    ("DELETE", "/installation/token", None),
]


async def test_every_operation_fits(bench: Bench) -> None:
    """What the other tests leave out answers too, and the bench holds it against the description."""
    await bench.world.commit("acme/shop", "work", {"shop.py": "TOTAL = 2\n"}, "maria", "Fix")
    for method, path, body in OPERATIONS:
        if "/3" in path and 3 not in bench.world.pulls[bench.world.repository("acme/shop").id]:
            await bench.world.open_pull("acme/shop", "maria", "Fix", "work")
        reply = await bench.ask(method, path, body)
        assert reply.status < 300, (method, path, reply.body)


async def test_every_event_fits(bench: Bench) -> None:
    """Each event that people can cause is sent, and the bench holds it against the description."""
    world = bench.world
    await world.commit("acme/shop", "work", {"shop.py": "TOTAL = 2\n"}, "maria", "Fix")
    pull = await world.open_pull("acme/shop", "maria", "Fix", "work")
    for thread in (world.issue("acme/shop", 1), pull.issue):
        await world.label(thread, "x", "maria")
        await world.unlabel(thread, "x", "maria")
        await world.assign(thread, "maria", "kim")
        await world.assign(thread, "maria", "kim", remove=True)
        await world.edit_issue(thread, "maria", title="New", body="Text")
        await world.lock_issue(thread, "maria", "spam")
        await world.unlock_issue(thread, "maria")
        await world.close_issue(thread, "maria")
        await world.reopen_issue(thread, "maria")
        await world.delete_comment(await world.comment(thread, "maria", "Hi"), "maria")
    check = world.new_check(world.repository("acme/shop"), "ci", pull.head_sha, conclusion="failure")
    await world.press(check, "maria", "again")
    await world.merge(pull, "maria", "squash")
    await world.rerequest_all(check, "maria")
    await world.delete_issue(world.issue("acme/shop", 1), "maria")
    installation = next(iter(world.installations.values()))
    shop, other = world.repository("acme/shop"), await world.seed_repository("acme/other", {"a": "b"})
    await world.transfer_issue(await world.open_issue(shop, "maria", "Elsewhere"), other, "maria")
    world.withdraw(installation, other, "maria")
    world.grant(installation, other, "maria")
    for undo in (False, True):
        world.archive_repository(shop, "maria", undo=undo)
        world.publish_repository(shop, "maria", undo=undo)
    world.rename_repository(shop, "store", "maria")
    world.install("kim", set())
    world.transfer_repository(shop, "kim", "maria")
    world.install("lee")
    world.transfer_repository(shop, "lee", "kim")
    world.transfer_repository(shop, "acme", "lee")
    world.delete_repository(other, "maria")
    world.suspend(installation)
    world.unsuspend(installation)
    world.uninstall(installation)
    await world.delivered()
    assert len({each.name for each in world.deliveries}) == 40
