"""Decide what GitHub calls us, and which comments, reactions and checks are our own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Identity:
    """The App as GitHub knows it; `user_id` is its bot account's, None where GitHub does not show one."""

    app_id: int
    slug: str
    name: str
    user_id: int | None
    permissions: Mapping[str, str] = field(default_factory=dict)
    events: tuple[str, ...] = ()

    @property
    def login(self) -> str:
        """Return the bot account's login."""
        return f"{self.slug}[bot]"

    @property
    def email(self) -> str:
        """Return the address under which GitHub shows commits as ours."""
        number = f"{self.user_id}+" if self.user_id is not None else ""
        return f"{number}{self.login}@users.noreply.github.com"

    def made(self, thing: Mapping[str, Any]) -> bool:
        """Return whether a comment, reaction, pull request or check run is ours.

        The App's id or its bot account decides; a login that merely ends in `[bot]` proves nothing.
        """
        app = thing.get("performed_via_github_app") or thing.get("app")
        if isinstance(app, Mapping) and app.get("id") == self.app_id:
            return True
        user = thing.get("user")
        if not isinstance(user, Mapping):
            return False
        if self.user_id is not None and user.get("id") is not None:
            return bool(user["id"] == self.user_id)
        return bool(user.get("login") == self.login)


def read(app: Mapping[str, Any], user_id: int | None) -> Identity:
    """Return the identity from the answer of `GET /app`."""
    return Identity(
        app_id=int(app["id"]),
        slug=str(app["slug"]),
        name=str(app.get("name") or app["slug"]),
        user_id=user_id,
        permissions=dict(app.get("permissions") or {}),
        events=tuple(app.get("events") or ()),
    )
