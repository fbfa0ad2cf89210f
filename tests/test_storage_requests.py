"""A Request waits in its thread's line, belongs to one worker at a time, and is done and answered once."""

import asyncio
from datetime import timedelta

from sqlalchemy import update

from storage import clock, past, requests
from storage.database import Database
from storage.models import Request
from storage.words import RequestKind
from tests.records import a_request, read_request

MINUTE = timedelta(minutes=1)


async def _due(database: Database, limit: int = 100) -> list[str]:
    async with database.reading() as session:
        found = await requests.due(session, limit)
        return [(await session.get_one(Request, each)).cause for each, _ in found]


async def _unanswered(database: Database, limit: int = 100) -> list[str]:
    async with database.reading() as session:
        found = await requests.unanswered(session, limit)
        return [(await session.get_one(Request, each)).cause for each, _ in found]


async def _claim(database: Database, *causes: str, seconds: float = 60) -> list[str]:
    ids = [(await read_request(database, cause)).id for cause in causes]
    async with database.transaction() as session:
        taken = await requests.claim(session, ids, clock.now() + timedelta(seconds=seconds))
        return [request.cause for request in taken]


async def _dispatch(database: Database, cause: str, answer: dict[str, str] | None = None) -> bool:
    request = (await read_request(database, cause)).id
    async with database.transaction() as session:
        return await requests.dispatched(session, request, "task x", answer)


async def test_of_each_thread_the_oldest_is_due(database: Database) -> None:
    """A thread is a repository's number; the same number elsewhere is another, and the oldest come first."""
    for cause, repository, number in (("a", 7, 1), ("b", 7, 1), ("c", 7, 2), ("d", 8, 1), ("e", 7, 2)):
        await a_request(database, cause, repository_id=repository, issue_number=number)
    assert await _due(database) == ["a", "c", "d"]
    assert await _due(database, limit=2) == ["a", "c"]
    await _dispatch(database, "c")
    assert await _due(database) == ["a", "d", "e"]
    await _dispatch(database, "a")
    assert await _due(database) == ["b", "d", "e"]


async def test_what_names_no_thread_has_a_line_of_its_own(database: Database) -> None:
    """A repository's own events wait for each other and for no issue; an installation's likewise."""
    await a_request(database, "issue")
    for cause in ("renamed", "archived"):
        await a_request(database, cause, RequestKind.REPOSITORY, issue_number=None)
    for cause in ("suspend", "unsuspend"):
        await a_request(
            database, cause, RequestKind.INSTALLATION, repository="", repository_id=None, issue_number=None
        )
    assert await _due(database) == ["issue", "renamed", "suspend"]
    await _dispatch(database, "renamed")
    await _dispatch(database, "suspend")
    assert await _due(database) == ["issue", "archived", "unsuspend"]


async def test_a_claim_keeps_the_whole_thread_for_one_worker(database: Database) -> None:
    """Neither the Request nor the next one of its thread is due while someone has it, until time is up."""
    for cause, number in (("a", 1), ("b", 1), ("c", 2)):
        await a_request(database, cause, issue_number=number)
    assert await _claim(database, "a") == ["a"]
    assert await _due(database) == ["c"]
    assert await _claim(database, "a", "c") == ["c"]
    async with database.transaction() as session:
        gone_by = clock.now() - timedelta(seconds=1)
        await requests.postpone(session, (await read_request(database, "a")).id, gone_by)
    assert await _due(database) == ["a"]
    assert await _claim(database, "a") == ["a"]
    assert (await read_request(database, "a")).attempts == 2


async def _taken_long_ago(database: Database, *causes: str) -> None:
    async with database.transaction() as session:
        long_ago = clock.now() - requests.HOLD - timedelta(seconds=1)
        await session.execute(update(Request).where(Request.cause.in_(causes)).values(taken_at=long_ago))


