"""Lay out the tables beside the work: money, what was learnt of repositories and threads, who is alive."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from storage.columns import UtcTime, Words
from storage.metadata import DOLLARS, IDENTITY, Model


class Charge(Model):
    """Money for one model call: reserved before it, settled after it; unsettled counts as spent."""

    __tablename__ = "charges"
    __table_args__ = (Index("ix_charges_repository_day", "repository", "day"),)

    id: Mapped[int] = mapped_column(IDENTITY, primary_key=True, autoincrement=True)
    task_id: Mapped[str] = mapped_column(ForeignKey("tasks.id", ondelete="CASCADE"), index=True)
    repository: Mapped[str] = mapped_column(Words)
    day: Mapped[str] = mapped_column(String(10))  # UTC, YYYY-MM-DD
    purpose: Mapped[str] = mapped_column(String(32))
    model: Mapped[str] = mapped_column(String(100))
    reserved_usd: Mapped[Decimal] = mapped_column(DOLLARS)
    settled_usd: Mapped[Decimal | None] = mapped_column(DOLLARS)
    usage: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcTime)


class Baseline(Model):
    """The suite's outcome on one base commit, bought once per repository, commit, environment and command."""

    __tablename__ = "baselines"

    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    suite: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcTime)


class Repository(Model):
    """What was last known good of a repository: its in-repository configuration and its label."""

    __tablename__ = "repositories"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    full_name: Mapped[str] = mapped_column(Words)
    label: Mapped[str | None] = mapped_column(Words)
    configuration: Mapped[dict[str, Any]] = mapped_column(JSON)
    # None where we never knew of another label.
    label_since: Mapped[datetime | None] = mapped_column(UtcTime)
    updated_at: Mapped[datetime] = mapped_column(UtcTime)


class Worker(Model):
    """One worker process of many: its last sign of life by the database's clock, or that it is dead."""

    __tablename__ = "workers"

    id: Mapped[str] = mapped_column(String(200), primary_key=True)
    beat: Mapped[datetime] = mapped_column(UtcTime)
    state: Mapped[str] = mapped_column(String(16))  # alive | dead


class Thread(Model):
    """One issue or pull request: how much we wrote there since a person last said something.

    `silences` numbers the stretches without a person's word.
    """

    __tablename__ = "threads"

    repository_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    posts: Mapped[int] = mapped_column(default=0, server_default="0")
    silences: Mapped[int] = mapped_column(default=0, server_default="0")
    # Whoever announces that we go quiet does so until then.
    word_taken_until: Mapped[datetime | None] = mapped_column(UtcTime)
    updated_at: Mapped[datetime] = mapped_column(UtcTime)


class Sweep(Model):
    """How far the sweep for missed events has looked at one repository."""

    __tablename__ = "sweeps"

    repository_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    since: Mapped[datetime] = mapped_column(UtcTime)
    label: Mapped[str | None] = mapped_column(Words)  # in the one row about everyone's label: which one


class Answered(Model):
    """What an API call with an idempotency key was answered, so that its repetition is answered the same."""

    __tablename__ = "answered"

    key: Mapped[str] = mapped_column(String(200), primary_key=True)  # of token and Idempotency-Key, hashed
    fingerprint: Mapped[str] = mapped_column(String(64))  # of method, path and body
    status: Mapped[int]
    body: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcTime, index=True)
