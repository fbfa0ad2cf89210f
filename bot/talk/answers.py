"""Put together what a person hears of everything that one comment or review said."""

from bot.engine.dispatch import Outcome
from bot.github.reactions import DENIED, DONE, SEEN, UNCLEAR
from bot.talk import verbs
from bot.talk.commands import Misread
from bot.talk.thread import Said
from storage.models import Request


def misread(command: Misread) -> Said:
    """Return what is said of a line that was meant as a command and is none."""
    facts = {
        "unknown": command.unknown, "suggestion": command.suggestion,
        "allowed": list(command.allowed), "word": command.word,
    }  # fmt: skip
    return Said(f"not understood: {command.unknown[:50]}", UNCLEAR, f"unknown_{command.kind}", facts)


def answer(
    request: Request,
    said: list[tuple[str, Said]],
    left_out: int = 0,
    *,
    seen: bool = True,
    outsider: bool = False,
) -> Outcome:
    """Return the outcome of everything that was said, with one reaction and one comment at most.

    `seen`: 👀 is there already. An `outsider`, who may not even guide the work, hears us once in a thread.
    """
    parts = [{"say": one.say, "line": line, **one.facts} for line, one in said if one.say]
    if left_out:
        parts.append({"say": "too_many", "line": "", "left_out": left_out})
    reactions_ = [one.reaction for _, one in said]
    reaction = next((worst for worst in (DENIED, UNCLEAR) if worst in reactions_), None)
    if reaction is None and None not in reactions_:
        reaction = DONE
    if reaction is None and not seen:
        reaction = SEEN
    told = {
        "reaction": reaction,
        "subject": verbs.subject_of(request),
        "parts": parts,
        "op": f"re-{request.text.get('first_heard', request.id)}",
        "refresh": next((one.refresh for _, one in said if one.refresh), None),
        "number": request.issue_number,
        "outsider": outsider,
    }
    return Outcome("; ".join(one.outcome for _, one in said), told)
