"""The environment is read once; what is wrong with it is one line that names the variable."""

import base64
import dataclasses
from decimal import Decimal
from pathlib import Path

import pytest

from bot import settings
from bot.settings import SettingsError
from tests import rsa_key


def _environment(**more: str) -> dict[str, str]:
    required = {
        "APP_ID": "12345", "PRIVATE_KEY": rsa_key.pem(), "WEBHOOK_SECRET": "hook-secret",
        "ANTHROPIC_API_KEY": "sk-ant-secret",
    }  # fmt: skip
    return required | more


def _refusal(environment: dict[str, str]) -> str:
    with pytest.raises(SettingsError) as raised:
        settings.from_environment(environment)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_the_defaults_are_those_of_the_contract() -> None:
    """With only what is required set, everything has the contract's default."""
    read = settings.from_environment(_environment())
    assert (read.app_id, read.webhook_secrets, read.label) == ("12345", ("hook-secret",), "journeyman")
    assert (read.host, read.port, read.webhook_path) == ("0.0.0.0", 8000, "/api/github/webhooks")  # noqa: S104
    assert (read.github_api_url, read.github_server_url) == ("https://api.github.com", "https://github.com")
    assert (read.data_dir, read.database_url, read.model) == (Path("data"), None, "claude-opus-5-5")
    assert (read.max_iterations, read.max_steps, read.max_pauses) == (20, 200, 5)
    assert (read.task_budget_usd, read.repository_daily_budget_usd) == (Decimal("5.00"), Decimal("50.00"))
    assert (read.task_timeout, read.test_timeout, read.regression_timeout) == (3600, 60, 300)
    assert (read.concurrency, read.repository_concurrency, read.sandbox) == (20, 2, "bubblewrap")
    assert (read.api_tokens, read.retention_days, read.cache_gb, read.api_rate) == ((), 90, 20, "60/min")
    assert (read.log_level, read.log_format) == ("info", None)


@pytest.mark.parametrize("name", settings.REQUIRED)
def test_what_is_required_is_named(name: str) -> None:
    """A missing required variable is named, with its fix."""
    environment = _environment()
    del environment[name]
    refusal = _refusal(environment)
    assert refusal.startswith(name)
    assert f"{name}_FILE" in refusal


@pytest.mark.parametrize("name", sorted(settings.VARIABLES))
@pytest.mark.parametrize("value", ["", "  "])
def test_an_empty_value_is_refused(name: str, value: str) -> None:
    """A variable that is set to nothing stops the start: it would hide a mistake, or an empty secret."""
    assert _refusal(_environment(**{name: value})).startswith(f"{name} is empty")


@pytest.mark.parametrize("value", [",", " , "])
def test_a_secret_of_commas_is_empty(value: str) -> None:
    """A list that holds nothing is as empty as none."""
    assert _refusal(_environment(WEBHOOK_SECRET=value)) == "WEBHOOK_SECRET is empty: set it or remove it"


def test_two_secrets_while_rotating() -> None:
    """WEBHOOK_SECRET may hold the old and the new value, and no third."""
    assert settings.from_environment(_environment(WEBHOOK_SECRET="old, new")).webhook_secrets == (
        "old",
        "new",
    )
    assert _refusal(_environment(WEBHOOK_SECRET="a,b,c")).startswith("WEBHOOK_SECRET holds more than two")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("JOURNEYMAN_LABLE", "fix"),
        ("JOURNEYMAN_", "x"),
        ("JOURNEYMAN_PORT", "1"),
        ("JOURNEYMAN_LABLE_FILE", "/f"),
        ("JOURNEYMAN_FILE", "/f"),
    ],
)
def test_an_unknown_name_of_ours_is_refused(name: str, value: str) -> None:
    """A misspelt JOURNEYMAN_ name would silently do nothing; names of others are none of our business."""
    assert name in _refusal(_environment(**{name: value}))
    settings.from_environment(_environment(SOMEBODY_ELSES="x", JOURNEYMANX="y"))


