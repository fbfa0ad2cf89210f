"""Hold that a check run exists once for each external id and is brought up to date in place."""

from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bot.github import checks, faults
from bot.github.checks import Check
from tests.github_stub import APP_ID, Ledger, Stub, Time, answer

SHA = "a" * 40
STARTED = Check(name="journeyman", head_sha=SHA, external_id=f"s1:1:{SHA}", status="in_progress")
ENDED = Check(
    name="journeyman",
    head_sha=SHA,
    external_id=f"s1:1:{SHA}",
    status="completed",
    conclusion="success",
    title="33 passed",
    summary="All good",
)


class _Runs:
    """The check runs of one commit."""

    def __init__(self, stub: Stub) -> None:
        self.kept: list[dict[str, Any]] = []
        self._stub = stub
        stub.on("POST", "/repos/o/r/check-runs", self.post)
        stub.on("GET", f"/repos/o/r/commits/{SHA}/check-runs", self.page)

    def add(self, app: dict[str, Any] | None, **data: Any) -> dict[str, Any]:
        run = {"id": 30 + len(self.kept), "app": app, **data}
        self.kept.append(run)
        self._stub.on(
            "PATCH", f"/repos/o/r/check-runs/{run['id']}", lambda _, change: self._edit(run, change)
        )
        return run

    def _edit(self, run: dict[str, Any], change: dict[str, Any]) -> web.Response:
        run.update(change)
        return answer(run)

    def post(self, _: web.Request, data: Any) -> web.Response:
        return answer(self.add({"id": APP_ID}, **data), 201)

    def page(self, request: web.Request, _: object) -> web.Response:
        assert request.query["filter"] == "all"
        return answer({"total_count": len(self.kept), "check_runs": self.kept})


async def test_check_is_made_once_and_updated() -> None:
    """Started and ended, there is one run with the last state."""
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:
        runs, ledger = _Runs(stub), Ledger()
        installation = stub.client(http).for_installation(5)
        first = await checks.ensure_check_run(installation, "o/r", STARTED, key="check:1", ledger=ledger)
        again = await checks.ensure_check_run(installation, "o/r", ENDED, key="check:1", ledger=ledger)
        assert first == again == 30
        assert len(runs.kept) == 1
        assert runs.kept[0]["conclusion"] == "success"
        assert runs.kept[0]["output"] == {"title": "33 passed", "summary": "All good"}


async def test_lost_answer_is_adopted_by_external_id() -> None:
    """GitHub made the run and the answer was lost: found by its external id and our App (case 13)."""
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:
        runs = _Runs(stub)
        runs.add({"id": APP_ID + 1}, external_id=STARTED.external_id)
        runs.add({"id": APP_ID}, external_id="s1:0:old")
        stub.fail("POST", "/check-runs", applied=True)
        installation = stub.client(http).for_installation(5)
        found = await checks.ensure_check_run(installation, "o/r", STARTED, key="check:1", ledger=Ledger())
        assert found == 32
        assert len(runs.kept) == 3


async def test_failed_lookup_makes_nothing() -> None:
    """While the runs cannot be read, none is made (case 14)."""
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:
        runs = _Runs(stub)
        stub.fail("GET", "/check-runs", times=99)
        installation = stub.client(http).for_installation(5)
        with pytest.raises(faults.Unavailable):
            await checks.ensure_check_run(installation, "o/r", STARTED, key="check:1", ledger=Ledger())
        assert runs.kept == []


@pytest.mark.parametrize(
    "change",
    [
        {"status": "completed"},
        {"conclusion": "success"},
        {"title": "t", "summary": "x" * 65_536},
        {"summary": "no title"},
    ],
)
async def test_unfit_check_is_our_fault(change: dict[str, Any]) -> None:
    """A conclusion without completion, an over-long or untitled text never reach GitHub (case 38)."""
    wish: dict[str, Any] = {"name": "n", "head_sha": SHA, "external_id": "e", "status": "in_progress"}
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:
        installation = stub.client(http).for_installation(5)
        with pytest.raises(ValueError, match=r"conclusion|characters|title"):
            await checks.ensure_check_run(
                installation, "o/r", Check(**(wish | change)), key="check:1", ledger=Ledger()
            )
        assert stub.seen == []
