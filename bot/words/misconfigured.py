"""Decide what is said about a configuration file that can't be used."""

from bot.words import markers, outgoing
from bot.words.facts import SessionFacts

FILE = ".github/journeyman.yml"


def comment(session: SessionFacts, op: str, complaint: str) -> str:
    """Return the comment that names the place and the problem, once per problem."""
    return outgoing.clear(
        f"{markers.marker('configuration', session.id, op)}\n"
        f"`{FILE}` can't be used as it is: {outgoing.phrase(complaint, session.secrets, 600)}\n"
        "I go on with the last configuration that was good (or the defaults). "
        "The next task reads the file again.",
        session.secrets,
        ours=True,
    )
