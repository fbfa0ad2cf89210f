"""Decide what a Python project declares: its extras, groups, test requirements, build backend and locks."""

import ast
import configparser
import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Table = dict[str, Any]
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Declared:
    """What the files of one project say; lists are requirements as pip reads them."""

    name: str = ""
    requires_python: str = ""
    installable: bool = False
    has_table: bool = False
    dynamic_version: bool = False
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    test_requirements: tuple[str, ...] = ()
    tox_requirements: tuple[str, ...] = ()
    backend: tuple[str, ...] = ()
    locked: tuple[str, ...] = ()


def read(files: Mapping[str, bytes]) -> Declared:
    """Read every kind of declaration; what can't be parsed declares nothing."""
    try:
        return _read(files)
    except (TypeError, AttributeError, ValueError):  # a value of another type than the standards say
        return Declared(
            installable="setup.py" in files or "pyproject.toml" in files, backend=("setuptools", "wheel")
        )


def _read(files: Mapping[str, bytes]) -> Declared:
    project_file = _toml(files.get("pyproject.toml"))
    project = _table(project_file, "project")
    tool = _table(project_file, "tool")
    poetry = _table(tool, "poetry")
    build = _table(project_file, "build-system")
    setup_cfg = _ini(files.get("setup.cfg"))
    script = _setup_script(files.get("setup.py"))
    unpackaged = _table(tool, "uv").get("package") is False or poetry.get("package-mode") is False
    declares = bool(project.get("name") or poetry.get("name") or setup_cfg.get("metadata"))
    extras = [*_table(project, "optional-dependencies"), *_table(poetry, "extras"), *script.extras]
    extras += setup_cfg.get("options.extras_require", {})
    requires = project.get("requires-python") or setup_cfg.get("options", {}).get("python_requires")
    poetry_python = _table(poetry, "dependencies").get("python")
    return Declared(
        name=str(project.get("name") or poetry.get("name") or setup_cfg.get("metadata", {}).get("name", "")),
        requires_python=str(requires or script.requires_python or _range(poetry_python) or ""),
        installable=not unpackaged and ("setup.py" in files or declares),
        has_table=bool(project),
        dynamic_version="version" in project.get("dynamic", []) or not project.get("version"),
        extras=tuple(dict.fromkeys(name for name in extras if _NAME.fullmatch(name))),
        groups=tuple(name for name in _table(project_file, "dependency-groups") if _NAME.fullmatch(name)),
        test_requirements=tuple(
            _safe([*_tool_requirements(tool), *script.tests, *_lines(setup_cfg, "tests_require")])
        ),
        tox_requirements=tuple(_safe(_tox(files.get("tox.ini"), tool))),
        backend=tuple(_safe(build.get("requires", ["setuptools", "wheel"]))),
        locked=tuple(sorted(_locked(files))),
    )


@dataclass(frozen=True)
class _Script:
    extras: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    requires_python: str = ""


def _setup_script(content: bytes | None) -> _Script:
    """Read the literal keywords of `setup(...)` without running it."""
    try:
        tree = ast.parse(content or b"")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return _Script()
    values: dict[str, ast.expr] = {}
    found: dict[str, Any] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            values[node.targets[0].id] = node.value
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg in {
            "extras_require",
            "tests_require",
            "python_requires",
        }:
            named = isinstance(node.value, ast.Name)
            found[node.arg] = _literal(values.get(node.value.id, node.value) if named else node.value)  # type: ignore[attr-defined]
    return _Script(
        extras=tuple(found.get("extras_require") or ()),
        tests=tuple(one for one in found.get("tests_require") or () if isinstance(one, str)),
        requires_python=found["python_requires"] if isinstance(found.get("python_requires"), str) else "",
    )


def _literal(node: ast.expr) -> Any:
    """Return a literal's value; of a dictionary the literal keys, whatever their values are."""
    if isinstance(node, ast.Dict):
        keys = (key.value for key in node.keys if isinstance(key, ast.Constant))
        return tuple(key for key in keys if isinstance(key, str))
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return ()


