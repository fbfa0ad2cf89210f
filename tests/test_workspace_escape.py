"""Hold the sandbox against the attempts of a hostile program: what it tries, and the answer it must get."""

import asyncio
import json
import os
import platform
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.workspace.sandbox import Command, Mount, Sandbox

PROGRAM = Path(__file__).with_name("hostile_program.py")
CANARY = "canary-71c2f0"

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="the attempts use x86-64 call numbers")


async def _attempt(folder: Path, facts: dict[str, object]) -> dict[str, Any]:
    sandbox = Sandbox("bubblewrap", folder / "data")
    task = await sandbox.make_dir(folder / "data" / "task")
    argv = (sandbox.python, "-I", "/program/hostile_program.py", json.dumps(facts))
    program = folder / "program"
    program.mkdir()
    (program / PROGRAM.name).write_bytes(PROGRAM.read_bytes())
    result = await sandbox.run(
        Command(argv, (Mount(task, "/workspace", writable=True), Mount(program, "/program")))
    )
    await sandbox.remove(task)
    found: dict[str, Any] = json.loads(result.output)
    return found


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Return what one hostile run got, beside a live victim, a listening host and a readable secret."""
    folder = tmp_path_factory.mktemp("escape")
    secret = folder / "secret"
    secret.write_text("key")
    secret.chmod(0o644)
    environment = {**os.environ, "HOST_SECRET": CANARY}
    with (
        subprocess.Popen(["sleep", "300"], env=environment) as victim,
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.socket(socket.AF_UNIX) as abstract,
    ):
        try:
            name = f"journeyman-{os.getpid()}"
            abstract.bind(f"\0{name}")
            abstract.listen()
            facts = {
                "canary": CANARY,
                "secret": str(secret),
                "port": server.getsockname()[1],
                "abstract": name,
                "victim": victim.pid,
            }
            found = asyncio.run(_attempt(folder, facts))
            found["victim lives"] = victim.poll() is None
            yield found
        finally:
            victim.kill()


EXPECTED: dict[str, object] = {
    "secret places": ["ENOENT"] * 4,
    "homes": [["agent"], False, False, []],
    "canaries": [],
    "host tcp": "ECONNREFUSED",
    "abstract socket": "ECONNREFUSED",
    "route": "ENETUNREACH",
    "metadata": "ENETUNREACH",
    "interfaces": ["lo"],
    "names": True,
    "families": ["EAFNOSUPPORT"] * 5,
    "family in the high word": "EAFNOSUPPORT",
    "raw socket": "EPERM",
    "useful sockets": ["allowed"] * 3,
    "mounts": ["EPERM"] * 4,
    "namespaces": ["EPERM"] * 3,
    "clone3": "ENOSYS",
    "other processes": ["EPERM"] * 3,
    "kernel doors": ["EPERM"] * 8,
    "devices": ["EPERM", "ENOENT", "ENOENT"],
    "status": {"CapBnd": "0" * 16, "CapEff": "0" * 16, "NoNewPrivs": "1", "Seccomp": "2"},
    "kernel settings": [False] * 3,
    "descriptors": [9],
    "limits": ["ValueError", "ValueError", "EPERM"],
    "typing into a terminal": "EPERM",
    "kill the host": "ESRCH",
    "victim lives": True,
    "who": [1000, 1000],
}


@pytest.mark.parametrize("attempt", EXPECTED)
def test_attempt_gets_its_answer(found: dict[str, Any], attempt: str) -> None:
    """Every attempt is answered as the profile says."""
    assert found[attempt] == EXPECTED[attempt]


def test_nothing_outside_the_tree_can_be_written(found: dict[str, Any]) -> None:
    """No system folder takes a file, whatever the error is called."""
    assert "allowed" not in found["writes"]


def test_links_lead_nowhere(found: dict[str, Any]) -> None:
    """A symlink to a host file dangles inside, and a hard link to one is refused."""
    symlink, hard = found["links"]
    assert symlink == "ENOENT"
    assert hard in {"EXDEV", "EPERM"}
