"""The commands do what the contract says, end with its exit codes, and `serve` keeps its worker."""

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bot import __main__ as command_line
from bot import settings
from tests import git_remote
from tests.bot_process import environment, is_alive, run, serving

Main = Callable[..., tuple[int, str, str]]
COMMANDS = ["serve", "web", "worker", "migrate", "setup", "check", "run", "sessions", "replay"]


@pytest.mark.parametrize("command", [[], *([each] for each in COMMANDS)], ids=["all", *COMMANDS])
def test_every_command_has_help(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` says what the command does and ends with 0, without any setting."""
    with pytest.raises(SystemExit) as ended:
        command_line.main([*command, "--help"])
    assert ended.value.code == 0
    assert "usage: python -m bot" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["dance"], ["serve", "--fast"], ["run"], ["replay"]])
def test_wrong_usage_is_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown command, option or a missing argument ends with 2."""
    with pytest.raises(SystemExit) as ended:
        command_line.main(arguments)
    assert ended.value.code == 2
    assert "usage:" in capsys.readouterr().err


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Main:
    """Return a way to run a command in this process, whose logging it leaves alone."""

    def run_here(env: dict[str, str], *arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(os, "environ", env)
        monkeypatch.setattr(command_line.logs, "configure", lambda *_: None)
        code = command_line.main(list(arguments))
        said = capsys.readouterr()
        return code, said.out, said.err

    return run_here


@pytest.mark.parametrize("missing", settings.REQUIRED)
def test_a_missing_variable_is_2_and_one_line(missing: str, quiet: Main, tmp_path: Path) -> None:
    """`serve` without one of its secrets ends with 2, and one line names the variable."""
    given = environment(tmp_path)
    del given[missing]
    code, _, errors = quiet(given, "serve")
    assert (code, errors.count("\n")) == (2, 1)
    assert errors.startswith(f"journeyman: {missing}")


async def test_the_process_ends_with_that_code(tmp_path: Path) -> None:
    """A misspelt setting reaches the shell as exit code 2 and one line, with no trace of our code."""
    code, output, errors = await run("serve", env=environment(tmp_path, JOURNEYMAN_LABLE="x"))
    assert (code, output) == (2, "")
    assert errors.startswith("journeyman: JOURNEYMAN_LABLE is not a setting")
    assert errors.count("\n") == 1


@pytest.mark.parametrize("command", ["web", "worker"])
def test_halves_need_postgresql(command: str, quiet: Main, tmp_path: Path) -> None:
    """`web` and `worker` by themselves can't share an SQLite file: 2, and the line names DATABASE_URL."""
    code, _, errors = quiet(environment(tmp_path), command)
    assert (code, "DATABASE_URL=postgresql://" in errors) == (2, True)


def test_migrate_then_look_then_replay(quiet: Main, tmp_path: Path) -> None:
    """`migrate` needs no secret and makes the file; then `sessions` is 0 on it, and unknown ids are 1."""
    bare = {name: value for name, value in environment(tmp_path).items() if name not in settings.REQUIRED}
    code, _, errors = quiet(bare, "sessions")
    assert (code, errors.count("\n")) == (1, 1)
    assert "python -m bot migrate" in errors
    assert quiet(bare, "migrate")[0] == 0
    assert quiet(bare, "sessions") == (0, "no sessions\n", "")
    assert quiet(bare, "sessions", "unknown") == (1, "no session unknown\n", "")
    assert quiet(bare, "replay", "unknown") == (1, "no delivery unknown\n", "")


def test_a_database_that_is_not_there_is_one_line(quiet: Main, tmp_path: Path) -> None:
    """A database that can't be reached ends with 1 and says so in a sentence."""
    env = environment(tmp_path, DATABASE_URL="postgresql://nobody@127.0.0.1:9/none")
    code, _, errors = quiet(env, "migrate")
    assert (code, errors.count("\n")) == (1, 1)
    assert errors.startswith("journeyman: the database does not do its part (")
    assert errors.endswith("see that it runs, and DATABASE_URL\n")


def test_run_names_what_it_cannot_read(quiet: Main, tmp_path: Path) -> None:
    """An issue that isn't there or says nothing, and a clone that isn't there, are 2 and name the option."""
    data, absent = tmp_path / "data", str(tmp_path / "absent")
    for name, content in {"issue": b"Fix it", "blank": b" \n# \n\nIt is off.", "latin": b"\xe9"}.items():
        (tmp_path / name).write_bytes(content)
    for repo, issue, told in [
        (str(tmp_path), absent, f"--issue {absent} can't be read"),
        (str(tmp_path), str(tmp_path / "latin"), f"--issue {tmp_path}/latin can't be read"),
        (str(tmp_path), "/dev/null", "--issue is empty"),
        (str(tmp_path), str(tmp_path / "blank"), "--issue is empty"),
        (absent, str(tmp_path / "issue"), f"--repo {absent} is not a folder"),
    ]:
        code, _, errors = quiet(environment(data), "run", "--repo", repo, "--issue", issue)
        assert (code, errors.count("\n")) == (2, 1), errors
        assert told in errors
    assert not data.exists()


@pytest.mark.parametrize(
    ("prepare", "base", "words"),
    [
        (["rm", "-rf", ".git"], (), "is not a git repository"),
        (["git", "checkout", "-q", "--detach"], (), "has no branch checked out: name one with --base"),
        (["git", "symbolic-ref", "HEAD", "refs/heads/none"], (), "has no branch"),
        (["git", "status", "-s"], ("--base", "nope"), "--base nope: the repository has no branch 'nope'"),
    ],
    ids=["no repository", "no branch checked out", "no commit on the branch", "no such branch"],
)
def test_run_names_a_clone_it_cannot_start_from(
    prepare: list[str], base: tuple[str, ...], words: str, quiet: Main, tmp_path: Path
) -> None:
    """A clone or a branch without a commit to start from is 2 and one line, and nobody else is asked."""
    clone = git_remote.make_clone(tmp_path / "clone", {"a.py": "a = 1\n"})
    subprocess.run(prepare, cwd=clone, check=True)
    (tmp_path / "issue").write_text("Fix it")
    env = environment(tmp_path / "data", JOURNEYMAN_SANDBOX="none", JOURNEYMAN_ALLOW_UNSANDBOXED="1")
    code, _, errors = quiet(env, "run", "--repo", str(clone), "--issue", str(tmp_path / "issue"), *base)
    told = [line for line in errors.splitlines() if line.startswith("journeyman: ")]
    assert (code, len(told)) == (2, 1), errors
    assert f"--repo {clone}" in told[0]
    assert words in told[0]


@pytest.mark.parametrize("command", ["serve", "migrate"])
def test_a_data_directory_that_cannot_be_made_is_2(command: str, quiet: Main, tmp_path: Path) -> None:
    """A file in its place is one line that names the variable, whichever command comes upon it."""
    (tmp_path / "file").touch()
    code, _, errors = quiet(environment(tmp_path / "file"), command)
    assert (code, errors.count("\n")) == (2, 1)
    assert errors.startswith("journeyman: JOURNEYMAN_DATA_DIR: nothing can be kept in ")


async def test_serve_keeps_its_worker_and_ends_well(tmp_path: Path) -> None:
    """A killed worker is replaced, a second server is refused with 1, and SIGTERM ends both with 0.

    Settings may name files by paths relative to where `serve` was started, which the worker reads as well.
    """
    (tmp_path / "key.pem").write_text(environment(tmp_path)["PRIVATE_KEY"])
    (tmp_path / "where").write_text("kept")
    env = environment(
        tmp_path,
        PRIVATE_KEY_PATH="key.pem",
        JOURNEYMAN_DATA_DIR_FILE="where",
        DATABASE_URL="sqlite:///own.sqlite",
    )
    del env["PRIVATE_KEY"], env["JOURNEYMAN_DATA_DIR"]
    async with serving(tmp_path / "log", env, cwd=tmp_path) as server:
        first = await server.working()
        code, _, errors = await run("serve", env=env | {"PORT": "0"}, cwd=tmp_path)
        assert (code, errors.count("\n")) == (1, 1)
        assert f"(process {server.process.pid}) already runs on kept" in errors

        os.kill(first, signal.SIGKILL)
        second = await server.working(times=2)
        assert second != first

        server.process.terminate()
        assert await server.process.wait() == 0, server.text()
        assert not is_alive(second)
    assert '"event": "worker.stopping"' in server.text()
    assert (tmp_path / "own.sqlite").exists()
    assert "Traceback" not in server.text(), server.text()[-3000:]


async def test_a_killed_server_takes_its_worker_along(tmp_path: Path) -> None:
    """After `kill -9` of the server its worker is gone in seconds, and the next server can begin at once."""
    env = environment(tmp_path / "data")
    async with serving(tmp_path / "log", env) as server:
        worker = await server.working()
        server.process.kill()
        await server.process.wait()
        await server.until(lambda: not is_alive(worker), 5)
    async with serving(tmp_path / "log", env) as again:
        await again.working(times=2)
        code, _, errors = await run("serve", env=env | {"JOURNEYMAN_DATA_DIR": str(tmp_path / "other")})
        assert code == 1
        told = errors.splitlines()[-1]
        assert told.startswith(f"journeyman: cannot listen on HOST 127.0.0.1, PORT {env['PORT']}: ")
        assert "address already in use" in told
