"""Hold the sandbox to its promises: results, limits, the end of the whole tree, ownership, refusal."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from bot.workspace import plan
from bot.workspace.sandbox import Command, Limits, Mount, Sandbox, SandboxUnavailable
from tests.sandbox_room import Room, furnished

ROOT = os.geteuid() == 0
MARK = f"JOURNEYMAN_MARK_{os.getpid()}"


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    """Return a task's folders, 0700 all the way up."""
    async with furnished(tmp_path) as room:
        yield room


def marked(mark: str) -> list[int]:
    """Return the host pids whose command line holds a mark."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark.encode() in entry.read_bytes():
                found.append(int(entry.parent.name))
        except OSError:
            continue
    return found


async def until(condition: Callable[[], object]) -> None:
    """Wait for a condition; the test's own time-out bounds it."""
    while not condition():  # noqa: ASYNC110 - nothing announces another process's end
        await asyncio.sleep(0.01)


async def test_probe_runs_below_a_closed_parent(room: Room) -> None:
    """The probe passes where the data folder's parents let nobody else through, and leaves nothing behind."""
    await room.sandbox.probe()
    data = room.root.parent
    assert {entry.name for entry in data.iterdir()} <= {"slots", "task"}


async def test_result_carries_output_code_and_side_channel(room: Room) -> None:
    """Both streams come back in order, with the exit code and what was written to descriptor 9."""
    result = await room.run("echo one; echo two >&2; cat; echo side >&9; exit 7", stdin=b"three\n")
    assert (result.exit_code, result.output) == (7, "one\ntwo\nthree\n")
    assert (result.extra, result.omitted_bytes, result.timed_out, result.killed) == (
        b"side\n",
        0,
        False,
        None,
    )


async def test_missing_program_or_folder_is_a_result(room: Room) -> None:
    """What cannot be started fails as a command does, with the reason as output."""
    mounts = (Mount(room.tree, "/workspace", writable=True),)
    missing = await room.sandbox.run(Command(("no-such-program",), mounts))
    nowhere = await room.sandbox.run(Command(("true",), mounts, cwd="/workspace/nowhere"))
    assert (missing.exit_code, nowhere.exit_code) == (1, 1)
    assert "no-such-program: No such file" in missing.output
    assert "/workspace/nowhere: No such file" in nowhere.output


