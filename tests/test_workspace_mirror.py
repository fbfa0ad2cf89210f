"""Hold the mirror to its word: what is fetched, what is survived, and where the token never appears."""

import asyncio
import contextlib
import itertools
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.errors import Blocked, WorldFault
from bot.workspace import faults, git, mirror
from tests import git_remote
from tests.git_remote import TOKEN, GitRemote

AUTHORIZATION = git.basic(TOKEN)


@pytest.fixture
async def remote(tmp_path: Path) -> AsyncIterator[GitRemote]:
    server = GitRemote(tmp_path / "remote", AUTHORIZATION)
    runner = await server.serve()
    yield server
    await runner.cleanup()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    return git_remote.make_clone(tmp_path / "clone", {"a.txt": "one\n", "src/b.py": "print(1)\n"})


@pytest.fixture
def mirrors(tmp_path: Path) -> mirror.Mirrors:
    return mirror.Mirrors(tmp_path / "mirrors")


async def test_fetch_brings_the_branch_and_the_head(
    remote: GitRemote, clone: Path, mirrors: mirror.Mirrors
) -> None:
    """A fetch brings the wanted branch and the remote's HEAD; later commits come with the next one."""
    git_remote.git(clone, "branch", "other")
    url = remote.publish(clone)
    first = git_remote.git(clone, "rev-parse", "main")
    copy = await mirrors.fetch(7, url, AUTHORIZATION, ["main"])

    assert await copy.resolve("main") == first == await copy.resolve("HEAD") == await copy.resolve(first)
    with pytest.raises(Blocked, match="no commit for 'other'"):
        await copy.resolve("other")

    second = git_remote.add_commit(clone, {"a.txt": "two\n"})
    git_remote.git(clone, "push", "-q", str(remote.root / "ada/widget.git"), "main")
    copy = await mirrors.fetch(7, url, AUTHORIZATION, ["main", "other"])

    assert (await copy.resolve("main"), await copy.resolve("other")) == (second, first)
    assert await mirrors.default_branch(url, AUTHORIZATION) == "main"


async def test_the_token_is_nowhere_but_in_the_header(
    remote: GitRemote, clone: Path, mirrors: mirror.Mirrors
) -> None:
    """While git asks, no process has the token in its arguments; afterwards no file of the mirrors has it."""
    url = remote.publish(clone)
    arguments: list[bytes] = []

    def look(_: object) -> None:
        for process in Path("/proc").glob("[0-9]*"):
            try:
                arguments.append((process / "cmdline").read_bytes())
            except OSError:
                continue

    remote.watch = look
    await mirrors.fetch(7, url, AUTHORIZATION, ["main"])
    secret = AUTHORIZATION.removeprefix("Basic ").encode()

    assert any(b"fetch" in one for one in arguments)
    assert not any(secret in one or TOKEN.encode() in one for one in arguments)
    for file in mirrors.root.rglob("*"):
        assert not file.is_file() or secret not in file.read_bytes()


def test_the_header_is_bound_to_one_url(tmp_path: Path) -> None:
    """Git is told the header for the remote's URL alone, in its environment, and inherits nothing else."""
    remote = git.Remote("https://git.example/a/b.git", AUTHORIZATION)
    environment = git.hardened(tmp_path, remote)
    keys = [environment[f"GIT_CONFIG_KEY_{number}"] for number in range(int(environment["GIT_CONFIG_COUNT"]))]

    assert [key for key in keys if "header" in key.lower()] == [
        "http.https://git.example/a/b.git.extraHeader"
    ]
    assert environment["GIT_ALLOW_PROTOCOL"] == "https"
    assert git.hardened(tmp_path)["GIT_ALLOW_PROTOCOL"] == "none"
    assert AUTHORIZATION not in repr(remote)
    assert not {name for name in environment if "KEY" in name and "GIT_CONFIG" not in name}


