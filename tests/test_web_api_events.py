"""Whoever follows a task hears all that happens to it, in order and once, until it has ended."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from storage import events, tasks
from storage.database import Database
from storage.words import InteractionType, PausedBy, TaskState
from tests import api_world
from tests.api_world import TOKEN, Api


class Stream:
    """The other end of a live stream."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer
        self.comments = 0

    async def next(self) -> dict[str, Any]:
        """Return the next event as its fields, data read; {} at the end of the stream."""
        fields: dict[str, Any] = {}
        async with asyncio.timeout(20):
            while line := await self.answer.content.readline():
                text = line.decode().rstrip("\r\n")
                if text.startswith(":"):
                    self.comments += 1
                elif text:
                    name, _, value = text.partition(": ")
                    fields[name] = json.loads(value) if name == "data" else value
                elif fields:
                    return fields
        return {}

    async def rest(self) -> list[dict[str, Any]]:
        """Return all events up to the end."""
        found = []
        while one := await self.next():
            found.append(one)
        return found


@asynccontextmanager
async def following(api: Api, task_id: str, query: str = "", **headers: str) -> AsyncIterator[Stream]:
    """Open a stream."""
    sent = {"Authorization": f"Bearer {TOKEN}"} | {k.replace("_", "-"): v for k, v in headers.items()}
    async with api.http.get(f"{api.url}/api/v1/tasks/{task_id}/events{query}", headers=sent) as answer:
        assert answer.status == 200, await answer.text()
        assert answer.content_type == "text/event-stream"
        yield Stream(answer)


async def _work(api: Api, task_id: str) -> None:
    await api.start(task_id)
    said = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Two\nlines, sk-of-the-test"}]
    await api.say(
        task_id, InteractionType.CLAUDE_RESPONSE, {"message": {"role": "assistant", "content": said}}
    )
    async with api.database.transaction() as writing:
        await events.note(writing, task_id, "something with sk-of-the-test")
    async with api.database.transaction() as writing:
        await tasks.move(writing, task_id, TaskState.PAUSED, paused_by=PausedBy.PERSON)
    await api.finish(task_id)


async def test_a_listener_hears_everything_as_it_happens(database: Database, tmp_path: Path) -> None:
    """What another connection commits arrives numbered from 1, and the stream ends with the task."""
    async with api_world.serving(database, tmp_path) as api:
        task_id = await api.task()
        async with following(api, task_id) as stream:
            first = await stream.next()
            await _work(api, task_id)
            heard = [first, *await stream.rest()]

    assert [one["id"] for one in heard] == ["1", "2", "3", "4", "5", "6"]
    assert [one["event"] for one in heard] == ["state", "state", "interaction", "note", "state", "state"]
    states = [one["data"]["status"] for one in heard if one["event"] == "state"]
    assert states == ["PENDING", "RUNNING", "PAUSED", "COMPLETED"]
    assert heard[4]["data"]["paused_by"] == "person"
    assert heard[2]["data"]["interaction_type"] == "CLAUDE_RESPONSE"
    assert heard[2]["data"]["content"] == "Two\nlines, [redacted]"
    assert heard[3]["data"]["text"] == "something with [redacted]"
    assert all(one["data"]["created_at"].endswith("Z") for one in heard)


async def test_a_listener_goes_on_where_it_left_off(database: Database, tmp_path: Path) -> None:
    """From every place on, by header or parameter, exactly the rest comes; the header is the newer word."""
    async with api_world.serving(database, tmp_path) as api:
        task_id = await api.task()
        await _work(api, task_id)
        for seen in range(8):
            expected = [str(number) for number in range(seen + 1, 7)]
            async with following(api, task_id, Last_Event_ID=str(seen)) as stream:
                assert [one["id"] for one in await stream.rest()] == expected
            async with following(api, task_id, f"?last_event_id={seen}") as stream:
                assert [one["id"] for one in await stream.rest()] == expected
        async with following(api, task_id, "?last_event_id=1", Last_Event_ID="5") as stream:
            assert [one["id"] for one in await stream.rest()] == ["6"]


