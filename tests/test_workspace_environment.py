"""Hold set-up to what a tree needs to run: made through the proxy, kept, copied, and honest about gaps."""

import asyncio
import os
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from bot.errors import Blocked, WorldFault
from bot.workspace import copies, environment, registries
from bot.workspace.sandbox import Command, Mount, Result, Sandbox
from tests import tiny_index

BACKEND = """
import base64, hashlib, os, zipfile
def get_requires_for_build_editable(config_settings=None):
    return ["tiny_helper"]
def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    import tiny_helper
    with open("thing_version.py", "w") as file:
        file.write("version = 'built'")
    name = "thing-1.0-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(wheel_directory, name), "w") as wheel:
        wheel.writestr("thing.pth", os.getcwd())
        wheel.writestr("thing-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: thing\\nVersion: 1.0\\n"
                       "Provides-Extra: test\\nRequires-Dist: nowhere; extra == 'test'\\n")
        wheel.writestr("thing-1.0.dist-info/WHEEL",
                       "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("thing-1.0.dist-info/RECORD", "thing.pth,,\\nthing-1.0.dist-info/METADATA,,\\n"
                       "thing-1.0.dist-info/WHEEL,,\\nthing-1.0.dist-info/RECORD,,\\n")
    return name
"""
PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "thing"
version = "1.0"
"""
PACKAGE = {"pyproject.toml": PROJECT, "backend.py": BACKEND, "thing.py": "import thing_version\n"}
LOOSE = {"thing.py": "x = 1\n"}


@pytest.fixture
async def index() -> AsyncIterator[tiny_index.TinyIndex]:
    """Serve an index with stand-ins for pytest and for what a build backend needs."""
    async with tiny_index.serve() as served:
        served.add("pytest", "9.0", {"pytest.py": "print('tiny pytest')\n"})
        served.add("pip", "99.0", {"pip/__init__.py": ""})
        served.add("tiny_helper", "1.0", {"tiny_helper.py": ""})
        yield served


@pytest.fixture
async def sandbox(tmp_path: Path) -> Sandbox:
    """Build the real sandbox over a data folder that nobody else may enter."""
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    made = Sandbox("bubblewrap", data)
    await made.probe()
    return made


def environments(
    sandbox: Sandbox, tmp_path: Path, address: str, **changes: float
) -> environment.Environments:
    """Keep environments from one index."""
    found = registries.Registries(python=(registries.registry(address),))
    return environment.Environments(sandbox, tmp_path / "data" / "environments", found, **changes)


async def tree(sandbox: Sandbox, tmp_path: Path, files: dict[str, str], name: str = "task") -> Path:
    """Check out a tree of committed files for one task."""
    task = await sandbox.make_dir(tmp_path / "data" / name)
    folder = await sandbox.make_dir(task / "tree")
    for path, text in files.items():
        (folder / path).write_text(text)
    for arguments in (["init", "-q"], ["add", "-A"]):
        await tool("git", "-C", str(folder), "-c", "safe.directory=*", *arguments)
    await copies.give(folder, folder.stat().st_uid)
    return folder


async def tool(*argv: str) -> None:
    """Run a program of the host to its end."""
    process = await asyncio.create_subprocess_exec(*argv)
    assert await process.wait() == 0


async def inside(sandbox: Sandbox, folder: Path, copy: environment.Instance, script: str) -> Result:
    """Run a script as an agent's or a test's command would run."""
    mounts = (Mount(folder, "/workspace", writable=True), *copy.mounts())
    return await sandbox.run(Command(("bash", "-c", script), mounts))


async def test_project_runs_in_its_copy(
    sandbox: Sandbox, tmp_path: Path, index: tiny_index.TinyIndex
) -> None:
    """A project is importable offline with what its build generates, and its environment is read-only."""
    folder = await tree(sandbox, tmp_path, PACKAGE)
    kept = environments(sandbox, tmp_path, f"{index.url}/simple")
    made = await kept.prepare(1, folder)
    assert not (folder / "thing_version.py").exists()
    copy = await kept.instance(made, folder.parent / "env")
    asked = len(index.requests)
    assert await kept.reinstall(copy, folder) == ["thing_version.py"]
    result = await inside(
        sandbox, folder, copy, "cd / && python -c 'import thing, pytest; print(thing.thing_version.version)'"
    )
    assert result.output.split() == ["tiny", "pytest", "built"]
    refused = await inside(
        sandbox,
        folder,
        copy,
        "echo import os > $(python -c 'import pytest; print(pytest.__file__)' | tail -1)",
    )
    assert "Read-only" in refused.output
    assert len(index.requests) == asked


async def test_environment_is_made_once(
    sandbox: Sandbox, tmp_path: Path, index: tiny_index.TinyIndex
) -> None:
    """Two tasks at once share one set-up, a later process finds it, and another requirement makes another."""
    first = await tree(sandbox, tmp_path, LOOSE, "one")
    second = await tree(sandbox, tmp_path, LOOSE, "two")
    kept = environments(sandbox, tmp_path, f"{index.url}/simple")
    made = await asyncio.gather(kept.prepare(1, first), kept.prepare(1, second))
    assert made[0] == made[1]
    pages = [path for _, path, _ in index.requests]
    assert pages.count("/simple/pytest/") == 1
    again = environments(sandbox, tmp_path, f"{index.url}/simple")
    assert await again.prepare(1, first) == made[0]
    assert len(index.requests) == len(pages)
    (first / "requirements.txt").write_text("tiny_helper\n")
    changed = await again.prepare(1, first)
    assert changed.key != made[0].key
    assert "requirements.txt" in changed.note
    assert (await again.prepare(2, second)).key != made[0].key
    assert not list((tmp_path / "data" / "environments" / "building").iterdir())


async def test_copies_share_nothing(sandbox: Sandbox, tmp_path: Path, index: tiny_index.TinyIndex) -> None:
    """What a tree's build writes into its copy reaches neither the kept environment nor another copy."""
    index.add("open_wide", "1.0", {"open_wide.py": "", "late.pth": ""})
    project = PROJECT + "dependencies = ['open_wide']\n"
    wide = "import glob, os\nfor file in glob.glob('/opt/env/lib/*/*/open_wide.py'): os.chmod(file, 0o666)\n"
    files = {**PACKAGE, "pyproject.toml": project, "backend.py": wide + BACKEND}
    folder = await tree(sandbox, tmp_path, files)
    kept = environments(sandbox, tmp_path, f"{index.url}/simple")
    made = await kept.prepare(1, folder)
    assert made.action == "build"
    copies_made = [await kept.instance(made, folder.parent / name) for name in ("base", "result")]
    before = [_contents(root) for root in (made.path, copies_made[0].path)]
    mounts = (Mount(folder, "/workspace", writable=True), *copies_made[1].mounts(writable=True))
    hostile = """cd /opt/env
        find . -type f | while read -r one; do echo x >> "$one"; : > "$one"; chmod 777 "$one"; done
        find . -type l | while read -r one; do ln -sfn /etc/passwd "$one"; done
        find . -name 'pytest.py' -execdir sh -c 'echo x > y; mv y "$0"' {} ';'
        find . -name '*.pth' -delete; touch new; cat lib/*/*/pytest.py
    """
    result = await sandbox.run(Command(("bash", "-c", hostile), mounts))
    assert result.output.endswith("x\n")
    assert [_contents(root) for root in (made.path, copies_made[0].path)] == before
    assert all(copy.path.stat().st_uid == folder.stat().st_uid for copy in copies_made)


