"""Tasks are asked for, read, listed and stopped over the API, each exactly once."""

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import select

from storage import charges, sessions, tasks, test_cases
from storage.database import Database
from storage.models import Task
from storage.words import InteractionType, TaskState, TestState, TestType
from tests import api_world, records
from tests.api_world import OTHER, Api

SHORT = {
    "id", "session_id", "kind", "description", "status", "reason", "paused_by", "summary", "error_message",
    "cost_usd", "created_at", "updated_at", "started_at", "finished_at",
}  # fmt: skip


async def _rows(database: Database) -> list[Task]:
    async with database.reading() as reading:
        return list(await reading.scalars(select(Task).order_by(Task.created_at)))


async def test_a_task_is_accepted_and_the_worker_woken(database: Database, tmp_path: Path) -> None:
    """202 with the task PENDING and where it is; the row holds what dispatch needs; the bell rang once."""
    async with api_world.serving(database, tmp_path) as api:
        session_id = await api.session()
        made = await api.call(
            "POST", "/tasks", {"session_id": session_id, "description": "Add up\n\nIt is off."}
        )
        again = await api.call("GET", f"/tasks/{made.body['id']}/status")

    assert made.status == 202
    assert set(made.body) == SHORT
    assert made.headers["Location"] == f"/api/v1/tasks/{made.body['id']}"
    told = (made.body["status"], made.body["kind"], made.body["cost_usd"], made.body["description"])
    assert told == ("PENDING", "implement", 0.0, "Add up\n\nIt is off.")
    assert made.body["created_at"].endswith("Z")
    (row,) = await _rows(database)
    assert row.trigger == {"origin": "api", "title": "Add up", "body": "It is off."}
    assert (row.requester, row.budget_usd, row.description) == (None, Decimal("3.5"), "Add up\n\nIt is off.")
    assert len(api.rung) == 1
    tally = {"total": 0, "passed": 0, "failed": 0, "skipped": 0}
    assert again.body == {
        "status": "PENDING", "reason": None, "progress": "accepted",
        "test_summary": {"generated": tally, "regression": tally}, "iterations": 0, "pauses": 0,
        "cost_usd": 0.0, "budget_usd": 3.5, "error_message": None,
    }  # fmt: skip


async def test_a_title_is_short_and_nothing_is_lost(sqlite: Database, tmp_path: Path) -> None:
    """A first line beyond 200 characters is cut for the title and stays whole in the body."""
    async with api_world.serving(sqlite, tmp_path) as api:
        await api.task(description="x" * 300 + "\nmore")
    (row,) = await _rows(sqlite)

    assert row.trigger["title"] == "x" * 199 + "…"
    assert row.trigger["body"] == "x" * 300 + "\nmore"


async def test_one_task_waits_and_the_next_ones_are_follow_ups(database: Database, tmp_path: Path) -> None:
    """A second task while one is PENDING is 409; once that runs, one more may wait behind it."""
    async with api_world.serving(database, tmp_path) as api:
        session_id = await api.session()
        wish = {"session_id": session_id, "description": "Add up"}
        first = await api.task(session_id)
        refused = await api.call("POST", "/tasks", wish)
        await api.start(first)
        second = await api.call("POST", "/tasks", wish)
        third = await api.call("POST", "/tasks", wish)

    assert (refused.status, second.status, third.status) == (409, 202, 409)
    assert second.body["kind"] == "follow_up"


async def test_of_many_at_once_one_is_made(database: Database, tmp_path: Path) -> None:
    """Eight concurrent calls for one session make one task; the others are told 409."""
    async with api_world.serving(database, tmp_path) as api:
        wish = {"session_id": await api.session(), "description": "Add up"}
        answers = await asyncio.gather(*(api.call("POST", "/tasks", wish) for _ in range(8)))

    assert sorted(answer.status for answer in answers) == [202] + [409] * 7
    assert len(await _rows(database)) == 1


async def test_a_session_that_has_ended_takes_no_task(sqlite: Database, tmp_path: Path) -> None:
    """409; an id that names no session is the body's fault."""
    async with api_world.serving(sqlite, tmp_path) as api:
        session_id = await api.session()
        async with sqlite.transaction() as writing:
            await sessions.end(writing, session_id)
        ended = await api.call("POST", "/tasks", {"session_id": session_id, "description": "Add up"})
        none = await api.call("POST", "/tasks", {"session_id": "nosuchsession", "description": "Add up"})

    assert ended.status == 409
    assert (none.status, none.body["errors"][0]["pointer"]) == (404, "#/session_id")


