"""Post deliveries at the real receiver as GitHub does: signed, over HTTP."""

import contextlib
import hashlib
import hmac
import io
import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
from sqlalchemy import select
from sqlalchemy.orm import DeclarativeBase

from bot import server
from bot.settings import Settings
from storage.database import Database

SECRET = "it is a secret to everybody"
Row = TypeVar("Row", bound=DeclarativeBase)
PATH = "/api/github/webhooks"


def sign(body: bytes, secret: str = SECRET) -> str:
    """Return the value of X-Hub-Signature-256."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def labeled(**more: Any) -> dict[str, Any]:
    """Return what GitHub says when a person adds the label to an issue, less what nobody reads."""
    issue = {
        "number": 42,
        "title": "Totals are wrong",
        "body": "See.",
        "user": {"login": "ada"},
        "labels": [],
    }
    return {
        "action": "labeled",
        "issue": issue | more.pop("issue", {}),
        "label": {"name": "journeyman"},
        "repository": {"id": 7, "full_name": "acme/shop"},
        "installation": {"id": 3},
        "sender": {"id": 11, "login": "maria", "type": "User"},
    } | more


@dataclass
class Hook:
    """GitHub's side of the webhook."""

    url: str
    http: aiohttp.ClientSession
    database: Database
    rung: list[None] = field(default_factory=list)

    async def post(
        self, payload: Any, event: str = "issues", id_: str | None = None, **headers: str | None
    ) -> int:
        """Deliver a payload (or raw bytes), signed unless the headers say otherwise; returns the status."""
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        sent: dict[str, str | None] = {
            "Content-Type": "application/json",
            "X-GitHub-Event": event,
            "X-GitHub-Delivery": id_ or str(uuid.uuid4()),
            "X-Hub-Signature-256": sign(body),
        }
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        kept = {name: value for name, value in sent.items() if value is not None}
        async with self.http.post(
            self.url, data=io.BytesIO(body), headers=kept, skip_auto_headers=["Content-Type"]
        ) as answer:
            await answer.read()
            return answer.status

    async def rows(self, model: type[Row]) -> list[Row]:
        """Return a table."""
        async with self.database.reading() as session:
            return list(await session.scalars(select(model)))


@contextlib.asynccontextmanager
async def receiving(database: Database, data_dir: Path, **more: Any) -> AsyncIterator[Hook]:
    """Serve the receiver on a free port of loopback."""
    given: dict[str, Any] = {"webhook_secrets": (SECRET,), "host": "127.0.0.1", "port": 0}
    rung: list[None] = []
    async with (
        server.serving(
            Settings(data_dir=data_dir, **(given | more)), database, lambda: rung.append(None)
        ) as port,
        aiohttp.ClientSession() as http,
    ):
        yield Hook(f"http://127.0.0.1:{port}{PATH}", http, database, rung)