async def test_a_thread_waits_some_seconds_for_what_was_taken_up(database: Database) -> None:
    """Then the later ones go past it in their order, be it put off or in hand; it has its turn too."""
    for cause in ("a", "b", "c"):
        await a_request(database, cause, RequestKind.COMMENT)
    await _claim(database, "a", seconds=3000)
    assert await _due(database) == []
    await _taken_long_ago(database, "a")
    assert await _due(database) == ["b"]
    await _claim(database, "b")
    assert await _due(database) == []
    async with database.transaction() as session:
        await requests.postpone(session, (await read_request(database, "a")).id, clock.now())
    assert await _due(database) == ["a"]
    async with database.transaction() as session:
        await requests.unclaim(session)
    assert await _due(database) == ["a"]  # a new worker takes both up anew


async def test_what_is_over_at_once_waits_for_nobody_who_asks(database: Database) -> None:
    """A stop or a closing goes past what GitHub is asked about, but not past a label, nor past its like."""
    for cause, kind in (
        ("word", RequestKind.COMMENT), ("review", RequestKind.REVIEW), ("off", RequestKind.STOP),
        ("closed", RequestKind.PULL_CLOSED), ("on", RequestKind.RUN), ("off again", RequestKind.STOP),
    ):  # fmt: skip
        await a_request(database, cause, kind)
    await _claim(database, "word", seconds=3000)
    for cause in ("off", "closed"):
        assert await _due(database) == [cause]
        await _dispatch(database, cause)
    assert await _due(database) == []
    await _taken_long_ago(database, "word", "review")
    assert await _due(database) == ["review", "on"]
    await _dispatch(database, "on")
    async with database.reading() as session:
        for kinds, expected in ((requests.AT_ONCE, ["off again"]), (requests.ASKING, ["review"])):
            found = await requests.due(session, kinds=kinds)
            assert [(await session.get_one(Request, each)).cause for each, _ in found] == expected


async def test_of_many_who_claim_at_once_one_gets_it(database: Database) -> None:
    """Each Request goes to exactly one of the workers that saw it waiting, in the order it was asked."""
    causes = [str(number) for number in range(6)]
    for number, cause in enumerate(causes):
        await a_request(database, cause, issue_number=number)
    taken = await asyncio.gather(*(_claim(database, *causes) for _ in range(5)))
    assert sorted(cause for one in taken for cause in one) == causes
    assert all(one == sorted(one) for one in taken)
    assert [(await read_request(database, cause)).attempts for cause in causes] == [1] * 6


async def test_what_is_postponed_comes_back_at_its_moment(database: Database) -> None:
    """Not before, and it keeps its place in the line."""
    await a_request(database, "a")
    await a_request(database, "b")
    async with database.transaction() as session:
        await requests.postpone(session, (await read_request(database, "a")).id, clock.now() + MINUTE)
    assert await _due(database) == []
    async with database.transaction() as session:
        await requests.postpone(session, (await read_request(database, "a")).id, clock.now())
    assert await _due(database) == ["a"]


async def test_a_request_is_dispatched_once(database: Database) -> None:
    """Whoever comes second is told that it is done, and changes neither outcome nor answer."""
    await a_request(database, "a")
    won = await asyncio.gather(*(_dispatch(database, "a", {"by": str(number)}) for number in range(5)))
    assert sorted(won) == [False] * 4 + [True]
    done = await read_request(database, "a")
    assert (done.outcome, done.answer) == ("task x", {"by": str(won.index(True))})
    assert done.dispatched_at is not None


async def test_only_what_has_an_answer_is_unanswered(database: Database) -> None:
    """What nobody is to be told of is over when it is dispatched; the rest until someone said it."""
    for number, cause in enumerate("abc"):
        await a_request(database, cause, issue_number=number)
    assert await _unanswered(database) == []
    await _dispatch(database, "a")
    await _dispatch(database, "b", {"say": "hello"})
    await _dispatch(database, "c", {})
    assert await _unanswered(database) == ["b", "c"]
    assert await _unanswered(database, limit=1) == ["b"]
    assert await _claim(database, "b") == ["b"]
    assert await _unanswered(database) == ["c"]
    async with database.transaction() as session:
        await requests.answered(session, (await read_request(database, "c")).id)
    assert await _unanswered(database) == []


