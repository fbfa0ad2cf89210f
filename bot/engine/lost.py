"""Shape the event that GitHub would have told us of, for the handlers to make of it what they always do."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gidgethub import sansio

from bot.github.sweep import Happened, Offered, Place, Said, Thread
from storage.words import RequestKind

# What GitHub shows in the place of an account that was deleted: https://github.com/ghost
GHOST = {"id": 10137, "login": "ghost", "type": "User"}


@dataclass(frozen=True)
class Lost:
    """One event of a thread, perhaps lost, and when it happened.

    `cause` is the Request's by our contract, whichever way we hear of it. A label or an issue's end has no
    such name in its webhook: of these `kind` is set, and it is their moment that tells whether we know them.
    `ever` says that the moment is not known either: then one such Request at any time is enough.
    """

    number: int
    moment: datetime
    cause: str
    event: sansio.Event
    kind: RequestKind | None = None
    ever: bool = False


class Scene:
    """The part that all events of one repository share."""

    def __init__(self, installation_id: int, place: Place) -> None:
        self._id = place.id
        self._shared = {"repository": place.told, "installation": {"id": installation_id}}

    def labeled(self, thread: Thread, label: str, last: Happened | None) -> Lost:
        """Say that an issue got the trigger label; without its history, its author stands for who did it."""
        moment = thread.updated_at if last is None else last.at
        name = f"swept:run:{self._id}:{thread.number}:{moment.isoformat() if last is None else last.id}"
        sender = last.actor if last is not None else thread.told.get("user")
        event = self._event(name, "issues", "labeled", sender, issue=thread.told, label={"name": label})
        return Lost(thread.number, moment, name, event, RequestKind.RUN, ever=last is None)

    def stopped(
        self,
        number: int,
        thread: Thread,
        action: str,
        moment: datetime,
        sender: Mapping[str, Any] | None,
        label: str,
    ) -> Lost:
        """Say that an issue was closed, lost its label, or left the repository: `action` is the webhook's.

        `number` is the issue's in this repository, which it may have left.
        """
        name = f"swept:stop:{self._id}:{number}:{thread.updated_at.isoformat()}"
        issue = {**thread.told, "number": number}
        event = self._event(name, "issues", action, sender, issue=issue, label={"name": label})
        return Lost(number, moment, name, event, RequestKind.STOP)

    def deleted(self, number: int, moment: datetime) -> Lost:
        """Say that an issue is gone; nobody tells what was in it."""
        name = f"swept:stop:{self._id}:{number}:deleted"
        issue = {"number": number, "title": "", "body": None, "user": None, "state": "closed"}
        event = self._event(name, "issues", "deleted", None, issue=issue)
        return Lost(number, moment, name, event, RequestKind.STOP)

    def comment_cause(self, said: Said) -> str:
        """Return the name of a comment's Request."""
        return f"comment:{self._id}:{said.id}"

    def commented(self, said: Said, thread: Thread) -> Lost:
        """Say that someone wrote a comment."""
        name = self.comment_cause(said)
        event = self._event(
            name, "issue_comment", "created", said.author, issue=thread.told, comment=said.told
        )
        return Lost(said.number, said.at, name, event)

    def review_cause(self, said: Said) -> str:
        """Return the name of a review's Request."""
        return f"review:{self._id}:{said.id}"

    def reviewed(self, said: Said, pull: Offered) -> Lost:
        """Say that someone submitted a review; webhooks word its state in lower case, the API does not."""
        name = self.review_cause(said)
        review = {**said.told, "state": str(said.told.get("state") or "").lower()}
        event = self._event(
            name, "pull_request_review", "submitted", said.author, review=review, pull_request=pull.told
        )
        return Lost(pull.number, said.at, name, event)

    def pull_cause(self, pull: Offered) -> str:
        """Return the name of the Request about a pull request's end."""
        return f"pull_closed:{self._id}:{pull.number}:{pull.told.get('closed_at')}"

    def pull_closed(self, pull: Offered, moment: datetime, sender: Mapping[str, Any] | None) -> Lost:
        """Say that a pull request was closed, merged or not."""
        name = self.pull_cause(pull)
        event = self._event(
            name, "pull_request", "closed", sender, number=pull.number, pull_request=pull.told
        )
        return Lost(pull.number, moment, name, event)

    def pull_reopened(self, pull: Offered, held_since: datetime) -> Lost:
        """Say that a pull request is open again, which we hold for closed since that moment of our own.

        Its reopening may have been heard of before its closing was, so that its name is not the webhook's.
        """
        name = f"swept:reopened:{self._id}:{pull.number}:{held_since.isoformat()}"
        told = {key: value for key, value in pull.told.items() if key != "updated_at"}
        event = self._event(name, "pull_request", "reopened", None, number=pull.number, pull_request=told)
        return Lost(pull.number, held_since, name, event)

    def _event(
        self, name: str, event: str, action: str, sender: Mapping[str, Any] | None, **parts: Any
    ) -> sansio.Event:
        # The name stands for the delivery's: a handler that falls back on it then names one happening still.
        data = {"action": action, **parts, **self._shared, "sender": sender or GHOST}
        return sansio.Event(data, event=event, delivery_id=name)