async def test_a_key_makes_a_call_once(database: Database, tmp_path: Path) -> None:
    """Key and body again: the same answer, at once or later; another body 422, another token its own."""
    async with api_world.serving(database, tmp_path) as api:
        session_id = await api.session()
        wish = {"session_id": session_id, "description": "Add up"}
        key = {"Idempotency-Key": "it-is-me"}
        answers = await asyncio.gather(*(api.call("POST", "/tasks", wish, headers=key) for _ in range(6)))
        await api.start(answers[0].body["id"])
        later = await api.call("POST", "/tasks", wish, headers=key)
        other = await api.call("POST", "/tasks", wish | {"description": "Subtract"}, headers=key)
        stranger = await api.call("POST", "/tasks", wish, headers=key, token=OTHER)
        malformed = await api.call("POST", "/tasks", wish, headers={"Idempotency-Key": "x" * 256})

    assert {answer.status for answer in answers} == {202}
    assert len({json.dumps(answer.body) for answer in [*answers, later]}) == 1
    assert later.headers["Location"] == answers[0].headers["Location"]
    assert (later.status, other.status, malformed.status) == (202, 422, 400)
    assert stranger.body["id"] != later.body["id"]
    assert len(await _rows(database)) == 2


@pytest.mark.parametrize(
    ("status", "sent"),
    [
        pytest.param(400, b"", id="empty"),
        pytest.param(400, b'{"session_id": "abc"', id="cut"),
        pytest.param(400, b"[" * 60_000, id="deep"),
        pytest.param(400, b'{"a":' * 5_000 + b"1" + b"}" * 5_000, id="deep objects"),
        pytest.param(400, b"\xff\xfe\x00", id="no text"),
        pytest.param(400, b'{"session_id": "abc", "description": "\\ud800"}', id="lone surrogate"),
        pytest.param(422, b'{"session_id": "abc", "description": "a\\u0000b"}', id="NUL"),
        pytest.param(422, b'{"session_id": "a\\u0000b", "description": "ab"}', id="NUL in the id"),
        pytest.param(422, b'{"session_id": "abc", "description": " \\n\\t "}', id="blank"),
        pytest.param(422, b'{"session_id": "abc", "description": ""}', id="nothing said"),
        pytest.param(422, b'{"session_id": "abc"}', id="missing"),
        pytest.param(422, b'{"session_id": 7, "description": "x"}', id="wrong type"),
        pytest.param(422, b'{"session_id": "abc", "description": "x", "model": "y"}', id="extra"),
        pytest.param(422, b"[]", id="a list"),
        pytest.param(422, b"null", id="null"),
        pytest.param(
            422, json.dumps({"session_id": "abc", "description": "x" * 65_537}).encode(), id="too long"
        ),
        pytest.param(413, b" " * 1024 * 1024, id="too large"),
    ],
)
async def test_what_cannot_be_read_is_said_clearly(
    sqlite: Database, tmp_path: Path, status: int, sent: bytes
) -> None:
    """Each is a problem with a sentence, and the field where there is one; nothing is made."""
    async with api_world.serving(sqlite, tmp_path) as api:
        headers = {"Content-Type": "application/json"}
        answer = await api.call("POST", "/tasks", data=sent, headers=headers)

    assert answer.status == status, answer.body
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert answer.body["detail"]
    if status == 422:
        assert all(fault["pointer"].startswith("#") and fault["detail"] for fault in answer.body["errors"])
    assert await _rows(sqlite) == []


async def test_the_longest_description_fits(sqlite: Database, tmp_path: Path) -> None:
    """65,536 characters that each take four bytes, or twelve escaped, are one task."""
    async with api_world.serving(sqlite, tmp_path) as api:
        wish = {"session_id": await api.session(), "description": "🙂" * 65_536}
        answer = await api.call(
            "POST", "/tasks", data=json.dumps(wish), headers={"Content-Type": "application/json"}
        )

    assert answer.status == 202
    assert answer.body["description"] == wish["description"]


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Content-Type": "text/plain"}, id="text"),
        pytest.param({"Content-Type": "application/x-www-form-urlencoded"}, id="form"),
        pytest.param({"Content-Type": "application/json; charset=latin-1"}, id="charset"),
        pytest.param({"Content-Type": "application/json", "Content-Encoding": "gzip"}, id="gzip"),
    ],
)
async def test_another_content_type_is_415(sqlite: Database, tmp_path: Path, headers: dict[str, str]) -> None:
    """Only JSON in UTF-8 is read."""
    async with api_world.serving(sqlite, tmp_path) as api:
        answer = await api.call("POST", "/tasks", data=b'{"session_id": "abc"}', headers=headers)

    assert answer.status == 415


