"""Lead the conversation with Claude, one step at a time; what comes next follows from what is stored."""

from collections.abc import Sequence
from typing import Any

import structlog

from bot.claude import compact, failures, prices, prompts, size, stops
from bot.claude.ask import Answer, Claude, Question
from bot.claude.stops import Kind
from bot.claude.usage import Usage
from bot.errors import Blocked
from bot.task import handover, history, listening
from bot.task.budget import OutOfBudget
from bot.task.desk import Desk
from bot.task.human import WordKind
from bot.task.reviewer import Reviewer
from bot.task.work import Caps, Entry, Phase, Work
from bot.workspace.tools import FINISH, TOOLS
from storage.models import Interaction
from storage.words import InteractionType, Reason

log = structlog.get_logger(__name__)

SNAPSHOT_STEPS = 10
# A history that could not be summed up is worth another try when it has grown by this much.
COMPACT_AGAIN = 1.2
GO_ON = "The conversation so far was summed up. Go on from where the summary ends."
FINISH_TAKEN = "Taken down. The service now runs the tests on the original code and on yours."


class Conversation:
    """The loop of one task; its whole state is the stored interactions, so a restart goes on from there."""

    def __init__(self, claude: Claude, work: Work, desk: Desk, caps: Caps, model: str) -> None:
        self._claude = claude
        self._work = work
        self._desk = desk
        self._caps = caps
        self._model = model
        self._reviewer = Reviewer(work, desk, caps)

    async def step(self) -> None:
        """Do one step: answer open tool calls, or let the reviewer speak, or ask Claude.

        Raises the failures of `Claude.ask`; OutOfBudget and limits end the task through `work`.
        """
        entries = await self._work.entries()
        if calls := history.open_calls(entries):
            await self._answer(calls)
        elif self._may_listen(entries):
            await listening.take_in(self._work, starts_round=not history.awaits_answer(entries))
        elif not history.awaits_answer(entries):
            await self._turn_over(entries)
        elif await self._reviewer.joins(entries):
            return  # the word is stored; the next step asks with it
        else:
            await self._ask(entries)

    def _may_listen(self, entries: Sequence[Interaction]) -> bool:
        """Whether a person's word is there to be taken in, ahead of everything that is not a tool's result.

        One that would start a round beyond the limit waits for the end, and becomes a follow-up.
        """
        ended_turn = not history.awaits_answer(entries)
        return listening.waits(self._work) and not (
            ended_turn and self._work.task.iterations >= self._caps.iterations
        )

    async def _ask(self, entries: Sequence[Interaction]) -> None:
        if self._work.task.steps >= self._caps.steps:
            await self._reviewer.limit_reached(f"the limit of {self._caps.steps} model calls is reached")
            return
        messages = history.messages(entries)
        tokens = size.prompt(prompts.load("system"), TOOLS, messages, _anchor(entries))
        try:
            await self._ask_or_compact(messages, tokens)
        except OutOfBudget as problem:
            if problem.by_day:
                await self._work.note(day_is_spent=True)
            await self._work.fail(Reason.OUT_OF_BUDGET, str(problem))
        except failures.Rejected as problem:  # asking again would change nothing
            raise Blocked(str(problem)) from problem

    async def _ask_or_compact(self, messages: Sequence[Any], tokens: int) -> None:
        threshold = max(compact.TRIGGER_TOKENS, int(self._work.facts.get("uncompacted", 0) * COMPACT_AGAIN))
        if tokens > threshold and compact.possible(messages) and not await self._compact(messages, tokens):
            return
        purse = self._work.account(self._caps).paying(self._claude, "step", tokens)
        try:
            await self._take(await purse.ask(self._question(messages)), len(messages))
        except failures.PromptTooLong:
            if problem := await self._compact(messages, tokens):
                raise Blocked(
                    f"the conversation has grown too long and could not be summed up: {problem}"
                ) from None

    def _question(self, messages: Sequence[Any]) -> Question:
        return Question(
            model=self._model,
            system=prompts.load("system"),
            tools=TOOLS,
            messages=messages,
            max_tokens=prices.MOST_OUTPUT,
        )

    async def _take(self, answer: Answer, asked: int) -> None:
        """Store the answer before anything is done about it; then a crash never buys it again."""
        following = stops.meaning(answer.stop_reason)
        log.info("step.answered", task=self._work.id, stop=answer.stop_reason, calls=len(answer.calls))
        if following.kind is Kind.CUT:  # paid for and dropped; the same is asked again, after a pause
            raise failures.Unavailable("The answer of the Claude API ended without a reason.")
        if following.kind is Kind.REFUSED:
            await self._work.fail(Reason.REFUSED, "the model declined to work on this issue")
            return
        entries = [_response(answer, asked)]
        if following.kind in (Kind.CONTINUE, Kind.COMPACT) and not answer.calls and following.nudge:
            entries.append(_go_on(following.nudge))
        await self._work.append(*entries, steps=self._work.task.steps + 1)

    async def _compact(self, messages: Sequence[Any], tokens: int) -> str:
        """Let the API sum the conversation up; its summary starts the history from then on.

        Returns why it could not be, or nothing. The old history stays good then.
        """
        purse = self._work.account(self._caps).paying(self._claude, "compaction", tokens)
        made = await compact.compact(purse, self._question(messages))
        if made.message is None:
            await self._work.note(uncompacted=tokens)
            return made.problem
        content = {
            "message": dict(made.message),
            "usage": made.usage.as_dict(),
            "model": self._model,
            "asked": 0,
            "compaction": True,
        }
        # An answer must not be the last message: the API wants someone to have spoken to Claude.
        await self._work.append((InteractionType.CLAUDE_RESPONSE, content), _go_on(GO_ON))
        return ""

    async def _answer(self, calls: Sequence[history.OpenCall]) -> None:
        """Run the calls one after the other; each is written down before it runs and after."""
        finishing: list[history.OpenCall] = []
        for call in calls:
            if call.cut:
                await self._work.append(history.result(call.id, call.name, history.CUT, is_error=True))
            elif call.name == FINISH:
                finishing.append(call)
            elif call.begun:
                await self._work.append(
                    history.result(call.id, call.name, history.INTERRUPTED, is_error=True)
                )
            else:
                await self._run(call)
        if finishing:
            await self._finish(finishing)
        elif self._work.task.steps % SNAPSHOT_STEPS == 0 or self._desk.snapshot_due:
            await self._desk.snapshot()

    async def _run(self, call: history.OpenCall) -> None:
        await self._desk.ready()  # what a restart took from the tree is told before the call, not of the call
        await self._work.append(_called(call))
        outcome = await self._desk.use(call.name, call.input)
        await self._work.append(history.result(call.id, call.name, outcome.text, is_error=outcome.is_error))

    async def _finish(self, calls: Sequence[history.OpenCall]) -> None:
        """Answer the call and go to the proof, together: a crash in between would lose the call."""
        await self._work.note(finish=handover.said(calls[-1].input))
        entries: list[Entry] = []
        for call in calls:
            entries += [_called(call), history.result(call.id, call.name, FINISH_TAKEN, is_error=False)]
        await self._work.append(*entries, phase=Phase.PROVE)

    async def _turn_over(self, entries: Sequence[Interaction]) -> None:
        """Claude ended its turn without `finish`: the round is over, and someone must speak."""
        await self._desk.snapshot()
        await self._reviewer.replies(entries)


def _response(answer: Answer, asked: int) -> Entry:
    content = {
        "message": {"role": "assistant", "content": list(answer.message["content"])},
        "stop_reason": answer.stop_reason,
        "usage": answer.usage.as_dict(),
        "model": answer.model,
        "request_id": answer.request_id,
        "asked": asked,
        "cut": [call.id for call in answer.calls if not call.whole],
    }
    return InteractionType.CLAUDE_RESPONSE, content


def _called(call: history.OpenCall) -> Entry:
    return InteractionType.TOOL_CALL, {"id": call.id, "name": call.name, "input": call.input}


def _go_on(text: str) -> Entry:
    return InteractionType.SIMULATED_HUMAN, {"kind": WordKind.CONTINUATION, "text": text}


def _anchor(entries: Sequence[Interaction]) -> size.Anchor | None:
    """Return the last prompt size that the API told, in messages of the current history."""
    last = history.last_answer(entries)
    if last is None or not last[1].content.get("asked"):
        return None
    figures = last[1].content["usage"]
    return size.Anchor(messages=last[1].content["asked"] + 1, tokens=Usage(**figures).total)