def _tool_requirements(tool: Table) -> Iterable[object]:
    """Yield test requirements of poetry's groups, pdm's, uv's and hatch's own tables."""
    poetry = _table(tool, "poetry")
    tables = [_table(poetry, "dev-dependencies")]
    for name, group in _table(poetry, "group").items():
        if name.lower() in {"dev", "test", "tests", "testing"} and isinstance(group, dict):
            tables.append(_table(group, "dependencies"))
    for table in tables:
        for name, wanted in table.items():
            yield f"{name}{_range(wanted)}"
    yield from _table(tool, "uv").get("dev-dependencies", [])
    for name, listed in _table(_table(tool, "pdm"), "dev-dependencies").items():
        if name.lower() in {"dev", "test", "tests", "testing"} and isinstance(listed, list):
            yield from listed
    for name, environment in _table(_table(tool, "hatch"), "envs").items():
        if name in {"default", "test", "tests", "hatch-test", "dev"} and isinstance(environment, dict):
            yield from environment.get("dependencies", [])
            yield from environment.get("extra-dependencies", [])


def _range(wanted: object) -> str:
    """Turn poetry's `^1.2` and `~1.2` into PEP 440; what isn't a simple range asks for nothing."""
    if isinstance(wanted, dict):
        wanted = wanted.get("version")
    if not isinstance(wanted, str) or "|" in wanted or wanted.strip() in {"*", ""}:
        return ""
    clauses = []
    for clause in wanted.split(","):
        match = re.fullmatch(r"\s*([\^~]?)\s*(\d+)(?:\.(\d+))?(?:\.(\d+))?([.\w]*)\s*", clause)
        if match is None:
            clauses.append(clause.strip())
            continue
        sign, major, minor, _patch, _rest = match.groups()
        low = clause.strip().lstrip("^~ ")
        if sign == "^":
            above = f"{int(major) + 1}" if int(major) or minor is None else f"0.{int(minor) + 1}"
            clauses += [f">={low}", f"<{above}"]
        elif sign == "~":
            clauses += [f">={low}", f"<{major}.{int(minor) + 1}" if minor else f"<{int(major) + 1}"]
        else:
            clauses.append(f"=={low}")
    return ",".join(clauses)


def _tox(content: bytes | None, tool: Table) -> Iterable[str]:
    """Yield `deps` of tox's test environment; factors and substitutions that we can't fill are dropped."""
    text = _table(tool, "tox").get("legacy_tox_ini")
    settings = _ini(text.encode() if isinstance(text, str) else content)
    for line in settings.get("testenv", {}).get("deps", "").splitlines():
        wanted = (
            re.sub(r"^[\w{},.!-]+:\s+", "", line.strip())
            .replace("{toxinidir}/", "")
            .replace("{tox_root}/", "")
        )
        if "{" not in wanted and not wanted.startswith("#"):
            yield re.sub(r"^(-r|-c)(?=\S)", r"\1 ", wanted)


def _locked(files: Mapping[str, bytes]) -> set[str]:
    """Return `name==version` of every package that a lock file pins to one version from a registry."""
    versions: dict[str, set[str]] = {}
    for lock in ("uv.lock", "poetry.lock", "pdm.lock"):
        for package in _toml(files.get(lock)).get("package", []):
            source = package.get("source", {})
            if isinstance(source, dict) and (source.keys() <= {"registry"} or source.get("type") == "legacy"):
                versions.setdefault(str(package.get("name")), set()).add(str(package.get("version")))
    pinned = {f"{name}=={next(iter(found))}" for name, found in versions.items() if len(found) == 1}
    for room in ("default", "develop"):
        for name, facts in _table(_json(files.get("Pipfile.lock")), room).items():
            if isinstance(facts, dict) and str(facts.get("version", "")).startswith("=="):
                pinned.add(f"{name}{facts['version']}")
    return set(_safe(pinned))


def _safe(listed: Iterable[object]) -> Iterable[str]:
    """Keep requirements by name and requirement files inside the tree, not options and local paths."""
    for one in listed:
        text = one.strip() if isinstance(one, str) else ""
        by_name = _NAME.match(text) and "\n" not in text and " @ " not in text and "://" not in text
        if by_name or re.fullmatch(r"-[rc] (?!/)(?!.*\.\.)[\w./-]+", text):
            yield text


def _toml(content: bytes | None) -> Table:
    try:
        return tomllib.loads((content or b"").decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError):
        return {}


def _json(content: bytes | None) -> Table:
    try:
        found = json.loads(content or b"{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _ini(content: bytes | None) -> dict[str, dict[str, str]]:
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string((content or b"").decode("utf-8", "replace"))
    except configparser.Error:
        return {}
    return {name: dict(parser.items(name)) for name in parser.sections()}


def _lines(setup_cfg: dict[str, dict[str, str]], key: str) -> list[str]:
    return setup_cfg.get("options", {}).get(key, "").replace(";\n", "\n").splitlines()


def _table(table: Mapping[str, Any], key: str) -> Table:
    found = table.get(key)
    return found if isinstance(found, dict) else {}
