"""Turn the stored conversation into the messages of a request, the same bytes every time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from storage.models import Interaction
from storage.words import InteractionType

INTERRUPTED = (
    "Interrupted by a restart of the service: it is not known whether this ran, or how far. "
    "Check the state before you go on."
)

CUT = "This call was cut off at the output limit and did not run. Send it again, in smaller pieces."

_SPOKEN = (InteractionType.USER_REQUEST, InteractionType.SIMULATED_HUMAN, InteractionType.HUMAN)


@dataclass(frozen=True)
class OpenCall:
    """A tool call that waits for its result; `begun`: it may have run; `cut`: its input is not whole."""

    id: str
    name: str
    input: Any
    begun: bool
    cut: bool = False


def messages(entries: Sequence[Interaction]) -> list[dict[str, Any]]:
    """Return the history for the Messages API: append-only, answers verbatim.

    Everything between two answers is one user message, tool results first, as the API asks
    (https://docs.claude.com/en/api/messages: results come before text). A notice of the service goes behind
    it as a system message. What came before a compaction is in the compaction's summary.
    """
    built: list[dict[str, Any]] = []
    said: list[dict[str, Any]] = []
    notices: list[str] = []

    def close() -> None:
        if said:
            results = [block for block in said if block["type"] == "tool_result"]
            texts = [block for block in said if block["type"] != "tool_result"]
            built.append({"role": "user", "content": results + texts})
        built.extend({"role": "system", "content": notice} for notice in notices)
        said.clear()
        notices.clear()

    for entry in entries[_start(entries) :]:
        content = entry.content
        if entry.interaction_type is InteractionType.CLAUDE_RESPONSE:
            close()
            if content["message"]["content"]:
                built.append({"role": "assistant", "content": content["message"]["content"]})
        elif entry.interaction_type is InteractionType.TOOL_RESULT:
            said.append(_result(content))
        elif entry.interaction_type in _SPOKEN:
            if content.get("notice"):
                notices.append(content["text"])
            else:
                said.append({"type": "text", "text": content["text"]})
    close()
    return built


def open_calls(entries: Sequence[Interaction]) -> list[OpenCall]:
    """Return the tool calls of the last answer that still want a result, in order."""
    last = last_answer(entries)
    if last is None:
        return []
    place, answer = last
    after = entries[place + 1 :]
    begun = {e.content["id"] for e in after if e.interaction_type is InteractionType.TOOL_CALL}
    done = {e.content["tool_use_id"] for e in after if e.interaction_type is InteractionType.TOOL_RESULT}
    cut = answer.content.get("cut", ())
    return [
        OpenCall(block["id"], block["name"], block["input"], block["id"] in begun, block["id"] in cut)
        for block in answer.content["message"]["content"]
        if block.get("type") == "tool_use" and block["id"] not in done
    ]


def last_answer(entries: Sequence[Interaction]) -> tuple[int, Interaction] | None:
    """Return Claude's last answer and its place in the list, or None before the first."""
    for place in range(len(entries) - 1, -1, -1):
        if entries[place].interaction_type is InteractionType.CLAUDE_RESPONSE:
            return place, entries[place]
    return None


def awaits_answer(entries: Sequence[Interaction]) -> bool:
    """Whether Claude is to be asked: it was spoken to since its last answer, or paused in the middle of it.

    A notice alone asks for nothing, and may not follow an answer directly.
    """
    last = last_answer(entries)
    if last is None:
        return True
    place, answer = last
    after = entries[place + 1 :]
    if not any(_speaks(entry) for entry in after):
        return answer.content.get("stop_reason") == "pause_turn" and bool(
            answer.content["message"]["content"]
        )
    return True


def _speaks(entry: Interaction) -> bool:
    if entry.interaction_type is InteractionType.TOOL_RESULT:
        return True
    return entry.interaction_type in _SPOKEN and not entry.content.get("notice")


def result(call_id: str, name: str, text: str, *, is_error: bool) -> tuple[InteractionType, dict[str, Any]]:
    """Return the entry for a tool's result."""
    content = {"tool_use_id": call_id, "name": name, "text": text, "is_error": is_error}
    return InteractionType.TOOL_RESULT, content


def _start(entries: Sequence[Interaction]) -> int:
    """Return where the history starts: at the last compaction, whose block stands for all before it."""
    for place in range(len(entries) - 1, -1, -1):
        if entries[place].content.get("compaction"):
            return place
    return 0


def _result(content: dict[str, Any]) -> dict[str, Any]:
    block: dict[str, Any] = {
        "type": "tool_result",
        "tool_use_id": content["tool_use_id"],
        "content": [{"type": "text", "text": content["text"]}],
    }
    if content["is_error"]:
        block["is_error"] = True
    return block
