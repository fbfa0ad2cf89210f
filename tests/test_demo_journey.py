"""Test the guided demo as a newcomer meets it: one command, one story, nothing left behind."""

import asyncio
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest

from demo import command, process

CHECKOUT = Path(__file__).resolve().parent.parent
# What a machine may have set for other purposes; none of it may reach the demo's bot.
STRAY = {
    "ANTHROPIC_API_KEY": "a-real-key-that-must-not-be-used",
    "APP_ID": "1",
    "DATABASE_URL": "postgresql://nowhere/at-all",
    "GITHUB_TOKEN": "ghp_stray",
    "JOURNEYMAN_LABEL": "another-label",
    "JOURNEYMAN_NO_SUCH_SETTING": "1",
    "PORT": "1",
    "WEBHOOK_SECRET_FILE": "/nowhere",
}
STORY = [
    r"maria +opens issue #1",
    r"maria +adds the label journeyman",
    r"journeyman +👀",
    r"journeyman +answers on the issue",
    r"Claude +\$ python -m pytest",
    r"sandbox +3 failed, 13 passed",
    r"Claude +finish: ",
    r"proof +says regressed",
    r"simulated human +.*proof did not hold",
    r"simulated human +tests/test_stamps.py::test_an_offset_of_hours_alone_will_do",
    r"sandbox +22 passed",
    r"proof +says proven",
    r"journeyman +pushes [0-9a-f]{7}",
    r"journeyman +opens pull request #2",
    r"journeyman +check run: success",
    r"journeyman +has the last word",
    r"issue #1 · open",
    r"✅ Done in ",
    r"▾ \d+ · Agent — The whole suite passes, and the change is small\.",
    r"@maria done: #2",
    r"pull request #2 · open",
    r"Existing tests │ +19 passed │ 19 passed │ +±0",
    r"New tests +│ +9 failed │ +9 passed │ 9 newly passing",
    r"✅ success",
    r"\+_OFFSET = re\.compile",
    r"became pull request #2, proven",
    r"http://127\.0\.0\.1:\d+/acme/almanac/pull/2",
]


class Terminal:
    """One `python -m demo`, what it has printed so far, and the processes that bear its mark."""

    def __init__(self, running: asyncio.subprocess.Process, folder: Path) -> None:
        self.running = running
        self.folder = folder
        self.text = ""

    async def until(self, pattern: str, seconds: float) -> re.Match[str]:
        """Return the first match in what is printed; fails with all of it when it does not come."""
        assert self.running.stdout is not None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not (found := re.search(pattern, self.text)):
                    piece = await self.running.stdout.read(65_536)
                    if not piece:
                        break
                    self.text += piece.decode(errors="replace")
        found = re.search(pattern, self.text)
        assert found, f"{pattern} did not come:\n{self.text}"
        return found

    async def interrupt(self) -> int:
        """Press Ctrl-C, and return the exit code."""
        self.running.send_signal(signal.SIGINT)
        async with asyncio.timeout(30):
            rest, _ = await self.running.communicate()
        self.text += rest.decode(errors="replace")
        assert self.running.returncode is not None
        return self.running.returncode

    def left(self) -> list[str]:
        """Return the processes and files that are left of it."""
        return [*_marked(str(self.folder)), *(str(path) for path in self.folder.iterdir())]


def _marked(mark: str) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                told = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
                if mark.encode() in told:
                    found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found


@contextlib.asynccontextmanager
async def demo(folder: Path, *arguments: str) -> AsyncIterator[Terminal]:
    """Start the demo in a folder for temporary files of its own; end it in any case."""
    kept = {name: value for name, value in os.environ.items() if name not in {"KEEP", "CLAUDE"}}
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "demo", *arguments, cwd=CHECKOUT,
        env=kept | STRAY | {"TMPDIR": str(folder), "COLUMNS": "100"},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    terminal = Terminal(running, folder)
    try:
        yield terminal
    finally:
        if running.returncode is None:
            running.terminate()
            await running.wait()


@pytest.mark.timeout(240)
async def test_the_demo_tells_the_story_and_leaves_nothing(tmp_path: Path) -> None:
    """One command leads from a label to a proven pull request, shows both in a browser, and cleans up."""
    async with demo(tmp_path, "--keep") as terminal:
        page = (await terminal.until(r"(http://\S+/acme/almanac)/pull/2\n[^\n]*Ctrl-C", 170))[1]
        at = 0
        for pattern in STORY:
            found = re.compile(pattern).search(terminal.text, at)
            assert found, f"{pattern} is not next in the story:\n{terminal.text}"
            at = found.end()
        assert "\x1b" not in terminal.text
        assert "<!--" not in terminal.text
        assert STRAY["ANTHROPIC_API_KEY"] not in terminal.text
        async with aiohttp.ClientSession() as http:
            for path in ("issues/1", "pull/2"):
                async with http.get(f"{page}/{path}") as answer:
                    assert "to_utc ignores the minutes" in await answer.text()
        assert len(_marked(str(tmp_path))) >= 3  # the demo, the bot's server, its worker
        assert await terminal.interrupt() == 0
        assert terminal.left() == []


