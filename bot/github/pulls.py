"""Decide which pull request belongs to a branch: the one that exists, else one made now."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from bot.github import client, faults, publish
from bot.github.client import Installation
from bot.github.publish import Ledger, Order

log = structlog.get_logger(__name__)

_PULLS = "/repos/{owner}/{repo}/pulls"
_PULL = "/repos/{owner}/{repo}/pulls/{number}"


@dataclass(frozen=True)
class Pull:
    """One pull request; `state` is open, closed or merged."""

    number: int
    state: str
    draft: bool
    url: str
    title: str
    body: str
    head: str
    head_sha: str
    base: str


async def ensure_pull_request(
    installation: Installation,
    repo: str,
    *,
    key: str,
    head: str,
    base: str,
    title: str,
    body: str,
    draft: bool,
    ledger: Ledger,
    task_id: str | None = None,
) -> Pull:
    """Return the branch's pull request, made if there is none; `head` is a branch of the same repository.

    One that exists is taken as it is: a title or text that a person changed stays, a closed one is never
    opened again (`state` says so). Raises WorldFault or Blocked.
    """
    publish.fitting(body)
    wish = {"head": head, "base": base, "title": title, "body": body, "draft": draft}

    async def look() -> int | None:
        found = await by_head(installation, repo, head)
        return None if found is None else found.number

    async def make() -> int:
        return await _open(installation, repo, wish)

    order = Order(ledger, key, "pull", task_id)
    thing = await publish.converge(order, look=look, make=make, pause=installation.pause)
    pull = await publish.settled(lambda: find(installation, repo, thing.id), installation.pause)
    if pull is None:
        raise faults.NotFound(f"Pull request #{thing.id} of {repo} is not there any more.", status=404)
    return pull


async def find(installation: Installation, repo: str, number: int) -> Pull | None:
    """Return a pull request, None when GitHub does not show it."""
    try:
        return read(await installation.get(_PULL, **client.owner_and_name(repo), number=number))
    except (faults.NotFound, faults.Gone):
        return None


async def by_head(installation: Installation, repo: str, branch: str) -> Pull | None:
    """Return the pull request from a branch of the same repository: the open one, else the newest."""
    where = client.owner_and_name(repo)
    pages = installation.getiter(
        _PULLS + "{?head,state,per_page}",
        **where,
        head=f"{where['owner']}:{branch}",
        state="all",
        per_page=100,
    )
    pulls = [read(data) async for data in pages]
    ours = [pull for pull in pulls if pull.head == branch]
    return max(ours, key=lambda pull: (pull.state == "open", pull.number), default=None)


async def edit_pull_request(
    installation: Installation, repo: str, number: int, *, body: str | None = None, title: str | None = None
) -> Pull:
    """Change the text or title of a pull request, or neither; return it as GitHub keeps it."""
    change = {name: value for name, value in (("body", body), ("title", title)) if value is not None}
    if body is not None:
        publish.fitting(body)
    data = await installation.patch(_PULL, change, **client.owner_and_name(repo), number=number)
    if body is not None:
        publish.stored(data, body, f"pull request {number}")
    return read(data)


async def add_labels(installation: Installation, repo: str, number: int, labels: Sequence[str]) -> bool:
    """Add labels to an issue or pull request; a refusal is logged and False returned."""
    return await _try(
        installation, repo, number, "/repos/{owner}/{repo}/issues/{number}/labels", {"labels": list(labels)}
    )


async def add_assignees(installation: Installation, repo: str, number: int, logins: Sequence[str]) -> bool:
    """Assign people to an issue or pull request; a refusal is logged and False returned."""
    return await _try(
        installation,
        repo,
        number,
        "/repos/{owner}/{repo}/issues/{number}/assignees",
        {"assignees": list(logins)},
    )


async def _try(
    installation: Installation, repo: str, number: int, path: str, data: dict[str, list[str]]
) -> bool:
    where = client.owner_and_name(repo)
    try:
        await installation.post(path, data, repeatable=True, **where, number=number)
    except faults.Refused as fault:
        log.warning("pull.unadorned", repository=repo, number=number, why=str(fault))
        return False
    return True


async def _open(installation: Installation, repo: str, wish: dict[str, Any]) -> int:
    """Open the pull request; one that exists already is adopted.

    A branch that git has just taken may be unknown here for some seconds (422 "head invalid"), and free plans
    refuse drafts in private repositories.
    """
    wish = dict(wish)
    for seconds in (*publish.SETTLING, None):
        try:
            made = await installation.post(_PULLS, wish, **client.owner_and_name(repo))
        except faults.Invalid as fault:
            said = " ".join((fault.message, *fault.errors)).lower()
            if "already exists" in said:
                return await _existing(installation, repo, str(wish["head"]), fault)
            if seconds is None:
                raise
            if wish["draft"] and "draft" in said:
                wish["draft"] = False
                continue
            if not ("head" in said and "invalid" in said):
                raise
            await installation.pause(seconds)
        else:
            publish.stored(made, str(wish["body"]), f"pull request {made['number']}")
            return int(made["number"])
    raise AssertionError("the last attempt returns or raises")


async def _existing(installation: Installation, repo: str, branch: str, fault: faults.Invalid) -> int:
    found = await publish.settled(lambda: by_head(installation, repo, branch), installation.pause)
    if found is None:
        raise fault
    return found.number


def read(data: dict[str, Any]) -> Pull:
    """Return GitHub's pull request as ours."""
    merged = bool(data.get("merged") or data.get("merged_at"))
    return Pull(
        number=int(data["number"]),
        state="merged" if merged else str(data["state"]),
        draft=bool(data.get("draft")),
        url=str(data.get("html_url") or ""),
        title=str(data["title"]),
        body=str(data.get("body") or ""),
        head=str(data["head"]["ref"]),
        head_sha=str(data["head"]["sha"]),
        base=str(data["base"]["ref"]),
    )
