"""Get a task ready to work: the code at its base commit, its dependencies, and the first message."""

import asyncio
from typing import Any

import structlog

from bot.claude import prompts
from bot.errors import Blocked
from bot.task import asked, held_against
from bot.task.desk import Desk, Workshop, repository_key
from bot.task.forge import Forge
from bot.task.work import Phase, Work
from bot.workspace.mirror import Mirror
from bot.workspace.quarantine import Quarantine
from storage import clock, tasks
from storage.models import Task
from storage.words import InteractionType, TaskKind, TaskState

log = structlog.get_logger(__name__)

NOTES_FOR_AGENTS = ("CLAUDE.md", "AGENTS.md")
MOST_NOTES_BYTES = 40_000
MOST_TREE_LINES = 1500
MOST_COMMENT_CHARACTERS = 60_000
MOST_DIFF = 60_000


class Preparation:
    """The phase between admission and the first word to Claude."""

    def __init__(self, shop: Workshop, desk_of: Any) -> None:
        self._shop = shop
        self._desk_of = desk_of

    async def fetch(self, work: Work, forge: Forge) -> None:
        """Bring the mirror up to date and settle where the task starts; once per task.

        A worker that takes a task over may have to fetch those commits too.
        """
        if work.task.base_sha is not None:
            known = {work.task.base_sha, str(work.facts.get("start") or work.task.base_sha)}
            if not all([await self._is_here(work, sha) for sha in known]):
                await self._fetch(work, forge, [work.task.base_ref or work.facts["base"], *_branches(work)])
            return
        base = work.facts["base"]
        mirror = await self._fetch(work, forge, [base])
        tip = await mirror.resolve(f"refs/heads/{base}")
        heads = [await self._head(work, forge, branch) for branch in _branches(work)]
        head = next((one for one in heads if one is not None), None)
        start, base_sha = tip, tip
        if head is not None and await self._goes_on(work, mirror, tip, head):
            start = head
            base_sha = await mirror.merge_base(tip, head) or tip
        elif head is None and heads and work.task.kind is not TaskKind.IMPLEMENT:
            raise Blocked(
                f"the branch {work.session.branch!r} is not there any more; "
                "restore it to go on, or begin anew with `/journeyman run` on the issue"
            )
        # A branch that is there is built upon, never replaced, even when the work begins anew.
        on_branch = heads[-1] if heads else None
        async with work.writing() as writing:
            await tasks.change(writing, work.id, base_ref=base, base_sha=base_sha, progress="code fetched")
            await tasks.set_facts(writing, work.id, start=start, parent=head or start, branch_head=on_branch)

    async def _goes_on(self, work: Work, mirror: Mirror, tip: str, head: str) -> bool:
        """Whether the task starts from the branch: to begin again must not undo what people pushed."""
        if work.task.kind is not TaskKind.IMPLEMENT:
            return True
        since = await mirror.merge_base(tip, head) or tip
        return bool(await held_against.foreign(work, mirror, since, head))

    async def head_of(self, work: Work, forge: Forge) -> str | None:
        """Return the newest commit of the session's branch, fetched; None when it is gone."""
        return await self._head(work, forge, work.session.branch) if work.session.branch else None

    async def _head(self, work: Work, forge: Forge, branch: str) -> str | None:
        """Return the newest commit of a branch of ours, None when someone has deleted it."""
        try:
            mirror = await self._fetch(work, forge, [branch])
            return await mirror.resolve(f"refs/heads/{branch}")
        except Blocked:
            return None

    async def _is_here(self, work: Work, sha: str) -> bool:
        mirror = self._shop.mirror(work)
        if not await asyncio.to_thread(mirror.objects.is_dir):
            return False
        try:
            await mirror.resolve(sha)
        except Blocked:
            return False
        return True

    async def _fetch(self, work: Work, forge: Forge, branches: list[str]) -> Mirror:
        source = await forge.source(work, "read")
        return await self._shop.mirrors.fetch(
            repository_key(work), source.url, source.authorization, branches, local=source.local
        )

    async def run(self, work: Work, forge: Forge) -> None:
        """Do the phase; every part of it is repeated harmlessly after a crash."""
        await work.move(
            TaskState.RUNNING, started_at=work.task.started_at or clock.now(), progress="fetching the code"
        )
        await self.fetch(work, forge)
        await work.change(progress="setting up the environment")
        desk: Desk = await self._desk_of(work)
        await desk.lay_out()
        await desk.furnish()
        if work.task.kind is TaskKind.RETEST:
            await work.change(phase=Phase.PROVE, progress="testing again")
            return
        if not await work.entries():
            first = await self._first_message(work, desk.quarantine)
            told = await asyncio.to_thread(turns, work)
            content = {"text": first, "shown": asked.plainly(told), "turns": told}
            await work.append((InteractionType.USER_REQUEST, content), iterations=1)
        if work.facts.get("comments"):
            await work.note(comments=None)  # they are in the first message, and every step reads the notes
        await work.change(phase=Phase.CONVERSE, progress="working on it")

    async def _first_message(self, work: Work, code: Quarantine) -> str:
        assert work.task.base_sha is not None  # noqa: S101  # `fetch` settled it
        start = str(work.facts.get("start") or work.task.base_sha)
        files = await code.files(start)
        notes = await code.read_all(
            work.task.base_sha, [n for n in NOTES_FOR_AGENTS if n in files], MOST_NOTES_BYTES
        )
        going_on = start != work.task.base_sha
        return prompts.task(
            subject=_subject(work),
            issue=_request(work),
            comments=_latest([(c["author"], c["text"]) for c in work.facts.get("comments") or ()]),
            instructions=[(name, text.decode("utf-8", "replace")) for name, text in notes.items()],
            tree=_listing(files),
            asked=await asyncio.to_thread(asked.words, work.task.trigger, await self._before(work)),
            diff=await code.diff(work.task.base_sha, start, MOST_DIFF) if going_on else "",
        )

    async def _before(self, work: Work) -> Task | None:
        """Return the task that a retry is another attempt at."""
        earlier = work.task.trigger.get("retry_of")
        if not earlier:
            return None
        async with work.database.reading() as reading:
            return await tasks.get(reading, str(earlier))


