"""Hold the stand-in for Claude to the SDK's own types, and its scripts to their word."""

import json
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import pytest
from anthropic.types import Message, MessageTokensCount, ModelInfo, RawMessageStreamEvent
from pydantic import TypeAdapter

from demo.claude.conversation import Conversation
from demo.claude.script import Fault, Play, Turn
from tests import claude_desk
from tests.claude_desk import BASH, KEY, MODEL, Open, assistant, body, extras, user

SHAPES = {
    "text": Turn(text="Hello, ünïcode ✓ " * 9),
    "thinking": Turn(text="So.", thinking="Let me think about that for a while, and then some."),
    "no-thinking": Turn(text="So.", thinking=None),
    "tools": Turn(
        text="Both.", tools=[("bash", {"command": "ls"}), ("bash", {"command": "pwd", "n": [1, {}]})]
    ),
    "refusal": Turn(text="", stop_reason="refusal", stop_details={"type": "refusal", "category": "cyber"}),
    "max-tokens": Turn(
        tools=[("bash", {"command": "echo a long command"})], stop_reason="max_tokens", cut=12
    ),
    "pause": Turn(text="One moment.", stop_reason="pause_turn"),
    "usage": Turn(text="Dear.", usage={"output_tokens": 5_000, "cache_read_input_tokens": 90_000}),
}


@pytest.fixture
async def desk() -> AsyncIterator[Open]:
    async with claude_desk.desks() as open_desk:
        yield open_desk


@pytest.mark.parametrize("turn", SHAPES.values(), ids=SHAPES)
async def test_every_shape_fits_the_types_of_the_sdk(desk: Open, turn: Turn) -> None:
    """Each scripted shape, streamed or not, is a message by the SDK's types, with no field too many."""
    one = await desk(Play("hi", [turn]))
    status, whole = await one.post(body(tools=[BASH]))
    assert status == 200
    message = Message.model_validate_json(json.dumps(whole), strict=True)
    assert extras(message) == []
    sent = {"x-api-key": KEY, "anthropic-version": "2026-10-21"}
    async with one.http.post(
        one.running.url + "/v1/messages", json=body(tools=[BASH], stream=True), headers=sent
    ) as answer:
        lines = (await answer.text()).split("\n\n")
    adapter: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
    kinds = []
    for event in filter(None, lines):
        name, data = event.split("\n", 1)
        kinds.append(name.removeprefix("event: "))
        if kinds[-1] != "ping":
            assert extras(adapter.validate_json(data.removeprefix("data: "), strict=True)) == []
    assert kinds[0] == "message_start"
    assert kinds[-2:] == ["message_delta", "message_stop"]


@pytest.mark.parametrize("turn", SHAPES.values(), ids=SHAPES)
async def test_the_sdk_reads_the_same_from_stream_and_whole(desk: Open, turn: Turn) -> None:
    """AsyncAnthropic makes the same message of the stream as of the whole answer."""
    one = await desk(Play("hi", [turn]))
    async with anthropic.AsyncAnthropic(api_key=KEY, base_url=one.running.url) as client:
        whole = await client.messages.create(**body(tools=[BASH]))
        async with client.messages.stream(**body(tools=[BASH])) as stream:
            streamed = await stream.get_final_message()
    ignored = {"usage", "id"}
    if turn.cut is None:
        assert streamed.model_dump(exclude=ignored) == whole.model_dump(exclude=ignored)
    assert streamed.id == whole.id
    assert streamed.usage.output_tokens == whole.usage.output_tokens
    assert whole.stop_reason == turn.ending


async def test_the_same_request_gets_the_same_answer(desk: Open) -> None:
    """Answers depend on the request alone: ids and signatures repeat, whenever it is sent again."""
    one = await desk(Play("hi", [SHAPES["tools"], Turn("next")]))
    first, again = await one.post(body(tools=[BASH])), await one.post(body(tools=[BASH]))
    assert first[1]["content"] == again[1]["content"]
    assert first[1]["id"] == again[1]["id"]


