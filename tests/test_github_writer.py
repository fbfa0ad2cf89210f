"""Hold how often an installation writes: content limits, and the pace of edits of one comment."""

import asyncio

import pytest

from bot.errors import Blocked, WorldFault
from bot.github.writer import Writer
from tests.github_stub import START, Time


class _Said:
    """What was sent, and when."""

    def __init__(self, time: Time) -> None:
        self.words: list[tuple[str, float]] = []
        self.failures: list[Exception] = []
        self._time = time

    def word(self, text: str) -> "_Word":
        return _Word(self, text)

    def note(self, text: str) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.words.append((text, self._time.now - START))


class _Word:
    def __init__(self, said: _Said, text: str) -> None:
        self._said, self._text = said, text

    async def __call__(self) -> None:
        await asyncio.sleep(0)
        self._said.note(self._text)


async def test_edits_of_one_comment_are_twenty_seconds_apart_and_coalesce() -> None:
    """Of ten edits in ten seconds the first leaves at once and the last after 20 s; the rest never."""
    time = Time(manual=True)
    said, writer = _Said(time), Writer(time, time.sleep)
    for number in range(10):
        await writer.edit("c", said.word(str(number)))
        await time.pass_by(1)
    await time.pass_by(60)
    assert said.words == [("0", 0), ("9", 20)]


async def test_other_comments_do_not_wait() -> None:
    """Each comment has its own pace."""
    time = Time(manual=True)
    said, writer = _Said(time), Writer(time, time.sleep)
    await writer.edit("a", said.word("a"))
    await writer.edit("b", said.word("b"))
    await time.pass_by(1)
    assert {word for word, _ in said.words} == {"a", "b"}


async def test_edit_now_overtakes_what_waits() -> None:
    """The final word leaves at once, and the older one that waited never follows it."""
    time = Time(manual=True)
    said, writer = _Said(time), Writer(time, time.sleep)
    await writer.edit("c", said.word("first"))
    await time.pass_by(5)
    await writer.edit("c", said.word("waiting"))
    await writer.edit("c", said.word("final"), now=True)
    assert said.words == [("first", 0), ("final", 5)]
    await time.pass_by(60)
    assert said.words == [("first", 0), ("final", 5)]
    await writer.edit("c", said.word("later"))
    await time.pass_by(1)
    assert said.words[-1] == ("later", 65)


async def test_pace_counts_from_an_edit_now() -> None:
    """After an immediate edit the next ordinary one keeps its distance."""
    time = Time(manual=True)
    said, writer = _Said(time), Writer(time, time.sleep)
    await writer.edit("c", said.word("now"), now=True)
    await writer.edit("c", said.word("next"))
    await time.pass_by(30)
    assert said.words == [("now", 0), ("next", 20)]


async def test_status_command_hurries_a_waiting_edit() -> None:
    """An edit with a gap of 5 s does not sit out the 20 s of the one that it replaces."""
    time = Time(manual=True)
    said, writer = _Said(time), Writer(time, time.sleep)
    await writer.edit("c", said.word("0"))
    await time.pass_by(1)
    await writer.edit("c", said.word("1"))
    await time.pass_by(1)
    await writer.edit("c", said.word("2"), gap=5)
    await time.pass_by(30)
    assert said.words == [("0", 0), ("2", 5)]


async def test_progress_does_not_slow_down_an_edit_that_someone_waits_for() -> None:
    """A later edit takes the hurried one's place and its moment; the next is ordinary again."""
    time = Time(manual=True)
    said, writer = _Said(time), Writer(time, time.sleep)
    await writer.edit("c", said.word("0"))
    await time.pass_by(1)
    await writer.edit("c", said.word("asked for"), gap=5)
    await time.pass_by(1)
    await writer.edit("c", said.word("progress"))
    await time.pass_by(10)
    await writer.edit("c", said.word("more"))
    await time.pass_by(30)
    assert said.words == [("0", 0), ("progress", 5), ("more", 25)]


async def test_failed_edit_is_tried_again_unless_replaced() -> None:
    """A fault of the world delays the newest word by what GitHub asks; a refusal drops it."""
    time = Time(manual=True)
    said, writer = _Said(time), Writer(time, time.sleep)
    said.failures = [WorldFault("down", 90), WorldFault("down")]
    await writer.edit("c", said.word("a"))
    await time.pass_by(30)
    await writer.edit("c", said.word("b"))
    await time.pass_by(200)
    assert said.words == [("b", 150)]
    said.failures = [Blocked("gone")]
    await writer.edit("c", said.word("x"))
    await time.pass_by(600)
    assert len(said.words) == 1


async def test_edit_now_raises_its_failure() -> None:
    """Who waits for an edit learns that it failed."""
    time = Time(manual=True)
    said, writer = _Said(time), Writer(time, time.sleep)
    said.failures = [Blocked("locked")]
    with pytest.raises(Blocked, match="locked"):
        await writer.edit("c", said.word("x"), now=True)


async def test_flush_sends_what_waits_and_close_drops_it() -> None:
    """A graceful stop says the newest word of each comment; a closed writer is silent."""
    time = Time(manual=True)
    said, writer = _Said(time), Writer(time, time.sleep)
    await writer.edit("c", said.word("0"), now=True)
    await writer.edit("c", said.word("1"))
    await writer.flush()
    assert said.words == [("0", 0), ("1", 0)]
    await writer.edit("c", said.word("2"))
    await writer.close()
    await time.pass_by(100)
    assert len(said.words) == 2


async def test_writer_forgets_comments_in_which_nothing_waits() -> None:
    """A thousand comments leave a thousand times in memory, not a thousand lines."""
    time = Time(manual=True)
    said, writer = _Said(time), Writer(time, time.sleep)
    for number in range(20):
        await writer.edit(str(number), said.word("x"), now=number % 2 == 0)
    await time.pass_by(60)
    assert len(said.words) == 20
    assert writer._lines == {}
