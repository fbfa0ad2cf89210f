"""Decide what a failed git command means: the world's fault, a person's, or ours."""

import re
from collections.abc import Sequence

from bot.errors import Blocked, WorldFault


class GitError(RuntimeError):
    """git failed in a way that the code did not foresee; the text never holds the authorization."""

    def __init__(self, arguments: Sequence[str], exit_code: int, stderr: str) -> None:
        super().__init__(
            f"git {arguments[0]} ended with {exit_code}: {stderr.strip()[-2000:] or 'no message'}"
        )
        self.exit_code = exit_code
        self.stderr = stderr


class TokenRefused(WorldFault):
    """The server did not accept the authorization; a fresh token may help."""


# What git says when a remote is at fault, in the order of belief; git writes these in English under LC_ALL=C.
REMOTE_FAULTS: tuple[tuple[str, type[WorldFault] | type[Blocked], str], ...] = (
    (
        r"authentication failed|could not read username|returned error: 401|terminal prompts",
        TokenRefused,
        "the git server refused the authorization for {url}",
    ),
    (
        r"returned error: 403|permission to .* denied|write access to repository not granted",
        Blocked,
        "git {command} is not allowed at {url}; check the App's `contents` permission ({last})",
    ),
    (r"does not appear to be a git repository", Blocked, "{url} is not a git repository"),  # only of a path
    (
        r"repository .* not found|returned error: (?:404|410|451)",
        Blocked,
        "there is no repository at {url}, or the App has no access to it any more",
    ),
    (
        r"returned error: 30[12378]|unable to update url base from redirection",
        Blocked,
        "the repository at {url} has moved; its new name is needed",
    ),
    (
        r"certificate (?:verif|problem)|ssl certificate|server certificate",
        Blocked,
        "the certificate of {url} is not trusted; set GIT_SSL_CAINFO ({last})",
    ),
    (
        (
            r"could(?: not|n't) (?:resolve|connect)|failed to connect|connection (?:refused|reset|timed out)"
            r"|timed? ?out|early eof|unexpected disconnect|hung up unexpectedly|rpc failed|unreachable"
            r"|empty reply|returned error: (?:5\d\d|429|408)|too slow|bytes/sec"
            r"|transfer closed|internal server error"
        ),
        WorldFault,
        "git {command} could not reach {url} ({last})",
    ),
)


def of(arguments: Sequence[str], exit_code: int, message: str, url: str | None) -> Exception:
    """Return the error for a git that ended with `exit_code`, saying `message`, about the remote `url`."""
    if re.search(r"no space left on device|disk quota exceeded", message, re.IGNORECASE):
        return WorldFault(f"there is no space left for git {arguments[0]}")
    if url is not None:
        last = message.strip().splitlines()[-1] if message.strip() else f"exit code {exit_code}"
        for pattern, kind, sentence in REMOTE_FAULTS:
            if re.search(pattern, message, re.IGNORECASE):
                return kind(sentence.format(command=arguments[0], url=url, last=last))
    return GitError(arguments, exit_code, message)
