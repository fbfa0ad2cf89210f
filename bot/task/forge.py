"""Name what a task needs of the place its work comes from and goes to: GitHub, or a local clone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from bot.task.configuration import Configuration
from bot.task.work import Work
from bot.workspace.objects import Objects
from storage.words import TaskState


@dataclass(frozen=True)
class Source:
    """Where the code is fetched from, and where the branch goes."""

    url: str
    authorization: str | None = field(repr=False)
    local: bool = False


@dataclass(frozen=True)
class Comment:
    """One comment as it was at the trigger."""

    author: str
    text: str
    created_at: datetime | None = None


@dataclass(frozen=True)
class Admission:
    """That the task may run, and with what."""

    title: str
    body: str
    base: str  # the branch to start from
    configuration: Configuration  # the repository's own, as it holds for this task
    author: Mapping[str, str]  # of the commits: name, email
    comments: Sequence[Comment] = ()


class Forge(Protocol):
    """The outside of one task; every action is keyed, so that repeating it changes nothing."""

    async def admit(self, work: Work) -> Admission:
        """Greet, check who asks and what holds; raises Refused or Blocked with the words for the issue."""
        ...

    async def source(self, work: Work, access: str) -> Source:
        """Say where the code is; `access` is `read` or `write`."""
        ...

    async def show(self, work: Work, *, now: bool = False, asked: bool = False) -> None:
        """Bring what people see to what is; cheap when nothing changed, and never in the way of the work."""
        ...

    async def epilogue(self, work: Work) -> None:
        """Show the end of a task that has ended, each place in its turn."""
        ...

    async def propose(self, work: Work, code: Objects) -> int | None:
        """Open the pull request for the pushed branch and return its number; None where there are none."""
        ...

    async def answer(self, work: Work) -> None:
        """Answer every inline thread that the task was asked about, once: what was done, or why not."""
        ...

    async def finish(self, work: Work, status: TaskState) -> None:
        """Say the last word, as the task is about to end in that state."""
        ...
