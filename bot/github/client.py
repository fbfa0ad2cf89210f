"""Decide who speaks to GitHub: the App with its key, or one of its installations with a token."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import aiohttp

from bot.github import faults, identity, tokens
from bot.github.answers import Answer
from bot.github.calls import Caller, Means
from bot.github.content import Content
from bot.github.identity import Identity
from bot.github.limits import Limits
from bot.github.signer import Signer
from bot.github.tokens import Scope, Token, Tokens
from bot.github.wire import Wire
from bot.github.writer import Writer


class GitHub:
    """One GitHub, seen by one App; `for_installation` hands out the callers that do the work."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        *,
        api_url: str,
        app_id: str,
        private_key: str,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
        user_agent: str = "journeyman/0.1",
    ) -> None:
        self._means = Means(Wire(http, api_url, user_agent), clock, sleep)
        self._jitter = jitter
        self._signer = Signer(app_id, private_key, clock)
        self._app = Caller(self._means, _Key(self._signer), Limits("app", clock, jitter), None)
        self._tokens = Tokens(self._mint, clock)
        self._installations: dict[int, Installation] = {}
        self._identity: Identity | None = None
        self._asking = asyncio.Lock()

    def app(self) -> Caller:
        """Return the caller that speaks as the App itself (`GET /app`, installations, deliveries)."""
        return self._app

    def for_installation(self, installation_id: int) -> "Installation":
        """Return the one caller of that installation in this process; it holds its limits."""
        known = self._installations.get(installation_id)
        if known is None:
            limits = Limits(str(installation_id), self._means.clock, self._jitter)
            known = Installation(self, installation_id, self._means, self._tokens, limits)
            self._installations[installation_id] = known
        return known

    async def identity(self, installation: "Installation") -> Identity:
        """Return what GitHub calls us, asked once; the bot account is looked up by the installation."""
        async with self._asking:
            if self._identity is None:
                app = await self._app.get("/app")
                login = f"{app['slug']}[bot]"
                try:
                    user_id = int((await installation.get("/users/{login}", login=login))["id"])
                except (
                    faults.Refused
                ):  # some Enterprise Servers hide bot accounts; the App's id still decides
                    user_id = None
                self._identity = identity.read(app, user_id)
            return self._identity

    async def flush(self) -> None:
        """Send every edit that still waits; for a graceful stop."""
        for installation in self._installations.values():
            await installation.writer.flush()

    async def close(self) -> None:
        """Stop every writer; the HTTP session is its owner's to close."""
        for installation in self._installations.values():
            await installation.writer.close()

    async def _mint(self, installation_id: int, scope: Scope) -> Token:
        """Return a new installation token; minting again after a lost answer harms nobody."""
        try:
            data = await self._app.post(
                "/app/installations/{installation_id}/access_tokens",
                scope.request(),
                repeatable=True,
                installation_id=installation_id,
            )
        except faults.NotFound as fault:
            raise faults.Uninstalled(
                f"The App is not installed any more (installation {installation_id}); install it again.",
                status=404,
                message=fault.message,
            ) from fault
        return Token.of(data, self._means.clock(), self._signer.skew)


class Installation(Caller):
    """One installation of the App: its token, its limits, what it wrote, and who edits its comments."""

    def __init__(
        self, github: GitHub, installation_id: int, means: Means, kept: Tokens, limits: Limits
    ) -> None:
        self.id = installation_id
        self.writer = Writer(means.clock, means.sleep)
        self.content = Content(means.clock, means.sleep)
        self._github = github
        self._tokens = kept
        super().__init__(means, _Grant(kept, installation_id), limits, self.content)

    async def identity(self) -> Identity:
        """Return what GitHub calls us."""
        return await self._github.identity(self)

    async def token(
        self,
        *,
        repository_ids: Sequence[int] = (),
        permissions: Mapping[str, str] | None = None,
        refused: str | None = None,
    ) -> str:
        """Return a token for git, as narrow as asked; `refused` is one that git got a 401 for."""
        return await self._tokens.get(self.id, Scope.of(repository_ids, permissions), refused=refused)

    async def authorization(
        self, repository_id: int, access: str = "read", *, refused: str | None = None
    ) -> str:
        """Return the Authorization header for git over HTTP on one repository; `access` is read or write.

        `refused` is a header from here that git got a 401 for: it does not come back.
        """
        permissions = {"contents": access}
        token = await self.token(repository_ids=(repository_id,), permissions=permissions)
        if tokens.basic(token) == refused:
            token = await self.token(repository_ids=(repository_id,), permissions=permissions, refused=token)
        return tokens.basic(token)


class _Key:
    """The App's credential: a signed JWT, signed again on GitHub's clock when it contradicts ours."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    async def header(self) -> str:
        return f"Bearer {self._signer.sign()}"

    async def renew(self, refused: str, answer: Answer) -> bool:
        del refused
        return self._signer.learn(answer)

    def doubt(self) -> None:
        """Keep the JWT: it carries no permissions."""


class _Grant:
    """An installation's credential: its token, minted once more when GitHub refuses it early."""

    def __init__(self, kept: Tokens, installation_id: int) -> None:
        self._tokens = kept
        self._id = installation_id

    async def header(self) -> str:
        return f"token {await self._tokens.get(self._id)}"

    async def renew(self, refused: str, answer: Answer) -> bool:
        del answer
        await self._tokens.get(self._id, refused=refused.removeprefix("token "))
        return True

    def doubt(self) -> None:
        self._tokens.doubt(self._id)


def owner_and_name(repository: str) -> dict[str, Any]:
    """Return the template variables `owner` and `repo` of "owner/name", or raise ValueError."""
    owner, slash, name = repository.partition("/")
    if not (owner and slash and name) or "/" in name:
        raise ValueError(f"{repository!r} is not owner/name")
    return {"owner": owner, "repo": name}
