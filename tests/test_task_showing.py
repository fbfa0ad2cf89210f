"""The conversation's pages are posted whole, and a page that is full is left alone."""

import re
from typing import Any

import pytest

from bot.github.identity import Identity
from bot.settings import Settings
from bot.task import preparation
from bot.task.portrait import Portraitist
from bot.task.showing import Showing
from bot.task.work import Phase, Work
from bot.words import log
from bot.words.redaction import Redactor
from storage.database import Database
from storage.words import InteractionType as T
from storage.words import Reason, TaskKind, TaskState
from tests import records


class Posted(Showing):
    """A showing whose comments are kept here: what each says, and how often it was said."""

    def __init__(self, work: Work) -> None:
        self.bodies: dict[str, str] = {}
        self.edits: list[str] = []
        super().__init__(Installed(), "acme/shop", 1, work, Means())  # type: ignore[arg-type]

    async def _comment(self, kind: str, op: str, body: str, *, number: int | None = None) -> None:
        del kind, number
        self.bodies[op] = body
        self.edits.append(op)


class Installed:
    """An installation of an App that people call `helper`."""

    async def identity(self) -> Identity:
        """Return who we are."""
        return Identity(app_id=1, slug="helper", name="Helper", user_id=2)


class Means:
    """The part of what the GitHub side shares that words are made with."""

    def __init__(self) -> None:
        self.ledger = Known()
        self.portraits = Portraitist(Settings(), Redactor())


class Known:
    """A ledger in which the conversation's first page is comment 77."""

    async def find(self, key: str) -> Any:
        """Return it."""
        self.state, self.external_id = "done", "77" if key.startswith("log-") else None
        return self


async def _say(work: Work, number: int, size: int) -> None:
    blocks = [{"type": "text", "text": f"turn {number}: {'x' * size} end of turn {number}"}]
    await work.append((T.CLAUDE_RESPONSE, {"message": {"content": blocks}, "usage": {"output": 1}}))


async def _work(database: Database) -> Work:
    task = await records.a_task(database, status=TaskState.RUNNING, phase=Phase.CONVERSE, requester="ann")
    return await Work.load(database, task.id)


async def test_what_comes_into_a_page_before_it_is_full_is_posted(sqlite: Database) -> None:
    """Nothing is lost where the conversation goes on to the next page between two edits."""
    work = await _work(sqlite)
    shown = Posted(work)
    await _say(work, 0, 15_000)
    await shown._say_log()
    for number in range(1, 8):  # much is said until the next edit
        await _say(work, number, 15_000)
    await shown._say_log()
    everything = "\n".join(shown.bodies.values())
    assert len(shown.bodies) > 1
    assert [n for n in range(8) if f"end of turn {n}" not in everything] == []
    assert max(map(len, shown.bodies.values())) <= log.PAGE


async def test_people_are_told_by_which_name_they_reach_us(sqlite: Database) -> None:
    """Only GitHub knows it, and it may be another than the label's."""
    facts = await Posted(await _work(sqlite)).facts()
    assert (facts.slug, facts.label) == ("helper", "journeyman")


async def test_a_full_page_is_not_edited_again(sqlite: Database) -> None:
    """Only the last page changes, however long the conversation gets."""
    work = await _work(sqlite)
    shown = Posted(work)
    for number in range(8):
        await _say(work, number, 15_000)
        await shown._say_log()
    full = f"log-{work.id}-1"
    before = shown.edits.count(full)
    for number in range(8, 12):
        await _say(work, number, 15_000)
        await shown._say_log()
    assert shown.edits.count(full) == before


@pytest.mark.parametrize("kind", [TaskKind.FOLLOW_UP, TaskKind.IMPLEMENT])
async def test_who_asked_for_what_is_what_people_read(sqlite: Database, kind: TaskKind) -> None:
    """The conversation begins with it, in each one's name; the last word reaches each of them, once."""
    review = {"author": "bob", "author_id": 13, "state": "commented", "body": "Round it.", "comments": []}
    trigger = {
        "author": "maria",
        "reviews": [review, {**review, "body": "Test it."}],
        "guidance": [{"author": "cid", "author_id": 14, "text": "Why?", "where": "issue #1"}],
    }
    facts = {"title": "Totals are wrong", "body": "See."}
    task = await records.a_task(
        sqlite, None, TaskState.RUNNING, kind=kind, trigger=trigger, facts=facts,
        requester="cid", requester_id=14,
    )  # fmt: skip
    work = await Work.load(sqlite, task.id)
    await work.append((T.USER_REQUEST, {"text": "…", "turns": preparation.turns(work)}))
    shown = Posted(work)
    await shown._say_log()
    issue = ["@&#8203;maria, issue 1"] if kind is TaskKind.IMPLEMENT else []
    said = ["@&#8203;cid, issue #&#8203;1", *["@&#8203;bob, review &#40;commented&#41;"] * 2]
    assert re.findall("Task</b> — (.*)</summary>", shown.bodies[f"log-{work.id}-1"]) == issue + said
    await work.fail(Reason.NO_CHANGES, "nothing moved any more")
    await shown.last_word(TaskState.FAILED)
    assert "\n@cid @bob I stopped: " in shown.bodies[f"fin-{work.id}"]


async def test_the_last_word_leads_to_the_conversation(sqlite: Database) -> None:
    """One click from the notification."""
    work = await _work(sqlite)
    await work.fail(Reason.NO_CHANGES, "nothing moved any more")
    shown = Posted(work)
    await shown.last_word(TaskState.FAILED)
    assert "https://github.com/acme/shop/issues/1#issuecomment-77" in shown.bodies[f"fin-{work.id}"]
