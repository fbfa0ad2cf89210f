"""Hold that a branch has one pull request, that a person's changes stay, and what GitHub's 422s mean."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bot.github import faults, pulls
from bot.github.client import Installation
from bot.github.pulls import Pull
from tests.github_stub import Ledger, Stub, Time, answer

_PULLS = "/repos/o/r/pulls"


@dataclass
class Repository:
    """A repository's pull requests."""

    stub: Stub
    installation: Installation
    late: float = 0.0
    kept: list[dict[str, Any]] = field(default_factory=list)
    ledger: Ledger = field(default_factory=Ledger)

    def open(self, head: str, **more: Any) -> dict[str, Any]:
        """Add a pull request."""
        number = 50 + len(self.kept)
        data = {"number": number, "state": "open", "draft": False, "html_url": f"https://h/{number}",
                "title": "t", "body": "b", "head": {"ref": head, "sha": "a" * 40}, "base": {"ref": "main"},
                "merged_at": None, "shown_at": self.stub.now + self.late, **more}  # fmt: skip
        self.kept.append(data)
        self.stub.on("GET", f"{_PULLS}/{number}", lambda *_: self._one(data))
        self.stub.on("PATCH", f"{_PULLS}/{number}", lambda _, change: answer(data | change))
        return data

    def _one(self, data: dict[str, Any]) -> web.Response:
        shown = data["shown_at"] <= self.stub.now
        return answer(data) if shown else answer({"message": "Not Found"}, 404)

    def page(self, request: web.Request, _: object) -> web.Response:
        """List the pull requests of a head."""
        assert request.query["state"] == "all"
        owner, _, branch = request.query["head"].partition(":")
        assert owner == "o"
        shown = (pull for pull in self.kept if pull["shown_at"] <= self.stub.now)
        return answer([pull for pull in shown if pull["head"]["ref"] == branch])

    def post(self, _: web.Request, data: Any) -> web.Response:
        """Open one unless the branch has one."""
        if any(p["head"]["ref"] == data["head"] and p["state"] == "open" for p in self.kept):
            errors = [{"code": "custom", "message": f"A pull request already exists for o:{data['head']}."}]
            return answer({"message": "Validation Failed", "errors": errors}, 422)
        wish = {name: data[name] for name in ("title", "body", "draft")}
        return answer(self.open(data["head"], **wish), 201)

    async def ensure(self, **more: Any) -> Pull:
        """Ask for the session's pull request."""
        wish: dict[str, Any] = {"key": "pull:1", "head": "fix/x", "base": "main", "title": "Fix x",
                                "body": "Fixes #4.", "draft": False, "ledger": self.ledger}  # fmt: skip
        return await pulls.ensure_pull_request(self.installation, "o/r", **(wish | more))


@pytest.fixture
async def repository() -> AsyncIterator[Repository]:
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:
        made = Repository(stub, stub.client(http).for_installation(5))
        stub.on("GET", _PULLS, made.page)
        stub.on("POST", _PULLS, made.post)
        yield made


async def test_pull_request_is_opened_once(repository: Repository) -> None:
    """Asked twice there is one, with what GitHub says of it."""
    pull = await repository.ensure()
    assert await repository.ensure() == pull
    assert (pull.number, pull.state, pull.head, pull.base, pull.title) == (
        50,
        "open",
        "fix/x",
        "main",
        "Fix x",
    )
    assert len(repository.stub.asked("POST", _PULLS)) == 1


async def test_lost_answer_is_adopted_by_head(repository: Repository) -> None:
    """GitHub opened it and the answer was lost: found by its branch, even when shown late (cases 13, 16)."""
    repository.late = 6.0
    repository.stub.fail("POST", _PULLS, applied=True)
    assert (await repository.ensure()).number == 50
    assert len(repository.kept) == 1


async def test_already_exists_is_success(repository: Repository) -> None:
    """A 422 that one already exists adopts it once GitHub's list shows it (case 13)."""
    repository.late = 3.0
    repository.open("fix/x")
    assert (await repository.ensure()).number == 50
    assert repository.ledger.effects["pull:1"].external_id == "50"


