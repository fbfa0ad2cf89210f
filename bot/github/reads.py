"""Decide what a task may know of an issue and its repository, in our own words and bounded."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bot.github import client, faults
from bot.github.client import Installation

CONFIGURATION = (".github", "journeyman.yml")
MOST_COMMENTS = 2_500
_PAGE = 100


@dataclass(frozen=True)
class Person:
    """An account; `kind` is GitHub's type: User, Bot, Organization or Mannequin."""

    id: int
    login: str
    kind: str


@dataclass(frozen=True)
class Issue:
    """An issue, or the issue side of a pull request."""

    id: int
    number: int
    title: str
    body: str
    state: str
    state_reason: str | None
    locked: bool
    labels: tuple[str, ...]
    author: Person
    url: str
    created_at: datetime
    updated_at: datetime
    is_pull_request: bool


@dataclass(frozen=True)
class Comment:
    """One comment of an issue; `ours` says that the App itself wrote it."""

    id: int
    author: Person
    body: str
    url: str
    created_at: datetime
    updated_at: datetime
    ours: bool


@dataclass(frozen=True)
class Comments:
    """The comments up to a moment, oldest first; `omitted` of the oldest were left out."""

    shown: tuple[Comment, ...]
    omitted: int


@dataclass(frozen=True)
class Repository:
    """A repository under its present name; `id` survives renames and transfers."""

    id: int
    full_name: str
    default_branch: str
    private: bool
    archived: bool
    has_issues: bool
    url: str
    pushed_at: datetime | None = None


async def issue(installation: Installation, repo: str, number: int) -> Issue:
    """Return an issue as it is now. Raises NotFound, Gone, or WorldFault."""
    data = await installation.get(
        "/repos/{owner}/{repo}/issues/{number}", **client.owner_and_name(repo), number=number
    )
    return Issue(
        id=int(data["id"]),
        number=int(data["number"]),
        title=str(data["title"]),
        body=str(data.get("body") or ""),
        state=str(data["state"]),
        state_reason=data.get("state_reason"),
        locked=bool(data.get("locked")),
        labels=tuple(_label(label) for label in data.get("labels") or ()),
        author=_person(data.get("user")),
        url=str(data.get("html_url") or ""),
        created_at=_time(data["created_at"]),
        updated_at=_time(data.get("updated_at") or data["created_at"]),
        is_pull_request="pull_request" in data,
    )


async def comments(
    installation: Installation,
    repo: str,
    number: int,
    *,
    until: datetime | None = None,
    most: int = MOST_COMMENTS,
) -> Comments:
    """Return the newest comments written up to `until`, at most `most` of them, oldest first.

    All pages are read: GitHub lists an issue's comments from the oldest on, in that order only, and takes
    2,500 of them at most. Pages that shift meanwhile repeat entries; each comment is returned once.
    """
    me = await installation.identity()
    found: list[Comment] = []
    seen: set[int] = set()
    pages = installation.getiter(
        "/repos/{owner}/{repo}/issues/{number}/comments{?per_page}",
        pages=MOST_COMMENTS // _PAGE + 1,
        **client.owner_and_name(repo),
        number=number,
        per_page=_PAGE,
    )
    async for data in pages:
        if int(data["id"]) in seen or (until is not None and _time(data["created_at"]) > until):
            continue
        seen.add(int(data["id"]))
        found.append(_comment(data, ours=me.made(data)))
    found.sort(key=lambda comment: (comment.created_at, comment.id))
    omitted = max(0, len(found) - most)
    return Comments(tuple(found[omitted:]), omitted)


async def repository(installation: Installation, repo: str) -> Repository:
    """Return the repository of a name, followed through a rename. Raises NotFound or WorldFault."""
    return repository_of(await installation.get("/repos/{owner}/{repo}", **client.owner_and_name(repo)))


async def repository_by_id(installation: Installation, repository_id: int) -> Repository:
    """Return the repository of an id, whatever it is called now. Raises NotFound or WorldFault."""
    return repository_of(await installation.get("/repositories/{id}", id=repository_id))


async def configuration(installation: Installation, repo: str, branch: str) -> str | None:
    """Return the text of `.github/journeyman.yml` on the default branch, None when there is none.

    Raises Invalid when the file is not a file or not UTF-8 text, and WorldFault.
    """
    try:
        data = await installation.get(
            "/repos/{owner}/{repo}/contents{/path*}{?ref}",
            **client.owner_and_name(repo),
            path=list(CONFIGURATION),
            ref=branch,
        )
    except faults.NotFound:
        return None
    where = "/".join(CONFIGURATION)
    if not isinstance(data, Mapping) or data.get("type") != "file" or data.get("encoding") != "base64":
        raise faults.Invalid(f"{where} is not a small plain file.")
    try:
        return base64.b64decode(str(data["content"])).decode()
    except ValueError as fault:
        raise faults.Invalid(f"{where} is not UTF-8 text.") from fault


def repository_of(data: Mapping[str, Any]) -> Repository:
    """Return the repository that GitHub tells of, alone or in a list."""
    return Repository(
        id=int(data["id"]),
        full_name=str(data["full_name"]),
        default_branch=str(data["default_branch"]),
        private=bool(data.get("private")),
        archived=bool(data.get("archived")),
        has_issues=bool(data.get("has_issues", True)),
        url=str(data.get("html_url") or ""),
        pushed_at=moment(data.get("pushed_at")),
    )


def moment(told: Any) -> datetime | None:
    """Return a time that not every server tells; GitHub words it as text, in webhooks also as seconds."""
    try:
        return datetime.fromtimestamp(told, UTC) if isinstance(told, int) else _time(str(told))
    except (ValueError, OverflowError, OSError):
        return None


def _comment(data: Mapping[str, Any], *, ours: bool) -> Comment:
    return Comment(
        id=int(data["id"]),
        author=_person(data.get("user")),
        body=str(data.get("body") or ""),
        url=str(data.get("html_url") or ""),
        created_at=_time(data["created_at"]),
        updated_at=_time(data.get("updated_at") or data["created_at"]),
        ours=ours,
    )


def _person(data: Mapping[str, Any] | None) -> Person:
    """Return an account; one that was deleted is GitHub's ghost."""
    if data is None:
        return Person(0, "ghost", "User")
    return Person(int(data["id"]), str(data["login"]), str(data.get("type") or "User"))


def _label(data: Any) -> str:
    return str(data["name"]) if isinstance(data, Mapping) else str(data)


def _time(text: str) -> datetime:
    told = datetime.fromisoformat(text)
    return told if told.tzinfo else told.replace(tzinfo=UTC)
