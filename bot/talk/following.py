"""Turn guidance, reviews, buttons and failing checks into the next user turn or the next task."""

from collections.abc import Mapping
from typing import Any

from bot.github.reactions import UNCLEAR
from bot.talk import errands, verbs
from bot.talk.commands import Command
from bot.talk.thread import Said, Thread
from storage import events, tasks
from storage.models import Task
from storage.words import TaskKind, TaskState

MOST_CI_FOLLOW_UPS = 3  # per pull request (issue: "at most three")
NOT_OURS = Said("not a pull request of ours", UNCLEAR, "not_ours")


async def guidance(thread: Thread, text: str) -> Said:
    """Let free text reach the task at work, else begin a follow-up of the last one."""
    if thread.owner is None and thread.is_pull:
        return NOT_OURS
    if thread.owner is None or not thread.history:
        return Said("no session", UNCLEAR, "no_session", {"issue": None, "pull": None})
    kind = _kind(thread)
    # To begin all over again is to start work, whoever may guide it.
    key = "run" if kind is TaskKind.IMPLEMENT and not thread.working else "steer"
    if not thread.speaker.may(key):
        return thread.denied(key, "guidance")
    word = {
        "author": thread.speaker.login,
        "author_id": thread.speaker.id,
        "text": text,
        "comment_id": thread.request.text.get("comment_id"),
        "where": _where(thread),
    }
    for task in thread.working:
        if task.kind is not TaskKind.RETEST and await errands.tell(thread.session, task, word):
            return Said(f"guidance for task {task.id}", None, refresh=thread.owner.id)
    if over := thread.over():
        return over
    what = {"guidance": [word], "subject": verbs.subject_of(thread.request)}
    task = await errands.follow_up(thread, "guidance", what, kind)
    return Said(f"task {task.id}", None)


async def review(thread: Thread, found: Mapping[str, Any]) -> Said:
    """Let a review become one follow-up with all its inline comments, or join the one that waits."""
    if thread.owner is None or thread.owner.pull_request != thread.request.issue_number:
        return NOT_OURS
    if not thread.speaker.may("steer"):
        return thread.denied("steer", "review")
    if over := thread.over():
        return over
    what = {
        "reviews": [{**found, "author_id": thread.speaker.id}],
        "subject": verbs.subject_of(thread.request),
    }
    task = await errands.follow_up(thread, "review", what)
    return Said(f"task {task.id}", None)


async def button(thread: Thread) -> Said:
    """Do what a button of our check run says: run the tests again, or try the whole task once more."""
    wished = str(thread.request.text.get("identifier") or "test")
    word = wished if wished in {"retry", "stop"} else "test"
    return await verbs.obey(thread, Command(word, {}, ""))


async def check_failed(thread: Thread, head: Task) -> Said:
    """Let a failing check of the repository's own CI become evidence for one follow-up.

    `head` is the task that made what the check is about.
    """
    check = {
        key: thread.request.text.get(key)
        for key in ("name", "conclusion", "title", "summary", "text", "details_url")
    }
    if thread.owner is None or thread.owner.ended_at is not None:
        return Said("ignored: the session has ended", None)
    since = thread.history[: thread.history.index(head)]
    last = next((task for task in since if task.trigger.get("checks")), None)
    if last is not None and last.cancel_wanted is not None:
        # Jobs fail one after the other: the next one must not begin what a person has just ended.
        return Said("ignored: a person stopped what followed", None)
    if any(_makes_a_head(task) for task in thread.working if task.id != head.id):
        return Said("ignored: another head is being made", None)
    begun = [task for task in thread.history if task.status is not TaskState.PENDING]
    if len([task for task in begun if task.trigger.get("origin") == "ci"]) >= MOST_CI_FOLLOW_UPS:
        await events.note(
            thread.session, head.id, f"check {check['name']!r} fails; three follow-ups were made"
        )
        return Said("ignored: three follow-ups were made", None, refresh=thread.owner.id)
    task = await errands.follow_up(thread, "ci", {"checks": [check]})
    if task.requester_id is None and task.trigger.get("origin") == "ci":
        # Nobody asked for it: it is done in the name of whoever asked for what fails.
        await tasks.change(thread.session, task.id, requester=head.requester, requester_id=head.requester_id)
    return Said(f"task {task.id}", None)


def _makes_a_head(task: Task) -> bool:
    """Whether what fails now may be gone with what the task does; one that waits can take the failure in."""
    if task.kind is TaskKind.RETEST:
        return False
    return task.status is not TaskState.PENDING or task.kind is TaskKind.IMPLEMENT


def _kind(thread: Thread) -> TaskKind:
    return TaskKind.FOLLOW_UP if thread.owner is not None and thread.owner.branch else TaskKind.IMPLEMENT


def _where(thread: Thread) -> str:
    kind = "pull request" if thread.is_pull else "issue"
    return f"{kind} #{thread.request.issue_number}"
