"""The label operations decide how labels are made, given and taken away."""

from demo.github import repository
from demo.github.call import Answer, Call, Refusal, Route, invalid
from demo.github.issue import Issue
from demo.github.repository import Label
from demo.github.user import Json


def _json(call: Call, label: Label) -> Json:
    return repository.label_shape(call.world.url, call.repo, label)


def _names(call: Call) -> list[str]:
    given = call.body.get("labels") if call.body else None
    if given is None and isinstance(call.body, dict) and "name" in call.body:
        given = [call.body["name"]]
    if not isinstance(given, list):
        raise Refusal(422, 'Invalid request.\n\nNo subschema in "oneOf" matched.')
    return [each["name"] if isinstance(each, dict) else str(each) for each in given]


def _all(call: Call, thread: Issue) -> Answer:
    return Answer([_json(call, each) for each in thread.labels])


async def list_labels(call: Call) -> Answer:
    """GET /repos/{owner}/{repo}/labels."""
    return call.page(list(call.repo.labels.values()), lambda each: _json(call, each))


async def create_label(call: Call) -> Answer:
    """POST /repos/{owner}/{repo}/labels."""
    name = call.text("Label", "name", 50)
    if name.lower() in call.repo.labels:
        raise invalid("Label", "name", "already_exists")
    label = call.world.find_label(
        call.repo, name, call.body.get("color") or "ededed", call.body.get("description")
    )
    return Answer(_json(call, label), 201)


async def read_label(call: Call) -> Answer:
    """GET /repos/{owner}/{repo}/labels/{name}."""
    found = call.repo.labels.get(call.part("name").lower())
    if found is None:
        raise Refusal(404, "Not Found")
    return Answer(_json(call, found))


async def issue_labels(call: Call) -> Answer:
    """GET /repos/{owner}/{repo}/issues/{issue_number}/labels."""
    return call.page(call.issue().labels, lambda each: _json(call, each))


async def add_labels(call: Call) -> Answer:
    """POST /repos/{owner}/{repo}/issues/{issue_number}/labels."""
    thread = call.issue()
    for name in _names(call):
        await call.world.label(thread, name, call.me)
    return _all(call, thread)


async def set_labels(call: Call) -> Answer:
    """PUT /repos/{owner}/{repo}/issues/{issue_number}/labels."""
    thread, names = call.issue(), _names(call)
    for gone in [each.name for each in thread.labels if each.name not in names]:
        await call.world.unlabel(thread, gone, call.me)
    for name in names:
        await call.world.label(thread, name, call.me)
    return _all(call, thread)


async def clear_labels(call: Call) -> Answer:
    """DELETE /repos/{owner}/{repo}/issues/{issue_number}/labels."""
    thread = call.issue()
    for name in [each.name for each in thread.labels]:
        await call.world.unlabel(thread, name, call.me)
    return Answer(status=204)


async def remove_label(call: Call) -> Answer:
    """DELETE /repos/{owner}/{repo}/issues/{issue_number}/labels/{name}."""
    thread = call.issue()
    if thread.label(call.part("name")) is None:
        raise Refusal(404, "Label does not exist")
    await call.world.unlabel(thread, call.part("name"), call.me)
    return _all(call, thread)


OF_ISSUE = "/repos/{owner}/{repo}/issues/{number}/labels"
ROUTES = [
    Route("GET", "/repos/{owner}/{repo}/labels", list_labels, "issues:read"),
    Route("POST", "/repos/{owner}/{repo}/labels", create_label, "issues:write"),
    Route("GET", "/repos/{owner}/{repo}/labels/{name}", read_label, "issues:read"),
    Route("GET", OF_ISSUE, issue_labels, "issues:read"),
    Route("POST", OF_ISSUE, add_labels, "issues:write"),
    Route("PUT", OF_ISSUE, set_labels, "issues:write"),
    Route("DELETE", OF_ISSUE, clear_labels, "issues:write"),
    Route("DELETE", OF_ISSUE + "/{name}", remove_label, "issues:write"),
]
