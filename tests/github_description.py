"""GitHub's own description decides what its API and webhooks look like; npm brings it, a cache keeps it."""

import functools
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

Json = dict[str, Any]
CACHE = Path(__file__).resolve().parents[1] / ".cache" / "github-description"
PACKAGES = {
    "rest": ("@octokit/openapi@23.0.2", "octokit-openapi-23.0.2"),
    "webhooks": ("@octokit/openapi-webhooks@12.1.0", "octokit-openapi-webhooks-12.1.0"),
}
MEMBER = "package/generated/api.github.com.json"
PATIENCE = 120


class Unavailable(Exception):
    """The description can't be had here; the text says why."""


@functools.cache
def load(name: str) -> Json:
    """Return the description of `rest` or `webhooks`, fetched once by `npm pack`; raises Unavailable."""
    package, stem = PACKAGES[name]
    kept = CACHE / f"{stem}.json"
    if not kept.exists():
        _fetch(package, stem, kept)
    description: Json = json.loads(kept.read_bytes())
    return description


@functools.cache
def absence() -> str:
    """Return why the descriptions aren't here, or nothing when they are.

    With REQUIRE_GITHUB_DESCRIPTION set, as CI does, their absence is raised instead.
    """
    try:
        for name in PACKAGES:
            load(name)
    except Unavailable as error:
        if os.environ.get("REQUIRE_GITHUB_DESCRIPTION"):
            raise
        return str(error)
    return ""


def _fetch(package: str, stem: str, kept: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise Unavailable("GitHub's description isn't here: npm is not installed")
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        try:
            command = [npm, "pack", "--silent", "--pack-destination", folder, package]
            subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE, cwd=folder)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            raise Unavailable(f"GitHub's description isn't here: npm pack {package} failed") from error
        with tarfile.open(Path(folder) / f"{stem}.tgz") as archive:
            member = archive.extractfile(MEMBER)
            if member is None:
                raise Unavailable(f"{package} holds no {MEMBER}")
            fresh = Path(folder) / kept.name
            fresh.write_bytes(member.read())
        fresh.replace(kept)
