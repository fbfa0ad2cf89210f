"""Follow what happens to issues, pull requests, repositories and installations; nobody is spoken to here."""

from collections.abc import Sequence
from decimal import Decimal

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from bot.engine.dispatch import Outcome
from bot.errors import WorldFault
from bot.talk import order, rehearing
from storage import events, repositories, requests, sessions, tasks, threads
from storage.models import Request, Session, Task
from storage.words import Reason, TaskKind

# What no task survives, and the words for its person.
_ENDS = {
    "repository.archived": "the repository was archived",
    "repository.deleted": "the repository was deleted",
    "installation_repositories.removed": "the repository was taken from the App's installation",
    "installation.deleted": "the App was uninstalled",
    "installation.suspend": "the App's installation was suspended",
}


async def label_added(session: AsyncSession, request: Request, cap_usd: Decimal) -> Outcome:
    """Open a session for the issue and begin its task, unless one goes on."""
    assert request.repository_id is not None  # noqa: S101  # the attendant looked
    assert request.issue_number is not None  # noqa: S101
    await threads.heard(session, request.repository_id, request.issue_number)
    if stale := await order.overtaken(session, request):
        return Outcome(stale)
    current = await sessions.find_open(session, request.repository_id, request.issue_number)
    if current is not None:
        working = [one for one in await tasks.unfinished_of(session, current.id) if one.cancel_wanted is None]
        if working:
            await _asked_again(session, request, working[0])
            return Outcome(f"absorbed by task {working[0].id}")
        await sessions.end(session, current.id)
    owner = await sessions.open_for(
        session,
        repository=request.repository,
        repository_id=request.repository_id,
        installation_id=request.installation_id,
        issue_number=request.issue_number,
    )
    task = await tasks.create(
        session,
        owner,
        kind=TaskKind.IMPLEMENT,
        description=str(request.text.get("title", "")),
        trigger={
            **request.text,
            "origin": "label",
            "thread": request.issue_number,
            "at": request.text.get("updated_at"),
        },
        budget_usd=cap_usd,
        request_id=request.id,
        requester_id=request.actor_id,
        requester=request.actor,
    )
    await rehearing.when_begun(session, request)
    return Outcome(f"task {task.id}")


async def _asked_again(session: AsyncSession, request: Request, task: Task) -> None:
    """Note that the task was asked for once more, later: a stop from before that is not about it."""
    if order.moment(request) > order.asked_at(task):
        await tasks.change(session, task.id, trigger={**task.trigger, "again_at": order.moment(request)})


_STOPS = {
    "issues.closed": "closed the issue",
    "issues.deleted": "deleted the issue",
    "issues.transferred": "transferred the issue",
}


async def stopped(session: AsyncSession, request: Request) -> Outcome:
    """Stop what goes on for an issue whose label was taken away, or which is gone."""
    if stale := await order.overtaken(session, request):
        return Outcome(stale)
    event, count = str(request.text.get("event")), 0
    if event == "issues.locked":  # GitHub lets no App speak there: whoever waits would hear nothing
        why = f"@{request.actor} locked the conversation; unlock it and try again"
        for owner in await _sessions_of(session, request):
            count += len(await tasks.want_cancel(session, owner.id, why, as_=Reason.BLOCKED))
        return Outcome(f"blocking {count} task(s)")
    what = _STOPS.get(event, "removed the label")
    for owner in await _sessions_of(session, request):
        if event not in _STOPS and owner.ended_at is not None:
            continue  # the label is about the session that it started
        spared = await _asked_since(session, request, owner)
        ended = [
            one
            for task in await tasks.unfinished_of(session, owner.id)
            if task.id not in spared
            for one in await tasks.want_cancel(session, owner.id, f"@{request.actor} {what}", task_id=task.id)
        ]
        count += len(ended)
        if owner.ended_at is None and not spared and (ended or event in _STOPS):
            await sessions.end(session, owner.id)
        await rehearing.when_ended(session, request, owner, ended, idle=not spared)
    return Outcome(f"stopping {count} task(s)")


async def _asked_since(session: AsyncSession, request: Request, owner: Session) -> set[str]:
    """Return the unfinished tasks of the session that words began which were said after this."""
    later = await order.said_later(session, request, (owner.issue_number, owner.pull_request))
    begun = {part for one in later for part in (one.outcome or "").split("; ")}
    unfinished = await tasks.unfinished_of(session, owner.id)
    asked = [task for task in unfinished if order.asked_at(task) >= order.moment(request)]
    return {task.id for task in asked if f"task {task.id}" in begun}


async def _sessions_of(session: AsyncSession, request: Request) -> list[Session]:
    if request.repository_id is None or request.issue_number is None:
        return []
    return await sessions.of_issue(session, request.repository_id, request.issue_number)


