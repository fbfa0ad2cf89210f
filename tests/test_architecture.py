"""The house keeps its shape: imports flow one way, files stay small, importing does nothing."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from handlers import routes

CHECKOUT = Path(__file__).resolve().parent.parent
ROOMS = ("bot", "handlers", "storage", "demo")
ALLOWED = {
    "bot": {"bot", "handlers", "storage"},
    "handlers": {"handlers", "storage"},
    "storage": {"storage"},
    "demo": {"demo"},
}
MOST_LINES = 300
MOST_FUNCTION_LINES = 60


def _files() -> list[Path]:
    return sorted(path for room in ROOMS for path in (CHECKOUT / room).rglob("*.py"))


def _name(path: Path) -> str:
    return path.relative_to(CHECKOUT).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")


# Programs that start once per sandboxed command, by themselves: each import costs every command its time.
ALONE = ("bot/workspace/inside", "bot/workspace/launcher")
TREES = {path: ast.parse(path.read_text("utf-8")) for path in _files()}


NAMES = {_name(path) for path in TREES}


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            # `from package import module` asks for the module, not for what the package itself says.
            yield from (inside if inside <= NAMES else {node.module})


def test_imports_flow_one_way() -> None:
    """The bot may import handlers and storage, handlers storage, storage neither, the demo nothing of it."""
    wrong = [
        f"{_name(path)} imports {name}"
        for path in TREES
        for name in _imports(path)
        if name.partition(".")[0] in ROOMS
        and name.partition(".")[0] not in ALLOWED[_name(path).partition(".")[0]]
    ]

    assert wrong == []


def test_there_are_no_circles() -> None:
    """No module imports itself by way of others."""
    graph = {_name(path): {name for name in _imports(path) if name in NAMES} for path in TREES}
    done: set[str] = set()
    trail: list[str] = []

    def visit(name: str) -> None:
        assert name not in trail, " → ".join([*trail[trail.index(name) :], name])
        if name in done:
            return
        trail.append(name)
        for other in sorted(graph[name] - {name}):
            visit(other)
        trail.pop()
        done.add(name)

    for name in sorted(graph):
        visit(name)


@pytest.mark.parametrize(
    ("library", "room"),
    [("dbos", "bot/engine"), ("gidgethub.abc", "bot/github"), ("pyseccomp", "bot/workspace")],
)
def test_a_library_stays_in_its_room(library: str, room: str) -> None:
    """What we build on can be replaced by looking into one folder."""
    elsewhere = [
        _name(path)
        for path in TREES
        if not path.relative_to(CHECKOUT).as_posix().startswith(room)
        and any(name == library or name.startswith(f"{library}.") for name in _imports(path))
    ]

    assert elsewhere == []


def test_every_file_is_one_noun() -> None:
    """Files have at most 300 lines and open with one sentence that says what they decide."""
    long = [_name(path) for path in TREES if len(path.read_text("utf-8").splitlines()) > MOST_LINES]
    silent = [_name(path) for path, tree in TREES.items() if tree.body and not ast.get_docstring(tree)]
    vague = [
        _name(path) for path in TREES if path.stem in {"util", "utils", "helpers", "common", "base", "misc"}
    ]

    assert (long, silent, vague) == ([], [], [])


def test_functions_fit_a_screen() -> None:
    """No function has more than 60 lines."""
    long = [
        f"{_name(path)}.{node.name}: {(node.end_lineno or 0) - node.lineno + 1} lines"
        for path, tree in TREES.items()
        if "migrations" not in path.parts  # a migration is a list
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > MOST_FUNCTION_LINES
    ]

    assert long == []


def test_nothing_is_swallowed_or_put_off() -> None:
    """No handler of every exception does nothing; no circle is dodged, no work marked as unfinished."""
    swallowed = [
        f"{_name(path)}:{node.lineno}"
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler)
        and (
            node.type is None
            or (isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"})
        )
        and all(isinstance(line, ast.Pass | ast.Continue) for line in node.body)
    ]
    words = ("TO" + "DO", "FIX" + "ME", "TYPE_" + "CHECKING", "Not" + "ImplementedError")
    read = [path for path in TREES if not path.relative_to(CHECKOUT).as_posix().startswith(ALONE)]
    put_off = [f"{_name(path)}: {word}" for path in read for word in words if word in path.read_text("utf-8")]

    assert (swallowed, put_off) == ([], [])


def test_importing_does_nothing() -> None:
    """With an empty environment every module can be imported; no thread, file or connection is left by it."""
    modules = [
        _name(path) for path in TREES if path.stem not in {"__main__", "env"} and "versions" not in path.parts
    ]
    inside = [each for each in modules if ".inside." not in each and not each.endswith("launcher")]
    program = (
        "import importlib, os, sys, threading\n"
        "sys.path.insert(0, os.getcwd())\n"
        f"for name in {inside!r}:\n    importlib.import_module(name)\n"
        "assert threading.active_count() == 1, threading.enumerate()\n"
        "open_ = [f'/proc/self/fd/{n}' for n in os.listdir('/proc/self/fd')]\n"
        "left = [os.readlink(each) for each in open_ if os.path.lexists(each)]\n"
        "assert not [each for each in left if each.startswith('socket:')], left\n"
    )
    ran = subprocess.run(
        [sys.executable, "-I", "-c", program],
        cwd=CHECKOUT,
        env={},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr


def test_the_manifest_names_the_events_that_handlers_take() -> None:
    """GitHub sends just what somebody here acts on; `ping` and installation events come unasked."""
    unasked = {"installation", "installation_repositories"}
    manifest = yaml.safe_load((CHECKOUT / "app.yaml").read_text("utf-8"))
    router = routes.router()
    taken = {*router._shallow_routes, *router._deep_routes}

    assert set(manifest["default_events"]) == taken - unasked
    assert manifest["public"] is False
