"""Name what is asked of the sandbox and what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from bot.errors import Blocked

Killed = Literal["memory", "disk", "time"]
_MIB = 1 << 20


class SandboxUnavailable(Blocked):
    """The sandbox cannot be built on this machine; the text names the reason and the fix."""


@dataclass(frozen=True)
class Mount:
    """A host path that the command sees at `target`."""

    source: Path
    target: str
    writable: bool = False


@dataclass(frozen=True)
class Limits:
    """What one command may use: wall seconds, bytes, processes and threads."""

    seconds: float = 120
    output_bytes: int = 400_000  # kept of the output, head and tail
    memory_bytes: int = 2048 * _MIB  # of the whole tree of processes
    processes: int = 256
    file_bytes: int = 1024 * _MIB  # largest single file
    disk_bytes: int = (
        4096 * _MIB
    )  # all that the writable mounts may hold, deleted files that are still open too


@dataclass(frozen=True)
class Command:
    """What runs. `egress` is the Unix socket of the registry proxy: without it there is no way out."""

    argv: tuple[str, ...]
    mounts: tuple[Mount, ...]
    cwd: str = "/workspace"
    environment: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    stdin: bytes = b""
    egress: Path | None = None


@dataclass(frozen=True)
class Result:
    """How it ended: `exit_code` is None when we killed it, and `killed` then says why.

    `output` is stdout and stderr together; `extra` is what the command wrote to descriptor 9, at most 64 KiB.
    """

    exit_code: int | None
    output: str
    omitted_bytes: int
    timed_out: bool
    killed: Killed | None
    seconds: float
    extra: bytes
