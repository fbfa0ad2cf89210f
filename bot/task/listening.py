"""Take in what people say to a task at work: their words become the next user turn, and none is lost."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from bot.task import asked
from bot.task.work import Entry, Work
from storage import events, interactions, tasks
from storage.models import Session, Task
from storage.words import InteractionType, Reason, TaskKind, TaskState


def waits(work: Work) -> bool:
    """Whether someone said something that the conversation does not hold yet."""
    return bool(work.facts.get("words"))


async def take_in(work: Work, *, starts_round: bool, **values: Any) -> None:
    """Add the words to the conversation, in one transaction with taking them off the list.

    `values` are columns of the task to be set with it.
    """
    async with work.writing() as writing:
        row = await tasks.get(writing, work.id)
        words = row.facts.get("words") or []
        heard = [{key: word.get(key) for key in ("author", "author_id", "comment_id")} for word in words]
        await tasks.set_facts(
            writing, work.id, words=[], answered=False, heard=[*(row.facts.get("heard") or []), *heard]
        )
        await interactions.append(writing, work.id, [_entry(word) for word in words])
        if starts_round:
            values["iterations"] = row.iterations + 1
        if values:
            await tasks.change(writing, work.id, **values)
        for word in words:
            await events.note(writing, work.id, f"@{word['author']} was heard")


def _entry(word: dict[str, Any]) -> Entry:
    content = {
        "text": asked.guidance(word),
        "shown": word["text"],
        "author": word["author"],
        "where": word.get("where"),
        "comment_id": word.get("comment_id"),
    }
    return InteractionType.HUMAN, content


# What ends so would end so again: its words have no heir.
HEIRLESS = frozenset({Reason.REFUSED, Reason.BLOCKED})


async def leave_to_next(session: AsyncSession, task: Task, owner: Session) -> Task | None:
    """Begin a follow-up with the words that came too late for a task that has just ended; None without any.

    A task that people stopped, or that was not allowed, has no heir.
    """
    row = await tasks.get(session, task.id)
    words = row.facts.get("words") or []
    place = await session.get_one(Session, owner.id, populate_existing=True)
    if place.pull_state in {"merged", "closed"}:
        return None  # people have decided; what was said before that is answered by it
    if not words or row.status is TaskState.CANCELLED or row.reason in HEIRLESS:
        return None
    pending = [one for one in await tasks.unfinished_of(session, owner.id) if one.id != task.id]
    await tasks.set_facts(session, task.id, words=[])
    if pending:
        kept = pending[0].facts.get("words") or []
        await tasks.set_facts(session, pending[0].id, words=[*kept, *words])
        if pending[0].kind is TaskKind.RETEST:  # it would hear none of them
            trigger = {**pending[0].trigger, "origin": "guidance"}
            await tasks.change(session, pending[0].id, kind=TaskKind.FOLLOW_UP, trigger=trigger)
        return pending[0]
    last = words[-1]
    subject = {"kind": "comment", "id": last["comment_id"]} if last.get("comment_id") else None
    return await tasks.create(
        session, owner, kind=TaskKind.FOLLOW_UP if owner.branch else TaskKind.IMPLEMENT,
        description=row.description,
        trigger={**asked.carried(row), "origin": "guidance", "guidance": words, "subject": subject,
                 "thread": row.trigger.get("thread")},
        budget_usd=row.budget_usd, requester_id=last.get("author_id"), requester=last["author"],
    )  # fmt: skip