def _contents(root: Path) -> dict[str, object]:
    """Return what is at every path below a folder, and who may do what with it."""
    return {
        str(path.relative_to(root)): (
            path.readlink() if path.is_symlink() else path.read_bytes() if path.is_file() else None,
            path.lstat().st_mode,
        )
        for path in root.rglob("*")
    }


async def test_configured_commands_run(sandbox: Sandbox, tmp_path: Path, index: tiny_index.TinyIndex) -> None:
    """Configured commands run in order, registries in reach; what they leave comes back in each tree."""
    folder = await tree(sandbox, tmp_path, {"index.txt": "not Python\n"})
    kept = environments(sandbox, tmp_path, f"{index.url}/simple")
    steps = [
        "uv pip install tiny_helper",
        "mkdir -p node_modules/a && echo 1 > node_modules/a/x",
        "cat node_modules/a/x",
    ]
    made = await kept.prepare(1, folder, steps)
    assert made.log.endswith("$ cat node_modules/a/x\n1")
    copy = await kept.instance(made, folder.parent / "env")
    assert await kept.reinstall(copy, folder) == ["node_modules/a/x"]
    result = await inside(sandbox, folder, copy, "python -c 'import tiny_helper' && cat node_modules/a/x")
    assert (result.exit_code, result.output) == (0, "1\n")


