"""Decide what to install for a Python project: the best attempt first, then what can be left out."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bot.workspace import declarations, interpreters

_TEST = frozenset(
    {"test", "tests", "testing", "pytest", "unittest", "unit-test", "unit-tests", "tests-require"}
)
_DEVELOP = frozenset({"dev", "develop", "development", "devel"})
_REQUIREMENTS = re.compile(
    r"(requirements|reqs)/[\w.-]*(dev|test|ci)[\w.-]*\.txt"
    r"|(tests?/)?(requirements[-_.](dev|devel|develop|development|tests?|testing|ci)|(dev|tests?|testing)[-_.]requirements)\.txt"
    r"|tests?/[\w.-]*requirements\.txt"
)
_PYTEST_FILES = ("pyproject.toml", "pytest.ini", "setup.cfg", "tox.ini")
_PLUGINS = (
    (r"--cov\b", "pytest-cov"),
    (r"asyncio_mode|asyncio_default_fixture", "pytest-asyncio"),
    (r"--timeout\b|^\s*timeout(_method)?\s*=", "pytest-timeout"),
    (r"addopts.*\s-n[ =\d]|--dist\b", "pytest-xdist"),
    (r"DJANGO_SETTINGS_MODULE", "pytest-django"),
    (r"--benchmark-", "pytest-benchmark"),
)
_SCM = re.compile(
    rb"setuptools[-_]scm|hatch[-_]vcs|vcs[-_]versioning|flit[-_]scm|versioningit|source\s*=\s*.scm"
)
_FALLBACK_VERSION = "1.0.0"


@dataclass(frozen=True)
class Attempt:
    """Arguments of one `uv pip install`; `told` says what a person should know was installed."""

    arguments: tuple[str, ...]
    told: str
    editable: bool = False
    constrained: bool = False


@dataclass(frozen=True)
class Plan:
    """How the project is set up. `source` is the folder of its modules when it can't be installed."""

    wish: interpreters.Wish
    attempts: tuple[Attempt, ...]
    backend: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    source: str = "."
    environment: Mapping[str, str] = field(default_factory=dict)


def plan(files: Mapping[str, bytes]) -> Plan | None:
    """Return the plan for files as `dependency_files.read` returns them, None when there is no Python."""
    if not _is_python(files):
        return None
    declared = declarations.read(files)
    return Plan(
        wish=_wish(files, declared),
        attempts=tuple(_attempts(files, declared)),
        backend=declared.backend if declared.installable else (),
        constraints=declared.locked,
        source="src" if "src/" in files else ".",
        environment=_versions(files, declared) if declared.installable else {},
    )


def _is_python(files: Mapping[str, bytes]) -> bool:
    named = {
        "pyproject.toml",
        "setup.cfg",
        "setup.py",
        "requirements.txt",
        "Pipfile",
        "tox.ini",
        "pytest.ini",
    }
    return not named.isdisjoint(files) or any(path.endswith(".py") for path in files)


def _attempts(files: Mapping[str, bytes], declared: declarations.Declared) -> list[Attempt]:
    """List attempts: everything for tests, the test extras only, the project only, its dependencies only."""
    extras = [name for name in declared.extras if _plain(name) in _TEST | _DEVELOP]
    narrow = [name for name in extras if _plain(name) in _TEST]
    groups = [name for name in declared.groups if _plain(name) in _TEST | _DEVELOP]
    listed = [path for path in files if _REQUIREMENTS.fullmatch(path)]
    more = list(declared.test_requirements)
    if not (extras or groups or listed or more):
        more = list(declared.tox_requirements)
    plain = [path for path in ("requirements.txt",) if path in files]
    if not declared.installable or not (extras or groups or listed or more):
        listed = [*plain, *listed]
    tools = ["pytest", *_plugins(files)]
    found: list[Attempt] = []
    if declared.installable:
        if declared.locked:
            found.append(_attempt(declared, extras, groups, listed, [*more, *tools], locked=True))
        found.append(_attempt(declared, extras, groups, listed, [*more, *tools]))
        found.append(
            _attempt(declared, narrow or extras, [g for g in groups if _plain(g) in _TEST], [], tools)
        )
        found.append(_attempt(declared, [], [], [], tools))
    loose = declarations.Declared(has_table=declared.has_table)
    if declared.locked and not declared.installable:
        found.append(_attempt(loose, [], groups, listed, [*more, *tools], locked=True))
    found.append(_attempt(loose, extras if declared.has_table else [], groups, listed, [*more, *tools]))
    found.append(_attempt(loose, [], [], plain, tools))
    if declared.has_table:
        found.append(_attempt(declarations.Declared(), [], [], plain, tools))
    if not declared.installable and not (plain or listed or declared.has_table):
        found = found[:1]
    return list(dict.fromkeys(found))