async def test_ctrl_c_ends_everything_at_any_time(tmp_path: Path) -> None:
    """Interrupted in the middle of its work, the demo says so and leaves no process and no file."""
    async with demo(tmp_path) as terminal:
        await terminal.until(r"Claude +\$ ", 90)
        assert len(_marked(str(tmp_path))) >= 3
        assert await terminal.interrupt() == command.INTERRUPTED
        assert "Stopped" in terminal.text
        assert "Traceback" not in terminal.text
        assert terminal.left() == []


async def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    """Where the pages can't be served the demo says which port is taken, before it starts a bot."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        async with demo(tmp_path, "--port", str(port)) as terminal:
            await terminal.until(f"Port {port} of 127.0.0.1 is taken", 30)
            assert await terminal.running.wait() == command.FAILED
            assert terminal.left() == []


@pytest.mark.parametrize(
    ("environ", "platform", "said"),
    [
        ({"CLAUDE": "real"}, "linux", "ANTHROPIC_API_KEY"),
        ({"CLAUDE": "genuine"}, "linux", "genuine"),
        ({}, "darwin", "Linux"),
        ({"CLAUDE": "real", "ANTHROPIC_API_KEY": "key"}, "linux", ""),
        ({}, "linux", ""),
    ],
)
def test_what_the_demo_lacks_is_said_in_a_sentence(environ: dict[str, str], platform: str, said: str) -> None:
    """What is missing is named before anything starts."""
    problem = command.obstacle(environ, platform)
    assert said in problem
    assert bool(problem) is bool(said)


def test_an_old_python_is_told_so() -> None:
    """The entry point imports nothing that an older Python could not read before it has looked."""
    source = (CHECKOUT / "demo" / "__main__.py").read_text()
    program = source.replace("OLDEST = (3, 11)", "OLDEST = (99, 0)")
    assert program != source
    ended = subprocess.run(
        [sys.executable, "-S", "-c", program], cwd="/", capture_output=True, text=True, check=False
    )
    assert ended.returncode == command.USAGE
    assert "Python 3.11 or newer is needed" in ended.stderr


@pytest.mark.parametrize("name", [*STRAY, "GH_TOKEN", "PRIVATE_KEY_PATH", "HOST_FILE", "LOG_FORMAT"])
def test_no_setting_of_another_bot_reaches_the_demo(name: str) -> None:
    """The bot sees the demo's own settings alone, whatever the machine has set."""
    assert process.environment({name: "stray", "PATH": "/bin"}, {}).get(name) != "stray"


def test_a_proxy_of_the_machine_is_not_asked_for_loopback() -> None:
    """The addresses of the stand-ins are added to those that no proxy is asked for."""
    seen = process.environment({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "example.com"}, {})
    assert seen["HTTPS_PROXY"] == "http://proxy:3128"
    assert seen["NO_PROXY"] == "example.com,127.0.0.1"


async def _quick(program: str, folder: Path, act: Callable[[process.Bot], object]) -> process.Bot:
    """Run a program in the place of the bot, and let it be stopped."""
    script = folder / "bot.py"
    script.write_text(program)
    bot = process.Bot(folder / "bot.log", {"PATH": os.environ["PATH"]})
    await bot.start((sys.executable, str(script)))
    async with asyncio.timeout(20):
        while True:
            if act(bot):
                break
            await asyncio.sleep(0.01)
    await bot.stop(patience=0.2)
    return bot


async def test_a_bot_that_does_not_end_is_ended(tmp_path: Path) -> None:
    """A bot that ignores SIGTERM is killed, and so is a child of its that outlives it."""
    program = f"""
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
sleep = "import time; time.sleep(600)"
subprocess.Popen([sys.executable, "-c", sleep, {str(tmp_path)!r}], start_new_session=True)
print('{{"event": "up"}}', flush=True)
time.sleep(600)
"""
    await _quick(program, tmp_path, lambda bot: bot.events())
    assert _marked(str(tmp_path)) == []


async def test_the_log_of_a_bot_ends_readably(tmp_path: Path) -> None:
    """An event of the log becomes one line with its facts; what is no event stays as it is."""
    program = """
print('{"event": "step.crashed", "level": "error", "timestamp": "2026-11-22T09:31:36.0Z", "task": "t1"}')
print("no event", flush=True)
"""
    bot = await _quick(program, tmp_path, lambda bot: bot.exit_code is not None)
    assert bot.last_words() == ["09:31:36 error step.crashed task=t1", "no event"]
