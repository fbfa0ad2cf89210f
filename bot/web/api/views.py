"""Decide how rows read in the API: in words for people, without thinking and without anything secret."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from bot.web.api import shapes
from bot.words.redaction import Redactor
from storage import models
from storage.words import EventKind, InteractionType, TestState, TestType

Counts = Mapping[tuple[TestType, TestState], int]


class Views:
    """Turns rows into what the API gives; every text that someone else wrote is redacted."""

    def __init__(self, redact: Redactor) -> None:
        self._redact = redact

    def session(self, row: models.Session) -> shapes.Session:
        """Return a session."""
        return shapes.Session(
            id=row.id, repository=row.repository, issue_number=row.issue_number,
            project_path=row.project_path, branch=row.branch, pull_request=row.pull_request,
            created_at=row.created_at, updated_at=row.updated_at,
        )  # fmt: skip

    def description(self, text: str) -> str:
        """Return what a task is to do as it may be shown; a long one takes a tenth of a second."""
        return self._redact(text)

    def task(self, row: models.Task, cost: Decimal, description: str | None = None) -> shapes.Task:
        """Return a task in short; with its `description` shown before, it takes no time."""
        return shapes.Task(**self._facts(row, cost, description))

    def in_full(
        self,
        row: models.Task,
        cost: Decimal,
        cases: Sequence[models.TestCase],
        entries: Sequence[models.Interaction],
    ) -> shapes.TaskInFull:
        """Return a task with everything; takes its time for a long conversation."""
        return shapes.TaskInFull(
            **self._facts(row, cost),
            test_cases=[self._case(case) for case in cases],
            interactions=[self.interaction(entry) for entry in entries],
        )

    def status(self, row: models.Task, cost: Decimal, counts: Counts) -> shapes.Status:
        """Return where a task stands."""
        return shapes.Status(
            status=row.status, reason=row.reason, progress=self._redact(row.progress),
            test_summary=shapes.TestSummary(
                generated=_tally(counts, TestType.GENERATED), regression=_tally(counts, TestType.REGRESSION)
            ),
            iterations=row.iterations, pauses=row.pauses, cost_usd=float(cost),
            budget_usd=float(row.budget_usd), error_message=self._maybe(row.error_message),
        )  # fmt: skip

    def interaction(self, row: models.Interaction) -> shapes.Interaction:
        """Return one entry of the conversation."""
        return shapes.Interaction(
            id=str(row.id),
            interaction_type=row.interaction_type,
            content=self._redact(_said(row.interaction_type, row.content)),
            created_at=row.created_at,
        )

    def event(self, row: models.Event, entry: models.Interaction | None) -> str:
        """Return the JSON of one live event."""
        told: dict[str, Any] = {"task_id": row.task_id}
        if row.kind is EventKind.STATE:
            told |= {name: row.data.get(name) for name in ("status", "reason", "paused_by")}
        elif row.kind is EventKind.NOTE:
            told["text"] = self._redact(str(row.data.get("text", "")))
        elif entry is not None:
            told |= self.interaction(entry).model_dump(mode="json")
        else:  # forgotten meanwhile: what is left is that it was there
            told |= {"id": str(row.data.get("interaction")), "interaction_type": row.data.get("type")}
        told.setdefault("created_at", f"{row.created_at:%Y-%m-%dT%H:%M:%S.%f}Z")
        return json.dumps(told, ensure_ascii=False)

    def _facts(self, row: models.Task, cost: Decimal, description: str | None = None) -> dict[str, Any]:
        return {
            "id": row.id,
            "session_id": row.session_id,
            "kind": row.kind,
            "description": self.description(row.description) if description is None else description,
            "status": row.status,
            "reason": row.reason,
            "paused_by": row.paused_by,
            "summary": self._maybe(row.summary),
            "error_message": self._maybe(row.error_message),
            "cost_usd": float(cost),
            "created_at": row.created_at,
            "updated_at": row.updated_at,
            "started_at": row.started_at,
            "finished_at": row.finished_at,
        }

    def _case(self, row: models.TestCase) -> shapes.TestCase:
        return shapes.TestCase(
            id=str(row.id), name=self._redact(row.name), test_code=self._maybe(row.test_code),
            test_type=row.test_type, status=row.status, base_status=row.base_status,
            output=self._maybe(row.output),
        )  # fmt: skip

    def _maybe(self, text: str | None) -> str | None:
        return None if text is None else self._redact(text)


def _said(kind: InteractionType, content: Mapping[str, Any]) -> str:
    """Return the words of an entry; of an answer its text only, since thinking is nobody's to read."""
    if kind is InteractionType.CLAUDE_RESPONSE:
        blocks = (content.get("message") or {}).get("content") or ()
        return "\n\n".join(str(block["text"]) for block in blocks if block.get("type") == "text")
    if kind is InteractionType.TOOL_CALL:
        return f"{content.get('name', '')} {json.dumps(content.get('input'), ensure_ascii=False)}"
    return str(content.get("shown") or content.get("text") or "")


def _tally(counts: Counts, kind: TestType) -> shapes.Tally:
    def of(state: TestState) -> int:
        return counts.get((kind, state), 0)

    return shapes.Tally(
        total=sum(of(state) for state in TestState),
        passed=of(TestState.PASSED),
        failed=of(TestState.FAILED),
        skipped=of(TestState.SKIPPED),
    )
