"""What follows each stop reason."""

from typing import get_args

import pytest
from anthropic.types.beta import BetaStopReason

from bot.claude import stops
from bot.claude.stops import Kind


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("tool_use", Kind.RUN_TOOLS),
        ("end_turn", Kind.TURN_OVER),
        ("stop_sequence", Kind.TURN_OVER),
        ("max_tokens", Kind.CONTINUE),
        ("pause_turn", Kind.CONTINUE),
        ("refusal", Kind.REFUSED),
        ("model_context_window_exceeded", Kind.COMPACT),
        ("compaction", Kind.COMPACTED),
        (None, Kind.CUT),
        ("something_new", Kind.TURN_OVER),
    ],
)
def test_each_stop_reason_has_one_meaning(reason: str | None, kind: Kind) -> None:
    """The table answers every reason; an unknown one ends the round, none at all is a cut answer."""
    assert stops.meaning(reason).kind is kind


def test_the_table_knows_every_reason_of_the_sdk() -> None:
    """A reason that the SDK lists is in the table by name."""
    assert set(get_args(BetaStopReason)) <= set(stops.MEANINGS)


def test_only_a_cut_turn_needs_a_nudge() -> None:
    """A turn cut at the limit is told so; a paused one is resumed without a word."""
    assert stops.meaning("max_tokens").nudge
    assert not stops.meaning("pause_turn").nudge