async def test_a_turn_may_depend_on_tool_results(desk: Open) -> None:
    """A callable turn sees the calls with their results."""

    def reply(seen: Conversation) -> Turn:
        return Turn(
            text=" ".join(f"{r.name}:{r.input['command']}={r.text}/{r.is_error}" for r in seen.results)
        )

    one = await desk(Play(lambda seen: "hi" in seen.opening, [SHAPES["tools"], reply]))
    answer = (await one.post(body(tools=[BASH])))[1]
    calls = [block["id"] for block in answer["content"] if block["type"] == "tool_use"]
    results = [
        {"type": "tool_result", "tool_use_id": calls[1], "content": "/w", "is_error": True},
        {"type": "tool_result", "tool_use_id": calls[0], "content": [{"type": "text", "text": "a b"}]},
    ]
    after = body(
        user("hi"),
        assistant(answer["content"]),
        user([*results, {"type": "text", "text": "go"}]),
        tools=[BASH],
    )
    status, second = await one.post(after)
    assert status == 200
    assert second["content"][-1]["text"] == "bash:ls=a b/False bash:pwd=/w/True"


async def test_structured_output_is_answered_from_the_plays_tests(desk: Open) -> None:
    """A request with an output format gets the play's JSON, whatever turn the conversation is in."""
    one = await desk(Play("hi", [Turn("no")], tests={"test_cases": [{"name": "a", "test_code": "b"}]}))
    wanted = {"format": {"type": "json_schema", "schema": {"type": "object"}}}
    answer = (await one.post(body(output_config=wanted)))[1]
    assert json.loads(answer["content"][-1]["text"])["test_cases"][0]["name"] == "a"


async def test_models_and_token_counts_fit_the_types(desk: Open) -> None:
    """The SDK lists and retrieves models and counts tokens; a prompt beyond the window is refused."""
    one = await desk(context_tokens=300)
    async with anthropic.AsyncAnthropic(api_key=KEY, base_url=one.running.url, max_retries=0) as client:
        listed = [model async for model in client.models.list()]
        assert MODEL in {model.id for model in listed}
        found = await client.models.retrieve(f"{MODEL}-20261001")
        assert extras(ModelInfo.model_validate(found.model_dump(), strict=True)) == []
        with pytest.raises(anthropic.NotFoundError):
            await client.models.retrieve("claude-1")
        count = await client.messages.count_tokens(
            model=MODEL, messages=[{"role": "user", "content": "x" * 400}]
        )
        assert isinstance(count, MessageTokensCount)
        assert 100 <= count.input_tokens < 130
        with pytest.raises(anthropic.BadRequestError, match="prompt is too long"):
            await client.messages.create(**body(user("x" * 4000)))


async def test_a_paused_turn_is_resumed_by_sending_it_back(desk: Open) -> None:
    """A request that ends with a paused answer goes on with the next turn."""
    one = await desk(Play("hi", [SHAPES["pause"], Turn("Done.")]))
    first = (await one.post(body()))[1]
    status, second = await one.post(body(user("hi"), assistant(first["content"])))
    assert (status, second["content"][-1]["text"]) == (200, "Done.")


async def test_faults_meet_the_first_arrivals_of_a_request(desk: Open) -> None:
    """A turn's faults come one by one, then the answer; injected ones meet whoever comes next."""
    limited = Fault("rate_limited", retry_after=7, error_code="ramp_limit_exceeded")
    one = await desk(Play("hi", [Turn("ok", faults=[Fault("overloaded"), limited])]))
    assert [(await one.post(body()))[0] for _ in range(3)] == [529, 429, 200]
    one.running.inject(Fault("error", status=502), times=2, when=lambda sent: sent["max_tokens"] == 1000)
    assert [(await one.post(body(max_tokens=7)))[0] for _ in range(2)] == [200, 200]
    assert [(await one.post(body()))[0] for _ in range(3)] == [502, 502, 200]
    assert [entry.status for entry in one.running.journal] == [529, 429, 200, 200, 200, 502, 502, 200]


async def test_the_journal_keeps_requests_as_they_came(desk: Open) -> None:
    """The journal has raw bytes, headers, body and what was charged; refused ones count as not asked."""
    one = await desk()
    await one.post(body())
    await one.post(body(temperature=1))
    entry = one.running.journal[0]
    assert json.loads(entry.raw) == entry.body == body()
    assert entry.headers["x-api-key"] == KEY
    assert len(one.running.journal) == 2
    assert one.running.asked == [entry]
