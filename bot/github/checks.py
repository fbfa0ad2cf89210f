"""Decide which check run stands at a commit: one for each external id, brought up to date in place."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.github import client, publish
from bot.github.client import Installation
from bot.github.publish import Ledger, Order

MOST_CHARACTERS = 65_535  # of a summary and of a text (GitHub's REST description of check runs)


@dataclass(frozen=True)
class Check:
    """A check run as it should be; `conclusion` only with status `completed`.

    `external_id` is our own name for it (session:attempt:sha) and unique at the commit.
    """

    name: str
    head_sha: str
    external_id: str
    status: str
    conclusion: str | None = None
    title: str = ""
    summary: str = ""
    text: str = ""
    details_url: str | None = None
    actions: tuple[Mapping[str, str], ...] = ()  # label, description, identifier of at most three buttons

    def state(self) -> dict[str, Any]:
        """Return the part of the request that can change later."""
        wish: dict[str, Any] = {"status": self.status}
        if self.conclusion is not None:
            wish["conclusion"] = self.conclusion
        if self.details_url is not None:
            wish["details_url"] = self.details_url
        if self.actions:
            wish["actions"] = [dict(action) for action in self.actions]
        if self.title:
            wish["output"] = {"title": self.title, "summary": self.summary}
            if self.text:
                wish["output"]["text"] = self.text
        return wish


async def ensure_check_run(
    installation: Installation,
    repo: str,
    check: Check,
    *,
    key: str,
    ledger: Ledger,
    task_id: str | None = None,
) -> int:
    """Make the check run be as `check` says and return its id. Raises WorldFault or Blocked."""
    _fitting(check)
    where = client.owner_and_name(repo)

    async def look() -> int | None:
        me = await installation.identity()
        runs = installation.getiter(
            "/repos/{owner}/{repo}/commits/{ref}/check-runs{?check_name,filter,per_page}",
            items="check_runs",
            **where,
            ref=check.head_sha,
            check_name=check.name,
            filter="all",
            per_page=100,
        )
        async for run in runs:
            if run.get("external_id") == check.external_id and _ours(run, me.app_id):
                return int(run["id"])
        return None

    async def make() -> int:
        wish = {
            "name": check.name,
            "head_sha": check.head_sha,
            "external_id": check.external_id,
            **check.state(),
        }
        made = await installation.post("/repos/{owner}/{repo}/check-runs", wish, **where)
        return int(made["id"])

    order = Order(ledger, key, "check", task_id)
    thing = await publish.converge(order, look=look, make=make, pause=installation.pause)
    if not thing.made:
        await installation.patch("/repos/{owner}/{repo}/check-runs/{id}", check.state(), **where, id=thing.id)
    return thing.id


def _ours(run: Mapping[str, Any], app_id: int) -> bool:
    """Return whether our App made the run, which is the only one that may change it; `app` may be null."""
    app = run.get("app")
    return not isinstance(app, Mapping) or app.get("id") == app_id


def _fitting(check: Check) -> None:
    if (check.status == "completed") != (check.conclusion is not None):
        raise ValueError("a check run has a conclusion exactly when it is completed")
    for part in (check.summary, check.text):
        if len(part) > MOST_CHARACTERS:
            raise ValueError(f"a check text of {len(part)} characters was not cut to {MOST_CHARACTERS}")
    if (check.summary or check.text) and not check.title:
        raise ValueError("a check run's output needs a title")
