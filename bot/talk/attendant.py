"""Decide what each Request asks of us: hear it, look at who speaks, and do it or say why not."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from bot.engine.dispatch import Deed, Outcome
from bot.errors import WorldFault
from bot.github import reactions, reads
from bot.github.client import GitHub, Installation
from bot.github.permissions import Permissions, Role
from bot.github.reactions import SEEN, Subject
from bot.talk import answers, commands, following, happenings, rehearing, submitted, verbs
from bot.talk.commands import Heard, Misread
from bot.talk.thread import Said, Speaker, Thread
from bot.talk.voice import Voice
from bot.task.configured import Configured
from storage import sessions, threads
from storage.database import Database
from storage.models import Request
from storage.words import RequestKind

log = structlog.get_logger(__name__)

SEEN_SECONDS = 2.0


class Attendant:
    """Understands Requests, with GitHub at hand; what it decides is done in one transaction."""

    def __init__(
        self, *, database: Database, github: GitHub, permissions: Permissions, configured: Configured,
        voice: Voice, app_id: str, cap_usd: Decimal,
    ) -> None:  # fmt: skip
        self._database = database
        self._github = github
        self._permissions = permissions
        self._configured = configured
        self._voice = voice
        self._app_id = app_id
        self._cap_usd = cap_usd
        self._kinds: Mapping[RequestKind, Callable[[Request], Awaitable[Deed]]] = {
            RequestKind.COMMENT: self._comment,
            RequestKind.REVIEW: self._review,
            RequestKind.BUTTON: self._button,
            RequestKind.CHECK_FAILED: self._check,
            RequestKind.CONFIGURED: self._configuration,
        }

    async def consider(self, request: Request) -> Deed:
        """Return what is to be done. Raises WorldFault when GitHub has to be asked and does not answer."""
        if request.installation_id is None:
            return _ignored("it came from no installation")
        if request.kind is RequestKind.INSTALLATION:
            return lambda session: happenings.installation(session, request)
        if request.repository_id is None:
            return _ignored("it names no repository")
        if request.text.get("event") == "installation_repositories.added":
            return await self._configuration(request)
        if (plain := self._plain(request)) is not None:
            return plain
        return await self._kinds[request.kind](request)

    async def tell(self, request: Request) -> None:
        """Let the person hear what came of it."""
        await self._voice.tell(request)

    def _plain(self, request: Request) -> Deed | None:
        """Return what is done about a Request for which nobody need be asked."""
        deeds: Mapping[RequestKind, Deed] = {
            RequestKind.RUN: lambda session: happenings.label_added(session, request, self._cap_usd),
            RequestKind.STOP: lambda session: happenings.stopped(session, request),
            RequestKind.PULL_CLOSED: lambda session: happenings.pull_closed(session, request),
            RequestKind.PULL_REOPENED: lambda session: happenings.pull_reopened(session, request),
            RequestKind.REPOSITORY: lambda session: happenings.repository(session, request),
            RequestKind.EDITED: lambda session: happenings.edited(session, request),
        }
        threaded = request.kind is RequestKind.REPOSITORY or request.issue_number is not None
        if request.kind in deeds and not threaded:
            return _ignored("it names no thread")
        return deeds.get(request.kind)

    async def _comment(self, request: Request) -> Deed:
        installation = self._installation(request)
        identity = await installation.identity()
        if request.text.get("via_app") == identity.app_id:
            return _ignored("we wrote it")
        heard = await asyncio.to_thread(commands.read, str(request.text.get("body") or ""), identity.slug)
        if not heard.commands and not heard.guidance:
            return _only_heard(request)
        seen = await self._seen(request)
        speaker = await self._speaker(request)

        async def deed(session: AsyncSession) -> Outcome:
            await rehearing.in_turn(session, request, heard)
            await threads.heard(session, request.repository_id or 0, request.issue_number or 0)
            said = await self._each(session, request, speaker, heard)
            if heard.guidance:
                thread = await Thread.read(session, request, speaker, self._cap_usd)
                said.append(("", await following.guidance(thread, heard.guidance)))
            return answers.answer(request, said, heard.left_out, seen=seen, outsider=not speaker.may("steer"))

        return deed

    async def _each(
        self, session: AsyncSession, request: Request, speaker: Speaker, heard: Heard
    ) -> list[tuple[str, Said]]:
        """Do one command after the other; a later one sees what an earlier one did."""
        said: list[tuple[str, Said]] = []
        for command in heard.commands:
            thread = await Thread.read(session, request, speaker, self._cap_usd)
            if isinstance(command, Misread):
                said.append((command.line, answers.misread(command)))
            else:
                said.append((command.line, await verbs.obey(thread, command)))
        return said

    async def _review(self, request: Request) -> Deed:
        installation = self._installation(request)
        identity = await installation.identity()
        async with self._database.reading() as reading:
            owner = await sessions.of_thread(
                reading, request.repository_id or 0, int(request.issue_number or 0)
            )
        ours = owner is not None and owner.pull_request == request.issue_number
        # There may be thousands of other people's reviews: of these GitHub is asked nothing.
        found = submitted.told(request)
        if ours:
            found = await submitted.read(self._database, installation, request)
        heard = await asyncio.to_thread(submitted.heard, found, identity.slug)
        wanted = heard.mentioned or (ours and found["state"] == "changes_requested")
        if not wanted and not heard.commands:
            return _only_heard(request)
        request.text = {**request.text, "is_pull": True, "comments": found["comments"]}
        seen = await self._seen(request)
        speaker = await self._speaker(request)

        async def deed(session: AsyncSession) -> Outcome:
            await threads.heard(session, request.repository_id or 0, request.issue_number or 0)
            said = await self._each(session, request, speaker, heard)
            if wanted:
                thread = await Thread.read(session, request, speaker, self._cap_usd)
                said.append(("", await following.review(thread, found)))
            return answers.answer(request, said, heard.left_out, seen=seen, outsider=not speaker.may("steer"))

        return deed

    async def _button(self, request: Request) -> Deed:
        text = request.text
        if text.get("app_id") is not None and str(text["app_id"]) != self._app_id:
            return _ignored("it is another App's check")
        async with self._database.reading() as reading:
            owner = await sessions.of_head(
                reading, request.repository_id or 0, str(text.get("head_sha") or "")
            )
        if owner is None:
            return _ignored("no session has this head")
        request.issue_number = owner.pull_request or owner.issue_number
        request.text = {**text, "is_pull": owner.pull_request is not None}
        speaker = await self._speaker(request)

        async def deed(session: AsyncSession) -> Outcome:
            thread = await Thread.read(session, request, speaker, self._cap_usd)
            return answers.answer(request, [("", await following.button(thread))])

        return deed

    async def _check(self, request: Request) -> Deed:
        text = request.text
        if str(text.get("app_id")) == self._app_id:
            return _ignored("it is our own check")
        async with self._database.reading() as reading:
            owner = await sessions.of_head(
                reading, request.repository_id or 0, str(text.get("head_sha") or "")
            )
        if owner is None or owner.pull_request is None:
            return _ignored("it is not about a head of ours")
        configuration = await self._configured.kept(request.repository_id or 0)
        if configuration is None or not configuration.follow_ci:
            return _ignored("follow_ci is off")
        request.issue_number = owner.pull_request
        request.text = {**text, "is_pull": True}
        speaker = Speaker("", None, Role.NONE)

        async def deed(session: AsyncSession) -> Outcome:
            thread = await Thread.read(session, request, speaker, self._cap_usd)
            pushed = [task for task in thread.history if task.head_sha and not task.facts.get("kept_branch")]
            if not pushed or pushed[0].head_sha != text.get("head_sha"):
                return Outcome("ignored: not the newest head")
            # A retest has the head that it tested; the oldest one with it has made it.
            maker = [task for task in pushed if task.head_sha == pushed[0].head_sha][-1]
            return answers.answer(request, [("", await following.check_failed(thread, maker))])

        return deed

    async def _configuration(self, request: Request) -> Deed:
        installation = self._installation(request)
        repository = await reads.repository(installation, request.repository)
        _, complaint = await self._configured.read(installation, repository)

        async def deed(session: AsyncSession) -> Outcome:
            del session
            return Outcome(
                f"configuration not taken over: {complaint}" if complaint else "configuration read"
            )

        return deed

    async def _seen(self, request: Request) -> bool:
        """Answer with 👀 before anything else; not in a flood, where the answer itself must do."""
        installation = self._installation(request)
        if installation.content.is_full:
            return False
        subject = Subject(**verbs.subject_of(request))
        try:
            async with asyncio.timeout(SEEN_SECONDS):
                return await reactions.ensure_reaction(installation, request.repository, subject, SEEN)
        except (WorldFault, TimeoutError) as problem:  # a stop, perhaps: it must not wait for a reaction
            log.warning("reaction.not_set", why=str(problem) or "GitHub makes us wait")
            return False

    async def _speaker(self, request: Request) -> Speaker:
        installation, login = self._installation(request), request.actor or ""
        role = await self._permissions.role(installation, request.repository, login, user_id=request.actor_id)
        configuration = await self._configured.for_speaking(
            installation, request.repository_id or 0, request.repository
        )
        return Speaker(login, request.actor_id, role, configuration.allow)

    def _installation(self, request: Request) -> Installation:
        assert request.installation_id is not None  # noqa: S101  # `consider` looked
        return self._github.for_installation(request.installation_id)


def _ignored(why: str) -> Deed:
    async def deed(session: AsyncSession) -> Outcome:
        del session
        return Outcome(f"ignored: {why}")

    return deed


def _only_heard(request: Request) -> Deed:
    """Count what we may say anew: a person spoke in the thread, though not to us."""

    async def deed(session: AsyncSession) -> Outcome:
        await threads.heard(session, request.repository_id or 0, request.issue_number or 0)
        return Outcome("ignored: not for us")

    return deed
