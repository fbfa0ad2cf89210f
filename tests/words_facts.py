"""Gives the tests of the templates one session, task and test run to vary."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from bot.words.facts import (
    CaseFacts,
    ChangeFacts,
    Event,
    FileFacts,
    Point,
    SessionFacts,
    SuiteFacts,
    TaskFacts,
    TestFacts,
)
from bot.words.redaction import Redactor
from storage.words import TaskState, TestState, TestType

SECRET = "a-very-secret-value-of-this-process"
START = datetime(2026, 11, 22, 13, 59, 15, tzinfo=UTC)
PASSED, FAILED = TestState.PASSED, TestState.FAILED
NEW, OLD = TestType.GENERATED, TestType.REGRESSION

SESSION = SessionFacts(
    id="7f3k2m9q",
    repository="octo/dates",
    issue_number=42,
    issue_title="Parsing fails for `+0530`",
    secrets=Redactor.knowing([SECRET]),
)
TASK = TaskFacts(
    id="t1",
    state=TaskState.RUNNING,
    requester="alice",
    requester_id=9,
    created_at=START,
    started_at=START,
    updated_at=START + timedelta(seconds=252),
    model="claude-opus-5-5",
    cost_usd=Decimal("0.74"),
    budget_usd=Decimal("5.00"),
    steps=18,
    iterations=2,
    pauses=1,
    branch="journeyman/issue-42-parsing-fails-for-0530",
    base_ref="main",
    base_sha="1a2b3c4d5e6f",
    head_sha="9f8e7d6c5b4a",
    tree="c0ffee123456",
    progress="Editing `src/dates.py`",
    checklist=(
        Point("Read the issue and the repository", done=True),
        Point("Implement", active=True, note="editing `src/dates.py`"),
        Point("Prove it"),
    ),
    events=(Event(START, "accepted, sandbox ready"),),
)
PROVEN = TestFacts(
    cases=(
        CaseFacts("tests/test_dates.py::test_half", NEW, FAILED, PASSED),
        CaseFacts("tests/test_dates.py::test_zero", NEW, PASSED, PASSED),
        CaseFacts("tests/test_cli.py::test_ok", OLD, PASSED, PASSED),
    ),
    suite=SuiteFacts("pytest -q", seconds=41, run=2, environment="Python 3.11 without network"),
    base_ref="main",
    base_sha="1a2b3c4d5e6f",
    head_sha="9f8e7d6c5b4a",
    tree="c0ffee123456",
)
CHANGE = ChangeFacts(
    summary="The minutes of an offset were dropped. Fixes #1, thanks @bob.",
    files=(
        FileFacts("src/dates.py", added=9, removed=3, note="keep the minutes"),
        FileFacts("tests/test_dates.py", "added", 12, 0),
    ),
    look_at=("`parse_tz` now raises on `+2460`",),
    open_questions=("Should `-0000` parse?",),
    not_tested=("Windows time zones",),
)
