"""Turn what becomes of an installation into Requests; GitHub sends these events to every App unasked."""

from gidgethub import routing, sansio

from handlers import asking, payload
from handlers.policy import Policy
from storage.requests import Ask
from storage.words import RequestKind

router = routing.Router()


@router.register("installation", action="created")
@router.register("installation", action="deleted")
@router.register("installation", action="suspend")
@router.register("installation", action="unsuspend")
@router.register("installation", action="new_permissions_accepted")
async def changed(event: sansio.Event, _policy: Policy, asks: list[Ask]) -> None:
    """Pass on that an account gave us rights, took them away, or changed them."""
    place = payload.Place(payload.number(event.data, "installation.id"), None, "")
    asking.put(asks, event, RequestKind.INSTALLATION, asking.delivery(event), place=place)
