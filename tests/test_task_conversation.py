"""The loop does what each answer asks for, and its whole state is what is stored."""

import dataclasses
from typing import Any

import pytest

from bot.claude import compact, failures
from bot.errors import Blocked
from bot.task import handover, history
from bot.task.work import Phase
from storage.database import Database
from storage.words import InteractionType as T
from storage.words import Reason
from tests.task_talk import CAPS, Talk, answer, calls, text

FINISH = ("finish", {"summary": "Totals add up", "look_at": ["rounding"], "open_questions": []})


async def test_a_task_ends_its_conversation_with_finish(database: Database) -> None:
    """What Claude said of its work is kept, the calls beside it are run, and the proof comes next."""
    talk = await Talk.begin(
        database, calls(("bash", {"command": "edit 1"}), FINISH, ("bash", {"command": "ls"}))
    )
    assert await talk.run() == Phase.PROVE
    assert talk.desk.used == ["edit 1", "ls"]
    assert talk.work.facts["finish"] == {**FINISH[1], "replies": []}
    assert history.open_calls(await talk.work.entries()) == []
    call, result = [(await talk.said(kind))[-1].content for kind in (T.TOOL_CALL, T.TOOL_RESULT)]
    assert (call["name"], call["input"]) == FINISH  # for whoever reads the conversation
    assert call["id"] == result["tool_use_id"]


@pytest.mark.parametrize(
    ("turns", "answer_given"),
    [
        ([calls(("finish", {"summary": "Floats lose cents.", "open_questions": ["Round\nup?"]}))],
         "Floats lose cents.\n\nOpen questions:\n\n- Round up?"),
        ([text("Floats lose cents.")], "Floats lose cents."),
        ([text("Let me see."), calls(("finish", {"summary": "Floats lose cents."}))], "Floats lose cents."),
        ([calls(("finish", {"summary": "Floats."})), calls(("finish", {})), calls(("bash", {}))], "Floats."),
        ([calls(("finish", {"summary": "Flo"}), cut=True)], ""),
        ([answer({"type": "text", "text": "I look."}, *calls(("bash", {})).message["content"])], ""),
        ([calls(("finish", ["no object"]))], ""),
    ],
)  # fmt: skip
async def test_what_claude_answers_is_what_it_says_at_its_end(
    sqlite: Database, turns: list[Any], answer_given: str
) -> None:
    """In `finish`, else in plain text; what it says beside its work is no answer, nor is half a call."""
    talk = await Talk.begin(sqlite, *turns)
    for _ in turns:
        await talk.work.go_to(Phase.CONVERSE)
        await talk.step()
        await talk.step()
    assert handover.last(await talk.work.entries()) == answer_given


async def test_an_answer_from_before_a_person_spoke_answers_something_else(sqlite: Database) -> None:
    """Nobody gets it as the answer to what they asked."""
    talk = await Talk.begin(sqlite, calls(("finish", {"summary": "Floats lose cents."})))
    await talk.run()
    await talk.work.append((T.HUMAN, {"text": "And ints?", "author": "ann"}))
    assert handover.last(await talk.work.entries()) == ""


