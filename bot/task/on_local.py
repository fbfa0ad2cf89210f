"""Carry a task's outside on this machine: a local clone, and the terminal where there is one."""

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog

from bot.errors import Blocked, UserFault, WorldFault
from bot.task import configuration as configurations
from bot.task.configuration import Configuration, Misconfigured
from bot.task.forge import Admission, Source
from bot.task.work import Work
from bot.words import ingoing
from bot.workspace import faults, git, projects
from bot.workspace.mirror import Mirrors
from bot.workspace.objects import Objects
from storage import events, tasks
from storage.models import Session
from storage.words import TaskState

log = structlog.get_logger(__name__)

CONFIGURATION = ".github/journeyman.yml"
AUTHOR = {"name": "journeyman", "email": "journeyman@localhost"}
MOST_NAMED = 10  # files with uncommitted changes; the rest is counted
STATUS_SECONDS = 60.0


class _OnClone:
    """What every local task has in common: code and branch are in the clone, and there is no pull request."""

    def __init__(self, clone: Path) -> None:
        self._clone = clone

    async def source(self, work: Work, access: str) -> Source:
        """Say that the clone is both where the code is and where the branch goes."""
        del work, access
        return Source(url=str(self._clone), authorization=None, local=True)

    async def epilogue(self, work: Work) -> None:
        """Everything was said already."""
        del work

    async def propose(self, work: Work, code: Objects) -> int | None:
        """There is no pull request; the branch is there."""
        del work, code
        return None

    async def answer(self, work: Work) -> None:
        """Nobody reviews here, so no thread waits for an answer."""
        del work


class OnLocal(_OnClone):
    """The forge of `python -m bot run`: no GitHub, the result is a branch of the clone."""

    def __init__(self, clone: Path, base: str, configuration: Configuration) -> None:
        super().__init__(clone)
        self._base = base
        self._configuration = configuration
        self._shown = ""

    async def admit(self, work: Work) -> Admission:
        """Let in whoever sits at this terminal."""
        return _admission(work.task.trigger, self._base, self._configuration)

    async def show(self, work: Work, *, now: bool = False, asked: bool = False) -> None:
        """Print the progress sentence when it is another one."""
        del now, asked
        line = f"{work.task.status}: {work.task.progress} (step {work.task.steps})"
        if line != self._shown:
            self._shown = line
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()

    async def finish(self, work: Work, status: TaskState) -> None:
        """Print how it ended."""
        outcome = work.facts.get("outcome") or {}
        why = f": {outcome['reason'] or ''} {outcome['why']}" if outcome else ""
        sys.stdout.write(f"{status}{why}\n")
        if work.task.head_sha is not None:
            sys.stdout.write(f"the work is on branch {work.session.branch} ({work.task.head_sha[:12]})\n")
        sys.stdout.flush()


class OnProject(_OnClone):
    """The forge of an API session's `project_path`: whoever asked reads the answer over the API."""

    def __init__(self, project: Path, mirrors: Mirrors, roots: Sequence[str]) -> None:
        super().__init__(project)
        self._mirrors = mirrors
        self._roots = roots

    async def admit(self, work: Work) -> Admission:
        """Start at the clone's HEAD; raises Blocked when the folder is not what it was, or has no branch."""
        # It was right when the session was opened; a link on the way, or the settings, may be others now.
        real = await asyncio.to_thread(projects.find, str(self._clone), self._roots)
        if real != self._clone:
            raise Blocked(f"{self._clone} is no git work tree below JOURNEYMAN_PROJECT_ROOTS any more")
        base = await self._mirrors.default_branch(str(self._clone), None, local=True)
        if base is None:
            raise Blocked(f"{self._clone} has no branch checked out that has a commit: check one out")
        configuration = await configuration_at(self._mirrors, self._clone, base)
        await self._name_uncommitted(work)
        return _admission(work.task.trigger, base, configuration)

    async def show(self, work: Work, *, now: bool = False, asked: bool = False) -> None:
        """Leave it to the API, which shows the rows themselves."""
        del work, now, asked

    async def finish(self, work: Work, status: TaskState) -> None:
        """Leave it to the rows; the log tells where the work is."""
        log.info("project.ended", task=work.id, status=status, branch=work.session.branch)

    async def _name_uncommitted(self, work: Work) -> None:
        """Note once which changes play no part; when that can't be told, the task goes on all the same."""
        if "uncommitted" in work.facts:
            return
        try:
            names = await uncommitted(self._clone)
        except (faults.GitError, UserFault, WorldFault) as problem:
            log.warning("project.status_unknown", task=work.id, why=str(problem))
            return
        async with work.writing() as writing:
            await tasks.set_facts(writing, work.id, uncommitted=len(names))
            if names:
                await events.note(writing, work.id, _named(names))


