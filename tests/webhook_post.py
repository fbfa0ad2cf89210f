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
from storage.models import Request

SECRET = "it is a secret to everybody"
MARIA = {"id": 11, "login": "maria", "type": "User"}
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


def said(**more: Any) -> dict[str, Any]:
    """Return what every event of a repository says: where it happened, and that maria did it."""
    return {
        "repository": {"id": 7, "full_name": "acme/shop", "default_branch": "main"},
        "installation": {"id": 3},
        "sender": MARIA,
    } | more


def commented(action: str = "created", **more: Any) -> dict[str, Any]:
    """Return what GitHub says when maria comments on an issue, less what nobody reads."""
    issue = {"number": 42, "title": "Totals are wrong", "body": "See.", "user": {"login": "ada"}}
    comment = {
        "id": 900,
        "body": "/journeyman run",
        "user": MARIA,
        "created_at": "2026-11-22T10:00:00Z",
        "updated_at": "2026-11-22T10:00:05Z",
        "performed_via_github_app": None,
    }
    return said(
        action=action,
        issue=issue | {"state": "open", "updated_at": "2026-11-22T10:00:00Z"} | more.pop("issue", {}),
        comment=comment | more.pop("comment", {}),
        **more,
    )


def pulled(action: str, **more: Any) -> dict[str, Any]:
    """Return what GitHub says of a pull request from `journeyman/issue-42` that maria closed or reopened."""
    pull = {
        "number": 57,
        "state": "closed",
        "merged": False,
        "merged_at": None,
        "closed_at": "2026-11-22T11:00:00Z",
        "updated_at": "2026-11-22T11:00:00Z",
        "merge_commit_sha": None,
        "head": {"ref": "journeyman/issue-42", "sha": "c" * 40, "repo": None},
    }
    return said(action=action, number=57, pull_request=pull | more.pop("pull_request", {}), **more)


def reviewed(**more: Any) -> dict[str, Any]:
    """Return what GitHub says when maria submits a review, less what nobody reads."""
    review = {
        "id": 70,
        "state": "changes_requested",
        "body": "Please test it.",
        "user": MARIA,
        "submitted_at": "2026-11-22T12:00:00Z",
    }
    return pulled("submitted", review=review | more.pop("review", {}), **more)


def remarked(**more: Any) -> dict[str, Any]:
    """Return what GitHub says of one comment on a line, of the same review, less what nobody reads."""
    comment = {
        "id": 71,
        "pull_request_review_id": 70,
        "path": "shop.py",
        "line": 3,
        "side": "RIGHT",
        "body": "Why?",
        "diff_hunk": "@@ -1 +1 @@",
        "user": MARIA,
        "created_at": "2026-11-22T12:00:01Z",
    }
    return pulled("created", comment=comment | more.pop("comment", {}), **more)


def checked(action: str, **more: Any) -> dict[str, Any]:
    """Return what GitHub says of a check run on the head of a pull request, less what nobody reads."""
    check = {
        "id": 80,
        "name": "unit",
        "head_sha": "c" * 40,
        "external_id": "task-1",
        "status": "completed",
        "conclusion": "failure",
        "completed_at": "2026-11-22T13:00:00Z",
        "details_url": "https://ci.example.com/80",
        "output": {"title": "2 failed", "summary": "Two.", "text": None},
        "check_suite": {"id": 81, "head_branch": "journeyman/issue-42"},
        "app": {"id": 15},
        "pull_requests": [{"number": 57, "base": {"repo": {"id": 7}}}],
    }
    return said(action=action, check_run=check | more.pop("check_run", {}), **more)


def pushed(*commits: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return what GitHub says of a push of these commits to the default branch, less what nobody reads."""
    facts = {"created": False, "deleted": False, "forced": False, "after": "d" * 40}
    head = commits[-1] if commits else None
    refs = {"ref": "refs/heads/main", "commits": list(commits), "head_commit": head}
    return said(**(refs | facts | more))


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

    async def asked(self, payload: Any, event: str = "issue_comment") -> list[Request]:
        """Deliver a payload, which must be stored, and return every Request so far."""
        assert await self.post(payload, event=event) == 202
        return await self.rows(Request)

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
