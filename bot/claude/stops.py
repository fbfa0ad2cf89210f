"""Say what each stop reason asks of us next, as a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What to do after an answer."""

    RUN_TOOLS = "run_tools"  # run the calls, append their results, ask again
    TURN_OVER = "turn_over"  # Claude ended its turn: the round is over
    CONTINUE = "continue"  # keep the answer, ask again so that Claude goes on
    REFUSED = "refused"  # the model won't; the task ends with reason `refused`
    COMPACT = "compact"  # keep the answer, compact the history, then ask again
    COMPACTED = "compacted"  # the answer is a compaction block
    CUT = "cut"  # the answer is not whole: drop it, count its cost, ask the same again


@dataclass(frozen=True)
class Next:
    """What follows: the kind, and for `continue` the sentence to add when the API wants a user message."""

    kind: Kind
    nudge: str = ""


LONG = (
    "Your last answer was cut off at the output limit. A tool call that was cut did not run."
    " Go on from there, in smaller pieces."
)

MEANINGS: Mapping[str, Next] = {
    "tool_use": Next(Kind.RUN_TOOLS),
    "end_turn": Next(Kind.TURN_OVER),
    "stop_sequence": Next(Kind.TURN_OVER),
    "max_tokens": Next(Kind.CONTINUE, LONG),
    "pause_turn": Next(Kind.CONTINUE),
    "refusal": Next(Kind.REFUSED),
    "model_context_window_exceeded": Next(Kind.COMPACT, LONG),
    "compaction": Next(Kind.COMPACTED),
}


def meaning(stop_reason: str | None) -> Next:
    """Return what follows an answer with this stop reason.

    None means that the stream ended without one: a cut answer. An unknown word means a turn that is over,
    so that a new API value can end a round but never loop or run anything.
    Source: Anthropic, handling stop reasons.
    """
    if stop_reason is None:
        return Next(Kind.CUT)
    return MEANINGS.get(stop_reason, Next(Kind.TURN_OVER))
