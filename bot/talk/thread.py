"""Hold what is known of one thread when someone speaks in it: its session, its tasks, the speaker."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Self

from sqlalchemy.ext.asyncio import AsyncSession

from bot.github.permissions import Role
from bot.github.reactions import DENIED, DONE, UNCLEAR
from bot.talk import order
from bot.task.configuration import Allow
from storage import sessions, tasks
from storage.models import Request, Session, Task
from storage.words import ENDED, TaskState


@dataclass(frozen=True)
class Speaker:
    """Who speaks, with the role that GitHub gives them here and the least roles that the repository asks."""

    login: str
    id: int | None
    role: Role
    allow: Allow = field(default_factory=Allow)

    def needs(self, key: str) -> Role:
        """Return the least role for `run` or `steer`."""
        return Role.named(getattr(self.allow, key)) or Role.WRITE

    def may(self, key: str) -> bool:
        """Whether their role is enough for `run` or `steer`."""
        return self.role >= self.needs(key)


@dataclass(frozen=True)
class Said:
    """What came of one thing said: our reaction (None leaves 👀 there) and the sentence to answer with."""

    outcome: str
    reaction: str | None = DONE
    say: str = ""  # names a sentence; empty: the reaction says it all
    facts: Mapping[str, Any] = field(default_factory=dict)
    refresh: str | None = None  # the session whose status comment is to say what is, at once


class Thread:
    """One issue or pull request as it stands in this transaction."""

    def __init__(
        self, session: AsyncSession, request: Request, speaker: Speaker, owner: Session | None,
        history: list[Task], cap_usd: Decimal, *, stopped_since: bool = False,
    ) -> None:  # fmt: skip
        self.session = session
        self.request = request
        self.speaker = speaker
        self.owner = owner
        self.history = history
        self.cap_usd = cap_usd
        self._stopped_since = stopped_since

    @classmethod
    async def read(cls, session: AsyncSession, request: Request, speaker: Speaker, cap_usd: Decimal) -> Self:
        """Look at the thread that the request is about; its tasks come newest first.

        Its session goes along with the installation in whose name GitHub has just let us look.
        """
        assert request.repository_id is not None  # noqa: S101  # asked for in a repository
        owner = await sessions.of_thread(session, request.repository_id, request.issue_number or 0)
        if owner is None:
            return cls(session, request, speaker, None, [], cap_usd)
        if owner.installation_id != request.installation_id:  # the App was installed anew
            await sessions.move(session, request.repository_id, request.repository, request.installation_id)
            await session.refresh(owner)
        history = await tasks.of_session(session, owner.id)
        threads = (owner.issue_number, owner.pull_request)
        stopped_since = await order.stopped_since(session, request, threads)
        return cls(session, request, speaker, owner, history, cap_usd, stopped_since=stopped_since)

    @property
    def unfinished(self) -> list[Task]:
        """The tasks that have not ended, the one at work first."""
        found = [task for task in self.history if task.status not in ENDED]
        return sorted(found, key=lambda task: (task.status is TaskState.PENDING, task.created_at))

    @property
    def working(self) -> list[Task]:
        """Those of them that nobody wants stopped."""
        return [task for task in self.unfinished if task.cancel_wanted is None]

    @property
    def latest(self) -> Task | None:
        """The newest task, ended or not."""
        return self.history[0] if self.history else None

    @property
    def is_pull(self) -> bool:
        """Whether it is a pull request that is spoken in."""
        return bool(self.request.text.get("is_pull"))

    def asked_by_speaker(self) -> bool:
        """Whether the speaker asked for the work that goes on; they may always stop, pause and resume it."""
        return any(task.requester_id == self.speaker.id is not None for task in self.unfinished)

    def over(self) -> Said | None:
        """Return what to say when nothing may begin: the pull request's end, or a stop after the request."""
        state = self.owner.pull_state if self.owner is not None else None
        if state in {"merged", "closed"}:
            return Said(f"pull request {state}", UNCLEAR, state, self.facts())
        if self._stopped_since:
            return Said("ignored: stopped since", DONE, "no_session", self.facts())
        return None

    def denied(self, key: str, what: str) -> Said:
        """Refuse: the needed and the actual role are said once per person and thread."""
        needs, has = self.speaker.needs(key), self.speaker.role
        facts = {"needs": needs.name.lower(), "has": has.name.lower(), "key": key, "what": what}
        return Said(f"refused: {what}", DENIED, "refused", facts)

    def unable(self, say: str) -> Said:
        """Say that there is nothing to do it to, and what is the case instead."""
        return Said(say.replace("_", " "), DONE, say, self.facts())

    def facts(self) -> dict[str, Any]:
        """Return how things stand here, as the answer's words need it."""
        task = next(iter([*self.working, *self.unfinished, *self.history]), None)
        owner = self.owner
        is_shut = self.request.text.get("state") == "closed" and not self.is_pull
        rests = task is not None and task.paused_by is not None and not tasks.in_line(task)
        return {
            "session": owner.id if owner is not None else None,
            "issue": owner.issue_number if owner is not None else None,
            "pull": owner.pull_request if owner is not None else None,
            "status": str(_seen(task)) if task is not None else None,
            "reason": str(task.reason) if task is not None and task.reason else None,
            "paused_by": str(task.paused_by) if task is not None and rests else None,
            "stopping": task is not None and task.status not in ENDED and task.cancel_wanted is not None,
            "pull_state": owner.pull_state if owner is not None else None,
            # What has code can be tried again all the same.
            "issue_closed": is_shut and not (owner is not None and owner.branch),
        }


def _seen(task: Task) -> TaskState:
    """Return the state as people see it: whoever was let go on and waits for a slot is in line again."""
    return TaskState.PENDING if tasks.in_line(task) else task.status
