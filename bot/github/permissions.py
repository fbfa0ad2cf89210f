"""Decide what a person may do in a repository, by GitHub's own answer, at most five minutes old.

`author_association` is wrong for private members of an organisation; `GET collaborators/USER/permission` is
right, and its `role_name` tells triage and maintain apart from read and write.
"""

from collections.abc import Callable
from enum import IntEnum

from cachetools import TTLCache

from bot.github import client, faults
from bot.github.client import Installation

_FRESH = 300.0
_MOST = 10_000


class Role(IntEnum):
    """A person's role, ordered: `role >= Role.WRITE` reads as it says."""

    NONE = 0
    READ = 1
    TRIAGE = 2
    WRITE = 3
    MAINTAIN = 4
    ADMIN = 5

    @classmethod
    def named(cls, name: str) -> "Role | None":
        """Return the role of GitHub's word for it, None for an organisation's own role name."""
        return cls.__members__.get(name.upper())


class Permissions:
    """Roles as asked of GitHub, kept for five minutes."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._known: TTLCache[tuple[int, str, str, int | None], Role] = TTLCache(_MOST, _FRESH, timer=clock)

    async def role(
        self,
        installation: Installation,
        repo: str,
        login: str,
        *,
        user_id: int | None = None,
        fresh: bool = False,
    ) -> Role:
        """Return the role of a person; `fresh` asks GitHub again (before a push).

        With `user_id`, a login that has changed hands since counts as NONE, as does anyone unknown to GitHub.
        Raises WorldFault or Blocked when GitHub could not be asked.
        """
        key = (installation.id, repo.lower(), login.lower(), user_id)
        known = None if fresh else self._known.get(key)
        if known is None:
            known = await _ask(installation, repo, login, user_id)
            self._known[key] = known
        return known


async def _ask(installation: Installation, repo: str, login: str, user_id: int | None) -> Role:
    try:
        data = await installation.get(
            "/repos/{owner}/{repo}/collaborators/{login}/permission",
            **client.owner_and_name(repo),
            login=login,
        )
    except faults.NotFound:
        return Role.NONE
    user = data.get("user") or {}
    if user_id is not None and user.get("id") not in {None, user_id}:
        return Role.NONE
    by_name = Role.named(str(data.get("role_name") or ""))
    return by_name if by_name is not None else Role.named(str(data.get("permission") or "")) or Role.NONE
