"""Decide what the status comment says: one per session, edited in place, short when the task has ended."""

from bot.words import markers, outgoing, phrases, report
from bot.words.facts import Point, SessionFacts, TaskFacts, TestFacts
from storage.words import ENDED, PausedBy, Reason, TaskKind, TaskState

SHOWN_EVENTS = 30

_FAILED = {
    Reason.OUT_OF_BUDGET: ("🟠", "Out of budget"),
    Reason.OUT_OF_ITERATIONS: ("🟠", "Out of rounds"),
    Reason.TIMEOUT: ("🟠", "Out of time"),
    Reason.BLOCKED: ("⛔", "Blocked"),
    Reason.REFUSED: ("⛔", "Refused"),
    Reason.NO_CHANGES: ("⚪", "Nothing changed"),
    Reason.UNPROVEN: ("🔴", "Not proven"),
}


def comment(session: SessionFacts, task: TaskFacts, tests: TestFacts | None = None) -> str:
    """Return the status comment, hidden marker first, as it may leave.

    The marker's key is the session's, since all its tasks share the comment.
    """
    ended = task.state in ENDED
    table = _table(session, task, tests)
    parts = [
        markers.marker("status", session.id, f"st-{session.id}"),
        f"### {headline(session, task, tests)}",
        "",
    ]
    if task.detail and ended:
        parts += [outgoing.clear(task.detail, session.secrets, 1_000), ""]
    if ended:
        parts += [f"<details><summary>Numbers</summary>\n\n{table}\n\n</details>", ""]
    else:
        parts += [table, ""]
        parts += [*(_point(session, point) for point in task.checklist), ""] if task.checklist else []
        if task.progress:
            parts += [outgoing.phrase(task.progress, session.secrets), ""]
    if tests is not None and task.pull_request is None:
        parts += [report.section(session, tests), ""]
    parts += [*_events(session, task), _footer(session, task)]
    return outgoing.clear("\n".join(parts), session.secrets, ours=True)


def headline(session: SessionFacts, task: TaskFacts, tests: TestFacts | None = None) -> str:
    """Return the one line that says where the task stands: an emoji, a word of a fixed set, the facts."""
    emoji, words = _state(session, task)
    parts = [f"{phrases.sign(emoji)} {words}"]
    if _over(task) or task.state == TaskState.COMPLETED:
        parts[0] += "" if _over(task) else f" in {phrases.elapsed(task)}"
        parts += [f"PR #{task.pull_request}"] if task.pull_request else []
        parts += [phrases.count(len(tests.now_passing), "test passes", "tests pass")] if tests else []
        return " · ".join(parts)
    if task.state in ENDED:
        return " · ".join([*parts, f"after {phrases.elapsed(task)}"])
    if task.checklist and task.state != TaskState.PENDING:
        done = sum(point.done for point in task.checklist)
        parts.append(f"{min(done + 1, len(task.checklist))} of {len(task.checklist)}")
    return " · ".join([*parts, phrases.elapsed(task)] if task.state != TaskState.PENDING else parts)


def _over(task: TaskFacts) -> bool:
    """Tell whether people have decided on the pull request, and nothing goes on."""
    return task.state in ENDED and task.pull_state in {"merged", "closed"}


def _state(session: SessionFacts, task: TaskFacts) -> tuple[str, str]:
    if _over(task):
        return ("🟣", "Merged") if task.pull_state == "merged" else ("⚪", "Closed")
    if task.waiting_for and task.state not in ENDED:
        until = f" until {phrases.clock(task.waiting_until, '%H:%M UTC')}" if task.waiting_until else ""
        return "🟡", f"Waiting for {outgoing.line(task.waiting_for, session.secrets, 60)}{until}"
    if task.state == TaskState.PENDING:
        return "⚪", "Queued" + (f" (position {task.queue_position})" if task.queue_position else "")
    if task.state == TaskState.PAUSED:
        by = f" by {phrases.person(task.paused_by_login)}" if task.paused_by_login else ""
        return {
            PausedBy.SIMULATED_HUMAN: (
                "🟢",
                "Working · the simulated human speaks (automatic, not a person)",
            ),
            PausedBy.MODEL_OUTAGE: ("🟡", "Waiting for the model provider"),
        }.get(task.paused_by or PausedBy.PERSON, ("🟡", f"Paused{by}"))
    if task.state == TaskState.CANCELLED:
        by = f" by {phrases.person(task.cancelled_by)}" if task.cancelled_by else ""
        return "⚪", f"Stopped{by}"
    if task.state == TaskState.FAILED:
        return _FAILED.get(task.reason or Reason.ERROR, ("🔴", "Failed"))
    if task.state == TaskState.COMPLETED:
        return "✅", "Done"
    pausing = f", pausing after this step for {phrases.person(task.paused_by_login)}"
    at_work = "Testing" if task.state == TaskState.TESTING else "Working"
    return "🟢", at_work + (pausing if task.paused_by_login else "")


