"""Decide with which pytest, and without which of its plugins, the tests of a project can start."""

from collections.abc import Awaitable, Callable

from bot.workspace.command import Result

Run = Callable[..., Awaitable[Result]]

# Loads every installed plugin and the project's first conftest files; options of plugins don't matter here.
_START = ("python", "-m", "pytest", "--markers", "-o", "addopts=", "-p", "no:cacheprovider")
# Where hooks that plugins and conftest files of earlier years rely on were taken away
# (https://docs.pytest.org/en/stable/deprecations.html).
_OLDER = ("pytest<9", "pytest<8")
# Prints on descriptor 9 the distributions whose plugin pytest can't load, each tried alone.
_BROKEN = """
import importlib.metadata, os, subprocess, sys
alone = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
broken = set()
for distribution in importlib.metadata.distributions():
    for entry in distribution.entry_points.select(group="pytest11"):
        command = [sys.executable, "-m", "pytest", "--markers", "-p", entry.value.partition(":")[0]]
        if subprocess.run(command, cwd="/", env=alone, capture_output=True).returncode:
            broken.add(distribution.name)
open(9, "w").write(" ".join(sorted(broken)))
"""


async def fit(run: Run, uv: Run) -> str:
    """Make pytest start in the environment if that can be had, and return what it cost, as a sentence.

    `run` runs a command in the project's folder, `uv` one of uv's. A project that names no version of pytest
    gets the newest, which plugins of its time need not work with: an older pytest is tried first, and then
    the plugins that can't be loaded are left out.
    """
    if (await run(*_START)).exit_code == 0:
        return ""
    for older in _OLDER:
        installed = await uv("pip", "install", older)
        if installed.exit_code == 0 and (await run(*_START)).exit_code == 0:
            return f" Its tests can't start with the newest pytest; they run with {older}."
    await uv("pip", "install", "--upgrade", "pytest")
    broken = (await run("python", "-c", _BROKEN)).extra.decode("utf-8", "replace").split()
    if not broken:
        return ""
    await uv("pip", "uninstall", *broken)
    return f" pytest can't start with {', '.join(broken)}: left out."
