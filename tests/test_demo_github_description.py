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
