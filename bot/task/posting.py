"""Decide whether a new comment may be posted: ten of ours without a word from a person are enough."""

from datetime import datetime, timedelta

import structlog

from bot.errors import JourneymanError
from bot.github import comments
from bot.github.client import Installation
from bot.github.publish import Ledger
from bot.words import markers, quiet
from bot.words.redaction import Redactor
from storage import clock, threads
from storage.database import Database
from storage.effects import DONE

log = structlog.get_logger(__name__)

# "a thread without a human word for 10 of our posts goes quiet after saying so"; edits go on.
MOST_POSTS = 10
UNCOUNTED = ("log",)  # the conversation itself, page by page, which nobody is to miss
NEVER_WITHHELD = (*UNCOUNTED, "final")
# Longer than GitHub takes to show a comment whose answer was lost.
SAYING = timedelta(minutes=5)


class Posting:
    """All comments of ours, in all threads."""

    def __init__(self, database: Database, ledger: Ledger, secrets: Redactor) -> None:
        self._database = database
        self._ledger = ledger
        self._secrets = secrets

    async def ensure(
        self, installation: Installation, repo: str, repository_id: int, number: int, *,
        kind: str, session: str, op: str, body: str, task_id: str | None = None,
        since: datetime | None = None,
    ) -> int | None:  # fmt: skip
        """Make the one comment named *op* say *body*; None when it is not there and is not to be posted.

        The pages of the log neither count nor are withheld; a task's final word counts only.
        Raises what `bot.github.comments.ensure_comment` raises.
        """
        known = await self._ledger.find(op)
        asks = known is None and kind not in NEVER_WITHHELD
        if asks and not await self._may(installation, repo, repository_id, number):
            log.info("comment.withheld", repository=repo, number=number, op=op)
            return None
        counts = kind not in UNCOUNTED and (known is None or known.state != DONE)
        made = await comments.ensure_comment(
            installation, repo, number, key=op, marker=markers.marker(kind, session, op), body=body,
            ledger=self._ledger, task_id=task_id, since=since,
        )  # fmt: skip
        if counts and made is not None:
            async with self._database.transaction() as writing:
                await threads.posted(writing, repository_id, number)
        return made

    async def _may(self, installation: Installation, repo: str, repository_id: int, number: int) -> bool:
        """Whether one more comment is fine; when none is, that is said once until a person speaks."""
        async with self._database.reading() as reading:
            silence = await threads.silence(reading, repository_id, number)  # first: a word may come now
            if await threads.posts(reading, repository_id, number) < MOST_POSTS:
                return True
        key = f"quiet-{repository_id}-{number}-{silence}"
        said = await self._ledger.find(key)
        if (said is None or said.state != DONE) and await self._is_ours_to_say(repository_id, number):
            await self._go_quiet(installation, repo, repository_id, number, key)
        return False

    async def _is_ours_to_say(self, repository_id: int, number: int) -> bool:
        async with self._database.transaction() as writing:
            return await threads.take_word(writing, repository_id, number, clock.now() + SAYING)

    async def _go_quiet(
        self, installation: Installation, repo: str, repository_id: int, number: int, key: str
    ) -> None:
        """Say it; whoever dies over it leaves it to the next one that comes after `SAYING`."""
        try:
            await comments.ensure_comment(
                installation, repo, number, key=key, marker=markers.marker("quiet", "none", key),
                body=quiet.comment(key, MOST_POSTS, self._secrets), ledger=self._ledger,
            )  # fmt: skip
        except JourneymanError:
            async with self._database.transaction() as writing:
                await threads.give_word_back(writing, repository_id, number)
            raise
        async with self._database.transaction() as writing:
            await threads.posted(writing, repository_id, number)
