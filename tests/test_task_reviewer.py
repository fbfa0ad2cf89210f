"""The simulated human speaks when it must, counts rounds where they end, and stops what leads nowhere."""

import dataclasses

import pytest

from bot.proof.verdict import Verdict
from bot.task.work import Phase
from storage.database import Database
from storage.words import InteractionType as T
from storage.words import PausedBy, Reason, TaskState
from tests.task_talk import CAPS, Talk, calls, text

FINISH = ("finish", {"summary": "s"})


def edits(count: int) -> list[object]:
    return [calls(("bash", {"command": f"edit {n}"})) for n in range(count)]


async def test_it_speaks_unasked_after_three_to_five_answers_and_not_too_often(sqlite: Database) -> None:
    """Its gaps are drawn anew; after MAX_PAUSES it keeps still."""
    caps = dataclasses.replace(CAPS, pauses=2)
    talk = await Talk.begin(sqlite, *edits(30), calls(FINISH), caps=caps)  # type: ignore[arg-type]
    assert await talk.run() == Phase.PROVE
    assert await talk.words() == ["encouragement", "encouragement"]
    assert (talk.work.task.pauses, talk.work.task.iterations) == (2, 1)
    kinds = [entry.interaction_type for entry in await talk.work.entries()]
    first = kinds.index(T.SIMULATED_HUMAN)
    assert 3 <= kinds[:first].count(T.CLAUDE_RESPONSE) <= 5


async def test_it_always_speaks_on_an_error(sqlite: Database) -> None:
    """Right beside the results, without a pause or a round being counted."""
    breaks = [calls(("bash", {"command": f"break {n}"}), ("bash", {"command": "ls"})) for n in range(8)]
    talk = await Talk.begin(sqlite, *breaks, calls(FINISH))
    assert await talk.run() == Phase.PROVE
    assert await talk.words() == ["error_handling"] * 8
    assert (talk.work.task.pauses, talk.work.task.iterations) == (0, 1)
    assert "break 0" in (await talk.said(T.SIMULATED_HUMAN))[0].content["text"]


