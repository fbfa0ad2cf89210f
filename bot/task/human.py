"""Decide whether the simulated human speaks now, and of what kind its word is.

Everything here is derived from what is stored, so a restart changes neither its timing nor its words.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from bot.words import nudge
from storage.words import InteractionType

SAME_CALLS = 3  # the same call so many times in a row, or
STILL_ROUNDS = 3  # so many rounds without a change: it tells Claude to conclude


class WordKind(StrEnum):
    """What the simulated human's word is for."""

    CONTINUATION = "continuation"  # Claude ended its turn without `finish`
    ERROR_HANDLING = "error_handling"  # a tool failed, something timed out, the proof failed
    ENCOURAGEMENT = "encouragement"  # its time has come round
    ANSWER = "answer"  # Claude's turn ended with a question
    CONCLUDE = "conclude"  # nothing moves any more


@dataclass(frozen=True)
class Word:
    """What the simulated human says; only a word that nothing called for counts as a pause."""

    kind: WordKind
    text: str

    @property
    def is_pause(self) -> bool:
        """Tell whether the word counts against ``MAX_PAUSES``."""
        return self.kind == WordKind.ENCOURAGEMENT


@dataclass(frozen=True)
class Decision:
    """A word or silence; *stuck* means that the word to conclude was in vain and the task must end."""

    word: Word | None = None
    stuck: bool = False


@dataclass(frozen=True)
class Cadence:
    """How often it speaks unasked: *low* to *high* responses after its last word, drawn anew each time."""

    seed: str  # the task's id
    low: int = 3
    high: int = 5
    max_pauses: int = 5

    def gap(self, words: int) -> int:
        """Return after how many responses it speaks next, having spoken *words* times."""
        drawn = random.Random(f"{self.seed}:{words}")  # noqa: S311 - timing, not a secret
        return drawn.randint(self.low, max(self.low, self.high))


@dataclass(frozen=True)
class Entry:
    """One stored interaction, as far as this room needs it."""

    type: InteractionType
    kind: str = ""  # SIMULATED_HUMAN: its WordKind
    call: str = ""  # TOOL_CALL: name and input, in a canonical form


@dataclass(frozen=True)
class Counts:
    """What the stored conversation says about the simulated human's turn."""

    responses_since_word: int = 0
    words: int = 0
    pauses: int = 0
    calls: tuple[str, ...] = ()  # the latest calls since the last word to conclude
    concluded: bool = False  # a word to conclude was said


@dataclass(frozen=True)
class HumanState:
    """Everything it looks at before it speaks."""

    cadence: Cadence
    counts: Counts
    ended_turn: bool = False  # Claude ended its turn without `finish`
    claude_text: str = ""  # the text of Claude's latest response
    error: str = (
        ""  # what failed, in one clause: "the tool bash timed out", "the proof failed"; empty: nothing
    )
    evidence: nudge.Evidence = field(default_factory=nudge.Evidence)
    still_rounds: int = 0  # rounds since the tree last changed or a word to conclude was said
    changed_since_conclude: bool = False
    person_waiting: bool = False  # a real person's comment takes the place of the next word


def count(entries: Sequence[Entry]) -> Counts:
    """Return the counts that the stored conversation holds, oldest entry first."""
    responses = words = pauses = 0
    calls: list[str] = []
    concluded = False
    for entry in entries:
        if entry.type == InteractionType.CLAUDE_RESPONSE:
            responses += 1
        elif entry.type == InteractionType.TOOL_CALL:
            calls.append(entry.call)
        elif entry.type == InteractionType.SIMULATED_HUMAN:
            responses, words = 0, words + 1
            pauses += entry.kind == WordKind.ENCOURAGEMENT
            if entry.kind == WordKind.CONCLUDE:
                calls, concluded = [], True
        elif entry.type == InteractionType.HUMAN:
            # A person's word sets the conversation going again.
            responses, calls, concluded = 0, [], False
    return Counts(responses, words, pauses, tuple(calls[-SAME_CALLS:]), concluded)


def decide(state: HumanState) -> Decision:
    """Return what the simulated human does now.

    In this order: leave the floor to a waiting person; tell Claude to conclude when nothing moves (the second
    time the task is stuck); speak on an error, always; answer or go on when a turn ended without ``finish``;
    speak unasked when the cadence says so and pauses are left.
    """
    if state.person_waiting:
        return Decision()
    concluded = state.counts.concluded and not state.changed_since_conclude
    stillness = _stillness(state)
    if concluded and (stillness or (state.ended_turn and not state.error)):
        return Decision(stuck=True)
    if stillness:
        return Decision(Word(WordKind.CONCLUDE, nudge.conclude(state.evidence, stillness)))
    return Decision(_called_for(state) or (None if concluded else _unasked(state)))


def _called_for(state: HumanState) -> Word | None:
    if state.error:
        return Word(WordKind.ERROR_HANDLING, nudge.on_error(state.evidence, state.error))
    if not state.ended_turn:
        return None
    if question := nudge.question(state.claude_text):
        return Word(WordKind.ANSWER, nudge.answer(state.evidence, question))
    return Word(WordKind.CONTINUATION, nudge.go_on(state.evidence))


def _unasked(state: HumanState) -> Word | None:
    counts, cadence = state.counts, state.cadence
    if counts.responses_since_word < cadence.gap(counts.words) or counts.pauses >= cadence.max_pauses:
        return None
    return Word(WordKind.ENCOURAGEMENT, nudge.encourage(state.evidence))


def _stillness(state: HumanState) -> str:
    calls = state.counts.calls
    if len(calls) >= SAME_CALLS and len(set(calls[-SAME_CALLS:])) == 1:
        return f"you made the same call {SAME_CALLS} times in a row: {nudge.quote(calls[-1], 200)}"
    if state.still_rounds >= STILL_ROUNDS:
        return f"{state.still_rounds} rounds went by without a change to any file"
    return ""
