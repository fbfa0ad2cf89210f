"""Run a command without a sandbox, for a developer who has said that this is their own risk.

Nothing is hidden and nothing is forbidden here. Paths of the sandbox (/workspace, /opt/env) are replaced by
the host's in arguments, variables and scripts that bash reads, so that the same commands mostly work.
"""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Sequence

from bot.workspace import plan, profile
from bot.workspace.capture import Capture
from bot.workspace.child import EXTRA_LIMIT, memory
from bot.workspace.command import Command

_ONTO_NINE = 'exec 9>&"$0" && exec "$@"'


class PlainChild:
    """One process group in the place of a sandboxed tree; what leaves the group is not followed."""

    def __init__(self, command: Command, binds: Sequence[profile.Bind], scratch: str) -> None:
        loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[int] = loop.create_future()
        self.first: int | None = None
        self.launch_error: str | None = None
        self.started = True
        output, extra = os.pipe2(os.O_CLOEXEC), os.pipe2(os.O_CLOEXEC)
        swap = _Swap(binds, scratch)
        script = swap.text(command.stdin.decode(errors="surrogateescape"))
        fed = script.encode(errors="surrogateescape") if command.argv[0] == "bash" else command.stdin
        stdin = memory(fed) if fed else os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        variables = profile.environment(command.environment, memory_bytes=command.limits.memory_bytes)
        try:
            self._process = subprocess.Popen(
                ["bash", "-c", _ONTO_NINE, str(extra[1]), *map(swap.text, plan.argv(command))],
                env={name: swap.text(value) for name, value in variables.items()},
                cwd=swap.text(command.cwd), stdin=stdin, stdout=output[1], stderr=output[1],
                pass_fds=(extra[1],), start_new_session=True,
            )  # fmt: skip
        finally:
            for descriptor in (stdin, output[1], extra[1]):
                os.close(descriptor)
        self.output = Capture(output[0], command.limits.output_bytes)
        self.extra = Capture(extra[0], EXTRA_LIMIT)
        self._pidfd = os.pidfd_open(self._process.pid)
        loop.add_reader(self._pidfd, self._on_exit)

    def kill(self) -> None:
        """Kill the process group."""
        if not self.ended.done():
            os.killpg(self._process.pid, signal.SIGKILL)

    async def gone(self) -> int:
        """Wait for the process itself; return its exit code."""
        code = await asyncio.shield(self.ended)
        self.output.close()
        self.extra.close()
        return code if code >= 0 else 128 - code

    def _on_exit(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        with contextlib.suppress(ProcessLookupError):  # nobody else is in the group
            os.killpg(self._process.pid, signal.SIGKILL)
        self.ended.set_result(self._process.wait())


class _Swap:
    """Replaces the sandbox's paths by the host's."""

    def __init__(self, binds: Sequence[profile.Bind], scratch: str) -> None:
        self._hosts = {profile.HOME: scratch, **{bind.target: bind.source for bind in binds}}
        targets = "|".join(re.escape(target) for target in sorted(self._hosts, key=len, reverse=True))
        self._pattern = re.compile(rf"(?<![\w./-])({targets})(?![\w.-])")

    def text(self, text: str) -> str:
        return self._pattern.sub(lambda match: self._hosts[match[1]], text)


def scratch() -> str:
    """Return the folder that stands in for the home folder."""
    return tempfile.gettempdir()