async def test_failing_command_blocks(sandbox: Sandbox, tmp_path: Path, index: tiny_index.TinyIndex) -> None:
    """A failing set-up ends with the end of its log, keeps nothing, and is tried again next time."""
    folder = await tree(sandbox, tmp_path, LOOSE)
    kept = environments(sandbox, tmp_path, f"{index.url}/simple")
    for _attempt in range(2):
        with pytest.raises(Blocked, match=r"`echo needed a compiler; exit 3` failed(.|\n)*needed a compiler"):
            await kept.prepare(1, folder, ["echo needed a compiler; exit 3", "echo never"])
    assert not list((tmp_path / "data" / "environments" / "building").iterdir())
    assert not list((tmp_path / "data" / "environments").glob("*/environment.json"))


async def test_set_up_is_bounded(sandbox: Sandbox, tmp_path: Path, index: tiny_index.TinyIndex) -> None:
    """A set-up that hangs is ended and says so."""
    folder = await tree(sandbox, tmp_path, LOOSE)
    kept = environments(sandbox, tmp_path, f"{index.url}/simple", seconds=3)
    with pytest.raises(Blocked, match="longer than 3 s"):
        await kept.prepare(1, folder, ["sleep 100"])


async def test_secrets_are_not_inside(sandbox: Sandbox, tmp_path: Path, index: tiny_index.TinyIndex) -> None:
    """Set-up commands find neither the index's credentials nor its address, and no other way out."""
    index.login = aiohttp.encode_basic_auth("reader", "s3cret")
    folder = await tree(sandbox, tmp_path, LOOSE)
    address = index.url.replace("http://", "http://reader:s3cret@") + "/simple"
    kept = environments(sandbox, tmp_path, address)
    host, port = index.url.removeprefix("http://").split(":")
    made = await kept.prepare(1, folder, [
        "uv pip install tiny_helper", "env; cat /proc/*/environ | tr '\\0' '\\n'",
        f"if (exec 3<>/dev/tcp/{host}/{port}); then exit 1; fi; echo no way out",
        "if curl -sf -X PUT --data x $UV_DEFAULT_INDEX/pytest/; then exit 1; fi",
    ])  # fmt: skip
    assert "s3cret" not in made.log
    assert index.login not in made.log
    assert made.log.count("no way out") == 2
    assert {method for method, _, _ in index.requests} <= {"GET", "HEAD"}


async def test_unreachable_registry_is_named(sandbox: Sandbox, tmp_path: Path) -> None:
    """Without the registry set-up fails as something that may work later, naming the host and the fix."""
    folder = await tree(sandbox, tmp_path, LOOSE)
    kept = environments(sandbox, tmp_path, "http://127.0.0.1:9/simple")
    with pytest.raises(WorldFault, match=r"127\.0\.0\.1:9 can't be reached .*PIP_INDEX_URL"):
        await kept.prepare(1, folder)


