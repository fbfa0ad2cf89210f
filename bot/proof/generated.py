"""Decide which generated tests are kept, what they are called and where they are laid."""

import ast
import collections
import posixpath
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from bot.proof import source
from bot.proof.own_tests import Role, Roles
from bot.proof.runner import Runner

MAX_TESTS = 20
MAX_BYTES = 64 * 1024
_SAFE_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\Z")


@dataclass(frozen=True)
class Candidate:
    """A test as the model wrote it; `path` is where it would like it to be."""

    name: str
    test_code: str
    path: str | None = None


@dataclass(frozen=True)
class GeneratedTest:
    """A test that is kept: one new file, relative to the repository's root."""

    path: str
    code: str
    name: str


def keep(
    candidates: Sequence[Candidate], runner: Runner, files: Collection[str]
) -> tuple[list[GeneratedTest], list[tuple[str, str]]]:
    """Return the tests worth running, and (name, why) of those dropped; no kept path is among *files*."""
    kept: list[GeneratedTest] = []
    dropped: list[tuple[str, str]] = []
    taken = set(files)
    roles = Roles(runner, files)
    for candidate in candidates:
        why = _refusal(candidate, runner, len(kept))
        if why:
            dropped.append((candidate.name, why))
            continue
        path = _place(candidate, roles, runner, taken)
        taken.add(path)
        kept.append(GeneratedTest(path, candidate.test_code, candidate.name))
    return kept, dropped


def _refusal(candidate: Candidate, runner: Runner, kept: int) -> str | None:
    if runner.selection is None or runner.suffix != ".py":
        return f"generated tests can't be run with {runner.shown or runner.name}"
    if kept >= MAX_TESTS:
        return f"only {MAX_TESTS} generated tests are run"
    # Half a surrogate pair is no text in any encoding; it is replaced here and fails to parse below.
    if len(candidate.test_code.encode(errors="replace")) > MAX_BYTES:
        return f"it is larger than {MAX_BYTES // 1024} KiB"
    module = source.parse(candidate.test_code)
    if module is None:
        return "it does not parse as Python"
    if not any(_runs(node) for _, node in source.tests(module)):
        return "it contains no test function or class"
    return None


def _runs(node: ast.AST) -> bool:
    if isinstance(
        node, ast.ClassDef
    ):  # inherited tests can't be seen here: a class with a base may have some
        return bool(node.bases) or any(getattr(item, "name", "").startswith("test") for item in node.body)
    return True


def _place(candidate: Candidate, roles: Roles, runner: Runner, taken: Collection[str]) -> str:
    """Choose a free path: the model's if it is safe and would be collected, else one beside the tests."""
    # Without packages pytest imports tests by their basename, so it must be the only one of its kind.
    names = {posixpath.basename(path) for path in taken}
    wanted = candidate.path
    if wanted and _safe(wanted, roles, taken) and posixpath.basename(wanted) not in names:
        return wanted
    folder = home(taken, roles, runner.directory)
    stem = "test_journeyman_" + _slug(candidate.name)
    for number in range(1, len(names) + 2):
        name = f"{stem}.py" if number == 1 else f"{stem}_{number}.py"
        if name not in names:
            break
    return posixpath.normpath(posixpath.join(folder, name))


def _safe(path: str, roles: Roles, taken: Collection[str]) -> bool:
    parts = path.split("/")
    if len(path) > 200 or not all(_SAFE_PART.match(part) for part in parts):
        return False
    folders = {"/".join(parts[:depth]) for depth in range(1, len(parts))}
    blocked = path in taken or any(other.startswith(path + "/") for other in taken) or folders & set(taken)
    return not blocked and roles.of(path, added=True) is Role.TEST and path.endswith(".py")


def home(files: Collection[str], roles: Roles, directory: str = ".") -> str:
    """Return the folder where most tests live; `tests` below *directory* when there are none."""
    start = "" if directory == "." else directory.rstrip("/") + "/"
    folders = collections.Counter(
        posixpath.dirname(path)
        for path in files
        if path.startswith(start) and roles.of(path) is Role.TEST and path.endswith(".py")
    )
    if not folders:
        return posixpath.join(directory, "tests")
    return min(folders, key=lambda folder: (-folders[folder], folder.count("/"), folder))


def _slug(name: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    slug = slug.removeprefix("test_").removeprefix("journeyman_")
    return slug[:40].strip("_") or "case"
