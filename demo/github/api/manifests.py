"""The manifest flow decides how the App is registered: a posted form, a code, and what the code is good for.

The stand-in has one App: a registered one takes its place, with a key, a secret and an id of its own.
"""

import html
import json
import re
import secrets
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from yarl import URL

from demo.github import app
from demo.github.app import LEVELS
from demo.github.journal import Entry
from demo.github.user import Json
from demo.github.world import World

LIFE_SECONDS = 3600  # docs.github.com: all three steps within an hour
LONGEST_NAME = 34
Page = Callable[[web.Request], Coroutine[Any, Any, web.Response]]


@dataclass
class Pending:
    """An App that was made and not yet handed over."""

    manifest: Json
    owner: str
    made_at: float


class Manifests:
    """The forms that a person's browser posts, and the conversion, which needs nothing but the code."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._pending: dict[str, Pending] = {}

    def routes(self) -> list[tuple[str, str, Page]]:
        """Return method, path and handler of every page and operation."""
        conversion = "/app-manifests/{code}/conversions"
        return [
            ("POST", "/settings/apps/new", self._register),
            ("POST", "/organizations/{owner}/settings/apps/new", self._register),
            ("POST", conversion, self._convert),
            ("POST", f"/api/v3{conversion}", self._convert),
        ]

    async def _register(self, request: web.Request) -> web.Response:
        """Make the App at once, as if the person had pressed the button, and send the browser back."""
        form = await request.post()
        try:
            manifest = json.loads(str(form.get("manifest", "")))
            problems = _problems(manifest)
        except ValueError:
            problems = ["manifest is not valid JSON"]
        if problems:
            listed = "".join(f"<li>{html.escape(each)}</li>" for each in problems)
            return web.Response(
                text=f"<h1>Invalid GitHub App configuration</h1><ul>{listed}</ul>",
                status=422,
                content_type="text/html",
            )
        code = secrets.token_hex(20)
        owner = request.match_info.get("owner", "maria")
        self._pending[code] = Pending(manifest, owner, self._world.now())
        back = {"code": code} | ({"state": request.query["state"]} if "state" in request.query else {})
        raise web.HTTPFound(URL(manifest["redirect_url"]).extend_query(back))

    async def _convert(self, request: web.Request) -> web.Response:
        """POST /app-manifests/{code}/conversions, which takes no credentials; a code is good once."""
        started = time.monotonic()
        pending = self._pending.pop(request.match_info["code"], None)
        if pending is None or self._world.now() - pending.made_at > LIFE_SECONDS:
            status, body = 404, {"message": "Not Found", "documentation_url": "https://docs.github.com/rest"}
        else:
            status, body = 201, self._made(pending)
        path = request.path.removeprefix("/api/v3")
        entry = Entry("POST", path, {}, "nobody", status, None, body, time.monotonic() - started)
        self._world.journal.entries.append(entry)
        return web.json_response(body, status=status)

    def _made(self, pending: Pending) -> Json:
        world, manifest = self._world, pending.manifest
        kind = "User" if pending.owner == "maria" else "Organization"
        slug = re.sub(r"[^a-z0-9]+", "-", manifest["name"].lower()).strip("-")
        private, public = _key_pair()
        one = world.app
        one.id, one.slug = one.id + 1, slug
        one.owner, one.bot = world.user(pending.owner, kind), world.user(f"{slug}[bot]", "Bot")
        one.webhook_secret, one.private_key, one.public_key = secrets.token_hex(20), private, public
        one.permissions = dict(manifest.get("default_permissions") or {})
        one.events = list(manifest.get("default_events") or [])
        world.hook_url = manifest["hook_attributes"]["url"]
        return app.shape(world.url, one) | {
            "name": manifest["name"],
            "client_secret": secrets.token_hex(20),
            "webhook_secret": one.webhook_secret,
            "pem": private,
        }


def _problems(manifest: Any) -> list[str]:
    """Return what GitHub would not accept of a manifest."""
    if not isinstance(manifest, dict):
        return ["manifest is not an object"]
    found = []
    name = manifest.get("name")
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME:
        found.append(f"Name must be 1 to {LONGEST_NAME} characters")
    for label, value in (
        ("url", manifest.get("url")),
        ("hook url", (manifest.get("hook_attributes") or {}).get("url")),
        ("redirect_url", manifest.get("redirect_url")),
    ):
        if not isinstance(value, str) or urlsplit(value).scheme not in ("http", "https"):
            found.append(f"{label} must be a valid URL")
    for permission, level in (manifest.get("default_permissions") or {}).items():
        if level not in LEVELS:
            found.append(f"Default permission {permission} has no level {level}")
    return found


def _key_pair() -> tuple[str, str]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private.decode(), public.decode()
