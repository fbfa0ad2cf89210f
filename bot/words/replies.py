"""Decide how a comment is answered: what was understood, what is the case, and what to do next."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bot.words import final, help_table, markers, outgoing, phrases
from bot.words.redaction import Redactor
from storage.words import ENDED, PausedBy, Reason, TaskState

SHOWN_LINE = 200  # characters of a line that is quoted
_HELP = "`/journeyman help`"
_RUN = "`/journeyman run`"
_RETRY = "`/journeyman retry`"
_STOP = "`/journeyman stop`"
_MERGED = f"For something more, open an issue and ask with {_RUN} there."


@dataclass(frozen=True)
class Here:
    """What a reply knows of the thread that it answers in."""

    secrets: Redactor = field(default_factory=Redactor, repr=False)
    slug: str = ""
    label: str = "journeyman"
    allow: Mapping[str, str] = field(default_factory=dict)  # the least roles here, by `run` and `steer`
    issue: int | None = None  # the session's issue, where the label goes
    pull: int | None = None  # the session's pull request
    status: TaskState | None = None  # of the session's newest task; None: there is no session
    reason: Reason | None = None  # why that one failed
    paused_by: PausedBy | None = None
    stopping: bool = False  # someone wants that task stopped, and it has not ended
    pull_state: str = ""  # open, closed, merged; empty: there is no pull request
    issue_closed: bool = False
    status_url: str = ""  # the status comment


@dataclass(frozen=True)
class Part:
    """What came of one thing that a comment says."""

    text: str  # Markdown of a template below
    line: str = ""  # as typed; quoted above the text


def reply(op: str, about: str, parts: Sequence[Part], secrets: Redactor, *, left_out: int = 0) -> str:
    """Return the one comment that answers a comment: each line quoted, what came of it below.

    *about* is the key of what the reply belongs to (a session, else the repository), *op* the reply's own.
    """
    blocks = [f"{_quoted(part.line, secrets)}{part.text}" for part in parts]
    if left_out:
        blocks.append(too_many(left_out))
    body = "\n\n".join(blocks)
    return outgoing.clear(f"{markers.marker('reply', about, op)}\n{body}", secrets, ours=True)


def _quoted(line: str, secrets: Redactor) -> str:
    shown = outgoing.line(line, secrets, SHOWN_LINE)
    return f"> {shown}\n\n" if shown else ""


# What was not understood.


def misread(
    secrets: Redactor, *, kind: str, unknown: str, word: str, suggestion: str | None, allowed: Sequence[str]
) -> str:
    """Return what is wrong with a line that was meant as a command; the arguments are a Misread's."""
    given = outgoing.code(unknown, secrets, 60) if unknown else "nothing"
    if kind == "command":
        meant = f" Did you mean `/journeyman {suggestion}`?" if suggestion else ""
        return f"Unknown command {given}.{meant} See {_HELP}."
    command = f"`/journeyman {outgoing.line(word, secrets, 20)}`"
    if kind == "value":
        meant = f" Did you mean `{suggestion}`?" if suggestion else ""
        return f"{given} can't be used.{meant} It takes {_one_of(allowed)}. See {_HELP}."
    command = f"`/journeyman {word}`"
    if not allowed:
        return f"{command} takes no arguments, so I don't know what {given} asks for. See {_HELP}."
    if unknown in allowed:
        return f"{given} is given twice, and I can follow only one."
    meant = f" Did you mean `{suggestion}=`?" if suggestion else ""
    takes = _one_of([f"{key}=" for key in allowed])
    return f"Unknown argument {given} of {command}.{meant} It takes {takes}. See {_HELP}."


def too_many(left_out: int) -> str:
    """Return what is said of commands beyond the first five of a comment."""
    more = phrases.count(left_out, "more was left out", "more were left out")
    return f"I read the first five commands of a comment; {more}."


def option_refused(here: Here, *, why: str) -> str:
    """Return that an option is well-formed and yet can't be granted (above the cap, no price known)."""
    return f"Not started: {outgoing.phrase(why, here.secrets).rstrip('.')}."


def refused(here: Here, *, login: str, needs: str, has: str, key: str = "run", what: str = "label") -> str:
    """Return which role is needed and which there is; said once per person and thread."""
    return final.needed(here.secrets, login=login, needs=needs, has=has, key=key, what=what)


# What can't be done as things stand. Each says how they stand, and the next step.


def already(here: Here) -> str:
    """Return that work goes on here, so that nothing new begins."""
    how = (
        "The work here is queued already" if here.status is TaskState.PENDING else "I am at work here already"
    )
    return f"{how}{_link(here)}.\n{_onwards(here)}"


def nothing_to_stop(here: Here) -> str:
    """Return that nothing goes on which could be stopped."""
    return f"Nothing to stop: {_stands(here)}.\n{_onwards(here)}"


def nothing_to_pause(here: Here) -> str:
    """Return that nothing goes on which could be paused."""
    return f"Nothing to pause: {_stands(here)}.\n{_onwards(here)}"


def nothing_to_resume(here: Here) -> str:
    """Return that nobody paused what goes on, or that nothing does."""
    return f"Nothing to resume: {_stands(here)}.\n{_onwards(here)}"


def overtaken(here: Here) -> str:
    """Return that something newer holds, although it was heard of sooner."""
    return f"Someone said otherwise after this, so it changes nothing: {_stands(here)}.\n{_onwards(here)}"


