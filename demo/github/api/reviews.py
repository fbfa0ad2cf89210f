"""The review operations decide how reviews and comments on lines are read and written."""

from demo.github import review
from demo.github.call import Answer, Call, Refusal, Route, invalid
from demo.github.pull import Pull
from demo.github.review import Review, ReviewComment
from demo.github.user import Json


def _json(call: Call, each: Review) -> Json:
    return review.shape(call.world.url, each)


def _remark_json(call: Call, each: ReviewComment) -> Json:
    return review.comment_shape(call.world.url, each)


async def list_reviews(call: Call) -> Answer:
    """GET /repos/{owner}/{repo}/pulls/{pull_number}/reviews: oldest first."""
    return call.page(call.pull().reviews, lambda each: _json(call, each))


async def create(call: Call) -> Answer:
    """POST /repos/{owner}/{repo}/pulls/{pull_number}/reviews: submitted at once, never a draft."""
    made, event = call.pull(), call.body.get("event")
    if event not in review.VERDICTS:
        raise Refusal(
            422,
            "Unprocessable Entity",
            ["Variable $event of type PullRequestReviewEvent was provided invalid value"],
        )
    if event != "COMMENT" and made.issue.user is call.me:
        words = "approve" if event == "APPROVE" else "request changes on"
        raise Refusal(422, "Unprocessable Entity", [f"Can not {words} your own pull request"])
    remarks = tuple(_remark(each) for each in call.body.get("comments") or ())
    try:
        given = await call.world.review(
            made, call.me, event, call.limited("PullRequestReview", "body") or "", remarks
        )
    except ValueError as error:
        raise Refusal(422, "Unprocessable Entity", ["Path could not be resolved"]) from error
    return Answer(_json(call, given))


def _remark(given: Json) -> Json:
    known = ("path", "body", "line", "side", "start_line")
    return {key: given[key] for key in known if given.get(key) is not None}


def _review(call: Call) -> tuple[Pull, Review]:
    made, wanted = call.pull(), call.number("review_id")
    for each in made.reviews:
        if each.id == wanted:
            return made, each
    raise Refusal(404, "Not Found")


async def read(call: Call) -> Answer:
    """GET /repos/{owner}/{repo}/pulls/{pull_number}/reviews/{review_id}."""
    return Answer(_json(call, _review(call)[1]))


async def remarks_of_review(call: Call) -> Answer:
    """GET /repos/{owner}/{repo}/pulls/{pull_number}/reviews/{review_id}/comments."""
    made, given = _review(call)
    found = [each for each in made.comments if each.review == given.id]
    return call.page(found, lambda each: _remark_json(call, each))


async def list_remarks(call: Call) -> Answer:
    """GET /repos/{owner}/{repo}/pulls/{pull_number}/comments: oldest first."""
    found = [each for each in call.pull().comments if each.updated_at >= call.query("since")]
    return call.page(found, lambda each: _remark_json(call, each))


async def create_remark(call: Call) -> Answer:
    """POST /repos/{owner}/{repo}/pulls/{pull_number}/comments."""
    made = await call.fresh_pull()
    body, path = call.text("PullRequestReviewComment", "body"), call.text("PullRequestReviewComment", "path")
    facts = {key: call.body[key] for key in ("line", "side", "start_line", "commit_id") if call.body.get(key)}
    return await _added(call, made, path=path, body=body, **facts)


async def reply(call: Call) -> Answer:
    """POST /repos/{owner}/{repo}/pulls/{pull_number}/comments/{comment_id}/replies."""
    made, first = await call.fresh_pull(), call.world.review_comments.get(call.number("comment_id"))
    if first is None or first.issue is not made.issue:
        raise Refusal(404, "Not Found")
    body = call.text("PullRequestReviewComment", "body")
    top = first.reply_to or first.id
    return await _added(
        call,
        made,
        path=first.path,
        body=body,
        line=first.line,
        side=first.side,
        reply_to=top,
        review_id=first.review,
    )


async def _added(call: Call, made: Pull, **facts: object) -> Answer:
    try:
        remark = await call.world.add_remark(made, call.me, **facts)  # type: ignore[arg-type]
    except ValueError as error:
        raise invalid("PullRequestReviewComment", "path", "invalid") from error
    call.world.tell_remark(made, remark)
    shaped = _remark_json(call, remark)
    return Answer(shaped, 201, {"Location": shaped["url"]})


def _by_id(call: Call) -> ReviewComment:
    found = call.world.review_comments.get(call.number("comment_id"))
    if found is None or found.issue.repository is not call.repo:
        raise Refusal(404, "Not Found")
    return found


async def read_remark(call: Call) -> Answer:
    """GET /repos/{owner}/{repo}/pulls/comments/{comment_id}."""
    return Answer(_remark_json(call, _by_id(call)))


async def change_remark(call: Call) -> Answer:
    """PATCH /repos/{owner}/{repo}/pulls/comments/{comment_id}."""
    found = _by_id(call)
    found.body, found.updated_at = call.text("PullRequestReviewComment", "body"), call.world.stamp()
    return Answer(_remark_json(call, found))


PULL = "/repos/{owner}/{repo}/pulls/{number}"
ROUTES = [
    Route("GET", "/repos/{owner}/{repo}/pulls/comments/{comment_id}", read_remark, "pull_requests:read"),
    Route("PATCH", "/repos/{owner}/{repo}/pulls/comments/{comment_id}", change_remark, "pull_requests:write"),
    Route("GET", f"{PULL}/reviews", list_reviews, "pull_requests:read"),
    Route("POST", f"{PULL}/reviews", create, "pull_requests:write"),
    Route("GET", f"{PULL}/reviews/{{review_id}}", read, "pull_requests:read"),
    Route("GET", f"{PULL}/reviews/{{review_id}}/comments", remarks_of_review, "pull_requests:read"),
    Route("GET", f"{PULL}/comments", list_remarks, "pull_requests:read"),
    Route("POST", f"{PULL}/comments", create_remark, "pull_requests:write"),
    Route("POST", f"{PULL}/comments/{{comment_id}}/replies", reply, "pull_requests:write"),
]
