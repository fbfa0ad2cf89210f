"""Decide which package registries set-up may reach: those that the host's own pip, uv and npm point to."""

import asyncio
import configparser
import ipaddress
import os
import re
import socket
import ssl
import sys
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import structlog
import uv
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from bot.errors import Blocked

log = structlog.get_logger(__name__)

_ASK_SECONDS = 20


@dataclass(frozen=True)
class Registry:
    """One registry: its address without credentials (the path ends in a slash) and what opens it."""

    url: URL
    authorization: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Registries:
    """Every registry in the order in which it is asked (the first that knows a package answers)."""

    python: tuple[Registry, ...] = ()
    npm: Registry | None = None
    ca_files: tuple[Path, ...] = ()

    @property
    def all(self) -> tuple[Registry, ...]:
        """Python and npm registries together."""
        return (*self.python, self.npm) if self.npm else self.python

    def connector(self, *, public_only: bool = False) -> aiohttp.TCPConnector:
        """Trust what OpenSSL trusts (`SSL_CERT_FILE`, `SSL_CERT_DIR`) and the bundles that pip was given."""
        context = ssl.create_default_context()
        for bundle in self.ca_files:
            context.load_verify_locations(cafile=str(bundle))
        return aiohttp.TCPConnector(limit=16, ssl=context, resolver=_PublicOnly() if public_only else None)


async def discover(environment: Mapping[str, str] | None = None, home: Path | None = None) -> Registries:
    """Read the host's configuration, strongest first: environment, uv's file, pip's files, uv's own default.

    Further indexes go before the default one, as uv does it, so that a private package can't be
    replaced by a public one of the same name (docs.astral.sh/uv/concepts/indexes). Indexes in local folders
    are left out with a log line: the sandbox can't see them.
    Raises Blocked when a configured address is no address.
    """
    environment = os.environ if environment is None else environment
    home = Path.home() if home is None else home
    pip, uv_file = await asyncio.to_thread(
        lambda: (_pip_settings(environment, home), _uv_settings(environment, home))
    )
    default = environment.get("UV_DEFAULT_INDEX") or environment.get("UV_INDEX_URL") or pip.environment_index
    default = default or uv_file.default or pip.index
    if not default and not pip.no_index:
        default = await _uv_default()
    further = " ".join(
        environment.get(name, "") for name in ("UV_INDEX", "UV_EXTRA_INDEX_URL", "PIP_EXTRA_INDEX_URL")
    )
    addresses = [*further.split(), *uv_file.further, *pip.further, *([default] if default else [])]
    return Registries(
        python=tuple(dict.fromkeys(_usable(addresses))),
        npm=await _npm(environment, home),
        ca_files=tuple(dict.fromkeys(_bundles(environment, pip.cert))),
    )


def registry(address: str, authorization: str | None = None) -> Registry:
    """Split the credentials off an index address; uv's `NAME=URL` form is taken too."""
    named = re.fullmatch(r"[\w.-]+=(\S+://\S+)", address)
    try:
        url = URL(named.group(1) if named else address)
    except ValueError as error:
        raise Blocked(
            "A package index in the host's pip or uv configuration is not a URL; correct it."
        ) from error
    if authorization is None and (url.user or url.password):
        authorization = aiohttp.encode_basic_auth(url.user or "", url.password or "")
    url = url.with_user(None).with_fragment(None).with_query(None) if url.absolute else url
    return Registry(url if url.path.endswith("/") else url.with_path(url.path + "/"), authorization)


def _usable(addresses: Iterable[str]) -> Iterable[Registry]:
    for address in addresses:
        found = registry(address)
        if found.url.scheme in {"http", "https"} and found.url.host:
            yield found
        else:
            log.info("registry.local_ignored", address=str(found.url))


@dataclass(frozen=True)
class _Pip:
    environment_index: str = ""
    index: str = ""
    further: tuple[str, ...] = ()
    cert: str = ""
    no_index: bool = False


def _pip_settings(environment: Mapping[str, str], home: Path) -> _Pip:
    """Merge pip's configuration files, later ones stronger (pip.pypa.io/en/stable/topics/configuration)."""
    settings: dict[str, str] = {}
    for path in _pip_files(environment, home):
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError) as error:
            log.warning("registry.configuration_unreadable", path=str(path), error=type(error).__name__)
            continue
        for section in ("global", "install"):
            if parser.has_section(section):
                settings.update(parser.items(section))
    asked = environment.get("PIP_NO_INDEX") or settings.get("no-index", "")
    return _Pip(
        environment_index=environment.get("PIP_INDEX_URL", ""),
        index=settings.get("index-url", ""),
        further=()
        if "PIP_EXTRA_INDEX_URL" in environment
        else tuple(settings.get("extra-index-url", "").split()),
        cert=environment.get("PIP_CERT") or settings.get("cert", ""),
        no_index=asked.lower() in {"1", "true", "yes", "on"},
    )


