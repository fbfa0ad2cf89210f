"""Let the simulated human speak where it must, and end a conversation that leads nowhere."""

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

import structlog

from bot.proof.verdict import Verdict
from bot.task import human
from bot.task.desk import Desk
from bot.task.human import Cadence, Decision, HumanState, Word, WordKind
from bot.task.work import Caps, Entry, Phase, Work
from bot.words.nudge import Evidence, Failure
from bot.workspace.tools import FINISH
from storage.models import Interaction
from storage.words import InteractionType, Reason

log = structlog.get_logger(__name__)

MOST_FACTS = 10
REASONS = {
    Verdict.UNPROVEN: Reason.UNPROVEN,
    Verdict.FAILING: Reason.TESTS_FAILED,
    Verdict.REGRESSED: Reason.REGRESSED,
    Verdict.TAMPERED: Reason.TAMPERED,
}


class Reviewer:
    """The simulated human of one task: decides from what is stored, and stores what it says."""

    def __init__(self, work: Work, desk: Desk, caps: Caps) -> None:
        self._work = work
        self._desk = desk
        self._caps = caps

    async def joins(self, entries: Sequence[Interaction]) -> bool:
        """Speak beside tool results when there was an error or its time has come; True when it did.

        Such a word joins the results in one message and starts no round.
        """
        if not entries or entries[-1].interaction_type is not InteractionType.TOOL_RESULT:
            return False
        decision = await self._decide(entries, error=_failed_tool(entries))
        if decision.stuck:
            await self._limit("the same call came again and again")
            return True
        if decision.word is None:
            return False
        await self._say(decision.word)
        return True

    async def replies(self, entries: Sequence[Interaction]) -> None:
        """Answer a turn that ended without `finish`: a new round, or the end when nothing moves."""
        still = await self._count_round(entries)
        await self._next_round(await self._decide(entries, ended_turn=True, still_rounds=still))

    async def proof_failed(self, reason: Reason, sentence: str, facts: Sequence[str]) -> None:
        """Bring the evidence of a failed proof back into the conversation, while rounds last."""
        if self._work.facts.get("last_chance") or self._work.task.iterations >= self._caps.iterations:
            await self._work.fail(reason, " ".join([sentence, *facts[:1]]))
            return
        entries = await self._work.entries()
        still = await self._count_round(entries)
        decision = await self._decide(entries, facts, error=sentence.rstrip("."), still_rounds=still)
        if decision.word is None:
            await self._work.fail(reason, " ".join([sentence, *facts[:1]]))
            return
        await self._next_round(decision, phase=Phase.CONVERSE)

    async def limit_reached(self, why: str) -> None:
        """End the conversation; work that exists gets its proof, once."""
        await self._limit(why)

    async def _next_round(self, decision: Decision, **values: Any) -> None:
        if decision.word is None:
            await self._limit("nothing moved any more")
        elif self._work.task.iterations >= self._caps.iterations:
            await self._limit(f"the limit of {self._caps.iterations} rounds is reached")
        else:
            await self._say(decision.word, iterations=self._work.task.iterations + 1, **values)

    async def _limit(self, why: str) -> None:
        tree = await self._desk.snapshot()
        changed = tree != await self._desk.quarantine.tree_of(self._desk.start)
        log.info("conversation.ended", why=why, changed=changed)
        judged = self._work.facts.get("judged", {})
        if changed and judged.get("tree") != tree:
            await self._work.note(last_chance=why)
            await self._work.go_to(Phase.PROVE)
        elif changed:
            await self._work.fail(
                REASONS[Verdict(judged["verdict"])], f"{why}; {' '.join(judged['evidence'][:1])}"
            )
        else:
            rounds = self._work.task.iterations >= self._caps.iterations
            reason = Reason.OUT_OF_ITERATIONS if rounds or "limit" in why else Reason.NO_CHANGES
            await self._work.fail(reason, why)

    async def _say(self, word: Word, **values: Any) -> None:
        content = {"kind": word.kind, "text": word.text}
        if word.kind is WordKind.CONCLUDE:
            await self._work.note(concluded_at_tree=self._work.task.tree)
        if word.is_pause:
            values["pauses"] = self._work.task.pauses + 1
        entry: Entry = (InteractionType.SIMULATED_HUMAN, content)
        await self._work.speak(entry, **values)
        log.info("human.spoke", kind=word.kind)

    async def _count_round(self, entries: Sequence[Interaction]) -> int:
        """Return how many rounds in a row ended with the same tree; a repetition counts none twice."""
        facts, end = self._work.facts, entries[-1].seq
        if facts.get("round_end") == end:
            return int(facts["still_rounds"])
        tree = self._work.task.tree
        still = facts.get("still_rounds", 0) + 1 if facts.get("round_tree") == tree else 0
        await self._work.note(round_tree=tree, still_rounds=still, round_end=end)
        return int(still)

    async def _decide(
        self, entries: Sequence[Interaction], shown: Sequence[str] = (), **told: Any
    ) -> Decision:
        """Decide whether to speak; only then look at the tree, so that the word rests on what is there."""
        low, high = self._caps.cadence
        state = HumanState(
            cadence=Cadence(str(self._work.task.seed), low, high, self._caps.pauses),
            counts=human.count([_entry(entry) for entry in entries if not _finishes(entry)]),
            claude_text=_last_text(entries),
            changed_since_conclude=self._work.facts.get("concluded_at_tree") != self._work.task.tree,
            **told,
        )
        if human.decide(state).word is None:
            return human.decide(state)
        return human.decide(dataclasses.replace(state, evidence=await self._evidence(shown)))

    async def _evidence(self, shown: Sequence[str]) -> Evidence:
        tree = await self._desk.snapshot()
        judged = self._work.facts.get("judged", {})
        if not shown and judged.get("verdict") not in {None, Verdict.PROVEN}:
            shown = judged["evidence"]
        return Evidence(
            failures=tuple(Failure(fact) for fact in shown[:MOST_FACTS]),
            issue_title=self._work.facts.get("title", ""),
            issue_text=self._work.facts.get("body", ""),
            diff_stat=await self._diff_stat(tree),
        )

    async def _diff_stat(self, tree: str) -> str:
        changes = await self._desk.quarantine.changes(self._desk.start, tree)
        return "\n".join(f"{one.path} (+{one.added or 0} −{one.removed or 0})" for one in changes)  # noqa: RUF001


