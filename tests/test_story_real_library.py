"""A released library with a bug that its own change log names gets the fix that its maintainers made."""

import hashlib
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from demo.claude.script import Play, Turn
from tests import shop, story

# https://github.com/cpburnz/python-pathspec, CHANGES.rst, 0.12.1: "Issue #84: PathSpec.match_file() returns
# None since 0.12.0."
RELEASE, DIGEST = "pathspec==0.12.0", "c57e16065a97b7beb175f13c84d27cb05f7b7315741c2fbd5de541042f4ea6e1"
TITLE = "PathSpec.match_file() returns None since 0.12.0"
BODY = """`match_file` is documented to return a `bool`, and does not when no pattern matches:

```python
>>> PathSpec.from_lines("gitwildmatch", ["*.txt"]).match_file("a.bin") is False
False
```
"""
WRONG = "		return include\n\n	def match_files(\n		self,\n		files: Iterable[StrPath],"
RIGHT = WRONG.replace("return include", "return bool(include)")
TEST = """
import unittest

from pathspec import PathSpec


class MatchFileTest(unittest.TestCase):

	def setUp(self):
		self.spec = PathSpec.from_lines("gitwildmatch", ["*.txt", "!b.txt"])

	def test_match(self):
		self.assertIs(self.spec.match_file("a.txt"), True)

	def test_exclude(self):
		self.assertIs(self.spec.match_file("b.txt"), False)

	def test_no_match(self):
		self.assertIs(self.spec.match_file("a.bin"), False)
"""
FIX = {
    "command": "str_replace",
    "path": "/workspace/pathspec/pathspec.py",
    "old_str": WRONG,
    "new_str": RIGHT,
}
PLAY = Play(
    match=TITLE,
    turns=[
        Turn(tools=[("bash", {"command": "grep -n 'def match_file' -A 20 pathspec/pathspec.py"})]),
        shop.edit(FIX),
        Turn(tools=[("bash", {"command": "python -m pytest -q tests"})]),
        Turn(
            tools=[("finish", {"summary": "`match_file` returns a `bool` again, also when nothing matches."})]
        ),
    ],
    tests={"test_cases": [{"name": "match file", "test_code": TEST}]},
)


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """Return a git repository that holds the source release, or skip when the index can't be reached."""
    said = _run(
        tmp_path, sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
        "--no-deps", "--no-binary", ":all:", "--retries", "1", "--timeout", "15", "--dest", ".", RELEASE,
    )  # fmt: skip
    if said.returncode:
        lines = said.stderr.splitlines() or ["?"]
        pytest.skip(f"{RELEASE} can't be had from the package index: {lines[-1]}")
    (archive,) = tmp_path.glob("*.tar.gz")
    assert hashlib.sha256(archive.read_bytes()).hexdigest() == DIGEST
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path, filter="data")
    (tree,) = (path.parent for path in tmp_path.glob("*/PKG-INFO"))
    author = ("-c", "user.name=Sam Seeder", "-c", "user.email=sam@example.com")
    for arguments in (("init", "-q", "-b", "main"), ("add", "-A"), ("commit", "-q", "-m", RELEASE)):
        _run(tree, "git", *author, *arguments).check_returncode()
    return tree


def _run(folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull}
    return subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, check=False)


async def test_a_historical_bug_gets_its_historical_fix(tmp_path: Path, release: Path) -> None:
    """The maintainers' one-word fix of an unmodified source release becomes a proven pull request."""
    async with story.telling(tmp_path, [PLAY]) as told:
        repo = await told.world.import_repository("acme/pathspec", release)
        issue = await story.labelled(told, repo, TITLE, BODY)
        task = await told.ended(issue, 300)

        assert (task["status"], task["reason"]) == ("COMPLETED", None), told.tail()
        (pull,) = told.world.pulls[repo.id].values()
        assert (pull.issue.body or "").startswith(f"Fixes #{issue.number}.")
        change = (await repo.git.run("diff", "-U0", "main", pull.head, "--", "pathspec")).decode()
        changed = [line for line in change.splitlines() if line[:1] in "+-"][2:]
        assert changed == ["-\t\treturn include", "+\t\treturn bool(include)"]
        counted = told.rows(
            "SELECT test_type, base_status, status, count(*) FROM test_cases GROUP BY 1, 2, 3"
        )
        assert {tuple(row)[:3]: row[3] for row in counted} == {
            ("GENERATED", "FAILED", "PASSED"): 1,
            ("GENERATED", "PASSED", "PASSED"): 2,
            ("REGRESSION", "PASSED", "PASSED"): 106,
        }
