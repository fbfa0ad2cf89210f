"""Decide the names of branches and the messages of commits."""

import re
import textwrap
import unicodedata

from bot.words import outgoing
from bot.words.facts import ChangeFacts, SessionFacts, TaskFacts

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

    Nothing in it refers to an issue: GitHub would act on every push of it.
    """
    fallback = (
        f"Work on issue {session.issue_number}" if session.issue_number is not None else "Work on a request"
    )
    subject = outgoing.plain_line(change.title or session.issue_title, session.secrets, _SUBJECT) or fallback
    text = outgoing.plain_line(change.summary, session.secrets, _BODY)
    # A trailer that the model wrote must not pass for one of ours.
    text = re.sub(r"(?i)(-by|journeyman-session):", r"\1 -", text)
    trailers = [f"Journeyman-Session: {re.sub(r'[^A-Za-z0-9_-]', '', session.id)}"]
    login = re.sub(r"[^A-Za-z0-9-]", "", task.requester)
    if task.requester_id is not None and login:
        trailers.append(f"Co-authored-by: {login} <{task.requester_id}+{login}@users.noreply.github.com>")
    body = [textwrap.fill(text, _BODY_WIDTH, break_long_words=False, break_on_hyphens=False)] if text else []
    return "\n\n".join([subject, *body, "\n".join(trailers)]) + "\n"
