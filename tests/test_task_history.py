"""The history that a request carries: the same bytes every time, append-only, calls answered in full."""

import itertools
import json
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bot.task import history
from storage.models import Interaction
from storage.words import InteractionType as T

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def entries(*told: tuple[T, dict[str, Any]]) -> list[Interaction]:
    return [
        Interaction(task_id="t", seq=seq, interaction_type=kind, content=content, created_at=NOW)
        for seq, (kind, content) in enumerate(told, start=1)
    ]


def said(text: str, **more: Any) -> tuple[T, dict[str, Any]]:
    return T.USER_REQUEST, {"text": text, **more}


def answer(*blocks: dict[str, Any], stop: str = "tool_use", **more: Any) -> tuple[T, dict[str, Any]]:
    return T.CLAUDE_RESPONSE, {
        "message": {"role": "assistant", "content": list(blocks)},
        "stop_reason": stop,
        **more,
    }


def call(call_id: str, name: str = "bash") -> dict[str, Any]:
    return {"type": "tool_use", "id": call_id, "name": name, "input": {"command": call_id}}


def begun(call_id: str) -> tuple[T, dict[str, Any]]:
    return T.TOOL_CALL, {"id": call_id, "name": "bash", "input": {"command": call_id}}


def done(call_id: str, *, is_error: bool = False) -> tuple[T, dict[str, Any]]:
    return history.result(call_id, "bash", f"did {call_id}", is_error=is_error)


def word(text: str) -> tuple[T, dict[str, Any]]:
    return T.SIMULATED_HUMAN, {"kind": "continuation", "text": text}


def test_results_come_first_then_texts_then_notices_as_system_messages() -> None:
    """Between two answers there is one user message; what the service notes follows it."""
    built = history.messages(
        entries(said("fix"), answer(call("a"), call("b")), said("restored", notice=True), begun("a"),
                done("a"), word("go on"), begun("b"), done("b", is_error=True))
    )  # fmt: skip
    assert [message["role"] for message in built] == ["user", "assistant", "user", "system"]
    assert [block["type"] for block in built[2]["content"]] == ["tool_result", "tool_result", "text"]
    assert [block.get("is_error") for block in built[2]["content"]] == [None, True, None]
    assert built[3]["content"] == "restored"


def test_answers_go_back_verbatim() -> None:
    """Thinking blocks, even empty ones, keep every byte; the tool calls that people see add nothing."""
    blocks = [{"type": "thinking", "thinking": "", "signature": "s=="}, call("a")]
    built = history.messages(entries(said("fix"), answer(*blocks), begun("a")))
    assert built == [
        {"role": "user", "content": [{"type": "text", "text": "fix"}]},
        {"role": "assistant", "content": blocks},
    ]


def test_a_history_starts_at_its_last_compaction() -> None:
    """What came before is in the summary."""
    summed = answer({"type": "compaction", "content": "so far"}, stop="compaction", compaction=True)
    built = history.messages(entries(said("fix"), answer(call("a")), done("a"), summed, word("go on")))
    assert [message["role"] for message in built] == ["assistant", "user"]
    assert built[0]["content"][0]["type"] == "compaction"


def test_open_calls_say_what_was_begun_and_what_was_cut() -> None:
    """A call with a result is closed; one written down without it may have run; a cut one did not."""
    open_calls = history.open_calls(
        entries(said("fix"), answer(call("a"), call("b"), call("c"), call("d"), cut=["d"]),
                begun("a"), done("a"), begun("b"))
    )  # fmt: skip
    assert [(one.id, one.begun, one.cut) for one in open_calls] == [
        ("b", True, False), ("c", False, False), ("d", False, True),
    ]  # fmt: skip


def test_a_notice_alone_asks_nothing_of_claude() -> None:
    """After an ended turn a person must speak first: a system message may not follow an answer."""
    ended = [said("fix"), answer({"type": "text", "text": "done"}, stop="end_turn")]
    assert not history.awaits_answer(entries(*ended))
    assert not history.awaits_answer(entries(*ended, said("restored", notice=True)))
    assert history.awaits_answer(entries(*ended, said("restored", notice=True), word("go on")))


def test_a_paused_turn_goes_on_without_a_word() -> None:
    """`pause_turn` is no end of a turn: the same history is sent again."""
    assert history.awaits_answer(
        entries(said("fix"), answer({"type": "text", "text": "…"}, stop="pause_turn"))
    )


def _turn(number: int, draw: st.DrawFn) -> list[tuple[T, dict[str, Any]]]:
    calls = [f"{number}-{n}" for n in range(draw(st.integers(0, 3)))]
    told = [answer({"type": "text", "text": f"turn {number}"}, *(call(one) for one in calls))]
    if draw(st.booleans()):
        told.append(said(f"notice {number}", notice=True))
    for one in calls:
        told += [begun(one), done(one, is_error=draw(st.booleans()))]
    if not calls or draw(st.booleans()):
        told.append(word(f"word {number}"))
    return told


@st.composite
def conversations(draw: st.DrawFn) -> list[tuple[T, dict[str, Any]]]:
    told = [said("fix")]
    for number in range(draw(st.integers(0, 6))):
        told += _turn(number, draw)
    return told


@given(conversations(), st.data())
def test_a_longer_conversation_begins_with_the_bytes_of_the_shorter(
    told: list[tuple[T, dict[str, Any]]], data: st.DataObject
) -> None:
    """What Claude was once asked with stays the beginning of every later request, byte for byte."""
    asked = [n for n in range(1, len(told) + 1) if _complete(entries(*told[:n]))]
    earlier, later = sorted((data.draw(st.sampled_from(asked)), data.draw(st.sampled_from(asked))))
    # Claude is asked only where its next answer follows, or at the very end.
    if earlier < len(told) and told[earlier][0] is not T.CLAUDE_RESPONSE:
        return
    first = [json.dumps(m) for m in history.messages(entries(*told[:earlier]))]
    second = [json.dumps(m) for m in history.messages(entries(*told[:later]))]
    assert second[: len(first)] == first


@given(conversations())
def test_a_request_never_holds_an_unanswered_call_or_two_answers_in_a_row(
    told: list[tuple[T, dict[str, Any]]],
) -> None:
    """Whenever Claude is to be asked, the API's rules of order hold."""
    for n in range(1, len(told) + 1):
        if _complete(entries(*told[:n])):
            built = history.messages(entries(*told[:n]))
            roles = [message["role"] for message in built]
            assert roles[-1] in {"user", "system"}
            for before, after in itertools.pairwise(roles):
                assert after != "assistant" or before != "assistant"
                assert after != "system" or before != "assistant"


def _complete(so_far: list[Interaction]) -> bool:
    return history.awaits_answer(so_far) and not history.open_calls(so_far)