async def _with_everything(api: Api) -> str:
    task_id = await api.task()
    await api.start(task_id)
    said = [
        {"type": "thinking", "thinking": "private thoughts", "signature": "x"},
        {"type": "text", "text": "I use sk-of-the-test and ghs_" + "a" * 40},
        {"type": "tool_use", "id": "1", "name": "bash", "input": {}},
    ]
    await api.say(task_id, InteractionType.USER_REQUEST, {"text": "long prompt", "shown": "Add up"})
    await api.say(
        task_id, InteractionType.CLAUDE_RESPONSE, {"message": {"role": "assistant", "content": said}}
    )
    await api.say(task_id, InteractionType.TOOL_CALL, {"id": "1", "name": "bash", "input": {"command": "ls"}})
    result = {"tool_use_id": "1", "name": "bash", "text": "shop.py", "is_error": False}
    await api.say(task_id, InteractionType.TOOL_RESULT, result)
    cases: dict[TestType, list[dict[str, Any]]] = {
        TestType.GENERATED: [_case("test_total", TestState.PASSED, TestState.FAILED, "code")],
        TestType.REGRESSION: [
            _case("test_a", TestState.PASSED), _case("test_b", TestState.SKIPPED),
            _case("test_c", TestState.FAILED), _case("test_d", TestState.PENDING),
        ],
    }  # fmt: skip
    async with api.database.transaction() as writing:
        for kind, rows in cases.items():
            await test_cases.replace(writing, task_id, kind, rows)
        charge = await charges.reserve(
            writing, task_id=task_id, repository="acme/shop", purpose="step", model="m", usd=Decimal(1)
        )
        await charges.settle(writing, charge, Decimal("0.25"))
        await tasks.change(writing, task_id, progress="at it with sk-of-the-test", iterations=2, pauses=1)
    return task_id


def _case(name: str, status: TestState, base: TestState = TestState.PASSED, code: str | None = None) -> Any:
    return {
        "name": name,
        "status": status,
        "base_status": base,
        "test_code": code,
        "output": "said sk-of-the-test",
    }


async def test_a_task_is_shown_in_full(database: Database, tmp_path: Path) -> None:
    """Tests and conversation in the contract's fields: no thinking, nothing secret, sums that add up."""
    async with api_world.serving(database, tmp_path) as api:
        task_id = await _with_everything(api)
        full = (await api.call("GET", f"/tasks/{task_id}")).body
        status = (await api.call("GET", f"/tasks/{task_id}/status")).body

    assert set(full) == SHORT | {"test_cases", "interactions"}
    assert (full["status"], full["cost_usd"], status["cost_usd"]) == ("RUNNING", 0.25, 0.25)
    fields = {"id", "name", "test_code", "test_type", "status", "base_status", "output"}
    assert all(set(case) == fields and isinstance(case["id"], str) for case in full["test_cases"])
    first = full["test_cases"][0]
    assert (first["test_type"], first["status"], first["base_status"]) == ("GENERATED", "PASSED", "FAILED")
    said = [(entry["interaction_type"], entry["content"]) for entry in full["interactions"]]
    assert said == [
        ("USER_REQUEST", "Add up"),
        ("CLAUDE_RESPONSE", "I use [redacted] and [redacted]"),
        ("TOOL_CALL", 'bash {"command": "ls"}'),
        ("TOOL_RESULT", "shop.py"),
    ]
    assert "sk-of-the-test" not in json.dumps([full, status])
    assert "private thoughts" not in json.dumps(full)
    assert status["test_summary"] == {
        "generated": {"total": 1, "passed": 1, "failed": 0, "skipped": 0},
        "regression": {"total": 4, "passed": 1, "failed": 1, "skipped": 1},
    }
    assert (status["iterations"], status["pauses"], status["progress"]) == (2, 1, "at it with [redacted]")


async def test_a_task_is_stopped_once_and_an_ended_one_not(database: Database, tmp_path: Path) -> None:
    """202, the wish in the row and a rung bell; a second time the same; after the end 409."""
    async with api_world.serving(database, tmp_path) as api:
        task_id = await api.task()
        first = await api.call("POST", f"/tasks/{task_id}/cancel")
        second = await api.call("POST", f"/tasks/{task_id}/cancel")
        row = await records.read_task(database, task_id)
        await api.finish(task_id)
        third = await api.call("POST", f"/tasks/{task_id}/cancel")

    assert (first.status, second.status, third.status) == (202, 202, 409)
    assert first.body["id"] == task_id
    assert (row.cancel_wanted, row.runs) == ("someone with an API token stopped it", 1)
    assert len(api.rung) == 2


