"""What each error means, and how long to wait."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.claude import failures
from bot.claude.ask import Question
from bot.errors import JourneymanError
from demo.claude.script import Fault, Turn
from tests import claude_desk
from tests.claude_desk import MODEL, Open


@given(st.integers(0, 200), st.floats(0, 1), st.none() | st.floats(0, 3600))
def test_the_backoff_grows_within_bounds(attempt: int, jitter: float, asked: float | None) -> None:
    """A wait is at least what the API asked for, else between half a second and a minute, and repeatable."""
    wait = failures.backoff(attempt, asked, jitter)
    assert wait == failures.backoff(attempt, asked, jitter)
    assert 0.5 <= wait <= max(60.0, (asked or 0) + 1)
    assert wait >= (asked or 0)
    assert failures.backoff(attempt + 1, asked, jitter) >= wait


def test_retry_after_is_read_in_each_of_its_forms() -> None:
    """Milliseconds come first, then seconds, then a date; nonsense is nothing; an hour is the most."""
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    assert failures.retry_after({"retry-after-ms": "1500", "retry-after": "9"}) == 1.5
    assert failures.retry_after({"retry-after": "9"}) == 9
    assert failures.retry_after({"retry-after": soon}) == pytest.approx(90, abs=2)
    assert failures.retry_after({"retry-after": "-5"}) == 0
    assert failures.retry_after({"retry-after": "4294967"}) == 3600
    assert failures.retry_after({"retry-after": "soon"}) is None
    assert failures.retry_after({}) is None


@pytest.fixture
async def standing() -> AsyncIterator[Open]:
    async with claude_desk.pairs() as open_pair:
        yield open_pair


ERRORS: dict[str, tuple[Fault, type[JourneymanError], float | None]] = {
    "overloaded": (Fault("overloaded", retry_after=3), failures.Overloaded, 3),
    "rate limit": (Fault("rate_limited", retry_after=30), failures.Overloaded, 30),
    "absurd wait": (Fault("rate_limited", retry_after=1e7), failures.Overloaded, 3600),
    "ramp": (Fault("rate_limited", retry_after=4, error_code="ramp_limit_exceeded"), failures.Overloaded, 4),
    "spend": (Fault("rate_limited", error_code="enforced_spend_limit_reached"), failures.Billing, None),
    "contract": (Fault("rate_limited", error_code="contract_spend_limit_reached"), failures.Billing, None),
    "own limit": (
        Fault(
            "error",
            status=400,
            message="You have reached your specified API usage limits. You will regain access",
        ),
        failures.Billing,
        None,
    ),
    "credit": (Fault("error", status=400, message="Your credit balance is too low"), failures.Billing, None),
    "billing": (Fault("error", status=402), failures.Billing, None),
    "forbidden": (Fault("error", status=403), failures.Credentials, None),
    "no model": (Fault("error", status=404, message="model: x"), failures.UnknownModel, None),
    "time-out": (Fault("error", status=408), failures.Unavailable, None),
    "conflict": (Fault("error", status=409), failures.Unavailable, None),
    "too large": (Fault("error", status=413), failures.PromptTooLong, None),
    "too long": (
        Fault("error", status=400, message="prompt is too long: 2 tokens > 1 maximum"),
        failures.PromptTooLong,
        None,
    ),
    "ours": (Fault("error", status=400, message="tools.0: no"), failures.Rejected, None),
    "unprocessable": (Fault("error", status=422, message="no"), failures.Rejected, None),
    "broken": (Fault("error", status=500), failures.Unavailable, None),
    "gateway": (Fault("error", status=504), failures.Unavailable, None),
}


@pytest.mark.parametrize(("fault", "kind", "wait"), ERRORS.values(), ids=ERRORS)
async def test_each_error_has_its_meaning(
    standing: Open, fault: Fault, kind: type[JourneymanError], wait: float | None
) -> None:
    """One try is made, and the error answer becomes the failure of its kind, with the request id."""
    running, claude = await standing(Turn("x", faults=[fault]))
    with pytest.raises(JourneymanError) as caught:
        await claude.ask(Question(MODEL, [{"role": "user", "content": "hi"}], 1000))
    assert type(caught.value) is kind
    assert getattr(caught.value, "retry_after", None) == wait
    assert running.journal[0].request_id in str(caught.value)
    assert len(running.journal) == 1
