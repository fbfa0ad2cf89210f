"""Decide what GitHub is asked to register: app.yaml, with the address where its webhooks go."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from yarl import URL

from bot import values
from bot.errors import UsageFault
from bot.settings import Settings

FILE = Path(__file__).resolve().parent.parent / "app.yaml"
LONGEST_NAME = 34  # GitHub's limit for the name of an App
_LEVELS = {"read": 1, "write": 2, "admin": 3}


@dataclass(frozen=True)
class Manifest:
    """What app.yaml says; `permissions` are levels by name."""

    name: str
    url: str
    description: str
    permissions: Mapping[str, str]
    events: tuple[str, ...]

    def document(self, hook_url: str, redirect_url: str) -> dict[str, Any]:
        """Return the manifest as GitHub takes it; the App is private, whatever the file says.

        https://docs.github.com/en/apps/sharing-github-apps/registering-a-github-app-from-a-manifest
        """
        return {
            "name": self.name,
            "url": self.url,
            "description": self.description,
            "hook_attributes": {"url": hook_url, "active": True},
            "redirect_url": redirect_url,
            "public": False,
            "default_permissions": dict(self.permissions),
            "default_events": list(self.events),
        }


def read(name: str | None = None) -> Manifest:
    """Return the manifest of app.yaml, under that name if one is given; raises UsageFault for a bad one."""
    told = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    chosen = (told["name"] if name is None else name).strip()
    if not 0 < len(chosen) <= LONGEST_NAME or not chosen.isprintable():
        raise UsageFault(f"--name must be 1 to {LONGEST_NAME} characters, GitHub's limit")
    return Manifest(
        name=chosen,
        url=told["url"],
        description=told["description"],
        permissions=told["default_permissions"],
        events=tuple(told["default_events"]),
    )


def hook_url(settings: Settings, given: str | None) -> str:
    """Return where GitHub is to send webhooks: `--url`, the development channel, or our public address.

    Raises UsageFault when nothing says so, or when `--url` is no address.
    """
    if given is not None:
        try:
            bare = values.url(given)
        except ValueError as problem:
            raise UsageFault(f"--url {given!r} {problem}") from None
        if not re.fullmatch(r"[\x21-\x7e]+", bare) or URL(bare).user is not None:
            raise UsageFault(
                f"--url {given!r} must be an address of plain letters, without name and password"
            )
        return bare if URL(bare).path.strip("/") else bare + settings.webhook_path
    expected = expected_hook_urls(settings)
    if not expected:
        raise UsageFault(
            "no address for webhooks is known: give --url, or set JOURNEYMAN_PUBLIC_URL, or, for "
            "development, WEBHOOK_PROXY_URL to a channel (https://smee.io/new makes one)"
        )
    return expected[0]


def expected_hook_urls(settings: Settings) -> tuple[str, ...]:
    """Return the addresses at which webhooks would reach us, by the settings; none when they don't say."""
    found = [settings.webhook_proxy_url] if settings.webhook_proxy_url else []
    if settings.public_url:
        found.append(settings.public_url + settings.webhook_path)
    return tuple(found)


def lacking(wanted: Mapping[str, str], held: Mapping[str, Any]) -> list[str]:
    """Return the permissions that are wanted and not held at that level or above, as `name: level`."""
    return [
        f"{name}: {level}"
        for name, level in wanted.items()
        if _LEVELS.get(str(held.get(name)), 0) < _LEVELS.get(level, 9)
    ]
