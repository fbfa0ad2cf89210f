"""Hold the way into a tree and out of it to its word, in the real sandbox and against hostile trees."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.errors import Blocked
from bot.workspace import jail, mirror, policy, quarantine, sandbox
from tests import git_remote

FILES = {"a.txt": "one\n", "src/b.py": "print(1)\n", ".gitignore": "*.log\n/build/\n", "kept.log": "x\n"}


@dataclass
class Room:
    """One task with a tree to work in."""

    box: sandbox.Sandbox
    held: quarantine.Quarantine
    jail: jail.Jail
    folder: Path
    tree: Path
    base: str

    async def fresh_tree(self, name: str) -> Path:
        """Make one more empty tree."""
        return await self.box.make_dir(self.folder / name)

    async def work(self, script: str, tree: Path | None = None) -> str:
        """Do what the agent does, in the sandbox, and return what it sees."""
        mounts = (sandbox.Mount(tree or self.tree, "/workspace", writable=True), *self.jail.lenders)
        result = await self.box.run(sandbox.Command(("/bin/sh", "-ec", script), mounts))
        assert result.exit_code == 0, result.output
        return result.output

    async def result(self, *exclude: str) -> str:
        """Take a snapshot, adopt it and return its tree."""
        shot = await self.jail.snapshot(self.tree, self.base, exclude)
        await self.held.adopt(shot.pack, shot.tree)
        return shot.tree

    async def changed(self, *exclude: str) -> dict[str, str]:
        """Return the status of each path that a snapshot shows as changed."""
        return {
            one.path: one.status for one in await self.held.changes(self.base, await self.result(*exclude))
        }


async def make_room(tmp_path: Path, clone: Path) -> Room:
    copy = await mirror.Mirrors(tmp_path / "mirrors").fetch(1, str(clone), None, [], local=True)
    held = await quarantine.Quarantine.open(copy, tmp_path / "tasks" / "1.git")
    box = sandbox.Sandbox("bubblewrap", tmp_path / "data")
    folder = await box.make_dir(tmp_path / "data" / "work" / "task")
    tree = await box.make_dir(folder / "tree")
    return Room(box, held, jail.Jail(box, held), folder, tree, await copy.resolve("HEAD"))


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    folder = git_remote.make_clone(tmp_path / "clone", FILES)
    git_remote.git(folder, "add", "-f", "kept.log")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "link").symlink_to("a.txt")
    git_remote.add_commit(folder, {})
    git_remote.git(folder, "tag", "v1")
    return folder


@pytest.fixture
async def room(tmp_path: Path, clone: Path) -> AsyncIterator[Room]:
    made = await make_room(tmp_path, clone)
    await made.jail.checkout(made.tree, made.base)
    yield made
    await made.box.remove(made.folder)


async def test_a_checkout_is_a_repository_of_its_own(room: Room) -> None:
    """The agent finds the files, the history, the tags and an identity, may commit, and has no remote."""
    seen = await room.work(
        "git status --porcelain; cat a.txt link; git log --oneline | wc -l; git describe --tags; git remote;"
        "echo more >> a.txt; git commit -qam own; git log -1 --format=%an; git branch --show-current"
    )

    assert seen.splitlines() == ["one", "one", "2", "v1", "agent", "main"]
    assert (room.tree / "run.sh").stat().st_mode & 0o111


async def test_the_mirror_cannot_be_written_from_the_tree(room: Room) -> None:
    """Neither the mirror's nor the task's objects can be changed by what runs in the tree."""
    seen = await room.work(
        "for place in /mirror.git /mirror.git/objects /task.git/objects; do "
        ""
        "if touch $place/x 2>/dev/null; then echo wrote; fi; done;"
        "rm -rf /mirror.git/objects/* 2>/dev/null || git fsck --connectivity-only 2>&1; echo end"
    )

    assert seen.splitlines()[-1] == "end"
    assert "wrote" not in seen
    assert await room.held.mirror.read(room.base, "a.txt", 10) == b"one\n"


async def test_an_untouched_tree_is_the_base(room: Room) -> None:
    """Without a change the snapshot is the base's tree and no pack, whatever is ignored or excluded."""
    await room.work("echo x > new.log; mkdir build; echo x > build/x; echo x > .coverage; touch a.txt")
    shot = await room.jail.snapshot(room.tree, room.base, [".coverage"])

    assert shot == jail.Snapshot(await room.held.tree_of(room.base), b"")
    await room.held.adopt(shot.pack, shot.tree)


