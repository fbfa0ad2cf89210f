"""Decide what GitHub says of now, for the sweep to hold against what we heard.

Each thing carries the few facts that the sweep judges by, and `told`, GitHub's own words, of which the
webhook that got lost would have been made.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bot.github import client, faults, reads
from bot.github.calls import Caller
from bot.github.client import Installation

Told = Mapping[str, Any]

_PAGE = 100
# 10,000 deliveries; what is beyond them is found by looking at the repositories.
_MOST_DELIVERY_PAGES = 100
_REPO = "/repos/{owner}/{repo}"


@dataclass(frozen=True)
class Attempt:
    """One attempt of GitHub to deliver an event; `guid` is the same for every attempt of one event."""

    id: int
    guid: str
    event: str
    action: str | None
    at: datetime
    succeeded: bool
    redelivery: bool


@dataclass(frozen=True)
class Installed:
    """An installation that nobody has suspended, and since when it is there; None where GitHub tells not."""

    id: int
    created_at: datetime | None


@dataclass(frozen=True)
class Place:
    """A repository of an installation, under its present name."""

    id: int
    full_name: str
    archived: bool
    told: Told


@dataclass(frozen=True)
class Thread:
    """An issue, or the issue side of a pull request."""

    number: int
    is_pull: bool
    is_open: bool
    labels: tuple[str, ...]
    updated_at: datetime
    closed_at: datetime | None
    repository: str  # owner/name, where it is by now
    told: Told

    def wears(self, label: str) -> bool:
        """Whether the label is on it; GitHub's labels know no upper and lower case."""
        return label.casefold() in {each.casefold() for each in self.labels}


@dataclass(frozen=True)
class Happened:
    """One entry of an issue's history: labeled, unlabeled, closed, ..."""

    id: int
    event: str
    label: str
    at: datetime
    actor: Told | None  # null once the account was deleted


@dataclass(frozen=True)
class Said:
    """A comment, or a review, by anyone."""

    id: int
    at: datetime
    number: int  # the thread's
    author: Told | None
    told: Told

    @property
    def by_person(self) -> bool:
        """Whether a person wrote it; `type` is User, Organization, Bot or Mannequin."""
        return self.author is not None and self.author.get("type", "User") == "User"


@dataclass(frozen=True)
class Offered:
    """A pull request, and when it was closed, merged or not."""

    number: int
    is_open: bool
    closed_at: datetime | None
    told: Told


async def attempts(app: Caller, since: datetime) -> list[Attempt]:
    """Return the attempts to deliver since that moment, newest first. Raises Refused and WorldFault.

    Asked without `status=failure`: that means answers of 400 to 599 and leaves out those that timed out
    (GitHub, "Handling failed webhook deliveries").
    """
    found: list[Attempt] = []
    older = 0
    pages = app.getiter("/app/hook/deliveries{?per_page}", pages=_MOST_DELIVERY_PAGES, per_page=_PAGE)
    async with contextlib.aclosing(pages) as entries:  # type: ignore[type-var]
        async for data in entries:
            attempt = _attempt(data)
            if attempt.at >= since:
                found.append(attempt)
            elif (older := older + 1) == _PAGE:  # one alone may be out of order
                break
    return found


async def redeliver(app: Caller, attempt: Attempt) -> None:
    """Ask GitHub to deliver an event once more, under the same guid. Raises Refused and WorldFault."""
    await app.post("/app/hook/deliveries/{id}/attempts", repeatable=True, id=attempt.id)


async def installations(app: Caller) -> list[Installed]:
    """Return the installations that nobody has suspended. Raises Refused and WorldFault."""
    pages = app.getiter("/app/installations{?per_page}", per_page=_PAGE)
    return [
        Installed(int(data["id"]), reads.moment(data.get("created_at")))
        async for data in pages
        if not data.get("suspended_at")
    ]


async def repositories(installation: Installation) -> list[Place]:
    """Return every repository that the installation reaches. Raises Refused and WorldFault."""
    pages = installation.getiter(
        "/installation/repositories{?per_page}", items="repositories", per_page=_PAGE
    )
    return [_place(data) async for data in pages]


async def repository(installation: Installation, repo: str) -> Place:
    """Return one repository, followed through a rename. Raises NotFound, Refused and WorldFault."""
    return _place(await installation.get(_REPO, **client.owner_and_name(repo)))


