"""Hold how long GitHub's limits make one installation wait, and that nobody else waits with it."""

import asyncio

import aiohttp
import pytest

from bot.github import faults
from tests.github_stub import START, Stub, Time, answer


async def test_secondary_limit_with_retry_after_is_obeyed() -> None:
    """403 with Retry-After: 90 is the caller's to plan, and nothing is sent meanwhile (case 11)."""
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:
        stub.says("/thing", {"ok": True})
        words = {"message": "You have exceeded a secondary rate limit."}
        stub.fail("GET", "/thing", answer=lambda: answer(words, 403, {"Retry-After": "90"}))
        installation = stub.client(http).for_installation(5)
        for _ in range(5):
            with pytest.raises(faults.RateLimited) as caught:
                await installation.get("/thing")
            assert caught.value.retry_after == pytest.approx(90)
        assert "UTC" in str(caught.value)
        assert len(stub.asked("GET", "/thing")) == 1
        stub.time.now += 90
        assert await installation.get("/thing") == {"ok": True}


async def test_short_retry_after_is_waited_for_inside() -> None:
    """Up to a minute the call itself waits, even a POST: a refusal for a limit changed nothing."""
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:
        stub.on("POST", "/things", lambda *_: answer({"id": 1}, 201))
        stub.fail("POST", "/things", answer=lambda: answer({"message": "slow"}, 429, {"Retry-After": "7"}))
        assert await stub.client(http).for_installation(5).post("/things", {}) == {"id": 1}
        assert stub.time.slept == [7.0]


@pytest.mark.parametrize(
    ("status", "message"),
    [(429, "Too many requests"), (403, "You have exceeded a secondary rate limit"), (403, "abuse detection")],
)
async def test_limit_without_headers_doubles_from_a_minute(status: int, message: str) -> None:
    """Without a Retry-After we wait 60 s, then 120, then 240, never a tight loop (case 11)."""
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:
        stub.fail("GET", "/thing", times=3, answer=lambda: answer({"message": message}, status))
        stub.says("/thing", {"ok": True})
        installation = stub.client(http).for_installation(5)
        with pytest.raises(faults.RateLimited) as caught:
            await installation.get("/thing")
        assert stub.time.slept == [60.0]
        assert caught.value.retry_after == pytest.approx(120)
        stub.time.now += 120
        with pytest.raises(faults.RateLimited) as caught:
            await installation.get("/thing")
        assert caught.value.retry_after == pytest.approx(240)
        stub.time.now += 240
        assert await installation.get("/thing") == {"ok": True}
        assert len(stub.asked("GET", "/thing")) == 4


async def test_concurrent_refusals_are_one_strike() -> None:
    """Ten requests refused together double the pause once, not ten times."""
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:
        stub.fail("GET", "/thing", times=10, answer=lambda: answer({"message": "secondary rate limit"}, 403))
        stub.says("/thing", {"ok": True})
        installation = stub.client(http).for_installation(5)
        await installation.token()
        found = await asyncio.gather(*(installation.get("/thing") for _ in range(10)))
        assert found == [{"ok": True}] * 10
        assert max(stub.time.slept) <= 60.0


async def test_used_up_installation_waits_alone() -> None:
    """Primary limit with a reset in 55 min parks installation A; B and C go on at once (case 12)."""
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:
        stub.says("/thing", {"ok": True})
        github = stub.client(http, jitter=lambda: 0.5)
        spent = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(START) + 3300)}
        stub.fail("GET", "/thing", answer=lambda: answer({"message": "API rate limit exceeded"}, 403, spent))
        with pytest.raises(faults.RateLimited) as caught:
            await github.for_installation(1).get("/thing")
        assert caught.value.retry_after == pytest.approx(3305)
        for other in (2, 3):
            assert await github.for_installation(other).get("/thing") == {"ok": True}
        assert stub.time.slept == []
        stub.time.now += 3306
        assert await github.for_installation(1).get("/thing") == {"ok": True}


async def test_last_request_of_the_hour_is_noticed_before_the_next() -> None:
    """A success that leaves nothing over is returned, and the next request is not even sent."""
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:
        reset = str(int(START) + 600)
        stub.says("/thing", {"ok": True}, X_RateLimit_Remaining="0", X_RateLimit_Reset=reset)
        installation = stub.client(http).for_installation(1)
        assert await installation.get("/thing") == {"ok": True}
        with pytest.raises(faults.RateLimited):
            await installation.get("/thing")
        assert len(stub.asked("GET", "/thing")) == 1


async def test_reset_is_read_on_githubs_clock() -> None:
    """With our clock ten minutes slow, a reset 30 s ahead on GitHub's is 30 s, not ten minutes (case 22)."""
    async with Stub(Time(), skew=600) as stub, aiohttp.ClientSession() as http:
        stub.says("/thing", {"ok": True})
        spent = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(START) + 630)}
        stub.fail("GET", "/thing", answer=lambda: answer({"message": "API rate limit exceeded"}, 403, spent))
        assert await stub.client(http).for_installation(1).get("/thing") == {"ok": True}
        assert stub.time.slept == [30.0]


async def test_missing_permission_with_nothing_remaining_is_no_limit() -> None:
    """A permission refusal that happens to be the hour's last request is told as what it is."""
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:
        words = {"message": "Resource not accessible by integration"}
        spent = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(START) + 9)}
        stub.fail("GET", "/thing", answer=lambda: answer(words, 403, spent))
        with pytest.raises(faults.MissingPermission):
            await stub.client(http).for_installation(1).get("/thing")


async def test_endless_short_limits_end_in_rate_limited() -> None:
    """A server that always says "one second" is given up on after seven refusals."""
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:
        stub.fail("GET", "/thing", times=99, answer=lambda: answer({}, 429, {"Retry-After": "1"}))
        with pytest.raises(faults.RateLimited, match="keeps limiting"):
            await stub.client(http).for_installation(1).get("/thing")
        assert len(stub.asked("GET", "/thing")) == 7
