"""Decide who may hand us a new App: a browser on loopback that GitHub sent back with our own state.

The manifest flow of GitHub: our page posts the manifest, GitHub makes the App and sends the browser back with
a code that is good once and for an hour.
https://docs.github.com/en/apps/sharing-github-apps/registering-a-github-app-from-a-manifest
"""

import asyncio
import hmac
import html
import json
import re
import secrets
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from yarl import URL

from bot.errors import UsageFault, UserFault

LOOPBACK = "127.0.0.1"
LIFE_SECONDS = 3600.0  # GitHub's limit from the page to the conversion
_CODE = re.compile(r"[A-Za-z0-9_-]{1,255}")
_ORGANIZATION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,99})")
_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "referrer-policy": "strict-origin-when-cross-origin",
    "x-content-type-options": "nosniff",
}
_STYLE = "body{font:16px/1.5 sans-serif;max-width:40em;margin:4em auto;padding:0 1em}button{font:inherit}"


def form_address(server_url: str, organization: str | None, state: str) -> str:
    """Return where a manifest is posted to; raises UsageFault for a name that no organization can have."""
    place = URL(server_url)
    if organization is not None:
        if not _ORGANIZATION.fullmatch(organization):
            raise UsageFault(
                f"--org {organization!r} is not the name of an organization: take it from its page's address"
            )
        place = place / "organizations" / organization
    return str((place / "settings/apps/new").with_query(state=state))


class Registration:
    """One attempt to register an App, from our page to the code; nothing of it can be used twice."""

    def __init__(self) -> None:
        self._state = secrets.token_urlsafe(32)
        self._key = secrets.token_urlsafe(16)  # other users of this machine can reach the port as well
        self._page = ""
        self._port = 0
        self._used = False
        self._code: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._told: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    @property
    def port(self) -> int:
        """Return the port that was bound."""
        return self._port

    @property
    def address(self) -> str:
        """Return what to open in a browser."""
        return f"http://{LOOPBACK}:{self._port}/{self._key}"

    async def code(self) -> str:
        """Return the code that GitHub gave; raises UserFault when an hour has passed."""
        try:
            async with asyncio.timeout(LIFE_SECONDS):
                return await asyncio.shield(self._code)
        except TimeoutError:
            raise UserFault("an hour has passed without an answer from GitHub: start again") from None

    def tell(self, sentence: str) -> None:
        """Show the browser how it ended; no secret belongs here."""
        if not self._told.done():
            self._told.set_result(sentence)

    @asynccontextmanager
    async def listening(
        self, port: int, server_url: str, organization: str | None, document: Callable[[str], dict[str, Any]]
    ) -> AsyncIterator[None]:
        """Serve the page while the block runs; `document` makes the manifest for a redirect address.

        Raises UserFault when the port is taken. Answers under way are finished first.
        """
        action = form_address(server_url, organization, self._state)
        application = web.Application(client_max_size=4096)
        application.add_routes([web.get("/callback", self._callback), web.get("/{key}", self._start)])
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=5)
        await runner.setup()
        try:
            try:
                await web.TCPSite(runner, LOOPBACK, port).start()
            except OSError as problem:
                raise UserFault(
                    f"cannot listen on {LOOPBACK}, --port {port}: {problem.strerror or problem}"
                ) from None
            self._port = runner.addresses[0][1]
            self._page = _form(action, document(f"http://{LOOPBACK}:{self._port}/callback"))
            yield
        finally:
            self.tell("Nothing more happens here.")
            await runner.cleanup()

    async def _start(self, request: web.Request) -> web.Response:
        if not _same(request.match_info["key"], self._key):
            return _page("Not here", "Open the address that the terminal shows.", 404)
        return web.Response(text=self._page, content_type="text/html", headers=_HEADERS)

    async def _callback(self, request: web.Request) -> web.Response:
        state, code = request.query.get("state", ""), request.query.get("code", "")
        if not _same(state, self._state):
            _warn("a browser came back with a state that is not ours: ignored; use the page above")
            return _page("Not ours", "The state does not fit: use the page that the terminal shows.", 400)
        if not _CODE.fullmatch(code):
            _warn("GitHub sent the browser back without a usable code: try the page again")
            return _page("No code", "GitHub gave no usable code. Go back and try again.", 400)
        if self._used:
            return _page("Done before", "This registration was used already.", 410)
        self._used = True
        self._code.set_result(code)
        return _page("Journeyman", await asyncio.shield(self._told), 200)


def _same(given: str, ours: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), ours.encode())


def _warn(text: str) -> None:
    sys.stderr.write(f"journeyman: {text}\n")


def _form(action: str, document: dict[str, Any]) -> str:
    """Return the page whose button posts the manifest, which holds no secret."""
    name, hook = html.escape(document["name"]), html.escape(document["hook_attributes"]["url"])
    rows = "".join(
        f"<li>{html.escape(what)}: {html.escape(level)}</li>"
        for what, level in document["default_permissions"].items()
    )
    return _document(
        "Register Journeyman",
        f"<p>GitHub is asked to make a private App named <b>{name}</b> (you can change the name there), with "
        f"webhooks to <code>{hook}</code> and these permissions:</p><ul>{rows}</ul>"
        f'<form method="post" action="{html.escape(action)}">'
        f'<input type="hidden" name="manifest" value="{html.escape(json.dumps(document))}">'
        "<button>Go on to GitHub</button></form>",
    )


def _page(title: str, sentence: str, status: int) -> web.Response:
    linked = re.sub(r"(https?://[^\s&<>\"']+)", r'<a href="\1">\1</a>', html.escape(sentence))
    text = _document(title, f"<p>{linked}</p>")
    return web.Response(text=text, content_type="text/html", status=status, headers=_HEADERS)


def _document(title: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{_STYLE}</style><h1>{html.escape(title)}</h1>{body}</html>"
    )