def for_session(session: Session, mirrors: Mirrors, roots: Sequence[str]) -> OnProject:
    """Return the forge of a session that has a `project_path`; roots are JOURNEYMAN_PROJECT_ROOTS."""
    if session.project_path is None:
        raise ValueError(f"the session {session.id} is on no project")
    return OnProject(Path(session.project_path), mirrors, roots)


async def configuration_at(mirrors: Mirrors, clone: Path, base: str) -> Configuration:
    """Return the clone's own configuration at a branch's last commit; raises Misconfigured, Blocked."""
    mirror = await mirrors.fetch(str(clone), str(clone), None, [base], local=True)
    commit = await mirror.resolve(f"refs/heads/{base}")
    text = await mirror.read(commit, CONFIGURATION, configurations.MOST_BYTES)
    if text is None:
        return Configuration()
    try:
        return await asyncio.to_thread(configurations.parse, text.decode("utf-8", "replace"))
    except Misconfigured as problem:
        raise Misconfigured(f"{CONFIGURATION}: {problem}") from None


async def uncommitted(clone: Path) -> list[str]:
    """Return the files of a work tree that differ from its HEAD, new ones included.

    Nothing of the clone is written (git would refresh its index) or run (its filters would).
    """
    environment = {"GIT_WORK_TREE": str(clone), "GIT_OPTIONAL_LOCKS": "0"}
    filters = await _filters(clone)
    listing = await git.run(
        (
            *(part for key in filters for part in ("-c", f"{key}=")),
            "status", "--porcelain", "-z", "--untracked-files=normal", "--ignore-submodules=all",
        ),
        git_dir=clone / ".git", environment=environment, seconds=STATUS_SECONDS,
    )  # fmt: skip
    found: list[str] = []
    entries = iter(os.fsdecode(listing).split("\0"))
    for entry in entries:
        if entry:
            found.append(entry[3:])
            if entry[0] in "RC":  # the next is the name that it had
                next(entries, None)
    return found


async def _filters(clone: Path) -> list[str]:
    try:
        asked = ("config", "--name-only", "-z", "--get-regexp", r"^filter\..*\.(clean|process)$")
        keys = os.fsdecode(await git.run(asked, git_dir=clone / ".git", seconds=STATUS_SECONDS)).split("\0")
    except faults.GitError:  # it has none
        return []
    odd = [key for key in keys if "=" in key]
    if odd:
        raise UserFault(f"{clone} has a filter with an odd name: {odd[0]}")
    return [key for key in keys if key]


def _named(names: Sequence[str]) -> str:
    files = "1 file" if len(names) == 1 else f"{len(names)} files"
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    part = "plays" if len(names) == 1 else "play"
    return f"{files} with uncommitted changes {part} no part: {', '.join(names[:MOST_NAMED])}{more}"


def _admission(trigger: Mapping[str, Any], base: str, configuration: Configuration) -> Admission:
    title, body = _asked(trigger)
    return Admission(
        title=ingoing.literal(title).text,
        body=ingoing.clean(body).noticed,
        base=configuration.base or base,
        configuration=configuration,
        author=AUTHOR,
    )


def _asked(trigger: Mapping[str, Any]) -> tuple[str, str]:
    """Return title and body: as the API keeps them, or of the text that a terminal was given."""
    if "text" not in trigger:
        return str(trigger.get("title") or ""), str(trigger.get("body") or "")
    title, _, body = trigger["text"].strip().partition("\n")
    if not title.strip():
        raise UserFault("the issue is empty: its first line is the title")
    return title.lstrip("# "), body
