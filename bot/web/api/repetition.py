"""Decide when a call was made before: the same Idempotency-Key gets the same answer, and nothing more."""

import hashlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from pydantic import BaseModel
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from bot.web.api.access import CALLER
from bot.web.api.problems import Problem
from storage import answered
from storage.database import Database

HEADER = "Idempotency-Key"
# A call that loses every race so often is told so, rather than kept waiting.
TRIES = 4

_KEY = re.compile(r"[\x20-\x7e]{1,255}")


@dataclass(frozen=True)
class Made:
    """What a call made, or a repetition of it finds."""

    status: int
    body: dict[str, Any]
    new: bool = True


Make = Callable[[AsyncSession], Awaitable[tuple[int, BaseModel, bool]]]


@dataclass(frozen=True)
class Repetition:
    """The key of one call, None when it gave none, and what it asks for."""

    key: str | None
    fingerprint: str

    @classmethod
    def of(cls, request: web.Request, body: bytes) -> "Repetition":
        """Read the call's key; raises Problem 400 for one that is malformed."""
        given = request.headers.get(HEADER)
        asked = hashlib.sha256(b"\0".join([request.method.encode(), request.path.encode(), body])).hexdigest()
        if given is None:
            return cls(None, asked)
        if not _KEY.fullmatch(given):
            raise Problem(400, f"{HEADER} must be 1 to 255 printable ASCII characters")
        return cls(hashlib.sha256(f"{request[CALLER]}\0{given}".encode()).hexdigest(), asked)

    async def earlier(self, session: AsyncSession) -> Made | None:
        """Return what the key was answered before; raises Problem 422 when that was another call."""
        if self.key is None:
            return None
        known = await answered.find(session, self.key)
        if known is None:
            return None
        if known.fingerprint != self.fingerprint:
            raise Problem(422, f"this {HEADER} was used for another call")
        return Made(known.status, known.body, new=False)

    async def once(self, database: Database, make: Make) -> Made:
        """Make it, or find that it was made: the answer is stored with what it answers.

        `make` returns a status, a document, and whether it made anything; it runs again after a lost race.
        """
        for _ in range(TRIES):
            try:
                async with database.transaction() as session:
                    if (known := await self.earlier(session)) is not None:
                        return known
                    status, document, new = await make(session)
                    made = Made(status, document.model_dump(mode="json"), new)
                    if self.key is not None:
                        await answered.remember(session, self.key, self.fingerprint, status, made.body)
                    return made
            except IntegrityError:  # someone else was faster, and is seen the next time
                continue
            except Problem:  # what stands in the way may be this very call, made a moment ago
                async with database.reading() as session:
                    if (known := await self.earlier(session)) is not None:
                        return known
                raise
        raise Problem(409, "the same is being done by another call; try again", headers={"Retry-After": "1"})
