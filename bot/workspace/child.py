"""Decide when a launched tree of processes has really ended, and end it when told to.

The end of bubblewrap is not the end of the tree: the kernel kills the process namespace a moment later, and
a leftover may still write. So the first process of the namespace is followed by its pidfd, which becomes
readable only when all the others are gone.
"""

import asyncio
import contextlib
import json
import marshal
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bot.errors import WorldFault
from bot.workspace.capture import Capture

EXTRA_LIMIT = 64 * 1024
_LAUNCHER = Path(__file__).with_name("launcher.py")
_PATIENCE = 60.0  # seconds for a killed tree to leave the kernel; only a hung disk takes this long
_START = 3.0  # seconds in which bubblewrap must have named its child, if it ever will


class Child:
    """One launched tree; made on the event loop's own thread, to which the kernel ties its life."""

    def __init__(self, plan: Mapping[str, Any], stdin: bytes, output_bytes: int) -> None:
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[int] = self._loop.create_future()
        self._named: asyncio.Future[None] = self._loop.create_future()
        self._pending = b""
        self.first: int | None = None  # host pid of the first process of the namespace
        self._first_pidfd: int | None = None
        self.launch_error: str | None = None
        self.started = False  # the command itself ran
        output = os.pipe2(os.O_CLOEXEC)
        extra = os.pipe2(os.O_CLOEXEC)
        self._status, status = os.pipe2(os.O_CLOEXEC)
        plan_fd = memory(marshal.dumps({**plan, "parent": os.getpid()}))
        stdin_fd = memory(stdin) if stdin else os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        numbers = (plan_fd, status, extra[1])
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_LAUNCHER), *map(str, numbers)],
                env={}, cwd="/", stdin=stdin_fd, stdout=output[1], stderr=output[1],
                pass_fds=numbers, start_new_session=True,
            )  # fmt: skip
        finally:
            for descriptor in (*numbers, stdin_fd, output[1]):
                os.close(descriptor)
        self.output = Capture(output[0], output_bytes)
        self.extra = Capture(extra[0], EXTRA_LIMIT)
        os.set_blocking(self._status, False)
        self._loop.add_reader(self._status, self._read_status)
        self._pidfd = os.pidfd_open(self._process.pid)
        self._loop.add_reader(self._pidfd, self._on_exit)

    def kill(self) -> None:
        """Kill the whole tree; killing one that has ended does nothing."""
        if self._first_pidfd is not None:
            _signal(self._first_pidfd)
        elif not self._named.done():
            # bubblewrap is between fork and the child's own death wish: wait for the name, then kill by it.
            self._named.add_done_callback(lambda _: self.kill())
        if not self.ended.done():
            # bubblewrap ends with its child and reaps it; should it hang, its own end comes a little later.
            self._loop.call_later(_START, self._kill_launcher)

    async def gone(self) -> int:
        """Wait until no process of the tree is left; return bubblewrap's exit code (negative: a signal)."""
        code = await asyncio.shield(self.ended)
        self._read_status()
        if self._first_pidfd is not None:
            await self._tree_gone(self._first_pidfd)
        if self.first is not None:
            with contextlib.suppress(ChildProcessError):  # ours to reap only where the bot is process 1
                os.waitpid(self.first, os.WNOHANG)  # noqa: ASYNC222 - WNOHANG never waits
        for capture in (self.output, self.extra):
            capture.close()
        self._release()
        return code

    async def _tree_gone(self, pidfd: int) -> None:
        done = asyncio.Event()
        self._loop.add_reader(pidfd, done.set)
        try:
            await asyncio.wait_for(done.wait(), _PATIENCE)
        except TimeoutError as error:
            raise WorldFault("A sandboxed process could not be ended within a minute.") from error
        finally:
            self._loop.remove_reader(pidfd)

    def _kill_launcher(self) -> None:
        if not self.ended.done():
            _signal(self._pidfd)

    def _on_exit(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        self.ended.set_result(self._process.wait())

    def _read_status(self) -> None:
        if self._status < 0:
            return
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._status, 65536):
                *lines, self._pending = (self._pending + data).split(b"\n")
                for line in lines:
                    self._note(line)
            self._close_status()

    def _note(self, line: bytes) -> None:
        if line.startswith(b"launcher: "):
            self.launch_error = line.decode(errors="replace")
            return
        fact = json.loads(line)
        if "exit-code" in fact:
            self.started = True
        if "child-pid" in fact and self.first is None:
            self.first = int(fact["child-pid"])
            with contextlib.suppress(ProcessLookupError):  # gone before we looked
                pidfd = os.pidfd_open(self.first)
                self._adopt(pidfd)
            if not self._named.done():
                self._named.set_result(None)

    def _adopt(self, pidfd: int) -> None:
        """Keep the pidfd, unless the number already belongs to a stranger."""
        try:
            name = Path(f"/proc/{self.first}/comm").read_text().strip()
        except (FileNotFoundError, ProcessLookupError):
            name = ""
        if name == "bwrap":
            self._first_pidfd = pidfd
        else:
            os.close(pidfd)

    def _close_status(self) -> None:
        self._loop.remove_reader(self._status)
        os.close(self._status)
        self._status = -1

    def _release(self) -> None:
        if self._status >= 0:
            self._close_status()
        if self._first_pidfd is not None:
            os.close(self._first_pidfd)
            self._first_pidfd = None


def memory(content: bytes) -> int:
    """Return a descriptor from which `content` can be read."""
    descriptor = os.memfd_create("sandbox")
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _signal(pidfd: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
