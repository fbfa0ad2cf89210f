"""Decide which of the host's Python interpreters a project runs on."""

import asyncio
import json
import os
import re
import sys
import sysconfig
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.errors import Blocked
from bot.workspace.sandbox import Mount

_OLDEST = (3, 8)
_ASK_SECONDS = 10
_OWN_TARGET = "/opt/python"
_QUESTION = """
import json, sys, sysconfig
built = {name: sysconfig.get_config_var(name) for name in ("Py_ENABLE_SHARED", "LIBDIR", "INSTSONAME")}
print(json.dumps([sys.implementation.name, *sys.version_info[:3], built]))
"""
_CLAUSE = re.compile(r"\s*(~=|===?|!=|<=|>=|<|>)\s*v?([0-9]+(?:\.[0-9]+)*)[a-zA-Z0-9.+-]*?(\.\*)?\s*")


@dataclass(frozen=True)
class Interpreter:
    """One CPython of the host. `prefix` is its folder, None below /usr, where the sandbox sees it anyway.

    `library` is its shared libpython: the executable looks for it at the absolute path it was built for, and
    would otherwise silently run with another patch release's library, or not at all.
    """

    version: tuple[int, int, int]
    executable: Path
    prefix: Path | None
    own: bool = False
    library: Path | None = None

    @property
    def name(self) -> str:
        """Return the version as people write it."""
        return ".".join(str(part) for part in self.version)

    @property
    def target(self) -> str | None:
        """Return where `prefix` is bound inside; the bot's own interpreter is at /opt/python by itself."""
        if self.prefix is None:
            return None
        return _OWN_TARGET if self.own else f"{_OWN_TARGET}{self.version[0]}.{self.version[1]}"

    @property
    def mounts(self) -> tuple[Mount, ...]:
        """Return what a command needs to run it; the sandbox itself binds our own prefix and library."""
        found = []
        if self.prefix is not None and self.target is not None and not self.own:
            found.append(Mount(self.prefix, self.target))
        shared = self.library if self.prefix is not None and not self.own else None
        if shared is not None and not shared.is_relative_to("/usr"):
            found.append(Mount(Path(os.path.realpath(shared)), str(shared)))
        return tuple(found)

    @property
    def inside(self) -> str:
        """Return the executable's path inside the sandbox."""
        if self.prefix is None:
            return str(self.executable)
        return f"{self.target}/{self.executable.relative_to(self.prefix)}"


@dataclass(frozen=True)
class Wish:
    """What a project says about its Python: a PEP 440 range, pinned versions, versions it was tried on."""

    requires: str = ""
    pinned: tuple[str, ...] = ()
    tried: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Choice:
    """The interpreter, and a sentence when it isn't what the project asked for."""

    interpreter: Interpreter
    note: str = ""


async def installed(environment: Mapping[str, str] | None = None) -> list[Interpreter]:
    """Find CPython 3.8 and newer (our own, below /usr, pyenv's, uv's); our own first, then the newest."""
    environment = os.environ if environment is None else environment
    own = _own()
    paths = [path for path in await asyncio.to_thread(_candidates, environment) if path != own.executable]
    asked = await asyncio.gather(*(_ask(path) for path in paths))
    found = [one for one in asked if one and one.version[:2] >= _OLDEST]
    return [own, *sorted(found, key=lambda one: one.version, reverse=True)]


def _own() -> Interpreter:
    path = Path(os.path.realpath(sys.executable))
    prefix = None if path.is_relative_to("/usr") else Path(os.path.realpath(sys.base_prefix))
    return Interpreter(
        sys.version_info[:3], path, prefix, own=True, library=_library(sysconfig.get_config_vars())
    )


def _library(built: Mapping[str, object]) -> Path | None:
    folder, name = built.get("LIBDIR"), built.get("INSTSONAME")
    if not built.get("Py_ENABLE_SHARED") or not isinstance(folder, str) or not isinstance(name, str):
        return None
    path = Path(folder, name)
    return path if path.is_file() else None


