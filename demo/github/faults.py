"""The faults decide how GitHub misbehaves: which answers fail or lag, which deliveries go astray."""

import re
from dataclasses import dataclass, field

from demo.github.user import Json


@dataclass(eq=False)
class Rule:
    """One switch: it takes effect on what `pattern` finds, `times` times, after `skip` matches went by."""

    pattern: re.Pattern[str]
    kind: str
    times: int
    skip: int = 0
    seconds: float = 0
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: Json | str | None = None

    def strikes(self, what: str) -> bool:
        """Decide whether the rule applies to this request or delivery, and count it down."""
        if not self.times or not self.pattern.search(what):
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.times -= 1
        return True


class Faults:
    """Switches for one world; routes are matched as `METHOD /path`, deliveries as `event.action`.

    `page_size` caps every page. `clock_offset` shifts GitHub's clock, in seconds. Regular expressions are
    searched, so `"POST .*/comments$"` means the creation of any comment.
    """

    def __init__(self) -> None:
        self.page_size: int | None = None
        self.clock_offset: float = 0
        self.answers: list[Rule] = []
        self.deliveries: list[Rule] = []
        self.hold = 0

    def _answer(self, rule: Rule) -> None:
        self.answers.append(rule)

    def fail(
        self,
        route: str,
        times: int = 1,
        status: int = 502,
        headers: dict[str, str] | None = None,
        body: Json | str | None = None,
        *,
        skip: int = 0,
    ) -> None:
        """Answer with an error in place of doing the work."""
        self._answer(
            Rule(re.compile(route), "fail", times, skip, status=status, headers=headers or {}, body=body)
        )

    def secondary_limit(
        self, route: str = "", times: int = 1, retry_after: int | None = 60, status: int = 403
    ) -> None:
        """Answer with GitHub's secondary rate limit; without `retry_after` the header is left out."""
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        message = (
            "You have exceeded a secondary rate limit. Please wait a few minutes before you try again. "
            "If you reach out to GitHub Support for help, please include the request ID."
        )
        self.fail(
            route,
            times,
            status,
            headers,
            {"message": message, "documentation_url": "https://docs.github.com"},
        )

    def primary_limit(self, resets_at: int, route: str = "", times: int = 1) -> None:
        """Answer that the hour's requests are used up until `resets_at` (epoch seconds)."""
        headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(resets_at)}
        message = "API rate limit exceeded for installation."
        self.fail(
            route, times, 403, headers, {"message": message, "documentation_url": "https://docs.github.com"}
        )

    def apply_then_lose(self, route: str, times: int = 1, *, skip: int = 0) -> None:
        """Do the work, then close the connection without an answer."""
        self._answer(Rule(re.compile(route), "lose", times, skip))

    def slow(self, route: str, seconds: float, times: int = 1) -> None:
        """Wait before the work is done."""
        self._answer(Rule(re.compile(route), "slow", times, seconds=seconds))

    def stale_reads(self, seconds: float, route: str = "GET ", times: int = 1_000_000) -> None:
        """Hide objects younger than `seconds` from reads, as a replica that lags does."""
        self._answer(Rule(re.compile(route), "stale", times, seconds=seconds))

    def drop(self, matching: str = "", times: int = 1, *, nth: int = 1) -> None:
        """Lose deliveries: the nth that matches and those after it, `times` in all."""
        self.deliveries.append(Rule(re.compile(matching), "drop", times, nth - 1))

    def delay(self, matching: str, seconds: float, times: int = 1) -> None:
        """Hold deliveries back, with all those behind them."""
        self.deliveries.append(Rule(re.compile(matching), "delay", times, seconds=seconds))

    def duplicate(self, matching: str = "", times: int = 1, *, new_guid: bool = False) -> None:
        """Deliver twice, with the same delivery id or (as two hooks do) with another."""
        self.deliveries.append(Rule(re.compile(matching), "twin" if new_guid else "duplicate", times))

    def reorder(self, count: int = 2) -> None:
        """Wait until there are `count` deliveries, then deliver them in reverse order."""
        self.hold = count

    def calm(self) -> None:
        """Turn every switch off."""
        self.page_size, self.clock_offset, self.hold = None, 0, 0
        self.answers.clear()
        self.deliveries.clear()

    def answer_to(self, what: str) -> dict[str, Rule]:
        """Return the rules that strike this request, by kind."""
        return self._striking(self.answers, what)

    def delivery_of(self, what: str) -> dict[str, Rule]:
        """Return the rules that strike this delivery, by kind."""
        return self._striking(self.deliveries, what)

    @staticmethod
    def _striking(rules: list[Rule], what: str) -> dict[str, Rule]:
        found: dict[str, Rule] = {}
        for rule in rules:
            if rule.kind not in found and rule.strikes(what):
                found[rule.kind] = rule
        rules[:] = [rule for rule in rules if rule.times]
        return found
