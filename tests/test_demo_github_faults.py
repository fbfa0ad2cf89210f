"""The switches of the stand-in make GitHub fail, lag and lose things, exactly as often as told."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests import github_world
from tests.github_world import REPO, Bench

ISSUE = f"{REPO}/issues/1"


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Serve a world with one repository and one open issue."""
    async with github_world.bench(tmp_path) as made:
        await made.world.open_issue("acme/shop", "maria", "Totals are wrong")
        await made.names()
        yield made


async def test_failures_strike_as_often_as_told(bench: Bench) -> None:
    """A failing route fails so many times, does no work meanwhile, and leaves other routes alone."""
    bench.world.faults.fail("POST .*/comments$", times=2, status=502)
    assert (await bench.ask("GET", f"{ISSUE}/comments")).status == 200
    answers = [(await bench.ask("POST", f"{ISSUE}/comments", {"body": "x"})).status for _ in range(3)]
    assert answers == [502, 502, 201]
    assert len(bench.world.issue("acme/shop", 1).comments) == 1
    assert [each.injected for each in bench.world.requests[-3:]] == [True, True, False]
    bench.world.faults.fail("GET ", times=100)
    bench.world.faults.calm()
    assert (await bench.ask("GET", ISSUE)).status == 200


async def test_limits_answer_as_github_does(bench: Bench) -> None:
    """The secondary limit comes with Retry-After or without, the primary one with nothing remaining."""
    faults = bench.world.faults
    faults.secondary_limit("POST ", retry_after=90)
    faults.secondary_limit("POST ", retry_after=None, status=429)
    faults.primary_limit(resets_at=2_000_000_000, route="POST ")
    first, second, third = [await bench.ask("POST", f"{ISSUE}/comments", {"body": "x"}) for _ in range(3)]
    assert (first.status, first.headers["Retry-After"]) == (403, "90")
    assert (second.status, "Retry-After" in second.headers) == (429, False)
    assert "secondary rate limit" in second.body["message"]
    assert (third.headers["X-RateLimit-Remaining"], third.headers["X-RateLimit-Reset"]) == ("0", "2000000000")


async def test_work_can_be_done_and_its_answer_lost(bench: Bench) -> None:
    """The comment exists although the connection died; the next request is served."""
    bench.world.faults.apply_then_lose("POST .*/comments$")
    with pytest.raises(aiohttp.ClientError):
        await bench.ask("POST", f"{ISSUE}/comments", {"body": "Once"})
    assert [each["body"] for each in (await bench.ask("GET", f"{ISSUE}/comments")).body] == ["Once"]
    assert bench.world.mutations()[-1].lost


async def test_a_push_can_be_applied_and_lost(bench: Bench) -> None:
    """Git sees a failure, yet the branch is there."""
    tree = await bench.clone()
    bench.world.faults.apply_then_lose("POST .*/git-receive-pack$")
    code, _ = await bench.push(tree, {"a.py": "1\n"})
    assert code != 0
    tip = (await bench.git("rev-parse", "HEAD", cwd=tree))[1].strip()
    assert bench.world.repository("acme/shop").git.ref("refs/heads/work") == tip


async def test_git_can_fail(bench: Bench) -> None:
    """A failing git route is matched by its service too."""
    bench.world.faults.fail("GET .*info/refs.service=git-upload-pack", status=503)
    url = f"{bench.world.url}/acme/shop"
    code, said = await bench.git("ls-remote", url)
    assert (code != 0, "503" in said) == (True, True)
    assert (await bench.git("ls-remote", url))[0] == 0


async def test_reads_can_be_stale(bench: Bench) -> None:
    """A young comment is neither listed nor found while reads lag; then it is."""
    made = await bench.world.comment(bench.world.issue("acme/shop", 1), "maria", "New")
    bench.world.faults.stale_reads(seconds=3600, times=2)
    assert (await bench.ask("GET", f"{ISSUE}/comments")).body == []
    assert (await bench.ask("GET", f"{REPO}/issues/comments/{made.id}")).status == 404
    assert (await bench.ask("GET", f"{REPO}/issues/comments/{made.id}")).status == 200


