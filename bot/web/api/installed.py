"""Decide whether a session can be opened on a repository, by what GitHub says of it now."""

import asyncio
from dataclasses import dataclass

from bot.errors import WorldFault
from bot.github import client, faults, reads
from bot.github.client import GitHub, Installation
from bot.web.api import problems
from bot.web.api.problems import Problem

# A program waits for the answer; what takes GitHub longer is worth another call.
PATIENCE_SECONDS = 20.0
RETRY_SECONDS = 30.0


@dataclass(frozen=True)
class Found:
    """A repository under its present name, with the installation that reaches it."""

    installation_id: int
    repository_id: int
    full_name: str


class Repositories:
    """The App's view of GitHub, as far as opening a session needs it."""

    def __init__(self, github: GitHub) -> None:
        self._github = github

    async def find(self, repository: str, issue_number: int | None) -> Found:
        """Return the repository; raises Problem 404 or 409 for what a person can mend, else 503."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await self._find(repository, issue_number)
        except WorldFault as problem:
            raise problems.later(f"{problem}", problem.retry_after or RETRY_SECONDS) from None
        except TimeoutError:
            raise problems.later("GitHub does not answer in time", RETRY_SECONDS) from None
        except faults.Refused as problem:  # our own key or permissions: nothing that the caller can mend
            raise problems.later(f"{problem}", RETRY_SECONDS) from None

    async def _find(self, repository: str, issue_number: int | None) -> Found:
        installation = await self._installation(repository)
        try:
            found = await reads.repository(installation, repository)
        except (faults.NotFound, faults.Withheld):
            raise _not_installed(repository) from None
        except faults.Suspended:
            raise _suspended(repository) from None
        if found.archived:
            raise problems.at("repository", f"{found.full_name} is archived and read-only", 409)
        if issue_number is not None:
            await _check_issue(installation, found.full_name, issue_number)
        return Found(installation.id, found.id, found.full_name)

    async def _installation(self, repository: str) -> Installation:
        try:
            data = await self._github.app().get(
                "/repos/{owner}/{repo}/installation", **client.owner_and_name(repository)
            )
        except (faults.NotFound, faults.Withheld):
            raise _not_installed(repository) from None
        if data.get("suspended_at"):
            raise _suspended(repository)
        return self._github.for_installation(int(data["id"]))


async def _check_issue(installation: Installation, repository: str, number: int) -> None:
    try:
        issue = await reads.issue(installation, repository, number)
    except (faults.NotFound, faults.Gone):
        raise problems.at("issue_number", f"{number} is no issue of {repository}", 404) from None
    if issue.is_pull_request:
        raise problems.at("issue_number", f"{number} is a pull request of {repository}, not an issue", 404)
    if issue.state == "closed":
        raise problems.at("issue_number", f"{number} of {repository} is closed; reopen it first", 409)


def _not_installed(repository: str) -> Problem:
    return problems.at(
        "repository", f"{repository} is not reached by the App: install the App there, or check the name", 404
    )


def _suspended(repository: str) -> Problem:
    return problems.at(
        "repository", f"{repository}: the App's installation there is suspended; an owner can resume it", 409
    )