def choose(found: Sequence[Interpreter], wish: Wish) -> Choice:
    """Return the project's pinned version, else ours, else the newest that fits.

    A pin that the host doesn't have gives way to the declared range, the real need; the note says so.
    Raises Blocked, naming the version, when nothing fits.
    """
    fitting = [one for one in found if fits(one.version, wish.requires)]
    have = ", ".join(dict.fromkeys(one.name for one in found))
    if not fitting:
        raise Blocked(
            f"The project needs Python {wish.requires}, and this host has {have}; install it on the host."
        )
    for pin in wish.pinned:
        match = next((one for one in fitting if _same_minor(one.version, pin)), None)
        if match:
            return Choice(match)
    if wish.pinned and not wish.requires:
        raise Blocked(
            f"The project pins Python {wish.pinned[0]}, and this host has {have}; install it on the host."
        )
    chosen = fitting[0]
    if wish.tried and chosen.version[:2] > max(wish.tried):
        chosen = next((one for one in fitting if one.version[:2] in wish.tried), chosen)
    pinned = (
        f"The project pins Python {wish.pinned[0]}, which this host doesn't have; " if wish.pinned else ""
    )
    return Choice(chosen, f"{pinned}it runs on {chosen.name}." if pinned else "")


def fits(version: tuple[int, int, int], requires: str) -> bool:
    """Say whether a release lies in a PEP 440 range; a clause that isn't understood excludes nothing."""
    return all(_holds(version, clause) for clause in requires.split(",") if clause.strip())


def _holds(version: tuple[int, int, int], clause: str) -> bool:
    match = _CLAUSE.fullmatch(clause)
    if match is None:
        return True
    operator, text, wildcard = match.groups()
    bound = tuple(int(part) for part in text.split("."))
    full = (*bound, 0, 0)[:3]
    same = version[: len(bound)] == bound[:3] if wildcard else version == full
    return {
        "==": same,
        "===": same,
        "!=": not same,
        ">=": version >= full,
        "<=": version <= full,
        ">": version > full,
        "<": version < full,
        "~=": version >= full and version[: max(len(bound) - 1, 1)] == bound[: max(len(bound) - 1, 1)],
    }[operator]


def _same_minor(version: tuple[int, int, int], pin: str) -> bool:
    numbers = re.match(r"(?:cpython-|python)?(\d+)(?:\.(\d+))?", pin.strip())
    if numbers is None:
        return False
    return version[0] == int(numbers.group(1)) and numbers.group(2) in {None, str(version[1])}


def _candidates(environment: Mapping[str, str]) -> list[Path]:
    """List executables without running them, each once; the links that name the same file are one."""
    home = Path(environment.get("HOME") or Path.home())
    pyenv = Path(environment.get("PYENV_ROOT") or home / ".pyenv") / "versions"
    data = Path(environment.get("XDG_DATA_HOME") or home / ".local" / "share")
    managed = Path(environment.get("UV_PYTHON_INSTALL_DIR") or data / "uv" / "python")
    folders = [Path("/usr/bin"), Path("/usr/local/bin"), *_bins(pyenv), *_bins(managed)]
    found = {
        Path(os.path.realpath(path))
        for folder in folders
        for path in folder.glob("python3.*")
        if re.fullmatch(r"python3\.\d+", path.name) and os.access(path, os.X_OK)
    }
    return sorted(found)


def _bins(folder: Path) -> Iterable[Path]:
    try:
        return [entry / "bin" for entry in sorted(folder.iterdir())]
    except OSError:  # not there, or another user's
        return []


async def _ask(executable: Path) -> Interpreter | None:
    """Ask an interpreter what it is, None when it can't run or isn't CPython."""
    try:
        process = await asyncio.create_subprocess_exec(
            str(executable), "-I", "-S", "-c", _QUESTION, env={}, cwd="/",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
    except OSError:
        return None
    try:
        output, _ = await asyncio.wait_for(process.communicate(), _ASK_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
        return None
    try:
        name, major, minor, micro, built = json.loads(output)
    except ValueError:
        return None
    if process.returncode != 0 or name != "cpython":
        return None
    prefix = None if executable.is_relative_to("/usr") else executable.parent.parent
    library = await asyncio.to_thread(_library, built)
    return Interpreter((major, minor, micro), executable, prefix, library=library)
