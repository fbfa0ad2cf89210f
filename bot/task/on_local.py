"""Carry a task's outside on this machine: a local clone, and the terminal."""

import sys
from pathlib import Path

from bot.errors import UserFault
from bot.task.configuration import Configuration
from bot.task.forge import Admission, Source
from bot.task.work import Work
from bot.words import ingoing
from bot.workspace.objects import Objects
from storage.words import TaskState

CONFIGURATION = ".github/journeyman.yml"


class OnLocal:
    """The forge of `python -m bot run`: no GitHub, the result is a branch of the clone."""

    def __init__(self, clone: Path, base: str, configuration: Configuration) -> None:
        self._clone = clone
        self._base = base
        self._configuration = configuration
        self._shown = ""

    async def admit(self, work: Work) -> Admission:
        """Let in whoever sits at this terminal."""
        title, _, body = work.task.trigger["text"].strip().partition("\n")
        if not title.strip():
            raise UserFault("the issue is empty: its first line is the title")
        return Admission(
            title=ingoing.clean(title.lstrip("# ")).text,
            body=ingoing.clean(body).noticed,
            base=self._configuration.base or self._base,
            configuration=self._configuration,
            author={"name": "journeyman", "email": "journeyman@localhost"},
        )

    async def source(self, work: Work, access: str) -> Source:
        """Say that the clone is both where the code is and where the branch goes."""
        del work, access
        return Source(url=str(self._clone), authorization=None, local=True)

    async def show(self, work: Work, *, now: bool = False) -> None:
        """Print the progress sentence when it is another one."""
        del now
        line = f"{work.task.status}: {work.task.progress} (step {work.task.steps})"
        if line != self._shown:
            self._shown = line
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()

    async def epilogue(self, work: Work) -> None:
        """Everything was printed already."""
        del work

    async def propose(self, work: Work, code: Objects) -> int | None:
        """There is no pull request; the branch is there."""
        del work, code
        return None

    async def finish(self, work: Work, status: TaskState) -> None:
        """Print how it ended."""
        outcome = work.facts.get("outcome") or {}
        why = f": {outcome['reason'] or ''} {outcome['why']}" if outcome else ""
        sys.stdout.write(f"{status}{why}\n")
        if work.task.head_sha is not None:
            sys.stdout.write(f"the work is on branch {work.session.branch} ({work.task.head_sha[:12]})\n")
        sys.stdout.flush()
