"""Sessions are opened where the App is installed, or on a folder that a root allows, and nowhere else."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from storage import sessions
from storage.database import Database
from storage.models import Session
from tests import api_world, git_remote, github_world
from tests.api_world import Api
from tests.github_world import Bench

FIELDS = {
    "id", "repository", "issue_number", "project_path", "branch", "pull_request", "created_at", "updated_at",
}  # fmt: skip


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Bench]:
    """Be a GitHub where the App is installed on acme/shop, which has an issue."""
    async with github_world.bench(tmp_path / "github") as made:
        await made.world.open_issue(_shop(made), "maria", "Totals are wrong", "See.")
        yield made


def _shop(bench: Bench) -> Any:
    (repo,) = (one for one in bench.world.repositories.values() if one.full_name == "acme/shop")
    return repo


def _on(bench: Bench) -> dict[str, Any]:
    app = bench.world.app
    return {"github_api_url": bench.world.url, "app_id": str(app.id), "private_key": app.private_key}


async def _rows(database: Database) -> list[Session]:
    async with database.reading() as reading:
        return list(await reading.scalars(select(Session)))


async def test_a_repository_is_looked_up_and_opened(world: Bench, database: Database, tmp_path: Path) -> None:
    """201 under GitHub's own spelling of the name, with what work there needs; read back the same."""
    async with api_world.serving(database, tmp_path, **_on(world)) as api:
        made = await api.call("POST", "/sessions", {"repository": "ACME/Shop"})
        read = await api.call("GET", f"/sessions/{made.body['id']}")

    assert (made.status, read.status) == (201, 200)
    assert made.headers["Location"] == f"/api/v1/sessions/{made.body['id']}"
    assert made.body == read.body
    assert set(made.body) == FIELDS
    assert (made.body["repository"], made.body["issue_number"]) == ("acme/shop", None)
    (row,) = await _rows(database)
    assert (row.repository_id, row.installation_id) == (
        _shop(world).id,
        next(iter(world.world.installations)),
    )


async def test_an_issue_has_one_open_session(world: Bench, database: Database, tmp_path: Path) -> None:
    """Of many calls at once one is 201, the others 200 with the same; after its end there is a new one."""
    number = next(iter(world.world.issues[_shop(world).id]))
    wish = {"repository": "acme/shop", "issue_number": number}
    async with api_world.serving(database, tmp_path, **_on(world)) as api:
        answers = await asyncio.gather(*(api.call("POST", "/sessions", wish) for _ in range(6)))
        async with database.transaction() as writing:
            await sessions.end(writing, answers[0].body["id"])
        later = await api.call("POST", "/sessions", wish)

    assert sorted(answer.status for answer in answers) == [200] * 5 + [201]
    assert len({answer.body["id"] for answer in answers}) == 1
    assert (later.status, len(await _rows(database))) == (201, 2)


async def test_what_is_not_there_is_said_with_its_field(
    world: Bench, sqlite: Database, tmp_path: Path
) -> None:
    """No such repository, one without the App, no such issue, a pull request: 404 and the field."""
    await world.world.seed_repository("acme/alone", {"a": "b"}, [])
    number = next(iter(world.world.installations))
    world.world.installations[number].repositories = {_shop(world).id}
    tree = await world.clone()
    await world.push(tree, {"shop.py": "TOTAL = 2\n"})
    pull = await world.ask(
        "POST", f"{github_world.REPO}/pulls", {"title": "Mine", "head": "work", "base": "main"}
    )
    assert pull.status == 201
    wrong = [
        ({"repository": "acme/nothing"}, "#/repository", "install the App"),
        ({"repository": "acme/alone"}, "#/repository", "install the App"),
        ({"repository": "acme/shop", "issue_number": 999}, "#/issue_number", "no issue"),
        ({"repository": "acme/shop", "issue_number": pull.body["number"]}, "#/issue_number", "pull request"),
    ]
    async with api_world.serving(sqlite, tmp_path, **_on(world)) as api:
        for wish, pointer, words in wrong:
            answer = await api.call("POST", "/sessions", wish)
            assert (wish, answer.status) == (wish, 404)
            assert answer.body["errors"][0]["pointer"] == pointer
            assert words in answer.body["detail"]

    assert await _rows(sqlite) == []


