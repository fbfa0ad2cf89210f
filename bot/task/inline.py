"""Answer the inline threads of a review, each once: what was done about it, or why not."""

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
    whole = "" if said else str(finish.get("summary") or "")  # else it is about the threads that are told of
    why = await _failure(work, session, means)
    pushed = "" if why or work.facts.get("answered") else work.task.head_sha or ""
    roots = {comment["root"] for one in trigger.get("reviews") or () for comment in one.get("comments") or ()}
    for root in sorted(roots):
        op = f"rr-{work.id}-{root}"
        told = said.get(root)
        words = review_words.reply(
            session, op=op, sha=pushed, done=bool(told["done"]) if told else None,
            note=str(told["text"]) if told else whole, why=why,
        )  # fmt: skip
        await reviews.ensure_reply(
            installation, work.session.repository, pull, root, key=op,
            marker=markers.marker("answer", session.id, op), body=words, ledger=means.ledger, task_id=work.id,
        )  # fmt: skip


async def _failure(work: Work, session: SessionFacts, means: GitHubMeans) -> str:
    """Return why nothing came of the review, nothing when something did."""
    outcome = work.facts.get("outcome")
    if not outcome:
        return ""
    ending = TaskState(outcome["status"])
    if ending is TaskState.CANCELLED:
        return "The work was stopped"
    return final.cause(session, await means.portraits.task(work, ending), await means.portraits.tests(work))
