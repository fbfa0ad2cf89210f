"""Tell what overtook what in a thread: GitHub promises no order, and may tell one thing twice.

What decides is GitHub's clock, as far as it tells; else, what was heard of first.
"""

from collections.abc import Collection

from sqlalchemy.ext.asyncio import AsyncSession

from storage import past
from storage.models import Request, Task
from storage.words import RequestKind

STOPPED = "stopping"  # the outcome of a command that stops, alone or among others of its comment
_STOPS = frozenset({STOPPED, "nothing to stop"})
_WORDS = (RequestKind.COMMENT, RequestKind.REVIEW)


async def overtaken(session: AsyncSession, request: Request) -> str:
    """Say why an event on the label, or a `run`, is of no account; nothing when it counts.

    The same second is no reason unless it is the very same thing again.
    """
    kinds = (RequestKind.RUN, RequestKind.STOP, RequestKind.COMMENT)
    others = [one for one in await past.heard(session, request, kinds) if _speaks_against(one, request)]
    if any(_is_newer(other, request) for other in others):
        return "ignored: something newer was heard of before it"
    ours = moment(request)
    last = next((one for one in others if ours and moment(one) == ours), None)
    if last is not None and last.kind is request.kind is RequestKind.RUN:
        return "ignored: it was heard of before"
    return ""


async def stopped_since(session: AsyncSession, request: Request, numbers: Collection[int | None]) -> bool:
    """Whether someone ended what goes on in these threads after something was said that asks for more."""
    kinds = (RequestKind.STOP, RequestKind.PULL_CLOSED, *_WORDS)
    others = await past.heard(session, request, kinds, numbers=numbers)
    return any(_ends(other) and _is_newer(other, request) for other in others)


async def undone(session: AsyncSession, request: Request) -> bool:
    """Whether a pull request was reopened since it was closed, or the other way round."""
    kinds = (RequestKind.PULL_CLOSED, RequestKind.PULL_REOPENED)
    others = await past.heard(session, request, kinds)
    return any(one.kind is not request.kind and _is_newer(one, request) for one in others)


async def said_later(
    session: AsyncSession, request: Request, numbers: Collection[int | None] = ()
) -> list[Request]:
    """Return the words that were said after it though they are done already, in the order of the clock."""
    found = await past.heard(session, request, _WORDS, numbers=numbers)
    later = [one for one in found if one.dispatched_at is not None and _is_newer(one, request)]
    return sorted(later, key=lambda one: (moment(one), one.id))


async def awaits(session: AsyncSession, request: Request) -> bool:
    """Whether something waits behind it in its thread that was said or done before it."""
    behind = await past.behind(session, request, (RequestKind.RUN, *_WORDS))
    return any(_is_newer(request, one) for one in behind)


def moment(request: Request) -> str:
    """Return when it was said or done, by GitHub's clock and in its form; empty when that is not told."""
    text = request.text
    return _own_moment(request) or str(text.get("updated_at") or "")


def asked_at(task: Task) -> str:
    """Return when a task was last asked for, by GitHub's clock; empty when that is not told."""
    return max(str(task.trigger.get("at") or ""), str(task.trigger.get("again_at") or ""))


def _own_moment(request: Request) -> str:
    """Return the moment of the thing itself; empty where only its issue's `updated_at` tells of it."""
    text = request.text
    if str(text.get("event") or "").startswith("pull_request_review_comment"):
        return ""  # it was perhaps drafted long before its review was submitted
    return str(text.get("created_at") or text.get("submitted_at") or text.get("closed_at") or "")


def _is_newer(other: Request, request: Request) -> bool:
    """Whether the other came after it: by GitHub's clock, or as we heard of them where that tells nothing."""
    theirs, ours = moment(other), moment(request)
    if theirs and ours and theirs != ours:
        later, sooner = (other, request) if theirs > ours else (request, other)
        if _own_moment(sooner) or not _own_moment(later) or _moves_the_clock(later):
            return theirs > ours
    return other.id > request.id


def _moves_the_clock(request: Request) -> bool:
    """Whether what goes by an `updated_at` may be held against it; that would seem too old otherwise.

    On github.com every comment moves its issue's `updated_at`, and every closing its pull request's.
    """
    shown = request.text.get("thread_updated_at") or request.text.get("updated_at")
    return str(shown or "") >= moment(request)


def _speaks_against(other: Request, request: Request) -> bool:
    """Whether the other could make a label, a stop or a `run` be of no account; the like does not."""
    if other.kind is RequestKind.COMMENT:
        return request.kind is not RequestKind.STOP and _ends(other)
    return not (request.kind is RequestKind.COMMENT and other.kind is RequestKind.RUN)


def _ends(request: Request) -> bool:
    """Whether it ends what goes on; of words their outcome tells, in whole parts: it may quote a person."""
    if request.kind in _WORDS:
        return not _STOPS.isdisjoint((request.outcome or "").split("; "))
    return request.kind in {RequestKind.STOP, RequestKind.PULL_CLOSED}
