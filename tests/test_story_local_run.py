"""`python -m bot run` does a task on a local clone: the result is a branch, and all else stays as it was."""

import asyncio
import contextlib
import os
import re
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from demo.claude import server as claude_server
from demo.claude.script import Play, Script
from tests import shop, story

ISSUE = f"# {shop.TITLE}\n\n{shop.BODY}"
NOT_SET = re.compile(r"(ANTHROPIC|JOURNEYMAN|GITHUB|GIT|LOG)_|APP_ID|PRIVATE_KEY|WEBHOOK_SECRET")


@dataclass(frozen=True)
class Ended:
    """What became of one command."""

    code: int | None
    output: str
    errors: str


@dataclass(frozen=True)
class Place:
    """A folder with a clone and an issue beside it, and a Claude to ask."""

    root: Path
    claude: claude_server.Running

    async def run(self, *arguments: str, stdin: str = "", **environment: str) -> Ended:
        """Run `python -m bot run` to its end."""
        variables = {name: value for name, value in os.environ.items() if not NOT_SET.match(name)}
        variables |= {
            "ANTHROPIC_API_KEY": "stand-in-key",
            "ANTHROPIC_BASE_URL": self.claude.url,
            "JOURNEYMAN_DATA_DIR": str(self.root / "data"),
        }
        argv = (sys.executable, "-m", "bot", "run", *arguments)
        return await _process(argv, story.CHECKOUT, variables | environment, stdin)

    async def git(self, *arguments: str) -> str:
        """Return what git says in the clone."""
        author = ("-c", "user.name=Maria", "-c", "user.email=maria@example.com")
        variables = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        ended = await _process(("git", *author, *arguments), self.root / "clone", variables)
        assert ended.code == 0, ended.errors
        return ended.output

    async def seen(self) -> list[str]:
        """Return everything about the clone that belongs to its owner."""
        asked = (
            ("rev-parse", "HEAD"), ("symbolic-ref", "HEAD"), ("status", "--porcelain"), ("diff",),
            ("diff", "--cached"), ("stash", "list"), ("config", "--local", "--list"), ("worktree", "list"),
            ("for-each-ref", "refs/heads/trunk", "refs/remotes", "refs/tags", "refs/stash"),
            ("reflog", "show", "HEAD"),
        )  # fmt: skip
        return [await self.git(*arguments) for arguments in asked]


async def _process(argv: Sequence[str], folder: Path, variables: dict[str, str], stdin: str = "") -> Ended:
    process = await asyncio.create_subprocess_exec(
        *argv, cwd=folder, env=variables, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, errors = await process.communicate(stdin.encode())
    return Ended(process.returncode, output.decode(), errors.decode())


@contextlib.asynccontextmanager
async def place(root: Path, *plays: Play) -> AsyncIterator[Place]:
    """Make a clone of the shop, its issue in a file, and a Claude."""
    for path, text in shop.FILES.items():
        (root / "clone" / path).parent.mkdir(parents=True, exist_ok=True)
        (root / "clone" / path).write_text(text)
    (root / "issue.md").write_text(ISSUE)
    claude = await claude_server.start(Script(plays))
    made = Place(root, claude)
    try:
        for arguments in (("init", "-q", "-b", "trunk"), ("add", "-A"), ("commit", "-q", "-m", "Start")):
            await made.git(*arguments)
        yield made
    finally:
        await claude.close()


async def test_the_result_is_a_branch_and_the_clone_stays_as_it_was(tmp_path: Path) -> None:
    """A proven change is on a new branch each time; work in progress is neither used nor touched."""
    async with place(tmp_path, shop.RIGHT) as made:
        clone = tmp_path / "clone"
        (clone / "shop.py").write_text("this is broken and not committed\n")
        (clone / "tests" / "test_new.py").write_text("def test_unfinished():\n    assert False\n")
        (clone / "README.md").write_text("# Staged\n")
        await made.git("add", "README.md")
        before = await made.seen()
        ended = await made.run("--repo", str(clone), "--issue", str(tmp_path / "issue.md"))

        assert ended.code == 0, ended.output + ended.errors
        assert await made.seen() == before
        (branch,) = re.findall(r"the work is on branch (journeyman/\S+)", ended.output)
        assert (await made.git("rev-parse", f"{branch}^")) == before[0]
        changed = (await made.git("diff", "--name-only", "trunk", branch)).split()
        assert changed == ["shop.py", "tests/test_journeyman_discount.py"]
        assert "* (100 - discount) / 100" in await made.git("show", f"{branch}:shop.py")
        assert "COMPLETED" in ended.output
        assert "Traceback" not in ended.errors

        again = await made.run("--repo", str(clone), "--issue", str(tmp_path / "issue.md"))
        assert again.code == 0, again.output + again.errors
        (other,) = re.findall(r"the work is on branch (journeyman/\S+)", again.output)
        assert other != branch


async def test_what_is_not_proven_exits_with_one_and_says_why(tmp_path: Path) -> None:
    """Reason and evidence are printed, the work is kept on a branch; the issue may come from stdin."""
    async with place(tmp_path, shop.BREAKING) as made:
        before = await made.seen()
        ended = await made.run("--repo", str(tmp_path / "clone"), "--issue", "-", stdin=ISSUE)

        assert ended.code == 1, ended.output + ended.errors
        assert "regressed" in ended.output
        assert "test_cheapest" in ended.output
        assert "the work is on branch journeyman/" in ended.output
        assert await made.seen() == before


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        pytest.param(["--repo", ".", "--issue", "no/such/file"], {}, "no/such/file", id="no such file"),
        pytest.param(["--repo", ".", "--issue", "-"], {"ANTHROPIC_API_KEY": ""}, "API_KEY", id="no key"),
    ],
)  # fmt: skip
async def test_wrong_usage_exits_with_two(
    tmp_path: Path, arguments: list[str], environment: dict[str, str], words: str
) -> None:
    """What the command line or the environment lacks is named."""
    async with place(tmp_path) as made:
        ended = await made.run(*arguments, **environment)

        assert ended.code == 2, ended.output + ended.errors
        assert words in ended.errors
        assert "Traceback" not in ended.errors
