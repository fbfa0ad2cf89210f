"""Decide how one set-up runs inside the sandbox: the environment, the attempts, what is kept."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import structlog
import uv

from bot.errors import Blocked, WorldFault
from bot.workspace import egress, interpreters, pytest_fit, python_setup
from bot.workspace.sandbox import Command, Limits, Mount, Result, Sandbox

log = structlog.get_logger(__name__)

TARGET = "/opt/env"
_UV = "/opt/uv/uv"
_CACHE = f"{TARGET}/.cache"
PLAN = "/opt/plan"
LEFT_BEHIND = f"{TARGET}/.left-behind"
_LOG_LINES = 40

# What a tree's own build finds beside `environment`: nothing of it stays in the environment or the tree.
OFFLINE = {
    "PYTHONDONTWRITEBYTECODE": "1",
    "TMPDIR": "/tmp",  # noqa: S108 - the sandbox's own
    "UV_CACHE_DIR": "/tmp/uv",  # noqa: S108
    "UV_LINK_MODE": "copy",
    "UV_NO_CONFIG": "1",
}
# Keeps what set-up left in the tree (node_modules, built modules), for the trees of later runs.
_KEEP = f"""
git ls-files --others -z | grep -zvE '(^|/)(__pycache__|\\.pytest_cache)/' > "$TMPDIR/left" || exit 0
mkdir -p {LEFT_BEHIND} && xargs -0 -r cp -a --parents -t {LEFT_BEHIND} < "$TMPDIR/left" && printf kept >&9
"""
# Says whether anything was left, which a tree without git can't tell, and empties the caches.
_CLEAN = f"""
{{ git ls-files --others -z || printf 'unknown\\0'; }} | grep -zvE '(^|/)__pycache__/' | head -c 1000 >&9
rm -rf {_CACHE}
"""
# Builds once more from the tree as it was; a file that the first build made and this one doesn't is missed.
_AGAIN = """
left() { git ls-files --others -z | grep -zvE '(^|/)__pycache__/' | sort -z; }
left > "$TMPDIR/first"; xargs -0 -r rm -f -- < "$TMPDIR/first"
"$@" || exit 1
left > "$TMPDIR/second"; missed=$(comm -z -23 "$TMPDIR/first" "$TMPDIR/second" | tr '\\0' '\\n')
test -z "$missed" || { echo "Not made again: $missed"; exit 1; }
"""
_BACKEND = """
import importlib, json, os, sys, tomllib
told = open("pyproject.toml").read() if os.path.exists("pyproject.toml") else ""
build = tomllib.loads(told).get("build-system", {})
sys.path[:0] = build.get("backend-path", [])
name, _, attributes = build.get("build-backend", "setuptools.build_meta:__legacy__").partition(":")
backend = importlib.import_module(name)
for attribute in filter(None, attributes.split(".")):
    backend = getattr(backend, attribute)
