"""Hold GitHub's content limits for one installation; to hear people goes before showing how things stand."""

import asyncio

import aiohttp

from bot.github import faults
from bot.github.content import Content, Write
from tests.github_stub import Stub, Time, answer


async def test_the_limits_hold_for_what_is_new() -> None:
    """Of 600 comments fewer than 80 leave in any minute, 500 in the hour; the rest learns when to return."""
    time = Time()
    content = Content(time, time.sleep)
    moments: list[float] = []
    refused: list[float | None] = []

    async def write() -> None:
        try:
            await content.slot(Write.NEW)
        except faults.RateLimited as fault:
            refused.append(fault.retry_after)
        else:
            moments.append(time.now)

    await asyncio.gather(*(write() for _ in range(600)))
    assert len(moments) == 500
    assert len(refused) == 100
    assert all(later - earlier >= 60 for earlier, later in zip(moments, moments[72:], strict=False))
    assert all(seconds is not None and 60 < seconds <= 3600 for seconds in refused)
    time.now += 3600
    await content.slot(Write.NEW)


async def test_what_is_kept_up_to_date_leaves_room_to_hear_and_answer() -> None:
    """However much is edited, 24 words and 8 reactions still leave in that minute, and no write more."""
    time = Time(manual=True)
    content = Content(time, time.sleep)
    left: list[Write] = []

    async def write(kind: Write) -> None:
        await content.slot(kind)
        left.append(kind)

    wanted = [Write.EDIT] * 100 + [Write.NEW] * 30 + [Write.REACTION] * 20
    waiting = [asyncio.create_task(write(kind)) for kind in wanted]
    await time.pass_by(1)
    assert {kind: left.count(kind) for kind in Write} == {Write.EDIT: 48, Write.NEW: 24, Write.REACTION: 8}
    assert content.is_full
    await time.pass_by(200)
    await asyncio.gather(*waiting)
    assert len(left) == 150


async def test_reactions_and_edits_use_nothing_of_the_hour() -> None:
    """After a thousand of them there is still something to say."""
    time = Time()
    content = Content(time, time.sleep)
    for number in range(1000):
        await content.slot(Write.REACTION if number % 2 else Write.EDIT)
    await content.slot(Write.NEW)
    assert len(time.slept) > 10


async def test_a_clock_set_back_stops_nobody() -> None:
    """An hour back on the host's clock does not mean an hour of silence."""
    time = Time()
    content = Content(time, time.sleep)
    for _ in range(72):
        await content.slot(Write.NEW)
    time.now -= 7200
    await content.slot(Write.NEW)
    assert time.slept == []


async def test_every_write_of_an_installation_takes_a_slot() -> None:
    """The 81st write within a minute waits, whoever sends it; reads and another installation do not."""
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:
        for method, path in (("POST", "/thing"), ("PUT", "/thing"), ("PATCH", "/thing"), ("GET", "/thing")):
            stub.on(method, path, lambda *_: answer({}))
        stub.on("POST", "/thing/reactions", lambda *_: answer({}))
        github = stub.client(http)
        first = github.for_installation(1)
        for _ in range(16):
            await first.post("/thing", {})
            await first.put("/thing", {})
            await first.patch("/thing", {})
            await first.get("/thing")
        for _ in range(32):
            await first.post("/thing/reactions", {})
        assert stub.time.slept == []
        await first.post("/thing/reactions", {})
        assert stub.time.slept == [60.0]
        await github.for_installation(2).post("/thing", {})
        assert stub.time.slept == [60.0]