async def test_a_stale_token_is_its_own_fault(
    remote: GitRemote, clone: Path, mirrors: mirror.Mirrors
) -> None:
    """A refused authorization raises TokenRefused, whose text holds neither header nor token."""
    url = remote.publish(clone)
    remote.authorization = "Basic other"
    with pytest.raises(faults.TokenRefused) as caught:
        await mirrors.fetch(7, url, AUTHORIZATION, ["main"])

    assert TOKEN not in str(caught.value)
    assert AUTHORIZATION not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (403, Blocked, "contents"),
        (404, Blocked, "no repository at"),
        (301, Blocked, "has moved"),
        (500, WorldFault, "could not reach"),
        (503, WorldFault, "could not reach"),
        (429, WorldFault, "could not reach"),
    ],
)
async def test_answers_are_told_apart(
    remote: GitRemote, mirrors: mirror.Mirrors, status: int, kind: type[Exception], words: str
) -> None:
    """What the server answers decides whether a person must act or later may be better."""
    remote.status = status
    remote.location = f"{remote.url}/elsewhere.git" if status == 301 else ""
    with pytest.raises(kind, match=words):
        await mirrors.fetch(7, f"{remote.url}/ada/widget.git", AUTHORIZATION, ["main"])

    assert not any("elsewhere" in path for _, path, _ in remote.seen)


async def test_a_dead_server_is_the_worlds_fault(mirrors: mirror.Mirrors, unused_tcp_port: int) -> None:
    """Nobody listening is a WorldFault."""
    with pytest.raises(WorldFault, match="could not reach"):
        await mirrors.fetch(7, f"http://127.0.0.1:{unused_tcp_port}/a/b.git", AUTHORIZATION, ["main"])


async def test_a_silent_server_is_left_after_the_time_out(mirrors: mirror.Mirrors, tmp_path: Path) -> None:
    """A server that never answers costs the time-out, and no process of git stays behind."""
    connected = asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set()
        await reader.read()  # until the client goes away
        gone.set()
        writer.close()

    gone = asyncio.Event()
    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/a/b.git"
    mirrors.root.mkdir()
    with pytest.raises(WorldFault, match="did not end within"):
        await git.run(("ls-remote", url), git_dir=mirrors.root, remote=git.Remote(url), seconds=0.5)

    assert connected.is_set()
    async with asyncio.timeout(10):
        while not gone.is_set():
            await asyncio.wait_for(gone.wait(), 10)
    server.close()


async def test_missing_branches_and_empty_repositories_are_named(
    remote: GitRemote, clone: Path, mirrors: mirror.Mirrors, tmp_path: Path
) -> None:
    """A branch that isn't there and a repository without a commit each say so."""
    with pytest.raises(Blocked, match="no branch 'nope'"):
        await mirrors.fetch(7, remote.publish(clone), AUTHORIZATION, ["nope"])

    (tmp_path / "empty").mkdir()
    git_remote.git(tmp_path / "empty", "init", "-q")
    url = remote.publish(tmp_path / "empty", "ada/empty")
    with pytest.raises(Blocked, match="no commit yet"):
        await mirrors.fetch(8, url, AUTHORIZATION, [])


async def test_what_a_killed_fetch_left_is_cleared(
    remote: GitRemote, clone: Path, mirrors: mirror.Mirrors
) -> None:
    """Lock files and half packs of a killed fetch, or a half-made mirror, do not stop the next fetch."""
    url = remote.publish(clone)
    half = mirrors.root / mirror.folder_name(7)
    half.mkdir(parents=True)
    (half / "HEAD").write_text("")
    copy = await mirrors.fetch(7, url, AUTHORIZATION, ["main"])
    leftovers = [
        copy.path / name
        for name in ("shallow.lock", "packed-refs.lock", "refs/heads/main.lock", "objects/pack/tmp_pack_abc")
    ]
    for leftover in leftovers:
        leftover.write_text("")
    (copy.path / "refs/heads/main").unlink()
    copy = await mirrors.fetch(7, url, AUTHORIZATION, ["main"])

    assert await copy.resolve("main") == git_remote.git(clone, "rev-parse", "main")
    assert not any(leftover.exists() for leftover in leftovers)


