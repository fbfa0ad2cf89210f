"""Say once that a thread has heard enough of us until a person speaks."""

from bot.words import markers, outgoing
from bot.words.redaction import Redactor


def comment(op: str, posts: int, secrets: Redactor) -> str:
    """Return the comment that says why nothing more comes."""
    return outgoing.clear(
        f"{markers.marker('quiet', 'none', op)}\n"
        f"I have written {posts} comments here without a word from a person, so I say nothing more until "
        "someone writes, except how a task ends. What goes on still shows in my status comment, and "
        "`/journeyman help` lists what I understand.",
        secrets,
        ours=True,
    )
