"""Turn what becomes of an installation into Requests; GitHub sends these events to every App unasked."""

from gidgethub import routing, sansio

from handlers import asking, payload
from handlers.policy import Policy
from storage.requests import Ask
from storage.words import RequestKind

router = routing.Router()

# Each takes two questions, of the 5,000 that GitHub answers an installation in an hour; the sweep reads the
# configurations of the others, a share at a time.
MOST_AT_ONCE = 100


@router.register("installation", action="created")
@router.register("installation", action="unsuspend")
async def came(event: sansio.Event, policy: Policy, asks: list[Ask]) -> None:
    """Pass on that we may act for an account, and have the configurations read that may be there already."""
    await changed(event, policy, asks)
    id_ = payload.number(event.data, "installation.id")
    for repository in payload.parts(event.data, "repositories")[:MOST_AT_ONCE]:
        known_as = asking.delivery(event, payload.number(repository, "id"))
        place = payload.Place(id_, payload.number(repository, "id"), payload.name(repository, "full_name"))
        asking.put(asks, event, RequestKind.CONFIGURED, known_as, place=place)


@router.register("installation", action="deleted")
@router.register("installation", action="suspend")
@router.register("installation", action="new_permissions_accepted")
async def changed(event: sansio.Event, _policy: Policy, asks: list[Ask]) -> None:
    """Pass on that an account gave us rights, took them away, or changed them."""
    place = payload.Place(payload.number(event.data, "installation.id"), None, "")
    asking.put(asks, event, RequestKind.INSTALLATION, asking.delivery(event), place=place)
