"""Turn what people write in a thread into Requests; what is in the words is found out later."""

from gidgethub import routing, sansio

from handlers import asking, payload
from handlers.policy import Policy
from storage.requests import Ask
from storage.words import RequestKind

router = routing.Router()


@router.register("issue_comment", action="created")
async def created(event: sansio.Event, _policy: Policy, asks: list[Ask]) -> None:
    """Pass on what a person wrote on an issue or a pull request, in the person's own name."""
    issue = payload.issue(event.data)
    comment = payload.part(event.data, "comment")
    number = payload.number(comment, "id")
    if not payload.is_authors_own(event.data, "comment.user"):
        return
    asking.put(
        asks,
        event,
        RequestKind.COMMENT,
        asking.cause(event, "comment", number),
        number=issue.number,
        text={
            "comment_id": number,
            "body": payload.text(comment, "body"),
            "is_pull": issue.is_pull,
            "title": issue.title,
            "issue_body": issue.body,
            "issue_author": issue.author,
            "state": issue.state,
            "created_at": payload.moment(comment, "created_at"),
            "thread_updated_at": issue.updated_at,
            "via_app": payload.number_or_none(comment, "performed_via_github_app.id"),
        },
    )


@router.register("issue_comment", action="edited")
async def edited(event: sansio.Event, _policy: Policy, asks: list[Ask]) -> None:
    """Note that a person changed what a person had written, whoever of the two it was."""
    issue = payload.issue(event.data)
    comment = payload.part(event.data, "comment")
    number = payload.number(comment, "id")
    author = payload.person(comment, "user")
    if author is None or not author.is_human or not payload.is_human(event.data):
        return
    known_as = asking.cause(event, "edited", number, payload.moment(comment, "updated_at"))
    asking.put(
        asks,
        event,
        RequestKind.EDITED,
        known_as,
        number=issue.number,
        text={"comment_id": number, "is_pull": issue.is_pull},
    )