async def test_missing_extra_is_left_out(
    sandbox: Sandbox, tmp_path: Path, index: tiny_index.TinyIndex
) -> None:
    """When the test extra can't be installed the project itself is, and the note says what is missing."""
    project = f"{PROJECT}[project.optional-dependencies]\ntest = ['nowhere']\n"
    folder = await tree(sandbox, tmp_path, {**PACKAGE, "pyproject.toml": project})
    made = await environments(sandbox, tmp_path, f"{index.url}/simple").prepare(1, folder)
    assert made.note.startswith("Installed the project, pytest. Not everything")
    assert "extras test" in made.note


async def test_unbuildable_project_is_found_by_path(
    sandbox: Sandbox, tmp_path: Path, index: tiny_index.TinyIndex
) -> None:
    """A project that can't be built is importable from its tree all the same, and the note says so."""
    folder = await tree(
        sandbox, tmp_path, {**PACKAGE, "backend.py": "raise SystemExit(1)\n", "thing.py": "x = 7\n"}
    )
    kept = environments(sandbox, tmp_path, f"{index.url}/simple")
    made = await kept.prepare(1, folder)
    assert "not installed" in made.note
    copy = await kept.instance(made, folder.parent / "env")
    result = await inside(sandbox, folder, copy, "cd / && python -c 'import thing; print(thing.x)'")
    assert result.output == "7\n"


async def test_a_build_without_metadata_is_asked_what_it_needs(
    sandbox: Sandbox, tmp_path: Path, index: tiny_index.TinyIndex
) -> None:
    """A project of setup.py alone is built again with what its set-up script requires, offline."""
    hooks = """
import sys
def get_requires_for_build_editable(config_settings=None):
    return ["tiny_helper"]
class Legacy:
    get_requires_for_build_editable = staticmethod(get_requires_for_build_editable)
    @staticmethod
    def build_editable(*arguments, **more):
        import tiny_helper, setuptools.making
        return setuptools.making.build_editable(*arguments, **more)
__legacy__ = Legacy
"""
    modules = {"build_meta.py": hooks, "making.py": BACKEND, "__init__.py": ""}
    index.add("setuptools", "99.0", {f"setuptools/{name}": text for name, text in modules.items()})
    index.add("wheel", "99.0", {"wheel.py": ""})
    files = {"setup.py": "from setuptools import setup\nsetup()\n", "thing.py": "import thing_version\n"}
    folder = await tree(sandbox, tmp_path, files)
    made = await environments(sandbox, tmp_path, f"{index.url}/simple").prepare(1, folder)
    assert (made.action, made.note) == ("build", "Installed the project, pytest.")


async def test_pins_that_break_the_build_cost_only_the_rebuild(
    sandbox: Sandbox, tmp_path: Path, index: tiny_index.TinyIndex
) -> None:
    """Where the tests pin a version that the build can't use, each tree gets the files of the first build."""
    index.files.clear()
    index.add("pytest", "9.0", {"pytest.py": ""})
    index.add("tiny_helper", "0.9", {"tiny_helper.py": "raise ImportError('too old to build with')\n"})
    index.add("tiny_helper", "1.0", {"tiny_helper.py": ""})
    folder = await tree(sandbox, tmp_path, {**PACKAGE, "requirements-dev.txt": "tiny_helper==0.9\n"})
    kept = environments(sandbox, tmp_path, f"{index.url}/simple")
    made = await kept.prepare(1, folder)
    assert "can't be built again" in made.note
    copy = await kept.instance(made, folder.parent / "env")
    assert await kept.reinstall(copy, folder) == ["thing_version.py"]
    result = await inside(
        sandbox, folder, copy, "cd / && python -c 'import thing; print(thing.thing_version.version)'"
    )
    assert result.output == "built\n"


TINY_PYTEST = """
import importlib, importlib.metadata, os, sys
alone = "PYTEST_DISABLE_PLUGIN_AUTOLOAD" in os.environ
for entry in importlib.metadata.entry_points(group="pytest11"):
    if not alone or entry.value in sys.argv:
        importlib.import_module(entry.value)
"""


