"""Holds the simulated human to its timing: bounded, drawn anew, the same after a restart."""

from dataclasses import replace

import pytest

from bot.task import human
from bot.task.human import Cadence, Counts, Decision, Entry, HumanState, WordKind
from bot.words.nudge import Evidence, Failure
from storage.words import InteractionType

CADENCE = Cadence(seed="task-1")
STATE = HumanState(CADENCE, Counts(), evidence=Evidence("Parsing fails", "It should keep half hours."))
SAID, CALLED = Entry(InteractionType.CLAUDE_RESPONSE), Entry(InteractionType.TOOL_CALL, call="bash {}")


def spoken(kind: WordKind) -> Entry:
    """Return a stored word of the simulated human."""
    return Entry(InteractionType.SIMULATED_HUMAN, kind=kind)


def kind_of(decision: Decision) -> WordKind | None:
    """Return the kind of what was said, if anything was."""
    return decision.word.kind if decision.word else None


def converse(cadence: Cadence, responses: int, *, forget: bool = False) -> list[int]:
    """Return after which responses it spoke, over a conversation without errors or ended turns."""
    entries: list[Entry] = []
    spoke: list[int] = []
    for number in range(1, responses + 1):
        entries.append(SAID)
        fresh = Cadence(cadence.seed, cadence.low, cadence.high, cadence.max_pauses) if forget else cadence
        decision = human.decide(replace(STATE, cadence=fresh, counts=human.count(entries)))
        if decision.word:
            entries.append(spoken(decision.word.kind))
            spoke.append(number)
    return spoke


def test_it_speaks_after_three_to_five_responses_and_stops_at_the_cap() -> None:
    """Every gap lies within the bounds, all lengths occur, and no task hears more than five unasked words."""
    seen: set[int] = set()
    for seed in range(60):
        at = converse(Cadence(str(seed)), 60)
        assert len(at) == 5
        gaps = [later - earlier for earlier, later in zip([0, *at], at, strict=False)]
        assert all(3 <= gap <= 5 for gap in gaps)
        seen |= set(gaps)
    assert seen == {3, 4, 5}


def test_gaps_are_drawn_anew_after_each_word() -> None:
    """Within one task the gaps differ; a fixed rhythm would be a bug."""
    assert any(len({Cadence(str(seed)).gap(words) for words in range(5)}) > 1 for seed in range(3))


def test_the_same_seed_speaks_at_the_same_moments_and_another_does_not() -> None:
    """Timing follows from the task, not from the process."""
    assert converse(CADENCE, 40) == converse(Cadence(seed="task-1"), 40)
    assert len({tuple(converse(Cadence(str(seed)), 40)) for seed in range(20)}) > 10


def test_a_restart_changes_nothing() -> None:
    """Built anew from the store before every response, it speaks at the same moments."""
    assert converse(CADENCE, 60, forget=True) == converse(CADENCE, 60)


def test_the_repository_can_set_its_cadence() -> None:
    """Bounds and cap come from the configuration."""
    assert converse(Cadence("x", 2, 2, 3), 20) == [2, 4, 6]
    assert converse(Cadence("x", 3, 5, 0), 20) == []


def test_an_error_is_always_answered() -> None:
    """Neither the cap nor a word just spoken keeps it from speaking on an error."""
    for counts in (Counts(), Counts(1, 9, 5), Counts(concluded=True)):
        failing = replace(
            STATE,
            counts=counts,
            error="the proof failed",
            evidence=Evidence(failures=(Failure("t.py::x", "boom"),)),
        )
        decision = human.decide(failing)
        assert kind_of(decision) == WordKind.ERROR_HANDLING
        assert decision.word
        assert "t.py::x: boom" in decision.word.text
        assert not decision.word.is_pause


def test_a_turn_that_ended_is_answered_whatever_the_cap() -> None:
    """A turn without `finish` gets a continuation, one that ends in a question an answer that quotes it."""
    ended = replace(STATE, ended_turn=True, counts=Counts(1, 9, 5))

    assert kind_of(human.decide(ended)) == WordKind.CONTINUATION
    asked = human.decide(replace(ended, claude_text="Should I keep `x`?"))
    assert kind_of(asked) == WordKind.ANSWER
    assert asked.word
    assert "Should I keep `x`?" in asked.word.text
    assert "keep half hours" in asked.word.text


def test_only_an_unasked_word_counts_as_a_pause() -> None:
    """Errors and ended turns do not use up the pauses."""
    entries = [SAID, spoken(WordKind.ERROR_HANDLING), SAID, spoken(WordKind.ENCOURAGEMENT), SAID, SAID]

    assert human.count(entries) == Counts(responses_since_word=2, words=2, pauses=1)


def test_any_word_starts_the_gap_anew() -> None:
    """After a word on an error it does not speak unasked at once."""
    entries = [SAID, SAID, SAID, spoken(WordKind.ERROR_HANDLING), SAID, SAID]

    assert kind_of(human.decide(replace(STATE, counts=human.count(entries)))) is None


@pytest.mark.parametrize("ended", [True, False])
def test_the_same_call_three_times_ends_in_a_word_to_conclude_once(ended: bool) -> None:
    """Repetition is named; when it goes on, the task is stuck instead of talking for ever."""
    entries = [SAID, CALLED, SAID, CALLED, SAID, CALLED]
    first = human.decide(replace(STATE, counts=human.count(entries), ended_turn=ended))
    assert kind_of(first) == WordKind.CONCLUDE
    assert first.word
    assert "bash {}" in first.word.text
    assert "finish" in first.word.text

    entries += [spoken(WordKind.CONCLUDE), SAID, CALLED, SAID, CALLED]
    assert human.decide(replace(STATE, counts=human.count(entries))) == Decision()
    entries += [SAID, CALLED]
    assert human.decide(replace(STATE, counts=human.count(entries))) == Decision(stuck=True)


def test_different_calls_are_no_repetition() -> None:
    """Running the tests after each edit is work, not a loop."""
    entries = [CALLED, Entry(InteractionType.TOOL_CALL, call="edit 1"), CALLED, CALLED]

    assert human.decide(replace(STATE, counts=human.count(entries))) == Decision()


def test_three_still_rounds_end_in_a_word_to_conclude_once() -> None:
    """Rounds without a change are counted; a further ended turn then means that the task is stuck."""
    still = replace(STATE, ended_turn=True, still_rounds=3)

    assert kind_of(human.decide(still)) == WordKind.CONCLUDE
    assert kind_of(human.decide(replace(still, still_rounds=2))) == WordKind.CONTINUATION
    assert human.decide(replace(still, still_rounds=1, counts=Counts(concluded=True))) == Decision(stuck=True)


def test_a_change_after_the_word_to_conclude_gives_another_chance() -> None:
    """Who moves again is not stuck."""
    moved = replace(STATE, ended_turn=True, counts=Counts(concluded=True), changed_since_conclude=True)

    assert kind_of(human.decide(moved)) == WordKind.CONTINUATION


def test_a_person_takes_its_place() -> None:
    """Where a real person's comment waits, the simulated human is silent, whatever happened."""
    waiting = replace(STATE, person_waiting=True, error="the proof failed", ended_turn=True, still_rounds=9)

    assert human.decide(waiting) == Decision()


def test_a_persons_word_sets_the_conversation_going_again() -> None:
    """After a person spoke, gap, repetition and the word to conclude start anew."""
    entries = [SAID, CALLED, CALLED, CALLED, spoken(WordKind.CONCLUDE), Entry(InteractionType.HUMAN), SAID]

    assert human.count(entries) == Counts(responses_since_word=1, words=1)
