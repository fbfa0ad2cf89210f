"""Have every Request considered and done, in its thread's order, and hand over every task that may go on."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

import structlog
from sqlalchemy.exc import IntegrityError, InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncSession

from bot.errors import JourneymanError, TooEarly, UserFault, WorldFault
from bot.github import faults
from storage import clock, requests, sessions, tasks, threads
from storage.database import Database
from storage.models import Request, Session, Task

log = structlog.get_logger(__name__)

# A wake-up can be lost with the process that sent it; a scan this often makes that harmless.
SCAN_SECONDS = 1.0
# So long is a Request ours once we took it; a worker that dies with it keeps it from the others no longer.
CLAIM = timedelta(seconds=60)
# Whoever waits for GitHub's limits takes longer than that: a worker that lives keeps what it took.
RENEW_SECONDS = 20.0
MOST_AT_ONCE = 64
# Of one installation, so that its flood leaves room for the others.
MOST_OF_ONE = 24
# Another worker was faster with the same session: what it did is there to be seen in a moment.
COLLISION = timedelta(seconds=0.2)
LONGEST_COLLISION = timedelta(seconds=30)  # each round asks GitHub again
LONGEST_PAUSE = 300.0
# A person will mend these: another key, the App unsuspended, a permission accepted. What was said is kept.
MENDABLE = (faults.BadCredentials, faults.Suspended, faults.MissingPermission)
MENDING, LONGEST_MENDING = timedelta(minutes=1), timedelta(minutes=15)
MOST_CRASHES = 5  # in this process; waiting for the world is none
MOST_COLLISIONS = 20  # some minutes; whoever was faster would be done by then, so it is a bug of ours
PATIENCE = timedelta(hours=24)


@dataclass(frozen=True)
class Outcome:
    """What a Request became, in a few words for the log, and what its person is to hear."""

    says: str
    answer: dict[str, Any] | None = None


# What is done about a Request, in one transaction; it may run again when that is rolled back.
Deed = Callable[[AsyncSession], Awaitable[Outcome]]


class DoneElsewhere(JourneymanError):
    """Our claim ran out and another worker did it all: what we were about to do is rolled back."""


class Attendant(Protocol):
    """Who understands Requests."""

    async def consider(self, request: Request) -> Deed:
        """Decide what is to be done; it may ask GitHub, and so take its time."""

    async def tell(self, request: Request) -> None:
        """Let the person hear the answer; repeating it changes nothing."""


class Queue(Protocol):
    """What dispatch needs of the engine."""

    async def begin(self, task_id: str, run: int) -> None:
        """Start a run at once."""

    async def enqueue(self, task_id: str, run: int, repository: str) -> None:
        """Start a run when a slot is free."""


class Dispatcher:
    """The loop between hearing and doing: woken after each commit, and by a scan every second."""

    def __init__(
        self,
        database: Database,
        queue: Queue,
        attendant: Attendant,
        scanned: Callable[[], None] | None = None,
    ) -> None:
        self._database = database
        self._queue = queue
        self._attendant = attendant
        self._wanted = asyncio.Event()
        self._scanned = scanned or (lambda: None)
        self._attending: dict[int, asyncio.Task[None]] = {}
        self._telling: dict[int, int | None] = {}  # of those: whose answers are being told, by installation
        # Whose claim is ours, and for which installation; without those that are being given back.
        self._held: dict[int, int | None] = {}
        self._giving_back = asyncio.Lock()
        self._renewed_at = time.monotonic()
        self._crashes: dict[int, int] = {}
        self._collisions: dict[int, int] = {}

    def wake(self) -> None:
        """Look now instead of at the next scan."""
        self._wanted.set()

    async def run(self) -> None:
        """Dispatch until cancelled; what is being considered then is left for the next process."""
        try:
            while True:
                self._wanted.clear()
                try:
                    await self._look()
                except Exception:
                    log.exception("dispatch.failed")  # the database may be away; the next scan tries again
                self._scanned()
                try:
                    async with asyncio.timeout(SCAN_SECONDS):
                        await self._wanted.wait()
                except TimeoutError:
                    continue
        finally:
            for attending in self._attending.values():
                attending.cancel()

    async def once(self) -> None:
        """Dispatch everything that waits at this moment, and what comes of that."""
        self._wanted.set()
        while self._wanted.is_set() or self._attending:
            self._wanted.clear()
            await self._look()
            if self._attending:
                await asyncio.wait(list(self._attending.values()))

    async def _look(self) -> None:
        if time.monotonic() - self._renewed_at >= RENEW_SECONDS:
            await self._renew()
        for request in await self._taken():
            self._held[request.id] = request.installation_id
            attending = asyncio.create_task(self._attend(request))
            self._attending[request.id] = attending
        async with self._database.reading() as session:
            ready = await tasks.to_enqueue(session)
            owners = {task.id: await sessions.get(session, task.session_id) for task in ready}
        for task in ready:
            try:
                await self._hand_over(task, owners[task.id])
            except Exception:
                log.exception("task.not_handed_over", task=task.id)  # it stays due, and others get theirs

    async def _renew(self) -> None:
        """Keep what is being considered or told; never what is being given back, whose moment is another."""
        async with self._giving_back:
            if self._held:
                async with self._database.transaction() as session:
                    await requests.renew(session, list(self._held), clock.now() + CLAIM)
        self._renewed_at = time.monotonic()

    async def _taken(self) -> list[Request]:
        """Take Requests that wait, and such whose person was not told yet.

        Each kind has room of its own: telling waits for GitHub's content limits, considering for its others,
        and a stop must wait for neither.
        """
        async with self._database.reading() as session:  # most scans find nothing, and need no write lock
            at_once = await requests.due(session, MOST_AT_ONCE, kinds=requests.AT_ONCE)
            due = await requests.due(session, MOST_AT_ONCE, share=MOST_OF_ONE, kinds=requests.ASKING)
            untold = await requests.unanswered(session, MOST_AT_ONCE, share=MOST_OF_ONE)
        considered = {each: of for each, of in self._held.items() if each not in self._telling}
        wanted = [each for each, _ in at_once if each not in self._attending]
        wanted += [*self._within_shares(due, considered), *self._within_shares(untold, self._telling)]
        if not wanted:
            return []
        async with self._database.transaction() as session:
            return await requests.claim(session, wanted, clock.now() + CLAIM)

    def _within_shares(
        self, found: Sequence[tuple[int, int | None]], in_hand: Mapping[int, int | None]
    ) -> list[int]:
        """Leave out what we have in hand, what is too much at once, and too much for one installation."""
        shares = Counter(in_hand.values())
        wanted: list[int] = []
        for each, installation in found:
            has_room = shares[installation] < MOST_OF_ONE and len(in_hand) + len(wanted) < MOST_AT_ONCE
            if each not in self._attending and has_room:
                shares[installation] += 1
                wanted.append(each)
        return wanted

    async def _attend(self, request: Request) -> None:
        with structlog.contextvars.bound_contextvars(request=request.id, kind=request.kind):
            try:
                if request.dispatched_at is None:
                    request.answer = await self._do(request)
                if request.answer is not None:
                    await self._tell(request)
                self._forget(request)
            except (JourneymanError, OperationalError, InterfaceError) as problem:
                note = log.info if isinstance(problem, TooEarly) else log.warning
                note("request.not_done", why=str(problem), attempt=request.attempts)
                lasting = isinstance(problem, UserFault) and not isinstance(problem, MENDABLE)
                await self._not_done(request, problem, passing=not lasting)
            except IntegrityError as problem:
                await self._collided(request, problem)
            except Exception as problem:  # the boundary: one Request must not hold up the others
                crashes = self._crashes[request.id] = self._crashes.get(request.id, 0) + 1
                log.exception("request.crashed", attempt=request.attempts, crashes=crashes)
                await self._not_done(request, problem, passing=crashes < MOST_CRASHES)
            finally:
                self._held.pop(request.id, None)
                self._telling.pop(request.id, None)
                del self._attending[request.id]
                self.wake()

    async def _tell(self, request: Request) -> None:
        """Let the person hear the answer, or put that off while many others are being told."""
        if Counter(self._telling.values())[request.installation_id] >= MOST_OF_ONE:
            async with self._giving_back, self._database.transaction() as session:
                self._held.pop(request.id, None)
                await requests.postpone(session, request.id, clock.now())
            return
        self._telling[request.id] = request.installation_id
        await self._attendant.tell(request)
        async with self._database.transaction() as session:
            await requests.answered(session, request.id)

    async def _do(self, request: Request) -> dict[str, Any] | None:
        deed = await self._attendant.consider(request)
        async with self._database.transaction() as session:
            if request.repository_id is not None and request.issue_number is not None:
                # Of two in one thread (a stop goes past who asks GitHub) the second sees what the first did.
                await threads.hold(session, request.repository_id, request.issue_number)
            outcome = await deed(session)
            if not await requests.dispatched(session, request.id, outcome.says, outcome.answer):
                raise DoneElsewhere(f"request {request.id} was dispatched by another worker")
        log.info(
            "request.dispatched",
            outcome=outcome.says,
            repository=request.repository,
            number=request.issue_number,
        )
        request.dispatched_at = clock.now()
        self.wake()  # the next in its thread need not wait until its person was told
        return outcome.answer

    async def _collided(self, request: Request, problem: IntegrityError) -> None:
        """Look again at what another worker has done meanwhile; give up loudly what collides with itself."""
        collisions = self._collisions[request.id] = self._collisions.get(request.id, 0) + 1
        if collisions < MOST_COLLISIONS:
            log.warning("request.not_done", why=str(problem), attempt=request.attempts)
        else:
            log.exception("request.crashed", attempt=request.attempts, collisions=collisions)
        await self._not_done(request, problem, passing=collisions < MOST_COLLISIONS)

    def _forget(self, request: Request) -> None:
        self._crashes.pop(request.id, None)
        self._collisions.pop(request.id, None)

    async def _not_done(self, request: Request, problem: Exception, *, passing: bool) -> None:
        """Try again later what may pass; end what will not."""
        if isinstance(problem, DoneElsewhere):
            return
        again = passing and clock.now() - request.created_at <= PATIENCE
        if not again:
            self._forget(request)
        try:
            async with self._giving_back, self._database.transaction() as session:
                self._held.pop(request.id, None)
                if again:
                    until, lets_pass = clock.now() + _pause(request, problem), isinstance(problem, TooEarly)
                    await requests.postpone(session, request.id, until, lets_pass=lets_pass)
                elif request.dispatched_at is None:
                    await requests.dispatched(session, request.id, f"failed: {problem}"[:500])
                else:  # locked, deleted, uninstalled: nobody to tell
                    await requests.answered(session, request.id)
        except (OperationalError, InterfaceError):
            log.warning("request.kept")  # the claim runs out, and then someone comes again

    async def _hand_over(self, task: Task, owner: Session) -> None:
        at_once = task.phase == tasks.ADMIT or task.cancel_wanted is not None or task.pause_wanted is not None
        if at_once:  # admission, stopping and pausing must not wait for a slot
            await self._queue.begin(task.id, task.runs)
        else:
            await self._queue.enqueue(task.id, task.runs, str(owner.repository_id or owner.repository))
        async with self._database.transaction() as session:
            await tasks.enqueued(session, task.id, task.runs)


def _pause(request: Request, problem: Exception) -> timedelta:
    if isinstance(problem, IntegrityError):
        return min(LONGEST_COLLISION, COLLISION * 2.0 ** min(request.attempts - 1, 10))
    if isinstance(problem, MENDABLE):
        return min(LONGEST_MENDING, MENDING * 2.0 ** min(request.attempts - 1, 10))
    asked = problem.retry_after if isinstance(problem, WorldFault) else None
    return timedelta(seconds=asked or min(LONGEST_PAUSE, 2.0 ** min(request.attempts, 10)))
