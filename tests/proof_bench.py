"""Give the proof real git repositories and real pytest processes, in plain folders without a sandbox."""

import asyncio
import io
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bot.proof import proof
from bot.proof.bench import Overlay, Ran
from bot.proof.generated import GeneratedTest
from bot.proof.own_tests import ChangedFile
from bot.proof.runner import PYTEST, Runner
from bot.proof.verdict import Proof, ProofSettings

Files = Mapping[str, str | None]

BUGGY = "def total(items):\n    return sum(items[1:])\n\n\ndef twice(n):\n    return n * 2\n"
FIXED = BUGGY.replace("items[1:]", "items")
SUITE = """import shop


def test_twice():
    assert shop.twice(2) == 4


def test_empty():
    assert shop.total([]) == 0
"""
FAILING = "import shop\n\n\ndef test_total():\n    assert shop.total([1, 2]) == 3\n"
BASE = {"shop.py": BUGGY, "tests/test_shop.py": SUITE, "README.md": "# Shop\n"}
TESTED = {**BASE, "tests/test_total.py": FAILING}  # with the failing test already
MADE = {"tests/test_journeyman_total.py": FAILING}


@dataclass
class PlainGround:
    """A folder; commands run in it as they are."""

    tree: Path
    scratch: Path
    cwd: str = "."
    runs: list[list[str]] = field(default_factory=list)

    @property
    def out(self) -> str:
        """Where reports go."""
        return str(self.scratch)

    async def run(
        self, argv: Sequence[str], *, seconds: float, report: str | None, environment: Mapping[str, str]
    ) -> Ran:
        """Run one command with no more than a clean environment around it."""
        self.runs.append(list(argv))
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.scratch.mkdir(parents=True)
        env = {
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "HOME": str(self.scratch),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # a quicker start
            **environment,
        }
        started = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            *argv, cwd=self.tree / self.cwd, env=env, start_new_session=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        timed_out = False
        try:
            output, _ = await asyncio.wait_for(process.communicate(), seconds)
        except TimeoutError:
            timed_out = True
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = await process.communicate()
        file = self.scratch / report if report else None
        content = file.read_bytes() if file and file.is_file() and not file.is_symlink() else None
        return Ran(
            exit_code=None if timed_out else process.returncode,
            output=output.decode(errors="replace"),
            timed_out=timed_out,
            killed="time" if timed_out else None,
            seconds=time.monotonic() - started,
            report=None if timed_out else content,
        )

    async def close(self) -> None:
        """Take the tree away."""
        shutil.rmtree(self.tree)


class PlainBench:
    """A git repository with a base commit and trees made from it."""

    def __init__(self, root: Path, base: Files, cwd: str = ".") -> None:
        self.root = root
        self.cwd = cwd
        self.repository = root / "repository"
        self.repository.mkdir()
        self.grounds: list[tuple[str, PlainGround]] = []
        self._git("init", "-q")
        self._write(self.repository, base)
        self.base = self.write_tree()

    def change(self, files: Files) -> tuple[str, list[ChangedFile]]:
        """Make a result from the base; None deletes a file. Return its tree and what git says has changed."""
        self._write(self.repository, files)
        tree = self.write_tree()
        raw = self._git("diff-tree", "-r", "-z", "--name-status", "--no-renames", self.base, tree).decode()
        words = raw.split("\0")[:-1]
        return tree, [ChangedFile(path, status) for status, path in zip(words[::2], words[1::2], strict=True)]

    def write_tree(self) -> str:
        """Return the tree of what the repository's folder holds."""
        self._git("add", "-A", "-f")
        return self._git("write-tree").decode().strip()

    async def prepare(
        self, commit: str, tree: str | None, overlay: Sequence[Overlay], label: str
    ) -> PlainGround:
        """Unpack a tree and lay files over it."""
        folder = self.root / f"tree-{len(self.grounds)}"
        with tarfile.open(fileobj=io.BytesIO(self._git("archive", tree or commit))) as archive:
            archive.extractall(folder, filter="data")
        for file in overlay:
            target = folder / file.path
            if file.content is None:
                if target.is_dir() and not target.is_symlink():
                    shutil.rmtree(target)
                else:
                    target.unlink(missing_ok=True)
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(file.content)
        ground = PlainGround(folder, self.root / f"out-{len(self.grounds)}", self.cwd)
        self.grounds.append((label, ground))
        return ground

    async def files(self, treeish: str) -> list[str]:
        """List the paths of a tree."""
        return self._git("ls-tree", "-r", "-z", "--name-only", treeish).decode().split("\0")[:-1]

    async def read(self, treeish: str, path: str) -> bytes | None:
        """Return a file of a tree."""
        return await asyncio.to_thread(self._blob, f"{treeish}:{path}")

    def _blob(self, name: str) -> bytes | None:
        found = subprocess.run(
            ["git", "cat-file", "blob", name],
            cwd=self.repository,
            capture_output=True,
            check=False,
        )
        return found.stdout if found.returncode == 0 else None

    def suite_runs(self, label: str) -> int:
        """Count the commands that ran on trees of one kind."""
        return sum(len(ground.runs) for name, ground in self.grounds if name == label)

    def _write(self, folder: Path, files: Files) -> None:
        for path, text in files.items():
            if text is None:
                (folder / path).unlink()
            else:
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_text(text)

    def _git(self, *words: str) -> bytes:
        env = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
        done = subprocess.run(["git", *words], cwd=self.repository, capture_output=True, check=True, env=env)
        return done.stdout


async def prove(
    root: Path,
    base: Files,
    change: Files,
    generated: Files | None = None,
    runner: Runner | None = PYTEST,
    settings: ProofSettings | None = None,
) -> Proof:
    """Prove one change to one small repository."""
    bench = PlainBench(root, base)
    tree, changed = bench.change(change)
    tests = [GeneratedTest(path, code or "", path) for path, code in (generated or {}).items()]
    return await proof.prove(
        bench,
        base=bench.base,
        result_tree=tree,
        runner=runner,
        generated=tests,
        changed=changed,
        settings=settings or ProofSettings(flaky_reruns=0),
    )
