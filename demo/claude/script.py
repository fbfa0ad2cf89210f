"""Decide what the stand-in for Claude says: plays chosen by the content of a conversation, turn by turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from demo.claude.conversation import Conversation


@dataclass(frozen=True)
class Fault:
    """One misbehaviour of the stand-in, in place of (or in the middle of) an answer.

    `overloaded` 529 · `rate_limited` 429 · `error` any `status` · `cut` the connection dies after
    `after_events` events · `stall` it goes quiet there for `seconds` · `error_event` an SSE error event
    comes there · `garbled` a chunk that is not JSON comes there · `truncated` the stream ends there,
    cleanly but too early · `slow` every event waits `seconds`, then the answer is complete.
    """

    kind: Literal[
        "overloaded", "rate_limited", "error", "cut", "stall", "error_event", "garbled", "truncated", "slow"
    ]
    retry_after: float | None = None
    status: int = 500
    error_type: str = ""
    message: str = ""
    error_code: str | None = None
    after_events: int = 3
    seconds: float = 0.02


@dataclass(frozen=True)
class Turn:
    """One answer: an optional thinking block, text, tool calls.

    `thinking` is `""` by default, since 5.x models return an empty block; `None` leaves the block out.
    `stop_reason` follows from `tools` unless given. `cut` sends only so many characters of the last
    tool's JSON input. `faults[n]` meets the n-th arrival of the very same request; later ones succeed.
    `usage` overrides single figures of the usage that is otherwise computed.
    """

    text: str = ""
    thinking: str | None = ""
    tools: Sequence[tuple[str, Mapping[str, Any]]] = ()
    stop_reason: str | None = None
    stop_details: Mapping[str, Any] | None = None
    usage: Mapping[str, int] = field(default_factory=dict)
    cut: int | None = None
    delay: float = 0.0  # seconds before each event
    faults: Sequence[Fault] = ()

    @property
    def ending(self) -> str:
        """Return the stop reason that this turn reports."""
        return self.stop_reason or ("tool_use" if self.tools else "end_turn")


Answering = Turn | Callable[[Conversation], Turn]
Structured = Answering | str | Mapping[str, Any]


@dataclass(frozen=True)
class Play:
    """The turns of one conversation.

    `match` is a text that the first user message contains, or a predicate. The turn is the one whose
    number is the count of assistant messages so far; `rest` answers when they are used up. `tests`
    answers requests for structured output (a mapping is sent as JSON, a string as it is).
    """

    match: str | Callable[[Conversation], bool]
    turns: Sequence[Answering] = ()
    rest: Answering | None = None
    tests: Structured | None = None
    summary: str = "The work so far, in short."  # the answer to a compaction request; "" makes it fail
    name: str = ""

    def suits(self, conversation: Conversation) -> bool:
        """Return whether this play is the one for the conversation."""
        if callable(self.match):
            return self.match(conversation)
        return self.match in conversation.opening


@dataclass(frozen=True)
class Script:
    """All plays of one stand-in and the limits that it holds requests to."""

    plays: Sequence[Play]
    context_tokens: int = 1_000_000
    max_output_tokens: int = 128_000
    minimum_cache_tokens: int = 512

    def find(self, conversation: Conversation) -> Play | None:
        """Return the play for the conversation: by the name a compaction block kept, else the first match."""
        if conversation.compacted is not None:
            number = conversation.compacted.play
            return self.plays[number] if 0 <= number < len(self.plays) else None
        return next((play for play in self.plays if play.suits(conversation)), None)


def choose(play: Play, conversation: Conversation) -> Turn | None:
    """Return the turn that answers the conversation, or None when the script has none."""
    if conversation.wants_structure:
        return _structured(play.tests, conversation)
    number = conversation.turns_taken
    answering = play.turns[number] if number < len(play.turns) else play.rest
    if answering is None:
        return None
    return answering(conversation) if callable(answering) else answering


def _structured(tests: Structured | None, conversation: Conversation) -> Turn | None:
    if tests is None or isinstance(tests, Turn):
        return tests
    if callable(tests):
        return tests(conversation)
    if isinstance(tests, str):
        return Turn(text=tests)
    return Turn(text=conversation.as_json(dict(tests)))
