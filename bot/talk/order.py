"""Tell what overtook what in a thread: GitHub promises no order, and may tell one thing twice."""

from sqlalchemy.ext.asyncio import AsyncSession

from storage import requests
from storage.models import Request
from storage.words import RequestKind

STOPPED = "stopping"  # how the outcome of a comment that asked for a stop begins, or goes on


async def overtaken(session: AsyncSession, request: Request) -> str:
    """Say why an event on the label, or a `run`, is of no account; nothing when it counts.

    What decides is GitHub's clock. The same second is no reason unless it is the very same thing again.
    """
    ours = moment(request)
    kinds = (RequestKind.RUN, RequestKind.STOP, RequestKind.COMMENT)
    told = [
        (moment(other), other.id, other.kind)
        for other in await requests.earlier(session, request, kinds)
        if other.kind is not RequestKind.COMMENT or (_stops(other) and _is_on_the_labels_clock(other))
    ]
    if request.kind is RequestKind.COMMENT:
        told = [one for one in told if one[2] is not RequestKind.RUN]
    elif request.kind is RequestKind.STOP:  # two that want the same don't overtake each other
        told = [one for one in told if one[2] is not RequestKind.COMMENT]
    if not ours or not told:
        return ""
    newest, _, kind = max(told)
    if newest > ours:
        return "ignored: something newer was heard of before it"
    if newest == ours and kind is request.kind is RequestKind.RUN:
        return "ignored: it was heard of before"
    return ""


def moment(request: Request) -> str:
    """Return when it was said or done, by GitHub's clock and in its form; empty when that is not told."""
    text = request.text
    return str(text.get("created_at") or text.get("submitted_at") or text.get("updated_at") or "")


def _is_on_the_labels_clock(comment: Request) -> bool:
    """Whether a comment's time may be held against a label's, which is the issue's `updated_at`.

    On github.com every comment moves that; where one did not, labels seem older than they are.
    """
    return str(comment.text.get("thread_updated_at") or "") >= moment(comment)


def _stops(request: Request) -> bool:
    return STOPPED in (request.outcome or "") or "nothing to stop" in (request.outcome or "")
