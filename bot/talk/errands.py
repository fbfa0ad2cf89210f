"""Begin tasks: what each of them carries, and what joins one that waits instead of beginning another."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from bot.talk import order
from bot.talk.thread import Thread
from bot.task import asked
from storage import events, requests, sessions, tasks
from storage.models import Request, Session, Task
from storage.words import ENDED, TaskKind, TaskState

BRING_TEXT = frozenset({"label", "command", "api"})  # other tasks take over what these were asked for with


async def open_session(session: AsyncSession, request: Request, number: int) -> Session:
    """Open a session for an issue (IntegrityError when it has an open one)."""
    return await sessions.open_for(
        session,
        repository=request.repository,
        repository_id=request.repository_id,
        installation_id=request.installation_id,
        issue_number=number,
    )


async def begin(
    thread: Thread,
    kind: TaskKind,
    owner: Session,
    trigger: Mapping[str, Any],
    options: Mapping[str, str] | None = None,
) -> Task:
    """Add a task to a session, in the name of whoever speaks; `options` are a command's, as it was typed."""
    request = thread.request
    is_first = not await requests.has_task(thread.session, request.id)  # in whichever session
    wished = Decimal((options or {}).get("budget") or thread.cap_usd)
    return await tasks.create(
        thread.session,
        owner,
        kind=kind,
        description=str(trigger.get("title") or ""),
        trigger={
            **trigger,
            "options": dict(options or {}),
            "thread": request.issue_number,
            "at": order.moment(request) or None,
        },
        budget_usd=min(wished, thread.cap_usd),
        request_id=request.id if is_first else None,
        requester_id=thread.speaker.id,
        requester=thread.speaker.login,
    )


async def follow_up(
    thread: Thread,
    origin: str,
    what: Mapping[str, Any],
    kind: TaskKind = TaskKind.FOLLOW_UP,
    options: Mapping[str, str] | None = None,
) -> Task:
    """Begin a follow-up of the session's last task, or let the one that waits take it in too.

    `origin` is review, guidance, ci, retry or test; `what` maps a name to the list of what was said.
    """
    waiting = next((task for task in thread.working if task.status is TaskState.PENDING), None)
    joins = waiting is not None and kind is not TaskKind.RETEST
    if waiting is not None and joins and await _join(thread.session, waiting, origin, what):
        return waiting
    assert thread.owner is not None  # noqa: S101  # the caller looked
    if thread.owner.ended_at is not None and not await _is_replaced(thread.session, thread.owner):
        await sessions.reopen(thread.session, thread.owner.id)
    trigger = {**asked.carried(thread.latest), **_as_it_stands(thread), "origin": origin, **what}
    return await begin(thread, kind, thread.owner, trigger, options)


def _as_it_stands(thread: Thread) -> dict[str, Any]:
    """Return the issue's text where what is said shows it: what begins by that goes by it (issue, point 4).

    What the API described in the issue's stead stays.
    """
    bring = (task.trigger.get("origin") for task in thread.history)
    text, origin = thread.request.text, next((one for one in bring if one in BRING_TEXT), None)
    if thread.is_pull or "issue_body" not in text or origin == "api":
        return {}
    return {
        "title": text.get("title") or "",
        "body": text["issue_body"] or "",
        "author": text.get("issue_author"),
    }


async def _is_replaced(session: AsyncSession, owner: Session) -> bool:
    """Whether the issue has another session by now; this one still answers for its own pull request."""
    if owner.repository_id is None or owner.issue_number is None:
        return False
    return await sessions.find_open(session, owner.repository_id, owner.issue_number) is not None


async def _join(session: AsyncSession, task: Task, origin: str, what: Mapping[str, Any]) -> bool:
    """Add what was said to a task that waits; False when it has begun meanwhile.

    One that would only have run the tests again becomes a follow-up of that *origin*: its proof runs them in
    any case.
    """
    row = await session.get_one(Task, task.id, populate_existing=True, with_for_update=True)
    if row.status is not TaskState.PENDING or row.cancel_wanted is not None:
        return False
    more: dict[str, Any] = {
        name: [*row.trigger.get(name, []), *said] for name, said in what.items() if isinstance(said, list)
    }
    if what.get("subject"):
        more["subjects"] = [*row.trigger.get("subjects", []), what["subject"]]
    kind = row.kind
    if kind is TaskKind.RETEST:
        kind, more["origin"] = TaskKind.FOLLOW_UP, origin
    await tasks.change(session, task.id, kind=kind, trigger={**row.trigger, **more})
    await events.note(session, task.id, "more was asked for while it waits")
    return True


async def also_for(session: AsyncSession, task: Task, subject: Mapping[str, Any]) -> bool:
    """Let one more comment carry the task's last reaction; False when it has ended meanwhile."""
    row = await session.get_one(Task, task.id, populate_existing=True, with_for_update=True)
    if row.status in ENDED or row.cancel_wanted is not None:
        return False
    subjects = [*row.trigger.get("subjects", []), dict(subject)]
    await tasks.change(session, task.id, trigger={**row.trigger, "subjects": subjects})
    return True


async def tell(session: AsyncSession, task: Task, word: Mapping[str, Any]) -> bool:
    """Let a person's word become the task's next user turn; its worker takes it in between two steps.

    False when the task has ended meanwhile, or is about to: nobody would hear it there.
    """
    row = await session.get_one(Task, task.id, populate_existing=True, with_for_update=True)
    if row.status in ENDED or row.cancel_wanted is not None or row.kind is TaskKind.RETEST:
        return False
    await tasks.set_facts(session, task.id, words=[*(row.facts.get("words") or []), dict(word)])
    await events.note(session, task.id, f"@{word['author']} said something; it comes next")
    return True
