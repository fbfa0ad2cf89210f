"""Turn what becomes of repositories into Requests: names, owners, and whether we may still act there."""

from gidgethub import routing, sansio

from handlers import asking, payload
from handlers.policy import Policy
from storage.requests import Ask
from storage.words import RequestKind

router = routing.Router()


@router.register("repository", action="renamed")
@router.register("repository", action="transferred")
@router.register("repository", action="archived")
@router.register("repository", action="unarchived")
@router.register("repository", action="deleted")
@router.register("repository", action="privatized")
@router.register("repository", action="publicized")
async def changed(event: sansio.Event, _policy: Policy, asks: list[Ask]) -> None:
    """Pass on what became of a repository; after a change of its name, with the full one that it had."""
    old = _old_name(event)
    text = {} if old is None else {"old_name": old}
    asking.put(asks, event, RequestKind.REPOSITORY, asking.delivery(event), text=text)


@router.register("installation_repositories", action="added")
@router.register("installation_repositories", action="removed")
async def moved(event: sansio.Event, _policy: Policy, asks: list[Ask]) -> None:
    """Pass on which repositories an installation reaches from now on, or no longer."""
    for repository in payload.parts(event.data, f"repositories_{event.data['action']}"):
        id_, name = payload.number(repository, "id"), payload.name(repository, "full_name")
        place = payload.Place(payload.installation_id(event.data), id_, name)
        asking.put(asks, event, RequestKind.REPOSITORY, asking.delivery(event, id_), place=place)


def _old_name(event: sansio.Event) -> str | None:
    """Return the full name from before a rename or a transfer, None where the payload tells of neither."""
    owner, _, repo = payload.name(event.data, "repository.full_name").partition("/")
    was = payload.text_or_none(event.data, "changes.repository.name.from", payload.MOST_NAME)
    if was is not None:
        return f"{owner}/{was}"
    for kind in ("user", "organization"):
        path = f"changes.owner.from.{kind}.login"
        if (login := payload.text_or_none(event.data, path, payload.MOST_NAME)) is not None:
            return f"{login}/{repo}"
    return None
