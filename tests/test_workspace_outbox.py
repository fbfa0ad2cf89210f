"""Hold the outbox and the quarantine to their word: nothing unchecked comes in, nothing is forced out."""

import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from aiohttp import web

from bot.errors import Blocked, WorldFault
from bot.workspace import faults, git, mirror, outbox, quarantine
from tests import git_remote
from tests.git_remote import TOKEN, GitRemote

AUTHORIZATION = git.basic(TOKEN)
WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
async def remote(tmp_path: Path) -> AsyncIterator[GitRemote]:
    server = GitRemote(tmp_path / "remote", AUTHORIZATION)
    runner = await server.serve()
    yield server
    await runner.cleanup()


class Bench:
    """One task's objects on a repository with two commits, and a change to send."""

    def __init__(self, url: str, server: Path, held: quarantine.Quarantine, base: str, tree: str) -> None:
        self.url, self.server, self.held, self.base, self.tree = url, server, held, base, tree
        self.outbox = outbox.Outbox(held)

    async def commit(self, message: str = "Fix it\n", parent: str | None = None) -> str:
        """Commit the change on the base."""
        return await self.held.commit(self.tree, parent or self.base, message, "Bot", "bot@example.org", WHEN)

    async def push(self, commit: str, expected: str | None, branch: str = "journeyman/issue-1") -> None:
        """Push as the bot does."""
        await self.outbox.push(self.url, AUTHORIZATION, commit, branch, expected)

    def branch(self, name: str = "journeyman/issue-1") -> str:
        """Return the id of the server's branch."""
        return git_remote.git(self.server, "rev-parse", f"refs/heads/{name}")

    def hook(self, name: str, script: str) -> None:
        """Install a hook on the server."""
        path = self.server / "hooks" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)


@pytest.fixture
async def bench(remote: GitRemote, tmp_path: Path) -> Bench:
    clone = git_remote.make_clone(tmp_path / "clone", {"a.txt": "one\n"})
    git_remote.add_commit(clone, {"d/b.txt": "two\n"})
    url = remote.publish(clone)
    copy = await mirror.Mirrors(tmp_path / "mirrors").fetch(7, url, AUTHORIZATION, ["main"])
    held = await quarantine.Quarantine.open(copy, tmp_path / "tasks" / "1.git")
    base = await copy.resolve("main")
    tree = await held.overlay(base, [quarantine.Overlay("a.txt", b"three\n")])
    return Bench(url, remote.root / "ada/widget.git", held, base, tree)


async def test_a_commit_is_the_same_every_time(bench: Bench) -> None:
    """The same facts make the same commit, the bot author and committer; another time makes another."""
    first = await bench.commit("Fix\0 it\n\nböse <x>\n")
    again = await bench.commit("Fix\0 it\n\nböse <x>\n")
    west = WHEN.astimezone(timezone(-timedelta(hours=3, minutes=30)))
    other = await bench.held.commit(bench.tree, bench.base, "Fix it\n", "Bot", "bot@example.org", west)
    text = (await bench.held.git("cat-file", "commit", first)).decode()

    assert first == again != other
    assert text.splitlines()[:4] == [
        f"tree {bench.tree}",
        f"parent {bench.base}",
        "author Bot <bot@example.org> 1767323045 +0000",
        "committer Bot <bot@example.org> 1767323045 +0000",
    ]
    assert text.endswith("\n\nFix it\n\nböse <x>\n")
    assert b"1767323045 -0330" in await bench.held.git("cat-file", "commit", other)
    with pytest.raises(ValueError, match="time zone"):
        await bench.held.commit(bench.tree, bench.base, "x", "Bot", "b@c", WHEN.replace(tzinfo=None))


async def test_a_push_makes_the_branch_once(bench: Bench, remote: GitRemote) -> None:
    """A push makes the branch, a repeat finds it done, and the remote's tree is the tested one."""
    commit = await bench.commit()
    assert await bench.outbox.remote_head(bench.url, AUTHORIZATION, "journeyman/issue-1") is None
    await bench.push(commit, None)
    pushes = sum("git-receive-pack" in path for _, path, _ in remote.seen)
    await bench.push(commit, None)

    assert bench.branch() == commit
    assert pushes == sum("git-receive-pack" in path for _, path, _ in remote.seen) > 0
    assert git_remote.git(bench.server, "rev-parse", f"{commit}^{{tree}}") == bench.tree
    await bench.outbox.verify(bench.url, AUTHORIZATION, "journeyman/issue-1", commit, bench.tree)
    assert git_remote.git(bench.server, "fsck", "--strict") == ""


async def test_a_second_push_builds_on_the_first(bench: Bench) -> None:
    """A branch moves forward from the expected commit and from no other."""
    first = await bench.commit()
    second = await bench.commit("More\n", parent=first)
    await bench.push(first, None)
    with pytest.raises(outbox.BranchMoved, match="not at nothing"):
        await bench.push(second, None)
    with pytest.raises(outbox.BranchMoved, match="not at"):
        await bench.push(second, bench.base)
    assert bench.branch() == first
    await bench.push(second, first)

    assert bench.branch() == second


