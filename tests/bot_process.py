"""Run `python -m bot` as people do, and look at its worker."""

import asyncio
import contextlib
import os
import re
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from tests import rsa_key
from tests.story import free_port

CHECKOUT = Path(__file__).resolve().parents[1]
OURS = re.compile(r"(ANTHROPIC|JOURNEYMAN|GITHUB)_|(APP_ID|PRIVATE_KEY|WEBHOOK_|DATABASE_URL|HOST|PORT|LOG_)")


def environment(data_dir: Path, **more: str) -> dict[str, str]:
    """Return all that `serve` needs, with services that nobody listens for."""
    kept = {name: value for name, value in os.environ.items() if not OURS.match(name)}
    return (
        kept
        | {
            "APP_ID": "1",
            "PRIVATE_KEY": rsa_key.pem(),
            "WEBHOOK_SECRET": "secret",
            "ANTHROPIC_API_KEY": "key",
            "ANTHROPIC_BASE_URL": "http://127.0.0.1:9",
            "GITHUB_API_URL": "http://127.0.0.1:9",
            "GITHUB_SERVER_URL": "http://127.0.0.1:9",
            "HOST": "127.0.0.1",
            "PORT": str(free_port()),
            "JOURNEYMAN_DATA_DIR": str(data_dir),
            "LOG_FORMAT": "json",
            "PYTHONPATH": str(CHECKOUT),
        }
        | more
    )


async def run(
    *arguments: str, env: dict[str, str], cwd: Path = CHECKOUT, stdin: bytes = b""
) -> tuple[int, str, str]:
    """Run a command to its end; returns its exit code, standard output and standard error."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", *arguments, env=env, cwd=cwd, stdin=-1, stdout=-1, stderr=-1
    )
    async with asyncio.timeout(60):
        output, errors = await process.communicate(stdin)
    return process.returncode or 0, output.decode(), errors.decode()


@dataclass
class Server:
    """A running `serve`."""

    process: asyncio.subprocess.Process
    log: Path

    def workers(self) -> list[int]:
        """Return the process ids of its workers."""
        return [
            int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit() and self._owns(each)
        ]

    def _owns(self, entry: Path) -> bool:
        with contextlib.suppress(OSError):
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            return parent == self.process.pid and b"\0worker\0" in (entry / "cmdline").read_bytes()
        return False

    async def until(self, condition: Callable[[], bool], seconds: float = 40) -> None:
        """Wait until the condition holds; fails with the log when it doesn't."""
        try:
            async with asyncio.timeout(seconds):
                while not condition():  # noqa: ASYNC110  # other processes call nobody
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"not so within {seconds} s: {self.text()[-4000:]}") from None

    def text(self) -> str:
        """Return the log so far."""
        return self.log.read_text()

    async def working(self, times: int = 1) -> int:
        """Wait until a worker has started for that many times, and return its process id."""
        await self.until(lambda: self.text().count("worker.started") >= times)
        (worker,) = self.workers()
        return worker


@contextlib.asynccontextmanager
async def serving(log: Path, env: dict[str, str], cwd: Path = CHECKOUT) -> AsyncIterator[Server]:
    """Start `serve`; it and its worker are gone afterwards."""
    with log.open("ab") as file:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot", "serve", env=env, cwd=cwd, stdout=file, stderr=file
        )
    try:
        yield Server(process, log)
    finally:
        if process.returncode is None:
            process.kill()  # its worker ends by itself, as a test says
        await process.wait()


def is_alive(pid: int) -> bool:
    """Whether the process is there and not just waiting to be buried."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False
