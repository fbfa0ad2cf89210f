"""Decide how the host runs git: the settings it sees, the time it gets, what its failures mean.

The host runs git only in repositories that nobody but Journeyman writes; a tree that the agent could write is
touched by git inside the sandbox alone (`bot/workspace/jail.py`).
"""

import asyncio
import base64
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bot.errors import WorldFault
from bot.workspace import faults

MEBIBYTE = 1024 * 1024
LOCAL_END = Path(__file__).with_name("local.gitconfig")
STDERR_KEPT = 64 * 1024  # bytes; more would only repeat itself
LOCAL_SECONDS = 120.0  # a command that reads or writes our own repositories
NETWORK_SECONDS = 900.0  # a first fetch of a large repository over a slow line

# Old and harmless slips of real histories; unless ignored, fsckObjects refuses well-known projects.
HISTORIC_SLIPS = (
    "badDate", "badDateOverflow", "badEmail", "badFilemode", "badName", "badTimezone", "emptyName",
    "missingEmail", "missingNameBeforeEmail", "missingSpaceBeforeDate", "missingSpaceBeforeEmail",
    "zeroPaddedDate", "zeroPaddedFilemode",
)  # fmt: skip

# These come through the environment, which outranks every configuration file.
HARDENED: tuple[tuple[str, str], ...] = (
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("core.attributesFile", "/dev/null"),
    ("core.excludesFile", "/dev/null"),
    ("core.sharedRepository", "0644"),  # the sandbox reads borrowed objects as another uid
    ("core.protectHFS", "true"),
    ("core.protectNTFS", "true"),
    ("core.quotePath", "true"),
    ("credential.helper", ""),
    ("http.followRedirects", "false"),
    ("http.sslVerify", "true"),
    ("http.lowSpeedLimit", "1000"),  # bytes a second ...
    ("http.lowSpeedTime", "60"),  # ... for so many seconds is a stalled transfer
    ("fetch.fsckObjects", "true"),
    *((f"fetch.fsck.{slip}", "ignore") for slip in HISTORIC_SLIPS),
    ("fetch.recurseSubmodules", "false"),
    ("push.recurseSubmodules", "no"),
    ("push.gpgSign", "false"),
    ("commit.gpgSign", "false"),
    ("gc.auto", "0"),  # tasks borrow objects that no ref of the mirror may hold any more
    ("maintenance.auto", "false"),
    ("diff.external", ""),
    ("safe.directory", "*"),  # only our own repositories come here; a volume may have another owner
    ("protocol.version", "2"),
)  # fmt: skip

# What the operator may say about the way to the network; nothing else of our environment reaches git.
OPERATOR_NETWORK = (
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "GIT_SSL_CAINFO",
    "GIT_SSL_CAPATH",
    "NO_PROXY",
    "no_proxy",
)
OPERATOR_PROXIES = ("HTTPS_PROXY", "https_proxy", "http_proxy", "ALL_PROXY", "all_proxy")


@dataclass(frozen=True)
class Remote:
    """Where one network command goes, and with which `Authorization` value.

    `local` says that `url` is a path or file: URL on this machine (`python -m bot run --repo PATH`).
    """

    url: str
    authorization: str | None = None
    local: bool = False

    def __repr__(self) -> str:
        return f"Remote(url={self.url!r}, local={self.local})"

    def settings(self) -> list[tuple[str, str]]:
        """Return the configuration of this remote alone: the header is bound to its URL."""
        if self.authorization is None or self.local:
            return []
        return [(f"http.{self.url}.extraHeader", f"Authorization: {self.authorization}")]

    def protocol(self) -> str:
        """Return the one transport that git may use."""
        return "file" if self.local else urlsplit(self.url).scheme

    def redact(self, text: str) -> str:
        """`text` without the authorization in any form that git could echo."""
        for secret in _forms(self.authorization or ""):
            text = text.replace(secret, "[redacted]")
        return text


def basic(token: str) -> str:
    """Return the `Authorization` value with which GitHub takes an installation token over git's HTTP."""
    return "Basic " + base64.b64encode(f"x-access-token:{token}".encode()).decode()


async def run(
    arguments: Sequence[str],
    *,
    git_dir: Path,
    remote: Remote | None = None,
    borrow: Sequence[Path] = (),
    environment: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    seconds: float | None = None,
    keep_fds: Sequence[int] = (),
) -> bytes:
    """Run `git ARGUMENTS` in `git_dir` and return what it wrote to standard output.

    `borrow` lists further objects folders to read from. Raises WorldFault when the network, the server or the
    time-out (`seconds`) is at fault, faults.TokenRefused for a refused authorization, Blocked when a person
    must act, faults.GitError for everything else.
    """
    output, _ = await run_capped(
        arguments, git_dir=git_dir, remote=remote, borrow=borrow, environment=environment, stdin=stdin,
        seconds=seconds, keep_fds=keep_fds, limit=None,
    )  # fmt: skip
    return output


