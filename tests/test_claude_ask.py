"""One request to Claude: what a finished answer holds, and what every way to fail becomes."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp.web
import pytest

from bot.claude import failures
from bot.claude.ask import Claude, Question
from bot.errors import Blocked, WorldFault
from demo.claude.script import Fault, Turn
from tests import claude_desk
from tests.claude_desk import KEY, MODEL, Open

TOOLS = (
    {"type": "bash_20250124", "name": "bash"},
    {"name": "finish", "description": "Be done.", "input_schema": {"type": "object", "properties": {}}},
)


@pytest.fixture
async def standing() -> AsyncIterator[Open]:
    async with claude_desk.pairs() as open_pair:
        yield open_pair


def question(*messages: dict[str, Any], **more: Any) -> Question:
    return Question(
        model=MODEL, messages=messages or ({"role": "user", "content": "hi"},), max_tokens=1000, **more
    )


def results(answer: Any) -> dict[str, Any]:
    return {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": call.id, "content": "out"} for call in answer.calls
        ],
    }


async def test_an_answer_is_kept_verbatim(standing: Open) -> None:
    """Thinking blocks, text and parallel calls come back as sent, the empty thinking block too."""
    turn = Turn("Look: ünï ✓", thinking="", tools=[("bash", {"command": "ls\n"}), ("finish", {})])
    running, claude = await standing(turn)
    answer = await claude.ask(question(tools=TOOLS, system="You are you."))
    kinds = [block["type"] for block in answer.message["content"]]
    assert kinds == ["thinking", "text", "tool_use", "tool_use"]
    assert answer.message["content"][0]["thinking"] == ""
    assert answer.message["content"][0]["signature"]
    assert answer.text == "Look: ünï ✓"
    assert [(call.name, call.input, call.whole) for call in answer.calls] == [
        ("bash", {"command": "ls\n"}, True),
        ("finish", {}, True),
    ]
    assert (answer.stop_reason, answer.model) == ("tool_use", MODEL)
    assert answer.request_id == running.journal[0].request_id
    assert answer.usage.output == running.journal[0].usage["output_tokens"]


async def test_each_step_reads_the_whole_step_before_from_the_cache(standing: Open) -> None:
    """History with appended results is taken back, and the whole last prompt is read, however many blocks."""
    step = Turn("Again.", thinking="Hm.", tools=[("bash", {"command": "ls"})] * 12)
    _, claude = await standing(*[step] * 4)
    history: list[Any] = [{"role": "user", "content": "hi " * 3000}]
    steps = []
    for _ in range(4):
        answer = await claude.ask(question(*history, tools=TOOLS, system="s " * 3000))
        steps.append(answer.usage)
        history += [answer.message, results(answer)]
    assert [step.cache_read for step in steps] == [0, *(step.prompt for step in steps[:-1])]
    assert {step.input for step in steps} == {0}


async def test_blank_text_is_not_kept(standing: Open) -> None:
    """A blank text block, which the API would refuse to take back, is left out of the history."""
    _, claude = await standing(Turn("\n", tools=[("finish", {})]), Turn("Done."))
    first = await claude.ask(question(tools=TOOLS))
    assert [block["type"] for block in first.message["content"]] == ["thinking", "tool_use"]
    second = await claude.ask(
        question({"role": "user", "content": "hi"}, first.message, results(first), tools=TOOLS)
    )
    assert second.text == "Done."


async def test_an_answer_without_content_says_so(standing: Open) -> None:
    """An answer with no block at all is empty, so that nothing is appended."""
    _, claude = await standing(Turn("", thinking=None))
    assert (await claude.ask(question())).empty


@pytest.mark.parametrize("cut", [0, 7, 14])
async def test_a_cut_tool_call_is_not_whole(standing: Open, cut: int) -> None:
    """A call whose input was cut at max_tokens is marked, and its empty input can be answered."""
    turn = Turn("So.", tools=[("bash", {"command": "rm -r build"})], stop_reason="max_tokens", cut=cut)
    _, claude = await standing(turn, Turn("Smaller."))
    answer = await claude.ask(question(tools=TOOLS))
    assert [(call.input, call.whole) for call in answer.calls] == [({}, False)]
    after = await claude.ask(
        question({"role": "user", "content": "hi"}, answer.message, results(answer), tools=TOOLS)
    )
    assert after.text == "Smaller."


@pytest.mark.parametrize("kind", ["cut", "stall", "error_event", "garbled", "truncated"])
async def test_a_broken_stream_is_interrupted_and_charged(standing: Open, kind: Any) -> None:
    """A stream that breaks off after it began tells what it cost; asked again it succeeds."""
    fault = Fault(kind, after_events=9, seconds=3)
    _, claude = await standing(Turn("word " * 100, faults=[fault]), idle_seconds=0.3)
    with pytest.raises(failures.Interrupted) as caught:
        await claude.ask(question(system="s " * 3000))
    assert caught.value.usage.prompt > 1000
    assert caught.value.usage.output > 40
    assert isinstance(caught.value, WorldFault)
    assert (await claude.ask(question(system="s " * 3000))).stop_reason == "end_turn"


@pytest.mark.parametrize("kind", ["cut", "stall", "garbled", "truncated"])
async def test_a_stream_that_never_began_costs_nothing(standing: Open, kind: Any) -> None:
    """Before the first event a broken stream is plain unavailability."""
    _, claude = await standing(Turn("x", faults=[Fault(kind, after_events=0, seconds=3)]), idle_seconds=0.3)
    with pytest.raises(failures.Unavailable) as caught:
        await claude.ask(question())
    assert not isinstance(caught.value, failures.Interrupted)


async def test_a_slow_stream_is_not_a_stalled_one(standing: Open) -> None:
    """The idle limit counts between chunks: an answer may take longer than it."""
    _, claude = await standing(Turn("word " * 60, faults=[Fault("slow", seconds=0.05)]), idle_seconds=0.4)
    assert (await claude.ask(question())).stop_reason == "end_turn"


async def test_the_whole_answer_has_a_limit_too(standing: Open) -> None:
    """An answer that trickles on for ever is given up."""
    running, _ = await standing(Turn("word " * 60, delay=0.1))
    claude = Claude(api_key=KEY, base_url=running.url, total_seconds=0.4)
    with pytest.raises(failures.Interrupted, match="broke off"):
        await claude.ask(question())
    await claude.close()


async def test_a_wrong_key_blocks(standing: Open) -> None:
    """A refused key is the operator's to fix, and the sentence names the variable but not the key."""
    running, _ = await standing(Turn("x"))
    claude = Claude(api_key="sk-wrong", base_url=running.url)
    with pytest.raises(failures.Credentials, match="ANTHROPIC_API_KEY") as caught:
        await claude.ask(question())
    assert isinstance(caught.value, Blocked)
    assert "sk-wrong" not in str(caught.value)
    with pytest.raises(failures.Credentials):
        await claude.reach(MODEL)
    await claude.close()


