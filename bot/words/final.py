"""Decide a task's last word in its thread: what came of it, what was kept, what to do next."""

from decimal import Decimal

from bot.words import markers, outgoing, phrases
from bot.words.facts import SessionFacts, TaskFacts, TestFacts
from bot.words.redaction import Redactor
from storage.words import Reason, TaskKind, TaskState, TestType

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
# What a person can say that helps, and else what they can do.
_TELL = {
    Reason.TESTS_FAILED: "what the failing tests should expect",
    Reason.UNPROVEN: "how to see the fault",
    Reason.REGRESSED: "which behaviour should win",
    Reason.TAMPERED: "which tests are wrong, if some are",
    Reason.NO_CHANGES: "what is missing",
}
_DO = {
    Reason.OUT_OF_ITERATIONS: "Narrow the issue, or go on with {retry}",
    Reason.TIMEOUT: "Narrow the issue, or go on with {retry}",
    Reason.BLOCKED: "Remove the obstacle, then continue with {retry}",
    Reason.REFUSED: "Reword the issue and try again with {retry}, or do it by hand",
    Reason.ERROR: "It may work at another time: {retry}",
}
_FOR = {
    "label": "to start work",
    "guidance": "to guide the work",
    "review": "to have a review followed",
    "button": "to use the check's buttons",
}
CLOSED_ISSUE = "closed the issue"  # how the detail of a task begins that was stopped by that
_ANSWER = 2_000  # characters of what Claude says; the conversation has all of it
_MOST_USD = Decimal(1000)  # that a command may ask for


def comment(session: SessionFacts, task: TaskFacts, tests: TestFacts | None = None) -> str:
    """Return the final comment of an ended task: the one new comment that notifies, and only who asked.

    At most six lines: the marker, the outcome with its cause, what was kept, the next step. Where nothing was
    changed, what Claude answers stands below them.
    """
    lines = [markers.marker("final", session.id, f"fin-{task.id}")]
    if task.state == TaskState.COMPLETED:
        lines += _done(session, task, tests)
    elif task.state == TaskState.CANCELLED:
        lines += _cancelled(session, task)
    else:
        lines += _failed(session, task, tests)
    lines += _answer(session, task)
    return outgoing.clear("\n".join(lines), session.secrets, ours=True)


def not_allowed(
    session: SessionFacts,
    *,
    login: str,
    needs: str,
    has: str,
    op: str,
    key: str = "run",
    what: str = "label",
) -> str:
    """Return the short refusal, as a comment, for a person who lacks the role; see `needed`."""
    words = needed(session.secrets, login=login, needs=needs, has=has, key=key, what=what)
    mark = markers.marker("refusal", session.id, op)
    return outgoing.clear(f"{mark}\n{words}", session.secrets, ours=True)


def needed(secrets: Redactor, *, login: str, needs: str, has: str, key: str, what: str) -> str:
    """Return which role is needed for what and which the person has; nobody is notified.

    *what* is a command's word, `guidance`, `review`, `button` or `label`; *key* the one below `allow` in
    the repository's configuration that decides: `run` or `steer`.
    """
    place = _FOR.get(what, f"for `/journeyman {outgoing.line(what, secrets, 20)}`")
    return (
        f"{phrases.person(login)} needs **{outgoing.line(needs, secrets)}** access {place} here"
        f" (and has **{outgoing.line(has, secrets)}**).\n"
        f"{'A maintainer can add the label' if what == 'label' else 'A maintainer can do it'},"
        f" or change `allow.{key}` in `.github/journeyman.yml`."
    )


def cause(session: SessionFacts, task: TaskFacts, tests: TestFacts | None = None) -> str:
    """Return why a FAILED task failed, in a sentence, with its detail."""
    # What Claude says of it says more than that the files are as they were.
    detail = "" if task.answer else outgoing.phrase(task.detail, session.secrets, 400).rstrip(".")
    if task.lacking and detail:
        return f"{detail}."  # it names the person and the role
    text = _CAUSES[task.reason or Reason.ERROR].format(
        budget=phrases.usd(task.budget_usd),
        rounds=task.max_iterations,
        time=phrases.duration(task.timeout_seconds),
    )
    if _day_is_spent(task):
        cap = f" of {phrases.usd(task.day_budget_usd)}" if task.day_budget_usd is not None else ""
        text = f"this repository's daily budget{cap} is spent"
    failing = phrases.failing_of(tests) if task.reason in _WITH_TESTS else ""
    text += f", with {failing}." if failing else "."
    return f"{text} {detail[0].upper()}{detail[1:]}." if detail else text


