"""Register the App at GitHub from app.yaml, and keep its key and secret where only their owner reads them."""

import asyncio
import json
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from bot import logs, secret_files, settings
from bot import manifest as manifests
from bot.errors import UserFault, WorldFault
from bot.github.answers import Answer
from bot.github.wire import Broken, Wire
from bot.registration import LOOPBACK, Registration
from bot.settings import Settings
from bot.words.redaction import Redactor, make_safe

KEY_FILE = "journeyman.private-key.pem"
ENVIRONMENT_FILE = "journeyman.env"
TRIES = 3
PAUSE_SECONDS = 1.0
_MADE = ("APP_ID", "PRIVATE_KEY", "WEBHOOK_SECRET")
_SMEE = "https://smee.io/"


@dataclass(frozen=True)
class Registered:
    """The App as GitHub made it; its secrets stay out of representations."""

    id: int
    name: str
    html_url: str
    webhook_secret: str = field(repr=False)
    pem: str = field(repr=False)


def settings_for(environ: Mapping[str, str]) -> Settings:
    """Return the settings as far as this command needs them, and send the log where they say.

    What is about to be made may be named already: an App that is not there yet is no fault here.
    """
    others = {name: value for name, value in environ.items() if not name.startswith(_MADE)}
    read = settings.from_environment(others, required=())
    logs.configure(read, Redactor.knowing(read.secrets()))
    return read


async def register(
    configured: Settings, *, org: str | None, name: str | None, url: str | None, out: Path, port: int
) -> None:
    """Lead a person through GitHub's manifest flow; raises UserFault or WorldFault with what to do.

    Nothing is made at GitHub before everything on our side is known to fit.
    """
    _same_github(configured)
    manifest, hook_url = manifests.read(name), manifests.hook_url(configured, url)
    folder = await asyncio.to_thread(lambda: out.expanduser().resolve())
    key, environment = folder / KEY_FILE, folder / ENVIRONMENT_FILE
    secret_files.refuse_taken([key, environment])
    registration = Registration()
    async with registration.listening(
        port, configured.github_server_url, org, lambda back: manifest.document(hook_url, back)
    ):
        _say(_invitation(registration, hook_url))
        code = await registration.code()
        try:
            app = await _convert(configured, code)
            _keep(configured, app, hook_url, key, environment)
        except (UserFault, WorldFault) as problem:
            registration.tell(f"It failed: {problem}")
            raise
        registration.tell(f"{app.name} is registered. Install it: {app.html_url}/installations/new")
    _say(_ending(app, key, environment))


def _same_github(configured: Settings) -> None:
    known = Settings()
    own_server = configured.github_server_url != known.github_server_url
    if own_server is not (configured.github_api_url != known.github_api_url):
        raise settings.SettingsError(
            "GITHUB_SERVER_URL and GITHUB_API_URL must name the same GitHub: set both "
            "(https://HOST and https://HOST/api/v3), or neither"
        )


async def _convert(configured: Settings, code: str) -> Registered:
    """Exchange the code for the App; raises UserFault when GitHub refuses it, WorldFault when it is away."""
    async with aiohttp.ClientSession(trust_env=True, cookie_jar=aiohttp.DummyCookieJar()) as http:
        wire = Wire(http, configured.github_api_url, "journeyman/0.1")
        where = wire.url("/app-manifests/{code}/conversions", {"code": code})
        why = ""
        for number in range(TRIES):
            if number:
                await asyncio.sleep(PAUSE_SECONDS * number)
            try:
                answer = await wire.exchange("POST", where, {}, None)
            except Broken:  # its words hold the code
                why = "it can't be reached"
                continue
            if answer.status < 500:
                return _registered(answer, configured.github_server_url)
            why = f"it answers {answer.status}"
    raise WorldFault(
        f"GitHub does not hand over the App: {why}. If it was made, delete it under "
        f"{configured.github_server_url}/settings/apps, then start again"
    )