def _pip_files(environment: Mapping[str, str], home: Path) -> list[Path]:
    named = environment.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return []
    config_home = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
    shared = environment.get("XDG_CONFIG_DIRS") or "/etc/xdg"
    files = [Path(folder, "pip", "pip.conf") for folder in reversed(shared.split(":"))]
    files += [Path("/etc/pip.conf"), home / ".pip" / "pip.conf", config_home / "pip" / "pip.conf"]
    files += [Path(sys.prefix, "pip.conf"), *([Path(named)] if named else [])]
    return files


@dataclass(frozen=True)
class _Uv:
    default: str = ""
    further: tuple[str, ...] = ()


def _uv_settings(environment: Mapping[str, str], home: Path) -> _Uv:
    """Read the user's `uv.toml`, else the system's (docs.astral.sh/uv/configuration/files)."""
    config_home = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
    named = environment.get("UV_CONFIG_FILE")
    for path in [Path(named)] if named else [config_home / "uv" / "uv.toml", Path("/etc/uv/uv.toml")]:
        try:
            settings = tomllib.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            log.warning("registry.configuration_unreadable", path=str(path), error=type(error).__name__)
            continue
        indexes = [entry for entry in settings.get("index", []) if isinstance(entry, dict) and "url" in entry]
        named_default = next((entry["url"] for entry in indexes if entry.get("default")), "")
        further = [
            entry["url"] for entry in indexes if not entry.get("default") and not entry.get("explicit")
        ]
        return _Uv(
            named_default or settings.get("index-url", ""), (*further, *settings.get("extra-index-url", []))
        )
    return _Uv()


async def _uv_default() -> str:
    """Ask uv which index it takes when nobody names one; its help text says so."""
    text = await _ask([uv.find_uv_bin(), "pip", "install", "--help"], {})
    match = re.search(r"--default-index.*?by\s+default:\s*<?(https://[^>)\s]+)", text or "", re.DOTALL)
    return match.group(1) if match else ""


async def _npm(environment: Mapping[str, str], home: Path) -> Registry | None:
    """Ask npm for its registry; none without npm. Its token is in the user's `.npmrc`."""
    asked = {
        name: value
        for name, value in environment.items()
        if name in {"PATH", "HOME"} or "npm" in name.lower()
    }
    address = (await _ask(["npm", "config", "get", "registry"], asked) or "").strip()
    if not address.startswith(("http://", "https://")):
        return None
    found = registry(address)
    rc_path = Path(environment.get("npm_config_userconfig") or home / ".npmrc")
    try:
        text = await asyncio.to_thread(rc_path.read_text, "utf-8")
    except (OSError, UnicodeDecodeError):
        return found
    where = re.escape(f"//{found.url.authority}{found.url.path}")
    secret = re.search(rf"^\s*{where}?:(_authToken|_auth)\s*=\s*\"?([^\s\"]+)", text, re.MULTILINE)
    if secret is None or found.authorization:
        return found
    value = re.sub(r"\$\{(\w+)\}", lambda match: environment.get(match.group(1), ""), secret.group(2))
    return Registry(found.url, f"{'Bearer' if secret.group(1) == '_authToken' else 'Basic'} {value}")


async def _ask(command: list[str], environment: Mapping[str, str]) -> str | None:
    """Return what a tool of the host prints, None when it isn't there, fails or hangs."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd="/",
            env={"PATH": os.defpath, **environment},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError:
        return None
    try:
        output, _ = await asyncio.wait_for(process.communicate(), _ASK_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
        return None
    return output.decode("utf-8", "replace") if process.returncode == 0 else None


def _bundles(environment: Mapping[str, str], pip_cert: str) -> Iterable[Path]:
    for name in (pip_cert, environment.get("REQUESTS_CA_BUNDLE"), environment.get("CURL_CA_BUNDLE")):
        if name and Path(name).is_file():
            yield Path(name)


class _PublicOnly(AbstractResolver):
    """Resolve names, but never to an address that isn't public."""

    def __init__(self) -> None:
        self._inner = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the public addresses of a name; raises OSError without any."""
        found = await self._inner.resolve(host, port, family)
        public = [one for one in found if ipaddress.ip_address(one["host"]).is_global]
        if not public:
            raise OSError(f"{host} has no public address")
        return public

    async def close(self) -> None:
        """Close the resolver."""
        await self._inner.close()