async def test_an_only_worker_gives_back_what_a_dead_one_had(database: Database) -> None:
    """What is not done or not told is due at once; what is over stays as it was."""
    for number, cause in enumerate(("done", "undone", "untold")):
        await a_request(database, cause, issue_number=number)
    await _claim(database, "done", "undone", "untold")
    await _dispatch(database, "done")
    await _dispatch(database, "untold", {"say": "hello"})
    async with database.transaction() as session:
        await requests.unclaim(session)
    assert await _due(database) == ["undone"]
    assert await _unanswered(database) == ["untold"]
    assert (await read_request(database, "done")).claimed_until is not None


async def test_causes_are_known_again(database: Database) -> None:
    """The sweep asks which of many it has heard of; odd texts and long lists are no matter."""
    odd = "comment:7:ü' OR 1=1 --"
    for cause in ("comment:7:1", odd):
        await a_request(database, cause)
    async with database.reading() as session:
        asked = ["comment:7:1", "comment:7:2", odd, *(f"other {number}" for number in range(500))]
        assert await requests.known(session, asked) == {"comment:7:1", odd}
        assert await requests.known(session, []) == set()
        assert await requests.of_cause(session, "comment:7:2") is None


async def test_a_cause_that_is_known_keeps_its_text(database: Database) -> None:
    """Text is taken as of the first that told us; what asks for nothing is no error."""
    await a_request(database, "a", text={"body": "as it was"})
    await a_request(database, "a", text={"body": "as it is"})
    async with database.transaction() as session:
        await requests.add(session, [])
    assert (await read_request(database, "a")).text == {"body": "as it was"}


async def test_what_came_before_in_a_thread(database: Database) -> None:
    """Those of these kinds that are older or went past it, newest first: in this thread and repository."""
    for cause, kind, more in (
        ("on", RequestKind.RUN, {}), ("off", RequestKind.STOP, {}), ("word", RequestKind.COMMENT, {}),
        ("elsewhere", RequestKind.RUN, {"issue_number": 43}),
        ("other", RequestKind.RUN, {"repository_id": 8}),
        ("this", RequestKind.RUN, {}), ("later", RequestKind.STOP, {}),
    ):  # fmt: skip
        await a_request(database, cause, kind, **more)
    labels = (RequestKind.RUN, RequestKind.STOP)
    async with database.reading() as session:
        for cause, kinds, before in (
            ("this", labels, ["off", "on"]), ("this", [RequestKind.RUN], ["on"]), ("off", labels, ["on"]),
            ("later", labels, ["this", "off", "on"]), ("on", labels, []), ("this", [RequestKind.REVIEW], []),
        ):  # fmt: skip
            request = await read_request(database, cause)
            found = await past.heard(session, request, kinds)
            assert [one.cause for one in found] == before, cause
            assert [one.cause for one in await past.heard(session, request, kinds, 1)] == before[:1]
        request = await read_request(database, "this")
        both = await past.heard(session, request, labels, numbers=[43, None])
        assert [one.cause for one in both] == ["elsewhere", "off", "on"]
    await _dispatch(database, "later")
    async with database.reading() as session:
        found = await past.heard(session, await read_request(database, "this"), labels)
        assert [one.cause for one in found] == ["later", "off", "on"]


async def test_what_is_done_does_not_hide_what_waits(database: Database) -> None:
    """After thousands the line is still each thread's oldest."""
    async with database.transaction() as session:
        asks = [
            requests.Ask(
                cause=str(number), kind=RequestKind.COMMENT, repository="a/b", repository_id=7,
                issue_number=number % 50,
            )
            for number in range(3_000)
        ]  # fmt: skip
        await requests.add(session, asks)
        done = update(Request).where(Request.id <= 2_500)
        await session.execute(done.values(dispatched_at=clock.now(), outcome="x"))
    assert await _due(database) == [str(number) for number in range(2_500, 2_550)]


async def test_installations_take_turns(database: Database) -> None:
    """No more than its share of each is named, their first ones first, whatever came in before."""
    for number in range(6):
        await a_request(database, f"flood {number}", issue_number=number, installation_id=1)
    await a_request(database, "calm", issue_number=7, installation_id=2)
    await a_request(database, "local", issue_number=8, installation_id=None)
    expected = ["flood 0", "calm", "local", "flood 1"]
    async with database.reading() as session:
        found = await requests.due(session, 10, share=2)
        assert [(await session.get_one(Request, each)).cause for each, _ in found] == expected
        assert [installation for _, installation in found] == [1, 2, None, 1]
    assert await _due(database, limit=2) == ["flood 0", "calm"]
    for cause in [f"flood {number}" for number in range(6)] + ["calm", "local"]:
        await _dispatch(database, cause, {"say": "hello"})
    async with database.reading() as session:
        found = await requests.unanswered(session, 10, share=2)
        assert [(await session.get_one(Request, each)).cause for each, _ in found] == expected


