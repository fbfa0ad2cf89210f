"""Decide which files of a change are tests, what serves or configures tests, and what must be laid back."""

import configparser
import fnmatch
import posixpath
import sys
import tomllib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bot.proof.runner import Runner

_FOLDERS = frozenset({"tests", "test", "__tests__"})
_DOCUMENTS = (".md", ".rst", ".adoc", ".mdx", ".png", ".jpg", ".jpeg", ".gif", ".svg", ".webp", ".pdf")
_INERT = frozenset(
    {"license", "licence", "copying", "notice", "authors", "contributors", "changelog", "changes", "readme"}
    | {"history", "news", "security", "codeowners", "license.txt", "licence.txt", "copying.txt", "notice.txt"}
    | {"authors.txt", "changelog.txt", "changes.txt", "readme.txt", "news.txt"}
    | {".gitignore", ".gitattributes", ".editorconfig", ".mailmap"}
)


@dataclass(frozen=True)
class ChangedFile:
    """One path of a change; `status` is git's letter: A added, M modified, D deleted, T changed type."""

    path: str
    status: str

    @property
    def added(self) -> bool:
        """Whether the base has no such path."""
        return self.status[:1].upper() == "A"

    @property
    def deleted(self) -> bool:
        """Whether the result has no such path."""
        return self.status[:1].upper() == "D"


class Role(StrEnum):
    """What a file is to the tests."""

    TEST = "test"  # collected by the runner
    SUPPORT = "support"  # data and helpers beside the tests
    CONFIGURATION = "configuration"  # decides what runs and how
    SHARED = "shared"  # configures tests among other things: its tables decide
    DOCUMENT = "document"  # nothing in it runs
    PRODUCT = "product"


@dataclass(frozen=True)
class Change:
    """A change sorted by role; `shared` files are here only when their tables for the tests differ."""

    tests: tuple[ChangedFile, ...] = ()
    support: tuple[ChangedFile, ...] = ()
    configuration: tuple[ChangedFile, ...] = ()
    product: tuple[ChangedFile, ...] = ()
    documents: tuple[ChangedFile, ...] = ()

    @property
    def guarded(self) -> tuple[ChangedFile, ...]:
        """Everything that could bend the tests: laid back to what the base has before its tests judge."""
        return (*self.tests, *self.support, *self.configuration)

    @property
    def executable(self) -> bool:
        """Whether anything in the change can run, so that a test could show it."""
        return bool(self.product or self.guarded)

    @property
    def written(self) -> tuple[str, ...]:
        """The test files that the change adds or modifies."""
        return tuple(file.path for file in self.tests if not file.deleted)


class Roles:
    """Says of any path what it is to the tests of one repository."""

    def __init__(self, runner: Runner | None, files: Iterable[str]) -> None:
        self._runner = runner
        self._roots = self._test_folders(files)

    def of(self, path: str, *, added: bool = False) -> Role:
        """Return the role of *path*; a file that is *added* is also asked whether it shadows the runner."""
        name = posixpath.basename(path)
        if self._runner is not None:
            if _matches(path, self._runner.configuration) or (added and self._shadows(path)):
                return Role.CONFIGURATION
            if name in self._runner.shared:
                return Role.SHARED
            if self.is_test(path):
                return Role.TEST
        if any(path == root or path.startswith(root + "/") for root in self._roots):
            return Role.SUPPORT
        if name.lower().endswith(_DOCUMENTS) or name.lower() in _INERT:
            return Role.DOCUMENT
        return Role.PRODUCT

    def is_test(self, path: str) -> bool:
        """Tell whether the runner would collect *path*."""
        return self._runner is not None and _matches(posixpath.basename(path), self._runner.test_files)

    def _test_folders(self, files: Iterable[str]) -> frozenset[str]:
        """Find the folders of tests: by name, and only where a test lives (django/test is a product)."""
        roots = set()
        for path in filter(self.is_test, files):
            parts = path.split("/")[:-1]
            for depth, part in enumerate(parts):
                if part in _FOLDERS or (part == "testing" and depth == 0):
                    roots.add("/".join(parts[: depth + 1]))
                    break
        return frozenset(roots)

    def _shadows(self, path: str) -> bool:
        """Tell whether a new module would be imported in place of the runner's or of Python's own."""
        parts = path.split("/")
        if parts[0] == "src" and len(parts) > 1:
            parts = parts[1:]
        top = parts[0].removesuffix(".py") if len(parts) == 1 else parts[0]
        if not path.endswith((".py", ".so", ".pyc")) or self._runner is None or not self._runner.modules:
            return False
        # `test` is in Python's library, and the commonest name for a folder of one's own.
        return top in self._runner.modules or (top in sys.stdlib_module_names and top not in _FOLDERS)


def sort(
    changed: Sequence[ChangedFile], roles: Roles, bent: Collection[str], base_files: Collection[str]
) -> Change:
    """Sort a change by role; *bent* names the shared files whose tables for the tests differ."""
    sorted_: dict[Role, list[ChangedFile]] = {role: [] for role in Role}
    for file in changed:
        role = roles.of(file.path, added=file.added)
        if role is Role.SHARED:
            role = Role.CONFIGURATION if file.path in bent else Role.PRODUCT
        if role in {Role.PRODUCT, Role.DOCUMENT} and _in_the_way(file, roles, base_files):
            role = Role.SUPPORT
        sorted_[role].append(file)
    return Change(
        tests=tuple(sorted_[Role.TEST]),
        support=tuple(sorted_[Role.SUPPORT]),
        configuration=tuple(sorted_[Role.CONFIGURATION]),
        product=tuple(sorted_[Role.PRODUCT]),
        documents=tuple(sorted_[Role.DOCUMENT]),
    )


def _in_the_way(file: ChangedFile, roles: Roles, base_files: Collection[str]) -> bool:
    """Tell whether a new path replaces a whole folder of the base's tests, as a symlink would."""
    return file.added and any(
        path.startswith(file.path + "/") and roles.of(path) in {Role.TEST, Role.SUPPORT, Role.CONFIGURATION}
        for path in base_files
    )


def _matches(path: str, patterns: Iterable[str]) -> bool:
    name = posixpath.basename(path)
    for pattern in patterns:
        if "/" in pattern:
            if fnmatch.fnmatchcase(path, pattern) or fnmatch.fnmatchcase(path, "*/" + pattern):
                return True
        elif fnmatch.fnmatchcase(name, pattern):
            return True
    return False


def tables(path: str, content: bytes | None, runner: Runner) -> object:
    """Return the part of a shared configuration file that belongs to the runner, comparable with ==.

    A file that can't be read is equal only to the same bytes.
    """
    if content is None:
        return {}
    wanted = runner.shared[posixpath.basename(path)]
    try:
        text = content.decode()
        document: object = tomllib.loads(text) if path.endswith(".toml") else _sections(text)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, configparser.Error, RecursionError):
        return content
    return {keys: table for keys in wanted if (table := _dig(document, keys)) is not None}


def _sections(text: str) -> dict[str, dict[str, str]]:
    parser = configparser.RawConfigParser(strict=False)
    parser.read_string(text)
    return {section: dict(parser.items(section)) for section in parser.sections()}


def _dig(document: object, keys: Sequence[str]) -> object:
    for key in keys:
        document = document.get(key) if isinstance(document, dict) else None
    return document
