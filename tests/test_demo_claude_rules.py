"""Hold the stand-in for Claude to the rules of the Messages API."""

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from demo.claude.script import Play, Turn
from tests import claude_desk
from tests.claude_desk import BASH, CALL, KEY, MODEL, RESULT, Open, assistant, body, user

MARKED = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}
LASTING = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "temperature": (body(temperature=1.0), "temperature"),
    "unknown parameter": (body(wibble=1), "wibble: Extra inputs"),
    "no max_tokens": ({"model": MODEL, "messages": [user("hi")]}, "max_tokens: Field required"),
    "zero max_tokens": (body(max_tokens=0), "greater than or equal to 1"),
    "huge max_tokens": (body(max_tokens=200_000), "maximum allowed number of output tokens"),
    "thinking disabled": (body(thinking={"type": "disabled"}), "thinking.type"),
    "forced tool": (body(tools=[BASH], tool_choice={"type": "any"}), "tool_choice"),
    "unknown tool type": (body(tools=[{"type": "bash_20990101", "name": "bash"}]), "does not match any of"),
    "wrong tool name": (body(tools=[{"type": "bash_20250124", "name": "sh"}]), "Input should be 'bash'"),
    "tool without schema": (body(tools=[{"name": "finish"}]), "input_schema"),
    "same tool twice": (body(tools=[BASH, BASH]), "unique"),
    "no messages": ({**body(), "messages": []}, "at least one message"),
    "first is assistant": (body(assistant("hi")), "first message must use"),
    "prefill": (body(user("hi"), assistant("so")), "prefill"),
    "empty text": (body(user([{"type": "text", "text": ""}])), "must be non-empty"),
    "blank text": (body(user([{"type": "text", "text": " \n"}])), "non-whitespace"),
    "blank result": (
        body(user("hi"), assistant([CALL]), user([{**RESULT, "content": [{"type": "text", "text": ""}]}])),
        "non-empty",
    ),
    "empty message": (body(user("hi"), assistant([]), user("x")), "must have non-empty content"),
    "extra field": (body(user([{"type": "text", "text": "x", "note": 1}])), "note: Extra inputs"),
    "unanswered call": (body(user("hi"), assistant([CALL]), user("x")), "without `tool_result`"),
    "half answered": (
        body(user("hi"), assistant([CALL, {**CALL, "id": "toolu_2"}]), user([RESULT])),
        "without `tool_result`",
    ),
    "text before result": (
        body(user("hi"), assistant([CALL]), user([{"type": "text", "text": "x"}, RESULT])),
        "without `tool_result`",
    ),
    "result for nothing": (body(user([RESULT])), "unexpected `tool_use_id`"),
    "result twice": (body(user("hi"), assistant([CALL]), user([RESULT, RESULT])), "unexpected `tool_use_id`"),
    "call id twice": (body(user("hi"), assistant([CALL, CALL]), user([RESULT])), "must be unique"),
    "system first": (body({"role": "system", "content": "x"}), "first message"),
    "system after assistant": (
        body(user("hi"), assistant("a"), {"role": "system", "content": "x"}, user("b")),
        "must follow a `user` message",
    ),
    "document in assistant": (body(user("hi"), assistant([{"type": "document"}]), user("x")), "Input tag"),
    "five breakpoints": (body(user([MARKED] * 5)), "maximum of 4"),
    "hour after minutes": (body(user([MARKED, LASTING])), "must not come after"),
    "compaction without beta": (body(compaction={"type": "summarize"}), "compaction: Extra inputs"),
    "nobody's conversation": (body(user("what?")), "no play for a conversation"),
}


@pytest.fixture
async def desk() -> AsyncIterator[Open]:
    async with claude_desk.desks() as open_desk:
        yield open_desk


@pytest.mark.parametrize(
    "edit",
    [
        lambda b: b["messages"][0].update(content="hi there"),
        lambda b: b.update(system="You are someone else."),
        lambda b: b.update(tools=[]),
        lambda b: b["messages"][1]["content"].pop(0),
        lambda b: b["messages"][1]["content"][1].update(text="Other words."),
        lambda b: b["messages"][3]["content"][0].update(thinking="Forged."),
    ],
    ids=["user", "system", "tools", "dropped-thinking", "assistant-text", "thinking-text"],
)
async def test_history_is_append_only(desk: Open, edit: Callable[[dict[str, Any]], object]) -> None:
    """Any edit before a thinking block is refused; the untouched history is taken."""
    one = await desk(Play("hi", [Turn("One."), Turn("Two."), Turn("Three.")]))
    start = body(user("hi"), system="You are you.", tools=[BASH])
    first = (await one.post(start))[1]
    second_request = body(
        user("hi"), assistant(first["content"]), user("more"), system="You are you.", tools=[BASH]
    )
    second = (await one.post(second_request))[1]
    whole = {**second_request}
    whole["messages"] = [*second_request["messages"], assistant(second["content"]), user("and more")]
    whole = json.loads(json.dumps(whole))
    assert (await one.post(whole))[0] == 200
    edit(whole)
    status, refusal = await one.post(whole)
    assert status == 400
    assert "bound to a different conversation" in refusal["error"]["message"]


async def test_moving_a_breakpoint_is_no_edit(desk: Open) -> None:
    """cache_control and the choice between a string and a text block don't touch the binding."""
    one = await desk()
    first = (
        await one.post(body(user([{"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}])))
    )[1]
    assert (await one.post(body(user("hi"), assistant(first["content"]), user("more"))))[0] == 200


@pytest.mark.parametrize(("wrong", "words"), WRONG.values(), ids=WRONG)
async def test_wrong_requests_are_refused_as_the_api_does(
    desk: Open, wrong: dict[str, Any], words: str
) -> None:
    """A request that the API would refuse gets its 400 and its words."""
    one = await desk(Play("hi", [Turn("ok")] * 9), Play("x", [Turn("ok")]))
    status, answer = await one.post(wrong)
    assert (status, answer["error"]["type"]) == (400, "invalid_request_error")
    assert words in answer["error"]["message"]


async def test_a_system_notice_may_follow_the_tool_results(desk: Open) -> None:
    """An operator's notice after a user message is taken."""
    one = await desk()
    notice = {"role": "system", "content": "Two dollars are left."}
    assert (await one.post(body(user("hi"), assistant([CALL]), user([RESULT]), notice, tools=[BASH])))[
        0
    ] == 200


async def test_keys_models_and_paths_are_checked(desk: Open) -> None:
    """A wrong key is 401, an unknown model 404, an unknown path 404, both headers carry the key."""
    one = await desk()
    assert (await one.post(body(), **{"x-api-key": "wrong"}))[0] == 401
    assert (await one.post(body(), **{"x-api-key": "", "authorization": f"Bearer {KEY}"}))[0] == 200
    assert (await one.post({**body(), "model": "claude-9"}))[1]["error"]["type"] == "not_found_error"
    assert (await one.post(body(), "/v1/complete"))[0] == 404
    assert (await one.post([]))[0] == 400
