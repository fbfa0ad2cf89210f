"""Name the three kinds of failure: the user's, the world's, and (everything else) ours."""


class JourneymanError(Exception):
    """Any failure that Journeyman foresees; its text is one sentence for a person."""


class UserFault(JourneymanError):
    """Someone must change something; the text names the input and the fix."""


class Blocked(UserFault):
    """The task cannot go on as things are; it ends FAILED with reason `blocked`."""


class WorldFault(JourneymanError):
    """Something outside failed and may work later; `retry_after` is in seconds."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
