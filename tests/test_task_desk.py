"""A task's tree is where it was left; elsewhere the last snapshot and an honest word take its place."""

from pathlib import Path

import pytest

from bot.task.desk import Desk, Workshop
from bot.task.work import Work
from bot.workspace.environment import Environments
from bot.workspace.mirror import Mirrors
from bot.workspace.sandbox import Sandbox
from storage.database import Database
from storage.words import InteractionType as T
from storage.words import TaskState
from tests import git_remote, records

FILES = {"shop.txt": "one\n"}


class Site:
    """One task, and as many machines to do it on as a test wants."""

    def __init__(self, database: Database, root: Path, url: str, task_id: str) -> None:
        self.database = database
        self.root = root
        self.url = url
        self.task_id = task_id

    async def machine(self, name: str) -> Workshop:
        """Return the workshop of one machine, its mirror fetched."""
        data = self.root / name
        sandbox = Sandbox("bubblewrap", data)
        shop = Workshop(data, sandbox, Mirrors(data / "mirrors"), Environments(sandbox, data / "env", ()))  # type: ignore[arg-type]
        await shop.mirrors.fetch(7, self.url, None, ["main"], local=True)
        return shop

    async def desk(self, shop: Workshop) -> Desk:
        """Open the desk as a process does that takes up the task, its tree laid out."""
        desk = await Desk.open(shop, await Work.load(self.database, self.task_id))
        await desk.lay_out()
        return desk

    async def call(self, desk: Desk, number: int) -> None:
        """Let Claude write the call's number into the file."""
        work = desk._work
        given = {"command": f"echo {number}"}
        await work.append((T.TOOL_CALL, {"id": f"c{number}", "name": "bash", "input": given}))
        (desk.tree / "shop.txt").write_text(f"{number}\n")

    async def notices(self) -> list[str]:
        """Return what Claude was told about lost work."""
        work = await Work.load(self.database, self.task_id)
        return [str(e.content["text"]) for e in await work.entries() if e.content.get("notice")]


@pytest.fixture
async def site(sqlite: Database, tmp_path: Path) -> Site:
    clone = git_remote.make_clone(tmp_path / "clone", FILES)
    base = git_remote.git(clone, "rev-parse", "HEAD")
    task = await records.a_task(sqlite, status=TaskState.RUNNING, base_sha=base, base_ref="main")
    return Site(sqlite, tmp_path, str(clone), task.id)


def _content(desk: Desk) -> str:
    return (desk.tree / "shop.txt").read_text()


async def test_after_a_restart_the_tree_is_as_it_was_left(site: Site) -> None:
    """Also where no snapshot held it yet."""
    shop = await site.machine("a")
    await site.call(await site.desk(shop), 1)
    assert _content(await site.desk(shop)) == "1\n"
    assert await site.notices() == []


async def test_on_another_machine_it_comes_from_the_last_snapshot(site: Site) -> None:
    """Claude is told once which later calls are lost, however often the tree must be made again."""
    desk = await site.desk(await site.machine("a"))
    await site.call(desk, 1)
    await desk.snapshot()
    await site.call(desk, 2)
    assert _content(await site.desk(await site.machine("b"))) == "1\n"
    (told,) = await site.notices()
    assert "echo 2" in told
    assert "echo 1" not in told
    assert _content(await site.desk(await site.machine("c"))) == "1\n"
    assert len(await site.notices()) == 1


async def test_a_tree_that_another_machine_has_left_behind_is_not_believed(site: Site) -> None:
    """Back on the first machine the work of the second counts, though a tree still lies there."""
    first, second = await site.machine("a"), await site.machine("b")
    stale = await site.desk(first)
    await site.call(stale, 1)
    await stale.snapshot()
    other = await site.desk(second)
    await site.call(other, 2)
    await other.snapshot()
    assert _content(await site.desk(first)) == "2\n"
    stale.attend(await Work.load(site.database, site.task_id))
    await stale.lay_out()
    assert _content(stale) == "2\n"


async def test_a_snapshot_needs_no_tree_of_its_own_machine(site: Site) -> None:
    """A process that takes up a task at the end of a round lays the tree out first."""
    desk = await site.desk(await site.machine("a"))
    await site.call(desk, 1)
    tree = await desk.snapshot()
    taken_up = await Desk.open(await site.machine("b"), await Work.load(site.database, site.task_id))
    assert await taken_up.snapshot() == tree


async def test_reading_without_writing_is_not_told_as_lost(site: Site) -> None:
    """A later snapshot of the same tree counts the calls in between as kept."""
    desk = await site.desk(await site.machine("a"))
    await site.call(desk, 1)
    await desk.snapshot()
    await site.call(desk, 1)
    await desk.snapshot()
    await site.desk(await site.machine("b"))
    assert await site.notices() == []


async def test_work_that_never_began_leaves_nothing_to_salvage(site: Site) -> None:
    """And what was snapshotted can be saved without any tree."""
    shop = await site.machine("a")
    work = await Work.load(site.database, site.task_id)
    assert await (await Desk.open(shop, work)).salvage() is None
    desk = await site.desk(shop)
    await site.call(desk, 1)
    tree = await desk.snapshot()
    elsewhere = await Desk.open(await site.machine("b"), await Work.load(site.database, site.task_id))
    assert await elsewhere.salvage() == tree
    assert await site.notices() == []


async def test_a_closed_desk_leaves_nothing_on_the_disk(site: Site) -> None:
    """Neither the tree nor the objects."""
    shop = await site.machine("a")
    desk = await site.desk(shop)
    await desk.close()
    assert not shop.root(desk._work).exists()
    assert not shop.quarantine(desk._work).exists()
