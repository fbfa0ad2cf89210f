"""Decide what is right and wrong on our own side: database, disk, sandbox, git, the model, notifications."""

import asyncio
import contextlib
import os
import re
import shutil
from pathlib import Path

from sqlalchemy import make_url
from yarl import URL

from bot import findings
from bot.claude.ask import Claude
from bot.engine import signature
from bot.errors import JourneymanError, WorldFault
from bot.findings import Finding
from bot.settings import Settings
from bot.workspace.sandbox import Sandbox
from storage import database as databases
from storage import schema

LEAST_FREE_BYTES = 2**30
SHORTEST_TOKEN = 32
CLAUDE_FIX = "see ANTHROPIC_BASE_URL, the network and HTTPS_PROXY, or try again later"
LOOPBACK = {"localhost", "127.0.0.1", "::1"}
# SQLite's write-ahead log needs shared memory: https://www.sqlite.org/wal.html ("does not work over a network
# filesystem").
_NETWORK = (
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "lustre", "ncpfs", "beegfs", "gfs2", "ocfs2",
    "fuse.sshfs", "fuse.glusterfs", "fuse.s3fs", "fuse.gcsfuse", "fuse.rclone", "fuse.ceph", "fuse.juicefs",
)  # fmt: skip


_EXAMPLE = re.compile(r"(^|\.)(example\.(org|com|net)|example|invalid)$")


