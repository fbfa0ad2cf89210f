"""Keep what people see of one task on GitHub in step with what is."""

import asyncio
import dataclasses
import hashlib
from contextlib import suppress

import structlog

from bot.github import checks, faults
from bot.github.checks import Check
from bot.github.client import Installation
from bot.task import portrait
from bot.task.configuration import Configuration
from bot.task.github_means import GitHubMeans
from bot.task.work import Work
from bot.words import check as check_words
from bot.words import final, log, misconfigured, report, status
from bot.words.facts import SessionFacts
from storage import clock
from storage.words import ENDED, TaskKind, TaskState

logger = structlog.get_logger(__name__)

# The last edit waits for its turn like any other, but not for ever: what it says is on the issue anyway.
LAST_EDIT_SECONDS = 60.0
# "`status` may edit the status comment once per 5 s, everything else once per 20 s" (contract, section 6)
ASKED_GAP, GAP = 5.0, 20.0


class Showing:
    """The status comment, the log, the test report, the check run and the last word of a task."""

    def __init__(
        self, installation: Installation, repo: str, number: int | None, work: Work, means: GitHubMeans
    ) -> None:
        self._installation = installation
        self._repo = repo
        self._number = number or work.session.pull_request  # one that the API opened may have no issue
        self._work = work
        self._means = means
        self._ledger = means.ledger
        self._portraits = means.portraits

    async def facts(self) -> SessionFacts:
        """Return what the words need to know of the session; only GitHub knows what people call us there."""
        slug = (await self._installation.identity()).slug
        return dataclasses.replace(self._portraits.session(self._work), slug=slug)

    async def progress(self, *, now: bool = False, asked: bool = False) -> None:
        """Let the status comment and the log say what is, at their next turn (at once with `now`).

        `asked`: a person wants to see it, and need not wait for as long.
        """
        if self._number is None:
            return  # there is no thread to write in
        place = f"{self._repo}#{self._number}"
        gap = ASKED_GAP if asked else GAP
        edit = self._installation.writer.edit
        say = self._say_status_freshly if asked else self._say_status
        await edit(f"{place}:status:{self._work.session.id}", say, now=now, gap=gap)
        if self._work.task.steps:
            await edit(f"{place}:log:{self._work.id}", self._say_log, now=now)

    async def epilogue(self) -> None:
        """Say the task's end in the status comment and the log, each at its turn; returns when said."""
        if self._number is None:
            return
        place, writer = f"{self._repo}#{self._number}", self._installation.writer
        keys = (f"{place}:status:{self._work.session.id}", f"{place}:log:{self._work.id}")
        await writer.edit(keys[0], self._say_status)
        await writer.edit(keys[1], self._say_log)
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_EDIT_SECONDS):
                await asyncio.gather(*(writer.settled(key) for key in keys))

    async def _say_status_freshly(self) -> None:
        await self._say_status(fresh=True)

    async def _say_status(self, *, fresh: bool = False) -> None:
        """Say where the task stands; `fresh`: someone asked, so the comment changes whatever else did not."""
        work, session = await Work.load(self._work.database, self._work.id), await self.facts()
        task, tests = await self._portraits.task(work), await self._portraits.tests(work)
        if fresh or work.task.status not in ENDED:
            task = dataclasses.replace(task, shown_at=clock.now())
        await self._comment("status", f"st-{session.id}", status.comment(session, task, tests))

    async def _say_log(self) -> None:
        """Post the conversation; pages that are full never change again, so this edits the last one."""
        work = await Work.load(self._work.database, self._work.id, transcript=self._work.transcript)
        entries = await work.entries()
        if not entries:
            return
        mode = Configuration.model_validate(work.facts.get("configuration", {})).comments
        told = portrait.conversation(entries)
        attempt = (await self._portraits.task(work)).attempt
        about = f"{str(work.task.kind).replace('_', '-')}, attempt {attempt}"
        pages = await asyncio.to_thread(  # a long conversation takes longer to lay out than the loop may wait
            log.pages,
            await self.facts(),
            work.id,
            told,
            ended=work.task.status in ENDED,
            summary=mode == "summary",
            about=about if work.task.kind is not TaskKind.IMPLEMENT or attempt > 1 else "",
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

    async def proof(self, pull: int, ending: TaskState = TaskState.COMPLETED) -> None:
        """Put the test report on the pull request and the check run on its head."""
        tests = await self._portraits.tests(self._work)
        if tests is not None:
            session = await self.facts()
            body = report.comment(session, tests)
            await self._comment("tests", f"tr-{session.id}", body, number=pull)
        await self.check(ending)

    async def check(self, ending: TaskState) -> None:
        """Put the check run on the head that the task is about, as it stands when the task ends so."""
        work = self._work
        head = work.task.head_sha or work.facts.get("start")
        if head is None:
            return
        task, tests = await self._portraits.task(work, ending), await self._portraits.tests(work)
        session = await self.facts()
        said = check_words.output(session, task, tests)
        check = Check(
            name="journeyman", head_sha=head, external_id=f"{session.id}:{work.id}:{head}",
            status="completed", conclusion=said.conclusion, title=said.title, summary=said.summary,
            actions=check_words.buttons(task),
        )  # fmt: skip
        try:
            await checks.ensure_check_run(
                self._installation, self._repo, check,
                key=f"{work.id}:check", ledger=self._ledger, task_id=work.id,
            )  # fmt: skip
        except faults.Refused as problem:  # the pull request stands without it: the report is a comment there
            logger.warning("check.refused", why=str(problem))

    async def last_word(self, ending: TaskState) -> None:
        """Post the one new comment that says how it ended, where the task was asked for."""
        work, session = self._work, await self.facts()
        task, tests = await self._portraits.task(work, ending), await self._portraits.tests(work)
        task = dataclasses.replace(task, log_url=await self._log_url())
        asked_in = work.task.trigger.get("thread") if work.task.kind is TaskKind.FOLLOW_UP else None
        words = final.comment(session, task, tests)
        await self._comment("final", f"fin-{work.id}", words, number=asked_in)

    async def retested(self, ending: TaskState) -> None:
        """Let the report and the check run tell what the tests said; a comment where there was none."""
        pull, tests = self._work.session.pull_request, await self._portraits.tests(self._work)
        if tests is None or pull is None:
            await self.last_word(ending)
        elif ending is not TaskState.COMPLETED:
            await self.proof(pull, ending)

    async def _log_url(self) -> str:
        """Return where the conversation begins, nothing when it is not posted yet."""
        effect = await self._ledger.find(f"log-{self._work.id}-1")
        if effect is None or not effect.external_id:
            return ""
        where = f"{self._portraits.session(self._work).server_url}/{self._repo}/issues/{self._number}"
        return f"{where}#issuecomment-{effect.external_id}"

    async def complaint(self, words: str) -> None:
        """Say once per repository and problem what is wrong with its configuration."""
        digest = hashlib.sha256(words.encode()).hexdigest()[:12]
        key = f"configuration-{self._work.session.repository_id}-{digest}"
        effect = await self._ledger.find(key)
        if effect is None or effect.state != "done":
            await self._comment("configuration", key, misconfigured.comment(await self.facts(), key, words))

    async def refusal(self) -> None:
        """Say once per person and thread which role is needed; later attempts get a reaction alone."""
        work, refused = self._work, self._work.facts["refusal"]
        op = f"refusal-{work.session.repository_id}-{self._number}-{refused['id']}"
        if await self._ledger.find(op) is not None and op not in work.facts.get("said", ()):
            return
        await work.note(said=[op])
        body = final.not_allowed(
            await self.facts(), login=refused["login"], needs=refused["needs"], has=refused["has"], op=op,
            key=refused["key"], what=_asked_for(work),
        )  # fmt: skip
        await self._comment("refusal", op, body)

    async def _comment(self, kind: str, op: str, body: str, *, number: int | None = None) -> None:
        thread, session = number or self._number, self._work.session
        if thread is None or session.repository_id is None:
            return  # nowhere to say it
        await self._means.posting.ensure(
            self._installation, self._repo, session.repository_id, thread, kind=kind, session=session.id,
            op=op, body=body, task_id=self._work.id, since=session.created_at,
        )  # fmt: skip


def _asked_for(work: Work) -> str:
    """Return what the person who was refused wanted, as `final.needed` takes it."""
    origin, refused = str(work.task.trigger.get("origin")), work.facts["refusal"]
    if refused["key"] == "run":
        return {"command": "run", "retry": "retry"}.get(origin, "label")
    began = refused["id"] == work.task.requester_id
    return origin if began and origin in {"review", "test"} else "guidance"
