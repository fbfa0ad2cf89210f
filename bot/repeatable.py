"""Know what a step is at that may as well be done again: when the process stops, nobody need wait for it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Mark:
    """What the engine knows of one step in flight."""

    def __init__(self) -> None:
        self._parts = 0
        self._since = 0.0

    @property
    def seconds(self) -> float:
        """For how long it has been at something repeatable; 0 when it is at something else."""
        return time.monotonic() - self._since if self._parts else 0.0

    @contextmanager
    def part(self) -> Iterator[None]:
        """Be at something repeatable, alone or beside others."""
        if not self._parts:
            self._since = time.monotonic()
        self._parts += 1
        try:
            yield
        finally:
            self._parts -= 1


_MARK: ContextVar[Mark | None] = ContextVar("mark", default=None)


def begin(mark: Mark) -> None:
    """Let what this task does from now on, and what it starts, be noted in the mark of its step."""
    _MARK.set(mark)


def leave() -> None:
    """Let what this task does belong to no step: it goes on beside several."""
    _MARK.set(None)


@contextmanager
def part() -> Iterator[None]:
    """Do in here what is done again after a restart: a sandboxed command, a wait for the world."""
    mark = _MARK.get()
    if mark is None:
        yield
    else:
        with mark.part():
            yield
