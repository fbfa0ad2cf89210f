"""The process decides how the demo's bot is started, what it is told, and that nothing of it is left."""

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parent.parent
LOOPBACK = "127.0.0.1"
SERVE = (sys.executable, "-m", "bot", "serve")
_LOG_LINES = 20
_TRACE_LINES = 6
# What a person has set for a bot of their own must not reach this one, nor any key.
_OURS = re.compile(
    r"(ANTHROPIC|JOURNEYMAN|GITHUB|GH)_.*"
    r"|(APP_ID|PRIVATE_KEY|PRIVATE_KEY_PATH|WEBHOOK_(SECRET|PATH|PROXY_URL)|DATABASE_URL|HOST|PORT"
    r"|LOG_(LEVEL|FORMAT))(_FILE)?"
)


def environment(given: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """Return what the bot sees: the given environment without any setting of a bot, and its own settings."""
    kept = {name: value for name, value in given.items() if not _OURS.fullmatch(name)}
    for name in ("NO_PROXY", "no_proxy"):  # a proxy of the machine's can't reach our loopback
        kept[name] = ",".join(filter(None, (kept.get(name), LOOPBACK)))
    return kept | {"PYTHONUNBUFFERED": "1", "LOG_FORMAT": "json", "LOG_LEVEL": "info"} | dict(own)


@dataclass
class Bot:
    """`python -m bot serve` as a process of its own, its log read as it grows."""

    log: Path
    environment: Mapping[str, str]
    _process: asyncio.subprocess.Process | None = None
    _read: int = 0
    _family: dict[int, str] = field(default_factory=dict)

    @property
    def exit_code(self) -> int | None:
        """How it ended, None while it runs."""
        return self._process.returncode if self._process else None

    async def start(self, program: Sequence[str] = SERVE) -> None:
        """Start it, in a session of its own so that Ctrl-C reaches it through us alone."""
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *program, env=dict(self.environment), cwd=CHECKOUT,
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def events(self) -> list[dict[str, Any]]:
        """Return the events that it has logged since the last call."""
        with self.log.open("rb") as log:
            log.seek(self._read)
            text = log.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._read += len(whole)
        return [event for line in whole.splitlines() if (event := _event(line)) is not None]

    def last_words(self) -> list[str]:
        """Return the end of its log in readable lines."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return [each for line in lines[-_LOG_LINES:] for each in _readable(line)]

    async def stop(self, patience: float) -> None:
        """Ask it to end, end it after `patience` seconds, and return when all its processes are gone.

        When cancelled meanwhile it ends everything at once.
        """
        if self._process is None:
            return
        self._family |= _descendants(self._process.pid)
        try:
            if self._process.returncode is None:
                self._process.send_signal(signal.SIGTERM)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(patience):
                        await self._process.wait()
            await self._until_alone(patience)
        finally:
            self._kill()
        await self._process.wait()
        await self._until_alone(patience)

    def _kill(self) -> None:
        """End the process and all that it had started, without asking."""
        assert self._process is not None  # noqa: S101  # only called once it was started
        if self._process.returncode is None:
            self._family |= _descendants(self._process.pid)
            self._process.kill()
        for pid in self._left():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)

    def _left(self) -> list[int]:
        return [pid for pid, born in self._family.items() if _born(pid) == born]

    async def _until_alone(self, patience: float) -> None:
        """Wait that long for what it had started, which ends when it does."""
        deadline = asyncio.get_running_loop().time() + patience
        while asyncio.get_running_loop().time() < deadline:
            if not self._left():
                return
            await asyncio.sleep(0.02)


def _descendants(pid: int) -> dict[int, str]:
    """Return the processes below one, each with the time it was born, as /proc tells."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (stat := _stat(int(entry.name))):
            parents.setdefault(int(stat[1]), []).append(int(entry.name))
    found, waiting = {}, [pid]
    while waiting:
        for child in parents.get(waiting.pop(), []):
            found[child] = _born(child)
            waiting.append(child)
    return found


def _born(pid: int) -> str:
    """Return when a process was born, nothing when there is none (or only its exit code is left)."""
    stat = _stat(pid)
    return stat[19] if stat and stat[0] != "Z" else ""


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat after the name: state, parent, …, and start time at 19."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def _event(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and isinstance(found.get("event"), str) else None


def _readable(line: str) -> list[str]:
    """Return an event as one line, the end of its traceback below it."""
    event = _event(line.encode())
    if event is None:
        return [line]
    left_out = {"event", "timestamp", "level", "exception"}
    facts = " ".join(f"{name}={value}" for name, value in event.items() if name not in left_out)
    trace = str(event.get("exception", "")).strip().splitlines()[-_TRACE_LINES:]
    told = f"{str(event.get('timestamp', ''))[11:19]} {event.get('level', '')} {event['event']} {facts}"
    return [told.rstrip(), *(f"    {each}" for each in trace)]