class Host:
    """What can be seen without GitHub."""

    def __init__(self, configured: Settings) -> None:
        self._settings = configured

    async def database(self) -> list[Finding]:
        """Whether it answers, is at this version's schema, and, if SQLite, lies on a disk of this machine."""
        url = self._settings.database_url or databases.default_url(await self._data_dir())
        kind = make_url(url).get_backend_name()
        if kind == "sqlite":
            file = Path(make_url(url).database or "")
            problem = await asyncio.to_thread(_sqlite_problem, file)
            if problem:
                fix = "choose another JOURNEYMAN_DATA_DIR or DATABASE_URL"
                return [findings.wrong("database", problem, fix)]
            if not await asyncio.to_thread(file.exists):
                return [findings.ok("database", f"{file} will be made at the first start")]
        async with contextlib.aclosing(databases.connect(url)) as database:
            await schema.verify(database)
        return [findings.ok("database", f"{kind} answers and is at this version's schema")]

    async def disk(self) -> list[Finding]:
        """Whether the data directory can be made, and has room for mirrors and environments."""
        place = await self._data_dir()
        free = (await asyncio.to_thread(shutil.disk_usage, place)).free
        if free < LEAST_FREE_BYTES:
            told = f"{free // 2**20} MiB are free at {place}"
            return [findings.wrong("disk", told, "make room: at least 1 GiB is needed")]
        return [findings.ok("disk", f"{free / 2**30:.1f} GiB are free at {place}")]

    async def sandbox(self) -> list[Finding]:
        """Whether a command can be run sealed off, tried in the data directory as the worker does."""
        if self._settings.sandbox == "none":
            return [
                findings.skip("sandbox", "JOURNEYMAN_SANDBOX=none: commands run on this host unprotected")
            ]
        await Sandbox("bubblewrap", await self._data_dir()).probe()
        return [findings.ok("sandbox", "a command runs sealed off, without network")]

    async def _data_dir(self) -> Path:
        """Make the data directory and return its real place; raises SettingsError when it is none."""
        return await asyncio.to_thread(lambda: self._settings.make_data_dir().resolve())

    async def git(self) -> list[Finding]:
        """Whether git is there."""
        program = shutil.which("git")
        if program is None:
            return [findings.wrong("git", "there is no git on PATH", "install git")]
        process = await asyncio.create_subprocess_exec(
            program, "--version", stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        said, _ = await process.communicate()
        if process.returncode != 0:
            return [findings.wrong("git", f"{program} does not run", "install git anew")]
        return [findings.ok("git", said.decode(errors="replace").strip())]

    async def models(self) -> list[Finding]:
        """Whether the key may use the models, whose prices the settings saw to; asking this is free."""
        configured = self._settings
        wanted = list(dict.fromkeys([configured.model, configured.test_model or configured.model]))
        if not configured.anthropic_api_key:
            return [findings.skip("model", "ANTHROPIC_API_KEY is not usable")]
        claude = Claude(api_key=configured.anthropic_api_key, base_url=configured.anthropic_base_url)
        try:
            return [await _model(claude, name) for name in wanted]
        finally:
            await claude.close()

    async def notifications(self) -> list[Finding]:
        """Whether address and secret of the outbound notifications make sense; nothing is sent."""
        name, url, secret = "notifications", self._settings.notify_url, self._settings.notify_secret
        if url is None and secret is None:
            return [findings.skip(name, "JOURNEYMAN_NOTIFY_URL is not set")]
        if url is None or secret is None:
            absent = "JOURNEYMAN_NOTIFY_URL" if url is None else "JOURNEYMAN_NOTIFY_SECRET"
            return [findings.wrong(name, f"{absent} is not set and the other one is", "set both or neither")]
        try:
            signature.key(secret)
        except ValueError as problem:
            return [findings.wrong(name, f"JOURNEYMAN_NOTIFY_SECRET {problem}")]
        address = URL(url)
        host = address.host or ""
        if is_example(host):
            return [
                findings.wrong(name, f"{host} is an example", "set JOURNEYMAN_NOTIFY_URL to your receiver")
            ]
        if address.scheme == "http" and host not in LOOPBACK:
            return [findings.warn(name, f"they go to {host} unencrypted", "use https://")]
        return [findings.ok(name, f"task events go to {host}, signed")]

    async def tokens(self) -> list[Finding]:
        """Whether the API's tokens are too long to be guessed."""
        tokens = self._settings.api_tokens
        if not tokens:
            return [findings.skip("API tokens", "none: /api/v1 answers 401")]
        short = sum(len(token) < SHORTEST_TOKEN for token in tokens)
        if short:
            return [
                findings.warn(
                    "API tokens", f"{short} of {len(tokens)} have fewer than {SHORTEST_TOKEN} characters",
                    "take `openssl rand -hex 32`",
                )
            ]  # fmt: skip
        return [findings.ok("API tokens", f"{len(tokens)}, long enough")]

    async def roots(self) -> list[Finding]:
        """Whether each folder that the API may work in is there, wherever the server is started."""
        name, told = "project roots", self._settings.project_roots
        if not told:
            return [findings.skip(name, "none: the API works on no local project")]
        there = await asyncio.to_thread(lambda: [Path(root).is_dir() for root in told])
        absent = [root for root, is_there in zip(told, there, strict=True) if not is_there]
        if absent:
            fix = "make them, or correct JOURNEYMAN_PROJECT_ROOTS"
            return [findings.wrong(name, f"no folder: {', '.join(absent)}", fix)]
        relative = [root for root in told if not root.startswith("/")]
        if relative:
            what = f"where {', '.join(relative)} is depends on where the server is started"
            return [findings.warn(name, what, "begin each of JOURNEYMAN_PROJECT_ROOTS with /")]
        return [findings.ok(name, f"{len(told)}, each a folder")]


def is_example(host: str) -> bool:
    """Return whether a host name is one that only documents use (RFC 2606)."""
    return bool(_EXAMPLE.search(host.lower()))


async def _model(claude: Claude, name: str) -> Finding:
    try:
        shown = await claude.reach(name)
    except JourneymanError as problem:
        fix = CLAUDE_FIX if isinstance(problem, WorldFault) else ""  # the others' sentences name it
        return findings.wrong("model", f"{name}: {problem}", fix)
    return findings.ok("model", f"{name} ({shown}) can be used, its price is known")


def _sqlite_problem(file: Path) -> str | None:
    folder = file.absolute().parent
    if file.exists() and (not file.is_file() or not os.access(file, os.W_OK)):
        return f"{file} is no file that can be written"
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):  # SQLite makes no folders
        return f"{folder} is no folder that can be written"
    kind = filesystem(folder)
    if kind in _NETWORK:
        return f"{folder} is on a network file system ({kind}), where SQLite loses data"
    return None


def filesystem(path: Path, table: Path = Path("/proc/self/mountinfo")) -> str | None:
    """Return the type of the file system below a path, None where the kernel does not tell (proc(5))."""
    try:
        lines = table.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    best, kind = "", None
    real = str(path.resolve())
    for line in lines:
        before, _, after = line.partition(" - ")
        fields = before.split()
        if len(fields) < 5 or not after:
            continue
        mounted = fields[4].encode("utf-8", "surrogateescape").decode("unicode_escape")
        inside = real == mounted or real.startswith(mounted.rstrip("/") + "/")
        if inside and len(mounted) >= len(best):  # a later mount covers an earlier one at the same place
            best, kind = mounted, after.split()[0]
    return kind
