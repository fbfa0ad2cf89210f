"""The command decides what the command line and the environment ask of the demo."""

import argparse
import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence

from demo import journey
from demo.journey import Wishes
from demo.screen import Screen

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
_ABOUT = """\
A maintainer labels an issue, and some seconds later there is a proven pull request:
the real bot, its sandbox, git and pytest, against stand-ins for GitHub and Claude on
this machine."""
_MORE = """\
environment:
  KEEP=1         the same as --keep
  CLAUDE=real    talk to the real API, with ANTHROPIC_API_KEY (and ANTHROPIC_BASE_URL,
                 JOURNEYMAN_MODEL when set); this costs money, the demo says how much at most
  NO_COLOR=1     plain text"""


def main(arguments: Sequence[str]) -> int:
    """Return the exit code: 0 pull request proven, 1 not so, 2 wrong usage, 130 interrupted."""
    given = _parser().parse_args(arguments)
    wishes = Wishes(
        os.environ,
        keep=given.keep or os.environ.get("KEEP", "0") not in {"", "0"},
        port=given.port,
        real=os.environ.get("CLAUDE") == "real",
    )
    if problem := obstacle(wishes.environ, sys.platform):
        sys.stderr.write(f"demo: {problem}\n")
        return USAGE
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a terminal without UTF-8 shows "?" for an emoji
    screen = Screen(sys.stdout)
    stopped = "Stopped: every process that the demo had started has ended."
    try:
        well = asyncio.run(_interruptible(wishes, screen))
    except (KeyboardInterrupt, asyncio.CancelledError):
        screen.note(stopped)
        return INTERRUPTED
    if well and wishes.keep:
        screen.note(stopped)
    return DONE if well else FAILED


def obstacle(environ: Mapping[str, str], platform: str) -> str:
    """Return why the demo can't start here, and what helps; nothing when it can."""
    claude = environ.get("CLAUDE", "scripted")
    if claude not in {"real", "scripted", ""}:
        return f"CLAUDE={claude} is neither `real` nor `scripted`"
    if claude == "real" and not environ.get("ANTHROPIC_API_KEY"):
        return "CLAUDE=real needs ANTHROPIC_API_KEY, the key that the calls are charged to"
    if platform != "linux":
        return f"the sandbox in which the bot works needs Linux, and this is {platform}"
    if shutil.which("git") is None:
        return "git is needed, and it is not on PATH"
    return ""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m demo",
        description=_ABOUT,
        epilog=_MORE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--keep", action="store_true", help="leave it up, with pages for a browser, until Ctrl-C"
    )
    parser.add_argument("--port", type=_port, default=0, help="where the pages are (default: a free port)")
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text} is not a port")
    return int(text)


async def _interruptible(wishes: Wishes, screen: Screen) -> bool:
    """Run the journey; being told to end, or losing the terminal, is the same as Ctrl-C."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101  # asyncio.run makes one
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await journey.run(wishes, screen)
