"""Decide which environment a tree gets: made once for its dependency files, kept, and copied for each use."""

import asyncio
import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import structlog
import uv

from bot.errors import Blocked
from bot.workspace import copies, dependency_files, egress, installation, interpreters, python_setup
from bot.workspace.registries import Registries
from bot.workspace.sandbox import Command, Limits, Mount, Sandbox

log = structlog.get_logger(__name__)

_FORMAT = 2  # part of the key: a change of what set-up does makes new environments
_MARKER = "environment.json"
_DEFAULT_SECONDS = 600.0


@dataclass(frozen=True)
class Environment:
    """A finished environment, never written again. `note` says in sentences what it has and what it lacks."""

    path: Path
    key: str
    note: str
    log: str = field(repr=False)
    action: str  # what a tree needs before its runs: "build", "restore" or "" for nothing
    working_directory: str
    python: tuple[Mount, ...]
    variables: dict[str, str]

    def mounts(self, copy: Path | None = None, *, writable: bool = False) -> tuple[Mount, ...]:
        """Return what a command needs to use this environment (or its copy) at /opt/env."""
        place = Mount(copy or self.path, installation.TARGET, writable)
        return (place, *self.python)


@dataclass(frozen=True)
class Instance:
    """One tree's own copy of an environment."""

    environment: Environment
    path: Path

    def mounts(self, *, writable: bool = False) -> tuple[Mount, ...]:
        """Return what a command needs to use this copy at /opt/env."""
        return self.environment.mounts(self.path, writable=writable)


