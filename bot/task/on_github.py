"""Carry a task's outside on GitHub: who may, where the code is, and the pull request."""

import asyncio
import re
from datetime import datetime

import structlog

from bot.errors import Blocked, Refused, UserFault
from bot.github import pulls, reactions, reads
from bot.github.client import Installation
from bot.github.permissions import Role
from bot.task import inline, listening, templates, voices
from bot.task.configuration import Configuration
from bot.task.forge import Admission, Comment, Source
from bot.task.github_means import GitHubMeans
from bot.task.showing import Showing
from bot.task.work import Work
from bot.words import ingoing
from bot.words import pull_request as pull_words
from bot.workspace.mirror import repository_url
from bot.workspace.objects import Objects
from storage import requests, tasks
from storage.words import TaskKind, TaskState

log = structlog.get_logger(__name__)

# "a line `base: NAME` in an issue wins" (contract, section 5)
_BASE = re.compile(r"^[ ]{0,3}base:[ \t]*`?([\w./-]{1,200})`?[ \t]*$", re.MULTILINE | re.IGNORECASE)
_FENCED = re.compile(r"^[ ]{0,3}(```+|~~~+)[^\n]*\n.*?(?:^[ ]{0,3}\1[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
MOST_COMMENTS = 100
EDITED = "(edited after the work was asked for, and so not shown)"


class OnGitHub:
    """The forge of tasks that came from a GitHub issue."""

    def __init__(self, means: GitHubMeans) -> None:
        self._means = means

    async def admit(self, work: Work) -> Admission:
        """Answer with 👀, then check the repository, the person and the issue.

        Raises Refused when the person's role is too low, Blocked when nothing can be done here.
        """
        installation, repo, number = self._where(work)
        await self._react(work, reactions.SEEN)
        repository = await reads.repository(installation, repo)
        if repository.archived:
            raise Blocked(f"the repository {repository.full_name} is archived and read-only")
        await self._follow(work, repository)
        configuration, complaint = await self._means.configured.read(installation, repository)
        await self._check_role(installation, work, configuration)
        if number is not None and work.task.kind is TaskKind.IMPLEMENT:
            issue = await reads.issue(installation, repo, number)
            if issue.state != "open":
                raise Blocked("the issue is closed; reopen it and add the label again")
            if issue.locked:
                raise Blocked("the conversation is locked; unlock it and add the label again")
        identity = await installation.identity()
        body = (await asyncio.to_thread(ingoing.clean, work.task.trigger.get("body"))).noticed
        if complaint:
            await self._showing(work).complaint(complaint)
        return Admission(
            title=ingoing.literal(work.task.trigger.get("title")).text or work.task.description,
            body=body,
            base=_wanted_base(body) or configuration.base or repository.default_branch,
            configuration=configuration,
            author={"name": identity.login, "email": identity.email},
            comments=await self._comments(installation, repo, number, work),
        )

    async def _comments(
        self, installation: Installation, repo: str, number: int | None, work: Work
    ) -> list[Comment]:
        """Return the comments as they were when the work was asked for; later ones are not asked for."""
        if number is None:
            return []
        until = _moment(work.task.trigger.get("at")) or work.task.created_at
        found = await reads.comments(installation, repo, number, until=until, most=MOST_COMMENTS)
        theirs = [one for one in found.shown if not one.ours]
        as_written = await self._as_written(work, [one.id for one in theirs if one.updated_at > until])
        said: list[Comment] = []
        for one in theirs:  # in a thread: a hostile text takes half a second
            text = await asyncio.to_thread(ingoing.clean, as_written.get(one.id, one.body))
            said.append(Comment(one.author.login, text.noticed, one.created_at))
        return said

    async def _as_written(self, work: Work, edited: list[int]) -> dict[int, str]:
        """Return what those comments said when they were written, as far as we heard of it then.

        Their present words came after the work was asked for, and so are none of it.
        """
        repository_id = work.session.repository_id
        causes = {f"comment:{repository_id}:{comment}": comment for comment in edited}
        async with work.database.reading() as reading:
            known = {cause: await requests.of_cause(reading, cause) for cause in causes}
        told = {comment: known[cause] for cause, comment in causes.items()}
        return {
            comment: str(request.text["body"]) if request is not None and "body" in request.text else EDITED
            for comment, request in told.items()
        }

    async def _check_role(
        self, installation: Installation, work: Work, configuration: Configuration, *, fresh: bool = False
    ) -> None:
        """Raise Refused when someone whose words the task rests on may not, or may not any more."""
        for voice in voices.people(work):
            needed = Role.named(getattr(configuration.allow, voice.key)) or Role.WRITE
            role = await self._means.permissions.role(
                installation, work.session.repository, voice.login, user_id=voice.id, fresh=fresh
            )
            if role < needed:
                raise Refused(
                    voice.login, voice.id, key=voice.key, needs=needed.name.lower(), has=role.name.lower()
                )

    async def _follow(self, work: Work, repository: reads.Repository) -> None:
        """Go along with a rename; another repository under the old name is none of ours."""
        if repository.id != work.session.repository_id:
            raise Blocked(f"{work.session.repository} is another repository now; ours has moved away")
        if repository.full_name != work.session.repository:
            log.info("repository.renamed", was=work.session.repository, now=repository.full_name)
            await work.change_session(repository=repository.full_name)

    async def source(self, work: Work, access: str) -> Source:
        """Say where the code is; before a push the person's role is checked once more."""
        installation, repo, _ = self._where(work)
        if access == "write":
            await self._follow(work, await reads.repository(installation, repo))
            repo = work.session.repository
        if access == "write" and work.task.cancel_wanted is None:
            configuration = Configuration.model_validate(work.facts.get("configuration", {}))
            await self._check_role(installation, work, configuration, fresh=True)
        assert work.session.repository_id is not None  # noqa: S101  # every GitHub session has one
        return Source(
            url=repository_url(self._means.settings.github_server_url, repo),
            authorization=await installation.authorization(work.session.repository_id, access),
        )

    async def show(self, work: Work, *, now: bool = False, asked: bool = False) -> None:
        """Bring the status comment and the conversation log up to date."""
        if not self._turned_away(work) and not await self._stands_behind(work):
            await self._showing(work).progress(now=now, asked=asked)

    async def _came_to_nothing(self, work: Work) -> bool:
        """Whether it was stopped before it began, with another task beside it of which people hear anyway."""
        outcome = work.facts.get("outcome") or {}
        if work.task.started_at is not None or outcome.get("status") != TaskState.CANCELLED:
            return False
        async with work.database.reading() as reading:
            return len(await tasks.of_session(reading, work.session.id)) > 1

    async def _stands_behind(self, work: Work) -> bool:
        """Whether another task of the session is at work: the status comment is about that one."""
        if work.task.status is not TaskState.PENDING:
            return False
        async with work.database.reading() as reading:
            others = await tasks.unfinished_of(reading, work.session.id)
        return any(task.status is not TaskState.PENDING for task in others)

    async def epilogue(self, work: Work) -> None:
        """Let the status comment and the log say how it ended."""
        if not self._turned_away(work) and not await self._came_to_nothing(work):
            await self._showing(work).epilogue()

    def _turned_away(self, work: Work) -> bool:
        """Whether nothing was begun: an outsider gets one short answer, not a status page."""
        return "refusal" in work.facts and work.task.started_at is None

    async def propose(self, work: Work, code: Objects) -> int | None:
        """Open the pull request, with its check run, its test report and its assignee."""
        installation, repo, _ = self._where(work)
        showing = self._showing(work)
        session = await showing.facts()
        task, tests = await self._means.portraits.task(work), await self._means.portraits.tests(work)
        change = await self._means.portraits.change(work, code)
        template = await templates.find(code, work.task.base_sha or "")
        assert tests is not None  # noqa: S101  # only what was proven is proposed
        pull = await pulls.ensure_pull_request(
            installation, repo, key=f"{work.id}:pull", head=work.session.branch or "",
            base=work.task.base_ref or "", title=pull_words.title(session, change),
            body=pull_words.body(session, task, change, tests, template),
            draft=Configuration.model_validate(work.facts["configuration"]).draft,
            ledger=self._means.ledger, task_id=work.id,
        )  # fmt: skip
        await work.change_session(pull_request=pull.number)
        if work.session.pull_state is None:  # people may have closed it meanwhile: that stays
            await work.change_session(pull_state=pull.state)
        await work.note(proposed=pull.number)  # from here on the task can only end well
        try:
            await showing.proof(pull.number)
        except UserFault as problem:
            log.warning("proof.not_shown", why=str(problem))  # no permission, perhaps; the body has it too
        if work.task.kind is TaskKind.IMPLEMENT:
            await pulls.add_labels(installation, repo, pull.number, [session.label])
            if work.task.requester:
                await pulls.add_assignees(installation, repo, pull.number, [work.task.requester])
        return pull.number

    async def answer(self, work: Work) -> None:
        """Answer the inline threads of the reviews that the task was asked about, once each."""
        if work.task.trigger.get("reviews") and work.session.pull_request is not None:
            installation, _, _ = self._where(work)
            await inline.answer(installation, work, await self._showing(work).facts(), self._means)

    async def finish(self, work: Work, status: TaskState) -> None:
        """Say the last word and set the last reaction."""
        refused = self._turned_away(work)
        if refused:
            await self._showing(work).refusal()
        elif work.task.kind is TaskKind.RETEST:
            await self._showing(work).retested(status)
        elif not await self._came_to_nothing(work):
            await self._showing(work).last_word(status)
        if work.task.head_sha is not None and status is not TaskState.COMPLETED:
            await self._showing(work).check(status)
        content = {TaskState.COMPLETED: reactions.DONE_WELL, TaskState.CANCELLED: reactions.DONE}.get(
            status, reactions.DENIED if refused else reactions.UNCLEAR
        )
        try:
            await self._react(work, content)
        except UserFault as problem:
            log.warning("reaction.not_set", why=str(problem))

    async def _react(self, work: Work, content: str) -> None:
        """Make it our one reaction on everything that the task was asked for with."""
        installation, repo, _ = self._where(work)
        outcome = work.facts.get("outcome") or {}
        heirless = outcome.get("status") == TaskState.CANCELLED or outcome.get("reason") in listening.HEIRLESS
        for subject in voices.subjects(work, heirless=heirless):
            await reactions.ensure_reaction(installation, repo, subject, content)

    def _showing(self, work: Work) -> Showing:
        installation, repo, number = self._where(work)
        return Showing(installation, repo, number, work, self._means)

    def _where(self, work: Work) -> tuple[Installation, str, int | None]:
        """Return where the session lives; one that the API opened may have no issue."""
        session = work.session
        assert session.installation_id is not None  # noqa: S101  # it came from one
        installation = self._means.github.for_installation(session.installation_id)
        return installation, session.repository, session.issue_number


def _moment(told: object) -> datetime | None:
    """Return GitHub's time, None for anything else."""
    try:
        found = datetime.fromisoformat(str(told))
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def _wanted_base(body: str) -> str | None:
    found = _BASE.search(_FENCED.sub("", body))  # a line in a code block is an example of something
    return found[1] if found else None
