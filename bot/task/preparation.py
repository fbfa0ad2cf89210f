"""Get a task ready to work: the code at its base commit, its dependencies, and the first message."""

import asyncio
from typing import Any

import structlog

from bot.claude import prompts
from bot.errors import Blocked
from bot.task.desk import Desk, Workshop, repository_key
from bot.task.forge import Forge
from bot.task.work import Phase, Work
from bot.workspace.mirror import Mirror
from bot.workspace.quarantine import Quarantine
from storage import clock
from storage.words import InteractionType, TaskState

log = structlog.get_logger(__name__)

NOTES_FOR_AGENTS = ("CLAUDE.md", "AGENTS.md")
MOST_NOTES_BYTES = 40_000
MOST_TREE_LINES = 1500
MOST_COMMENT_CHARACTERS = 60_000


class Preparation:
    """The phase between admission and the first word to Claude."""

    def __init__(self, shop: Workshop, desk_of: Any) -> None:
        self._shop = shop
        self._desk_of = desk_of

    async def fetch(self, work: Work, forge: Forge) -> None:
        """Bring the mirror up to date and settle which commit the task starts from; once per task.

        A worker that takes a task over may have to fetch that commit too.
        """
        if work.task.base_sha is not None:
            if not await self._is_here(work, work.task.base_sha):
                await self._fetch(work, forge, work.task.base_ref or work.facts["base"])
            return
        mirror = await self._fetch(work, forge, work.facts["base"])
        base = work.facts["base"]
        sha = await mirror.resolve(f"refs/heads/{base}")
        await work.change(base_ref=base, base_sha=sha, progress="code fetched")

    async def _is_here(self, work: Work, sha: str) -> bool:
        mirror = self._shop.mirror(work)
        if not await asyncio.to_thread(mirror.objects.is_dir):
            return False
        try:
            await mirror.resolve(sha)
        except Blocked:
            return False
        return True

    async def _fetch(self, work: Work, forge: Forge, base: str) -> Mirror:
        source = await forge.source(work, "read")
        return await self._shop.mirrors.fetch(
            repository_key(work), source.url, source.authorization, [base], local=source.local
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
        if not await work.entries():
            first = await self._first_message(work, desk.quarantine)
            content = {"text": first, "shown": _request(work)}
            await work.append((InteractionType.USER_REQUEST, content), iterations=1)
        if work.facts.get("comments"):
            await work.note(comments=None)  # they are in the first message, and every step reads the notes
        await work.change(phase=Phase.CONVERSE, progress="working on it")

    async def _first_message(self, work: Work, code: Quarantine) -> str:
        assert work.task.base_sha is not None  # noqa: S101  # `fetch` settled it
        base = work.task.base_sha
        files = await code.files(base)
        notes = await code.read_all(base, [n for n in NOTES_FOR_AGENTS if n in files], MOST_NOTES_BYTES)
        return prompts.task(
            subject=_subject(work),
            issue=_request(work),
            comments=_latest([(c["author"], c["text"]) for c in work.facts.get("comments") or ()]),
            instructions=[(name, text.decode("utf-8", "replace")) for name, text in notes.items()],
            tree=_listing(files),
        )


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


def _subject(work: Work) -> str:
    place = f"at commit {(work.task.base_sha or '')[:12]} of {work.task.base_ref}"
    if work.session.issue_number is None:
        return f"the request below, {place}"
    return f"issue #{work.session.issue_number} of {work.session.repository}, {place}"


def _listing(files: list[str]) -> str:
    shown = "\n".join(files[:MOST_TREE_LINES])
    left = len(files) - MOST_TREE_LINES
    return shown if left <= 0 else f"{shown}\n({MOST_TREE_LINES} of {len(files)} files shown)"
