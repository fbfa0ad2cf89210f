"""Decide how a refusal or failure of the API reads: RFC 9457 problem details, whatever went wrong."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

import structlog
from aiohttp import web
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection

log = structlog.get_logger(__name__)

CONTENT_TYPE = "application/problem+json"
# A database or a service that is away may be back by then.
RETRY_SECONDS = 5
# What RFC 9110 calls them now, and Python 3.11 does not yet.
_TITLES = {413: "Content Too Large", 422: "Unprocessable Content"}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Fault:
    """One field that is wrong; `pointer` is a JSON pointer as a URI fragment (RFC 6901, section 6)."""

    pointer: str
    detail: str


class Problem(Exception):
    """A refusal with its status and one sentence for whoever calls."""

    def __init__(
        self,
        status: int,
        detail: str,
        faults: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.faults = tuple(faults)
        self.headers = dict(headers or {})


def at(field: str, detail: str, status: int = 422) -> Problem:
    """Return the problem of one field of the body."""
    return Problem(status, f"{field} {detail}", [Fault(f"#/{field}", detail)])


def later(detail: str, seconds: float = RETRY_SECONDS) -> Problem:
    """Return the problem of something that is away and may be back after so many seconds."""
    return Problem(503, detail, headers={"Retry-After": str(max(1, round(seconds)))})


def answer(problem: Problem) -> web.Response:
    """Return the problem as a response."""
    title = _TITLES.get(problem.status) or HTTPStatus(problem.status).phrase
    document: dict[str, object] = {
        "type": "about:blank",
        "title": title,
        "status": problem.status,
        "detail": problem.detail,
    }
    if problem.faults:
        document["errors"] = [vars(fault) for fault in problem.faults]
    return web.Response(
        body=json.dumps(document).encode(),
        status=problem.status,
        content_type=CONTENT_TYPE,
        headers=problem.headers,
    )


@web.middleware
async def told(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer with a problem whatever the rest of the API raises."""
    try:
        return await handler(request)
    except Problem as problem:
        return answer(problem)
    except web.HTTPMethodNotAllowed as refusal:
        allowed = {"Allow": refusal.headers["Allow"]}
        return answer(Problem(405, f"{request.method} is not possible here", headers=allowed))
    except web.HTTPNotFound:
        return answer(Problem(404, "there is nothing at this address"))
    except web.HTTPException as refusal:
        return answer(Problem(refusal.status, refusal.reason))
    except (OperationalError, InterfaceError, NoConnection) as problem:
        why = str(getattr(problem, "orig", problem))
        log.error("api.no_database", why=why)  # noqa: TRY400  # the sentence says it all
        return answer(later("the database does not answer"))
    except Exception:  # the boundary of a call: ours, loud, and with an answer
        log.exception("api.failed", method=request.method, path=request.path)
        return answer(Problem(500, "Journeyman itself failed; its log has details"))
