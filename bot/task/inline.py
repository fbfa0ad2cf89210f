"""Answer the inline threads of a review, each once: what was done about it, or why not."""

from collections.abc import Mapping
from typing import Any

from bot.github import reviews
from bot.github.client import Installation
from bot.task.github_means import GitHubMeans
from bot.task.work import Work
from bot.words import final, markers
from bot.words import review as review_words
from bot.words.facts import SessionFacts
from storage.words import TaskState


async def answer(installation: Installation, work: Work, session: SessionFacts, means: GitHubMeans) -> None:
    """Post the replies; repeating it posts nothing twice. Raises WorldFault or Blocked."""
    pull, trigger = work.session.pull_request, work.task.trigger
    if pull is None:
        return
    finish = work.facts.get("finish") or {}
    said = {one["thread"]: one for one in finish.get("replies") or ()}
    failure = await _failure(work, session, means)
    roots = {comment["root"] for one in trigger.get("reviews") or () for comment in one.get("comments") or ()}
    for root in sorted(roots):
        op = f"rr-{work.id}-{root}"
        marker = markers.marker("answer", session.id, op)
        words = failure or _words(work, session, said.get(root), str(finish.get("summary") or ""))
        await reviews.ensure_reply(
            installation, work.session.repository, pull, root,
            key=op, marker=marker, body=f"{marker}\n{words}", ledger=means.ledger, task_id=work.id,
        )  # fmt: skip


async def _failure(work: Work, session: SessionFacts, means: GitHubMeans) -> str:
    """Return why nothing came of the review, nothing when something did."""
    outcome = work.facts.get("outcome")
    if not outcome:
        return ""
    ending = TaskState(outcome["status"])
    if ending is TaskState.CANCELLED:
        return review_words.not_done("The work was stopped", session.secrets)
    task, tests = await means.portraits.task(work, ending), await means.portraits.tests(work)
    return review_words.not_done(final.cause(session, task, tests), session.secrets)


def _words(work: Work, session: SessionFacts, reply: Mapping[str, Any] | None, summary: str) -> str:
    """Return what Claude says of the thread; where it says nothing, what the whole follow-up did."""
    text = str(reply["text"]) if reply else summary
    if work.facts.get("answered"):
        return review_words.answered(text, session.secrets)
    if reply and not reply["done"]:
        return review_words.not_done(text, session.secrets)
    return review_words.done(work.task.head_sha or "", text, session.secrets)
