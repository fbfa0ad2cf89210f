"""The comment operations decide how comments are listed, read, written and removed."""

from demo.github import issue
from demo.github.call import Answer, Call, Refusal, Route
from demo.github.issue import Comment
from demo.github.user import Json

LONGEST = 65536


def _json(call: Call, comment: Comment) -> Json:
    return issue.comment_shape(call.world.url, comment)


def _body(call: Call) -> str:
    body = call.body.get("body")
    if not isinstance(body, str) or not body.strip():
        error = {
            "resource": "IssueComment",
            "code": "unprocessable",
            "field": "data",
            "message": "Body cannot be blank",
        }
        raise Refusal(422, "Validation Failed", [error])
    if len(body) > LONGEST:
        words = f"Body is too long (maximum is {LONGEST} characters)"
        error = {"resource": "IssueComment", "code": "unprocessable", "field": "data", "message": words}
        raise Refusal(422, "Validation Failed", [error])
    return body


def _comment(call: Call) -> Comment:
    found = call.world.comments.get(call.number("comment_id"))
    if found is None or found.issue.repository is not call.repo or found.issue.deleted:
        raise Refusal(404, "Not Found")
    return found


async def list_comments(call: Call) -> Answer:
    """GET /repos/{owner}/{repo}/issues/{issue_number}/comments: oldest first."""
    found = [each for each in call.issue().comments if each.updated_at >= call.query("since")]
    return call.page(found, lambda each: _json(call, each))


async def list_all(call: Call) -> Answer:
    """GET /repos/{owner}/{repo}/issues/comments."""
    found = [
        each
        for each in call.world.comments.values()
        if each.issue.repository is call.repo and each.updated_at >= call.query("since")
    ]
    by = "updated_at" if call.query("sort") == "updated" else "created_at"
    found.sort(key=lambda each: (getattr(each, by), each.id), reverse=call.query("direction") == "desc")
    return call.page(found, lambda each: _json(call, each))


async def create(call: Call) -> Answer:
    """POST /repos/{owner}/{repo}/issues/{issue_number}/comments."""
    thread, body = call.issue(), _body(call)
    if thread.locked:
        raise Refusal(403, "Unable to create comment because issue is locked.")
    made = await call.world.comment(thread, call.me, body)
    shaped = _json(call, made)
    return Answer(shaped, 201, {"Location": shaped["url"]})


async def read(call: Call) -> Answer:
    """GET /repos/{owner}/{repo}/issues/comments/{comment_id}."""
    return Answer(_json(call, _comment(call)))


async def change(call: Call) -> Answer:
    """PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}."""
    found, body = _comment(call), _body(call)
    await call.world.edit_comment(found, call.me, body)
    return Answer(_json(call, found))


async def remove(call: Call) -> Answer:
    """DELETE /repos/{owner}/{repo}/issues/comments/{comment_id}."""
    await call.world.delete_comment(_comment(call), call.me)
    return Answer(status=204)


ALL = "/repos/{owner}/{repo}/issues/comments"
ONE = ALL + "/{comment_id}"
OF_ISSUE = "/repos/{owner}/{repo}/issues/{number}/comments"
ROUTES = [
    Route("GET", ALL, list_all, "issues:read"),
    Route("GET", ONE, read, "issues:read"),
    Route("PATCH", ONE, change, "issues:write"),
    Route("DELETE", ONE, remove, "issues:write"),
    Route("GET", OF_ISSUE, list_comments, "issues:read"),
    Route("POST", OF_ISSUE, create, "issues:write"),
]
