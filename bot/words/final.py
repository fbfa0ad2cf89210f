"""Decide the last word on the issue: what came of the task, what was kept, what to do next."""

from bot.words import markers, outgoing, phrases
from bot.words.facts import SessionFacts, TaskFacts, TestFacts
from storage.words import Reason, TaskState, TestType

_CAUSES = {
    Reason.TESTS_FAILED: "tests fail with my change",
    Reason.UNPROVEN: "the change is not proven, since no new test fails without it and passes with it",
    Reason.OUT_OF_BUDGET: "out of budget ({budget})",
    Reason.OUT_OF_ITERATIONS: "out of rounds ({rounds}) before the work was done",
    Reason.REGRESSED: "my change breaks tests that passed before",
    Reason.TAMPERED: "existing tests were weakened, removed or skipped, and that must not pass for a fix",
    Reason.TIMEOUT: "out of time ({time})",
    Reason.BLOCKED: "I am blocked",
    Reason.REFUSED: "the request was refused",
    Reason.NO_CHANGES: "the conversation ended without a change",
    Reason.ERROR: "something failed on my side",
}
_WITH_TESTS = (
    Reason.TESTS_FAILED,
    Reason.REGRESSED,
    Reason.OUT_OF_BUDGET,
    Reason.OUT_OF_ITERATIONS,
    Reason.TIMEOUT,
)
_NEXT = {
    Reason.TESTS_FAILED: "Say on the issue what the failing tests should expect",
    Reason.UNPROVEN: "Describe on the issue how to see the fault",
    Reason.OUT_OF_BUDGET: "Raise `budget_usd` in `.github/journeyman.yml` or narrow the issue",
    Reason.OUT_OF_ITERATIONS: "Narrow the issue or take the branch over",
    Reason.REGRESSED: "Say on the issue which behaviour should win",
    Reason.TAMPERED: "Say on the issue which tests are wrong, if some are",
    Reason.TIMEOUT: "Narrow the issue or raise the time limit",
    Reason.BLOCKED: "Remove the obstacle",
    Reason.REFUSED: "Reword the issue or do it by hand",
    Reason.NO_CHANGES: "Add what is missing to the issue",
    Reason.ERROR: "It may work at another time",
}


def comment(session: SessionFacts, task: TaskFacts, tests: TestFacts | None = None) -> str:
    """Return the final comment of an ended task: the one new comment that notifies, the requester alone.

    At most six lines: the marker, the outcome with its cause, what was kept, the next step.
    """
    lines = [markers.marker("final", session.id, f"fin-{task.id}")]
    if task.state == TaskState.COMPLETED:
        lines += _done(session, task, tests)
    elif task.state == TaskState.CANCELLED:
        lines += _cancelled(session, task)
    else:
        lines += _failed(session, task, tests)
    return outgoing.clear("\n".join(lines), session.secrets, ours=True)


def not_allowed(session: SessionFacts, *, login: str, needs: str, has: str, op: str) -> str:
    """Return the short refusal for a person who lacks the role to start a task."""
    return outgoing.clear(
        f"{markers.marker('refusal', session.id, op)}\n"
        f"{phrases.person(login)} needs **{outgoing.line(needs, session.secrets)}** access to start here"
        f" (and has **{outgoing.line(has, session.secrets)}**).\n"
        f"A maintainer can add the label, or change `allow.run` in `.github/journeyman.yml`.",
        session.secrets,
        ours=True,
    )


def cause(session: SessionFacts, task: TaskFacts, tests: TestFacts | None = None) -> str:
    """Return why a FAILED task failed, in a sentence, with its detail."""
    text = _CAUSES[task.reason or Reason.ERROR].format(
        budget=phrases.usd(task.budget_usd),
        rounds=task.max_iterations,
        time=phrases.duration(task.timeout_seconds),
    )
    failing = phrases.failing_of(tests) if task.reason in _WITH_TESTS else ""
    text += f", with {failing}." if failing else "."
    detail = outgoing.phrase(task.detail, session.secrets, 400).rstrip(".")
    return f"{text} {detail[0].upper()}{detail[1:]}." if detail else text


def _done(session: SessionFacts, task: TaskFacts, tests: TestFacts | None) -> list[str]:
    where = f"#{task.pull_request} is ready for review" if task.pull_request else "the work is ready"
    if not task.pull_request and task.branch:
        where = f"the work is on {phrases.branch_link(session, task)}"
    proof = ""
    if tests is not None:
        new, passing = len(tests.of(TestType.GENERATED)), len(tests.now_passing)
        proof = f", with {phrases.count(new, 'new test')}, {len(tests.detecting)} failing without the change"
        proof += f"; {phrases.count(passing, 'test passes', 'tests pass')}"
        if tests.failing_before:
            proof += f", {len(tests.failing_before)} failing as before"
    return [f"{phrases.mention(task.requester)}done: {where}{proof}. {_numbers(task)}"]


def _failed(session: SessionFacts, task: TaskFacts, tests: TestFacts | None) -> list[str]:
    reason = task.reason or Reason.ERROR
    label = outgoing.code(session.label, session.secrets)
    step = f"{_NEXT[reason]}; then take the label {label} off and add it again."
    return [
        f"{phrases.mention(task.requester)}I stopped: {cause(session, task, tests)}",
        f"{_kept(session, task)} {_numbers(task)}",
        step,
    ]


def _cancelled(session: SessionFacts, task: TaskFacts) -> list[str]:
    # Whoever stopped it knows already; the requester hears of it when it was someone else.
    by = f" by {phrases.person(task.cancelled_by)}" if task.cancelled_by else ""
    told = "" if task.cancelled_by == task.requester else phrases.mention(task.requester)
    why = f" ({outgoing.phrase(task.detail, session.secrets).rstrip('.')})" if task.detail else ""
    return [
        f"{told}{'stopped' if told else 'Stopped'}{by}{why}.",
        f"{_kept(session, task)} {_numbers(task)}",
        f"To start again, add the label {outgoing.code(session.label, session.secrets)}.",
    ]


def _kept(session: SessionFacts, task: TaskFacts) -> str:
    if task.pushed and task.branch:
        return f"The work so far is on {phrases.branch_link(session, task)}."
    return "Nothing was pushed."


def _numbers(task: TaskFacts) -> str:
    log = f" [Conversation]({task.log_url})" if task.log_url else ""
    return f"{phrases.elapsed(task)}, {phrases.usd(task.cost_usd)}.{log}"
