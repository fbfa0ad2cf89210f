"""The reaction operations decide how reactions are listed, given and taken back."""

from demo.github import issue
from demo.github.call import Answer, Call, Refusal, Route, invalid
from demo.github.issue import REACTIONS, Reaction


def _list(call: Call) -> list[Reaction]:
    """Return the reactions of whatever the path names: a thread, a comment, or a remark on a difference."""
    if "number" in call.request.match_info:
        return call.issue().reactions
    wanted = call.number("comment_id")
    on_line = "/pulls/" in call.path
    found = (call.world.review_comments if on_line else call.world.comments).get(wanted)
    if found is None or found.issue.repository is not call.repo:
        raise Refusal(404, "Not Found")
    return found.reactions


async def list_reactions(call: Call) -> Answer:
    """GET …/reactions."""
    wanted = call.query("content")
    found = [each for each in _list(call) if wanted in ("", each.content)]
    return call.page(found, lambda each: issue.reaction_shape(call.world.url, each))


async def create(call: Call) -> Answer:
    """POST …/reactions: 201, or 200 when it was there already."""
    reactions, content = _list(call), call.body.get("content")
    if content not in REACTIONS:
        raise invalid("Reaction", "content", "invalid")
    made, new = await call.world.react(reactions, call.me, content)
    return Answer(issue.reaction_shape(call.world.url, made), 201 if new else 200)


async def remove(call: Call) -> Answer:
    """DELETE …/reactions/{reaction_id}: one's own only."""
    reactions, wanted = _list(call), call.number("reaction_id")
    found = next((each for each in reactions if each.id == wanted), None)
    if found is None:
        raise Refusal(404, "Not Found")
    if found.user is not call.me:
        raise Refusal(403, "Resource not accessible by integration")
    reactions.remove(found)
    return Answer(status=204)


def _routes(place: str, permission: str) -> list[Route]:
    path = f"/repos/{{owner}}/{{repo}}/{place}/reactions"
    return [
        Route("GET", path, list_reactions, f"{permission}:read"),
        Route("POST", path, create, f"{permission}:write"),
        Route("DELETE", f"{path}/{{reaction_id}}", remove, f"{permission}:write"),
    ]


ROUTES = [
    *_routes("issues/comments/{comment_id}", "issues"),
    *_routes("pulls/comments/{comment_id}", "pull_requests"),
    *_routes("issues/{number}", "issues"),
]