async def test_a_stop_with_a_key_is_answered_the_same_after_the_end(
    database: Database, tmp_path: Path
) -> None:
    """Who lost the 202 asks again and gets it, though the task has ended meanwhile; a key is one call's."""
    key = {"Idempotency-Key": "stop-1"}
    async with api_world.serving(database, tmp_path) as api:
        task_id, other = await api.task(), await api.task()
        first = await api.call("POST", f"/tasks/{task_id}/cancel", headers=key)
        await api.finish(task_id)
        again = await api.call("POST", f"/tasks/{task_id}/cancel", headers=key)
        elsewhere = await api.call("POST", f"/tasks/{other}/cancel", headers=key)

    assert (first.status, again.status, elsewhere.status) == (202, 202, 422)
    assert again.body == first.body


async def test_a_list_is_paged_newest_first(database: Database, tmp_path: Path) -> None:
    """Following the cursor shows each task once, however many arrive at its head meanwhile."""
    async with api_world.serving(database, tmp_path) as api:
        session_id = await api.session()
        made = []
        for _ in range(5):
            made.append(await api.task(session_id))
            await api.finish(made[-1])
        path = f"/sessions/{session_id}/tasks"
        whole = (await api.call("GET", path)).body
        seen, cursor = [], ""
        while True:
            page = (await api.call("GET", f"{path}?limit=2{cursor}")).body
            seen += [task["id"] for task in page["tasks"]]
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={page['next_cursor']}"
            await api.finish(await api.task(session_id))

    assert [task["id"] for task in whole["tasks"]] == seen == made[::-1]
    assert whole["next_cursor"] is None


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=101", "limit=x", "limit=", "limit=1e3", "limit=" + "9" * 30, "cursor=", "cursor=%00",
     "cursor=abc", "cursor=é", "cursor=" + "A" * 5000, "cursor=MS5BIQ"],
)  # fmt: skip
async def test_a_page_that_cannot_be_is_400(sqlite: Database, tmp_path: Path, query: str) -> None:
    """Limit and cursor are checked."""
    async with api_world.serving(sqlite, tmp_path) as api:
        assert (await api.call("GET", f"/sessions/{await api.session()}/tasks?{query}")).status == 400


async def test_an_unknown_id_is_404(database: Database, tmp_path: Path) -> None:
    """Whatever stands in its place, on both databases."""
    routes = (
        ("GET", "/tasks/{}"), ("GET", "/tasks/{}/status"), ("POST", "/tasks/{}/cancel"),
        ("GET", "/tasks/{}/events"), ("GET", "/sessions/{}"), ("GET", "/sessions/{}/tasks"),
    )  # fmt: skip
    async with api_world.serving(database, tmp_path) as api:
        for given in ("nosuchthing", "%00", "%ff", "a%2Fb", "x" * 5000, "..%2f", "'", "é", "A" * 12):
            for method, path in routes:
                answer = await api.call(method, path.format(given))
                assert (path, answer.status) == (path, 404)
                assert answer.body["status"] == 404


async def test_a_database_that_is_away_is_503(sqlite: Database, tmp_path: Path) -> None:
    """The call may be made again; no stack trace, and nothing of ours is told."""
    async with api_world.serving(sqlite, tmp_path) as api:
        async with sqlite.transaction() as writing:
            await (await writing.connection()).exec_driver_sql("ALTER TABLE tasks RENAME TO elsewhere")
        answer = await api.call("GET", "/tasks/abc")

    assert (answer.status, answer.body["detail"]) == (503, "the database does not answer")
    assert int(answer.headers["Retry-After"]) > 0


async def test_a_drip_is_given_up(sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that does not arrive in time is 408."""
    monkeypatch.setattr("bot.web.api.intake.BODY_SECONDS", 0.1)
    async with api_world.serving(sqlite, tmp_path) as api:
        forever = asyncio.Event()

        async def drip() -> Any:
            yield b'{"session_id": '
            await forever.wait()

        headers = {"Content-Type": "application/json"}
        try:
            answer = await api.call("POST", "/tasks", data=drip(), headers=headers)
        except aiohttp.ClientConnectionError:
            return  # closed while it still sent: as good
    assert answer.status == 408


async def test_an_ended_state_is_told(sqlite: Database, tmp_path: Path) -> None:
    """Summary, end and state come with the task."""
    async with api_world.serving(sqlite, tmp_path) as api:
        task_id = await api.task()
        await api.finish(task_id, summary="All adds up")
        task = (await api.call("GET", f"/tasks/{task_id}")).body

    assert (task["status"], task["summary"]) == (TaskState.COMPLETED, "All adds up")
    assert task["finished_at"].endswith("Z")