def nothing_to_retry(here: Here) -> str:
    """Return that nothing has ended which could be tried again."""
    return f"Nothing to try again: {_stands(here)}.\n{_onwards(here)}"


def nothing_to_test(here: Here) -> str:
    """Return that there is no code of ours yet that could be tested."""
    return f"Nothing to test: no code of mine was pushed, and {_stands(here)}.\n{_onwards(here)}"


def tests_come(here: Here) -> str:
    """Return that work goes on whose result will be tested anyway."""
    return (
        f"Not now: {_stands(here)}, and its result is tested in any case.\n"
        "Ask again when it has ended; the tests of what was pushed stay where they are."
    )


def no_session(here: Here) -> str:
    """Return that nothing was begun in this thread."""
    return f"{_upper(_stands(here))}.\n{_onwards(here)}"


def run_on_pull(here: Here) -> str:
    """Return that work begins on an issue, not on a pull request."""
    if here.pull is not None:
        change = f", or mention `@{here.slug}` with what should be different" if here.slug else ""
        return (
            "I begin work on issues, and this pull request comes from one already.\n"
            f"To have it changed, submit a review that requests changes{change}."
        )
    return (
        "I begin work on issues, and this is a pull request.\n"
        f"Open an issue that says what to do, and ask with {_RUN} there."
    )


def not_ours(here: Here) -> str:
    """Return that a pull request is somebody else's."""
    label = outgoing.code(here.label, here.secrets)
    return (
        "This pull request is not one of mine, and I change only my own.\n"
        f"On an issue, {_RUN} or the label {label} starts work."
    )


def merged(here: Here) -> str:
    """Return that the session ended with the merge."""
    return f"{_pull(here)} is merged, and with that this session has ended.\n{_MERGED}"


def closed(here: Here) -> str:
    """Return that the pull request was closed, which stopped the session."""
    return f"{_pull(here)} was closed, and with that this session has ended.\n{_closed_onwards(here)}"


def edit_ignored(here: Here) -> str:
    """Return that a comment counts as it was first written."""
    del here
    return "I act on comments as first written, so this edit changes nothing.\nSay it in a new comment."


def help_(here: Here) -> str:
    """Return the table of commands, with examples."""
    return help_table.table(here.slug, here.label, here.secrets, **here.allow)


STANDING: Mapping[str, Callable[[Here], str]] = {
    one.__name__.rstrip("_"): one
    for one in (already, nothing_to_stop, nothing_to_pause, nothing_to_resume, overtaken, nothing_to_retry,
                nothing_to_test, tests_come, no_session, run_on_pull, not_ours, merged, closed,
                edit_ignored, help_)
}  # fmt: skip


def _stands(here: Here) -> str:
    """Return how things stand, as a clause."""
    if here.status is None:
        return "I have no session in this thread"
    if here.stopping:
        return f"the work here is being stopped{_link(here)}"
    if here.status in ENDED and here.pull_state in {"merged", "closed"}:
        return f"{_pull(here)} is {here.pull_state}"
    if here.status is TaskState.COMPLETED:
        return f"the work here is done{f' (#{here.pull})' if here.pull else ''}"
    if here.status is TaskState.CANCELLED:
        return "the work here was stopped"
    if here.status is TaskState.FAILED:
        return f"the work here has ended ({(here.reason or Reason.ERROR).replace('_', ' ')})"
    if here.status is TaskState.PENDING:
        return f"the work here is queued{_link(here)}"
    if _rests(here):
        return f"the work here is paused{_link(here)}"
    if here.paused_by is PausedBy.MODEL_OUTAGE:
        return f"the work here waits for the model provider and goes on by itself{_link(here)}"
    return f"I am at work here{_link(here)}"


def _onwards(here: Here) -> str:
    """Return the next step as things stand."""
    if here.status is None:
        label = outgoing.code(here.label, here.secrets)
        return f"On an issue, {_RUN} or the label {label} starts work. See {_HELP}."
    if here.stopping or here.status in ENDED:
        return _again(here)
    if _rests(here):
        return f"`/journeyman resume` lets it go on, {_STOP} ends it."
    return f"{f'Mention `@{here.slug}` to guide it; ' if here.slug else ''}{_STOP} ends it."


def _again(here: Here) -> str:
    """Return the next step when the work has ended, or is about to."""
    if here.pull_state == "merged":
        return _MERGED
    if here.pull_state == "closed":
        return _closed_onwards(here)
    if here.status is TaskState.COMPLETED and here.pull:
        mention = f" or mention `@{here.slug}` with what should be different" if here.slug else ""
        return f"To have it changed, review the pull request{mention}."
    if here.issue_closed:
        return f"Reopen the issue; then {_RETRY} tries again."
    if here.stopping:
        return f"When it has ended, {_RETRY} tries again."
    mention = f"; mention `@{here.slug}` to say what should be different" if here.slug else ""
    return f"{_RETRY} tries again{mention}."


def _closed_onwards(here: Here) -> str:
    where = f"#{here.issue}" if here.issue is not None else "the issue"
    return f"Reopen it to go on, or start anew with {_RUN} on {where}."


def _rests(here: Here) -> bool:
    return here.status is TaskState.PAUSED and here.paused_by is PausedBy.PERSON


def _link(here: Here) -> str:
    return f" ([status]({here.status_url}))" if here.status_url else ""


def _pull(here: Here) -> str:
    return f"#{here.pull}" if here.pull else "The pull request"


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _one_of(allowed: Sequence[str]) -> str:
    words = [one if " " in one else f"`{one}`" for one in allowed]
    return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else "".join(words)