async def pull_closed(session: AsyncSession, request: Request) -> Outcome:
    """End the session of a pull request of ours: merged is the good end, closed means stop."""
    owner = await _owner(session, request)
    if owner is None:
        return Outcome("ignored: not a pull request of ours")
    merged = bool(request.text.get("merged"))
    if not merged and owner.pull_state == "merged":
        return Outcome("ignored: it is merged")
    if not merged and await order.undone(session, request):
        return await _closed_before(session, request, owner)
    what = "merged" if merged else "closed"
    await tasks.want_cancel(session, owner.id, f"@{request.actor} {what} the pull request")
    await sessions.change(session, owner.id, pull_state=what)
    await sessions.end(session, owner.id)
    if task := await _newest(session, owner):
        await events.note(session, task, f"@{request.actor} {what} the pull request")
    return Outcome(f"pull request {what}", {"refresh": owner.id})


async def _closed_before(session: AsyncSession, request: Request, owner: Session) -> Outcome:
    """Stop what a closing would have stopped had we heard of it in time; the pull request is open again."""
    closed_at, unfinished = order.moment(request), await tasks.unfinished_of(session, owner.id)
    ended: list[str] = []
    for task in unfinished:
        asked_at = order.asked_at(task) or f"{task.created_at:%Y-%m-%dT%H:%M:%SZ}"
        if asked_at <= closed_at:
            why = f"@{request.actor} closed the pull request, and reopened it later"
            ended += await tasks.want_cancel(session, owner.id, why, task_id=task.id)
    await rehearing.when_ended(session, request, owner, ended, idle=len(ended) == len(unfinished))
    return Outcome(f"ignored: reopened since; stopping {len(ended)} task(s)", {"refresh": owner.id})


async def pull_reopened(session: AsyncSession, request: Request) -> Outcome:
    """Let a session go on whose pull request a person opened again, unless the issue has another by now."""
    owner = await _owner(session, request)
    if owner is None:
        return Outcome("ignored: not a pull request of ours")
    if owner.pull_state == "merged" or await order.undone(session, request):
        return Outcome("ignored: it was closed after that")
    await sessions.change(session, owner.id, pull_state="open")
    try:
        async with session.begin_nested():
            await sessions.reopen(session, owner.id)
    except IntegrityError:
        return Outcome("ignored: the issue has another session")
    return Outcome("session goes on", {"refresh": owner.id})


async def _owner(session: AsyncSession, request: Request) -> Session | None:
    if request.repository_id is None or request.issue_number is None:
        return None
    owner = await sessions.of_thread(session, request.repository_id, request.issue_number)
    return owner if owner is not None and owner.pull_request == request.issue_number else None


async def _newest(session: AsyncSession, owner: Session) -> str | None:
    found = await tasks.of_session(session, owner.id)
    return found[0].id if found else None


async def repository(session: AsyncSession, request: Request) -> Outcome:
    """Go along with another name; end what can't go on, with the reason named."""
    event = str(request.text.get("event"))
    assert request.repository_id is not None  # noqa: S101  # the attendant looked
    if event in {"repository.renamed", "repository.transferred"}:
        await sessions.move(session, request.repository_id, request.repository, request.installation_id)
        await repositories.rename(session, request.repository_id, request.repository)
        return Outcome("renamed")
    return await _end_all(session, await sessions.alive_in(session, [request.repository_id]), event)


async def installation(session: AsyncSession, request: Request) -> Outcome:
    """End what can't go on without the installation."""
    found = await sessions.alive_in(session, [], installation_id=request.installation_id)
    return await _end_all(session, found, str(request.text.get("event")))


async def _end_all(session: AsyncSession, owners: Sequence[Session], event: str) -> Outcome:
    if event not in _ENDS:
        return Outcome("noted")
    count = 0
    for owner in owners:
        count += len(await tasks.want_cancel(session, owner.id, _ENDS[event], as_=Reason.BLOCKED))
    return Outcome(f"blocking {count} task(s)")


async def edited(session: AsyncSession, request: Request) -> Outcome:
    """Say that a later edit is ignored: of the issue in its status, of words that acted in an answer."""
    assert request.repository_id is not None  # noqa: S101  # the attendant looked
    number = int(request.issue_number or 0)
    await threads.heard(session, request.repository_id, number)
    written = _written(request)
    if written is None:
        owner = await sessions.find_open(session, request.repository_id, number)
        unfinished = await tasks.unfinished_of(session, owner.id) if owner is not None else []
        if owner is None or not unfinished:
            return Outcome("ignored: nothing goes on")
        what = "edited the issue; the task goes by the text as it was (a comment reaches it)"
        await events.note(session, unfinished[0].id, f"@{request.actor} {what}")
        return Outcome("edit noted", {"refresh": owner.id})
    earlier = await requests.of_cause(session, written)
    if earlier is not None and earlier.dispatched_at is None:
        raise WorldFault("what was edited is not done yet", 2.0)  # GitHub does not show it yet, perhaps
    if earlier is None or earlier.answer is None:
        return Outcome("ignored: it had asked for nothing")
    return Outcome("edit ignored", {"parts": [{"say": "edit_ignored"}], "op": f"edited-{written}"})


def _written(request: Request) -> str | None:
    """Return the cause of the comment or the whole review that was edited, None when it was the issue."""
    text, here = request.text, request.repository_id
    for word, name in (("review", "review_id"), ("review_comment", "remark_id"), ("comment", "comment_id")):
        if text.get(name) is not None:
            return f"{word}:{here}:{text[name]}"
    return None
