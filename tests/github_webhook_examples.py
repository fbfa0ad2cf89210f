"""GitHub's published webhook examples; npm brings them, a cache keeps them."""

import functools
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

PACKAGE = "@octokit/webhooks-examples@7.6.1"
MEMBER = "package/api.github.com/index.json"
CACHE = Path(__file__).resolve().parents[1] / ".cache" / "github-webhook-examples"
PATIENCE = 120


class Unavailable(Exception):
    """The examples can't be had here; the text says why."""


@functools.cache
def load() -> list[tuple[str, dict[str, Any]]]:
    """Return every example as its event and its payload, fetched once by `npm pack`; raises Unavailable.

    With REQUIRE_GITHUB_DESCRIPTION set, as CI does, a test must not skip what this raises.
    """
    kept = CACHE / "index.json"
    if not kept.exists():
        _fetch(kept)
    return [(event["name"], each) for event in json.loads(kept.read_bytes()) for each in event["examples"]]


def is_required() -> bool:
    """Whether their absence is a failure here."""
    return bool(os.environ.get("REQUIRE_GITHUB_DESCRIPTION"))


def _fetch(kept: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise Unavailable("GitHub's webhook examples aren't here: npm is not installed")
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        try:
            command = [npm, "pack", "--silent", "--pack-destination", folder, PACKAGE]
            subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE, cwd=folder)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            raise Unavailable(f"GitHub's webhook examples aren't here: npm pack {PACKAGE} failed") from error
        (packed,) = Path(folder).glob("*.tgz")
        with tarfile.open(packed) as archive:
            member = archive.extractfile(MEMBER)
            if member is None:
                raise Unavailable(f"{PACKAGE} holds no {MEMBER}")
            fresh = Path(folder) / kept.name
            fresh.write_bytes(member.read())
        fresh.replace(kept)
