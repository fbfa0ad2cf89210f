"""Draw the facts that the words need from a task's rows."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from bot.settings import Settings
from bot.task import handover, voices
from bot.task.configuration import Configuration
from bot.task.work import ENDINGS, Work
from bot.words import answer
from bot.words.facts import (
    CaseFacts,
    ChangeFacts,
    Event,
    FileFacts,
    InteractionFacts,
    Point,
    Remark,
    SessionFacts,
    SuiteFacts,
    TaskFacts,
    TestFacts,
)
from bot.words.redaction import Redactor
from bot.workspace.objects import Objects
from bot.workspace.tools import FINISH
from storage import charges, events, tasks, test_cases
from storage.models import Interaction, TestCase
from storage.words import ENDED, InteractionType, Reason, TaskState, TestState

# A shorter one is over before anyone looks at the clock.
LONG_WAIT_SECONDS = 120.0
_STOPPED = re.compile(r"@([A-Za-z0-9_-]+(?:\[bot\])?) (.+)", re.DOTALL)

SET_UP_AGAIN = "the change edits dependency files, so set-up ran again for it"

PLACES = ("prepare", "converse", "prove", "deliver")
POINTS = {
    "prepare": "Fetch the code and set up its environment",
    "converse": "Work on the issue",
    "prove": "Prove it: new and existing tests, before and after",
    "deliver": "Open the pull request",
}


_ASKED = {
    "command": "by `/journeyman run`",
    "retry": "by `/journeyman retry`",
    "test": "by `/journeyman test`",
    "guidance": "by a comment",
    "review": "by a review",
    "ci": "by a failing check",
    "api": "over the API",
}


class Portraitist:
    """Knows what stays the same for every task of this process."""

    def __init__(self, settings: Settings, redact: Redactor) -> None:
        self._settings = settings
        self._redact = redact

    def session(self, work: Work) -> SessionFacts:
        """Return what is known of the session."""
        own = Configuration.model_validate(work.facts.get("configuration") or {}).label
        return SessionFacts(
            id=work.session.id,
            repository=work.session.repository if work.session.issue_number is not None else "",
            issue_number=work.session.issue_number,
            issue_title=work.facts.get("title") or work.task.description,
            label=own or self._settings.label,
            server_url=self._settings.github_server_url,
            secrets=self._redact,
        )

    async def task(self, work: Work, ending: TaskState | None = None) -> TaskFacts:
        """Return where the task stands; `ending` is the state that it is about to end in."""
        task = work.task
        outcome = work.facts.get("outcome") or {}
        reason = task.reason or (Reason(outcome["reason"]) if outcome.get("reason") else None)
        async with work.database.reading() as reading:
            cost = await charges.spent_by_task(reading, task.id)
            told = await events.notes(reading, task.id)
            siblings = await tasks.of_session(reading, task.session_id)
            ahead = await tasks.ahead(reading, task)
        state = ending or (TaskState.PENDING if tasks.in_line(task) else task.status)
        waits, until = _waits(work)
        stopper, why = _stopped(str(outcome.get("why") or ""), state)
        return TaskFacts(
            id=task.id, state=state, requester=task.requester or "", requester_id=task.requester_id,
            joined=tuple(login for login in voices.requesters(work) if login != task.requester),
            created_at=task.created_at, updated_at=task.updated_at, started_at=task.started_at,
            finished_at=task.finished_at,
            model=task.model or self._settings.model, cost_usd=cost, budget_usd=task.budget_usd,
            reason=reason if state is TaskState.FAILED else None, paused_by=task.paused_by,
            cancelled_by=stopper, waiting_for=waits, waiting_until=until,
            detail=" ".join(filter(None, (why, str(work.facts.get("kept") or "")))),
            progress=task.progress, steps=task.steps, max_steps=self._settings.max_steps,
            iterations=task.iterations, max_iterations=self._settings.max_iterations,
            pauses=task.pauses, max_pauses=self._settings.max_pauses,
            timeout_seconds=round(self._settings.task_timeout),
            branch=work.facts.get("kept_branch") or work.session.branch or "",
            pushed=task.head_sha is not None,
            base_ref=task.base_ref or "", base_sha=task.base_sha or "", head_sha=task.head_sha or "",
            tree=work.facts.get("delivered_tree") or task.tree or "",
            pull_request=work.session.pull_request, checklist=_checklist(work),
            events=tuple(Event(one.created_at, str(one.data["text"])) for one in told),
            kind=task.kind, attempt=sum(one.created_at <= task.created_at for one in siblings),
            asked_how=_ASKED.get(str(task.trigger.get("origin")), ""),
            answered=bool(work.facts.get("answered")), answer=await _answer(work, state, reason),
            pull_state=work.session.pull_state or "", queue_position=ahead,
            paused_by_login=(task.pause_wanted or "") if work.task.phase not in ENDINGS else "",
            capped_by_day=bool(work.facts.get("day_is_spent")),
            lacking=str((work.facts.get("refusal") or {}).get("key") or ""),
            day_budget_usd=self._settings.repository_daily_budget_usd, cap_usd=self._settings.task_budget_usd,
        )  # fmt: skip

    async def tests(self, work: Work) -> TestFacts | None:
        """Return the last proof, or None before the first."""
        judged = work.facts.get("judged")
        if not judged:
            return None
        async with work.database.reading() as reading:
            cases = await test_cases.of_task(reading, work.id)
        notes = (work.facts.get("environment_note"), SET_UP_AGAIN if judged.get("set_up_again") else "")
        suite = SuiteFacts(
            command=judged.get("command", ""), seconds=judged.get("seconds", 0.0), run=judged.get("run", 1),
            environment="sandbox, no network", note="; ".join(filter(None, notes)),
        )  # fmt: skip
        return TestFacts(
            cases=tuple(_case(case) for case in cases), suite=suite, base_ref=work.task.base_ref or "base",
            base_sha=work.task.base_sha or "", head_sha=work.task.head_sha or "", tree=judged["tree"],
        )  # fmt: skip

    async def change(self, work: Work, code: Objects) -> ChangeFacts:
        """Return what the delivered change is, and what Claude says of it."""
        said = work.facts.get("finish") or {}
        assert work.task.base_sha is not None  # noqa: S101  # there is a change, so there was a base
        changes = await code.changes(work.task.base_sha, work.facts["delivered_tree"])
        words = {"A": "added", "M": "modified", "D": "deleted", "T": "modified"}
        return ChangeFacts(
            summary=said.get("summary") or "",
            files=tuple(
                FileFacts(one.path, words.get(one.status, "modified"), one.added, one.removed)
                for one in changes
            ),
            look_at=tuple(said.get("look_at") or ()),
            open_questions=tuple(said.get("open_questions") or ()),
        )


def _waits(work: Work) -> tuple[str, datetime | None]:
    """Return whom the task waits for, and until when if that is known and not soon."""
    world = work.facts.get("world")
    if not world or work.facts.get("away_since") is None:
        return "", None
    until = datetime.fromtimestamp(world["until"], UTC)
    told = world["until"] - work.facts["away_since"] >= LONG_WAIT_SECONDS
    return str(world["for"]), until if told else None


async def _answer(work: Work, state: TaskState, reason: Reason | None) -> str:
    """Return what Claude said at the end of a task in which nothing was changed."""
    answers = state is TaskState.COMPLETED and work.facts.get("answered")
    explains = state is TaskState.FAILED and reason is Reason.NO_CHANGES
    return handover.last(await work.entries()) if answers or explains else ""


def _stopped(why: str, state: TaskState) -> tuple[str, str]:
    """Return who stopped the task and how, from the words that dispatch kept: "@LOGIN closed the issue"."""
    found = _STOPPED.fullmatch(why) if state is TaskState.CANCELLED else None
    return (found[1], found[2]) if found else ("", why)


def conversation(entries: Sequence[Interaction]) -> list[InteractionFacts]:
    """Return the conversation as people see it; thinking is not part of it."""
    told: list[InteractionFacts] = []
    for entry in entries:
        told += _asked(entry) if "turns" in entry.content else [_interaction(entry)]
    return told


def _asked(entry: Interaction) -> list[InteractionFacts]:
    """Return what the task was asked for: the issue, each review, comment and check by itself."""
    return [
        InteractionFacts(
            entry.interaction_type,
            turn["text"],
            entry.created_at,
            author=turn["author"],
            source=turn["source"],
            remarks=tuple(Remark(one["place"], one["text"]) for one in turn.get("remarks") or ()),
        )
        for turn in entry.content["turns"]
    ]


def _interaction(entry: Interaction) -> InteractionFacts:
    content, kind = entry.content, entry.interaction_type
    if kind is InteractionType.CLAUDE_RESPONSE:
        blocks = content["message"]["content"]
        text = "\n\n".join(block["text"] for block in blocks if block.get("type") == "text")
        return InteractionFacts(kind, text, entry.created_at, tokens=content.get("usage", {}).get("output"))
    if kind is InteractionType.TOOL_CALL:
        finishes = content["name"] == FINISH
        return InteractionFacts(
            kind,
            answer.markdown(**handover.said(content["input"])) if finishes else "",
            entry.created_at,
            tool=content["name"],
            target="" if finishes else _target(content["input"]),
            call_id=content["id"],
        )
    if kind is InteractionType.TOOL_RESULT:
        return InteractionFacts(
            kind,
            content["text"],
            entry.created_at,
            call_id=content["tool_use_id"],
            failed=content["is_error"],
        )
    return InteractionFacts(
        kind,
        content.get("shown") or content["text"],
        entry.created_at,
        author=content.get("author") or "",
        source=content.get("where") or "",
        kind=content.get("kind", ""),
    )


def _target(given: Any) -> str:
    if not isinstance(given, dict):
        return ""
    command = " ".join(str(given[key]) for key in ("command", "path") if key in given)
    return command or ", ".join(sorted(given))


def _checklist(work: Work) -> tuple[Point, ...]:
    phase = work.task.phase
    at = PLACES.index(phase) if phase in PLACES else (len(PLACES) if work.task.status in ENDED else -1)
    if phase == "conclude":
        at = 3 if work.facts.get("judged") else 1
    active = work.task.status not in ENDED and phase != "conclude"
    return tuple(
        Point(POINTS[place], done=n < at, active=active and n == at, note=work.task.progress)
        for n, place in enumerate(PLACES)
    )


def _case(case: TestCase) -> CaseFacts:
    def known(state: TestState) -> TestState | None:
        return None if state is TestState.PENDING else state

    output = case.output or ""
    first = next((line.strip() for line in output.splitlines() if line.strip()), "")
    return CaseFacts(
        name=case.name, type=case.test_type, base=known(case.base_status), now=known(case.status),
        reason=first if case.status is TestState.FAILED else "", output=output, note=case.note or "",
        flaky="flaky" in (case.note or ""),
    )  # fmt: skip
