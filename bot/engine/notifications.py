"""Decide whom a task's changes of state are told outside: one address, signed, in order, tried for days."""

import asyncio
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import structlog
from yarl import URL

from bot.engine import signature
from storage import clock, events
from storage.database import Database
from storage.models import Event, Session

log = structlog.get_logger(__name__)

# Seconds before the second and each later attempt; the example schedule of Standard Webhooks, three days, and
# half a minute more: a receiver that is started anew and missed two should not cost its task five minutes.
SCHEDULE = (5.0, 30.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)
SPREAD = 0.1  # of the pause, so that what failed together does not return together
LONGEST_PAUSE = 86_400.0  # whatever Retry-After asks for
FORGOTTEN = timedelta(days=3)  # an address that is configured later must not get history
DROP_EVERY = timedelta(hours=1)
TOGETHER = 10
LOOK_SECONDS = 1.0
ATTEMPT_SECONDS = 15.0
LEASE = timedelta(seconds=60)  # whoever claimed an attempt and died had this long
GONE = 410


@dataclass(frozen=True)
class Notice:
    """One change of state as it is told: its stable id, its body, and the attempts that failed before."""

    event_id: int
    body: bytes
    failures: int

    @property
    def id(self) -> str:
        """Return the id by which a receiver knows a repetition."""
        return f"evt_{self.event_id}"


class Notifications:
    """The loop beside the tasks; a task never waits for it."""

    def __init__(
        self,
        database: Database,
        url: str,
        secret: str,
        http: aiohttp.ClientSession,
        public_url: str = "",
        now: Callable[[], datetime] = clock.now,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Take the address and its secret; raises ValueError for a secret that is no key."""
        self._database = database
        self._url = URL(url)
        self._key = signature.key(secret)
        self._http = http
        self._public_url = public_url.rstrip("/")
        self._now = now
        self._jitter = jitter
        self._gone = False
        self._dropped_at: datetime | None = None

    async def run(self) -> None:
        """Tell until cancelled, or until the address says that it is gone."""
        while not self._gone:
            try:
                await self.once()
            except Exception:
                log.exception("notifications.failed")
            await asyncio.sleep(LOOK_SECONDS)

    async def once(self) -> int:
        """Tell everything that is due, until nothing is; returns how many requests were made.

        Each attempt goes on by itself: a receiver that keeps one waiting holds back what comes later of that
        task, and takes one of the places from the others.
        """
        made = 0
        under_way: dict[asyncio.Task[bool], int] = {}
        async with asyncio.TaskGroup() as group:
            while not self._gone:
                await self._drop_history()
                for notice in await self._due(set(under_way.values())):
                    under_way[group.create_task(self._tell(notice))] = notice.event_id
                if not under_way:
                    break
                ended, _ = await asyncio.wait(
                    under_way, timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED
                )
                for attempt in ended:
                    made += attempt.result()
                    del under_way[attempt]
        return made + sum(attempt.result() for attempt in under_way)

    async def _drop_history(self) -> None:
        """Forget in small transactions what nobody was to hear of while no address was configured."""
        if self._dropped_at is not None and self._now() - self._dropped_at < DROP_EVERY:
            return
        self._dropped_at = self._now()
        while True:
            async with self._database.transaction() as session:
                if not await events.drop_untold(session, self._now() - FORGOTTEN):
                    return

    async def _due(self, under_way: set[int]) -> list[Notice]:
        """Return what is due and not under way, as far as there are places; one just begun may be due yet."""
        if len(under_way) >= TOGETHER:
            return []
        async with self._database.reading() as session:
            due = await events.due(session, self._now(), TOGETHER)
            found = [one for one in due if one.id not in under_way][: TOGETHER - len(under_way)]
            return [
                Notice(
                    one.id,
                    _body(one, await session.get(Session, one.data.get("session_id")), self._public_url),
                    one.notify_attempts,
                )
                for one in found
            ]

    async def _tell(self, notice: Notice) -> bool:
        """Make one attempt, unless another worker makes it; returns whether a request was made."""
        moment = self._now()
        async with self._database.transaction() as session:
            if not await events.claim(session, notice.event_id, moment, moment + LEASE):
                return False
        status, wait = await self._post(notice)
        if status == GONE:
            self._gone = True
            log.warning("notifications.gone", host=self._url.host, fix="remove JOURNEYMAN_NOTIFY_URL")
            return True
        if 200 <= status < 300 or notice.failures >= len(SCHEDULE):
            if status >= 300 or not status:
                log.error("notification.given_up", id=notice.id, host=self._url.host, status=status)
            async with self._database.transaction() as session:
                await events.sent(session, notice.event_id)
            return True
        pause = SCHEDULE[notice.failures] * (1 + SPREAD * self._jitter())
        pause = max(pause, min(wait, LONGEST_PAUSE))
        log.warning("notification.failed", id=notice.id, status=status, again_in_seconds=round(pause))
        async with self._database.transaction() as session:
            await events.postpone(session, notice.event_id, self._now() + timedelta(seconds=pause))
        return True

    async def _post(self, notice: Notice) -> tuple[int, float]:
        """Return the status, 0 when no answer came, and the seconds of Retry-After. The body isn't read."""
        seconds = int(self._now().timestamp())
        headers = signature.headers(self._key, notice.id, seconds, notice.body)
        try:
            async with self._http.post(
                self._url,
                data=notice.body,
                headers={"content-type": "application/json", "user-agent": "journeyman/0.1", **headers},
                timeout=aiohttp.ClientTimeout(total=ATTEMPT_SECONDS),
                allow_redirects=False,
            ) as response:
                return response.status, self._asked_wait(response.headers.get("retry-after", ""))
        except (aiohttp.ClientError, TimeoutError, OSError) as fault:
            # The fault's own words may hold the address, and the address a password.
            log.info("notification.unanswered", id=notice.id, host=self._url.host, why=type(fault).__name__)
            return 0, 0.0

    def _asked_wait(self, text: str) -> float:
        """Return the seconds that Retry-After asks for, a number or a date; 0 for anything else."""
        if text.strip().isdecimal():
            return float(text)
        try:
            return max(0.0, (parsedate_to_datetime(text) - self._now()).total_seconds())
        except (ValueError, TypeError, OverflowError):  # TypeError: a date without a zone
            return 0.0


def _body(event: Event, owner: Session | None, public_url: str) -> bytes:
    """Return what is told: states and numbers, nothing that a person or the model wrote."""
    told = event.data
    data: dict[str, Any] = {
        "task_id": event.task_id,
        "session_id": told.get("session_id"),
        "kind": told.get("kind"),
        "status": told.get("status"),
        "reason": told.get("reason"),
        "paused_by": told.get("paused_by"),
        "repository": owner.repository if owner else None,
        "issue_number": owner.issue_number if owner else None,
        "pull_request": owner.pull_request if owner else None,
    }
    if public_url:
        data["url"] = f"{public_url}/api/v1/tasks/{event.task_id}"
    message = {
        "type": f"task.{str(told.get('status')).lower()}",
        "timestamp": event.created_at.isoformat().replace("+00:00", "Z"),
        "data": data,
    }
    return json.dumps(message, separators=(",", ":")).encode()
