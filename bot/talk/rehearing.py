"""Decide which words wait for what they follow by GitHub's clock, and which are heard once more after it."""

from collections.abc import Collection

from sqlalchemy.ext.asyncio import AsyncSession

from bot.errors import TooEarly
from bot.talk import order
from bot.talk.commands import Command, Heard
from storage import past, requests, sessions
from storage.models import Request, Session
from storage.words import RequestKind

PATIENT_ATTEMPTS = 3  # the answer comes after four seconds where nothing comes before it
_NEED_A_SESSION = frozenset({"status", "pause", "resume", "retry", "test"})

# How words end that would have reached the task which begins now.
_FOUND_NOTHING = frozenset({"no session", "nothing to pause", "nothing to resume"})
# How commands end that were about the work which an older stop has ended now.
_ABSORBED = frozenset({"already at work", "busy", "pausing", "resuming"})


async def in_turn(session: AsyncSession, request: Request, heard: Heard) -> None:
    """Raise TooEarly where what comes first by the clock is known and not done, or is probably on its way.

    That is so for the first words that need a session in an issue that has none. A stop never waits.
    """
    words = {one.word for one in heard.commands if isinstance(one, Command)}
    if "stop" in words or request.attempts >= PATIENT_ATTEMPTS:
        return
    if await order.awaits(session, request):
        raise TooEarly("something that was said before it comes first", 1.0)
    needs_one = bool(heard.guidance) or not words.isdisjoint(_NEED_A_SESSION)
    if needs_one and not request.text.get("is_pull") and await _is_the_first(session, request):
        raise TooEarly("the issue has no session yet", 2.0)


async def _is_the_first(session: AsyncSession, request: Request) -> bool:
    """Whether nothing was ever asked of us in the thread."""
    kinds = (RequestKind.RUN, RequestKind.STOP, RequestKind.COMMENT, RequestKind.REVIEW)
    done = [one.outcome or "" for one in await past.heard(session, request, kinds) if one.dispatched_at]
    if not all(outcome.startswith("ignored: not for us") for outcome in done):
        return False
    return await sessions.of_thread(session, request.repository_id or 0, request.issue_number or 0) is None


async def when_begun(session: AsyncSession, request: Request) -> None:
    """Have those heard that were said after what begins work, and found none; each once."""
    later = await order.said_later(session, request)
    await requests.again(session, [one for one in later if _parts(one) & _FOUND_NOTHING], "begun")


async def when_ended(
    session: AsyncSession, request: Request, owner: Session, ended: Collection[str], *, idle: bool
) -> None:
    """Have those heard that were said after a stop and went to the tasks that it has just *ended*.

    `idle`: nothing else goes on in the session.
    """
    if not ended:
        return
    lost = {f"{what}{task}" for task in ended for what in ("task ", "guidance for task ")}
    lost |= _ABSORBED if idle else frozenset()
    later = await order.said_later(session, request, (owner.issue_number, owner.pull_request))
    await requests.again(session, [one for one in later if _parts(one) & lost], f"after-{request.id}")


def _parts(request: Request) -> set[str]:
    return set((request.outcome or "").split("; "))