async def test_the_task_is_paused_while_it_speaks(sqlite: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """And says who holds it."""
    talk = await Talk.begin(sqlite, text("Done."))
    seen = []
    move = talk.work.move

    async def watched(status: TaskState, *args: object, **values: object) -> None:
        await move(status, *args, **values)  # type: ignore[arg-type]
        seen.append((talk.work.task.status, talk.work.task.paused_by))

    monkeypatch.setattr(talk.work, "move", watched)
    await talk.step()
    await talk.step()
    assert seen == [(TaskState.PAUSED, PausedBy.SIMULATED_HUMAN)]
    assert talk.work.task.status is TaskState.RUNNING


async def test_a_question_is_answered(sqlite: Database) -> None:
    """A turn that ends with a question gets another word than one that just ends."""
    talk = await Talk.begin(sqlite, text("Shall I also change the parser?"), text("Done."), calls(FINISH))
    assert await talk.run() == Phase.PROVE
    assert await talk.words() == ["answer", "continuation"]


async def test_the_same_call_again_and_again_comes_to_an_end(sqlite: Database) -> None:
    """Told to conclude, and doing it three times more, it is stopped; there is no change to prove."""
    same = [calls(("bash", {"command": "ls"})) for _ in range(20)]
    talk = await Talk.begin(sqlite, *same)
    assert await talk.run() == Phase.CONCLUDE
    assert talk.work.facts["outcome"]["reason"] == Reason.NO_CHANGES
    assert "conclude" in await talk.words()
    assert len(talk.claude.asked) == 6


async def test_what_leads_nowhere_has_its_work_proven_all_the_same(sqlite: Database) -> None:
    """A change that exists gets its proof before the task gives up."""
    same = [calls(("bash", {"command": "ls"})) for _ in range(20)]
    talk = await Talk.begin(sqlite, calls(("bash", {"command": "edit 1"})), *same)
    assert await talk.run() == Phase.PROVE
    assert talk.work.facts["last_chance"]


async def test_rounds_without_a_change_come_to_an_end(sqlite: Database) -> None:
    """Three of them bring the word to conclude; the next one ends it."""
    talk = await Talk.begin(sqlite, *[text("Hm.")] * 20)
    assert await talk.run() == Phase.CONCLUDE
    assert talk.work.facts["outcome"]["reason"] == Reason.NO_CHANGES
    assert (await talk.words())[-1] == "conclude"
    assert len(talk.claude.asked) <= 6


async def test_rounds_have_a_limit(sqlite: Database) -> None:
    """However much moves in each."""
    caps = dataclasses.replace(CAPS, iterations=2)
    turns = [turn for n in range(5) for turn in (calls(("bash", {"command": f"edit {n}"})), text("Done."))]
    talk = await Talk.begin(sqlite, *turns, caps=caps)
    assert await talk.run() == Phase.PROVE
    assert "2 rounds" in talk.work.facts["last_chance"]
    assert talk.work.task.iterations == 2


async def test_a_limit_without_any_change_is_out_of_iterations(sqlite: Database) -> None:
    """There is nothing to prove."""
    caps = dataclasses.replace(CAPS, iterations=1)
    talk = await Talk.begin(sqlite, text("Hm."), caps=caps)
    assert await talk.run() == Phase.CONCLUDE
    assert talk.work.facts["outcome"]["reason"] == Reason.OUT_OF_ITERATIONS


async def _judged(talk: Talk, verdict: Verdict) -> None:
    await talk.desk.snapshot()
    await talk.work.note(
        judged={"tree": talk.desk.tree_now, "verdict": verdict, "evidence": ["test_a fails"]}
    )
    await talk.work.move(TaskState.TESTING)


async def test_a_failed_proof_goes_back_into_the_conversation(sqlite: Database) -> None:
    """With its evidence, as a new round, and repeated after a crash it is said once."""
    talk = await Talk.begin(sqlite, calls(("bash", {"command": "edit 1"}), FINISH), calls(FINISH))
    assert await talk.run() == Phase.PROVE
    await _judged(talk, Verdict.FAILING)
    await talk.reviewer().proof_failed(Reason.TESTS_FAILED, "The proof did not hold.", ["test_a fails"])
    assert (talk.work.task.phase, talk.work.task.status) == (Phase.CONVERSE, TaskState.RUNNING)
    assert talk.work.task.iterations == 2
    (said,) = await talk.said(T.SIMULATED_HUMAN)
    assert said.content["kind"] == "error_handling"
    assert "test_a fails" in said.content["text"]
    assert await talk.run() == Phase.PROVE


@pytest.mark.parametrize("facts", [{"last_chance": "the limit"}, {}], ids=["last chance", "no rounds left"])
async def test_a_failed_proof_ends_the_task_when_nothing_is_left(
    sqlite: Database, facts: dict[str, str]
) -> None:
    """Its reason is the verdict's, its words name the evidence."""
    caps = CAPS if facts else dataclasses.replace(CAPS, iterations=1)
    talk = await Talk.begin(sqlite, calls(("bash", {"command": "edit 1"}), FINISH), caps=caps)
    assert await talk.run() == Phase.PROVE
    await talk.work.note(**facts)
    await _judged(talk, Verdict.REGRESSED)
    await talk.reviewer().proof_failed(Reason.REGRESSED, "It did not hold.", ["test_a fails"])
    assert talk.work.task.phase == Phase.CONCLUDE
    assert talk.work.facts["outcome"]["reason"] == Reason.REGRESSED
    assert "test_a fails" in talk.work.facts["outcome"]["why"]


async def test_a_round_that_is_ended_twice_is_counted_once(sqlite: Database) -> None:
    """A crash between the count and the word is no round without a change."""
    talk = await Talk.begin(sqlite, text("Hm."), text("Hm."))
    await talk.step()
    await talk.desk.snapshot()
    entries = await talk.work.entries()
    counts = [await talk.reviewer()._count_round(entries) for _ in range(4)]
    assert counts == [0, 0, 0, 0]


async def test_the_same_finish_after_each_proof_is_no_repeated_call(sqlite: Database) -> None:
    """What was changed in between is proven anew; Claude hears each time what does not hold."""
    talk = await Talk.begin(sqlite, *[calls(FINISH, tag=str(n)) for n in range(3)])
    for n in range(3):
        talk.desk.tree_now = f"tree {n}"
        assert await talk.run() == Phase.PROVE
        await talk.reviewer().proof_failed(Reason.TESTS_FAILED, "It fails.", ["test_x fails"])
    assert await talk.words() == ["error_handling"] * 3