async def test_environment_is_synthetic(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the bot's environment arrives, what the command asks for does."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "secret")
    result = await room.run("env; cat /proc/1/environ", environment={"ASKED": "yes"})
    assert "ASKED=yes" in result.output
    assert "HOME=/home/agent" in result.output
    assert "ANTHROPIC" not in result.output


async def test_mounts_are_read_only_unless_writable(room: Room) -> None:
    """A read-only mount takes no write; the tree keeps what is written."""
    lent = room.root / "lent"
    lent.mkdir()
    lent.chmod(0o755)
    result = await room.run("touch kept; touch /lent/no", mounts=(Mount(lent, "/lent"),))
    assert "Read-only file system" in result.output
    assert (room.tree / "kept").exists()
    assert not (lent / "no").exists()


@pytest.mark.skipif(not ROOT, reason="only root can hand out uids")
async def test_two_tasks_never_share_a_uid(room: Room) -> None:
    """One task's folders share a uid that no other task has, nor gets after a restart, while they last."""
    data = room.root.parent
    other = await Sandbox("bubblewrap", data).make_dir(data / "other")
    uids = [path.stat().st_uid for path in (room.root, room.tree, other)]
    assert uids[0] == uids[1] != uids[2]
    assert 0 not in uids
    await room.sandbox.remove(other)
    again = await room.sandbox.make_dir(data / "again")
    assert again.stat().st_uid == uids[2]
    await room.sandbox.remove(again)


async def test_planted_link_is_not_mounted(room: Room) -> None:
    """A mount whose source an agent has replaced by a symlink is refused."""
    await room.run("ln -s / way-out")
    with pytest.raises(ValueError, match="symbolic link"):
        await room.run("ls /out", mounts=(Mount(room.tree / "way-out", "/out"),))


@pytest.mark.skipif(not ROOT, reason="an ordinary user's folders are all its own")
async def test_folder_of_root_is_not_mounted_writable(room: Room, tmp_path: Path) -> None:
    """Root's own folder is never handed out for writing."""
    with pytest.raises(ValueError, match="make_dir"):
        await room.sandbox.run(Command(("true",), (Mount(tmp_path, "/workspace", writable=True),)))


async def test_leftovers_end_with_the_command(room: Room) -> None:
    """A detached writer that holds stdout delays nothing, and the tree is still once the result is there."""
    writer = "setsid bash -c 'while :; do echo x >> grown; done' & until [ -s grown ]; do :; done; echo done"
    for _ in range(10):
        result = await room.run(writer)
        size = (room.tree / "grown").stat().st_size
        assert result.output == "done\n"
        assert result.seconds < 10
        await asyncio.sleep(0.01)
        assert (room.tree / "grown").stat().st_size == size


async def test_deaf_command_is_ended_on_time(room: Room) -> None:
    """A command that ignores every signal it can ends at its time-out with what it had said."""
    result = await room.run("trap '' TERM INT HUP; echo started; sleep 60", limits=Limits(seconds=1))
    assert (result.timed_out, result.killed, result.exit_code) == (True, "time", None)
    assert result.output == "started\n"
    assert result.seconds < 5


async def test_broken_bytes_and_nul_are_replaced(room: Room) -> None:
    """Output is always text that a database can keep."""
    assert (await room.run(r"printf 'a\xffb\0c'")).output == "a\ufffdb\ufffdc"


async def test_cancelled_run_leaves_nothing(room: Room) -> None:
    """Cancelling the call ends the tree before the cancellation goes on."""
    task = asyncio.create_task(room.run(f"touch up; exec -a {MARK}-cancel sleep 300"))
    await until((room.tree / "up").exists)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert marked(f"{MARK}-cancel") == []


async def test_cancelled_before_it_has_begun_leaves_nothing(room: Room) -> None:
    """Cancelling while bubblewrap is still setting up leaves no process either."""
    for steps in range(1, 12):
        task = asyncio.create_task(room.run(f"exec -a {MARK}-early{steps} sleep 300"))
        await asyncio.wait({task}, timeout=steps * 0.004)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert marked(f"{MARK}-early") == []


BOT = """
import asyncio, sys
from pathlib import Path
from bot.workspace.sandbox import Command, Mount, Sandbox
async def main(data, mark):
    sandbox = Sandbox("bubblewrap", Path(data))
    tree = await sandbox.make_dir(Path(data) / "killed")
    script = f"setsid sleep 400 & touch up; exec -a {mark} sleep 300"
    await sandbox.run(Command(("bash", "-c", script), (Mount(tree, "/workspace", writable=True),)))
asyncio.run(main(*sys.argv[1:]))
"""


async def test_killed_bot_takes_the_tree_with_it(room: Room) -> None:
    """SIGKILL of the bot ends every sandboxed process."""
    data, mark = room.root.parent, f"{MARK}-bot"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    argv = [sys.executable, "-c", BOT, str(data), mark]
    with subprocess.Popen(argv, env=environment) as bot:  # noqa: ASYNC220 - killed, never waited for
        await until((data / "killed" / "up").exists)
        await until(lambda: any("sleep" in Path(f"/proc/{pid}/comm").read_text() for pid in marked(mark)))
        bot.send_signal(signal.SIGKILL)
    await until(lambda: marked(mark) == [])
    await room.sandbox.remove(data / "killed")


async def test_removal_gets_everything(room: Room) -> None:
    """Closed folders, deep paths and FIFOs are deleted."""
    (room.tree / "deep.py").write_text(
        "import os\nfor _ in range(1200):\n    os.mkdir('d')\n    os.chdir('d')\n"
    )
    await room.run("python3 deep.py; mkfifo pipe; mkdir -p shut/in; touch shut/in/f; chmod 000 shut/in shut")
    await room.sandbox.remove(room.tree)
    assert not room.tree.exists()


async def test_missing_bubblewrap_refuses(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a bubblewrap that works, the probe refuses with the reason and a fix, and nothing runs."""
    fake = room.root.parent / "package" / "_bin" / "bwrap"
    fake.parent.mkdir(parents=True, mode=0o755)
    fake.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setattr(plan, "bubblewrap", lambda: fake)
    with pytest.raises(SandboxUnavailable, match=r"No permissions.*Fix: allow unprivileged user namespaces"):
        await room.sandbox.probe()


async def test_missing_libseccomp_refuses(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without libseccomp the sandbox is refused, and the package is named."""
    from bot.workspace import seccomp  # noqa: PLC0415

    seccomp.program.cache_clear()
    monkeypatch.setitem(sys.modules, "pyseccomp", None)
    with pytest.raises(SandboxUnavailable, match="libseccomp2"):
        await room.sandbox.probe()


async def test_egress_socket_is_the_one_way_out(room: Room) -> None:
    """With a socket given, loopback port 3128 reaches it; the command's code and streams are its own."""
    heard: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.0 200 OK\r\n\r\nhello " + b"x" * 300_000)
        await writer.drain()
        writer.close()

    path = room.root.parent / "egress.sock"
    server = await asyncio.start_unix_server(answer, path)
    fetch = "import urllib.request as u; print(len(u.urlopen('http://127.0.0.1:3128/simple/').read()))"
    async with server:
        result = await room.run(f'python3 -c "{fetch}"; echo side >&9; exit 5', egress=path)
        closed = await room.run(f'python3 -c "{fetch}"')
    assert (result.output, result.exit_code, result.extra) == ("300006\n", 5, b"side\n")
    assert heard[0].startswith(b"GET /simple/ ")
    assert len(heard) == 1
    assert "Connection refused" in closed.output


async def test_many_at_once_do_not_mix(room: Room) -> None:
    """Commands that run at the same time get their own output and end."""
    results = await asyncio.gather(*(room.run(f"echo {n}; exit {n}") for n in range(12)))
    assert [(r.output, r.exit_code) for r in results] == [(f"{n}\n", n) for n in range(12)]


async def test_no_descriptor_leaks(room: Room) -> None:
    """Runs leave no descriptor open in the bot, ended and timed out ones alike."""
    await room.run("true")
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for _ in range(3):
        await room.run("true")
        await room.run("sleep 60", limits=Limits(seconds=0.3))
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


async def test_without_a_sandbox_commands_still_have_results(tmp_path: Path) -> None:
    """The kind "none" runs in the host's folders, with time-outs, exit codes and the side channel."""
    sandbox = Sandbox("none", tmp_path)
    await sandbox.probe()
    tree = await sandbox.make_dir(tmp_path / "tree")
    mounts = (Mount(tree, "/workspace", writable=True),)
    argv = ("bash", "-c", "pwd; touch /workspace/made; echo side >&9; exit 4")
    result = await sandbox.run(Command(argv, mounts))
    assert (result.output, result.exit_code, result.extra) == (f"{tree}\n", 4, b"side\n")
    assert (tree / "made").exists()
    began = time.monotonic()
    late = await sandbox.run(Command(("sleep", "60"), mounts, limits=Limits(seconds=0.3)))
    assert (late.killed, late.timed_out) == ("time", True)
    assert time.monotonic() - began < 10
