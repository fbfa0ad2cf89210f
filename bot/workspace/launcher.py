"""Turn one plan into one bubblewrap process: stage what it may see, give up every right, and become it.

This program runs by itself (`python -I -S launcher.py PLAN STATUS EXTRA`, three descriptors) and so imports
nothing but the standard library, and of that only what starts fast. As root it makes a private mount
namespace and binds the plan's folders under a fresh 0755 tmpfs, because the uid that it then takes cannot
walk through a 0700 parent.
"""

from __future__ import annotations

import ctypes
import fcntl
import marshal
import os
import resource
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing typing, json, signal or stat for real costs each command 8 to 12 ms
    from typing import Any, NoReturn

STAGE = "/tmp"  # noqa: S108 - covered by our own tmpfs in a private namespace before anything is put there
EXTRA, STATUS, ARGUMENTS = 9, 10, 11
_NEWNS, _BIND, _REC, _PRIVATE, _NOSUID, _NODEV = 0x20000, 0x1000, 0x4000, 0x40000, 0x2, 0x4
_PDEATHSIG, _SIGKILL, _UMASK = 1, 9, 0o022
_TYPE, _FOLDER = 0o170000, 0o040000

libc = ctypes.CDLL(None, use_errno=True)


def check(result: int, what: str) -> None:
    """Raise the OSError that a C call left behind, named after what was tried."""
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def die_with(parent: int) -> None:
    """Ask the kernel to kill us when the bot's thread dies; end now if it is dead already."""
    check(libc.prctl(_PDEATHSIG, _SIGKILL, 0, 0, 0), "prctl")
    if os.getppid() != parent:
        os._exit(1)


def mount(source: str, target: str, kind: str | None, flags: int, data: str = "") -> None:
    """Mount or bind; an empty `kind` with _BIND binds."""
    kind_bytes = kind.encode() if kind else None
    check(
        libc.mount(source.encode(), target.encode(), kind_bytes, ctypes.c_ulong(flags), data.encode()),
        f"mount {target}",
    )


def stage(binds: list[list[str]]) -> None:
    """Bind each [source, name] at STAGE/name, in a mount namespace that nobody else sees."""
    check(libc.unshare(_NEWNS), "unshare the mount namespace")
    mount("none", "/", None, _REC | _PRIVATE)
    opened = [(os.open(source, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC), name) for source, name in binds]
    mount("stage", STAGE, "tmpfs", _NOSUID | _NODEV, "mode=0755,size=1m")
    for descriptor, name in opened:
        target = f"{STAGE}/{name}"
        os.makedirs(os.path.dirname(target), 0o755, exist_ok=True)  # noqa: PTH103, PTH120 - pathlib costs a start
        if os.fstat(descriptor).st_mode & _TYPE == _FOLDER:
            os.mkdir(target, 0o755)  # noqa: PTH102
        else:
            os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
        mount(f"/proc/self/fd/{descriptor}", target, None, _BIND | _REC)
        os.close(descriptor)


def limit(limits: dict[str, int]) -> None:
    """Set each resource limit, soft and hard, never above the hard limit that we already have."""
    for name, value in limits.items():
        kind = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(kind)[1]
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (bound, bound))


def drop(uid: int) -> None:
    """Become a uid that owns nothing but its own task."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def offer(content: bytes, descriptor: int) -> None:
    """Make bytes readable at a descriptor number that bubblewrap inherits."""
    memory = os.memfd_create("plan")
    os.write(memory, content)
    os.lseek(memory, 0, os.SEEK_SET)
    os.dup2(memory, descriptor, inheritable=True)
    os.close(memory)


def become(plan: dict[str, Any]) -> NoReturn:
    """Do what the plan says, in the only order that works, and exec bubblewrap."""
    os.umask(_UMASK)
    die_with(plan["parent"])
    with open("/proc/self/oom_score_adj", "w") as score:  # noqa: PTH123
        score.write("800")
    if plan["uid"] is not None:
        stage(plan["stage"])
        os.chdir("/")
        drop(plan["uid"])
        die_with(plan["parent"])  # a change of uid clears the first request
    limit(plan["limits"])
    offer("\0".join(plan["options"]).encode() + b"\0", ARGUMENTS)
    for descriptor, content in plan["data"]:
        offer(content, descriptor)
    os.execve(plan["bwrap"], ["bwrap", "--args", str(ARGUMENTS), "--", *plan["command"]], {})  # noqa: S606


def main() -> NoReturn:
    """Read the plan; report a failure as one line on the status descriptor."""
    plan_fd, status, extra = (
        fcntl.fcntl(int(number), fcntl.F_DUPFD_CLOEXEC, 100) for number in sys.argv[1:4]
    )
    for number in sys.argv[1:4]:
        os.close(int(number))
    os.dup2(status, STATUS, inheritable=True)
    os.dup2(extra, EXTRA, inheritable=True)
    with open(plan_fd, "rb") as source:  # noqa: PTH123
        plan = marshal.load(source)  # noqa: S302 - written by the bot a moment ago, with this interpreter
    try:
        become(plan)
    except OSError as error:
        os.write(STATUS, f"launcher: {error}\n".encode())
        os._exit(1)


if __name__ == "__main__":
    main()