async def test_a_snapshot_holds_what_changed(room: Room) -> None:
    """Changed, new, deleted and executable files come out, whatever the agent's own repository says."""
    await room.work(
        "echo two >> a.txt; rm src/b.py; chmod -x run.sh; mkdir 'n w'; echo z > 'n w/ü'; echo y >> kept.log;"
        "git add -A; git commit -qm own; git update-index --assume-unchanged a.txt; echo three >> a.txt;"
        "echo '*' > .git/info/exclude; echo u > unseen"
    )
    before = {path: path.lstat().st_mtime_ns for path in room.tree.rglob("*")}
    tree = await room.result()

    assert {one.path: one.status for one in await room.held.changes(room.base, tree)} == {
        "a.txt": "M", "kept.log": "M", "n w/ü": "A", "run.sh": "M", "src/b.py": "D", "unseen": "A",
    }  # fmt: skip
    assert await room.held.read(tree, "a.txt", 100) == b"one\ntwo\nthree\n"
    assert before == {path: path.lstat().st_mtime_ns for path in room.tree.rglob("*")}


async def a_second_after_the_checkout(room: Room) -> None:
    """Wait until the clock shows another second than the checkout's: git compares times by the second."""
    index = room.folder / ".tree.index"
    async with asyncio.timeout(5):
        while int(time.time()) <= int(index.stat().st_mtime):  # noqa: ASYNC110 - nobody sets an event for it
            await asyncio.sleep(0.05)


async def test_an_edit_right_after_the_checkout_is_seen(room: Room) -> None:
    """Contents of the same size, written in the very second of the checkout, are a change."""
    await room.work("echo 1nd > a.txt; printf 'print(2)\\n' > src/b.py")
    await a_second_after_the_checkout(room)

    assert await room.changed() == {"a.txt": "M", "src/b.py": "M"}


async def test_an_edit_that_looks_untouched_is_seen(room: Room) -> None:
    """Same size and same time stamp do not hide an edit."""
    await a_second_after_the_checkout(room)
    await room.work("cp -p a.txt /tmp/t; echo 1ne > a.txt; touch -r /tmp/t a.txt")

    assert await room.changed() == {"a.txt": "M"}


async def test_a_result_can_be_checked_out_again(room: Room) -> None:
    """A result tree comes back as uncommitted work on its base, and its snapshot is itself."""
    await room.work("echo two >> a.txt; rm src/b.py; echo n > new; ln -s new link2")
    tree = await room.result()
    again = await room.fresh_tree("again")
    await room.jail.checkout(again, room.base, tree=tree)
    seen = await room.work("git rev-parse HEAD; git status --porcelain; readlink link2", again)

    assert seen.splitlines() == [room.base, " M a.txt", " D src/b.py", "?? link2", "?? new", "new"]
    assert (await room.jail.snapshot(again, room.base)).tree == tree


async def test_an_overlay_lies_on_top(room: Room) -> None:
    """Overlaid files replace what is there, whatever it is, and files without content are gone."""
    overlay = [
        jail.Overlay("src", b"now a file\n"),
        jail.Overlay("link/inner.py", b"in\n", executable=True),
        jail.Overlay("kept.log", None),
        jail.Overlay("out.log", b"ignored by git, wanted by us\n"),
    ]
    laid = await room.fresh_tree("laid")
    await room.jail.checkout(laid, room.base, overlay)
    seen = await room.work(
        "cat src link/inner.py out.log; test -x link/inner.py; test ! -e kept.log; git rev-parse HEAD", laid
    )

    assert seen.splitlines() == ["now a file", "in", "ignored by git, wanted by us", room.base]


async def test_a_thousand_files_cost_little(tmp_path: Path) -> None:
    """The snapshot of one edit among a thousand files carries that edit alone."""
    files = {f"d{number % 30}/f{number}.txt": f"{number}\n" * 50 for number in range(1000)}
    room = await make_room(tmp_path, git_remote.make_clone(tmp_path / "clone", files))
    await room.jail.checkout(room.tree, room.base)
    await room.work("echo more >> d1/f1.txt")
    shot = await room.jail.snapshot(room.tree, room.base)
    await room.held.adopt(shot.pack, shot.tree)

    assert len(shot.pack) < 2000
    assert [one.path for one in await room.held.changes(room.base, shot.tree)] == ["d1/f1.txt"]
    await room.box.remove(room.folder)


async def test_line_ends_that_attributes_convert_are_no_change(tmp_path: Path) -> None:
    """A file whose stored form differs from what git's attributes make of it is not the agent's change."""
    clone = git_remote.make_clone(tmp_path / "clone", {"win.txt": "a\r\nb\r\n", "unix.txt": "a\nb\n"})
    git_remote.add_commit(clone, {".gitattributes": ""})
    (clone / ".gitattributes").write_text("win.txt text\nunix.txt text eol=crlf\n")
    git_remote.git(clone, "add", ".gitattributes")
    git_remote.git(clone, "commit", "-qm", "attributes")
    room = await make_room(tmp_path, clone)
    await room.jail.checkout(room.tree, room.base)
    seen = await room.work("cat unix.txt | od -c | head -1")

    assert r"\r" in seen
    assert await room.changed() == {}
    await room.box.remove(room.folder)


