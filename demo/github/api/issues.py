"""The issue operations decide how threads are listed, read, opened and changed."""

from demo.github import issue
from demo.github.call import Answer, Call, Refusal, Route, invalid
from demo.github.issue import Issue
from demo.github.user import Json


def _json(call: Call, thread: Issue) -> Json:
    return issue.shape(call.world.url, thread)


def _wanted(call: Call, thread: Issue) -> bool:
    state = call.query("state", "open")
    labels = [each for each in call.query("labels").split(",") if each]
    creator, assignee = call.query("creator").lower(), call.query("assignee").lower()
    logins = [each.login.lower() for each in thread.assignees]
    return (
        not thread.deleted
        and state in ("all", thread.state)
        and all(thread.label(each) for each in labels)
        and thread.updated_at >= call.query("since")
        and creator in ("", thread.user.login.lower())
        and (assignee in ("", "*") or assignee in logins or (assignee == "none" and not logins))
    )


async def list_issues(call: Call) -> Answer:
    """GET /repos/{owner}/{repo}/issues: pull requests too, newest first."""
    found = [each for each in call.world.issues[call.repo.id].values() if _wanted(call, each)]
    by = {"updated": "updated_at", "comments": "comments"}.get(call.query("sort"), "number")
    found.sort(
        key=lambda each: (len(each.comments) if by == "comments" else getattr(each, by), each.number),
        reverse=call.query("direction", "desc") == "desc",
    )
    return call.page(found, lambda each: _json(call, each))


async def read_issue(call: Call) -> Answer:
    """GET /repos/{owner}/{repo}/issues/{issue_number}."""
    return Answer(_json(call, call.issue()))


async def create_issue(call: Call) -> Answer:
    """POST /repos/{owner}/{repo}/issues."""
    title, body = call.text("Issue", "title", 256), call.limited("Issue", "body")
    labels = tuple(each["name"] if isinstance(each, dict) else each for each in call.body.get("labels") or ())
    thread = await call.world.open_issue(call.repo, call.me, title, body, labels)
    for login in call.body.get("assignees") or ():
        await call.world.assign(thread, login, call.me)
    url = _json(call, thread)["url"]
    return Answer(_json(call, thread), 201, {"Location": url})


async def change_issue(call: Call) -> Answer:
    """PATCH /repos/{owner}/{repo}/issues/{issue_number}."""
    thread, world = call.issue(), call.world
    if "title" in call.body:
        call.text("Issue", "title", 256)
    title, body, state = (call.limited("Issue", name) for name in ("title", "body", "state"))
    if state not in (None, "open", "closed"):
        raise invalid("Issue", "state", "invalid")
    await world.edit_issue(thread, call.me, title=title, body=body)
    if state == "closed":
        await world.close_issue(thread, call.me, call.body.get("state_reason") or "completed")
    elif state == "open":
        await world.reopen_issue(thread, call.me)
    if "labels" in call.body:
        names = [each["name"] if isinstance(each, dict) else each for each in call.body["labels"]]
        for gone in [each.name for each in thread.labels if each.name not in names]:
            await world.unlabel(thread, gone, call.me)
        for name in names:
            await world.label(thread, name, call.me)
    return Answer(_json(call, thread))


async def add_assignees(call: Call) -> Answer:
    """POST /repos/{owner}/{repo}/issues/{issue_number}/assignees: who has no role here is left out."""
    thread = call.issue()
    for login in call.body.get("assignees") or ():
        someone = call.world.users.get(login.lower())
        if someone and (someone is call.repo.owner or someone.id in call.repo.roles):
            await call.world.assign(thread, someone, call.me)
    return Answer(_json(call, thread), 201)


async def remove_assignees(call: Call) -> Answer:
    """DELETE /repos/{owner}/{repo}/issues/{issue_number}/assignees."""
    thread = call.issue()
    for login in call.body.get("assignees") or ():
        await call.world.assign(thread, login, call.me, remove=True)
    return Answer(_json(call, thread))


async def lock(call: Call) -> Answer:
    """PUT /repos/{owner}/{repo}/issues/{issue_number}/lock."""
    reason = call.body.get("lock_reason")
    if reason not in (None, "off-topic", "too heated", "resolved", "spam"):
        raise Refusal(422, "Validation Failed")
    await call.world.lock_issue(call.issue(), call.me, reason)
    return Answer(status=204)


async def unlock(call: Call) -> Answer:
    """DELETE /repos/{owner}/{repo}/issues/{issue_number}/lock."""
    await call.world.unlock_issue(call.issue(), call.me)
    return Answer(status=204)


LIST = "/repos/{owner}/{repo}/issues"
ONE = LIST + "/{number}"
ROUTES = [
    Route("GET", LIST, list_issues, "issues:read"),
    Route("POST", LIST, create_issue, "issues:write"),
    Route("GET", ONE, read_issue, "issues:read"),
    Route("PATCH", ONE, change_issue, "issues:write"),
    Route("POST", f"{ONE}/assignees", add_assignees, "issues:write"),
    Route("DELETE", f"{ONE}/assignees", remove_assignees, "issues:write"),
    Route("PUT", f"{ONE}/lock", lock, "issues:write"),
    Route("DELETE", f"{ONE}/lock", unlock, "issues:write"),
]
