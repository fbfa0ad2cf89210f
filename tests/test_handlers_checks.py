"""What a pressed button and a failed check ask for."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from storage.database import Database
from storage.words import RequestKind
from tests.webhook_post import Hook, checked, receiving, said

BOT = {"id": 12, "login": "merge-queue[bot]", "type": "Bot"}


@pytest.fixture
async def hook(sqlite: Database, tmp_path: Path) -> AsyncIterator[Hook]:
    """Serve the receiver."""
    async with receiving(sqlite, tmp_path) as served:
        yield served


async def test_a_pressed_button_is_passed_on(hook: Hook) -> None:
    """The Request says which button of which run of which App on which commit; each press is one."""
    press = checked("requested_action", requested_action={"identifier": "stop"})
    (request,) = await hook.asked(press, "check_run")
    assert (request.kind, request.cause) == (RequestKind.BUTTON, request.delivery_id)
    assert (request.issue_number, request.actor) == (57, "maria")
    assert request.text == {
        "event": "check_run.requested_action",
        "identifier": "stop",
        "head_sha": "c" * 40,
        "external_id": "task-1",
        "check_run_id": 80,
        "app_id": 15,
    }
    assert len(await hook.asked(press, "check_run")) == 2


async def test_rerunning_is_a_button_without_a_name(hook: Hook) -> None:
    """`rerequested` of a run and of a whole suite are told alike; the suite names no run."""
    (run,) = await hook.asked(checked("rerequested"), "check_run")
    assert (run.text["identifier"], run.text["check_run_id"]) == ("", 80)
    suite = {"id": 81, "head_sha": "c" * 40, "app": {"id": 15}, "pull_requests": [{"number": 57}]}
    _, all_ = await hook.asked(said(action="rerequested", check_suite=suite), "check_suite")
    assert (all_.kind, all_.issue_number) == (RequestKind.BUTTON, 57)
    assert all_.text == {
        "event": "check_suite.rerequested",
        "identifier": "",
        "head_sha": "c" * 40,
        "external_id": "",
        "check_run_id": None,
        "app_id": 15,
    }
    by_bot = said(action="rerequested", check_suite=suite, sender=BOT)
    assert len(await hook.asked(by_bot, "check_suite")) == 2
    assert len(await hook.asked(checked("rerequested", sender=BOT), "check_run")) == 2
    for action in ("requested", "completed"):
        assert len(await hook.asked(said(action=action, check_suite=suite), "check_suite")) == 2


async def test_a_failed_check_is_passed_on(hook: Hook) -> None:
    """The Request brings what the check said, cut, once for each completion, by whichever App."""
    output = {"title": "2 failed", "summary": "s" * 30_000, "text": None}
    for conclusion in ("success", "neutral", "cancelled", None, 7):
        odd = checked("completed", check_run={"conclusion": conclusion}, sender=BOT)
        assert await hook.asked(odd, "check_run") == []
    for _ in range(2):
        failed = checked("completed", check_run={"output": output}, sender=BOT)
        (request,) = await hook.asked(failed, "check_run")
    assert (request.kind, request.issue_number) == (RequestKind.CHECK_FAILED, 57)
    assert request.cause == "check:7:80:2026-11-22T13:00:00Z"
    assert request.text == {
        "event": "check_run.completed",
        "name": "unit",
        "conclusion": "failure",
        "head_sha": "c" * 40,
        "details_url": "https://ci.example.com/80",
        "check_run_id": 80,
        "app_id": 15,
        "branch": "journeyman/issue-42",
        "title": "2 failed",
        "summary": "s" * 20_000,
        "text": "",
    }
    late = {"conclusion": "timed_out", "completed_at": "2026-11-22T13:00:01Z", "output": None, "app": None}
    assert len(await hook.asked(checked("completed", check_run=late), "check_run")) == 2


async def test_a_pull_request_of_a_fork_is_not_ours(hook: Hook) -> None:
    """GitHub lists every pull request at the commit; the first of this repository is meant, or none."""
    fork = {"number": 3, "base": {"repo": {"id": 99}}}
    ours = {"number": 57, "base": {"repo": {"id": 7}}}
    (first,) = await hook.asked(checked("completed", check_run={"pull_requests": [fork, ours]}), "check_run")
    assert first.issue_number == 57
    for pulls in ([fork], [], None):
        check = {"id": 82, "pull_requests": pulls}
        _, second = await hook.asked(checked("completed", check_run=check), "check_run")
        assert second.issue_number is None
