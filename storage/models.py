"""Lay out the tables of the work: what was heard, what grew from it, and the constraints that close races."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from storage.columns import UtcTime, Word, Words
from storage.metadata import DOLLARS, IDENTITY, Model
from storage.words import (
    DeliveryState,
    EventKind,
    InteractionType,
    PausedBy,
    Reason,
    RequestKind,
    TaskKind,
    TaskState,
    TestState,
    TestType,
)


class Delivery(Model):
    """One webhook as received, stored before it is answered; the primary key makes it one per id."""

    __tablename__ = "deliveries"

    id: Mapped[str] = mapped_column(String(200), primary_key=True)
    event: Mapped[str] = mapped_column(String(100))
    action: Mapped[str | None] = mapped_column(Words)
    payload: Mapped[bytes] = mapped_column(LargeBinary)
    state: Mapped[DeliveryState] = mapped_column(Word(DeliveryState), index=True)
    error: Mapped[str | None] = mapped_column(Words)
    received_at: Mapped[datetime] = mapped_column(UtcTime, index=True)


class Request(Model):
    """What a delivery, an API call or the command line asks for: the outbox between hearing and doing."""

    __tablename__ = "requests"
    __table_args__ = (
        # A handler that runs again (a replayed delivery) must not ask twice.
        Index("uq_requests_cause", "cause", unique=True),
        Index(
            "ix_requests_waiting",
            "id",
            sqlite_where=text("dispatched_at IS NULL"),
            postgresql_where=text("dispatched_at IS NULL"),
        ),
        Index(
            "ix_requests_unanswered",
            "id",
            sqlite_where=text("answer IS NOT NULL AND answered_at IS NULL"),
            postgresql_where=text("answer IS NOT NULL AND answered_at IS NULL"),
        ),
        Index("ix_requests_repository_issue", "repository_id", "issue_number"),
    )

    id: Mapped[int] = mapped_column(IDENTITY, primary_key=True, autoincrement=True)
    cause: Mapped[str] = mapped_column(Words)
    delivery_id: Mapped[str | None] = mapped_column(
        ForeignKey("deliveries.id", ondelete="SET NULL"), index=True
    )
    kind: Mapped[RequestKind] = mapped_column(Word(RequestKind))
    installation_id: Mapped[int | None] = mapped_column(BigInteger)
    repository_id: Mapped[int | None] = mapped_column(BigInteger)
    repository: Mapped[str] = mapped_column(Words)
    issue_number: Mapped[int | None] = mapped_column(BigInteger)
    actor_id: Mapped[int | None] = mapped_column(BigInteger)
    actor: Mapped[str | None] = mapped_column(Words)
    text: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    dispatched_at: Mapped[datetime | None] = mapped_column(UtcTime)
    outcome: Mapped[str | None] = mapped_column(Words)
    # Whoever considers it does so until then; after a failure of the world nobody takes it up before then.
    claimed_until: Mapped[datetime | None] = mapped_column(UtcTime)
    # When it was first taken up; its thread waits for it for some seconds from then, and no longer.
    taken_at: Mapped[datetime | None] = mapped_column(UtcTime)
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    # What the person is to be told, and whether they were.
    answer: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    answered_at: Mapped[datetime | None] = mapped_column(UtcTime)
    # Since then `text` and `answer` hold nothing any more that a person wrote.
    forgotten_at: Mapped[datetime | None] = mapped_column(UtcTime)


class Session(Model):
    """One issue, or one API or command-line request, in one repository, with its branch and pull request."""

    __tablename__ = "sessions"
    __table_args__ = (
        # Two labels at the same moment must not open two sessions for one issue.
        Index(
            "uq_sessions_open",
            "repository_id",
            "issue_number",
            unique=True,
            sqlite_where=text("ended_at IS NULL AND issue_number IS NOT NULL"),
            postgresql_where=text("ended_at IS NULL AND issue_number IS NOT NULL"),
        ),
        Index("ix_sessions_repository_issue", "repository_id", "issue_number"),
        Index("ix_sessions_repository_pull", "repository_id", "pull_request"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    installation_id: Mapped[int | None] = mapped_column(BigInteger)
    repository_id: Mapped[int | None] = mapped_column(BigInteger)
    repository: Mapped[str] = mapped_column(Words)
    issue_number: Mapped[int | None] = mapped_column(BigInteger)
    project_path: Mapped[str | None] = mapped_column(Words)
    branch: Mapped[str | None] = mapped_column(Words)
    pull_request: Mapped[int | None]
    pull_state: Mapped[str | None] = mapped_column(String(16))  # open | closed | merged
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    updated_at: Mapped[datetime] = mapped_column(UtcTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcTime)


class Task(Model):
    """One piece of work in a session."""

    __tablename__ = "tasks"
    __table_args__ = (
        # One label is one task, however often GitHub tells us: at most one live and one waiting per session.
        Index(
            "uq_tasks_live",
            "session_id",
            unique=True,
            sqlite_where=text("status IN ('RUNNING', 'PAUSED', 'TESTING')"),
            postgresql_where=text("status IN ('RUNNING', 'PAUSED', 'TESTING')"),
        ),
        Index(
            "uq_tasks_pending",
            "session_id",
            unique=True,
            sqlite_where=text("status = 'PENDING'"),
            postgresql_where=text("status = 'PENDING'"),
        ),
        Index("ix_tasks_status", "status"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), index=True)
    request_id: Mapped[int | None] = mapped_column(
        ForeignKey("requests.id", ondelete="SET NULL"), unique=True
    )
    kind: Mapped[TaskKind] = mapped_column(Word(TaskKind))
    description: Mapped[str] = mapped_column(Words)
    trigger: Mapped[dict[str, Any]] = mapped_column(JSON)
    requester_id: Mapped[int | None] = mapped_column(BigInteger)
    requester: Mapped[str | None] = mapped_column(Words)
    seed: Mapped[int] = mapped_column(BigInteger)
    status: Mapped[TaskState] = mapped_column(Word(TaskState))
    reason: Mapped[Reason | None] = mapped_column(Word(Reason))
    paused_by: Mapped[PausedBy | None] = mapped_column(Word(PausedBy))
    phase: Mapped[str] = mapped_column(String(32))
    progress: Mapped[str] = mapped_column(Words)
    summary: Mapped[str | None] = mapped_column(Words)
    error_message: Mapped[str | None] = mapped_column(Words)
    model: Mapped[str | None] = mapped_column(String(100))
    budget_usd: Mapped[Decimal] = mapped_column(DOLLARS)
    iterations: Mapped[int] = mapped_column(default=0)
    steps: Mapped[int] = mapped_column(default=0)
    pauses: Mapped[int] = mapped_column(default=0)
    base_ref: Mapped[str | None] = mapped_column(Words)
    base_sha: Mapped[str | None] = mapped_column(String(64))
    head_sha: Mapped[str | None] = mapped_column(String(64))
    tree: Mapped[str | None] = mapped_column(String(64))
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)
    cancel_wanted: Mapped[str | None] = mapped_column(Words)
    cancel_as: Mapped[Reason | None] = mapped_column(Word(Reason))  # FAILED with it, instead of CANCELLED
    pause_wanted: Mapped[str | None] = mapped_column(Words)  # by whom; taken back when someone resumes it
    event_count: Mapped[int] = mapped_column(default=0, server_default="0")
    # How often it was handed to the queue; part of the workflow's id.
    runs: Mapped[int] = mapped_column(default=0)
    enqueued_at: Mapped[datetime | None] = mapped_column(UtcTime)
    resume_at: Mapped[datetime | None] = mapped_column(UtcTime)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    updated_at: Mapped[datetime] = mapped_column(UtcTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcTime)


class TestCase(Model):
    """A generated or regression test with its outcome on the base commit and on the result."""

    __test__ = False
    __tablename__ = "test_cases"
    __table_args__ = (Index("uq_test_cases_name", "task_id", "test_type", "name", unique=True),)

    id: Mapped[int] = mapped_column(IDENTITY, primary_key=True, autoincrement=True)
    task_id: Mapped[str] = mapped_column(ForeignKey("tasks.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(Words)
    test_type: Mapped[TestType] = mapped_column(Word(TestType))
    test_code: Mapped[str | None] = mapped_column(Words)
    path: Mapped[str | None] = mapped_column(Words)
    status: Mapped[TestState] = mapped_column(Word(TestState))
    base_status: Mapped[TestState] = mapped_column(Word(TestState))
    note: Mapped[str | None] = mapped_column(Words)
    output: Mapped[str | None] = mapped_column(Words)


class Interaction(Model):
    """One entry of the conversation; append-only, in the order of `seq`, which one writer at a time takes."""

    __tablename__ = "interactions"
    __table_args__ = (Index("uq_interactions_seq", "task_id", "seq", unique=True),)

    id: Mapped[int] = mapped_column(IDENTITY, primary_key=True, autoincrement=True)
    task_id: Mapped[str] = mapped_column(ForeignKey("tasks.id", ondelete="CASCADE"))
    seq: Mapped[int]
    interaction_type: Mapped[InteractionType] = mapped_column(Word(InteractionType))
    content: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcTime)


class Event(Model):
    """One change of a task, written in the transaction of the change: what a listener may have missed."""

    __tablename__ = "events"
    __table_args__ = (
        Index("uq_events_seq", "task_id", "seq", unique=True),
        Index(
            "ix_events_unsent",
            "id",
            sqlite_where=text("notified_at IS NULL AND kind = 'state'"),
            postgresql_where=text("notified_at IS NULL AND kind = 'state'"),
        ),
    )

    id: Mapped[int] = mapped_column(IDENTITY, primary_key=True, autoincrement=True)
    task_id: Mapped[str] = mapped_column(ForeignKey("tasks.id", ondelete="CASCADE"))
    seq: Mapped[int]
    kind: Mapped[EventKind] = mapped_column(Word(EventKind))
    data: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    # Of a state change: when the outbound notification was taken, given up or found to be nobody's.
    notified_at: Mapped[datetime | None] = mapped_column(UtcTime)
    notify_attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    notify_after: Mapped[datetime | None] = mapped_column(UtcTime)


class Snapshot(Model):
    """The agent's tree at one moment: a tree id and the thin pack that makes it from the base commit."""

    __tablename__ = "snapshots"
    __table_args__ = (Index("uq_snapshots_seq", "task_id", "seq", unique=True),)

    id: Mapped[int] = mapped_column(IDENTITY, primary_key=True, autoincrement=True)
    task_id: Mapped[str] = mapped_column(ForeignKey("tasks.id", ondelete="CASCADE"))
    seq: Mapped[int]  # the last interaction whose effects the tree holds
    tree: Mapped[str] = mapped_column(String(64))
    pack: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(UtcTime)


class Effect(Model):
    """An outside action (comment, push, pull request, check run), keyed so that it is done once."""

    __tablename__ = "effects"

    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    task_id: Mapped[str | None] = mapped_column(ForeignKey("tasks.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str] = mapped_column(String(32))
    state: Mapped[str] = mapped_column(String(16))  # begun | done
    external_id: Mapped[str | None] = mapped_column(Words)
    detail: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    updated_at: Mapped[datetime] = mapped_column(UtcTime)