def _attempt(
    declared: declarations.Declared,
    extras: Sequence[str],
    groups: Sequence[str],
    listed: Sequence[str],
    more: Sequence[str],
    *,
    locked: bool = False,
) -> Attempt:
    arguments: list[str] = []
    told: list[str] = []
    if declared.installable:
        arguments += ["--editable", f".[{','.join(extras)}]" if extras else "."]
        told.append("the project" + (f" with its extras {', '.join(extras)}" if extras else ""))
    elif declared.has_table:
        arguments += ["--requirements", "pyproject.toml", *(p for name in extras for p in ("--extra", name))]
        told.append(
            "the project's dependencies" + (f" with its extras {', '.join(extras)}" if extras else "")
        )
    arguments += [part for name in groups for part in ("--group", name)]
    arguments += [part for path in listed for part in ("--requirements", path)]
    told += [f"the dependency groups {', '.join(groups)}"] if groups else []
    told += list(listed)
    by_name = [one for one in more if not one.startswith("-")]
    options = [one.partition(" ") for one in more if one.startswith("-")]
    arguments += [part for option, _, path in options for part in (option, path)]
    told += dict.fromkeys([*(path for option, _, path in options if option == "-r"), *by_name])
    versions = " in the versions of its lock file" if locked else ""
    return Attempt(
        (*arguments, *dict.fromkeys(by_name)),
        ", ".join(told) + versions,
        declared.installable,
        constrained=locked,
    )


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _plugins(files: Mapping[str, bytes]) -> list[str]:
    """Name the plugins whose options pytest's configuration uses: without them no test would start."""
    text = "\n".join(files.get(name, b"").decode("utf-8", "replace") for name in _PYTEST_FILES)
    if "pytest" not in text:
        return []
    return [plugin for sign, plugin in _PLUGINS if re.search(sign, text, re.MULTILINE)]


def _wish(files: Mapping[str, bytes], declared: declarations.Declared) -> interpreters.Wish:
    pins = files.get(".python-version", b"").decode("utf-8", "replace").split("\n")
    text = b"".join(files.get(name, b"") for name in ("pyproject.toml", "setup.cfg", "setup.py"))
    tried = re.findall(rb"Programming Language :: Python :: (3)\.(\d+)", text)
    return interpreters.Wish(
        requires=declared.requires_python,
        pinned=tuple(pin.strip() for pin in pins if re.match(r"\s*(cpython-|python)?\d", pin)),
        tried=tuple(sorted({(int(major), int(minor)) for major, minor in tried})),
    )


def _versions(files: Mapping[str, bytes], declared: declarations.Declared) -> dict[str, str]:
    """Tell the tools that read a version from git's tags what it is: the checkout has no tags."""
    text = b"".join(files.get(name, b"") for name in ("pyproject.toml", "setup.cfg", "setup.py"))
    version = _version(files)
    if b"poetry-dynamic-versioning" in text:
        return {"POETRY_DYNAMIC_VERSIONING_BYPASS": version}
    if b"pbr" in text and b"pbr" in b" ".join(one.encode() for one in declared.backend) + files.get(
        "setup.py", b""
    ):
        return {"PBR_VERSION": version}
    if not declared.dynamic_version or not _SCM.search(text):
        return {}
    # By name where the tool takes it: the general variable would also rename dependencies that are built.
    name = re.sub(r"[-_.]+", "_", declared.name).upper()
    found = {f"SETUPTOOLS_SCM_PRETEND_VERSION_FOR_{name}": version} if name else {}
    if not name or re.search(rb"hatch[-_]vcs|flit[-_]scm", text):
        found["SETUPTOOLS_SCM_PRETEND_VERSION"] = version
    return {**found, "PDM_BUILD_SCM_VERSION": version} if b"pdm" in text else found


def _version(files: Mapping[str, bytes]) -> str:
    """Guess the version: a source release states it, a change log's newest heading usually does."""
    stated = re.search(rb"^Version: (\d[\w.]*)\s*$", files.get("PKG-INFO", b""), re.MULTILINE)
    if stated:
        return stated.group(1).decode()
    for path, content in files.items():
        if re.match(r"(CHANGES|CHANGELOG|HISTORY|NEWS)(\.|$)", path, re.IGNORECASE):
            heading = re.search(
                rb"^\W*(?:version\s+|v|release\s+)?(\d+\.\d+(?:\.\d+)*)\b", content, re.MULTILINE | re.I
            )
            if heading:
                return heading.group(1).decode()
    return _FALLBACK_VERSION