ask = getattr(backend, "get_requires_for_build_editable", None)
open(9, "w").write(json.dumps(ask() if ask else []))
"""
_PATH_FILE = "import sysconfig; open(sysconfig.get_path('purelib') + '/project.pth', 'w').write({text!r})"

# Prints, on descriptor 9, what the re-installation left in the tree that a snapshot would take up.
_REINSTALL = """
lists=$(mktemp -d)
untracked() { git ls-files --others --exclude-standard -z "$@" 2>/dev/null | sort -z; }
untracked > "$lists/before"; untracked --directory > "$lists/folders-before"
"$@" || exit 1
untracked > "$lists/after"; untracked --directory > "$lists/folders-after"
comm -z -13 "$lists/before" "$lists/after" > "$lists/new"
if [ "$(wc -c < "$lists/new")" -gt 60000 ]  # descriptor 9 is short: name whole new folders instead
then comm -z -13 "$lists/folders-before" "$lists/folders-after" > "$lists/new"; fi
cat "$lists/new" >&9
"""
_RESTORE = f"tar -C {LEFT_BEHIND} -cf - . | tar -xf - --skip-old-files"


@dataclass
class Outcome:
    """What set-up achieved. `action` is what each tree needs before its runs.

    "build": install the project again; "restore": put back what set-up left in the tree; "": nothing.
    """

    note: str = ""
    action: str = ""
    log: list[str] = field(default_factory=list)


class Installation:
    """One set-up in a scratch tree and a new environment folder, both writable, registries in reach."""

    def __init__(
        self,
        sandbox: Sandbox,
        proxy: egress.Egress,
        socket_path: Path,
        mounts: Sequence[Mount],
        working_directory: str,
        interpreter: interpreters.Interpreter,
        seconds: float,
    ) -> None:
        self._sandbox = sandbox
        self._proxy = proxy
        self._socket = socket_path
        self._mounts = (*mounts, Mount(Path(uv.find_uv_bin()), _UV))
        self._cwd = str(PurePosixPath("/workspace", working_directory))
        self._interpreter = interpreter
        self._deadline = time.monotonic() + seconds
        self._seconds = seconds
        self.outcome = Outcome()

    async def configured(self, commands: Sequence[str]) -> Outcome:
        """Run the configured commands in order; raises Blocked with the log's end at the first that fails."""
        await self._venv()
        await self._uv("pip", "install", "pip", optional=True)
        await self._run("sh", "-c", f"test ! -e {PLAN}/uv.lock || cp {PLAN}/uv.lock uv.lock")
        for command in commands:
            result = await self._run("bash", "-c", command, told=command)
            if result.exit_code != 0:
                raise self._failure(f"The configured set-up command `{command}` failed")
        await self._restorable()
        await self._run("bash", "-c", _CLEAN)
        self.outcome.note = (
            f"Set up with the configured commands: {'; '.join(f'`{one}`' for one in commands)}."
        )
        return self.outcome

    async def detected(self, plan: python_setup.Plan) -> Outcome:
        """Try a plan's attempts in order; raises Blocked with the log's end when none succeeds."""
        await self._venv()
        for attempt in plan.attempts:
            constraints = ("--constraints", f"{PLAN}/constraints.txt") if attempt.constrained else ()
            result = await self._uv(
                "pip", "install", *constraints, *attempt.arguments, extra=plan.environment
            )
            if result.exit_code == 0:
                break
            if self._proxy.unreachable:  # else a lesser attempt would be kept for good
                raise self._failure("The project's dependencies could not be installed")
        else:
            raise self._failure("The project's dependencies could not be installed")
        await self._finish(plan, attempt, first=attempt is plan.attempts[0])
        return self.outcome

    async def _finish(self, plan: python_setup.Plan, attempt: python_setup.Attempt, *, first: bool) -> None:
        outcome = self.outcome
        outcome.note = f"Installed {attempt.told}." if attempt.told else ""
        if not first:
            outcome.note += f" Not everything could be installed; left out of: {plan.attempts[0].told}."
        outcome.note += await pytest_fit.fit(self._run, self._uv)
        if not attempt.editable:
            source = str(PurePosixPath(self._cwd, plan.source))
            await self._run("python", "-c", _PATH_FILE.format(text=f"{source}\n"))
            outcome.note += f" The project itself is not installed; its modules are found in `{plan.source}`."
            await self._run("bash", "-c", _CLEAN)
            return
        await self._restorable()
        if await self._backend(plan) and await self._builds_again(plan):
            left = (await self._run("bash", "-c", f"rm -rf {LEFT_BEHIND}\n{_CLEAN}")).extra
            outcome.action = "build" if left else ""
        else:
            outcome.note += " It can't be built again offline, so every tree gets the files of this build."
            await self._run("bash", "-c", _CLEAN)

    async def _restorable(self) -> None:
        if (await self._run("bash", "-c", _KEEP)).extra:
            self.outcome.action = "restore"

    async def _backend(self, plan: python_setup.Plan) -> bool:
        """Install what builds the project, so that it can be built again without a network."""
        if plan.backend and (await self._uv("pip", "install", *plan.backend)).exit_code != 0:
            return False
        asked = await self._run("python", "-c", _BACKEND, extra=plan.environment)
        wanted = [
            word for word in asked.extra.decode("utf-8", "replace").strip("[] \n").split('"')[1::2] if word
        ]
        return not wanted or (await self._uv("pip", "install", *wanted)).exit_code == 0

    async def _builds_again(self, plan: python_setup.Plan) -> bool:
        """Try what every tree will need: a version that the tests pin may be one that can't build."""
        extra = {"UV_NO_CONFIG": "1", **plan.environment}
        again = ("bash", "-c", _AGAIN, "again", *renewal("build"))
        return (await self._run(*again, told="(build again, offline)", extra=extra)).exit_code == 0

    async def _venv(self) -> None:
        moved = () if self._sandbox.kind == "bubblewrap" else ("--relocatable",)  # nothing is at TARGET there
        result = await self._uv(
            "venv", TARGET, "--allow-existing", *moved, "--python", self._interpreter.inside
        )
        if result.exit_code != 0:
            raise self._failure(
                f"A virtual environment for Python {self._interpreter.name} could not be made"
            )

    async def _uv(
        self, *arguments: str, optional: bool = False, extra: Mapping[str, str] | None = None
    ) -> Result:
        environment = {"UV_NO_CONFIG": "1", **(extra or {})}
        told = "" if optional else f"uv {' '.join(arguments)}"
        return await self._run(_UV, *arguments, told=told, extra=environment)

    async def _run(self, *argv: str, told: str = "", extra: Mapping[str, str] | None = None) -> Result:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise self._failure(f"Set-up took longer than {self._seconds:.0f} s")
        limits = Limits(
            seconds=left, memory_bytes=4 << 30, processes=512, file_bytes=4 << 30, disk_bytes=16 << 30
        )
        command = ("sh", "-c", 'mkdir -p "$TMPDIR"; exec "$@"', "sh", *argv)
        result = await self._sandbox.run(
            Command(
                command,
                self._mounts,
                self._cwd,
                {**environment(), **(extra or {})},
                limits,
                egress=self._socket,
            )
        )
        if told:
            self.outcome.log += [f"$ {told}", result.output.rstrip()]
            log.info(
                "setup.command",
                command=told[:200],
                exit_code=result.exit_code,
                seconds=round(result.seconds, 2),
            )
        if result.timed_out:
            raise self._failure(f"Set-up took longer than {self._seconds:.0f} s")
        return result

    def _failure(self, what: str) -> Blocked | WorldFault:
        """Return the error that names the cause: a registry that is away or refuses us, or the log's end."""
        for host, why in self._proxy.unreachable.items():
            return WorldFault(
                f"{what}: the package registry {host} can't be reached ({why}). Check this host's network, "
                "or name a mirror in pip's or uv's configuration (PIP_INDEX_URL).",
                retry_after=60,
            )
        end = "\n".join("\n".join(self.outcome.log).splitlines()[-_LOG_LINES:])
        denied = "".join(f" {host} answered {status}." for host, status in self._proxy.denied.items())
        return Blocked(f"{what}.{denied} The log ends:\n{end}")


