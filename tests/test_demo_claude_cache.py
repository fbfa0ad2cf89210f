"""Cache figures and compaction of the stand-in for Claude."""

import json
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import pytest
from anthropic.types.beta import BetaMessage, BetaRawMessageStreamEvent
from pydantic import TypeAdapter

from demo.claude.script import Play, Turn
from tests import claude_desk
from tests.claude_desk import CALL, COMPACTION, KEY, Open, assistant, body, extras, user


@pytest.fixture
async def desk() -> AsyncIterator[Open]:
    async with claude_desk.desks() as open_desk:
        yield open_desk


async def test_cache_figures_follow_the_breakpoints(desk: Open) -> None:
    """A prefix is written once, read while it is warm, written again when it has cooled down or changed."""
    one = await desk(Play("x", [Turn("ok")] * 9), minimum_cache_tokens=100)
    mark = {"type": "ephemeral"}
    system = [{"type": "text", "text": "s" * 4000, "cache_control": mark}]
    first = body(user([{"type": "text", "text": "x" * 4000, "cache_control": mark}]), system=system)

    async def figures(sent: dict[str, Any]) -> tuple[int, int, int]:
        used = (await one.post(sent))[1]["usage"]
        return used["input_tokens"], used["cache_creation_input_tokens"], used["cache_read_input_tokens"]

    plain, written, read = await figures(first)
    assert (plain, read) == (0, 0)
    assert 2000 <= written < 2060
    assert await figures(first) == (0, 0, written)
    one.clock.now += 290
    assert await figures(first) == (0, 0, written)
    one.clock.now += 290  # the read kept it warm
    assert await figures(first) == (0, 0, written)
    one.clock.now += 301
    assert await figures(first) == (0, written, 0)
    other = body(user([{"type": "text", "text": "x" * 8000, "cache_control": mark}]), system=system)
    plain, anew, read = await figures(other)
    assert (plain, 1000 <= read < 1030, 2000 <= anew < 2030) == (0, True, True)
    assert await figures(body(user("x" * 4000))) == (written - read, 0, 0)


async def test_a_breakpoint_looks_back_twenty_blocks(desk: Open) -> None:
    """More than twenty blocks after the last breakpoint miss the cache; an explicit mark hits it."""
    one = await desk(Play("x", [Turn("ok", thinking=None)] * 9), minimum_cache_tokens=10)
    start = {"type": "text", "text": "x" * 400, "cache_control": {"type": "ephemeral"}}
    await one.post(body(user([start])))
    bare = {"type": "text", "text": "x" * 400}
    many = [{"type": "text", "text": f"block {n}"} for n in range(20)]
    last = {"type": "text", "text": "end", "cache_control": {"type": "ephemeral"}}
    far = (await one.post(body(user([bare, *many[:19], last]))))[1]["usage"]
    assert far["cache_read_input_tokens"] == 0
    near = (await one.post(body(user([bare, *many[:18], {**last, "text": "other"}]))))[1]["usage"]
    assert near["cache_read_input_tokens"] > 100


@pytest.mark.parametrize("streaming", [True, False], ids=["streamed", "whole"])
async def test_compaction_stands_for_the_messages_it_summarizes(desk: Open, streaming: bool) -> None:
    """The block fits the beta types, is billed in iterations, and later thinking stays valid behind it."""
    one = await desk(Play("hi", [Turn("One."), Turn("Two."), Turn("Three.")], summary="In short."))
    history = [user("hi")]
    history.append(assistant((await one.post(body(*history)))[1]["content"]))
    kept = [user("more"), assistant((await one.post(body(*history, user("more"))))[1]["content"])]
    async with anthropic.AsyncAnthropic(api_key=KEY, base_url=one.running.url) as client:
        asked = {**body(*history), "compaction": {"type": "summarize"}, "betas": ["compact-2026-09-04"]}
        if streaming:
            async with client.beta.messages.stream(**asked) as stream:
                answer = await stream.get_final_message()
        else:
            answer = await client.beta.messages.create(**asked)
    raw = json.loads(answer.model_dump_json(exclude_unset=True))
    assert extras(BetaMessage.model_validate_json(json.dumps(raw), strict=True)) == []
    assert (answer.stop_reason, answer.usage.input_tokens, len(answer.usage.iterations or [])) == (
        "compaction",
        0,
        1,
    )
    shorter = body(assistant(raw["content"]), *kept, user("and now"))
    status, third = await one.post(shorter, **COMPACTION)
    assert (status, third["content"][-1]["text"]) == (200, "Three.")
    assert (await one.post(shorter))[0] == 400
    shorter["messages"][0]["content"][0]["content"] = "Something else."
    status, refusal = await one.post(shorter, **COMPACTION)
    assert refusal["error"]["details"]["error_code"] == "compaction_signature_invalid"


async def test_compaction_events_fit_the_beta_types(desk: Open) -> None:
    """Each event of a streamed compaction is one by the SDK's beta types."""
    one = await desk()
    sent = {"x-api-key": KEY, "anthropic-version": "2026-10-21", **COMPACTION}
    asked = body(compaction={"type": "summarize"}, stream=True)
    async with one.http.post(one.running.url + "/v1/messages?beta=true", json=asked, headers=sent) as answer:
        events = [event.split("data: ", 1)[1] for event in (await answer.text()).split("\n\n") if event]
    adapter: TypeAdapter[Any] = TypeAdapter(BetaRawMessageStreamEvent)
    for event in events:
        if '"ping"' not in event:
            assert extras(adapter.validate_json(event, strict=True)) == []


async def test_compaction_needs_finished_turns(desk: Open) -> None:
    """A conversation that ends in an open tool call can't be compacted."""
    one = await desk()
    asked = body(user("hi"), assistant([CALL]), compaction={"type": "summarize"})
    status, refusal = await one.post(asked, **COMPACTION)
    assert (status, refusal["error"]["details"]["error_code"]) == (400, "compaction_incomplete_turn")