async def test_a_long_story_comes_whole(sqlite: Database, tmp_path: Path) -> None:
    """More events than one page holds arrive once each and in order."""
    async with api_world.serving(sqlite, tmp_path) as api:
        task_id = await api.task()
        async with sqlite.transaction() as writing:
            for number in range(170):
                await events.note(writing, task_id, f"note {number}")
        await api.finish(task_id)
        async with following(api, task_id) as stream:
            heard = await stream.rest()

    assert [int(one["id"]) for one in heard] == list(range(1, 173))


@pytest.mark.parametrize("given", ["x", "-1", "1.5", "9" * 30, "1 2", "٣"])
async def test_a_malformed_place_is_400(sqlite: Database, tmp_path: Path, given: str) -> None:
    """By header and by parameter."""
    async with api_world.serving(sqlite, tmp_path) as api:
        task_id = await api.task()
        by_header = await api.call("GET", f"/tasks/{task_id}/events", headers={"Last-Event-ID": given})
        by_query = await api.call("GET", f"/tasks/{task_id}/events", params={"last_event_id": given})

    assert (by_header.status, by_query.status) == (400, 400)


async def test_a_silent_stream_is_kept_alive(
    sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Comments come while nothing happens."""
    monkeypatch.setattr("bot.web.api.events.HEARTBEAT_SECONDS", 0.05)
    async with api_world.serving(sqlite, tmp_path) as api:
        task_id = await api.task()
        async with following(api, task_id) as stream:
            await stream.next()
            waiting = asyncio.create_task(stream.next())
            async with asyncio.timeout(10):
                while stream.comments < 2:  # noqa: ASYNC110  # the other end calls nobody
                    await asyncio.sleep(0.02)
            await api.finish(task_id)
            assert (await waiting)["event"] == "state"


async def test_streams_are_counted_and_let_go(
    sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One too many is 503 with a time to come back; a listener that goes makes room."""
    monkeypatch.setattr("bot.web.api.events.MOST_STREAMS", 2)
    async with api_world.serving(sqlite, tmp_path) as api:
        task_id = await api.task()
        async with following(api, task_id) as one:
            async with following(api, task_id) as two:
                assert (await one.next())["id"] == (await two.next())["id"] == "1"
                refused = await api.call("GET", f"/tasks/{task_id}/events")
            assert (refused.status, refused.headers["Retry-After"]) == (503, "15")
            async with asyncio.timeout(10):
                while True:
                    answer = await api.http.get(
                        f"{api.url}/api/v1/tasks/{task_id}/events",
                        headers={"Authorization": f"Bearer {TOKEN}"},
                    )
                    answer.close()
                    if answer.status == 200:
                        break
                    await asyncio.sleep(0.05)


async def test_a_stopping_server_lets_its_listeners_go(sqlite: Database, tmp_path: Path) -> None:
    """Streams end at once, cleanly, and the server does not wait for them."""
    async with aiohttp.ClientSession() as outside:
        loop = asyncio.get_running_loop()
        async with api_world.serving(sqlite, tmp_path) as api:
            task_id = await api.task()
            api.http = outside
            answers = [
                await outside.get(
                    f"{api.url}/api/v1/tasks/{task_id}/events", headers={"Authorization": f"Bearer {TOKEN}"}
                )
                for _ in range(5)
            ]
            streams = [Stream(answer) for answer in answers]
            for stream in streams:
                assert (await stream.next())["id"] == "1"
            began = loop.time()
        assert loop.time() - began < 5
        for stream in streams:
            assert await stream.rest() == []


async def test_a_flickering_database_loses_no_event(sqlite: Database, tmp_path: Path) -> None:
    """While the table can't be read nothing is sent; what happened comes once it can."""
    async with api_world.serving(sqlite, tmp_path) as api:
        task_id = await api.task()
        async with following(api, task_id) as stream:
            await stream.next()
            async with sqlite.transaction() as writing:
                await (await writing.connection()).exec_driver_sql("ALTER TABLE tasks RENAME TO elsewhere")
            await asyncio.sleep(1.2)  # more than two looks at it
            async with sqlite.transaction() as writing:
                await (await writing.connection()).exec_driver_sql("ALTER TABLE elsewhere RENAME TO tasks")
            await api.finish(task_id)
            assert [one["data"]["status"] for one in await stream.rest()] == ["COMPLETED"]
