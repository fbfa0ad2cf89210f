"""Say what may start work, as far as a handler can know it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Policy:
    """What holds where a repository's own configuration says nothing."""

    label: str