async def test_an_edited_history_is_our_own_fault(standing: Open) -> None:
    """A changed prefix of a thinking block is recognised as such."""
    _, claude = await standing(Turn("x"), Turn("y"))
    first = await claude.ask(question())
    with pytest.raises(failures.HistoryChanged):
        await claude.ask(
            question({"role": "user", "content": "hi!"}, first.message, {"role": "user", "content": "b"})
        )


async def test_nobody_there_is_unavailable(unused_tcp_port: int) -> None:
    """A refused connection may work later."""
    claude = Claude(api_key=KEY, base_url=f"http://127.0.0.1:{unused_tcp_port}")
    with pytest.raises(failures.Unavailable, match="can't be reached"):
        await claude.ask(question())
    with pytest.raises(failures.Unavailable):
        await claude.reach(MODEL)
    await claude.close()


@pytest.mark.parametrize(
    ("content_type", "text"),
    [
        ("text/html", "<html>Sign in</html>"),
        ("application/json", '{"ok": true}'),
        ("text/event-stream", "data: hello\n\n"),
        (
            "text/event-stream",
            'event: content_block_delta\ndata: {"type":"content_block_delta","index":4}\n\n',
        ),
    ],
)
async def test_another_service_at_the_address_is_unavailable(content_type: str, text: str) -> None:
    """A 200 that is no stream of events, or one out of order, is a failure with words, not a crash."""

    async def reply(_: aiohttp.web.Request) -> aiohttp.web.Response:
        return aiohttp.web.Response(text=text, content_type=content_type)

    app = aiohttp.web.Application()
    app.router.add_post("/v1/messages", reply)
    runner = aiohttp.web.AppRunner(app)
    await runner.setup()
    await aiohttp.web.TCPSite(runner, "127.0.0.1", 0).start()
    claude = Claude(api_key=KEY, base_url=f"http://127.0.0.1:{runner.addresses[0][1]}")
    with pytest.raises(failures.Unavailable):
        await claude.ask(question())
    await claude.close()
    await runner.cleanup()


