"""Shortening a conversation by the API's own summary."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.claude import compact, failures, prompts
from bot.claude.ask import Claude, Question
from demo.claude import server
from demo.claude.script import Fault, Play, Script, Turn

PLAYS = [
    Play("good", [Turn("One."), Turn("Two."), Turn("Three.")], summary="In short."),
    Play("bad", [Turn("One."), Turn("Two.")], summary=""),
]


@pytest.fixture
async def running() -> AsyncIterator[server.Running]:
    stand_in = await server.start(Script(PLAYS))
    yield stand_in
    await stand_in.close()


@pytest.fixture
async def claude(running: server.Running) -> AsyncIterator[Claude]:
    client = Claude(api_key="stand-in-key", base_url=running.url)
    yield client
    await client.close()


def asked(*messages: Any) -> Question:
    tools = ({"type": "bash_20250124", "name": "bash"},)
    return Question("claude-opus-5-5", messages, 32_000, system="You are you.", tools=tools)


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


async def test_the_summary_takes_the_place_of_the_messages(running: server.Running, claude: Claude) -> None:
    """History goes on behind the block, kept thinking stays valid, and the script doesn't start over."""
    first = await claude.ask(asked(user("good")))
    old = [user("good"), first.message]
    second = await claude.ask(asked(*old, user("more")))
    done = await compact.compact(claude, asked(*old))
    history = done.apply([*old, user("more"), second.message])
    assert len(history) == 3
    assert (done.problem, done.replaced) == ("", 2)
    assert done.usage.prompt > 0
    third = await claude.ask(asked(*history, user("and more")))
    assert third.text == "Three."
    request = running.journal[2].body
    assert request["compaction"] == {"type": "summarize", "instructions": prompts.load("compact")}
    assert request["max_tokens"] == compact.MOST_SUMMARY
    assert "compact-2026-09-04" in running.journal[3].headers["anthropic-beta"]
    assert "anthropic-beta" not in running.journal[0].headers


async def test_without_a_summary_the_old_history_stays(claude: Claude) -> None:
    """A failed compaction block changes nothing and is still paid for."""
    first = await claude.ask(asked(user("bad")))
    old = [user("bad"), first.message]
    done = await compact.compact(claude, asked(*old))
    assert done.apply(old) == old
    assert done.message is None
    assert done.problem
    assert done.usage.prompt > 0
    assert (await claude.ask(asked(*done.apply(old), user("go on")))).text == "Two."


async def test_a_refused_compaction_is_no_failure_but_an_outage_is(
    running: server.Running, claude: Claude
) -> None:
    """A 400 leaves the old history good; 529 is for the caller's backoff; too long stays too long."""
    running.inject(Fault("error", status=400, message="compaction: Extra inputs are not permitted"))
    done = await compact.compact(claude, asked(user("good")))
    assert (done.message, "Extra inputs" in done.problem) == (None, True)
    running.inject(Fault("overloaded", error_code="compaction_unavailable"))
    with pytest.raises(failures.Overloaded):
        await compact.compact(claude, asked(user("good")))
    running.inject(Fault("error", status=400, message="prompt is too long: 2 > 1"))
    with pytest.raises(failures.PromptTooLong):
        await compact.compact(claude, asked(user("good")))


def test_open_tool_calls_put_compaction_off() -> None:
    """A history that ends in a tool call must get its results first."""
    call = {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "bash", "input": {}}]}
    assert not compact.possible([user("x"), call])
    assert compact.possible([user("x"), call, {"role": "user", "content": [{"type": "tool_result"}]}])
    assert compact.possible([user("x"), {"role": "assistant", "content": "done"}])
    assert not compact.possible([])
