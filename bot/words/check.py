"""Decide what the check run says and how it concludes."""

from dataclasses import dataclass

from bot.words import final, outgoing, phrases, report
from bot.words.facts import SessionFacts, TaskFacts, TestFacts
from storage.words import ENDED, Reason, TaskState, TestType

SUMMARY = 65_535  # bytes; GitHub refuses more
_TITLE = 120


@dataclass(frozen=True)
class CheckOutput:
    """The ``output`` of a check run, and its conclusion (None while the task is live)."""

    title: str
    summary: str
    conclusion: str | None


def output(session: SessionFacts, task: TaskFacts, tests: TestFacts | None = None) -> CheckOutput:
    """Return title, summary and conclusion of the check run for the commit that was pushed."""
    parts = []
    if task.state == TaskState.FAILED:
        parts += [f"Stopped: {final.cause(session, task, tests)}", ""]
    if tests is not None:
        parts.append(report.section(session, tests))
    else:
        parts.append("No tests were run on this commit." if task.state in ENDED else "Working.")
    summary = outgoing.clear("\n".join(parts), session.secrets, SUMMARY, ours=True, octets=True)
    return CheckOutput(_title(task, tests), summary, _conclusion(task))


def buttons(task: TaskFacts) -> tuple[dict[str, str], ...]:
    """Return the check run's buttons: label, description and identifier, within GitHub's 20, 40 and 20."""
    again = {
        "label": "Run tests again",
        "description": "Prove this head once more",
        "identifier": "test",
    }
    if task.state == TaskState.COMPLETED:
        return (again,)
    retry = {"label": "Try again", "description": "Go on from this work", "identifier": "retry"}
    return (again, retry)


def _title(task: TaskFacts, tests: TestFacts | None) -> str:
    if tests is None:
        return "Working" if task.state not in ENDED else "No tests were run"
    new = len(tests.of(TestType.GENERATED))
    return outgoing.short(f"{phrases.tally(tests.cases)} · {phrases.count(new, 'new test')}", _TITLE)


def _conclusion(task: TaskFacts) -> str | None:
    if task.state not in ENDED:
        return None
    if task.state == TaskState.COMPLETED:
        return "success"
    if task.state == TaskState.CANCELLED:
        return "cancelled"
    return {Reason.NO_CHANGES: "neutral", Reason.BLOCKED: "action_required", Reason.TIMEOUT: "timed_out"}.get(
        task.reason or Reason.ERROR, "failure"
    )
