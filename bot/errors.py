"""Name the three kinds of failure: the user's, the world's, and (everything else) ours."""


class JourneymanError(Exception):
    """Any failure that Journeyman foresees; its text is one sentence for a person."""


class UserFault(JourneymanError):
    """Someone must change something; the text names the input and the fix."""


class UsageFault(UserFault):
    """A command was called wrongly, or with a wrong setting: it ends with exit code 2."""


class Blocked(UserFault):
    """The task cannot go on as things are; it ends FAILED with reason `blocked`."""


class Refused(JourneymanError):
    """Someone whose words the work rests on lacks the role for it; it ends FAILED with reason `refused`.

    `key` is the one below `allow` in the repository's configuration that asks for the role: run or steer.
    """

    def __init__(self, login: str, user_id: int | None, *, key: str, needs: str, has: str) -> None:
        what = "guide the work" if key == "steer" else "start work"
        super().__init__(f"@{login} needs the {needs} role to {what} here, and has {has}")
        self.facts = {"login": login, "id": user_id, "key": key, "needs": needs, "has": has}


class WorldFault(JourneymanError):
    """Something outside failed and may work later; `retry_after` is in seconds."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TooEarly(WorldFault):
    """What has to come first was not heard yet; what comes in the meantime need not wait for this."""
