"""The App decides who may speak: its key, its installations with their permissions, and their tokens."""

from dataclasses import dataclass, field

from demo.github import user
from demo.github.repository import Repository
from demo.github.user import Json, User

LEVELS = {"read": 1, "write": 2, "admin": 3}
PERMISSIONS = {
    "metadata": "read",
    "issues": "write",
    "pull_requests": "write",
    "contents": "write",
    "checks": "write",
}
EVENTS = [
    "issues",
    "issue_comment",
    "pull_request",
    "pull_request_review",
    "pull_request_review_comment",
    "check_run",
    "check_suite",
    "push",
    "repository",
]


@dataclass(eq=False)
class App:
    """The registered App; `private_key` is empty when the caller brought only the public half."""

    id: int
    slug: str
    owner: User
    bot: User
    webhook_secret: str
    public_key: str
    private_key: str
    created_at: str
    hook_id: int
    permissions: dict[str, str] = field(default_factory=lambda: dict(PERMISSIONS))
    events: list[str] = field(default_factory=lambda: list(EVENTS))


@dataclass(eq=False)
class Installation:
    """The App on one account; `repositories` is None when all of the account's are selected."""

    id: int
    app: App
    account: User
    permissions: dict[str, str]
    created_at: str
    repositories: set[int] | None = None
    suspended_at: str | None = None
    requests_left: int = 5000
    limit_resets: int = 0

    def covers(self, repository: Repository) -> bool:
        """Decide whether this installation reaches the repository."""
        if repository.owner is not self.account:
            return False
        return self.repositories is None or repository.id in self.repositories


@dataclass(eq=False)
class Token:
    """An installation token: what it may do, where, and until when (seconds of the world's clock)."""

    value: str
    installation: Installation
    permissions: dict[str, str]
    repositories: set[int] | None
    expires: float

    def reaches(self, repository: Repository) -> bool:
        """Decide whether the token reaches the repository."""
        if not self.installation.covers(repository):
            return False
        return self.repositories is None or repository.id in self.repositories

    def may(self, permission: str, level: str) -> bool:
        """Decide whether the token has at least this level of this permission."""
        if permission == "metadata":
            return level == "read"
        return LEVELS.get(self.permissions.get(permission, ""), 0) >= LEVELS[level]


def shape(base: str, app: App) -> Json:
    """Return GitHub's `integration`."""
    return {
        "id": app.id,
        "slug": app.slug,
        "node_id": f"A_{app.id}",
        "client_id": f"Iv23li{app.id:014d}",
        "owner": user.shape(base, app.owner),
        "name": app.slug,
        "description": "",
        "external_url": f"{base}/apps/{app.slug}",
        "html_url": f"{base}/apps/{app.slug}",
        "created_at": app.created_at,
        "updated_at": app.created_at,
        "permissions": dict(app.permissions),
        "events": list(app.events),
    }


def installation_shape(base: str, installation: Installation) -> Json:
    """Return GitHub's `installation`."""
    suspended = installation.suspended_at
    return {
        "id": installation.id,
        "account": user.shape(base, installation.account),
        "repository_selection": "all" if installation.repositories is None else "selected",
        "access_tokens_url": f"{base}/app/installations/{installation.id}/access_tokens",
        "repositories_url": f"{base}/installation/repositories",
        "html_url": f"{base}/settings/installations/{installation.id}",
        "app_id": installation.app.id,
        "app_slug": installation.app.slug,
        "target_id": installation.account.id,
        "target_type": installation.account.type,
        "permissions": dict(installation.permissions),
        "events": list(installation.app.events),
        "created_at": installation.created_at,
        "updated_at": installation.created_at,
        "single_file_name": None,
        "has_multiple_single_files": False,
        "single_file_paths": [],
        "suspended_by": user.shape(base, installation.account) if suspended else None,
        "suspended_at": suspended,
    }