def environment() -> dict[str, str]:
    """Return what set-up commands find in their environment; every address is the proxy's."""
    return {
        "PATH": f"{TARGET}/bin:/opt/uv:/opt/python/bin:/usr/local/bin:/usr/bin:/bin",
        "VIRTUAL_ENV": TARGET,
        "TMPDIR": f"{_CACHE}/scratch",
        "XDG_CACHE_HOME": _CACHE,
        "NO_COLOR": "1",
        "UV_CACHE_DIR": f"{_CACHE}/uv",
        "UV_COMPILE_BYTECODE": "1",
        "UV_DEFAULT_INDEX": egress.PYTHON_INDEX,
        "UV_HTTP_RETRIES": "2",
        "UV_NO_PROGRESS": "1",
        "UV_PROJECT_ENVIRONMENT": TARGET,
        "UV_PYTHON_DOWNLOADS": "never",
        "PIP_INDEX_URL": egress.PYTHON_INDEX,
        "PIP_NO_CACHE_DIR": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "npm_config_registry": egress.NPM_REGISTRY,
        "npm_config_cache": f"{_CACHE}/npm",
        "npm_config_audit": "false",
        "npm_config_fund": "false",
        "npm_config_update_notifier": "false",
        "JOURNEYMAN_HOSTS": egress.HOSTS,
    }


def renewal(action: str) -> tuple[str, ...]:
    """Return the command that gives a tree what its project needs; descriptor 9 gets what was left there."""
    if action == "restore":
        command: tuple[str, ...] = ("bash", "-o", "pipefail", "-c", _RESTORE)
    else:
        command = (_UV, "pip", "install", "--offline", "--no-deps", "--no-build-isolation")
        command += ("--reinstall", "--editable", ".")
    return ("bash", "-c", _REINSTALL, "renewal", *command)
