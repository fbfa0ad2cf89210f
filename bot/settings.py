"""Read the environment once and refuse what is wrong, naming the variable and the fix."""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from pathlib import Path
from typing import Any

from bot import values
from bot.errors import UsageFault


class SettingsError(UsageFault):
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
    notify_url: str | None = field(default=None, repr=False)
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

    def make_data_dir(self) -> Path:
        """Make the data directory, for its owner only, and return it; raises SettingsError if that fails."""
        try:
            self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.data_dir):  # root may write everywhere, says access(2)
                return self.data_dir
        except (OSError, ValueError) as problem:  # ValueError: a NUL in its name
            why = (isinstance(problem, OSError) and problem.strerror) or problem
            raise SettingsError(
                f"JOURNEYMAN_DATA_DIR: nothing can be kept in {str(self.data_dir)!r} ({why}): give this "
                "user room and rights there, or choose another folder"
            ) from None


# variable → (field, how to read it)
VARIABLES: dict[str, tuple[str, values.Parser]] = {
    "APP_ID": ("app_id", lambda value: str(values.whole(1, 10**15)(value))),
    "PRIVATE_KEY": ("private_key", values.pem),
    "WEBHOOK_SECRET": ("webhook_secrets", values.texts),
    "ANTHROPIC_API_KEY": ("anthropic_api_key", values.text),
    "ANTHROPIC_BASE_URL": ("anthropic_base_url", values.url),
    "GITHUB_API_URL": ("github_api_url", values.url),
    "GITHUB_GRAPHQL_URL": ("github_graphql_url", values.url),
    "GITHUB_SERVER_URL": ("github_server_url", values.url),
    "HOST": ("host", values.text),
    "PORT": ("port", values.whole(0, values.MOST_PORT)),
    "WEBHOOK_PATH": ("webhook_path", values.path),
    "WEBHOOK_PROXY_URL": ("webhook_proxy_url", values.url),
    "DATABASE_URL": ("database_url", values.database),
    "LOG_LEVEL": ("log_level", values.one_of("debug", "info", "warning", "error")),
    "LOG_FORMAT": ("log_format", values.one_of("json", "pretty")),
    "JOURNEYMAN_DATA_DIR": ("data_dir", values.folder),
    "JOURNEYMAN_LABEL": ("label", values.text),
    "JOURNEYMAN_MODEL": ("model", values.model),
    "JOURNEYMAN_TEST_MODEL": ("test_model", values.model),
    "JOURNEYMAN_MAX_ITERATIONS": ("max_iterations", values.whole(1)),
    "JOURNEYMAN_MAX_STEPS": ("max_steps", values.whole(1)),
    "JOURNEYMAN_MAX_PAUSES": ("max_pauses", values.whole(0)),
    "JOURNEYMAN_TASK_BUDGET_USD": ("task_budget_usd", values.dollars),
    "JOURNEYMAN_REPOSITORY_DAILY_BUDGET_USD": ("repository_daily_budget_usd", values.dollars),
    "JOURNEYMAN_TASK_TIMEOUT": ("task_timeout", values.above_zero("seconds")),
    "JOURNEYMAN_TEST_TIMEOUT": ("test_timeout", values.above_zero("seconds")),
    "JOURNEYMAN_REGRESSION_TIMEOUT": ("regression_timeout", values.above_zero("seconds")),
    "JOURNEYMAN_CONCURRENCY": ("concurrency", values.whole(1)),
    "JOURNEYMAN_REPOSITORY_CONCURRENCY": ("repository_concurrency", values.whole(1)),
    "JOURNEYMAN_SANDBOX": ("sandbox", values.one_of("bubblewrap", "none")),
    "JOURNEYMAN_ALLOW_UNSANDBOXED": ("allow_unsandboxed", values.flag),
    "JOURNEYMAN_API_TOKENS": ("api_tokens", values.texts),
    "JOURNEYMAN_PROJECT_ROOTS": ("project_roots", values.folders),
    "JOURNEYMAN_PUBLIC_URL": ("public_url", values.url),
    "JOURNEYMAN_NOTIFY_URL": ("notify_url", values.url),
    "JOURNEYMAN_NOTIFY_SECRET": ("notify_secret", values.notify_secret),
    "JOURNEYMAN_RETENTION_DAYS": ("retention_days", values.whole(1)),
    "JOURNEYMAN_CACHE_GB": ("cache_gb", values.above_zero("gigabytes")),
    "JOURNEYMAN_API_RATE": ("api_rate", values.rate),
}
REQUIRED = ("APP_ID", "PRIVATE_KEY", "WEBHOOK_SECRET", "ANTHROPIC_API_KEY")
SECRET = (
    "PRIVATE_KEY",
    "WEBHOOK_SECRET",
    "ANTHROPIC_API_KEY",
    "JOURNEYMAN_API_TOKENS",
    "JOURNEYMAN_NOTIFY_URL",  # it may hold a password
    "JOURNEYMAN_NOTIFY_SECRET",
)
_UNSHOWN = {*SECRET, "DATABASE_URL"}  # which may hold a password, too


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
    found: dict[str, Any] = {}
    for name, raw in given.items():
        key, parse = VARIABLES[name]
        try:
            found[key] = parse(raw)
        except ValueError as problem:
            shown = "" if name in _UNSHOWN else f" (it is {raw!r})"
            raise SettingsError(f"{name} {problem}{shown}") from None
        if found[key] in ("", ()):
            raise SettingsError(f"{name} is empty: set it or remove it")
    settings = Settings(**found)
    _check_together(settings)
    return settings


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
        forms = (name, f"{name}_FILE", *(["PRIVATE_KEY_PATH"] if name == "PRIVATE_KEY" else []))
        places = [place for place in forms if place in environ]
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
    except (OSError, ValueError, RuntimeError) as problem:  # not UTF-8; no such home folder
        raise SettingsError(
            f"{variable} names {path!r}, which can't be read ({problem}): name a file that can"
        ) from None


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
    if (settings.notify_url is None) is not (settings.notify_secret is None):
        raise SettingsError(
            "JOURNEYMAN_NOTIFY_URL and JOURNEYMAN_NOTIFY_SECRET belong together: set both, or neither"
        )
    unknown = {item.name for item in fields(settings)} - {key for key, _ in VARIABLES.values()}
    if unknown:
        raise AssertionError(f"settings without a variable: {unknown}")
