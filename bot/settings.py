"""Read the environment once and refuse what is wrong, naming the variable and the fix."""

import base64
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from bot.errors import UserFault


class SettingsError(UserFault):
    """A variable is missing or malformed; the text is one line for the terminal."""


@dataclass(frozen=True)
class Settings:
    """What one process runs with (contract, section 1); secrets stay out of `repr`."""

    app_id: str = ""
    private_key: str = field(default="", repr=False)
    webhook_secrets: tuple[str, ...] = field(default=(), repr=False)
    anthropic_api_key: str = field(default="", repr=False)
    anthropic_base_url: str | None = None
    github_api_url: str = "https://api.github.com"
    github_graphql_url: str | None = None
    github_server_url: str = "https://github.com"
    host: str = "0.0.0.0"  # noqa: S104  # a server in a container must answer from outside of it
    port: int = 8000
    webhook_path: str = "/api/github/webhooks"
    webhook_proxy_url: str | None = None
    database_url: str | None = field(default=None, repr=False)
    data_dir: Path = Path("data")
    label: str = "journeyman"
    model: str = "claude-opus-5-5"
    test_model: str | None = None
    max_iterations: int = 20
    max_steps: int = 200
    max_pauses: int = 5
    task_budget_usd: Decimal = Decimal("5.00")
    repository_daily_budget_usd: Decimal = Decimal("50.00")
    task_timeout: float = 3600
    test_timeout: float = 60
    regression_timeout: float = 300
    concurrency: int = 20
    repository_concurrency: int = 2
    sandbox: str = "bubblewrap"
    allow_unsandboxed: bool = False
    api_tokens: tuple[str, ...] = field(default=(), repr=False)
    project_roots: tuple[str, ...] = ()
    public_url: str | None = None
    notify_url: str | None = None
    notify_secret: str | None = field(default=None, repr=False)
    retention_days: int = 90
    cache_gb: float = 20
    api_rate: str = "60/min"
    log_level: str = "info"
    log_format: str | None = None

    def secrets(self) -> tuple[str, ...]:
        """Return every secret value we hold, for redaction."""
        held = (
            self.private_key,
            *self.webhook_secrets,
            self.anthropic_api_key,
            *self.api_tokens,
            self.notify_secret or "",
        )
        return tuple(value for value in held if value)


Parser = Callable[[str], Any]


def _text(value: str) -> str:
    return value.strip()


def _whole(least: int, most: int = 10**9) -> Parser:
    def parse(value: str) -> int:
        number = int(value)
        if not least <= number <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return number

    return parse


def _above_zero(unit: str) -> Parser:
    def parse(value: str) -> float:
        number = float(value)
        if not 0 < number < 10**7:
            raise ValueError(f"must be a number of {unit} above 0")
        return number

    return parse


def _dollars(value: str) -> Decimal:
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise ValueError("must be an amount in USD, as 5.00") from None
    if not (number.is_finite() and number > 0):
        raise ValueError("must be an amount above 0")
    return number


def _url(value: str) -> str:
    parts = urlsplit(value.strip())
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.query or parts.fragment:
        raise ValueError("must be an http:// or https:// address")
    return value.strip().rstrip("/")


