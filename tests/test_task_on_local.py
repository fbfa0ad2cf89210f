"""A project's task starts at its clone's HEAD; what is not committed is named, and left alone."""

import os
from pathlib import Path

import pytest

from bot.errors import Blocked
from bot.task import on_local
from bot.task.configuration import Misconfigured
from bot.task.on_local import OnProject
from bot.task.work import Work
from bot.workspace.mirror import Mirrors
from storage import events
from storage.database import Database
from storage.words import EventKind
from tests import git_remote, records

SETTINGS = ".github/journeyman.yml"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Make a clone below a root."""
    return git_remote.make_clone(tmp_path / "roots" / "widget", {"a.py": "a = 1\n", "b.py": "b = 1\n"})


async def _work(database: Database, clone: Path, description: str = "") -> Work:
    owner = await records.a_session(
        database, repository="widget", repository_id=None, issue_number=None, project_path=str(clone)
    )
    task = await records.a_task(
        database, owner, trigger={"origin": "api", "title": "Add up", "body": "It is off."}
    )
    return await Work.load(database, task.id)


def _forge(work: Work, root: Path) -> OnProject:
    return on_local.for_session(work.session, Mirrors(root / "mirrors"), [str(root / "roots")])


def _replace(clone: Path, outside: Path) -> None:
    clone.rename(outside).parent.joinpath("roots", clone.name).symlink_to(outside)


def _put_back(clone: Path, outside: Path) -> None:
    clone.unlink()
    outside.rename(clone)


async def _notes(database: Database, work: Work) -> list[str]:
    async with database.reading() as reading:
        found = await events.after(reading, work.id, 0)
    return [event.data["text"] for event in found if event.kind is EventKind.NOTE]


async def test_a_task_starts_at_the_branch_that_is_checked_out(
    sqlite: Database, clone: Path, tmp_path: Path
) -> None:
    """Base, title, body and the committed configuration; a clean tree needs no word."""
    git_remote.git(clone, "checkout", "-q", "-b", "trunk")
    git_remote.add_commit(clone, {SETTINGS: "test: make test\n"})
    (clone / SETTINGS).write_text("test: not committed\n")
    git_remote.git(clone, "checkout", "-q", "--", SETTINGS)
    work = await _work(sqlite, clone)
    admission = await _forge(work, tmp_path).admit(work)
    source = await _forge(work, tmp_path).source(work, "write")

    assert (admission.base, admission.title, admission.body) == ("trunk", "Add up", "It is off.")
    assert admission.configuration.test == "make test"
    assert (source.url, source.authorization, source.local) == (str(clone), None, True)
    assert await _notes(sqlite, work) == []


async def test_uncommitted_changes_are_named_once_and_left_alone(
    sqlite: Database, clone: Path, tmp_path: Path
) -> None:
    """Changed, staged, renamed, deleted and new files; the configuration in force is the committed one."""
    (clone / "a.py").write_text("a = 2\n")
    git_remote.git(clone, "mv", "b.py", "c.py")
    (clone / ".github").mkdir()
    (clone / SETTINGS).write_text("proof: off\n")
    (clone / "new file").write_text("x")
    before = git_remote.git(clone, "status", "--porcelain"), (clone / ".git" / "index").read_bytes()
    work = await _work(sqlite, clone)
    forge = _forge(work, tmp_path)
    admission = await forge.admit(work)
    await work.reload()
    await forge.admit(work)  # as after a crash

    assert admission.configuration.proof == "required"
    (note,) = await _notes(sqlite, work)
    assert note.startswith("4 files with uncommitted changes play no part: ")
    assert all(name in note for name in ("a.py", "c.py", ".github/", "new file"))
    assert "b.py" not in note
    index = (clone / ".git" / "index").read_bytes()
    assert (index, git_remote.git(clone, "status", "--porcelain")) == (before[1], before[0])


async def test_many_are_counted(clone: Path, sqlite: Database, tmp_path: Path) -> None:
    """Ten are named."""
    for number in range(25):
        (clone / f"n{number:02}").write_text("x")
    work = await _work(sqlite, clone)
    await _forge(work, tmp_path).admit(work)

    (note,) = await _notes(sqlite, work)
    assert note == (
        "25 files with uncommitted changes play no part: "
        + ", ".join(f"n{number:02}" for number in range(10))
        + " and 15 more"
    )


async def test_looking_runs_nothing_of_the_clone(clone: Path, tmp_path: Path) -> None:
    """Neither a filter nor a file system monitor that its configuration names is started."""
    git_remote.add_commit(clone, {".gitattributes": "*.py filter=evil\n"})
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\ncat\n")
    trap.chmod(0o755)
    for key in ("filter.evil.clean", "filter.evil.process", "core.fsmonitor"):
        git_remote.git(clone, "config", key, str(trap))
    (clone / "a.py").write_text("a = 2\n")
    os.utime(clone / "b.py", (1, 1))

    assert await on_local.uncommitted(clone) == ["a.py"]
    assert not (tmp_path / "ran").exists()


async def test_a_folder_that_is_not_what_it_was_blocks(sqlite: Database, clone: Path, tmp_path: Path) -> None:
    """A link put in its place, or a root taken away, after the session was opened."""
    work = await _work(sqlite, clone)
    outside = tmp_path / "outside"
    _replace(clone, outside)
    with pytest.raises(Blocked, match="JOURNEYMAN_PROJECT_ROOTS"):
        await _forge(work, tmp_path).admit(work)
    _put_back(clone, outside)
    with pytest.raises(Blocked, match="JOURNEYMAN_PROJECT_ROOTS"):
        await on_local.for_session(work.session, Mirrors(tmp_path / "mirrors"), []).admit(work)


async def test_what_cannot_be_started_from_blocks(sqlite: Database, clone: Path, tmp_path: Path) -> None:
    """A detached HEAD, and a configuration that can't be used, are said in words."""
    git_remote.add_commit(clone, {SETTINGS: "modle: x\n"})
    work = await _work(sqlite, clone)
    with pytest.raises(Misconfigured, match=r"journeyman.yml: line 1, column 1: `modle`"):
        await _forge(work, tmp_path).admit(work)
    git_remote.git(clone, "checkout", "-q", "--detach")
    with pytest.raises(Blocked, match="check one out"):
        await _forge(work, tmp_path).admit(work)


async def test_a_session_without_a_folder_has_no_such_forge(sqlite: Database, tmp_path: Path) -> None:
    """Asking for it is our own mistake."""
    owner = await records.a_session(sqlite)
    with pytest.raises(ValueError, match=owner.id):
        on_local.for_session(owner, Mirrors(tmp_path), [])