MALFORMED = {
    "APP_ID": ["abc", "-1", "0", "1.5", "9" * 30],
    "PORT": ["http", "-1", "65536", "1_0"],
    "WEBHOOK_PATH": ["hooks", "/hooks?x=1", "/hooks#x", "/{x", "/x}"],
    "GITHUB_API_URL": [
        "api.github.com", "ftp://x", "https://", "https://x?y=1", "https://x#y", "http://h:99999", "http://h:0",
        "http://h:x", "http://[::1", "http://a b/", "http://user@",
    ],
    "ANTHROPIC_BASE_URL": ["http://127.0.0.1:99999", "http://[::1"],
    "DATABASE_URL": [
        "mysql://x", "postgres", "sqlite:/x", "sqlite:///", "sqlite:///:memory:", "sqlite:///x?mode=memory",
        "postgresql://h:99999/x", "postgresql://h:x/y",
    ],
    "LOG_LEVEL": ["loud"],
    "LOG_FORMAT": ["xml"],
    "JOURNEYMAN_SANDBOX": ["docker"],
    "JOURNEYMAN_ALLOW_UNSANDBOXED": ["maybe"],
    "JOURNEYMAN_MAX_ITERATIONS": ["0", "many", "1.5"],
    "JOURNEYMAN_MAX_PAUSES": ["-1"],
    "JOURNEYMAN_TASK_BUDGET_USD": ["0", "-5", "five", "NaN", "Infinity"],
    "JOURNEYMAN_TASK_TIMEOUT": ["0", "-1", "nan", "inf", "1h"],
    "JOURNEYMAN_CONCURRENCY": ["0", "many"],
    "JOURNEYMAN_DATA_DIR": ["~nobody-of-that-name/data"],
    "JOURNEYMAN_PROJECT_ROOTS": ["/a,~nobody-of-that-name"],
    "JOURNEYMAN_MODEL": ["gpt-9", "claude-opus-5-9"],
    "JOURNEYMAN_TEST_MODEL": ["gpt-9"],
    "JOURNEYMAN_RETENTION_DAYS": ["0", "90d"],
    "JOURNEYMAN_CACHE_GB": ["0", "big"],
    "JOURNEYMAN_API_RATE": ["60", "fast", "0/min", "60/day"],
    "JOURNEYMAN_PUBLIC_URL": ["example.org"],
    "JOURNEYMAN_NOTIFY_URL": ["example.org/hook", "http://127.0.0.1:99999/x"],
    "JOURNEYMAN_NOTIFY_SECRET": ["short", "whsec_c2hvcnQ="],
}  # fmt: skip


@pytest.mark.parametrize(("name", "value"), [(name, each) for name in MALFORMED for each in MALFORMED[name]])
def test_a_malformed_value_is_refused_by_name(name: str, value: str) -> None:
    """Every malformed value stops the start with one line: its variable, and what it must be."""
    assert _refusal(_environment(**{name: value})).startswith(f"{name} must ")


@pytest.mark.parametrize(
    ("name", "value", "refusal"),
    [
        ("PORT", "abc", "PORT must be a whole number from 0 to 65535 (it is 'abc')"),
        (
            "JOURNEYMAN_ALLOW_UNSANDBOXED",
            "maybe",
            "JOURNEYMAN_ALLOW_UNSANDBOXED must be 1 or 0 (it is 'maybe')",
        ),
        (
            "DATABASE_URL",
            "postgresql://me:pass@h:99999/d",
            "DATABASE_URL must be postgresql://USER:PASSWORD@HOST:PORT/NAME or sqlite:///FILE",
        ),
    ],
)
def test_a_refusal_says_what_to_write(name: str, value: str, refusal: str) -> None:
    """The line says what is allowed and what was given, unless that may hold a password."""
    assert _refusal(_environment(**{name: value})) == refusal


def test_a_model_without_a_price_is_refused() -> None:
    """The refusal names the models that are known; their dated forms and -latest are among them."""
    refusal = _refusal(_environment(JOURNEYMAN_MODEL="gpt-9"))
    assert "claude-opus-5-5, " in refusal
    for known in ("claude-opus-5-5", "claude-opus-5-20261001", "claude-haiku-5-5-latest"):
        read = settings.from_environment(_environment(JOURNEYMAN_MODEL=known, JOURNEYMAN_TEST_MODEL=known))
        assert (read.model, read.test_model) == (known, known)


@pytest.mark.parametrize("place", ["a file", "below a file", "/proc/nope", "/proc", "a\0b"])
def test_a_data_directory_that_keeps_nothing_is_refused(place: str, tmp_path: Path) -> None:
    """What can't be made or written is one line that names variable, folder, reason and fix."""
    (tmp_path / "file").touch()
    places = {"a file": tmp_path / "file", "below a file": tmp_path / "file" / "data"}
    folder = places.get(place, Path(place))
    with pytest.raises(SettingsError, match=r"^JOURNEYMAN_DATA_DIR: nothing can be kept in .*choose another"):
        settings.Settings(data_dir=folder).make_data_dir()