def _done(session: SessionFacts, task: TaskFacts, tests: TestFacts | None) -> list[str]:
    if task.kind == TaskKind.RETEST:
        return [f"{phrases.mentions(task)}{_tested(task, tests)}. {_numbers(task)}"]
    where = f"#{task.pull_request} is ready for review" if task.pull_request else "the work is ready"
    if task.answered and task.pull_request:
        answered = f"answered; #{task.pull_request} needed no change"
        return [f"{phrases.mentions(task)}done: {answered}. {_numbers(task)}"]
    if task.kind == TaskKind.FOLLOW_UP and task.pull_request:
        head = f" (now at `{phrases.short(task.head_sha)}`)" if task.head_sha else ""
        where = f"new commits on #{task.pull_request}{head}"
    elif not task.pull_request and task.branch:
        where = f"the work is on {phrases.branch_link(session, task)}"
    proof = ""
    if tests is not None:
        new, passing = len(tests.of(TestType.GENERATED)), len(tests.now_passing)
        proof = f", with {phrases.count(new, 'new test')}, {len(tests.detecting)} failing without the change"
        proof += f"; {phrases.count(passing, 'test passes', 'tests pass')}"
        if tests.failing_before:
            proof += f", {len(tests.failing_before)} failing as before"
    return [f"{phrases.mentions(task)}done: {where}{proof}. {_numbers(task)}"]


def _answer(session: SessionFacts, task: TaskFacts) -> list[str]:
    said = outgoing.clear(task.answer.strip(), session.secrets, _ANSWER)
    if not said:
        return []
    return ["", said] if task.state == TaskState.COMPLETED else ["", "What I found:", "", said]


def _tested(task: TaskFacts, tests: TestFacts | None) -> str:
    head = task.head_sha or (tests.head_sha if tests else "")
    result = f": {phrases.tally(tests.cases)}" if tests is not None else ""
    return f"the tests ran again{f' on `{phrases.short(head)}`' if head else ''}{result}"


def _failed(session: SessionFacts, task: TaskFacts, tests: TestFacts | None) -> list[str]:
    people, why = phrases.mentions(task), cause(session, task, tests)
    if task.kind == TaskKind.RETEST:
        return [f"{people}{_tested(task, tests)}. Not proven: {why}", _numbers(task), _next(session, task)]
    return [
        f"{people}I stopped: {why}",
        f"{_kept(session, task)} {_numbers(task)}",
        f"{_next(session, task)}{_label(session, task)}",
    ]


def _next(session: SessionFacts, task: TaskFacts) -> str:
    """Return the one step that is most likely to help, with a command to copy."""
    reason = task.reason or Reason.ERROR
    retry = f"`/journeyman retry{' from=code' if task.pushed else ''}`"
    if task.lacking:
        change = f"change `allow.{task.lacking}` in `.github/journeyman.yml`"
        return f"A maintainer can give them that role, or {change}. Then continue with {retry}."
    if reason in _TELL:
        how = f"Mention `@{session.slug}` with" if session.slug else "Say here"
        return f"{how} {_TELL[reason]}, or try again with {retry}."
    if reason != Reason.OUT_OF_BUDGET:
        return f"{_DO[reason].format(retry=retry)}."
    if _day_is_spent(task):
        return "It begins anew at 00:00 UTC. Then continue with `/journeyman retry`."
    most = min(task.cap_usd or task.budget_usd, _MOST_USD)  # more than the host allows would be refused
    more = min(task.budget_usd * 2, most).normalize()
    return f"Continue with `/journeyman retry budget={more:f}`, narrow the issue, or take the branch over."


def _day_is_spent(task: TaskFacts) -> bool:
    return task.capped_by_day and task.reason == Reason.OUT_OF_BUDGET


def _label(session: SessionFacts, task: TaskFacts) -> str:
    """Return the other way to begin again: the label, which stands on the issue."""
    if task.kind != TaskKind.IMPLEMENT or _day_is_spent(task):
        return ""
    return f" (Or take the label {outgoing.code(session.label, session.secrets)} off and add it again.)"


def _cancelled(session: SessionFacts, task: TaskFacts) -> list[str]:
    # Whoever stopped it knows already; those who asked for it hear of it when it was someone else.
    by = f" by {phrases.person(task.cancelled_by)}" if task.cancelled_by else ""
    told = phrases.mentions(task, besides=task.cancelled_by)
    why = f" ({outgoing.phrase(task.detail, session.secrets).rstrip('.')})" if task.detail else ""
    label = outgoing.code(session.label, session.secrets)
    again = f"`/journeyman retry`, or add the label {label} again."
    # Where there is no code yet, work begins on an open issue only.
    is_shut = task.detail.startswith(CLOSED_ISSUE) and not task.pushed
    onwards = {
        "merged": "The pull request is merged, and with that this session has ended.",
        "closed": "Reopen the pull request to go on, or start anew with `/journeyman run` on the issue.",
    }.get(task.pull_state, f"To go on, reopen the issue; then {again}" if is_shut else f"To go on: {again}")
    return [
        f"{told}{'stopped' if told else 'Stopped'}{by}{why}.",
        f"{_kept(session, task)} {_numbers(task)}",
        onwards,
    ]


def _kept(session: SessionFacts, task: TaskFacts) -> str:
    if task.pushed and task.branch:
        return f"The work so far is on {phrases.branch_link(session, task)}."
    return "Nothing was pushed."


def _numbers(task: TaskFacts) -> str:
    log = f" [Conversation]({task.log_url})" if task.log_url else ""
    return f"{phrases.elapsed(task)}, {phrases.usd(task.cost_usd)}.{log}"