async def test_a_submodule_of_the_base_stays(tmp_path: Path) -> None:
    """A submodule is not fetched, is no change, and what the agent puts in its place is not looked into."""
    clone = git_remote.make_clone(tmp_path / "clone", FILES)
    inner = git_remote.make_clone(clone / "inner", {"x": "x\n"})
    git_remote.add_commit(clone, {})
    room = await make_room(tmp_path, clone)
    await room.jail.checkout(room.tree, room.base)
    assert inner.is_dir()
    assert not any((room.tree / "inner").iterdir())
    assert await room.changed() == {}
    await room.work(f"cd inner; git init -q; {TRAPS}; echo y > y; git add y; git commit -qm y; echo z > ../z")

    assert await room.changed() == {"z": "A"}
    await room.box.remove(room.folder)


async def test_a_shallow_clone_is_worked_on(tmp_path: Path, clone: Path) -> None:
    """A local clone without its whole history gives a tree whose log ends where the clone's does."""
    shallow = tmp_path / "shallow"
    git_remote.git(tmp_path, "clone", "-q", "--depth=1", clone.as_uri(), str(shallow))
    room = await make_room(tmp_path, shallow)
    await room.jail.checkout(room.tree, room.base)

    assert await room.work("git log --oneline | wc -l; git status --porcelain; git fsck") == "1\n"
    await room.work("echo two >> a.txt")
    assert await room.changed() == {"a.txt": "M"}
    await room.box.remove(room.folder)


async def test_what_cannot_be_checked_out_says_so(room: Room) -> None:
    """A commit that isn't there blocks, and no scratch folder stays behind."""
    other = await room.fresh_tree("other")
    with pytest.raises(Blocked, match="cannot be checked out"):
        await room.jail.checkout(other, "1" * 40, tree=await room.held.tree_of(room.base))

    assert sorted(path.name for path in room.folder.iterdir()) == [".tree.index", "other", "tree"]


