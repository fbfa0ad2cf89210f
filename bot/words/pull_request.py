"""Decide the title and the body of the pull request."""

from bot.words import markers, outgoing, phrases, report
from bot.words import template as templates
from bot.words.facts import ChangeFacts, FileFacts, SessionFacts, TaskFacts, TestFacts
from bot.words.template import Kind

TITLE = 72
MINUS = "\u2212"
SHOWN_FILES = 100
_SUMMARY = 6_000
_POINTS = 20
_HOW_MADE = 2_000  # characters of the section at the end


def title(session: SessionFacts, change: ChangeFacts) -> str:
    """Return the title, at most 72 characters; no reference, since a squash merge commits it."""
    text = outgoing.plain_line(change.title or session.issue_title, session.secrets, TITLE)
    return text or f"Work on issue {session.issue_number}"


def body(
    session: SessionFacts, task: TaskFacts, change: ChangeFacts, tests: TestFacts, template: str = ""
) -> str:
    """Return the body: what and why, the files, the evidence, what to look at, how it was made.

    With the repository's pull request *template* these come under its headings, in its order.
    """
    sections = _sections(session, task, change, tests)
    mark = markers.marker("pr", session.id, f"pr-{session.id}")
    # The marker stays even when the rest must be cut: without it the pull request could not be found again.
    room = outgoing.BODY - len(mark) - 2
    text = _laid_out(sections, template, session, room)
    whole = outgoing.clear(f"{text}\n\n{_made(session, task)}", session.secrets, room, ours=True)
    return f"{whole.rstrip()}\n\n{mark}"


def _laid_out(sections: dict[Kind, str], template: str, session: SessionFacts, room: int) -> str:
    if template.strip():
        text = templates.follow(template, sections, session.secrets)
        if len(text) < room - _HOW_MADE:
            return text
        # What is cut must not be the reference that closes the issue.
        rest: dict[Kind, str] = {kind: one for kind, one in sections.items() if kind is not Kind.FIXES}
        text = templates.follow(template, rest, session.secrets)
        return f"{sections[Kind.FIXES]}\n\n{text}" if Kind.FIXES in sections else text
    return "\n\n".join(
        text if kind is Kind.FIXES else f"### {kind}\n\n{text}" for kind, text in sections.items()
    )


def _sections(
    session: SessionFacts, task: TaskFacts, change: ChangeFacts, tests: TestFacts
) -> dict[Kind, str]:
    points = [*change.look_at, *(f"Open question: {one}" for one in change.open_questions)]
    sections = {
        Kind.FIXES: f"Fixes #{session.issue_number}." if session.issue_number is not None else "",
        Kind.WHAT: outgoing.clear(change.summary, session.secrets, _SUMMARY),
        Kind.CHANGES: "\n".join(_files(session, change.files)),
        Kind.EVIDENCE: "\n".join(_evidence(session, task, change, tests)),
        Kind.LOOK_AT: "\n".join(_points(session, points)) if points else "",
    }
    return {kind: text for kind, text in sections.items() if text or kind is Kind.WHAT}


def _files(session: SessionFacts, files: tuple[FileFacts, ...]) -> list[str]:
    if not files:
        return ["No file changed."]
    lines = ["| File | Change |", "|---|---|"]
    for one in files[:SHOWN_FILES]:
        note = f"{outgoing.table_cell(outgoing.phrase(one.note, session.secrets))} " if one.note else ""
        size = "binary" if one.added is None or one.removed is None else f"+{one.added} {MINUS}{one.removed}"
        kind = "" if one.status == "modified" else f"{outgoing.line(one.status, session.secrets)}, "
        path = outgoing.table_cell(outgoing.code(one.path, session.secrets))
        lines.append(f"| {path} | {note}({kind}{size}) |")
    if len(files) > SHOWN_FILES:
        lines += ["", f"*{SHOWN_FILES} of {len(files):,} files shown.*"]
    return lines


def _evidence(session: SessionFacts, task: TaskFacts, change: ChangeFacts, tests: TestFacts) -> list[str]:
    head, tree = phrases.short(task.head_sha or tests.head_sha), phrases.short(task.tree or tests.tree)
    where = f" on `{head}`" if head else ""
    where += f" (tree `{tree}`)" if tree else ""
    command = outgoing.code(tests.suite.command, session.secrets)
    lines = [
        report.before_and_now(session, tests),
        "",
        f"- {command}: **{phrases.tally(tests.cases)}**{where}",
        *report.proof(session, tests),
    ]
    if tests.failing_before:
        lines.append(
            f"- {phrases.count(len(tests.failing_before), 'existing test')} failing as before the change"
        )
    if tests.suite.note:
        lines.append(f"- {outgoing.phrase(tests.suite.note, session.secrets)}")
    if change.not_tested:
        untested = "; ".join(outgoing.phrase(one, session.secrets) for one in change.not_tested)
        lines.append(f"- Not tested: {untested}")
    return lines


def _points(session: SessionFacts, points: list[str]) -> list[str]:
    lines = [f"- {outgoing.phrase(one, session.secrets, 600)}" for one in points[:_POINTS]]
    return [*lines, f"- *{_POINTS} of {len(points)} shown.*"] if len(points) > _POINTS else lines


def _made(session: SessionFacts, task: TaskFacts) -> str:
    model = outgoing.code(task.model, session.secrets)
    used = f"{phrases.count(task.steps, 'model call')}, {phrases.usd(task.cost_usd)}"
    made = f"Written by an AI agent (model {model}, session {phrases.session_link(session)}, {used})"
    log = f" [Conversation]({task.log_url})." if task.log_url else ""
    mention = f" or mention `@{session.slug}`" if session.slug else ""
    lines = [
        "<details><summary>How this was made, and what you can do</summary>",
        "",
        f"{made} on request of {phrases.person(task.requester)}.",
        f"A simulated human, not a person, kept the conversation going.{log}",
        "The service, not the model, ran the tests above, on the base commit and on this branch.",
        f"Review as usual: I answer reviews that request changes{mention} with commits on this branch.",
        "It is never force-pushed. Close the pull request to end the session.",
        "",
        "</details>",
    ]
    return "\n".join(lines)