class Environments:
    """The environments below one folder; their folder is this process's alone."""

    def __init__(
        self, sandbox: Sandbox, root: Path, registries: Registries, *, seconds: float = _DEFAULT_SECONDS
    ) -> None:
        self._sandbox = sandbox
        self._root = root.absolute()
        self._registries = registries
        self._seconds = seconds
        self._locks: dict[str, asyncio.Lock] = {}
        self._interpreters: list[interpreters.Interpreter] = []

    async def prepare(
        self,
        repository_id: str | int,
        tree_dir: Path,
        setup: Sequence[str] | None = None,
        working_directory: str = ".",
        *,
        network: Sequence[str] = (),
        mounts: Sequence[Mount] = (),
    ) -> Environment:
        """Return the environment for a tree: from the cache, or made by the set-up commands or by detection.

        Set-up works in a scratch copy; `tree_dir` is only read, and no command may run in it meanwhile.
        `network` names further hosts (contract, section 5), `mounts` what set-up sees besides, read-only (the
        mirror's objects). Raises Blocked with the end of the log when set-up fails or a Python version isn't
        there, WorldFault when a registry can't be reached.
        """
        files = await asyncio.to_thread(dependency_files.read, tree_dir, working_directory)
        plan = await asyncio.to_thread(python_setup.plan, files)
        choice = await self._choose(plan)
        told = [_FORMAT, str(repository_id), list(setup or ()), working_directory, sorted(network)]
        told += [choice.interpreter.name, choice.interpreter.inside, dependency_files.digest(files)]
        key = hashlib.sha256(json.dumps(told).encode()).hexdigest()
        async with self._locks.setdefault(key, asyncio.Lock()):
            kept = await asyncio.to_thread(self._kept, key)
            if kept is not None:
                return kept
            began = time.monotonic()
            async with self._scratch(key, tree_dir) as scratch:
                python = choice.interpreter
                lock = files.get("uv.lock", b"") if setup else b""
                outcome = await self._install(
                    scratch, setup, plan, python, lock, cwd=working_directory, network=network, mounts=mounts
                )
                facts: dict[str, object] = {
                    "note": " ".join(filter(None, (choice.note, outcome.note))),
                    "action": outcome.action,
                    "working_directory": working_directory,
                    "python": [[str(mount.source), mount.target] for mount in python.mounts],
                    "variables": dict(plan.environment) if plan else {},
                }
                await copies.give(scratch / "env", os.geteuid())
                await asyncio.to_thread(self._keep, key, scratch, outcome.log, facts)
            log.info(
                "environment.made",
                key=key[:12],
                seconds=round(time.monotonic() - began, 1),
                note=facts["note"],
            )
            made = await asyncio.to_thread(self._kept, key)
        if made is None:
            raise Blocked(
                "The environment vanished while it was made; is something else writing the data folder?"
            )
        return made

    async def kept(self, key: str) -> Environment | None:
        """Return a finished environment by its key, or None when it was pruned."""
        return await asyncio.to_thread(self._kept, key)

    async def instance(self, environment: Environment, target: Path) -> Instance:
        """Return an environment for one tree: a copy where the tree's build writes into it, else itself.

        Made below a folder of `Sandbox.make_dir`, a copy belongs to the same user as the tree beside it.
        """
        if environment.action != "build":
            return Instance(environment, environment.path)
        await self._sandbox.make_dir(target)
        await copies.lend(environment.path, target)
        return Instance(environment, target)

    async def reinstall(
        self, instance: Instance, tree_dir: Path, *, mounts: Sequence[Mount] = (), seconds: float = 120
    ) -> list[str]:
        """Install a tree's project anew into its copy, offline, and return the files that this left there.

        They are untracked and not ignored, so a snapshot should exclude them; above some 60 KB of names, new
        folders stand for what is in them. Nothing runs when the project is found by its path alone.
        Raises Blocked with the end of the log when the project can't be built.
        """
        environment = instance.environment
        if not environment.action:
            return []
        inside = (
            *instance.mounts(writable=environment.action == "build"), *mounts,
            Mount(tree_dir, "/workspace", writable=True), Mount(Path(uv.find_uv_bin()), "/opt/uv/uv"),
        )  # fmt: skip
        variables = {**installation.environment(), **installation.OFFLINE, **environment.variables}
        cwd = str(PurePosixPath("/workspace", environment.working_directory))
        result = await self._sandbox.run(
            Command(installation.renewal(environment.action), inside, cwd, variables, Limits(seconds=seconds))
        )
        if result.exit_code != 0:
            end = "\n".join(result.output.splitlines()[-40:])
            raise Blocked(f"The project could not be installed from its tree. The log ends:\n{end}")
        names = result.extra.decode("utf-8", "replace").split("\0")
        return [str(PurePosixPath(environment.working_directory, name)) for name in names if name]

    async def prune(self, limit_bytes: int) -> int:
        """Delete the least recently used environments beyond a size and return the bytes that are left.

        Copies live elsewhere and are not counted. One that is being made or was used in the last hour stays.
        """
        kept = await asyncio.to_thread(self._sizes)
        total = sum(size for _, size, _ in kept)
        for used, size, folder in sorted(kept):
            if total <= limit_bytes or used > time.time() - 3600:
                break
            await asyncio.to_thread((folder / _MARKER).unlink, missing_ok=True)
            await self._sandbox.remove(folder)
            total -= size
            log.info("environment.pruned", key=folder.name[:12], bytes=size)
        return total

    def _kept(self, key: str) -> Environment | None:
        """Return a finished environment and note its use; remove the rest of one that was never finished."""
        folder = self._root / key
        marker = folder / _MARKER
        try:
            facts = json.loads(marker.read_text("utf-8"))
            marker.touch()
            told = (folder / "log.txt").read_text("utf-8")
        except FileNotFoundError:
            return None
        python = tuple(Mount(Path(source), target) for source, target in facts["python"])
        if not all(mount.source.exists() for mount in python):
            return None  # the host's interpreter is gone
        return Environment(
            path=folder / "env",
            key=key,
            note=facts["note"],
            log=told,
            action=facts["action"],
            working_directory=facts["working_directory"],
            python=python,
            variables=facts["variables"],
        )

    def _sizes(self) -> list[tuple[float, int, Path]]:
        """List (last use, bytes, folder) of every finished environment."""
        found = []
        for marker in self._root.glob(f"*/{_MARKER}"):
            entries = (entry.lstat() for entry in marker.parent.rglob("*"))
            size = sum(facts.st_blocks * 512 for facts in entries)
            found.append((marker.stat().st_mtime, size, marker.parent))
        return found

    async def _choose(self, plan: python_setup.Plan | None) -> interpreters.Choice:
        if not self._interpreters:
            self._interpreters = await interpreters.installed()
        return interpreters.choose(self._interpreters, plan.wish if plan else interpreters.Wish())

    @asynccontextmanager
    async def _scratch(self, key: str, tree_dir: Path) -> AsyncIterator[Path]:
        """Make a folder with a copy of the tree and an empty environment, which one sandbox user owns."""
        scratch = self._root / "building" / f"{key[:16]}-{secrets.token_hex(4)}"
        try:
            await self._sandbox.make_dir(scratch)
            await self._sandbox.make_dir(scratch / "env")
            tree = await self._sandbox.make_dir(scratch / "tree")
            await copies.copy(tree_dir, tree)
            yield scratch
        finally:
            await self._sandbox.remove(scratch)

    async def _install(
        self,
        scratch: Path,
        setup: Sequence[str] | None,
        plan: python_setup.Plan | None,
        python: interpreters.Interpreter,
        lock: bytes,
        *,
        cwd: str,
        network: Sequence[str],
        mounts: Sequence[Mount],
    ) -> installation.Outcome:
        if not setup and plan is None:
            return installation.Outcome(
                "Nothing was set up: no `setup` is configured and this is no Python project."
            )
        inside = [Mount(scratch / "tree", "/workspace", writable=True), *mounts]
        inside.append(Mount(scratch / "env", installation.TARGET, writable=True))
        inside += python.mounts
        sockets, key = await asyncio.to_thread(self._private, scratch, plan)
        inside.append(Mount(sockets / "plan", installation.PLAN))
        async with egress.serve(self._registries, sockets / "egress.sock", network, key=key) as proxy:
            if lock:
                text = await proxy.localise(lock)
                await asyncio.to_thread((sockets / "plan" / "uv.lock").write_bytes, text)
            run = installation.Installation(
                self._sandbox, proxy, sockets / "egress.sock", inside, cwd, python, self._seconds
            )
            return await (run.detected(plan) if plan and not setup else run.configured(setup or ()))

    def _private(self, scratch: Path, plan: python_setup.Plan | None) -> tuple[Path, bytes]:
        """Make what commands may read but not write; return its folder and the key that signs links."""
        folder = scratch / "private"
        (folder / "plan").mkdir(parents=True)
        folder.chmod(0o700)
        constraints = "\n".join(plan.constraints) if plan else ""
        (folder / "plan" / "constraints.txt").write_text(constraints + "\n", "utf-8")
        key_path = self._root / "egress.key"
        try:
            return folder, key_path.read_bytes()
        except FileNotFoundError:
            descriptor = os.open(key_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(32))
            return folder, key_path.read_bytes()

    def _keep(self, key: str, scratch: Path, lines: Sequence[str], facts: dict[str, object]) -> None:
        """Take the environment out of the scratch folder; the marker is written last and makes it count."""
        folder = self._root / key
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(mode=0o700)
        (scratch / "env").rename(folder / "env")
        (folder / "log.txt").write_text("\n".join(lines), "utf-8")
        marker = folder / f"{_MARKER}.new"
        marker.write_text(json.dumps(facts), "utf-8")
        marker.replace(folder / _MARKER)
