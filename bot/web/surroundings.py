"""Look at what tasks need and a delivery does not: GitHub and its clock, the Claude API, the sandbox."""

import time
from collections.abc import Mapping

import aiohttp

from bot.errors import Blocked, JourneymanError
from bot.github import answers
from bot.github.signer import Signer
from bot.github.wire import Broken, Wire
from bot.settings import Settings
from bot.web.health import PATIENCE_SECONDS, Check
from bot.words.redaction import Redactor
from bot.workspace.sandbox import Command, Sandbox

# GitHub takes a JWT from 60 s back to 10 min ahead; half of the nearer bound is worth a look at the clock.
MOST_SKEW_SECONDS = 30.0
CLAUDE_URL = "https://api.anthropic.com"
CLAUDE_VERSION = "2023-06-01"  # https://docs.claude.com/en/api/versioning
USER_AGENT = "journeyman/0.1"
CLOCK_UNKNOWN = "GitHub did not tell the time"

Reasons = Mapping[str, str | None]


class Surroundings:
    """One look at each, without retries: whoever asks wants to know how it is now."""

    def __init__(
        self, settings: Settings, http: aiohttp.ClientSession, *, sandboxed_here: bool = True
    ) -> None:
        self._settings = settings
        self._http = http
        self._sandboxed_here = sandboxed_here
        self._redact = Redactor.knowing(settings.secrets())

    def checks(self) -> dict[str, Check]:
        """Return the checks by the name under which a time-out of theirs is told."""
        return {"github": self.github, "claude": self.claude, "sandbox": self.sandbox}

    async def github(self) -> Reasons:
        """Ask who we are, which our key must sign, and compare the answer's time with ours."""
        wire = Wire(self._http, self._settings.github_api_url, USER_AGENT)
        try:
            token = Signer(self._settings.app_id, self._settings.private_key, time.time).sign()
            answer = await wire.exchange(
                "GET", wire.url("/app", {}), {"authorization": f"Bearer {token}"}, None
            )
        except (Broken, Blocked) as problem:
            return {"clock": CLOCK_UNKNOWN, "github": self._told(problem)}
        clock = None
        if answer.moment is not None and abs(skew := answer.moment - time.time()) > MOST_SKEW_SECONDS:
            way = "behind" if skew > 0 else "ahead of"
            clock = f"this machine's clock is {abs(skew):.0f} s {way} GitHub's: synchronise it (NTP)"
        try:
            answers.judge(answer)
        except JourneymanError as problem:
            return {"clock": clock, "github": self._told(problem)}
        return {"clock": clock, "github": None}

    async def claude(self) -> Reasons:
        """List the models: it costs nothing, and a key that is not valid shows."""
        url = f"{(self._settings.anthropic_base_url or CLAUDE_URL).rstrip('/')}/v1/models?limit=1"
        headers = {"x-api-key": self._settings.anthropic_api_key, "anthropic-version": CLAUDE_VERSION}
        try:
            async with self._http.get(
                url, headers=headers, allow_redirects=False, timeout=aiohttp.ClientTimeout(PATIENCE_SECONDS)
            ) as answer:
                return {"claude": _claude_problem(answer.status)}
        except (aiohttp.ClientError, OSError) as problem:
            return {"claude": f"the Claude API can't be reached: {type(problem).__name__}"}

    async def sandbox(self) -> Reasons:
        """Run `true` in the full profile with nothing to write to: as tasks do, and cheap to repeat."""
        if not self._sandboxed_here or self._settings.sandbox == "none":
            return {"sandbox": None}  # other machines look after theirs; without one is as configured
        sandbox = Sandbox("bubblewrap", self._settings.data_dir)
        try:
            result = await sandbox.run(Command(("true",), (), cwd="/"))
        except Blocked as problem:
            return {"sandbox": self._told(problem)}
        return {"sandbox": None if result.exit_code == 0 else f"`true` ended with {result.exit_code} in it"}

    def _told(self, problem: JourneymanError) -> str:
        return self._redact(str(problem))


def _claude_problem(status: int) -> str | None:
    if status in {401, 403}:
        return f"the Claude API refuses ANTHROPIC_API_KEY (HTTP {status})"
    if status == 429 or status >= 500:
        return f"the Claude API is not available now (HTTP {status})"
    return None  # a gateway that has no list of models is there all the same