async def test_nothing_is_overwritten(bench: Bench) -> None:
    """A commit that does not build on the branch's head is refused, whether or not we know that head."""
    ours = await bench.commit()
    theirs = await bench.commit("Theirs\n")
    unknown = git_remote.git(bench.server, "commit-tree", "-m", "unknown", "main^{tree}")
    await bench.push(theirs, None)
    with pytest.raises(outbox.BranchMoved, match="does not build on"):
        await bench.push(ours, theirs)
    git_remote.git(bench.server, "update-ref", "refs/heads/journeyman/issue-1", unknown)
    with pytest.raises(outbox.BranchMoved, match="does not build on"):
        await bench.push(ours, unknown)

    assert bench.branch() == unknown


async def test_a_race_is_lost_without_harm(bench: Bench, remote: GitRemote) -> None:
    """A branch that appears between the look and the push keeps its commits."""
    commit = await bench.commit()
    unknown = git_remote.git(bench.server, "commit-tree", "-m", "unknown", "main^{tree}")

    def appear(request: web.Request) -> None:
        if "service=git-receive-pack" in request.query_string:
            git_remote.git(bench.server, "update-ref", "refs/heads/journeyman/issue-1", unknown)

    remote.watch = appear
    with pytest.raises(outbox.BranchMoved, match="commits that are not ours"):
        await bench.push(commit, None)

    assert bench.branch() == unknown


async def test_no_hook_of_a_folder_of_this_machine_is_run(bench: Bench, tmp_path: Path) -> None:
    """Whoever wrote the project's hooks does not get to run them by way of our push."""
    seen = tmp_path / "seen"
    for name in ("pre-receive", "update", "post-receive", "post-update", "reference-transaction"):
        bench.hook(name, f"touch {seen}; exit 1")
    commit = await bench.commit()
    await bench.outbox.push(str(bench.server), None, commit, "journeyman/issue-1", None, local=True)

    assert bench.branch() == commit
    assert not seen.exists()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("error: GH006: Protected branch update failed for refs/heads/x.", "branch is protected"),
        ("error: GH013: Repository rule violations found for refs/heads/x.", "ruleset"),
        (
            "error: GH013: Repository rule violations found for x.\n- PUSH PROTECTION\nIt contains secrets",
            "push protection found a secret",
        ),
        ("error: GH001: Large files detected.", "too large for GitHub"),
        ("no thanks", "hook of the server declined"),
    ],
)
async def test_refusals_are_told_apart(bench: Bench, said: str, words: str) -> None:
    """What the server's hooks say becomes a sentence with their words in it; the branch is not made."""
    bench.hook("pre-receive", f"printf '{said}\\n' >&2; exit 1")
    with pytest.raises(outbox.PushRefused, match=words) as caught:
        await bench.push(await bench.commit(), None)

    assert said.splitlines()[0].removeprefix("error: ") in str(caught.value)
    assert not (bench.server / "refs/heads/journeyman").exists()


async def test_workflow_permission_is_named(bench: Bench) -> None:
    """GitHub's refusal of workflow files names the permission that is missing."""
    words = "refusing to allow a GitHub App to create or update workflow without workflows permission"
    bench.hook("update", f"echo '{words}' >&2; exit 1")
    with pytest.raises(outbox.PushRefused, match="`workflows` permission"):
        await bench.push(await bench.commit(), None)


@pytest.mark.parametrize(
    ("status", "kind"), [(401, faults.TokenRefused), (403, Blocked), (404, Blocked), (502, WorldFault)]
)
async def test_a_push_fails_with_the_servers_reason(
    bench: Bench, remote: GitRemote, status: int, kind: type[Exception]
) -> None:
    """A gone repository or permission blocks; a stale token or an outage may be tried again."""
    commit = await bench.commit()

    def fail(request: web.Request) -> None:
        if "service=git-receive-pack" in request.query_string:
            remote.status = status

    remote.watch = fail
    with pytest.raises(kind) as caught:
        await bench.push(commit, None)

    assert TOKEN not in str(caught.value)
    assert AUTHORIZATION.split()[1] not in str(caught.value)


async def test_a_token_that_the_server_echoes_is_redacted(bench: Bench) -> None:
    """A server that repeats the header or the token in its words does not get it into our errors."""
    secret = AUTHORIZATION.split()[1]
    bench.hook("pre-receive", f"echo 'you sent {AUTHORIZATION} {secret} {TOKEN}' >&2; exit 1")
    with pytest.raises(outbox.PushRefused, match=r"you sent \[redacted\] \[redacted\] \[redacted\]"):
        await bench.push(await bench.commit(), None)


async def test_a_large_push_arrives_whole(bench: Bench) -> None:
    """A pack above git's buffer of 1 MiB goes out in chunks and arrives."""
    noise = os.urandom(3 * 1024 * 1024)
    bench.tree = await bench.held.overlay(bench.base, [quarantine.Overlay("noise.bin", noise)])
    commit = await bench.commit()
    await bench.push(commit, None)

    assert git_remote.git(bench.server, "cat-file", "-s", f"{commit}:noise.bin") == str(len(noise))


