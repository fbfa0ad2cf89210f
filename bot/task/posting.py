"""Decide whether a new comment may be posted: ten of ours without a word from a person are enough."""

from datetime import datetime

import structlog

from bot.github import comments
from bot.github.client import Installation
from bot.github.publish import Ledger
from bot.words import markers, quiet
from bot.words.redaction import Redactor
from storage import threads
from storage.database import Database

log = structlog.get_logger(__name__)

# "a thread without a human word for 10 of our posts goes quiet after saying so"; edits go on.
MOST_POSTS = 10


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

        Raises what `bot.github.comments.ensure_comment` raises.
        """
        is_new = await self._ledger.find(op) is None
        if is_new and not await self._may(installation, repo, repository_id, number, op):
            return None
        made = await comments.ensure_comment(
            installation, repo, number, key=op, marker=markers.marker(kind, session, op), body=body,
            ledger=self._ledger, task_id=task_id, since=since,
        )  # fmt: skip
        if is_new:
            async with self._database.transaction() as writing:
                await threads.posted(writing, repository_id, number)
        return made

    async def _may(
        self, installation: Installation, repo: str, repository_id: int, number: int, op: str
    ) -> bool:
        """Whether one more comment is fine; the first that is not is replaced by saying so."""
        async with self._database.reading() as reading:
            posts = await threads.posts(reading, repository_id, number)
        if posts < MOST_POSTS:
            return True
        if posts == MOST_POSTS:
            key = f"quiet-{repository_id}-{number}-{op}"
            await comments.ensure_comment(
                installation, repo, number, key=key, marker=markers.marker("quiet", "none", key),
                body=quiet.comment(key, MOST_POSTS, self._secrets), ledger=self._ledger,
            )  # fmt: skip
            async with self._database.transaction() as writing:
                await threads.posted(writing, repository_id, number)
        log.info("comment.withheld", repository=repo, number=number, op=op)
        return False