def _branches(work: Work) -> list[str]:
    """Return the branches that the task may go on with: what an attempt kept aside first, ours last."""
    aside = work.facts.get("aside")
    return [branch for branch in (aside, work.session.branch) if branch]


def _latest(comments: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the comments that fit, the latest ones rather than the first, with a word on those left out."""
    kept: list[tuple[str, str]] = []
    room = MOST_COMMENT_CHARACTERS
    for author, text in reversed(comments):
        room -= len(text)
        if room < 0:
            break
        kept.insert(0, (author, text))
    if left := len(comments) - len(kept):
        kept.insert(0, ("journeyman", f"({left} earlier comments are not shown)"))
    return kept


def _request(work: Work) -> str:
    return f"{work.facts['title']}\n\n{work.facts['body']}".strip()


def turns(work: Work) -> list[dict[str, Any]]:
    """Return what the task was asked for, as people read it: of a follow-up not the issue once more."""
    said = asked.shown(work.task.trigger)
    if said and work.task.kind is TaskKind.FOLLOW_UP:
        return said
    number = work.session.issue_number
    issue = {
        "author": str(work.task.trigger.get("author") or work.task.requester or ""),
        "source": f"issue {number}" if number is not None else "",
        "text": _request(work),
    }
    return [issue, *said]


def _subject(work: Work) -> str:
    place = f"at commit {(work.task.base_sha or '')[:12]} of {work.task.base_ref}"
    if work.session.issue_number is None:
        return f"the request below, {place}"
    return f"issue #{work.session.issue_number} of {work.session.repository}, {place}"


def _listing(files: list[str]) -> str:
    shown = "\n".join(files[:MOST_TREE_LINES])
    left = len(files) - MOST_TREE_LINES
    return shown if left <= 0 else f"{shown}\n({MOST_TREE_LINES} of {len(files)} files shown)"
