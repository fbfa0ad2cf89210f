"""Find what became of our pull requests that we never heard of: reviews, their end, their reopening."""

from datetime import UTC, datetime

from bot.engine.look import OVERLAP, Look
from bot.engine.lost import Lost
from bot.github import sweep
from bot.github.sweep import Offered
from storage.watched import Offer

# Asked about in one look at a repository; with more of them, those that were not asked about for longest.
MOST = 50
_NEVER = datetime.min.replace(tzinfo=UTC)


async def lost(look: Look) -> list[Lost]:
    """Return what nobody told us of the pull requests that we hold for open, or for closed since lately."""
    found: list[Lost] = []
    asked, place = look.memory.asked, look.place.id
    due = sorted(look.offers, key=lambda each: asked.get((place, each.number), _NEVER))
    for each in due[:MOST]:
        asked[place, each.number] = look.now()
        found += await look.attempt(_open(look, each) if each.is_open else _closed(look, each))
    return found


async def _open(look: Look, ours: Offer) -> list[Lost]:
    """Find reviews, and the end."""
    pull = await sweep.pull(look.installation, look.repo, ours.number)
    said = await sweep.reviews(look.installation, look.repo, ours.number)
    _note(look, pull, *(each.id for each in said))
    since = ours.created_at - OVERLAP  # our clock, and GitHub's
    causes = {look.scene.review_cause(each): each for each in said if each.by_person and each.at >= since}
    found = [look.scene.reviewed(each, pull) for each in await look.memory.unheard(causes)]
    if pull.closed_at is not None and await look.memory.unheard({look.scene.pull_cause(pull): pull}):
        by = pull.told.get("merged_by")
        if by is None:
            by = (await sweep.thread(look.installation, look.repo, ours.number)).told.get("closed_by")
        found.append(look.scene.pull_closed(pull, pull.closed_at, by))
    return found


async def _closed(look: Look, ours: Offer) -> list[Lost]:
    """Find that it is open after all: its reopening got lost, or its closing came after that."""
    pull = await sweep.pull(look.installation, look.repo, ours.number)
    _note(look, pull)
    if not pull.is_open or ours.ended_at is None or look.is_young(ours.ended_at):
        return []
    return [look.scene.pull_reopened(pull, ours.ended_at)]


def _note(look: Look, pull: Offered, *reviews: int) -> None:
    look.note(f"pull {pull.number}", (pull.told.get("updated_at"), reviews))