def test_the_data_directory_is_its_owners(tmp_path: Path) -> None:
    """It is made with all above it, closed to others, and left empty."""
    made = settings.Settings(data_dir=tmp_path / "new" / "data").make_data_dir()
    assert made.stat().st_mode & 0o777 == 0o700
    assert list(made.iterdir()) == []


def test_values_are_read_as_what_they_are() -> None:
    """Numbers, lists, addresses and paths come out in their own types, without stray slashes or spaces."""
    read = settings.from_environment(
        _environment(
            PORT="8080", JOURNEYMAN_TASK_BUDGET_USD="2.50", JOURNEYMAN_API_TOKENS="a, b,", LOG_LEVEL="DEBUG",
            GITHUB_API_URL="https://git.example.org/api/v3/", JOURNEYMAN_DATA_DIR="/srv/journeyman",
            JOURNEYMAN_PROJECT_ROOTS="/a,/b", JOURNEYMAN_API_RATE="5/s",
        )
    )  # fmt: skip
    assert (read.port, read.task_budget_usd, read.api_tokens) == (8080, Decimal("2.50"), ("a", "b"))
    assert (read.github_api_url, read.data_dir) == ("https://git.example.org/api/v3", Path("/srv/journeyman"))
    assert (read.project_roots, read.api_rate, read.log_level) == (("/a", "/b"), "5/s", "debug")


def _crlf() -> str:
    return rsa_key.pem().replace("\n", "\r\n")


def _wrapped() -> str:
    return base64.encodebytes(rsa_key.pem().encode()).decode()


KEY_FORMS = {
    "real newlines": rsa_key.pem,
    "literal \\n": lambda: rsa_key.pem().replace("\n", "\\n"),
    "CRLF": _crlf,
    "base64": lambda: base64.b64encode(rsa_key.pem().encode()).decode(),
    "wrapped base64": _wrapped,
    "base64 of CRLF": lambda: base64.b64encode(_crlf().encode()).decode(),
    "spaces around": lambda: f"  {rsa_key.pem()}\n\n",
}


@pytest.mark.parametrize("form", KEY_FORMS)
def test_a_key_may_come_in_many_forms(form: str) -> None:
    """The forms that containers and panels make of a PEM file all give the same key."""
    assert settings.from_environment(_environment(PRIVATE_KEY=KEY_FORMS[form]())).private_key == rsa_key.pem()


BAD_KEYS = {
    "no key": lambda: "hello",
    "base64 of no key": lambda: base64.b64encode(b"hello").decode(),
    "cut": lambda: rsa_key.pem()[:-400],
    "damaged": lambda: rsa_key.pem().replace("A", "!", 1),
    "only its frame": lambda: "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----",
    "a certificate": lambda: rsa_key.pem().replace("PRIVATE KEY", "CERTIFICATE"),
    "not RSA": rsa_key.elliptic,
    "with a password": rsa_key.encrypted,
}


@pytest.mark.parametrize("form", BAD_KEYS)
def test_what_is_no_key_is_refused_unshown(form: str) -> None:
    """A key that cannot sign stops the start, and the refusal doesn't show it."""
    key = BAD_KEYS[form]()
    refusal = _refusal(_environment(PRIVATE_KEY=key))
    assert refusal.startswith("PRIVATE_KEY must be")
    assert key not in refusal


def test_a_key_may_lie_in_a_file(tmp_path: Path) -> None:
    """PRIVATE_KEY_PATH and PRIVATE_KEY_FILE both name a file; two of the three at once are refused."""
    (tmp_path / "key.pem").write_text(_crlf())
    for name in ("PRIVATE_KEY_PATH", "PRIVATE_KEY_FILE"):
        environment = _environment(**{name: str(tmp_path / "key.pem")})
        del environment["PRIVATE_KEY"]
        assert settings.from_environment(environment).private_key == rsa_key.pem()
    both = _environment(PRIVATE_KEY_PATH=str(tmp_path / "key.pem"))
    assert _refusal(both) == "PRIVATE_KEY and PRIVATE_KEY_PATH are both set: remove one"
    del both["PRIVATE_KEY"]
    both["PRIVATE_KEY_FILE"] = both["PRIVATE_KEY_PATH"]
    assert _refusal(both) == "PRIVATE_KEY_FILE and PRIVATE_KEY_PATH are both set: remove one"


NOTIFY = ("JOURNEYMAN_NOTIFY_URL", "JOURNEYMAN_NOTIFY_SECRET")


