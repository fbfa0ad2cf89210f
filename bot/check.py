"""Look at everything that `serve` will need, and say line by line what is right and what is not."""

import asyncio
import re
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

import aiohttp
import structlog
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from bot import check_github, check_host, findings, logs, settings
from bot import manifest as manifests
from bot.errors import JourneymanError, WorldFault
from bot.findings import Finding, Mark
from bot.settings import Settings, SettingsError
from bot.words.redaction import Redactor
from storage.schema import SchemaMismatch

log = structlog.get_logger(__name__)

CHECK_SECONDS = 25.0
_VARIABLES = re.compile(r"([A-Za-z]\w*)(?: and ([A-Z]\w*))?")
_GITHUB = "see GITHUB_API_URL, the network and HTTPS_PROXY, or try again later"
_DATABASE = "see that it runs, and DATABASE_URL; a damaged file comes back from a backup"
_FOLDER = "see JOURNEYMAN_DATA_DIR"
_MODEL_NEEDS = "ANTHROPIC_API_KEY ANTHROPIC_BASE_URL JOURNEYMAN_MODEL JOURNEYMAN_TEST_MODEL"


@dataclass(frozen=True)
class Look:
    """One check, the variables without which it would look at something else, and what helps in general."""

    name: str
    needs: str
    fix: str
    looks: Callable[[], Awaitable[list[Finding]]]


async def check(environ: Mapping[str, str]) -> bool:
    """Print a line for everything looked at; True when nothing is wrong. No check stops those after it."""
    configured, found, refused = read(environ)
    redact = Redactor.knowing([*_secrets(environ), *configured.secrets()])
    # What a check finds stands in its line; the libraries' own warnings would tear the list apart.
    logs.configure(configured if "LOG_LEVEL" in environ else replace(configured, log_level="error"), redact)
    fine = _show(found, redact)
    async with aiohttp.ClientSession(trust_env=True, cookie_jar=aiohttp.DummyCookieJar()) as http:
        for look in _checks(configured, http):
            unusable = sorted(refused & set(look.needs.split()))
            if unusable:
                _show([findings.skip(look.name, f"{unusable[0]} is not usable")], redact)
            else:
                fine &= _show(await _looked(look), redact)
    return fine


def _checks(configured: Settings, http: aiohttp.ClientSession) -> list[Look]:
    """Return each check in the order of its line."""
    host = check_host.Host(configured)
    github = check_github.OnGitHub(configured, manifests.read(), http, time.time)
    return [
        Look("private key", "APP_ID PRIVATE_KEY GITHUB_API_URL", _GITHUB, github.key),
        Look("clock", "", _GITHUB, github.clock),
        Look(
            "webhook address", "JOURNEYMAN_PUBLIC_URL WEBHOOK_PROXY_URL WEBHOOK_PATH", _GITHUB, github.hook
        ),
        Look("permissions", "", _GITHUB, github.permissions),
        Look("events", "", _GITHUB, github.events),
        Look("installations", "", _GITHUB, github.installations),
        Look("database", "DATABASE_URL JOURNEYMAN_DATA_DIR", _DATABASE, host.database),
        Look("disk", "JOURNEYMAN_DATA_DIR", _FOLDER, host.disk),
        Look("sandbox", "JOURNEYMAN_SANDBOX JOURNEYMAN_DATA_DIR", _FOLDER, host.sandbox),
        Look("git", "", "install git anew", host.git),
        Look("model", _MODEL_NEEDS, check_host.CLAUDE_FIX, host.models),
        Look(
            "notifications", "JOURNEYMAN_NOTIFY_URL JOURNEYMAN_NOTIFY_SECRET", "see JOURNEYMAN_NOTIFY_URL",
            host.notifications,
        ),
        Look("API tokens", "JOURNEYMAN_API_TOKENS", "see JOURNEYMAN_API_TOKENS", host.tokens),
        Look("project roots", "JOURNEYMAN_PROJECT_ROOTS", "see JOURNEYMAN_PROJECT_ROOTS", host.roots),
    ]  # fmt: skip


async def _looked(look: Look) -> list[Finding]:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await look.looks()
    except WorldFault as problem:
        return [findings.wrong(look.name, str(problem), look.fix)]
    except (JourneymanError, SchemaMismatch) as problem:  # whose sentences name the fix
        return [findings.wrong(look.name, str(problem))]
    except TimeoutError:
        return [findings.wrong(look.name, f"no answer within {CHECK_SECONDS:.0f} s", look.fix)]
    except DBAPIError as problem:
        return [findings.wrong(look.name, str(problem.orig), look.fix)]
    except (OSError, SQLAlchemyError, ValueError) as problem:
        return [findings.wrong(look.name, str(problem) or type(problem).__name__, look.fix)]
    except Exception as problem:  # noqa: BLE001  # the boundary: one check that breaks must not hide the others
        log.error("check.broken", check=look.name, why=repr(problem))  # noqa: TRY400  # a person reads along
        why = f"this check itself failed ({type(problem).__name__})"
        return [findings.wrong(look.name, why, "that is a fault of Journeyman's: report it with this line")]


def _show(found: list[Finding], redact: Callable[[str], str]) -> bool:
    for one in found:
        sys.stdout.write(redact(one.line()) + "\n")
    sys.stdout.flush()
    return not any(one.mark is Mark.WRONG for one in found)


def read(environ: Mapping[str, str]) -> tuple[Settings, list[Finding], set[str]]:
    """Return the settings as far as they can be read, a finding for each fault, and whose fault it is."""
    left, found, refused = dict(environ), list[Finding](), set[str]()
    configured = Settings()
    while True:
        try:
            configured = settings.from_environment(left, required=())
            break
        except SettingsError as problem:
            named = _named(str(problem))
            if not named & refused:  # else it only misses what was refused before
                found.append(findings.wrong("settings", str(problem)))
            refused |= named
            if not named & set(left):  # a sentence that names none of them: nothing more can be learnt
                break
            left = {name: value for name, value in left.items() if name not in named}
    for name in settings.REQUIRED:
        if not _named(name) & {*left, *refused}:
            also = " (or PRIVATE_KEY_PATH)" if name == "PRIVATE_KEY" else ""
            fix = f"set it, or {name}_FILE to a file that holds it"
            found.append(findings.wrong("settings", f"{name}{also} is not set", fix))
    return configured, found or [findings.ok("settings", "every variable is known and well-formed")], refused


def _named(sentence: str) -> set[str]:
    """Return the variables that a settings error begins with, one or two, in every form they can be given."""
    begun = _VARIABLES.match(sentence)
    forms = set[str]()
    for given in begun.groups() if begun else ():
        if given is not None:
            name = given.removesuffix("_FILE").replace("PRIVATE_KEY_PATH", "PRIVATE_KEY")
            forms |= {given, name, f"{name}_FILE"}
    return forms | ({"PRIVATE_KEY_PATH"} if "PRIVATE_KEY" in forms else set())


def _secrets(environ: Mapping[str, str]) -> list[str]:
    """Return every secret as it stands in the environment, well-formed or not."""
    values = [environ[name] for name in settings.SECRET if name in environ]
    return [*values, *(piece.strip() for value in values for piece in value.split(","))]
