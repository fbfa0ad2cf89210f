"""Read the command line and run what it names."""

import argparse
import asyncio
import contextlib
import gc
import importlib
import os
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from sqlalchemy.exc import DBAPIError

from bot import logs, settings
from bot.errors import JourneymanError, UsageFault
from bot.words.redaction import Redactor
from storage import database as databases
from storage import schema
from storage.schema import SchemaMismatch

DONE, FAILED, USAGE = 0, 1, 2
Command = Callable[[argparse.Namespace], Coroutine[Any, Any, int]]


def main(arguments: list[str] | None = None) -> int:
    """Return the exit code: 0 done, 1 failed, 2 usage (contract, section 2)."""
    given = _parser().parse_args(arguments)
    command: Command = given.command
    try:
        return asyncio.run(command(given))
    except UsageFault as problem:
        return _say(str(problem), USAGE)
    except (JourneymanError, SchemaMismatch) as problem:
        return _say(str(problem), FAILED)
    except KeyboardInterrupt:
        return _say("interrupted", FAILED)
    except DBAPIError as problem:
        why = " ".join(str(problem.orig).split())
        return _say(f"the database does not do its part ({why}): see that it runs, and DATABASE_URL", FAILED)


def _say(text: str, code: int) -> int:
    sys.stderr.write(f"journeyman: {text}\n")
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bot", description="Journeyman, a self-hosted GitHub App."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Command, help_: str) -> argparse.ArgumentParser:
        one = commands.add_parser(name, help=help_, description=help_)
        one.set_defaults(command=command)
        return one

    add("serve", _serve, "Receive webhooks and do tasks: two processes over one SQLite file (or PostgreSQL).")
    working = add("worker", _worker, "Do tasks only (PostgreSQL; `serve` starts its own).")
    working.add_argument("--wake-descriptor", type=int, help=argparse.SUPPRESS)
    add("web", _web, "Receive webhooks only (PostgreSQL).")
    add("migrate", _migrate, "Bring the database to this version's schema.")
    new = add("setup", _setup, "Register the App at GitHub from app.yaml, and keep its key.")
    new.add_argument("--org", help="the organization that is to own the App (default: your own account)")
    new.add_argument("--name", help="the App's name (default: app.yaml's); GitHub lets you change it")
    new.add_argument("--url", help="where GitHub sends webhooks (default: from JOURNEYMAN_PUBLIC_URL)")
    new.add_argument("--out", type=Path, default=Path(), help="the folder for key and settings (default: .)")
    new.add_argument("--port", type=_port, default=0, help="the port on loopback (default: a free one)")
    add("check", _check, "Say line by line what is right and what is not, with the fix.")
    run = add("run", _run, "Do a task on a local clone, without GitHub; the result is a branch.")
    run.add_argument("--repo", type=Path, required=True, help="the local clone")
    run.add_argument(
        "--issue", required=True, help="a text file with the issue (first line: its title), or -"
    )
    run.add_argument("--base", help="the branch to start from (default: the clone's HEAD)")
    look = add("sessions", _sessions, "List sessions, or show one with its tasks.")
    look.add_argument("session", nargs="?", help="a session's id")
    again = add("replay", _replay, "Hand a stored delivery to its handlers again.")
    again.add_argument("delivery", help="the X-GitHub-Delivery id")
    return parser


def _port(text: str) -> int:
    if not (text.isdecimal() and int(text) <= 65_535):
        raise argparse.ArgumentTypeError(f"{text!r} is no port")
    return int(text)


def _room(name: str) -> Any:
    """Load what one command needs, and no more: the receiver must not carry the worker's libraries."""
    gc.disable()  # a library makes thousands of classes, none of them garbage: a start takes a quarter less
    try:
        return importlib.import_module(f"bot.{name}")
    finally:
        gc.freeze()
        gc.enable()


def _configured(required: tuple[str, ...] = settings.REQUIRED) -> settings.Settings:
    read = settings.from_environment(os.environ, required)
    logs.configure(read, Redactor.knowing(read.secrets()))
    return read


async def _serve(_: argparse.Namespace) -> int:
    await _room("supervisor").serve(_configured(), os.environ)
    return DONE


async def _worker(given: argparse.Namespace) -> int:
    configured = _configured()
    if given.wake_descriptor is None:
        _postgresql_only(configured, "worker")
    await _room("worker").work(configured, given.wake_descriptor)
    return DONE


async def _web(_: argparse.Namespace) -> int:
    configured = _configured()
    _postgresql_only(configured, "web")
    await _room("supervisor").receive(configured)
    return DONE


def _postgresql_only(configured: settings.Settings, command: str) -> None:
    if not (configured.database_url or "").startswith("postgresql://"):
        raise settings.SettingsError(
            f"`{command}` by itself needs DATABASE_URL=postgresql://…: with SQLite, `serve` does it all"
        )


async def _migrate(_: argparse.Namespace) -> int:
    configured = _configured(required=())
    configured.make_data_dir()
    url = configured.database_url or databases.default_url(configured.data_dir)
    async with contextlib.aclosing(databases.connect(url)) as database:
        await schema.upgrade(database)
    return DONE


async def _setup(given: argparse.Namespace) -> int:
    await _room("setup").register(
        _room("setup").settings_for(os.environ),
        org=given.org, name=given.name, url=given.url, out=given.out, port=given.port,
    )  # fmt: skip
    return DONE


async def _check(_: argparse.Namespace) -> int:
    return DONE if await _room("check").check(os.environ) else FAILED


async def _run(given: argparse.Namespace) -> int:
    configured = _configured(required=("ANTHROPIC_API_KEY",))
    text = await asyncio.to_thread(_text, given.issue)
    return DONE if await _room("local").run(configured, given.repo, text, given.base) else FAILED


def _text(issue: str) -> str:
    try:
        raw = sys.stdin.buffer.read() if issue == "-" else Path(issue).read_bytes()
        return raw.decode("utf-8")
    except (OSError, ValueError) as problem:  # ValueError: it is not UTF-8
        raise UsageFault(f"--issue {issue} can't be read ({problem}): name a text file, or -") from None


async def _sessions(given: argparse.Namespace) -> int:
    return DONE if await _room("sessions").show(_configured(required=()), given.session) else FAILED


async def _replay(given: argparse.Namespace) -> int:
    return DONE if await _room("replay").replay(_configured(required=()), given.delivery) else FAILED


if __name__ == "__main__":
    sys.exit(main())
