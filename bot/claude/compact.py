"""Shorten a conversation by the API's own summary, so that its thinking blocks stay valid."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from bot.claude import failures, prompts
from bot.claude.ask import Asker, Question
from bot.claude.usage import Usage

log = structlog.get_logger(__name__)

TRIGGER_TOKENS = 150_000  # prompts beyond this are worth a summary
MOST_SUMMARY = 16_000  # tokens that the summary may take


@dataclass(frozen=True)
class Compaction:
    """What a compaction request gave: the new start of the history, or the reason why there is none."""

    message: Mapping[str, Any] | None
    usage: Usage
    replaced: int  # how many messages from the front the summary stands for
    problem: str = ""

    def apply(self, messages: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Return the history with the summary in place of what it stands for; unchanged without one."""
        if self.message is None:
            return list(messages)
        return [self.message, *messages[self.replaced :]]


def possible(messages: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether the history may be compacted now: it must not end in a tool call without a result."""
    if not messages:
        return False
    content = messages[-1]["content"]
    if messages[-1]["role"] != "assistant" or isinstance(content, str):
        return True
    return not any(block.get("type") == "tool_use" for block in content)


async def compact(claude: Asker, question: Question) -> Compaction:
    """Return the summary of a conversation, asked for with the same model, system and tools.

    After it the history is the returned message and whatever is appended later; the service's own
    record keeps everything. A refusal of the request or an empty summary is no failure: the old history
    stays good (`problem` says why). Raises the other failures of `Claude.ask`.
    Source: Anthropic, compaction on demand (beta compact-2026-09-04).
    """
    count = len(question.messages)
    request = dataclasses.replace(
        question,
        summarize=prompts.load("compact"),
        max_tokens=min(question.max_tokens, MOST_SUMMARY),
        schema=None,
        effort=None,
    )
    try:
        answer = await claude.ask(request)
    except failures.PromptTooLong:
        raise
    except failures.Rejected as failure:
        log.warning("conversation.not_compacted", problem=str(failure))
        return Compaction(None, Usage(), 0, str(failure))
    blocks = answer.message["content"]
    if [block.get("type") for block in blocks] != ["compaction"] or not blocks[0].get("content"):
        log.warning("conversation.not_compacted", problem="no summary", stop_reason=answer.stop_reason)
        return Compaction(None, answer.usage, 0, "the API returned no summary")
    return Compaction(answer.message, answer.usage, count)