async def run_capped(
    arguments: Sequence[str],
    *,
    git_dir: Path,
    limit: int | None,
    remote: Remote | None = None,
    borrow: Sequence[Path] = (),
    environment: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    seconds: float | None = None,
    keep_fds: Sequence[int] = (),
) -> tuple[bytes, int]:
    """Like `run`, but keep at most `limit` bytes; returns them and how many bytes there were."""
    seconds = seconds or (NETWORK_SECONDS if remote else LOCAL_SECONDS)
    process = await asyncio.create_subprocess_exec(
        "git", *arguments,
        cwd="/", env=hardened(git_dir, remote, borrow) | dict(environment or {}), pass_fds=tuple(keep_fds),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None  # noqa: S101, PT018
    try:
        async with asyncio.timeout(seconds):
            (output, size), (stderr, _), _ = await asyncio.gather(
                _drain(process.stdout, limit),
                _drain(process.stderr, STDERR_KEPT),
                _feed(process.stdin, stdin),
            )
            exit_code = await process.wait()
    except TimeoutError:
        raise WorldFault(f"git {arguments[0]} did not end within {seconds:.0f} seconds") from None
    finally:
        await _end(process)
    if exit_code != 0:
        message = stderr.decode("utf-8", "replace")
        text = remote.redact(message) if remote else message
        raise faults.of(arguments, exit_code, text, remote.url if remote else None)
    return output, size


def hardened(git_dir: Path, remote: Remote | None = None, borrow: Sequence[Path] = ()) -> dict[str, str]:
    """Return the whole environment of a host git: of files, only its own configuration is read."""
    settings = [*HARDENED, *(remote.settings() if remote else ())]
    operator = {
        name: os.environ[name] for name in (*OPERATOR_NETWORK, *OPERATOR_PROXIES) if name in os.environ
    }
    if not operator.keys() & set(OPERATOR_PROXIES):
        settings.append(("http.proxy", ""))
    environment = {
        "PATH": os.environ.get("PATH", "/usr/local/bin:/usr/bin:/bin"),
        "HOME": "/nonexistent",
        "XDG_CONFIG_HOME": "/nonexistent",
        "LC_ALL": "C",
        "GIT_DIR": str(git_dir),
        "GIT_CONFIG_GLOBAL": str(LOCAL_END) if remote and remote.local else "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "/bin/false",
        "GIT_ALLOW_PROTOCOL": remote.protocol() if remote else "none",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_CONFIG_COUNT": str(len(settings)),
    }
    for number, (key, value) in enumerate(settings):
        environment[f"GIT_CONFIG_KEY_{number}"] = key
        environment[f"GIT_CONFIG_VALUE_{number}"] = value
    if borrow:
        environment["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = ":".join(_quoted(path) for path in borrow)
    return operator | environment


def _quoted(path: Path) -> str:
    # git splits the list at colons unless an entry is quoted as in C
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _forms(authorization: str) -> list[str]:
    """Return the header value, its credential and, for Basic, the token inside; longest first."""
    if not authorization:
        return []
    forms = {authorization, credential := authorization.rpartition(" ")[2]}
    if authorization.startswith("Basic "):
        with contextlib.suppress(ValueError):
            decoded = base64.b64decode(credential).decode("utf-8", "replace")
            forms |= {decoded, decoded.rpartition(":")[2]}
    return sorted((form for form in forms if form), key=len, reverse=True)


async def _drain(stream: asyncio.StreamReader, limit: int | None) -> tuple[bytes, int]:
    kept, size = bytearray(), 0
    while chunk := await stream.read(MEBIBYTE):
        size += len(chunk)
        kept += chunk if limit is None else chunk[: max(0, limit - len(kept))]
    return bytes(kept), size


async def _feed(stream: asyncio.StreamWriter, data: bytes) -> None:
    # git may end without reading all of it; its exit code tells why
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        for start in range(0, len(data), MEBIBYTE):
            stream.write(data[start : start + MEBIBYTE])
            await stream.drain()
    stream.close()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        await stream.wait_closed()


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill what is left of the command: git's transports live in the same process group."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await asyncio.shield(process.wait())
