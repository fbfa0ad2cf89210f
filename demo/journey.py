"""The journey decides how the demo runs: it starts stand-ins and bot, and follows one issue to its end."""

import asyncio
import contextlib
import errno
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo import almanac, chronicle, story
from demo.chronicle import Chronicle
from demo.claude import server as claude_server
from demo.github import server as github_server
from demo.github.issue import Comment, Issue
from demo.github.pull import Pull
from demo.github.repository import Repository
from demo.github.world import World
from demo.process import LOOPBACK, Bot, environment
from demo.screen import Screen

HOOK_PATH = "/api/github/webhooks"
START_SECONDS = 60
SCRIPTED_SECONDS = 300  # a scripted Claude answers at once; what is left is the machine
REAL_SECONDS = 3_900  # a little more than the bot's own limit for one task
LAST_EDIT_SECONDS = 30  # the bot edits one comment every 20 seconds at most
REAL_CAP_USD = "2.00"
_POLL_SECONDS = 0.05
_UNFINISHED = ("Queued", "Working", "Testing", "Waiting", "Paused")


class Trouble(Exception):
    """The demo can't go on; the text says why, and what to do."""


@dataclass(frozen=True)
class Wishes:
    """What the command line and the environment ask for."""

    environ: Mapping[str, str]
    keep: bool = False
    port: int = 0  # of the GitHub stand-in and its pages; 0 takes a free one
    real: bool = False  # the real API instead of the scripted Claude


async def run(wishes: Wishes, screen: Screen) -> bool:
    """Tell the whole story, and return whether it ended in a proven pull request.

    On a failure the temporary folder stays, with the bot's log in it; else nothing is left of the demo.
    """
    root = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="journeyman-demo-"))
    journey = Journey(wishes, screen, root)
    try:
        well = await _told(journey, screen)
    except asyncio.CancelledError:
        await asyncio.to_thread(shutil.rmtree, root, ignore_errors=True)
        raise
    if well or not journey.bot.log.exists():
        await asyncio.to_thread(shutil.rmtree, root, ignore_errors=True)
    return well


async def _told(journey: "Journey", screen: Screen) -> bool:
    async with AsyncExitStack() as stack:
        try:
            await journey.begin(stack)
            await journey.tell()
            if await journey.show():
                await journey.keep()
                return True
        except Trouble as trouble:
            screen.ending("The demo can't go on.", str(trouble), well=False)
        if lines := journey.bot.last_words():
            screen.log(f"The bot's log ends so (the whole of it: {journey.bot.log}):", lines)
    return False


