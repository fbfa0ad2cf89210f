"""Decide what is answered in the thread of an inline comment: one reply, and no more."""

from bot.words import markers, outgoing, phrases
from bot.words.facts import SessionFacts
from bot.words.redaction import Redactor

_NOTE = 300
_ANSWER = 2_000


def reply(session: SessionFacts, *, op: str, sha: str, done: bool | None, note: str, why: str) -> str:
    """Return the reply, hidden marker first.

    *sha* is the commit that follows the comment, empty when nothing was pushed; *why* tells why the whole
    task failed, else it is empty. *done* and *note* are what the model says of this comment; where it says
    nothing of it *done* is None, and *note* what it says of the whole work if it told no thread apart.
    """
    secrets = session.secrets
    if why:
        words = not_done(why, secrets)
    elif done is None:
        words = unreported(sha, note, secrets)
    elif not done:
        words = not_done(note, secrets)
    elif sha:
        words = commit(sha, note, secrets)
    else:
        words = answered(note, secrets)
    return outgoing.clear(f"{markers.marker('answer', session.id, op)}\n{words}", secrets, ours=True)


def commit(sha: str, note: str, secrets: Redactor) -> str:
    """Return that the comment was followed in a commit, with one line on how."""
    return f"Done in {outgoing.line(phrases.short(sha), secrets)}.{_line(note, secrets)}"


def not_done(reason: str, secrets: Redactor) -> str:
    """Return that the comment was not followed, and why."""
    return f"Not changed.{_line(reason, secrets) or ' No reason was given; ask again to have it looked at.'}"


def unreported(sha: str, whole: str, secrets: Redactor) -> str:
    """Return what is known of a comment of which the model says nothing: that it was followed is not."""
    if not sha:
        silent = "Nothing was changed, and I did not report on this thread; please ask again if it matters."
        return answered(whole, secrets) if whole.strip() else silent
    head = outgoing.line(phrases.short(sha), secrets)
    if not whole.strip():
        return f"{head} is pushed, but I did not report on this thread; please check."
    return (
        f"Done in {head}, for the review as a whole:{_line(whole, secrets)}"
        " I did not report on this thread by itself; please check."
    )


def answered(text: str, secrets: Redactor) -> str:
    """Return the answer to a question, which changed nothing."""
    return outgoing.clear(text.strip() or "I have nothing to add.", secrets, _ANSWER)


def _line(text: str, secrets: Redactor) -> str:
    """Return *text* as one sentence behind another."""
    shown = outgoing.phrase(text, secrets, _NOTE).strip()
    if not shown:
        return ""
    shown = shown[:1].upper() + shown[1:]
    return f" {shown}" if shown.endswith((".", "!", "?", "…")) else f" {shown}."