async def test_a_crash_at_finish_does_not_lose_it(sqlite: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The call is answered in the moment in which the task goes on to its proof."""
    talk = await Talk.begin(sqlite, calls(FINISH))
    await talk.step()

    async def die(**_: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(talk.work, "note", die)
        with pytest.raises(SystemExit):
            await talk.step()
    await talk.work.reload()
    assert (talk.work.task.phase, len(history.open_calls(await talk.work.entries()))) == (Phase.CONVERSE, 1)
    assert await talk.run() == Phase.PROVE


async def test_a_call_that_was_begun_before_a_crash_is_not_run_again(sqlite: Database) -> None:
    """Its result says so, and the simulated human speaks of it."""
    talk = await Talk.begin(sqlite, calls(("bash", {"command": "edit 1"}), ("bash", {"command": "ls"})))

    async def die() -> None:
        raise SystemExit

    talk.desk.before_use = die
    await talk.step()
    with pytest.raises(SystemExit):
        await talk.step()
    talk.desk.before_use = None
    await talk.step()
    assert talk.desk.used == ["edit 1", "ls"]
    first, second = await talk.said(T.TOOL_RESULT)
    assert (first.content["text"], first.content["is_error"]) == (history.INTERRUPTED, True)
    assert second.content["text"] == "ran ls"
    assert len(talk.claude.asked) == 1


@pytest.mark.parametrize("name", ["bash", "finish"])
async def test_a_call_that_was_cut_off_is_answered_and_not_run(sqlite: Database, name: str) -> None:
    """Neither a half command nor a half `finish` counts."""
    talk = await Talk.begin(
        sqlite, calls(("bash", {"command": "ls"}), (name, {}), stop="max_tokens", cut=True), text("?")
    )
    await talk.step()
    await talk.step()
    assert talk.desk.used == ["ls"]
    assert [one.content["text"] for one in await talk.said(T.TOOL_RESULT)] == ["ran ls", history.CUT]
    assert talk.work.task.phase == Phase.CONVERSE


async def test_a_text_that_was_cut_off_goes_on_without_a_round(sqlite: Database) -> None:
    """The turn has not ended: nobody's turn is counted."""
    talk = await Talk.begin(sqlite, text("so I will", stop="max_tokens"), calls(FINISH))
    assert await talk.run() == Phase.PROVE
    assert await talk.words() == ["continuation"]
    assert talk.work.task.iterations == 1


async def test_a_paused_turn_is_asked_on_with_the_same_history(sqlite: Database) -> None:
    """Nobody speaks in between."""
    talk = await Talk.begin(sqlite, text("wait", stop="pause_turn"), calls(FINISH))
    assert await talk.run() == Phase.PROVE
    assert await talk.words() == []
    assert talk.claude.asked[1].messages[-1]["role"] == "assistant"


async def test_an_ended_turn_begins_a_round_and_an_empty_one_too(sqlite: Database) -> None:
    """Rounds are counted only where a turn ended."""
    talk = await Talk.begin(
        sqlite, calls(("bash", {"command": "edit 1"})), text("Done."), answer(stop="end_turn"), calls(FINISH)
    )
    assert await talk.run() == Phase.PROVE
    assert talk.work.task.iterations == 3
    roles = [message["role"] for message in talk.claude.asked[-1].messages]
    assert "assistant assistant" not in " ".join(roles)


async def test_a_refusal_ends_the_task(sqlite: Database) -> None:
    """The model will not, and that is said."""
    talk = await Talk.begin(sqlite, text("", stop="refusal"))
    assert await talk.run() == Phase.CONCLUDE
    assert talk.work.facts["outcome"]["reason"] == Reason.REFUSED


async def test_an_answer_without_a_reason_is_dropped_and_waited_out(sqlite: Database) -> None:
    """It was paid for; asking at once, again and again, would spend the whole budget."""
    talk = await Talk.begin(sqlite, text("half", stop=None))
    with pytest.raises(failures.Unavailable):
        await talk.step()
    assert await talk.said(T.CLAUDE_RESPONSE) == []


async def test_the_limit_of_calls_ends_the_conversation(sqlite: Database) -> None:
    """Work that exists gets its proof, once."""
    caps = dataclasses.replace(CAPS, steps=1)
    talk = await Talk.begin(sqlite, calls(("bash", {"command": "edit 1"})), text("never"), caps=caps)
    assert await talk.run() == Phase.PROVE
    assert "limit of 1" in talk.work.facts["last_chance"]
    assert len(talk.claude.asked) == 1


async def test_an_empty_budget_ends_the_task(sqlite: Database) -> None:
    """Before the call, not after it."""
    caps = dataclasses.replace(CAPS, budget_usd=CAPS.budget_usd / 1000)
    talk = await Talk.begin(sqlite, text("never"), caps=caps)
    assert await talk.run() == Phase.CONCLUDE
    assert talk.work.facts["outcome"]["reason"] == Reason.OUT_OF_BUDGET
    assert talk.claude.asked == []


SUMMARY = answer({"type": "compaction", "content": "so far"}, stop="compaction")


async def test_a_long_conversation_is_summed_up_and_goes_on(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next request begins with the summary, ends with a user's word, and no round was counted."""
    monkeypatch.setattr(compact, "TRIGGER_TOKENS", 10)
    talk = await Talk.begin(sqlite, SUMMARY, calls(FINISH))
    await talk.step()
    monkeypatch.undo()
    assert await talk.run() == Phase.PROVE
    roles = [message["role"] for message in talk.claude.asked[1].messages]
    assert roles == ["assistant", "user"]
    assert talk.work.task.iterations == 1


async def test_a_summary_that_cannot_be_had_leaves_the_history_as_it_is(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Far below the model's limit the conversation simply goes on, and is not summed up at each step."""
    monkeypatch.setattr(compact, "TRIGGER_TOKENS", 10)
    refused = failures.CompactionRejected("not this one")
    talk = await Talk.begin(sqlite, refused, calls(("bash", {"command": "ls"})), calls(FINISH))
    assert await talk.run() == Phase.PROVE
    assert [question.summarize is not None for question in talk.claude.asked] == [True, False, False]


@pytest.mark.parametrize(
    ("turns", "problem"),
    [
        ((failures.PromptTooLong("too long"), failures.CompactionRejected("no")), Blocked),
        ((failures.PromptTooLong("too long"), failures.PromptTooLong("still")), failures.PromptTooLong),
    ],
)
async def test_a_prompt_that_fits_in_no_way_ends_the_task(
    sqlite: Database, turns: Any, problem: type[Exception]
) -> None:
    """With words for a person."""
    talk = await Talk.begin(sqlite, *turns)
    with pytest.raises(problem):
        await talk.step()


async def test_a_prompt_that_is_too_long_is_summed_up(sqlite: Database) -> None:
    """Also where the estimate was too low."""
    talk = await Talk.begin(sqlite, failures.PromptTooLong("too long"), SUMMARY, calls(FINISH))
    assert await talk.run() == Phase.PROVE