class Journey:
    """One GitHub, one Claude, one bot, one issue."""

    def __init__(self, wishes: Wishes, screen: Screen, root: Path) -> None:
        """Prepare everything that needs no port and no process."""
        self._wishes = wishes
        self._screen = screen
        self._root = root
        self._world = World(root / "github")
        self._chronicle = Chronicle(self._world, screen.line, scripted=not wishes.real)
        self._github = ""
        self._unready: set[str] = {"server.started", "worker.started"}
        self._issue: Issue | None = None
        self.bot = Bot(root / "bot.log", {})

    async def begin(self, stack: AsyncExitStack) -> None:
        """Start all that takes part; what was started ends with the stack, the bot first."""
        try:
            github = await github_server.start(self._world, LOOPBACK, self._wishes.port)
        except OSError as problem:
            if problem.errno != errno.EADDRINUSE:
                raise
            raise Trouble(
                f"Port {self._wishes.port} of {LOOPBACK} is taken: name another one, or none for a free one."
            ) from None
        stack.push_async_callback(github.close)
        self._github = github.url
        own = await self._claude(stack) | {
            "APP_ID": str(self._world.app.id),
            "PRIVATE_KEY": self._world.app.private_key,
            "WEBHOOK_SECRET": self._world.app.webhook_secret,
            "GITHUB_API_URL": github.url,
            "GITHUB_SERVER_URL": github.url,
            "HOST": LOOPBACK,
            "PORT": "0",
            "JOURNEYMAN_LABEL": story.LABEL,
            "JOURNEYMAN_DATA_DIR": str(self._root / "data"),
        }
        self.bot.environment = environment(self._wishes.environ, own)
        self._introduce()
        await self.bot.start()
        stack.push_async_callback(self._end_bot)
        await self._follow(lambda: not self._unready, START_SECONDS, "The bot does not start.")

    async def _claude(self, stack: AsyncExitStack) -> dict[str, str]:
        """Return the settings that lead the bot to its Claude: the real one, or a script, started here."""
        if self._wishes.real:
            names = ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "JOURNEYMAN_MODEL")
            chosen = {name: self._wishes.environ[name] for name in names if self._wishes.environ.get(name)}
            return chosen | {"JOURNEYMAN_TASK_BUDGET_USD": REAL_CAP_USD}
        claude = await claude_server.start(story.script(self._chronicle.claude), LOOPBACK)
        stack.push_async_callback(claude.close)
        return {"ANTHROPIC_API_KEY": claude.api_key, "ANTHROPIC_BASE_URL": claude.url}

    def _introduce(self) -> None:
        claude = "a scripted stand-in: nothing is sent to Anthropic, nothing costs money"
        if self._wishes.real:
            claude = f"the real API: this costs money, at most ${REAL_CAP_USD} (the cap of this task)"
        facts = [
            ("GitHub", f"a stand-in with real git, on this machine: {self._github}"),
            ("Claude", claude),
            ("The bot", "real: python -m bot serve, with SQLite, its sandbox, git and pytest"),
        ]
        self._screen.opening("Journeyman: from a label to a proven pull request", facts)

    async def _end_bot(self) -> None:
        """End the bot; once its work is done it goes at once, and else there is nothing to wait for."""
        await self.bot.stop(patience=2)

    async def tell(self) -> None:
        """Let a maintainer open and label an issue, and follow what comes of it to the last word."""
        repo = await self._world.seed_repository(story.REPOSITORY, almanac.FILES, almanac.HISTORY)
        self._world.add_collaborator(story.MAINTAINER, "maintain")
        self._screen.begin()
        issue = await self._world.open_issue(repo, story.MAINTAINER, story.TITLE, story.BODY)
        self._issue = issue
        self._chronicle.tell(
            story.MAINTAINER, f"opens issue #{issue.number} in {repo.full_name}: {issue.title}"
        )
        await self._world.comment(issue, story.USER, story.COMMENT)
        self._chronicle.tell(story.USER, "comments: same here")
        await self._world.label(issue, story.LABEL, story.MAINTAINER)
        self._chronicle.tell(story.MAINTAINER, f"adds the label {story.LABEL}")
        limit = REAL_SECONDS if self._wishes.real else SCRIPTED_SECONDS
        await self._follow(
            lambda: self._ours("final"),
            limit,
            f"No ending after {limit // 60} minutes, the limit of the demo.",
        )
        if not self._settled():
            self._chronicle.tell(chronicle.BOT, "edits a comment every 20 s at most: the last edits follow")
        with contextlib.suppress(Trouble):  # what it says by then is shown, whatever it is
            await self._follow(self._settled, LAST_EDIT_SECONDS, "The last edit did not come.")

    async def _follow(self, done: Callable[[], Any], seconds: float, otherwise: str) -> None:
        """Tell the story until something is so; raises Trouble after so long, or when the bot is gone."""
        deadline = time.monotonic() + seconds
        while True:
            finished, gone = done(), self.bot.exit_code is not None
            events = self.bot.events()
            self._heed(events)
            self._chronicle.look(events)
            if finished:
                return
            if gone:
                raise Trouble(f"The bot ended by itself, with exit code {self.bot.exit_code}.")
            if time.monotonic() > deadline:
                raise Trouble(otherwise)
            await asyncio.sleep(_POLL_SECONDS)

    def _heed(self, events: list[dict[str, Any]]) -> None:
        """Note what the start brings: the address for webhooks, or that there is no sandbox to work in."""
        for event in events:
            self._unready.discard(event["event"])
            if event["event"] == "server.started":
                self._world.hook_url = f"http://{LOOPBACK}:{event['port']}{HOOK_PATH}"
            elif event["event"] == "worker.died" and self._unready:
                raise Trouble("The bot's worker dies as soon as it starts.")
            elif event["event"] == "sandbox.unavailable":
                raise Trouble(f"The bot can't build its sandbox on this machine: {event.get('why')}")

    def _ours(self, kind: str) -> Comment | None:
        """Return the bot's comment of this kind on the issue."""
        found = (each for each in self._thread.comments if each.user is self._world.app.bot)
        return next((each for each in found if chronicle.marker(each.body) == kind), None)

    def _settled(self) -> bool:
        """Tell whether the status comment says the end, and the conversation is there up to it."""
        status, log = self._ours("status"), self._ours("log")
        words = chronicle.headline(status.body).partition(" ")[2] if status else ""
        whole = log is None or chronicle.is_in(self._chronicle.last_said, log.body)
        return whole and not words.startswith(_UNFINISHED)

    @property
    def _thread(self) -> Issue:
        assert self._issue is not None  # noqa: S101  # only asked for once it is opened
        return self._issue

    async def show(self) -> bool:
        """Show what a maintainer sees, and return whether there is a pull request that is proven."""
        repo = self._thread.repository
        pull = next(iter(self._world.pulls[repo.id].values()), None)
        self._screen.issue(self._thread)
        if pull is None:
            self._screen.ending(
                "There is no pull request: the last comment on the issue says why.", well=False
            )
            return False
        checks = self._world.checks_of(repo, pull.head_sha)
        self._screen.pull(pull, checks, await self._world.changes(repo, pull.base_sha, pull.head_sha))
        proven = pull.issue.state == "open" and any(
            each.name == "journeyman" and each.conclusion == "success" for each in checks
        )
        if not proven:
            self._screen.ending(f"Pull request #{pull.issue.number} is not proven.", well=False)
            return False
        self._conclude(repo, pull)
        return True

    def _conclude(self, repo: Repository, pull: Pull) -> None:
        number, issue = pull.issue.number, self._thread.number
        if self._wishes.keep:
            page = f"{self._github}/{repo.full_name}"
            more = [
                f"{page}/issues/{issue}",
                f"{page}/pull/{number}",
                "It all stays up until you press Ctrl-C.",
            ]
        else:
            more = ["To look at both in a browser: make demo KEEP=1"]
            more += (
                []
                if self._wishes.real
                else ["With the real Claude: ANTHROPIC_API_KEY=… CLAUDE=real make demo"]
            )
        self._screen.ending(
            f"A label on issue #{issue} became pull request #{number}, proven by tests that fail without it.",
            *more,
            well=True,
        )

    async def keep(self) -> None:
        """Stay up until Ctrl-C, if that is wished; raises Trouble when the bot ends by itself."""
        if not self._wishes.keep:
            return
        try:
            await self._follow(lambda: False, float("inf"), "")
        except asyncio.CancelledError:
            # Ctrl-C is how this is meant to end; what was started ends on the way out.
            task = asyncio.current_task()
            if task is not None:
                task.uncancel()
