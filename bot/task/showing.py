"""Keep what people see of one task on GitHub in step with what is."""

import asyncio
import dataclasses
import hashlib
from contextlib import suppress

import structlog

from bot.github import checks, comments, faults
from bot.github.checks import Check
from bot.github.client import Installation
from bot.github.publish import Ledger
from bot.task import portrait
from bot.task.configuration import Configuration
from bot.task.portrait import Portraitist
from bot.task.work import Work
from bot.words import check as check_words
from bot.words import final, log, markers, misconfigured, report, status
from storage.words import ENDED, TaskState

logger = structlog.get_logger(__name__)

# The last edit waits for its turn like any other, but not for ever: what it says is on the issue anyway.
LAST_EDIT_SECONDS = 60.0


class Showing:
    """The status comment, the log, the test report, the check run and the last word of a task."""

    def __init__(
        self,
        installation: Installation,
        repo: str,
        number: int,
        work: Work,
        ledger: Ledger,
        portraits: Portraitist,
    ) -> None:
        self._installation = installation
        self._repo = repo
        self._number = number
        self._work = work
        self._ledger = ledger
        self._portraits = portraits
        self._session = portraits.session(work)

    async def progress(self, *, now: bool = False) -> None:
        """Let the status comment and the log say what is, at their next turn (at once with `now`)."""
        place = f"{self._repo}#{self._number}"
        await self._installation.writer.edit(f"{place}:status:{self._session.id}", self._say_status, now=now)
        if self._work.task.steps:
            await self._installation.writer.edit(f"{place}:log:{self._work.id}", self._say_log, now=now)

    async def epilogue(self) -> None:
        """Say the task's end in the status comment and the log, each at its turn; returns when said."""
        said = [asyncio.Event(), asyncio.Event()]

        async def status_said() -> None:
            await self._say_status()
            said[0].set()

        async def log_said() -> None:
            await self._say_log()
            said[1].set()

        place = f"{self._repo}#{self._number}"
        await self._installation.writer.edit(f"{place}:status:{self._session.id}", status_said)
        await self._installation.writer.edit(f"{place}:log:{self._work.id}", log_said)
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_EDIT_SECONDS):
                await asyncio.gather(*(event.wait() for event in said))

    async def _say_status(self) -> None:
        work = await Work.load(self._work.database, self._work.id)
        task, tests = await self._portraits.task(work), await self._portraits.tests(work)
        await self._comment("status", f"st-{self._session.id}", status.comment(self._session, task, tests))

    async def _say_log(self) -> None:
        """Post the conversation; pages that are full never change again, so this edits the last one."""
        work = await Work.load(self._work.database, self._work.id, transcript=self._work.transcript)
        entries = await work.entries()
        if not entries:
            return
        mode = Configuration.model_validate(work.facts.get("configuration", {})).comments
        told = portrait.conversation(entries, work.task.requester or "", f"issue {self._number}")
        pages = await asyncio.to_thread(  # a long conversation takes longer to lay out than the loop may wait
            log.pages,
            self._session,
            work.id,
            told,
            ended=work.task.status in ENDED,
            summary=mode == "summary",
        )
        posted = work.facts.get("log_pages", {})
        for number, body in enumerate(pages, start=1):
            if number < len(pages) and str(number) in posted:
                continue
            await self._comment("log", f"log-{work.id}-{number}", body)
            if number < len(pages):  # it is full now; before, more could still come into it
                posted = {**posted, str(number): True}
        if posted != work.facts.get("log_pages", {}):
            await work.note(log_pages=posted)

    async def proof(self, pull: int) -> None:
        """Put the test report on the pull request and the check run on its head."""
        tests = await self._portraits.tests(self._work)
        if tests is not None:
            body = report.comment(self._session, tests)
            await self._comment("tests", f"tr-{self._session.id}", body, number=pull)
        await self.check(TaskState.COMPLETED)

    async def check(self, ending: TaskState) -> None:
        """Put the check run on the head that was pushed, as it stands when the task ends so."""
        work = self._work
        task, tests = await self._portraits.task(work, ending), await self._portraits.tests(work)
        said = check_words.output(self._session, task, tests)
        assert work.task.head_sha is not None  # noqa: S101  # it was pushed before
        check = Check(
            name="journeyman", head_sha=work.task.head_sha,
            external_id=f"{self._session.id}:{work.id}:{work.task.head_sha}", status="completed",
            conclusion=said.conclusion, title=said.title, summary=said.summary,
        )  # fmt: skip
        try:
            await checks.ensure_check_run(
                self._installation, self._repo, check,
                key=f"{work.id}:check", ledger=self._ledger, task_id=work.id,
            )  # fmt: skip
        except faults.Refused as problem:  # the pull request stands without it: the report is a comment there
            logger.warning("check.refused", why=str(problem))

    async def last_word(self, ending: TaskState) -> None:
        """Post the one new comment that says how it ended."""
        work = self._work
        task, tests = await self._portraits.task(work, ending), await self._portraits.tests(work)
        task = dataclasses.replace(task, log_url=await self._log_url())
        await self._comment("final", f"fin-{work.id}", final.comment(self._session, task, tests))

    async def _log_url(self) -> str:
        """Return where the conversation begins, nothing when it is not posted yet."""
        effect = await self._ledger.find(f"log-{self._work.id}-1")
        if effect is None or not effect.external_id:
            return ""
        where = f"{self._session.server_url}/{self._repo}/issues/{self._number}"
        return f"{where}#issuecomment-{effect.external_id}"

    async def complaint(self, words: str) -> None:
        """Say once per repository and problem what is wrong with its configuration."""
        digest = hashlib.sha256(words.encode()).hexdigest()[:12]
        key = f"configuration-{self._work.session.repository_id}-{digest}"
        effect = await self._ledger.find(key)
        if effect is None or effect.state != "done":
            await self._comment("configuration", key, misconfigured.comment(self._session, key, words))

    async def refusal(self) -> None:
        """Say once per person and thread which role is needed; later attempts get a reaction alone."""
        work = self._work
        key = f"refusal-{work.session.repository_id}-{self._number}-{work.task.requester_id}"
        if await self._ledger.find(key) is not None and key not in work.facts.get("said", ()):
            return
        await work.note(said=[key])
        body = final.not_allowed(
            self._session, login=work.task.requester or "", op=key, **work.facts["refusal"]
        )
        await self._comment("refusal", key, body)

    async def _comment(self, kind: str, op: str, body: str, *, number: int | None = None) -> None:
        await comments.ensure_comment(
            self._installation, self._repo, number or self._number, key=op,
            marker=markers.marker(kind, self._session.id, op), body=body, ledger=self._ledger,
            task_id=self._work.id, since=self._work.session.created_at,
        )  # fmt: skip