def _table(session: SessionFacts, task: TaskFacts, tests: TestFacts | None) -> str:
    rows = [("Session", f"{phrases.session_link(session)} · {_asked(session, task)}")]
    if task.branch:
        base = outgoing.code(f"{task.base_ref}@{phrases.short(task.base_sha)}", session.secrets)
        rows.append(
            ("Branch", phrases.branch_link(session, task) + (f" from {base}" if task.base_sha else ""))
        )
    budget = phrases.usd(task.budget_usd)
    time = phrases.duration(task.timeout_seconds)
    rows.append(("Budget", f"{phrases.usd(task.cost_usd)} of {budget} · {phrases.elapsed(task)} of {time}"))
    calls = f"{phrases.count(task.steps, 'model call')} of {task.max_steps}"
    pauses = f"simulated human {task.pauses} of {task.max_pauses}"
    rows += [
        ("Conversation", f"round {task.iterations} of {task.max_iterations} · {calls} · {pauses}"),
        ("Model", outgoing.code(task.model, session.secrets)),
    ]
    if tests is not None:
        rows.append(("Tests", f"{phrases.tally(tests.cases)} (run {tests.suite.run})"))
    rows.append(("Updated", phrases.clock(task.shown_at or task.updated_at)))
    cells = (f"| {name} | {outgoing.table_cell(cell)} |" for name, cell in rows)
    return "\n".join(["| | |", "|---|---|", *cells])


def _asked(session: SessionFacts, task: TaskFacts) -> str:
    """Return which piece of work of the session this is, and who asked for it how."""
    how = outgoing.phrase(task.asked_how, session.secrets, 100)
    how = how or f"with label {outgoing.code(session.label, session.secrets)}"
    kind = {TaskKind.FOLLOW_UP: "follow-up", TaskKind.RETEST: "tests again"}.get(task.kind, "")
    attempt = f"attempt {task.attempt}" if task.attempt > 1 else ""
    which = ", ".join(filter(None, (attempt, kind)))
    return f"{which}{' · ' if which else ''}asked for by {phrases.person(task.requester)} {how}"


def _point(session: SessionFacts, point: Point) -> str:
    text = outgoing.phrase(point.text, session.secrets)
    note = f" — {outgoing.phrase(point.note, session.secrets)}" if point.note and point.active else ""
    return f"- [{'x' if point.done else ' '}] {f'**{text}**' if point.active else text}{note}"


def _events(session: SessionFacts, task: TaskFacts) -> list[str]:
    if not task.events:
        return []
    shown = task.events[-SHOWN_EVENTS:]
    total = len(task.events)
    some = f"the last {len(shown)} of {total}" if len(shown) < total else f"{total}"
    lines = []
    for event in shown:
        text = outgoing.phrase(event.text, session.secrets)
        lines.append(f"- `{phrases.clock(event.at, '%H:%M:%S')}` {text}")
    return [f"<details><summary>What happened so far ({some})</summary>", "", *lines, "", "</details>", ""]


def _footer(session: SessionFacts, task: TaskFacts) -> str:
    """Return what people can say now, in small print."""
    label = outgoing.code(session.label, session.secrets)
    mention = f"`@{session.slug}`" if session.slug else ""
    if _over(task):
        again = "For something more, open a new issue"
        if task.pull_state == "closed":
            again = f"Reopen the pull request to go on; `/journeyman run` or the label {label} starts anew"
        return f"<sub>{again}.</sub>"
    if task.state == TaskState.COMPLETED and task.pull_request:
        how = f", or mention {mention} there" if mention else ""
        return f"<sub>To have it changed, review #{task.pull_request}{how}. · `/journeyman help`</sub>"
    if task.state in ENDED:
        how = f", mention {mention} with guidance" if mention else ""
        again = f"or take the label {label} off the issue and add it again"
        return f"<sub>`/journeyman retry` · `/journeyman help` — to try again{how}, {again}.</sub>"
    paused = task.state == TaskState.PAUSED and task.paused_by == PausedBy.PERSON
    words = ["resume"] if paused else []
    how = f" — or mention {mention} with guidance" if mention else ""
    shown = " · ".join(f"`/journeyman {word}`" for word in (*words, "stop", "status", "help"))
    return f"<sub>{shown}{how}.</sub>"
