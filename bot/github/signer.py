"""Decide what the App shows GitHub to prove that it is itself: a short-lived signed JWT.

GitHub ("Generating a JSON Web Token for a GitHub App"): RS256, `iat` 60 seconds back against drift, `exp` at
most ten minutes ahead, `iss` the App's id.
"""

from collections.abc import Callable

import jwt
import structlog

from bot.errors import Blocked
from bot.github.answers import Answer

log = structlog.get_logger(__name__)

_BACKDATE = 60
_LIFE = 8 * 60  # from now; `exp` - `iat` stays at nine minutes
_RENEW = 6 * 60
_DRIFT = 30.0  # seconds of clock difference that are worth a correction
_CLAIMS = ("'iat'", "'exp'", "issued at", "expiration time")


class Signer:
    """The App's own credential, on GitHub's clock once GitHub has contradicted ours."""

    def __init__(self, app_id: str, private_key: str, clock: Callable[[], float]) -> None:
        self._app_id = app_id
        self._private_key = private_key
        self._clock = clock
        self._jwt = ""
        self._signed_at = float("-inf")
        self.skew = 0.0  # seconds that GitHub's clock is ahead of ours, as far as we had to know

    def sign(self) -> str:
        """Return a JWT with at least two minutes left; raises Blocked for a key that cannot sign."""
        age = self._clock() - self._signed_at
        if not 0 <= age < _RENEW:
            self._jwt = self._fresh()
            self._signed_at = self._clock()
        return self._jwt

    def _fresh(self) -> str:
        now = int(self._clock() + self.skew)
        claims = {"iat": now - _BACKDATE, "exp": now + _LIFE, "iss": self._app_id}
        try:
            return jwt.encode(claims, self._private_key, algorithm="RS256")
        except (jwt.PyJWTError, ValueError, TypeError) as fault:
            raise Blocked(f"PRIVATE_KEY cannot sign: it is not an RSA key in PEM form ({fault}).") from fault

    def learn(self, answer: Answer) -> bool:
        """Correct our clock after a 401 by the answer's Date; return whether a retry makes sense."""
        theirs = answer.moment
        if theirs is None:
            return False
        skew = theirs - self._clock()
        words = answer.message.lower()
        if abs(skew - self.skew) < _DRIFT and not any(claim in words for claim in _CLAIMS):
            return False
        log.warning("github.clock_differs", seconds=round(skew))
        self.skew = skew
        self._signed_at = float("-inf")
        return True
