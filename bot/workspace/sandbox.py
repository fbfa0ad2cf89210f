"""Decide how a command runs: what it sees, as whom, how long, and that nothing of it is left afterwards."""

import asyncio
import itertools
import os
import sys
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Literal

import structlog

from bot import repeatable
from bot.workspace import limits, plain, plan
from bot.workspace.child import Child
from bot.workspace.command import Command, Killed, Limits, Mount, Result, SandboxUnavailable
from bot.workspace.slots import Slots

__all__ = ["Command", "Killed", "Limits", "Mount", "Result", "Sandbox", "SandboxUnavailable"]

log = structlog.get_logger(__name__)

_TICK = 0.2  # seconds between two looks at a running tree
_REMEDIES = {
    "root can't give files": "run the bot as an ordinary user, or map a range of uids into the container",
    "ENOSPC": "raise `user.max_user_namespaces` (sysctl)",
    "max_user_namespaces": "raise `user.max_user_namespaces` (sysctl)",
    "No permissions to create": "allow unprivileged user namespaces (Docker: a seccomp profile that "
    "permits clone, unshare and mount)",
    "No space left": "raise user.max_user_namespaces",
    "mount proc": "unmask /proc (Docker: systempaths=unconfined; Kubernetes: procMount: Unmasked)",
    "setting up uid map": "allow user namespaces for bubblewrap (Ubuntu: an AppArmor profile with `userns`)",
    "unshare the mount": "give the service CAP_SYS_ADMIN, or run it as an ordinary user",
}


class Sandbox:
    """The one way to run a command that someone else wrote; one per process.

    `kind` "none" runs commands as plain subprocesses: no isolation at all, for a developer's own machine.
    """

    def __init__(self, kind: Literal["bubblewrap", "none"], data_dir: Path) -> None:
        self.kind = kind
        self._data_dir = data_dir.absolute()
        self._slots = Slots(self._data_dir / "slots")
        self._root = os.geteuid() == 0
        self._numbers = itertools.count()
        self._free: dict[Path, tuple[int, int]] = {}  # room and names left, by writable mount

    @property
    def python(self) -> str:
        """Return the path, inside, of the interpreter that runs the bot."""
        return plan.python() if self.kind == "bubblewrap" else sys.executable

    async def probe(self) -> None:
        """Run `true` in the full profile below the data folder; raises SandboxUnavailable with the fix."""
        folder = await self.make_dir(self._data_dir / f"probe-{os.getpid()}-{next(self._numbers)}")
        try:
            result = await self.run(Command(("true",), (Mount(folder, "/workspace", writable=True),)))
        finally:
            await self.remove(folder)
        if result.exit_code != 0:
            raise SandboxUnavailable(_explain(result.output or f"`true` ended with {result.exit_code}"))

    async def make_dir(self, path: Path) -> Path:
        """Make a folder that sandboxed commands can own and write, and return it.

        As root it gets the uid of its parent's slot, or a fresh slot when the parent has none: make a task's
        root folder first and its tree, home and scratch folders below it, and they share a uid of their own.
        Raises Blocked when every slot is taken.
        """
        return await asyncio.to_thread(self._make_dir, path)

    async def remove(self, path: Path) -> None:
        """Delete a folder, whatever is in it (000 folders, deep paths, FIFOs), and free its slot."""
        await _remove(path)
        await asyncio.to_thread(self._slots.release, path)

    async def run(self, command: Command) -> Result:
        """Run one command to its end and return what it did; no process of it is alive afterwards.

        Raises SandboxUnavailable when the sandbox could not be built, ValueError for mounts that no command
        may get. Cancelling the call kills the tree too.
        """
        began = time.monotonic()
        child = await self._start(command)
        killed: Killed | None = None
        try:
            with repeatable.part():
                killed = await self._watch(child, command)
        finally:
            child.kill()
            code = await _surely(child.gone())
        if killed is None and not child.started:
            killed = _unstarted(child, code)
        if killed is not None:
            log.info("sandbox.killed", why=killed, seconds=round(time.monotonic() - began, 1))
        return Result(
            exit_code=None if killed else code,
            output=child.output.text(),
            omitted_bytes=child.output.omitted,
            timed_out=killed == "time",
            killed=killed,
            seconds=time.monotonic() - began,
            extra=child.extra.head(),
        )

    async def _start(self, command: Command) -> Child | plain.PlainChild:
        if self.kind == "none":
            binds = await asyncio.to_thread(plan.mounts, command, self._data_dir)
            return plain.PlainChild(command, binds, plain.scratch())
        told = await asyncio.to_thread(plan.compose, command, self._data_dir, as_root=self._root)
        return Child(told, command.stdin, command.limits.output_bytes)

    async def _watch(self, child: Child | plain.PlainChild, command: Command) -> Killed | None:
        deadline = time.monotonic() + command.limits.seconds
        writable = [mount.source for mount in command.mounts if mount.writable]
        sampler = limits.Sampler(command.limits, writable, self._free)
        while not child.ended.done():
            left = deadline - time.monotonic()
            if left <= 0:
                return "time"
            await asyncio.wait({child.ended}, timeout=min(left, _TICK))
            if child.first is not None and not child.ended.done():
                excess = await sampler.check(child.first)
                if excess is not None:
                    return excess
        return None

    def _make_dir(self, path: Path) -> Path:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.mkdir(mode=0o700, exist_ok=True)
        if self._root and self.kind == "bubblewrap" and Slots.owner(path) is None:
            uid = Slots.owner(path.parent) or self._slots.claim(path)
            try:
                os.chown(path, uid, uid, follow_symlinks=False)
            except OSError as error:  # a container that maps one uid only
                raise SandboxUnavailable(
                    _explain(f"root can't give files to the uid {uid}: {error}")
                ) from error
        return path


async def _surely(waiting: Awaitable[int]) -> int:
    """Wait for a tree's end even while being cancelled; the cancellation goes on afterwards."""
    task = asyncio.ensure_future(waiting)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    return task.result()


def _unstarted(child: Child | plain.PlainChild, code: int) -> Killed | None:
    """Say what no reported exit code means; raises SandboxUnavailable when nothing was built."""
    said = child.launch_error or child.output.text()
    if child.first is not None and code < 0:
        return "memory"  # bubblewrap itself was killed under way, which only the kernel's memory killer does
    if said.startswith(("bwrap: Can't chdir to", "bwrap: execvp")):
        return None  # the folder or program that was asked for isn't there: the command's failure, not ours
    raise SandboxUnavailable(_explain(said))


async def _remove(path: Path) -> None:
    """Delete with the system's own tools: unlike shutil they reach any depth."""
    if not await asyncio.to_thread(os.path.lexists, path):
        return
    if os.geteuid() != 0:  # root needs no permission; anyone else has to open closed folders first
        await _call(
            "find", str(path), "-type", "d", "!", "-perm", "-u=rwx", "-execdir", "chmod", "u+rwx", "{}", ";"
        )
    errors = await _call("rm", "-rf", "--", str(path))
    if errors:
        raise OSError(f"{path} could not be removed: {errors[:500]}")


async def _call(*argv: str) -> str:
    """Run one of the system's tools; return what it complained about."""
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": "/usr/bin:/bin"},
    )
    _, errors = await process.communicate()
    return errors.decode(errors="replace")


def _explain(reason: str) -> str:
    """Return the reason with the fix that usually helps."""
    remedy = next(
        (text for sign, text in _REMEDIES.items() if sign in reason), "run `bwrap --ro-bind / / true`"
    )
    return f"The sandbox cannot be built: {reason.strip()[:500]}. Fix: {remedy}."