@pytest.mark.parametrize(
    ("versions", "words"),
    [
        pytest.param(["9.0", "8.4"], "they run with pytest<9", id="an older pytest will do"),
        pytest.param(["9.0"], "can't start with pytest_old: left out", id="there is no older one"),
    ],
)
async def test_plugins_of_earlier_years_do_not_keep_tests_from_starting(
    sandbox: Sandbox, tmp_path: Path, index: tiny_index.TinyIndex, versions: list[str], words: str
) -> None:
    """A plugin that the newest pytest can't load gets an older pytest, or is left out; the note says so."""
    index.files.clear()
    for version in versions:
        # Python takes a compiled file for that of another with the same size and second of change.
        text = f"version = '{version}'\n{TINY_PYTEST}" + "#" * versions.index(version)
        index.add("pytest", version, {"pytest.py": text})
    old = "import pytest\nif pytest.version == '9.0': raise TypeError('no such hook any more')\n"
    points = {"pytest_old-1.0.dist-info/entry_points.txt": "[pytest11]\nold = old_plugin\n"}
    index.add("pytest_old", "1.0", {"old_plugin.py": old, **points})
    index.add("pytest_new", "1.0", {"new_plugin.py": "", "pytest_new-1.0.dist-info/entry_points.txt":
                                    "[pytest11]\nnew = new_plugin\n"})  # fmt: skip
    wanted = {**LOOSE, "requirements-dev.txt": "pytest-old\npytest-new\n"}
    folder = await tree(sandbox, tmp_path, wanted)
    kept = environments(sandbox, tmp_path, f"{index.url}/simple")
    made = await kept.prepare(1, folder)
    assert words in made.note
    copy = await kept.instance(made, folder.parent / "env")
    result = await inside(sandbox, folder, copy, "python -m pytest && python -c 'import new_plugin'")
    assert (result.exit_code, result.output) == (0, "")


async def test_missing_python_blocks(sandbox: Sandbox, tmp_path: Path) -> None:
    """A Python that the host doesn't have is named before anything is made."""
    folder = await tree(
        sandbox, tmp_path, {"pyproject.toml": "[project]\nname='x'\nrequires-python='>=3.99'\n"}
    )
    with pytest.raises(Blocked, match=r">=3\.99"):
        await environments(sandbox, tmp_path, "http://127.0.0.1:9/simple").prepare(1, folder)


async def test_least_recently_used_goes_first(
    sandbox: Sandbox, tmp_path: Path, index: tiny_index.TinyIndex
) -> None:
    """Pruning deletes what was used longest ago, until the rest fits, and never what is in use."""
    folder = await tree(sandbox, tmp_path, LOOSE)
    kept = environments(sandbox, tmp_path, f"{index.url}/simple")
    old, new = [await kept.prepare(number, folder) for number in (1, 2)]
    os.utime(old.path.parent / "environment.json", (1, 1))
    assert await kept.prune(1) > 1
    assert not old.path.exists()
    assert new.path.exists()


async def test_real_pytest_comes_from_the_hosts_index(sandbox: Sandbox, tmp_path: Path) -> None:
    """With the host's own registries the real pytest is installed and runs a test without a network."""
    found = await registries.discover()
    try:
        urllib.request.urlopen(str(found.python[-1].url / "iniconfig/"), timeout=10).close()  # noqa: S310, ASYNC210
    except (urllib.error.URLError, TimeoutError, IndexError):
        pytest.skip("the host's package index can't be reached")
    folder = await tree(sandbox, tmp_path, {"test_thing.py": "def test_one():\n    assert True\n"})
    kept = environment.Environments(sandbox, tmp_path / "data" / "environments", found)
    copy = await kept.instance(await kept.prepare(1, folder), folder.parent / "env")
    result = await inside(sandbox, folder, copy, "python -m pytest -q -p no:cacheprovider")
    assert (result.exit_code, "1 passed" in result.output) == (0, True)