async def labelled(installation: Installation, repo: str, label: str) -> list[Thread]:
    """Return the open issues that wear the label, pull requests left out. Raises Refused and WorldFault."""
    pages = installation.getiter(
        _REPO + "/issues{?state,labels,per_page}",
        **client.owner_and_name(repo),
        state="open",
        labels=label,
        per_page=_PAGE,
    )
    found = [_thread(data) async for data in pages]
    return [thread for thread in found if thread.is_open and not thread.is_pull and thread.wears(label)]


async def thread(installation: Installation, repo: str, number: int) -> Thread:
    """Return an issue as it is now, wherever it was moved. Raises NotFound, Gone, Refused and WorldFault."""
    data = await installation.get(_REPO + "/issues/{number}", **client.owner_and_name(repo), number=number)
    return _thread(data)


async def history(installation: Installation, repo: str, number: int) -> list[Happened]:
    """Return what happened to an issue, oldest first; nothing where GitHub does not tell. Raises WorldFault.

    Not every server that speaks GitHub's language has this list.
    """
    pages = installation.getiter(
        _REPO + "/issues/{number}/events{?per_page}",
        **client.owner_and_name(repo),
        number=number,
        per_page=_PAGE,
    )
    try:
        return [_happened(data) async for data in pages]
    except (faults.NotFound, faults.Invalid):
        return []


async def comments(installation: Installation, repo: str, since: datetime) -> list[Said]:
    """Return the comments of all threads changed since that moment. Raises Refused and WorldFault."""
    pages = installation.getiter(
        _REPO + "/issues/comments{?since,per_page}",
        **client.owner_and_name(repo),
        since=since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        per_page=_PAGE,
    )
    return [_said(data, "created_at", _last_number(data.get("issue_url"))) async for data in pages]


async def pull(installation: Installation, repo: str, number: int) -> Offered:
    """Return a pull request as it is now. Raises NotFound, Refused and WorldFault."""
    data = await installation.get(_REPO + "/pulls/{number}", **client.owner_and_name(repo), number=number)
    is_open = data.get("state") == "open"
    return Offered(int(data["number"]), is_open, _time_or_none(data.get("closed_at")), data)


async def reviews(installation: Installation, repo: str, number: int) -> list[Said]:
    """Return the reviews of a pull request that were submitted. Raises NotFound, Refused and WorldFault."""
    pages = installation.getiter(
        _REPO + "/pulls/{number}/reviews{?per_page}",
        **client.owner_and_name(repo),
        number=number,
        per_page=_PAGE,
    )
    return [
        _said(data, "submitted_at", number)
        async for data in pages
        if data.get("submitted_at") and str(data.get("state")).upper() != "PENDING"
    ]


def _attempt(data: Told) -> Attempt:
    code = data.get("status_code")
    return Attempt(
        id=int(data["id"]),
        guid=str(data["guid"]),
        event=str(data.get("event") or ""),
        action=data.get("action"),
        at=_time(data["delivered_at"]),
        succeeded=isinstance(code, int) and 200 <= code < 300,
        redelivery=bool(data.get("redelivery")),
    )


def _place(data: Told) -> Place:
    return Place(int(data["id"]), str(data["full_name"]), bool(data.get("archived")), data)


def _thread(data: Told) -> Thread:
    labels = (each.get("name") if isinstance(each, Mapping) else each for each in data.get("labels") or ())
    return Thread(
        number=int(data["number"]),
        is_pull="pull_request" in data,
        is_open=data.get("state") == "open",
        labels=tuple(str(each) for each in labels),
        updated_at=_time(data.get("updated_at") or data["created_at"]),
        closed_at=_time_or_none(data.get("closed_at")),
        repository="/".join(str(data.get("repository_url") or "").split("/")[-2:]),
        told=data,
    )


def _happened(data: Told) -> Happened:
    label = data.get("label")
    return Happened(
        id=int(data["id"]),
        event=str(data.get("event")),
        label=str(label.get("name")) if isinstance(label, Mapping) else "",
        at=_time(data["created_at"]),
        actor=data.get("actor"),
    )


def _said(data: Told, moment: str, number: int) -> Said:
    return Said(int(data["id"]), _time(data[moment]), number, data.get("user"), data)


def _last_number(address: Any) -> int:
    """Return the number at an address's end, 0 when there is none; the address itself is never called."""
    last = str(address or "").rpartition("/")[2]
    return int(last) if last.isascii() and last.isdigit() else 0


def _time_or_none(text: Any) -> datetime | None:
    return _time(text) if text else None


def _time(text: Any) -> datetime:
    told = datetime.fromisoformat(str(text))
    return told if told.tzinfo else told.replace(tzinfo=UTC)