async def test_work_that_is_too_big_is_refused(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pack above the limit never reaches the host's memory, and the words say what to do."""
    monkeypatch.setattr(jail, "PACK_BYTES", 10_000)
    await room.work("head -c 200000 /dev/urandom > big")
    with pytest.raises(quarantine.ChangeRefused, match="ignore big files"):
        await room.jail.snapshot(room.tree, room.base)


# Each setting makes git run a program at some command; {MARK} is a path that both sides could write.
TRAPS = (
    "git config core.fsmonitor 'touch MARK; false'; git config core.hooksPath .hooks; mkdir -p .hooks;"
    "for hook in pre-commit post-checkout post-index-change reference-transaction pre-push post-commit; do"
    "  printf '#!/bin/sh\\ntouch MARK\\n' > .hooks/$hook; chmod +x .hooks/$hook; done;"
    "git config filter.x.clean 'touch MARK; cat'; git config filter.x.smudge 'touch MARK; cat';"
    "git config filter.p.process 'touch MARK'; git config diff.x.textconv 'touch MARK; cat';"
    "git config diff.external 'touch MARK'; git config merge.x.driver 'touch MARK';"
    "git config core.sshCommand 'touch MARK'; git config gpg.program 'touch MARK';"
    "git config core.pager 'touch MARK';"
    "git config core.editor 'touch MARK'; git config credential.helper '!touch MARK';"
    "git config include.path ../.evil; printf '[alias]\\n\\tadd = !touch MARK\\n' > .evil;"
    "printf '* filter=x diff=x merge=x\\n*.p filter=p\\n' > .git/info/attributes"
)


async def test_no_trap_in_the_tree_goes_off(room: Room, tmp_path: Path) -> None:
    """Settings, hooks, filters and attributes of the agent's run neither on the host nor in the jail."""
    mark = tmp_path / "mark"
    inside = "/workspace/mark"
    # as the agent sees it the mark would land in the tree, as the host sees it beside the tree
    trap = TRAPS.replace("MARK", f"{mark} {inside}")
    await room.work(
        f"{trap}; cp .git/info/attributes .gitattributes; echo x >> a.txt; echo x > x.p;"
        "git status > /dev/null 2>&1; test -e mark; rm mark"
    )
    tree = await room.result()
    changed = await room.held.changes(room.base, tree)
    await room.held.diff(room.base, tree, 10_000)
    await room.held.commit(tree, room.base, "x", "Bot", "b@c", datetime.now(UTC))
    again = await room.fresh_tree("again")
    await room.jail.checkout(again, room.base, tree=tree)

    assert not mark.exists()
    assert not (room.tree / "mark").exists()
    assert not (again / "mark").exists()
    assert {".gitattributes", "a.txt", "x.p"} <= {one.path for one in changed}


async def test_nested_repositories_run_nothing_and_are_refused(room: Room, tmp_path: Path) -> None:
    """A repository in the tree runs nothing and does not pass the policy; an unborn one is skipped."""
    mark = tmp_path / "mark"
    trap = TRAPS.replace("MARK", f"{mark} /out/mark")
    await room.work(
        "mkdir sub unborn; cd sub; git init -q; echo x > f.p; git add f.p; git commit -qm x;"
        f"{trap};"
        "echo y >> f.p; cd ../unborn; git init -q; echo x > f; cd ..;"
        "echo 'gitdir: /workspace/sub/.git' > a.git"
    )
    tree = await room.result()
    changed = await room.held.changes(room.base, tree)
    shot = await room.jail.snapshot(room.tree, room.base)

    assert not mark.exists()
    assert {one.path: one.new_mode for one in changed} == {"a.git": "100644", "sub": "160000"}
    assert [one.path for one in policy.check(changed)] == ["sub"]
    assert "unborn" in shot.skipped


async def test_the_trees_git_folder_may_be_anything(room: Room, tmp_path: Path) -> None:
    """A `.git` that became a file, a link or nothing does not matter, nor does one pointing elsewhere."""
    await room.work("rm -rf .git; ln -s /mirror.git .git; echo two >> a.txt")
    assert await room.changed() == {"a.txt": "M"}
    await room.work("rm .git; echo 'gitdir: /task.git' > .git")
    assert await room.changed() == {"a.txt": "M"}
    await room.work("rm .git; mkdir -p .GIT/hooks; echo x > .GIT/config")

    assert await room.changed() == {"a.txt": "M"}


async def test_hostile_names_reach_the_policy(room: Room) -> None:
    """Workflow files, escaping links, odd names and big files come out as they are and are refused."""
    await room.work(
        "mkdir -p .github/workflows; echo 'on: push' > .github/workflows/x.yml; ln -s /etc/passwd abs;"
        "ln -s ../../etc src/up; printf x > \"$(printf 'new\\nline')\"; printf x > \"$(printf 'caf\\351')\";"
        "printf '[submodule \"x\"]\\n\\tpath = x\\n\\turl = https://example.org/x\\n' > .gitmodules;"
        "head -c 6000000 /dev/zero > big.bin; mkfifo pipe; ln a.txt hard"
    )
    changed = await room.held.changes(room.base, await room.result())
    refused = {one.path for one in policy.check(changed, [".github/workflows/**"])}

    assert refused == {
        ".github/workflows/x.yml", ".gitmodules", "abs", "big.bin", r"caf\udce9", r"new\nline", "src/up",
    }  # fmt: skip
    assert "pipe" not in {one.path for one in changed}
    assert "hard" in {one.path for one in changed}


async def test_a_submodule_command_is_refused_on_the_way_in(room: Room) -> None:
    """A `.gitmodules` whose update runs a command does not get past the quarantine."""
    await room.work(
        "printf '[submodule \"x\"]\\n\\tpath = x\\n\\turl = ./x\\n\\tupdate = !id\\n' > .gitmodules"
    )
    with pytest.raises(quarantine.ChangeRefused, match="gitmodulesUpdate"):
        await room.result()


async def test_borrowing_from_elsewhere_fails(room: Room, tmp_path: Path) -> None:
    """Alternates that name another repository on the host lead nowhere."""
    other = git_remote.make_clone(tmp_path / "private", {"secret": "s\n"})
    blob = git_remote.git(other, "rev-parse", "HEAD:secret")
    seen = await room.work(
        f"echo {other}/.git/objects >> .git/objects/info/alternates;"
        f"git cat-file -p {blob} 2>&1 || echo unreadable"
    )

    assert seen.splitlines()[-1] == "unreadable"


async def test_without_a_sandbox_it_works_the_same(tmp_path: Path, clone: Path) -> None:
    """The developer's choice `none` changes nothing about what is checked out and handed back."""
    room = await make_room(tmp_path, clone)
    room.box = sandbox.Sandbox("none", tmp_path / "data")
    room.jail = jail.Jail(room.box, room.held)
    room.tree = await room.fresh_tree("plain")
    await room.jail.checkout(room.tree, room.base)
    (room.tree / "a.txt").write_text("two\n")

    assert await room.changed() == {"a.txt": "M"}
    await room.box.remove(room.folder)
