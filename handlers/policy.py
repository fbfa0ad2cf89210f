"""Say what may start work, as far as a handler can know it."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Policy:
    """The label that starts work: a repository's own where its configuration names one, else everyone's."""

    label: str
    labels: Mapping[int, str] = field(default_factory=dict)

    def starts(self, repository_id: int, label: str) -> bool:
        """Whether the label is the one; GitHub's labels know no upper and lower case."""
        return label.casefold() == self.labels.get(repository_id, self.label).casefold()