def _registered(answer: Answer, server_url: str) -> Registered:
    if answer.status != 201:
        reason = " ".join(make_safe(answer.message).split()) or "no reason given"
        raise UserFault(
            f"GitHub refuses the code ({answer.status}: {reason}): it is good "
            f"once and for an hour. If the App was made, delete it under {server_url}/settings/apps, then "
            "start again"
        )
    told: dict[str, Any] = answer.fields()
    texts = {name: told.get(name) for name in ("name", "html_url", "webhook_secret", "pem")}
    whole = all(isinstance(value, str) and value for value in texts.values())
    if not isinstance(told.get("id"), int) or not whole:
        raise UserFault(
            "GitHub made the App but did not hand over all of its id, key and webhook secret: delete it "
            f"under {server_url}/settings/apps, then start again"
        )
    shown = [name for name in ("name", "html_url", "webhook_secret") if not str(texts[name]).isprintable()]
    if shown or not str(texts["html_url"]).startswith(("https://", "http://")):
        raise UserFault("GitHub's answer is malformed; is GITHUB_API_URL right?")
    return Registered(id=told["id"], **{name: str(value) for name, value in texts.items()})


def _keep(configured: Settings, app: Registered, hook_url: str, key: Path, environment: Path) -> None:
    text = _environment(configured, app, hook_url, key)
    try:
        secret_files.write({key: app.pem, environment: text})
    except UserFault as problem:
        raise UserFault(
            f"{problem}. The App {app.html_url} exists: delete it under "
            f"{configured.github_server_url}/settings/apps, then start again"
        ) from None


def _environment(configured: Settings, app: Registered, hook_url: str, key: Path) -> str:
    """Return the lines of the environment file, as a shell, systemd and Compose read them."""
    known = Settings()
    values = {
        "APP_ID": str(app.id),
        "PRIVATE_KEY_PATH": str(key),
        "WEBHOOK_SECRET": app.webhook_secret,
    }
    if configured.github_api_url != known.github_api_url:
        values["GITHUB_API_URL"] = configured.github_api_url
        values["GITHUB_SERVER_URL"] = configured.github_server_url
    if configured.github_graphql_url:
        values["GITHUB_GRAPHQL_URL"] = configured.github_graphql_url
    if configured.webhook_path != known.webhook_path:
        values["WEBHOOK_PATH"] = configured.webhook_path
    if hook_url == configured.webhook_proxy_url or hook_url.startswith(_SMEE):
        values["WEBHOOK_PROXY_URL"] = hook_url
    elif hook_url.endswith(configured.webhook_path):
        values["JOURNEYMAN_PUBLIC_URL"] = hook_url.removesuffix(configured.webhook_path)
    lines = [f"{name}={shlex.quote(value)}" for name, value in values.items()]
    head = f"# {app.name}, {app.html_url}: made by `python -m bot setup`. Keep it to yourself."
    hint = "# Add your key from https://console.anthropic.com/settings/keys:\n# ANTHROPIC_API_KEY="
    return "\n".join([head, *lines, hint, ""])


def _invitation(registration: Registration, hook_url: str) -> str:
    port = registration.port
    return (
        f"Webhooks will go to {hook_url}\n"
        f"Open this address in your browser, within an hour:\n\n  {registration.address}\n\n"
        "If this is a remote machine, first run on your own:\n\n"
        f"  ssh -L {port}:{LOOPBACK}:{port} THIS-MACHINE\n\n"
        "Waiting for GitHub (Ctrl-C ends it; nothing is made until you agree on GitHub) …\n"
    )


def _ending(app: Registered, key: Path, environment: Path) -> str:
    source = shlex.quote(str(environment))
    return (
        f"\nRegistered: {json.dumps(app.name, ensure_ascii=False)}, App {app.id}, {app.html_url}\n"
        f"  its key       {key}\n"
        f"  its settings  {environment}\n\n"
        "Next:\n"
        f"  1. install it       {app.html_url}/installations/new\n"
        f"  2. add your ANTHROPIC_API_KEY to {environment}\n"
        f"  3. see that it fits: set -a; . {source}; set +a; python -m bot check\n"
    )


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
