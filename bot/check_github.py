"""Decide what is right and wrong between us and GitHub: key, clock, webhook, permissions, installations."""

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
from yarl import URL

from bot import check_host, findings
from bot import manifest as manifests
from bot.findings import Finding
from bot.github import answers, faults
from bot.github.answers import Answer
from bot.github.client import GitHub
from bot.github.signer import Signer
from bot.github.wire import Broken, Wire
from bot.manifest import Manifest
from bot.settings import Settings

MOST_SKEW_SECONDS = 60.0
MOST_INSTALLATIONS = 20  # lines, so that a service with thousands stays readable
LONGEST_WAIT_SECONDS = 0.3


class OnGitHub:
    """What GitHub says of the App; asked once with the key, and only then further."""

    def __init__(
        self,
        configured: Settings,
        manifest: Manifest,
        http: aiohttp.ClientSession,
        clock: Callable[[], float],
    ) -> None:
        self._settings = configured
        self._manifest = manifest
        self._clock = clock
        self._signer = Signer(configured.app_id, configured.private_key, clock)
        self._wire = Wire(http, configured.github_api_url, "journeyman/0.1")
        self._github = GitHub(
            http, api_url=configured.github_api_url, app_id=configured.app_id,
            private_key=configured.private_key, clock=clock, sleep=_briefly,
        )  # fmt: skip
        self._app: dict[str, Any] | None = None
        self._skew: float | None = None

    async def key(self) -> list[Finding]:
        """Whether GitHub takes the key for this App's."""
        configured = self._settings
        if not configured.app_id or not configured.private_key:
            absent = "APP_ID" if not configured.app_id else "PRIVATE_KEY"
            return [findings.skip("private key", f"{absent} is not usable")]
        try:
            answer = await self._ask()
        except Broken as problem:
            return [
                findings.wrong(
                    "private key", f"{configured.github_api_url} can't be reached ({problem})",
                    "check GITHUB_API_URL, the network and HTTPS_PROXY",
                )
            ]  # fmt: skip
        if answer.status in {401, 404}:
            return [
                findings.wrong(
                    "private key", f"GitHub does not take it for App {configured.app_id} ({answer.message})",
                    "APP_ID and PRIVATE_KEY must be of one App: make a new key in the App's settings",
                )
            ]  # fmt: skip
        answers.judge(answer)
        app, _ = answers.decode(answer)
        if not isinstance(app, dict) or str(app.get("id")) != configured.app_id:
            return [findings.wrong("private key", "GitHub's answer is not this App", "check APP_ID")]
        self._app = app
        return [findings.ok("private key", f"it is that of App {app['id']}, {app.get('html_url', '')}")]

    async def _ask(self) -> Answer:
        """Ask for the App, and again on GitHub's clock when ours is off; learn by how much it is."""
        where = self._wire.url("/app", {})
        for last in (False, True):
            authorization = {"authorization": f"Bearer {self._signer.sign()}"}
            answer = await self._wire.exchange("GET", where, authorization, None)
            if answer.moment is not None:
                self._skew = answer.moment - self._clock()
            if last or answer.status != 401 or not self._signer.learn(answer):
                break
        return answer

    async def clock(self) -> list[Finding]:
        """Whether our clock agrees with GitHub's, which decides whether our signatures are in time."""
        if self._skew is None:
            return [findings.skip("clock", "GitHub did not tell its time")]
        if abs(self._skew) > MOST_SKEW_SECONDS:
            where = "behind" if self._skew > 0 else "ahead of"
            return [
                findings.wrong(
                    "clock", f"it is {abs(self._skew):.0f} s {where} GitHub's", "synchronize it (NTP, chrony)"
                )
            ]
        return [findings.ok("clock", f"within {MOST_SKEW_SECONDS:.0f} s of GitHub's")]

    async def hook(self) -> list[Finding]:
        """Whether GitHub sends webhooks to where we listen, as JSON."""
        name = "webhook address"
        if self._app is None:
            return [findings.skip(name, "the App is not known")]
        try:
            config = await self._github.app().get("/app/hook/config")
        except faults.NotFound:
            return [findings.wrong(name, "the App has no webhook", "switch it on in the App's settings")]
        url = str(config.get("url") or "")
        expected = manifests.expected_hook_urls(self._settings)
        found = []
        if not url:
            found.append(findings.wrong(name, "GitHub knows none", "set it in the App's settings"))
        elif check_host.is_example(URL(url).host or ""):
            found.append(findings.wrong(name, f"{url} is an example", "set yours in the App's settings"))
        elif expected and url not in expected:
            ours = "WEBHOOK_PROXY_URL" if self._settings.webhook_proxy_url else "JOURNEYMAN_PUBLIC_URL"
            fix = f"set it to {expected[0]} in the App's settings, or correct {ours}"
            found.append(findings.wrong(name, f"GitHub sends to {url}", fix))
        if config.get("content_type") != "json":
            how = config.get("content_type")
            found.append(findings.wrong(name, f"the content type is {how}", "choose application/json there"))
        if found:
            return found
        compared = "" if expected else " (not compared: neither JOURNEYMAN_PUBLIC_URL nor a channel is set)"
        return [findings.ok(name, url + compared)]

    async def permissions(self) -> list[Finding]:
        """Whether the App was given every permission of app.yaml."""
        if self._app is None:
            return [findings.skip("permissions", "the App is not known")]
        lacking = manifests.lacking(self._manifest.permissions, self._app.get("permissions") or {})
        if lacking:
            fix = "grant them in the App's settings, then accept them in each installation"
            return [findings.wrong("permissions", f"missing: {', '.join(lacking)}", fix)]
        return [findings.ok("permissions", f"all {len(self._manifest.permissions)} of app.yaml")]

    async def events(self) -> list[Finding]:
        """Whether the App is subscribed to every event of app.yaml."""
        if self._app is None:
            return [findings.skip("events", "the App is not known")]
        missing = [each for each in self._manifest.events if each not in (self._app.get("events") or ())]
        if missing:
            fix = "subscribe in the App's settings under Permissions & events"
            return [findings.wrong("events", f"not subscribed: {', '.join(missing)}", fix)]
        return [findings.ok("events", f"all {len(self._manifest.events)} of app.yaml")]

    async def installations(self) -> list[Finding]:
        """Whether the App is installed somewhere, not suspended, with what it needs accepted."""
        name = "installations"
        if self._app is None:
            return [findings.skip(name, "the App is not known")]
        found: list[Finding] = []
        total = 0
        async for one in self._github.app().getiter("/app/installations{?per_page}", per_page=100):
            total += 1
            found += self._problems(one)
        if not total:
            fix = f"install it: {self._app.get('html_url', '')}/installations/new"
            return [findings.wrong(name, "the App is installed nowhere", fix)]
        more = len(found) - MOST_INSTALLATIONS
        shown = found[:MOST_INSTALLATIONS]
        if more > 0:
            shown.append(findings.wrong(name, f"{more} more like these"))
        return shown or [findings.ok(name, f"{total}, none suspended, all with these permissions")]

    def _problems(self, installation: dict[str, Any]) -> list[Finding]:
        account = (installation.get("account") or {}).get("login") or installation.get("id")
        name, where = f"installation {account}", installation.get("html_url") or "its settings page"
        if installation.get("suspended_at"):
            return [findings.wrong(name, "it is suspended", f"an owner can unsuspend it: {where}")]
        lacking = manifests.lacking(self._manifest.permissions, installation.get("permissions") or {})
        if lacking:
            fix = f"an owner must accept the new permissions: {where}"
            return [findings.wrong(name, f"not accepted: {', '.join(lacking)}", fix)]
        return []


async def _briefly(seconds: float) -> None:
    """Wait less than a server would: a person sits before the screen."""
    await asyncio.sleep(min(seconds, LONGEST_WAIT_SECONDS))