async def test_an_orphaned_fetch_makes_the_next_one_wait(
    remote: GitRemote, clone: Path, mirrors: mirror.Mirrors
) -> None:
    """Nothing is fetched or cleared while another process holds the repository's lock."""
    url = remote.publish(clone)
    mirrors.root.mkdir()
    lock = mirrors.root / f"{mirror.folder_name(7)}.lock"
    program = (
        "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, 2); print('held', flush=True); input()"
    )
    holder = subprocess.Popen(  # noqa: ASYNC220
        (sys.executable, "-c", program, str(lock)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        assert await asyncio.to_thread(holder.stdout.readline) == "held\n"
        fetch = asyncio.create_task(mirrors.fetch(7, url, AUTHORIZATION, ["main"]))
        done, _ = await asyncio.wait({fetch}, timeout=0.3)

        assert not done
        assert remote.seen == []
    finally:
        holder.kill()
        holder.communicate()
    await fetch


async def test_git_itself_holds_the_lock(remote: GitRemote, clone: Path, mirrors: mirror.Mirrors) -> None:
    """The git that fetches has the lock file open, so the lock outlives a bot that is killed."""
    url = remote.publish(clone)
    lock = mirrors.root / f"{mirror.folder_name(7)}.lock"
    holders: set[bytes] = set()

    def look(_: object) -> None:
        for opened in Path("/proc").glob("[0-9]*/fd/*"):
            with contextlib.suppress(OSError):
                if opened.readlink() == lock:
                    holders.add((opened.parent.parent / "cmdline").read_bytes())

    remote.watch = look
    await mirrors.fetch(7, url, AUTHORIZATION, ["main"])

    assert any(b"fetch" in one for one in holders)


async def test_fetches_of_one_repository_take_turns(
    remote: GitRemote, clone: Path, mirrors: mirror.Mirrors
) -> None:
    """Eight fetches at once all succeed, and at no time do two of them talk to the server."""
    url = remote.publish(clone)
    await asyncio.gather(*(mirrors.fetch("r/1", url, AUTHORIZATION, ["main"]) for _ in range(8)))
    advertisements = [place for place, (_, path, _) in enumerate(remote.seen) if "info/refs" in path]

    assert len(advertisements) == 8
    # each fetch is one GET and its POSTs; two in a row would be two fetches at once
    assert all(second - first > 1 for first, second in itertools.pairwise(advertisements))
    assert sorted(path.name for path in mirrors.root.iterdir() if path.suffix == ".git") == [
        mirror.folder_name("r/1")
    ]


async def test_a_rewritten_branch_is_followed(
    remote: GitRemote, clone: Path, mirrors: mirror.Mirrors
) -> None:
    """Upstream may force-push, and may turn a branch into a folder of branches; the mirror follows both."""
    server = remote.root / "ada/widget.git"
    url = remote.publish(clone)
    git_remote.git(server, "branch", "topic", "main")
    await mirrors.fetch(7, url, AUTHORIZATION, ["main", "topic"])
    git_remote.git(clone, "commit", "-q", "--amend", "-m", "rewritten")
    git_remote.git(clone, "push", "-qf", str(server), "main")
    git_remote.git(server, "branch", "-D", "topic")
    git_remote.git(server, "branch", "topic/two", "main")
    copy = await mirrors.fetch(7, url, AUTHORIZATION, ["main", "topic/two"])

    rewritten = git_remote.git(clone, "rev-parse", "main")
    assert (await copy.resolve("main"), await copy.resolve("topic/two")) == (rewritten, rewritten)


async def test_planted_settings_send_the_token_nowhere(
    remote: GitRemote, clone: Path, mirrors: mirror.Mirrors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No insteadOf, proxy, credential helper or hook in any configuration file gets at the token or runs."""
    url = remote.publish(clone)
    copy = await mirrors.fetch(7, url, AUTHORIZATION, ["main"])
    evil = GitRemote(tmp_path / "evil", AUTHORIZATION)
    runner = await evil.serve()
    marker = tmp_path / "marker"
    planted = (
        f'[url "{evil.url}/"]\n\tinsteadOf = {remote.url}/\n[http]\n\tproxy = {evil.url}\n'
        f'[credential]\n\thelper = "!touch {marker}"\n'
        f"[core]\n\thooksPath = {tmp_path}\n\tfsmonitor = touch {marker}\n"
    )
    (tmp_path / ".gitconfig").write_text(planted)
    with (copy.path / "config").open("a") as file:
        file.write(planted)
    hook = tmp_path / "reference-transaction"
    hook.write_text(f"#!/bin/sh\ntouch {marker}\n")
    hook.chmod(0o755)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / ".gitconfig"))
    monkeypatch.setenv("GIT_TRACE_CURL", str(marker))
    git_remote.add_commit(clone, {"a.txt": "two\n"})
    git_remote.git(clone, "push", "-q", str(remote.root / "ada/widget.git"), "main")
    await mirrors.fetch(7, url, AUTHORIZATION, ["main"])
    await runner.cleanup()

    assert evil.seen == []
    assert not marker.exists()


async def test_a_historic_slip_is_fetched_all_the_same(
    remote: GitRemote, clone: Path, mirrors: mirror.Mirrors
) -> None:
    """A commit with a time zone that never was, as well-known projects have, is no reason to refuse them."""
    url = remote.publish(clone)
    server = remote.root / "ada/widget.git"
    tree = git_remote.git(server, "rev-parse", "main^{tree}")
    text = f"tree {tree}\nauthor A <a@b> 1 +518510\ncommitter A <a@b> 1 +0000\n\nold\n"
    odd = git_remote.git(
        server, "hash-object", "-t", "commit", "-w", "--literally", "--stdin", stdin=text.encode()
    )
    git_remote.git(server, "update-ref", "refs/heads/old", odd)

    assert await (await mirrors.fetch(7, url, AUTHORIZATION, ["old"])).resolve("old") == odd


async def test_a_local_clone_is_a_remote(tmp_path: Path, clone: Path, mirrors: mirror.Mirrors) -> None:
    """A path works as a remote, a shallow clone and one that another user owns included."""
    git_remote.add_commit(clone, {"a.txt": "two\n"})
    shallow = tmp_path / "shallow"
    git_remote.git(tmp_path, "clone", "-q", "--depth=1", clone.as_uri(), str(shallow))
    if os.geteuid() == 0:
        for path in (clone, clone / ".git"):
            os.chown(path, 12345, 12345)
    plain = await mirrors.fetch(str(clone), str(clone), None, [], local=True)
    cut = await mirrors.fetch(str(shallow), str(shallow), None, ["main"], local=True)

    assert await plain.resolve("HEAD") == await cut.resolve("main")
    assert plain.path != cut.path
    assert await mirrors.default_branch(str(clone), None, local=True) == "main"


async def test_borrowed_objects_are_readable_for_the_sandbox(clone: Path, mirrors: mirror.Mirrors) -> None:
    """Whatever the umask of the bot, another uid may read the objects."""
    before = os.umask(0o077)
    try:
        copy = await mirrors.fetch(7, str(clone), None, ["main"], local=True)
    finally:
        os.umask(before)
    files = [path for path in copy.objects.rglob("*") if path.is_file()]

    assert files
    assert all(path.stat().st_mode & 0o044 == 0o044 for path in files)
    assert all(path.stat().st_mode & 0o055 == 0o055 for path in copy.objects.rglob("*") if path.is_dir())


async def test_contents_are_read_by_path(clone: Path, mirrors: mirror.Mirrors) -> None:
    """Regular files are read up to the limit; folders, links, absent and larger files are None."""
    (clone / "link").symlink_to("a.txt")
    odd = 'we"ird\n[x]*'
    git_remote.add_commit(clone, {odd: "odd\n", "big": "x" * 100})
    copy = await mirrors.fetch(7, str(clone), None, ["main"], local=True)
    head = await copy.resolve("main")

    assert await copy.read(head, "src/b.py", 100) == b"print(1)\n"
    assert await copy.read(head, odd, 100) == b"odd\n"
    assert await copy.read(head, "big", 100) == b"x" * 100
    for path in ("src", "link", "nope", "src/nope"):
        assert await copy.read(head, path, 100) is None
    assert await copy.read(head, "big", 99) is None
    assert await copy.files(head) == ["a.txt", "big", "link", "src/b.py", odd]
    everything = await copy.read_all(head, [*(f"x{number}" for number in range(60)), "a.txt"], 10)
    assert everything == {"a.txt": b"one\n"}


async def test_changes_say_what_differs(clone: Path, mirrors: mirror.Mirrors) -> None:
    """Each path that differs comes with modes, size, counts and a link's target, whatever its name."""
    base = git_remote.git(clone, "rev-parse", "main")
    (clone / "src/b.py").chmod(0o755)
    (clone / "up").symlink_to("../outside")
    (clone / "a.txt").unlink()
    (clone / "bin").write_bytes(b"\0\1\2")
    (clone / os.fsdecode(b"caf\xe9")).write_text("x\ny\n")
    head = git_remote.add_commit(clone, {"new\nline": "1\n2\n3\n"})
    copy = await mirrors.fetch(7, str(clone), None, ["main"], local=True)
    found = {one.path: one for one in await copy.changes(base, head)}

    assert found.keys() == {"a.txt", "bin", "caf\udce9", "new\nline", "src/b.py", "up"}
    assert (found["a.txt"].status, found["a.txt"].removed, found["a.txt"].size) == ("D", 1, 0)
    assert (found["bin"].added, found["bin"].size) == (None, 3)
    assert (found["caf\udce9"].added, found["new\nline"].added) == (2, 3)
    assert (found["src/b.py"].old_mode, found["src/b.py"].new_mode) == ("100644", "100755")
    assert found["up"].link == "../outside"
    assert await copy.changes(base, base) == []


async def test_a_diff_is_cut_honestly(clone: Path, mirrors: mirror.Mirrors) -> None:
    """A diff within the limit is whole; a longer one ends with a line that says how much is shown."""
    base = git_remote.git(clone, "rev-parse", "main")
    head = git_remote.add_commit(clone, {"a.txt": "one\n" + "more\n" * 100})
    copy = await mirrors.fetch(7, str(clone), None, ["main"], local=True)
    whole = await copy.diff(base, head, 10_000)
    cut = await copy.diff(base, head, 200)

    assert whole.count("\n+more") == 100
    assert "cut here" not in whole
    assert (
        cut.splitlines()[-1]
        == f"[cut here: {len(cut) - len(cut.splitlines()[-1]) - 1} of {len(whole)} bytes shown]"
    )
    assert await copy.added(base, await copy.changes(base, head), 10_000) == {
        "a.txt": "\n".join(["more"] * 100)
    }


@pytest.mark.parametrize(
    "name",
    ["a", "a/", "/b", "a/b/c", "a/..", "../b", "-a/b", "a/b?x", "a/b#", "a b/c", "a/b\n", "é/b", "a@h/b", ""],
)
def test_odd_names_are_no_repositories(name: str) -> None:
    """A name that could lead a URL elsewhere is refused."""
    with pytest.raises(Blocked, match="not the name of a repository"):
        mirror.repository_url("https://github.com", name)


def test_a_repository_has_one_url() -> None:
    """The URL is the server's, the owner's and the repository's name, whatever a payload says."""
    assert (
        mirror.repository_url("https://git.example/", "ada_corp/.github")
        == "https://git.example/ada_corp/.github.git"
    )


@pytest.mark.parametrize(
    "name", ["", "-x", "a..b", "a b", "a^", "a:b", "x.lock", "a//b", "a/.b", "@", "a@{1}", "a/"]
)
async def test_odd_branches_are_refused(mirrors: mirror.Mirrors, name: str) -> None:
    """A branch name that git would read as something else never reaches git."""
    with pytest.raises(Blocked, match="no name for a branch"):
        await mirrors.fetch(7, "http://127.0.0.1:1/a/b.git", None, [name])
