"""The state decides what GitHub remembers: accounts, installations, repositories, threads, its clock."""

import base64
import functools
import json
import secrets
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from demo.github import repository, user
from demo.github.app import App, Installation, Token
from demo.github.check import Check
from demo.github.deliveries import Delivery, Hookshot
from demo.github.faults import Faults
from demo.github.issue import Comment, Issue
from demo.github.journal import Entry, Journal
from demo.github.pull import Pull
from demo.github.repository import Repository
from demo.github.review import ReviewComment
from demo.github.user import Json, User

UNASKED = (
    "ping",
    "installation",
    "installation_repositories",
    "installation_target",
    "github_app_authorization",
)
FIRST_ID = 3_000_000_001  # beyond 32 bits, as GitHub's own ids are by now


@functools.cache
def key_pair() -> tuple[str, str]:
    """Return an RSA key as PEM texts (private, public), the same for all worlds of a process."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private.decode(), public.decode()


class State:
    """What one GitHub knows; `root` is a folder of its own, where the bare repositories go."""

    def __init__(
        self,
        root: Path,
        *,
        hook_url: str | None = None,
        webhook_secret: str | None = None,
        public_key: str | None = None,
        app_id: int = 1234567,
        slug: str = "journeyman-demo",
    ) -> None:
        self.root = root
        self.url = "http://127.0.0.1"
        self.token_ttl: float = 3600
        self.faults = Faults()
        self.journal = Journal()
        self._last_id = FIRST_ID
        self._born: dict[int, float] = {}
        self.users: dict[str, User] = {}
        self.installations: dict[int, Installation] = {}
        self.tokens: dict[str, Token] = {}
        self.repositories: dict[str, Repository] = {}
        self.moved: dict[str, Repository] = {}
        self.issues: dict[int, dict[int, Issue]] = {}
        self.pulls: dict[int, dict[int, Pull]] = {}
        self.comments: dict[int, Comment] = {}
        self.review_comments: dict[int, ReviewComment] = {}
        self.checks: dict[int, Check] = {}
        private, public = ("", public_key) if public_key else key_pair()
        self.app = App(
            id=app_id,
            slug=slug,
            owner=self.user("journeyman-makers", "Organization"),
            bot=self.user(f"{slug}[bot]", "Bot"),
            webhook_secret=secrets.token_hex(20) if webhook_secret is None else webhook_secret,
            public_key=public,
            private_key=private,
            created_at=self.stamp(),
            hook_id=487_654_321,
        )
        self.hooks = Hookshot(self.app, self.faults, self.stamp, self.new_id)
        self.hooks.url = hook_url

    @property
    def hook_url(self) -> str | None:
        """Where deliveries go; None records them without sending."""
        return self.hooks.url

    @hook_url.setter
    def hook_url(self, url: str | None) -> None:
        self.hooks.url = url

    @property
    def deliveries(self) -> list[Delivery]:
        """Every delivery so far, oldest first."""
        return self.hooks.records

    @property
    def requests(self) -> list[Entry]:
        """Every request so far, in the order in which it was answered."""
        return self.journal.entries

    def mutations(self) -> list[Entry]:
        """Return the requests that changed what people can see."""
        return self.journal.mutations()

    async def delivered(self) -> None:
        """Wait until every delivery was answered, failed or got lost."""
        await self.hooks.settled()

    def now(self) -> float:
        """GitHub's clock, in epoch seconds."""
        return time.time() + self.faults.clock_offset

    def stamp(self, after: float = 0) -> str:
        """GitHub's clock as it words it, `after` seconds from now."""
        return datetime.fromtimestamp(self.now() + after, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def new_id(self) -> int:
        """Return an id that nothing else in this world has."""
        self._last_id += 1
        self._born[self._last_id] = time.monotonic()
        return self._last_id

    def age(self, identity: int) -> float:
        """Seconds since an object was made; infinite for what was there from the start."""
        born = self._born.get(identity)
        return float("inf") if born is None else time.monotonic() - born

    def user(self, login: str | User, kind: str = "User") -> User:
        """Return the account of this login, made now if need be."""
        if isinstance(login, User):
            return login
        if login.lower() not in self.users:
            self.users[login.lower()] = User(len(self.users) + 41_000_001, login, kind, self.stamp())
        return self.users[login.lower()]

    def repository(self, full_name: str | Repository) -> Repository:
        """Return a repository by `owner/name`; raises KeyError when there is none."""
        return full_name if isinstance(full_name, Repository) else self.repositories[full_name.lower()]

    def issue(self, full_name: str | Repository, number: int) -> Issue:
        """Return an issue by its repository and number; raises KeyError when there is none."""
        return self.issues[self.repository(full_name).id][number]

    def pull(self, full_name: str | Repository, number: int) -> Pull:
        """Return a pull request by its repository and number; raises KeyError when there is none."""
        return self.pulls[self.repository(full_name).id][number]

    def add_collaborator(
        self, login: str, role_name: str, repository: str | Repository | None = None
    ) -> User:
        """Give someone a role (admin, maintain, write, triage, read, none), here or everywhere so far."""
        someone = self.user(login)
        targets = [self.repository(repository)] if repository else list(self.repositories.values())
        for each in targets:
            each.roles[someone.id] = role_name
        return someone

    def installation_of(self, repo: Repository) -> Installation | None:
        """Return the installation that reaches the repository, suspended or not."""
        return next((each for each in self.installations.values() if each.covers(repo)), None)

    def mint(
        self, installation: Installation, permissions: dict[str, str], repositories: set[int] | None
    ) -> Token:
        """Return a new installation token in GitHub's stateless shape (`ghs_APPID_`, some 500 characters)."""
        facts = {
            "iid": installation.id,
            "jti": secrets.token_hex(16),
            "exp": int(self.now() + self.token_ttl),
        }
        head, claims = (
            base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
            for part in ({"alg": "ES256", "typ": "JWT", "kid": secrets.token_hex(8)}, facts)
        )
        value = f"ghs_{self.app.id}_{head}.{claims}.{secrets.token_urlsafe(200)}"
        token = Token(value, installation, permissions, repositories, self.now() + self.token_ttl)
        self.tokens[value] = token
        return token

    def emit(
        self, event: str, action: str | None, repo: Repository, sender: User, **parts: Any
    ) -> Delivery | None:
        """Tell the App of a change, when it is installed here, not suspended, and subscribed to the event."""
        installation = self.installation_of(repo)
        if installation is None or installation.suspended_at:
            return None
        if event not in self.app.events and event not in UNASKED:
            return None
        payload: Json = {"action": action} if action else {}
        payload |= parts
        payload["repository"] = repository.shape(self.url, repo) | parts.get("repository", {})
        if repo.owner.type == "Organization":
            payload["organization"] = user.organization_shape(self.url, repo.owner)
        payload["sender"] = user.shape(self.url, sender)
        payload["installation"] = {"id": installation.id, "node_id": f"MDIz{installation.id}"}
        return self.hooks.send(event, action, payload, installation_id=installation.id, repository_id=repo.id)