def _list(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _one_of(*words: str) -> Parser:
    def parse(value: str) -> str:
        if value.lower() not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return value.lower()

    return parse


def _flag(value: str) -> bool:
    return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[value.lower()]


def _path(value: str) -> str:
    if not value.startswith("/") or "?" in value or "#" in value:
        raise ValueError("must be a path that begins with /")
    return value


def _pem(value: str) -> str:
    """Accept what Probot accepts: real or literal newlines, CRLF, or base64 of the whole file."""
    text = value.strip()
    try:
        if "-----BEGIN" not in text:
            text = base64.b64decode("".join(text.split()), validate=True).decode()
        text = text.replace("\\n", "\n").replace("\r\n", "\n").strip() + "\n"
        is_rsa = isinstance(serialization.load_pem_private_key(text.encode(), password=None), RSAPrivateKey)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: it wants a password
        is_rsa = False
    if not is_rsa:  # what GitHub gives, and what RS256 needs
        raise ValueError("must be the App's RSA private key as GitHub gave it: PEM, or base64 of that")
    return text


def _rate(value: str) -> str:
    if not re.fullmatch(r"[1-9]\d{0,8}/(s|min|h)", value.strip()):
        raise ValueError("must be a number of requests per s, min or h, as 60/min")
    return value.strip()


# variable → (field, how to read it)
VARIABLES: dict[str, tuple[str, Parser]] = {
    "APP_ID": ("app_id", lambda value: str(_whole(1, 10**15)(value))),
    "PRIVATE_KEY": ("private_key", _pem),
    "WEBHOOK_SECRET": ("webhook_secrets", _list),
    "ANTHROPIC_API_KEY": ("anthropic_api_key", _text),
    "ANTHROPIC_BASE_URL": ("anthropic_base_url", _url),
    "GITHUB_API_URL": ("github_api_url", _url),
    "GITHUB_GRAPHQL_URL": ("github_graphql_url", _url),
    "GITHUB_SERVER_URL": ("github_server_url", _url),
    "HOST": ("host", _text),
    "PORT": ("port", _whole(0, 65_535)),
    "WEBHOOK_PATH": ("webhook_path", _path),
    "WEBHOOK_PROXY_URL": ("webhook_proxy_url", _url),
    "DATABASE_URL": ("database_url", _text),
    "LOG_LEVEL": ("log_level", _one_of("debug", "info", "warning", "error")),
    "LOG_FORMAT": ("log_format", _one_of("json", "pretty")),
    "JOURNEYMAN_DATA_DIR": ("data_dir", lambda value: Path(value).expanduser()),
    "JOURNEYMAN_LABEL": ("label", _text),
    "JOURNEYMAN_MODEL": ("model", _text),
    "JOURNEYMAN_TEST_MODEL": ("test_model", _text),
    "JOURNEYMAN_MAX_ITERATIONS": ("max_iterations", _whole(1)),
    "JOURNEYMAN_MAX_STEPS": ("max_steps", _whole(1)),
    "JOURNEYMAN_MAX_PAUSES": ("max_pauses", _whole(0)),
    "JOURNEYMAN_TASK_BUDGET_USD": ("task_budget_usd", _dollars),
    "JOURNEYMAN_REPOSITORY_DAILY_BUDGET_USD": ("repository_daily_budget_usd", _dollars),
    "JOURNEYMAN_TASK_TIMEOUT": ("task_timeout", _above_zero("seconds")),
    "JOURNEYMAN_TEST_TIMEOUT": ("test_timeout", _above_zero("seconds")),
    "JOURNEYMAN_REGRESSION_TIMEOUT": ("regression_timeout", _above_zero("seconds")),
    "JOURNEYMAN_CONCURRENCY": ("concurrency", _whole(1)),
    "JOURNEYMAN_REPOSITORY_CONCURRENCY": ("repository_concurrency", _whole(1)),
    "JOURNEYMAN_SANDBOX": ("sandbox", _one_of("bubblewrap", "none")),
    "JOURNEYMAN_ALLOW_UNSANDBOXED": ("allow_unsandboxed", _flag),
    "JOURNEYMAN_API_TOKENS": ("api_tokens", _list),
    "JOURNEYMAN_PROJECT_ROOTS": ("project_roots", _list),
    "JOURNEYMAN_PUBLIC_URL": ("public_url", _url),
    "JOURNEYMAN_NOTIFY_URL": ("notify_url", _url),
    "JOURNEYMAN_NOTIFY_SECRET": ("notify_secret", _text),
    "JOURNEYMAN_RETENTION_DAYS": ("retention_days", _whole(1)),
    "JOURNEYMAN_CACHE_GB": ("cache_gb", _above_zero("gigabytes")),
    "JOURNEYMAN_API_RATE": ("api_rate", _rate),
}
REQUIRED = ("APP_ID", "PRIVATE_KEY", "WEBHOOK_SECRET", "ANTHROPIC_API_KEY")
SECRET = (
    "PRIVATE_KEY",
    "WEBHOOK_SECRET",
    "ANTHROPIC_API_KEY",
    "JOURNEYMAN_API_TOKENS",
    "JOURNEYMAN_NOTIFY_SECRET",
)


def from_environment(
    environ: Mapping[str, str] | None = None, required: tuple[str, ...] = REQUIRED
) -> Settings:
    """Read the settings; raises SettingsError with one line that names the variable and the fix."""
    given = _given(dict(os.environ if environ is None else environ))
    missing = [name for name in required if name not in given]
    if missing:
        also = " (or PRIVATE_KEY_PATH)" if missing[0] == "PRIVATE_KEY" else ""
        raise SettingsError(
            f"{missing[0]}{also} is not set: set it, or {missing[0]}_FILE to a file that holds it"
        )
    values: dict[str, Any] = {}
    for name, raw in given.items():
        key, parse = VARIABLES[name]
        try:
            values[key] = parse(raw)
        except (ValueError, KeyError) as problem:
            shown = "" if name in SECRET else f" (it is {raw!r})"
            raise SettingsError(f"{name} {_reason(problem)}{shown}") from None
        if values[key] in ("", ()):
            raise SettingsError(f"{name} is empty: set it or remove it")
    settings = Settings(**values)
    _check_together(settings)
    return settings


def _reason(problem: Exception) -> str:
    text = str(problem)
    return text if text.startswith("must be") else "is malformed"


def _given(environ: dict[str, str]) -> dict[str, str]:
    """Collect the known variables, from `NAME` or from the file that `NAME_FILE` names."""
    known = {*VARIABLES, "PRIVATE_KEY_PATH"}
    for name in environ:
        plain = name.removesuffix("_FILE")
        if name.startswith("JOURNEYMAN_") and plain not in known:
            raise SettingsError(
                f"{name} is not a setting of Journeyman: see the README's table, or remove it"
            )
    given: dict[str, str] = {}
    for name in VARIABLES:
        places = [place for place in (name, f"{name}_FILE") if place in environ]
        if name == "PRIVATE_KEY" and "PRIVATE_KEY_PATH" in environ and name not in environ:
            places = ["PRIVATE_KEY_PATH"]
        if len(places) > 1:
            raise SettingsError(f"{places[0]} and {places[1]} are both set: remove one")
        if places:
            given[name] = environ[name] if places[0] == name else _from_file(places[0], environ[places[0]])
            if not given[name].strip():
                raise SettingsError(f"{places[0]} is empty: set it or remove it")
    return given


def _from_file(variable: str, path: str) -> str:
    try:
        return Path(path).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as problem:
        raise SettingsError(f"{variable} names {path!r}, which can't be read: {problem}") from None


def _check_together(settings: Settings) -> None:
    if len(settings.webhook_secrets) > 2:
        raise SettingsError(
            "WEBHOOK_SECRET holds more than two values: the old and the new one are enough to rotate"
        )
    if settings.sandbox == "none" and not settings.allow_unsandboxed:
        raise SettingsError(
            "JOURNEYMAN_SANDBOX=none runs the model's commands on this host unprotected: "
            "set JOURNEYMAN_ALLOW_UNSANDBOXED=1 as well if that is what you want, or remove it"
        )
    if settings.database_url and not settings.database_url.startswith(("sqlite:///", "postgresql://")):
        raise SettingsError("DATABASE_URL must begin with postgresql:// or sqlite:///")
    unknown = {item.name for item in fields(settings)} - {key for key, _ in VARIABLES.values()}
    if unknown:
        raise AssertionError(f"settings without a variable: {unknown}")
