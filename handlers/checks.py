"""Turn what happens to check runs into Requests: a person's wish to see one again, and a failure of any."""

from typing import Any

from gidgethub import routing, sansio

from handlers import asking, payload
from handlers.policy import Policy
from storage.requests import Ask
from storage.words import RequestKind

router = routing.Router()

FAILURES = ("failure", "timed_out")
MOST_OUTPUT = 20_000


@router.register("check_run", action="rerequested")
@router.register("check_run", action="requested_action")
async def pressed(event: sansio.Event, _policy: Policy, asks: list[Ask]) -> None:
    """Pass on that a person pressed a button of a check run; `identifier` is empty for "Re-run"."""
    check = payload.part(event.data, "check_run")
    number = payload.number(check, "id")
    if payload.is_human(event.data):
        asking.put(
            asks,
            event,
            RequestKind.BUTTON,
            asking.delivery(event),
            number=_thread(event, check),
            text={
                "identifier": payload.text(event.data, "requested_action.identifier", payload.MOST_NAME),
                "head_sha": payload.text(check, "head_sha", payload.MOST_NAME),
                "external_id": payload.text(check, "external_id", payload.MOST_NAME),
                "check_run_id": number,
                "app_id": payload.number_or_none(check, "app.id"),
            },
        )


@router.register("check_suite", action="rerequested")
async def all_pressed(event: sansio.Event, _policy: Policy, asks: list[Ask]) -> None:
    """Pass on that a person asked for all checks of an App on a commit to run again."""
    suite = payload.part(event.data, "check_suite")
    if payload.is_human(event.data):
        asking.put(
            asks,
            event,
            RequestKind.BUTTON,
            asking.delivery(event),
            number=_thread(event, suite),
            text={
                "identifier": "",
                "head_sha": payload.text(suite, "head_sha", payload.MOST_NAME),
                "external_id": "",
                "check_run_id": None,
                "app_id": payload.number_or_none(suite, "app.id"),
            },
        )


@router.register("check_run", action="completed")
async def completed(event: sansio.Event, _policy: Policy, asks: list[Ask]) -> None:
    """Pass on that a check failed, any App's; whether it is of interest is found out later."""
    check = payload.part(event.data, "check_run")
    conclusion = check.get("conclusion")
    if conclusion not in FAILURES:
        return
    number = payload.number(check, "id")
    output = {key: payload.text(check, f"output.{key}", MOST_OUTPUT) for key in ("title", "summary", "text")}
    asking.put(
        asks,
        event,
        RequestKind.CHECK_FAILED,
        asking.cause(event, "check", number, payload.moment(check, "completed_at")),
        number=_thread(event, check),
        text={
            "name": payload.text(check, "name", MOST_OUTPUT),
            "conclusion": conclusion,
            "head_sha": payload.text(check, "head_sha", payload.MOST_NAME),
            "details_url": payload.text_or_none(check, "details_url", MOST_OUTPUT),
            "check_run_id": number,
            "app_id": payload.number_or_none(check, "app.id"),
            "branch": payload.text_or_none(check, "check_suite.head_branch", payload.MOST_NAME),
            **output,
        },
    )


def _thread(event: sansio.Event, check: dict[str, Any]) -> int | None:
    """Return the first pull request of this repository; one of a fork's may have the same commit."""
    here = payload.number(event.data, "repository.id")
    for pull in payload.parts(check, "pull_requests"):
        if payload.number_or_none(pull, "base.repo.id") in {None, here}:
            return payload.number(pull, "number", payload.LARGEST_THREAD)
    return None
