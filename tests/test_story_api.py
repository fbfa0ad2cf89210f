"""Programs have work done over HTTP: on a repository at GitHub, and on a project of this machine."""

import asyncio
import json
import secrets
from pathlib import Path
from typing import Any

import aiohttp

from tests import git_remote, shop, story
from tests.story import Story

TOKEN = secrets.token_urlsafe(32)
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


async def _call(http: aiohttp.ClientSession, method: str, path: str, **body: Any) -> Any:
    async with http.request(method, path, json=body or None, headers=HEADERS) as answer:
        assert answer.status < 300, await answer.text()
        return await answer.json()


async def _events(told: Story, task: str, after: str = "0") -> list[tuple[str, str, Any]]:
    """Listen until the stream ends by itself; returns (id, event, data)."""
    found: list[tuple[str, str, Any]] = []
    place = f"{told.url}/api/v1/tasks/{task}/events"
    async with (
        aiohttp.ClientSession() as http,
        http.get(place, headers={**HEADERS, "Last-Event-ID": after}) as answer,
    ):
        fields: dict[str, str] = {}
        async for line in answer.content:
            name, _, value = line.decode().rstrip("\r\n").partition(": ")
            if name:
                fields[name] = value
            elif "data" in fields:
                found.append((fields["id"], fields.get("event", ""), json.loads(fields["data"])))
                fields = {}
    return found


async def test_a_task_without_an_issue_becomes_a_pull_request(tmp_path: Path) -> None:
    """Its events tell the whole of it, from any place on; the pull request is where people read of it."""
    environment = {"JOURNEYMAN_API_TOKENS": TOKEN}
    async with (
        story.telling(tmp_path, [shop.RIGHT], **environment) as told,
        aiohttp.ClientSession(told.url) as http,
    ):
        repo = await told.world.seed_repository("acme/shop", shop.FILES)
        session = await _call(http, "POST", "/api/v1/sessions", repository="acme/shop")
        task = await _call(
            http,
            "POST",
            "/api/v1/tasks",
            session_id=session["id"],
            description=f"{shop.TITLE}\n\n{shop.BODY}",
        )
        assert task["status"] == "PENDING"
        async with asyncio.timeout(120):
            told_of = await _events(told, task["id"])

        states = [data["status"] for _, event, data in told_of if event == "state"]
        assert states[0] == "PENDING"
        assert states[-1] == "COMPLETED", told.tail()
        assert [int(number) for number, _, _ in told_of] == list(range(1, len(told_of) + 1))
        assert (await _events(told, task["id"], told_of[-2][0]))[0] == told_of[-1]
        (pull,) = told.world.pulls[repo.id].values()
        whole = await _call(http, "GET", f"/api/v1/tasks/{task['id']}")
        assert {case["status"] for case in whole["test_cases"]} == {"PASSED"}
        assert (await _call(http, "GET", f"/api/v1/sessions/{session['id']}"))[
            "pull_request"
        ] == pull.issue.number
        assert len(told.comments(pull.issue, "tests")) == 1
        assert told.secrets_seen() == []


async def test_a_project_of_this_machine_gets_a_branch(tmp_path: Path) -> None:
    """Work starts at HEAD below a configured root; what is not committed plays no part and stays."""
    clone = tmp_path / "projects" / "shop"
    git_remote.make_clone(clone, shop.FILES)
    (clone / "scratch.txt").write_text("not committed\n")
    environment = {"JOURNEYMAN_API_TOKENS": TOKEN, "JOURNEYMAN_PROJECT_ROOTS": str(clone.parent)}
    async with (
        story.telling(tmp_path, [shop.RIGHT], **environment) as told,
        aiohttp.ClientSession(told.url) as http,
    ):
        session = await _call(http, "POST", "/api/v1/sessions", project_path=str(clone))
        asked = {"session_id": session["id"], "description": f"{shop.TITLE}\n\n{shop.BODY}"}
        task = await _call(http, "POST", "/api/v1/tasks", **asked)

        async with asyncio.timeout(120):
            await _events(told, task["id"])
        found = await _call(http, "GET", f"/api/v1/tasks/{task['id']}")
        assert found["status"] == "COMPLETED", told.tail()
        branch = (await _call(http, "GET", f"/api/v1/sessions/{session['id']}"))["branch"]
        assert "prices) * (100" in git_remote.git(clone, "show", f"{branch}:shop.py")
        assert (clone / "scratch.txt").exists()