async def test_the_environment_has_no_say(standing: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """ANTHROPIC_* variables change neither key, address nor headers."""
    running, _ = await standing(Turn("x"))
    monkeypatch.setenv("ANTHROPIC_API_KEY", "from-outside")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "from-outside")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "x-outside: from-outside")
    monkeypatch.setenv("ANTHROPIC_PROFILE", "from-outside")
    claude = Claude(api_key=KEY, base_url=running.url)
    await claude.ask(question())
    assert "from-outside" not in json.dumps(dict(running.journal[0].headers))
    await claude.close()
    default = Claude(api_key=KEY)
    assert str(default._client.base_url) == "https://api.anthropic.com"
    await default.close()


async def test_a_request_carries_what_is_needed_and_no_more(standing: Open) -> None:
    """No sampling parameter, no thinking switch; system and tools only when there are some."""
    running, claude = await standing(Turn("x"), tests="{}")
    await claude.ask(question())
    assert set(running.journal[0].body) == {"model", "messages", "max_tokens", "stream"}
    await claude.ask(question(system="s", tools=TOOLS, effort="high", schema={"type": "object"}))
    full = running.journal[1].body
    assert set(full) == {"model", "messages", "max_tokens", "stream", "system", "tools", "output_config"}
    assert full["output_config"] == {
        "effort": "high",
        "format": {"type": "json_schema", "schema": {"type": "object"}},
    }
    assert full["tools"][0] == TOOLS[0]


async def test_a_request_that_cannot_be_built_is_no_outage(standing: Open) -> None:
    """Our own mistake comes out as it is, so that nobody waits for it to pass."""
    running, claude = await standing(Turn("x"))
    with pytest.raises(TypeError):
        await claude.ask(question({"role": "user", "content": [{"type": "text", "text": object()}]}))
    assert running.journal == []


async def test_many_calls_at_once_keep_apart(standing: Open) -> None:
    """Sixty conversations over one client each get their own answer."""
    _, claude = await standing(lambda seen: Turn(seen.opening))
    asked = [claude.ask(question({"role": "user", "content": f"hi {n} " * 20})) for n in range(60)]
    answers = await asyncio.gather(*asked)
    assert [answer.text.split()[1] for answer in answers] == [str(n) for n in range(60)]


async def test_reaching_a_model_names_it(standing: Open) -> None:
    """`reach` tells the model's name, and an unknown one is blocked."""
    _, claude = await standing(Turn("x"))
    assert await claude.reach(MODEL) == "Claude Opus 5.5"
    with pytest.raises(failures.UnknownModel):
        await claude.reach("claude-1")
