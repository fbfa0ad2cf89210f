"""The journal decides what is remembered of a request: who asked for what, and what the answer was."""

from dataclasses import dataclass, field
from typing import Any

UNSEEN = ("/access_tokens", "/git-upload-pack")
PUSH = "/git-receive-pack"


@dataclass(frozen=True)
class Entry:
    """One request with its answer.

    `injected` marks an answer that a switch made, `lost` one that never arrived. For a push, `request_body`
    lists the refs that moved: `{ref, before, after}`.
    """

    method: str
    path: str
    query: dict[str, str]
    actor: str
    status: int
    request_body: Any
    response_body: Any
    seconds: float
    headers: dict[str, str] = field(default_factory=dict)
    injected: bool = False
    lost: bool = False


class Journal:
    """Every request in the order in which it was answered."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def mutations(self) -> list[Entry]:
        """Return what changed things that people see: no token minted, no fetch, no refused push."""
        return [
            each
            for each in self.entries
            if each.method not in ("GET", "HEAD")
            and 200 <= each.status < 300
            and not each.path.endswith(UNSEEN)
            and (each.request_body or not each.path.endswith(PUSH))
        ]
