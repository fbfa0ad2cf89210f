"""Holds the check run to GitHub's limits and to the task's outcome."""

from dataclasses import replace

import pytest

from bot.words import check
from bot.words.facts import CaseFacts
from storage.words import Reason, TaskState
from tests.words_facts import FAILED, OLD, PASSED, PROVEN, SESSION, TASK


@pytest.mark.parametrize(
    ("state", "reason", "conclusion"),
    [
        (TaskState.RUNNING, None, None),
        (TaskState.COMPLETED, None, "success"),
        (TaskState.CANCELLED, None, "cancelled"),
        (TaskState.FAILED, Reason.REGRESSED, "failure"),
        (TaskState.FAILED, Reason.NO_CHANGES, "neutral"),
        (TaskState.FAILED, Reason.BLOCKED, "action_required"),
        (TaskState.FAILED, Reason.TIMEOUT, "timed_out"),
    ],
)
def test_the_conclusion_follows_the_task(
    state: TaskState, reason: Reason | None, conclusion: str | None
) -> None:
    """Only a completed task is a success."""
    assert check.output(SESSION, replace(TASK, state=state, reason=reason), PROVEN).conclusion == conclusion


def test_the_title_gives_the_numbers() -> None:
    """The list of checks shows the numbers without a click."""
    said = check.output(SESSION, replace(TASK, state=TaskState.COMPLETED), PROVEN)

    assert said.title == "3 passed · 2 new tests"
    assert "| New tests | 1 passed, 1 failed | 2 passed | 1 newly passing |" in said.summary


def test_the_summary_keeps_githubs_limit_in_bytes() -> None:
    """Signs of three bytes do not push the summary over 65,535 bytes."""
    cases = tuple(
        CaseFacts(f"t.py::试{number}" + "验" * 150, OLD, PASSED, FAILED, output="汉字\n" * 900)
        for number in range(900)
    )

    summary = check.output(SESSION, TASK, replace(PROVEN, cases=cases)).summary

    assert 50_000 < len(summary.encode()) <= 65_535
    assert "characters shown.*" in summary


def test_a_failure_says_why() -> None:
    """The check names the cause like the final comment does."""
    task = replace(TASK, state=TaskState.FAILED, reason=Reason.TAMPERED)

    said = check.output(SESSION, task)

    assert said.summary.startswith("Stopped: existing tests were weakened")
    assert said.title == "No tests were run"