async def test_verification_compares_tree_and_head(bench: Bench) -> None:
    """Another tree than the tested one, or another head than ours, is not verified."""
    commit = await bench.commit()
    await bench.push(commit, None)
    where = (bench.url, AUTHORIZATION, "journeyman/issue-1")
    with pytest.raises(outbox.BranchMoved, match="not the tested"):
        await bench.outbox.verify(*where, commit, await bench.held.tree_of(bench.base))
    git_remote.git(bench.server, "update-ref", "refs/heads/journeyman/issue-1", bench.base)
    with pytest.raises(outbox.BranchMoved, match="not at the tested"):
        await bench.outbox.verify(*where, commit, bench.tree)


async def test_a_branch_of_a_local_clone(bench: Bench, tmp_path: Path) -> None:
    """The result of `run --repo PATH` lands as a branch of that clone, whose work tree stays as it was."""
    clone = tmp_path / "clone"
    commit = await bench.commit()
    for _ in range(2):
        await bench.outbox.push(str(clone), None, commit, "journeyman/issue-1", None, local=True)
    await bench.outbox.verify(str(clone), None, "journeyman/issue-1", commit, bench.tree, local=True)

    assert git_remote.git(clone, "status", "--porcelain", "--branch") == "## main"
    with pytest.raises(outbox.PushRefused, match="checked out in that clone"):
        await bench.outbox.push(str(clone), None, commit, "main", bench.base, local=True)


async def test_only_whole_and_checked_objects_come_in(bench: Bench, tmp_path: Path) -> None:
    """A pack is adopted twice without harm; junk, and one whose tree did not come along, are refused."""
    clone = tmp_path / "clone"
    git_remote.add_commit(clone, {"a.txt": "new\n"})
    tree = git_remote.git(clone, "rev-parse", "HEAD^{tree}")
    git_remote.git(clone, "repack", "-adq")
    pack = next((clone / ".git/objects/pack").glob("*.pack")).read_bytes()
    with pytest.raises(quarantine.ChangeRefused, match="did not come along"):
        await bench.held.adopt(b"", tree)
    for _ in range(2):
        await bench.held.adopt(pack, tree)

    assert await bench.held.read(tree, "a.txt", 100) == b"new\n"
    assert [one.path for one in await bench.held.changes(bench.base, tree)] == ["a.txt"]
    assert await bench.held.mirror.read(bench.base, "a.txt", 100) == b"one\n"
    assert not list(bench.held.mirror.objects.glob(f"{tree[:2]}/{tree[2:]}"))
    for junk in (b"PACK junk", pack[:-30], b"\0" * 100):
        with pytest.raises(quarantine.ChangeRefused, match="git refuses the change"):
            await bench.held.adopt(junk)
    with pytest.raises(quarantine.ChangeRefused, match="did not come along"):
        await bench.held.adopt(pack, bench.base)


async def test_a_pack_above_the_limit_is_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reading of a pack stops at the limit."""
    monkeypatch.setattr(quarantine, "PACK_BYTES", 1000)
    with pytest.raises(quarantine.ChangeRefused, match="git refuses the change"):
        await bench.held.adopt(b"PACK" + (2).to_bytes(4, "big") + (1).to_bytes(4, "big") + os.urandom(5000))


async def test_submodule_settings_that_run_a_command_stay_out(bench: Bench, tmp_path: Path) -> None:
    """A `.gitmodules` with an update command does not pass git's own checks (CVE-2018-17456 and its like)."""
    clone = tmp_path / "clone"
    text = '[submodule "x"]\n\tpath = x\n\turl = ./x\n\tupdate = !touch /tmp/marker\n'
    git_remote.add_commit(clone, {".gitmodules": text})
    git_remote.git(clone, "repack", "-adq")
    pack = next((clone / ".git/objects/pack").glob("*.pack")).read_bytes()
    with pytest.raises(quarantine.ChangeRefused, match="gitmodules"):
        await bench.held.adopt(pack)


async def test_an_overlay_replaces_adds_and_removes(bench: Bench) -> None:
    """A file takes a folder's place and a folder a file's; what has no content goes; the rest stays."""
    odd = 'q"uo\\te\nline'
    files = [
        quarantine.Overlay("a.txt/inner", b"in"),
        quarantine.Overlay("d", b"file", executable=True),
        quarantine.Overlay(odd, b""),
        quarantine.Overlay("absent", None),
    ]
    made = await bench.held.overlay(bench.base, files)
    again = await bench.held.overlay(made, [quarantine.Overlay("a.txt", None)])

    assert {one.path: one.mode for one in await bench.held.entries(made)} == {
        "a.txt/inner": "100644",
        "d": "100755",
        odd: "100644",
    }
    assert await bench.held.files(again) == ["d", odd]
    assert await bench.held.overlay(bench.base, []) == await bench.held.tree_of(bench.base)
    assert await bench.held.git("for-each-ref", "refs/journeyman/") == b""
    for path in ("/etc/x", "../x", "a//b", ".git/config", "a/.GIT/x", ""):
        with pytest.raises(ValueError, match="cannot have the path"):
            await bench.held.overlay(bench.base, [quarantine.Overlay(path, b"")])
