"""Decide the names of branches and the messages of commits."""

import re
import textwrap
import unicodedata

from bot.words import outgoing
from bot.words.facts import ChangeFacts, SessionFacts, TaskFacts
from storage.words import TaskKind

PREFIX = "journeyman"
SLUG = 40
_SUBJECT = 72
_BODY_WIDTH = 72
_BODY = 1_000


def slug(title: str) -> str:
    """Return the title's words in lower-case ASCII joined by dashes, at most 40 characters; may be empty."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    words = re.findall(r"[a-z0-9]+", re.sub(r"(?<=[a-z])'(?=[a-z])", "", plain))
    kept = ""
    for word in words:
        longer = f"{kept}-{word}" if kept else word[:SLUG]
        if len(longer) > SLUG:
            break
        kept = longer
    return kept


def name(session: SessionFacts, attempt: int = 1) -> str:
    """Return ``journeyman/issue-N-slug``, from the second session on with ``-2`` and so on.

    Without an issue the session's id stands in for its number.
    """
    about = (
        f"issue-{session.issue_number}" if session.issue_number is not None else f"session-{slug(session.id)}"
    )
    words = slug(session.secrets(session.issue_title))
    return "-".join(
        [f"{PREFIX}/{about}", *([words] if words else []), *([str(attempt)] if attempt > 1 else [])]
    )


def commit_message(session: SessionFacts, task: TaskFacts, change: ChangeFacts) -> str:
    """Return the message: a subject, the summary, the session and the requester as co-author.

    Nothing in it refers to an issue: GitHub would act on every push of it. The subject is the issue's title,
    or what a follow-up did: its summary's first line, of a long one the first sentence.
    """
    fallback = (
        f"Work on issue {session.issue_number}" if session.issue_number is not None else "Work on a request"
    )
    text = _harmless(outgoing.plain_line(change.summary, session.secrets, _BODY))
    subject = outgoing.plain_line(change.title or session.issue_title, session.secrets, _SUBJECT) or fallback
    if task.kind is TaskKind.FOLLOW_UP:
        subject = _did(session, change) or outgoing.short(f"Follow up: {subject}", _SUBJECT)
        text = "" if text.rstrip(".") == subject else text
    trailers = [f"Journeyman-Session: {re.sub(r'[^A-Za-z0-9_-]', '', session.id)}"]
    login = re.sub(r"[^A-Za-z0-9-]", "", task.requester)
    if task.requester_id is not None and login:
        trailers.append(f"Co-authored-by: {login} <{task.requester_id}+{login}@users.noreply.github.com>")
    body = [textwrap.fill(text, _BODY_WIDTH, break_long_words=False, break_on_hyphens=False)] if text else []
    return "\n\n".join([subject, *body, "\n".join(trailers)]) + "\n"


def _did(session: SessionFacts, change: ChangeFacts) -> str:
    lines = (line.lstrip("#>*- ").strip() for line in change.summary.splitlines())
    first = next(filter(None, lines), "")
    if len(first) > _SUBJECT:
        first = re.split(r"(?<=[.!?])\s+(?=[A-Z`])", first, maxsplit=1)[0]
    return _harmless(outgoing.plain_line(first.rstrip(".:"), session.secrets, _SUBJECT))


def _harmless(text: str) -> str:
    """Return the text without a trailer that the model wrote: it must not pass for one of ours."""
    return re.sub(r"(?i)(-by|journeyman-session):", r"\1 -", text)