async def test_a_claim_is_renewed_while_its_work_lasts(database: Database) -> None:
    """Those that are named get the new moment, no others, and neither does what is over."""
    for number, cause in enumerate(("mine", "untold", "theirs", "over")):
        await a_request(database, cause, issue_number=number)
    await _claim(database, "mine", "untold", "theirs", "over", seconds=5)
    await _dispatch(database, "untold", {"say": "hello"})
    await _dispatch(database, "over")
    until = clock.now() + timedelta(seconds=60)
    async with database.transaction() as session:
        held = [(await read_request(database, cause)).id for cause in ("mine", "untold", "over")]
        await requests.renew(session, held, until)
    moments = {cause: await read_request(database, cause) for cause in ("mine", "untold", "theirs", "over")}
    assert [cause for cause, one in moments.items() if one.claimed_until == until] == ["mine", "untold"]
    assert {one.attempts for one in moments.values()} == {1}


async def test_what_was_said_is_forgotten_and_that_it_was_stays(database: Database) -> None:
    """An old Request keeps its cause and outcome; body, answer and the rest of its text go, once."""
    text = {"event": "issue_comment.created", "updated_at": "2026-01-01T00:00:00Z", "body": "secret"}
    for number, cause in enumerate(("told", "untellable", "owed", "waiting", "recent")):
        await a_request(database, cause, issue_number=number, text=text)
    await _dispatch(database, "told", {"say": "hello"})
    await _dispatch(database, "untellable")
    await _dispatch(database, "owed", {"say": "hello"})
    await _dispatch(database, "recent")
    async with database.transaction() as session:
        await requests.answered(session, (await read_request(database, "told")).id)
    async with database.transaction() as session:
        old = update(Request).where(Request.cause != "recent")
        await session.execute(old.values(created_at=clock.now() - timedelta(days=91)))
    before = clock.now() - timedelta(days=90)
    for gone in (1, 1, 0):
        async with database.transaction() as session:
            assert await requests.forget(session, before, most=1) == gone
    for cause in ("told", "untellable"):
        request = await read_request(database, cause)
        assert request.text == {"event": "issue_comment.created", "updated_at": "2026-01-01T00:00:00Z"}
        assert (request.answer, request.outcome) == (None, "task x")
        assert request.forgotten_at is not None
    for cause in ("owed", "waiting", "recent"):
        kept = await read_request(database, cause)
        assert (kept.text, kept.forgotten_at) == (text, None)
    assert await _unanswered(database) == ["owed"]
    await a_request(database, "told", text=text)
    assert "body" not in (await read_request(database, "told")).text


async def test_what_was_heard_too_early_lets_the_later_ones_pass_and_is_asked_for_again_once(
    database: Database,
) -> None:
    """What waits behind it is known and due at once; asked for again, it stands at the end of its thread."""
    kind = RequestKind.COMMENT
    early = await a_request(database, "comment:7:1", kind)
    late = await a_request(database, "comment:7:2", kind)
    async with database.transaction() as writing:
        (first,) = await requests.claim(writing, [early], clock.now() + MINUTE)
        assert [one.id for one in await past.behind(writing, first, [kind])] == [late]
        assert [each for each, _ in await requests.due(writing)] == []
        await requests.postpone(writing, early, clock.now() + MINUTE, lets_pass=True)
        assert [each for each, _ in await requests.due(writing)] == [late]
        for _ in range(2):
            await requests.again(writing, [first], "begun")
    again = await read_request(database, "comment:7:1+begun")
    async with database.transaction() as writing:
        await requests.again(writing, [again], "begun")
    twice = await read_request(database, "comment:7:1+begun+begun")
    assert early < late < again.id < twice.id
    assert (again.text["first_heard"], twice.text["first_heard"], twice.actor) == (early, early, "maria")