async def test_branch_not_yet_seen_is_waited_for(repository: Repository) -> None:
    """Right after a push "head invalid" passes within seconds; a lasting one is reported (case 16)."""
    errors = [{"resource": "PullRequest", "field": "head", "code": "invalid"}]
    refusal = {"message": "Validation Failed", "errors": errors}
    repository.stub.fail("POST", _PULLS, times=3, answer=lambda: answer(refusal, 422))
    assert (await repository.ensure()).number == 50
    assert repository.stub.time.slept == [1.0, 2.0, 4.0]
    repository.stub.fail("POST", _PULLS, times=99, answer=lambda: answer(refusal, 422))
    with pytest.raises(faults.Invalid, match="head invalid"):
        await repository.ensure(key="pull:2", head="gone")


async def test_nothing_to_merge_is_told(repository: Repository) -> None:
    """Another 422 is not retried and keeps GitHub's reason."""
    errors = [{"code": "custom", "message": "No commits between main and fix/x"}]
    refusal = {"message": "Validation Failed", "errors": errors}
    repository.stub.fail("POST", _PULLS, times=9, answer=lambda: answer(refusal, 422))
    with pytest.raises(faults.Invalid, match="No commits between"):
        await repository.ensure()
    assert len(repository.stub.asked("POST", _PULLS)) == 1


async def test_drafts_that_are_not_offered_become_plain(repository: Repository) -> None:
    """Where the plan has no drafts, the pull request is opened without."""
    refusal = {"message": "Draft pull requests are not supported in this repository."}
    repository.stub.fail("POST", _PULLS, answer=lambda: answer(refusal, 422))
    assert (await repository.ensure(draft=True)).draft is False


async def test_failed_lookup_opens_nothing(repository: Repository) -> None:
    """While the list cannot be read, none is opened (case 14)."""
    repository.stub.fail("GET", _PULLS, times=99)
    with pytest.raises(faults.Unavailable):
        await repository.ensure()
    assert repository.stub.asked("POST", _PULLS) == []


@pytest.mark.parametrize(("merged_at", "state"), [(None, "closed"), ("2027-01-01T00:00:00Z", "merged")])
async def test_closed_one_is_never_opened_again(
    repository: Repository, merged_at: str | None, state: str
) -> None:
    """What a person closed or merged is returned as such, neither reopened nor doubled (case 40)."""
    repository.open("fix/x", state="closed", merged_at=merged_at)
    assert (await repository.ensure()).state == state
    assert repository.stub.asked("POST") == repository.stub.asked("POST", "access_tokens")
    assert repository.stub.asked("PATCH") == []


async def test_open_one_wins_over_newer_closed_ones(repository: Repository) -> None:
    """With several from the branch, the open one is ours to follow."""
    repository.open("fix/x")
    repository.open("fix/x", state="closed")
    repository.open("fix/xy")
    found = await pulls.by_head(repository.installation, "o/r", "fix/x")
    assert found is not None
    assert found.number == 50
    assert await pulls.by_head(repository.installation, "o/r", "none") is None


async def test_retitled_one_keeps_its_title(repository: Repository) -> None:
    """A title or text changed by a person survives our asking again (case 40)."""
    await repository.ensure()
    repository.kept[0]["title"] = "A better title"
    assert (await repository.ensure()).title == "A better title"
    assert repository.stub.asked("PATCH") == []


async def test_text_is_changed_on_purpose_only(repository: Repository) -> None:
    """An edit sends only what it changes."""
    await repository.ensure()
    changed = await pulls.edit_pull_request(repository.installation, "o/r", 50, body="New.")
    assert changed.body == "New."
    assert repository.stub.asked("PATCH")[0].data == {"body": "New."}


async def test_real_404_is_detected(repository: Repository) -> None:
    """A pull request that stays unseen for 15 seconds is reported as gone (case 16)."""
    await repository.ledger.begin("pull:1", "pull", None)
    await repository.ledger.done("pull:1", "999")
    with pytest.raises(faults.NotFound):
        await repository.ensure()
    assert sum(repository.stub.time.slept) == 15.0


async def test_labels_and_assignees_are_best_effort(repository: Repository) -> None:
    """A refusal to label or assign is no reason to fail a task."""
    repository.stub.on("POST", "/repos/o/r/issues/50/labels", lambda *_: answer([]))
    refusal = {"message": "Validation Failed"}
    repository.stub.on("POST", "/repos/o/r/issues/50/assignees", lambda *_: answer(refusal, 422))
    assert await pulls.add_labels(repository.installation, "o/r", 50, ["journeyman"])
    assert not await pulls.add_assignees(repository.installation, "o/r", 50, ["ghost"])