async def test_answers_can_be_slow_and_the_clock_wrong(bench: Bench) -> None:
    """A slow route waits; a shifted clock shows in the Date header and refuses an honest JWT."""
    bench.world.faults.slow("GET .*/issues/1$", seconds=0.2)
    started = time.monotonic()
    await bench.ask("GET", ISSUE)
    assert time.monotonic() - started >= 0.2
    bench.world.faults.clock_offset = 3600
    assert (await bench.ask("GET", "/app", token=bench.app_jwt())).status == 401
    skewed = int(time.time()) + 3600
    fitting = bench.app_jwt(iat=skewed - 60, exp=skewed + 300)
    assert (await bench.ask("GET", "/app", token=fitting)).status == 200


async def test_deliveries_get_lost_doubled_and_turned_around(bench: Bench) -> None:
    """Dropping, doubling (same or new id) and reordering change what arrives, as told."""
    thread, faults = bench.world.issue("acme/shop", 1), bench.world.faults
    faults.drop("issues.labeled", nth=2)
    for name in ("a", "b", "c"):
        await bench.world.label(thread, name, "maria")
    assert (await bench.names())[1:] == ["issues.labeled"] * 2
    assert [each.status_code for each in bench.world.deliveries[-3:]] == [202, 0, 202]
    faults.duplicate("issue_comment")
    await bench.world.comment(thread, "maria", "Twice")
    await bench.names()
    guids = [each.headers["X-GitHub-Delivery"] for each in bench.heard]
    assert guids[-1] == guids[-2] != guids[-3]
    faults.duplicate("issue_comment", new_guid=True)
    await bench.world.comment(thread, "maria", "Twice, by two hooks")
    await bench.names()
    assert bench.heard[-1].raw == bench.heard[-2].raw
    assert bench.heard[-1].headers["X-GitHub-Delivery"] != bench.heard[-2].headers["X-GitHub-Delivery"]
    faults.reorder(2)
    await bench.world.label(thread, "d", "maria")
    await bench.world.close_issue(thread, "maria")
    assert (await bench.names())[-2:] == ["issues.closed", "issues.labeled"]


async def test_a_failed_delivery_is_listed_and_redelivered(bench: Bench) -> None:
    """An answer of 503 is recorded, found by `status=failure`, and sent again under the same delivery id."""
    bench.hook_status = 503
    await bench.world.label(bench.world.issue("acme/shop", 1), "x", "maria")
    await bench.names()
    bench.hook_status = 202
    token = bench.app_jwt()
    failed = (await bench.ask("GET", "/app/hook/deliveries?status=failure", token=token)).body
    assert [(each["event"], each["status_code"]) for each in failed] == [("issues", 503)]
    path = f"/app/hook/deliveries/{failed[0]['id']}"
    full = (await bench.ask("GET", path, token=token)).body
    assert full["request"]["payload"]["label"]["name"] == "x"
    assert (await bench.ask("POST", f"{path}/attempts", token=token)).status == 202
    await bench.names()
    assert bench.heard[-1].headers["X-GitHub-Delivery"] == failed[0]["guid"]
    newest = (await bench.ask("GET", "/app/hook/deliveries?per_page=1", token=token)).body[0]
    assert (newest["redelivery"], newest["status"], newest["guid"]) == (True, "OK", failed[0]["guid"])


async def test_a_dead_receiver_is_recorded(bench: Bench) -> None:
    """A receiver that isn't there leaves a record with status code 0, and nothing is tried again."""
    bench.world.hook_url = "http://127.0.0.1:9/hook"
    await bench.world.label(bench.world.issue("acme/shop", 1), "x", "maria")
    count = len(bench.heard)
    await bench.names()
    assert (bench.world.deliveries[-1].status_code, len(bench.heard)) == (0, count)