def _entry(entry: Interaction) -> human.Entry:
    content, call = entry.content, ""
    if entry.interaction_type is InteractionType.TOOL_CALL:
        call = f"{content['name']} {json.dumps(content['input'], sort_keys=True)}"
    return human.Entry(entry.interaction_type, str(content.get("kind", "")), call)


def _finishes(entry: Interaction) -> bool:
    """Whether it is a call of `finish`, whose repetition is a round's business."""
    return entry.interaction_type is InteractionType.TOOL_CALL and entry.content["name"] == FINISH


def _failed_tool(entries: Sequence[Interaction]) -> str:
    """Return what failed among the results of the last answer, in one clause."""
    for entry in reversed(entries):
        if entry.interaction_type is InteractionType.CLAUDE_RESPONSE:
            return ""
        if entry.interaction_type is InteractionType.TOOL_RESULT and entry.content["is_error"]:
            first = next((line for line in entry.content["text"].splitlines() if line.strip()), "")
            return f"the tool {entry.content['name']} failed: {first}"
    return ""


def _last_text(entries: Sequence[Interaction]) -> str:
    for entry in reversed(entries):
        if entry.interaction_type is InteractionType.CLAUDE_RESPONSE:
            blocks = entry.content["message"]["content"]
            return "\n\n".join(block["text"] for block in blocks if block.get("type") == "text")
    return ""
