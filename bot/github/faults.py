"""Name what can go wrong between us and GitHub, and say who can mend it."""

from bot.errors import Blocked, WorldFault


class RateLimited(WorldFault):
    """GitHub, or our own content limits, ask for a pause of `retry_after` seconds; nothing was sent."""


class Unavailable(WorldFault):
    """GitHub did not answer, or not usably, after every retry; nothing is known to have changed."""


class Uncertain(WorldFault):
    """A request that makes something was sent and its answer was lost: look before sending it again."""


class Refused(Blocked):
    """GitHub understood and said no; `status`, `message` and `errors` are its own words."""

    def __init__(
        self, text: str, *, status: int = 0, message: str = "", errors: tuple[str, ...] = ()
    ) -> None:
        super().__init__(text)
        self.status = status
        self.message = message
        self.errors = errors


class BadCredentials(Refused):
    """GitHub knows neither the App's key nor a freshly minted token (401)."""


class Uninstalled(Refused):
    """The App is no longer installed there."""


class Suspended(Refused):
    """An owner suspended the installation; it can be resumed on GitHub."""


class MissingPermission(Refused):
    """The App lacks a permission, or an owner has not yet accepted it (403)."""


class Archived(Refused):
    """The repository is archived and read-only (403)."""


class Locked(Refused):
    """The conversation is locked (403)."""


class NotFound(Refused):
    """There is no such thing, or we may not see it (404)."""


class Gone(Refused):
    """It was deleted, or the feature is switched off (410)."""


class Withheld(Refused):
    """It is unavailable for legal reasons (451)."""


class Moved(Refused):
    """It lives elsewhere and may not be followed there (a redirect of a write, or to another host)."""


class Conflict(Refused):
    """It clashes with the present state (409)."""


class Invalid(Refused):
    """GitHub refuses the content (400, 413, 422); `errors` says which part."""