@pytest.mark.parametrize("name", NOTIFY)
def test_notifications_need_an_address_and_a_secret(name: str) -> None:
    """Either one alone would silently send nothing, or nothing that can be believed."""
    value = "https://example.org/hook" if name.endswith("URL") else "whsec_" + "A" * 43
    assert _refusal(_environment(**{name: value})).startswith(f"{NOTIFY[0]} and {NOTIFY[1]} belong together")


@pytest.mark.parametrize("name", sorted(settings.VARIABLES))
def test_every_value_may_come_from_a_file(name: str, tmp_path: Path) -> None:
    """NAME_FILE names a file with the value; both at once, an empty file and an absent one are refused."""
    values = _environment(JOURNEYMAN_ALLOW_UNSANDBOXED="1", JOURNEYMAN_SANDBOX="bubblewrap")
    values |= {key: "http://127.0.0.1:1" for key in settings.VARIABLES if key.endswith("_URL")}
    values |= {"DATABASE_URL": "postgresql://h/d", "LOG_FORMAT": "json", "LOG_LEVEL": "info"}
    values |= {"WEBHOOK_PATH": "/hook", "PORT": "1", "JOURNEYMAN_API_RATE": "1/s"}
    values |= {"JOURNEYMAN_NOTIFY_SECRET": "a secret to sign with"}
    values |= {"JOURNEYMAN_MODEL": "claude-opus-5", "JOURNEYMAN_TEST_MODEL": "claude-haiku-4-5"}
    value = values.get(name, "7")
    (tmp_path / "value").write_text(f"{value}\n")
    needed = _environment(**({key: values[key] for key in NOTIFY} if name in NOTIFY else {}))
    environment = {key: each for key, each in needed.items() if key != name}
    field, _ = settings.VARIABLES[name]
    from_file = settings.from_environment({**environment, f"{name}_FILE": str(tmp_path / "value")})
    from_environment = settings.from_environment({**environment, name: value})
    assert getattr(from_file, field) == getattr(from_environment, field)

    both = {**environment, name: value, f"{name}_FILE": str(tmp_path / "value")}
    assert _refusal(both) == f"{name} and {name}_FILE are both set: remove one"
    (tmp_path / "value").write_text("\n")
    assert _refusal({**environment, f"{name}_FILE": str(tmp_path / "value")}).startswith(
        f"{name}_FILE is empty"
    )
    assert _refusal({**environment, f"{name}_FILE": str(tmp_path / "absent")}).startswith(
        f"{name}_FILE names"
    )


def test_no_secret_shows() -> None:
    """Neither `repr` nor a refusal shows a secret, and all of them are known to the redaction."""
    held = {
        "JOURNEYMAN_API_TOKENS": "token-secret", "JOURNEYMAN_NOTIFY_SECRET": "notify-secret",
        "JOURNEYMAN_NOTIFY_URL": "https://me:url-secret@h/hook",
    }  # fmt: skip
    read = settings.from_environment(_environment(**held, DATABASE_URL="postgresql://me:pass-secret@h/d"))
    shown = repr(read)
    assert "secret" not in shown.replace("notify_secret", "")
    assert rsa_key.pem()[40:60] not in shown
    secrets = {"hook-secret", "sk-ant-secret", "token-secret", "notify-secret", rsa_key.pem()}
    assert secrets <= set(read.secrets())


def test_no_sandbox_must_be_wanted_twice() -> None:
    """`none` runs the model's commands unprotected, so it takes a second variable to mean it."""
    assert "JOURNEYMAN_ALLOW_UNSANDBOXED=1" in _refusal(_environment(JOURNEYMAN_SANDBOX="none"))
    meant = _environment(JOURNEYMAN_SANDBOX="none", JOURNEYMAN_ALLOW_UNSANDBOXED="1")
    assert settings.from_environment(meant).sandbox == "none"
    unmeant = _environment(JOURNEYMAN_SANDBOX="none", JOURNEYMAN_ALLOW_UNSANDBOXED="0")
    assert _refusal(unmeant).startswith("JOURNEYMAN_SANDBOX=none")


def test_every_setting_has_a_variable() -> None:
    """No field of the settings is out of the environment's reach."""
    reached = {field for field, _ in settings.VARIABLES.values()}
    assert reached == {field.name for field in dataclasses.fields(settings.Settings)}


def test_a_command_may_require_less() -> None:
    """Commands that need no App read the same variables, and refuse the same faults."""
    read = settings.from_environment({"JOURNEYMAN_LABEL": "x"}, required=())
    assert (read.label, read.app_id) == ("x", "")
    with pytest.raises(SettingsError, match="PORT"):
        settings.from_environment({"PORT": "x"}, required=())