async def test_a_closed_issue_is_nothing_to_work_on(world: Bench, sqlite: Database, tmp_path: Path) -> None:
    """409 that names the way out, and no session."""
    issue = await world.world.open_issue(_shop(world), "maria", "Totals are wrong", "Off.")
    await world.world.close_issue(issue, "maria")
    async with api_world.serving(sqlite, tmp_path, **_on(world)) as api:
        answer = await api.call(
            "POST", "/sessions", {"repository": "acme/shop", "issue_number": issue.number}
        )

    assert answer.status == 409
    assert "is closed; reopen it first" in answer.body["detail"]
    assert await _rows(sqlite) == []


async def test_a_suspended_installation_is_said(world: Bench, sqlite: Database, tmp_path: Path) -> None:
    """409 with what an owner can do."""
    (installation,) = world.world.installations.values()
    installation.suspended_at = "2026-01-01T00:00:00Z"
    async with api_world.serving(sqlite, tmp_path, **_on(world)) as api:
        answer = await api.call("POST", "/sessions", {"repository": "acme/shop"})

    assert (answer.status, answer.body["errors"][0]["pointer"]) == (409, "#/repository")
    assert "suspended" in answer.body["detail"]


async def test_a_github_that_is_away_is_503(
    sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a time to come back, and no longer than a program waits."""
    monkeypatch.setattr("bot.web.api.installed.PATIENCE_SECONDS", 0.2)
    async with api_world.serving(sqlite, tmp_path) as api:
        answer = await api.call("POST", "/sessions", {"repository": "acme/shop"})

    assert answer.status == 503
    assert int(answer.headers["Retry-After"]) >= 1


async def test_a_key_opens_one_session(world: Bench, database: Database, tmp_path: Path) -> None:
    """The same call again gets the same session and asks nobody; another body is refused."""
    wish, key = {"repository": "acme/shop"}, {"Idempotency-Key": '"8e03978e"'}
    async with api_world.serving(database, tmp_path, **_on(world)) as api:
        answers = await asyncio.gather(*(api.call("POST", "/sessions", wish, headers=key) for _ in range(4)))
        world.world.faults.fail("GET /repos/acme/shop/installation", 100, 500)
        later = await api.call("POST", "/sessions", wish, headers=key)
        other = await api.call("POST", "/sessions", wish | {"issue_number": 1}, headers=key)

    assert {answer.status for answer in [*answers, later]} == {201}
    assert len({answer.body["id"] for answer in [*answers, later]}) == 1
    assert other.status == 422
    assert len(await _rows(database)) == 1


@pytest.mark.parametrize(
    ("wish", "pointer"),
    [
        pytest.param({}, "#/repository", id="nothing"),
        pytest.param({"repository": "acme/shop", "project_path": "/x"}, "#/project_path", id="both"),
        pytest.param({"project_path": "/x", "issue_number": 1}, "#/issue_number", id="an issue of a folder"),
        pytest.param({"repository": "acme"}, "#/repository", id="no owner"),
        pytest.param({"repository": "acme/.."}, "#/repository", id="climbing"),
        pytest.param({"repository": "acme/shop/x"}, "#/repository", id="too many parts"),
        pytest.param({"repository": "acme/sh op"}, "#/repository", id="blank"),
        pytest.param({"repository": "acme/shop\n"}, "#/repository", id="line end"),
        pytest.param({"repository": None}, "#/repository", id="null"),
        pytest.param({"repository": "acme/shop", "issue_number": 0}, "#/issue_number", id="zero"),
        pytest.param({"repository": "acme/shop", "issue_number": "1"}, "#/issue_number", id="text"),
        pytest.param({"repository": "acme/shop", "issue_number": True}, "#/issue_number", id="bool"),
        pytest.param({"repository": "acme/shop", "issue_number": 10**12}, "#/issue_number", id="huge"),
        pytest.param({"repository": "acme/shop", "a/b~c": 1}, "#/a~1b~0c", id="extra"),
        pytest.param({"project_path": ""}, "#/project_path", id="empty path"),
        pytest.param({"project_path": "/a\x00b"}, "#/project_path", id="NUL"),
        pytest.param({"project_path": "/" + "x" * 5000}, "#/project_path", id="long path"),
    ],
)
async def test_a_wish_that_makes_no_sense_is_422(
    sqlite: Database, tmp_path: Path, wish: Any, pointer: str
) -> None:
    """The pointer names the field; GitHub is not asked."""
    async with api_world.serving(sqlite, tmp_path) as api:
        answer = await api.call("POST", "/sessions", wish)

    assert answer.status == 422, answer.body
    assert pointer in [fault["pointer"] for fault in answer.body["errors"]]


async def test_a_body_beyond_64_kib_is_413(sqlite: Database, tmp_path: Path) -> None:
    """Said by its length, and found out when it says none."""
    big = b'{"repository": "' + b"x" * 65_536 + b'"}'

    async def chunks() -> Any:
        for start in range(0, len(big), 10_000):
            yield big[start : start + 10_000]

    async with api_world.serving(sqlite, tmp_path) as api:
        for data in (big, chunks()):
            answer = await api.call(
                "POST", "/sessions", data=data, headers={"Content-Type": "application/json"}
            )
            assert answer.status == 413


async def _open(api: Api, path: Path | str) -> Any:
    return await api.call("POST", "/sessions", {"project_path": str(path)})


async def test_a_project_is_a_work_tree_below_a_root(sqlite: Database, tmp_path: Path) -> None:
    """Its real path is kept; a linked work tree whose history lies below a root is one too."""
    roots = tmp_path / "roots"
    clone = git_remote.make_clone(roots / "team" / "widget", {"a": "b"})
    git_remote.git(clone, "worktree", "add", "-q", str(roots / "linked"))
    (roots / "alias").symlink_to(clone)
    async with api_world.serving(sqlite, tmp_path, project_roots=(str(roots),)) as api:
        made = await _open(api, clone)
        alias = await _open(api, roots / "alias")
        linked = await _open(api, roots / "linked")
        dotted = await _open(api, f"{roots}/team/../team/widget/")

    assert [one.status for one in (made, alias, linked, dotted)] == [201] * 4
    assert made.body["repository"] == "widget"
    assert (
        made.body["project_path"] == alias.body["project_path"] == dotted.body["project_path"] == str(clone)
    )
    assert linked.body["project_path"] == str(roots / "linked")
    assert {row.repository_id for row in await _rows(sqlite)} == {None}


async def test_any_other_folder_is_refused_in_the_same_words(sqlite: Database, tmp_path: Path) -> None:
    """Whether it exists elsewhere can't be told from the answer."""
    roots = tmp_path / "roots"
    clone = git_remote.make_clone(roots / "widget", {"sub/a": "b"})
    outside = git_remote.make_clone(tmp_path / "roots-not" / "other", {"a": "b"})
    git_remote.git(outside, "worktree", "add", "-q", str(roots / "history-outside"))
    git_remote.git(clone, "clone", "-q", "--bare", ".", str(roots / "bare.git"))
    (roots / "way-out").symlink_to(outside)
    (roots / "circle").symlink_to(roots / "circle")
    (roots / "plain").mkdir()
    (roots / "pretend" / ".git").mkdir(parents=True)
    (roots / "borrowed").mkdir()
    (roots / "borrowed" / ".git").symlink_to(outside / ".git")
    os.mkfifo(roots / "fifo")
    refused: list[Path | str] = [
        outside, f"{roots}/../roots-not/other", roots / "way-out", roots / "history-outside",
        roots / "circle",
        roots / "bare.git", roots / "plain", roots / "pretend", roots / "borrowed", clone / "sub",
        clone / ".git", clone / "sub" / "a", roots / "nothing", tmp_path / "nothing", "/etc/passwd", "/root",
        "widget", "~", "/proc/self/root", f"{roots}/" + "x" * 300, roots / "fifo",
    ]  # fmt: skip
    async with api_world.serving(sqlite, tmp_path, project_roots=(str(roots),)) as api:
        answers = [await _open(api, path) for path in refused]
    async with api_world.serving(sqlite, tmp_path) as api:
        answers.append(await _open(api, clone))  # no root at all

    assert [answer.status for answer in answers] == [403] * len(answers)
    assert len({str(answer.body) for answer in answers}) == 1
    assert await _rows(sqlite) == []
