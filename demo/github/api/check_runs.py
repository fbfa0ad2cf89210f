"""The check run operations decide how reports on a commit are made, changed and read."""

from typing import Any

from demo.github.call import Answer, Call, Refusal, Route, invalid
from demo.github.check import CONCLUSIONS, Check
from demo.github.user import Json

LONGEST = 65535  # docs.github.com, like the 50 annotations and 3 actions below
STATUSES = ("queued", "in_progress", "completed")


def _facts(call: Call) -> Json:
    body = call.body
    facts: Json = {
        key: body[key]
        for key in (
            "name",
            "status",
            "conclusion",
            "external_id",
            "details_url",
            "started_at",
            "completed_at",
            "actions",
        )
        if body.get(key) is not None
    }
    output: dict[str, Any] = body.get("output") or {}
    facts |= {
        key: output[key] for key in ("title", "summary", "text", "annotations") if output.get(key) is not None
    }
    _hold(facts, has_output="output" in body)
    return facts


def _hold(facts: Json, *, has_output: bool) -> None:
    if facts.get("status", "queued") not in STATUSES:
        raise invalid("CheckRun", "status", "invalid")
    if facts.get("conclusion", "success") not in CONCLUSIONS:
        raise invalid("CheckRun", "conclusion", "invalid")
    if facts.get("status") == "completed" and "conclusion" not in facts:
        raise Refusal(422, 'Invalid request.\n\n"conclusion" wasn\'t supplied.')
    if has_output and "summary" not in facts:
        raise Refusal(422, 'Invalid request.\n\n"summary" wasn\'t supplied.')
    for name in ("summary", "text"):
        if len(facts.get(name, "").encode()) > LONGEST:
            raise Refusal(
                422, f"Invalid request.\n\nOnly {LONGEST} characters are allowed; {name} is longer."
            )
    if len(facts.get("annotations", ())) > 50:
        raise Refusal(422, "Invalid request.\n\nNo more than 50 items are allowed in annotations.")
    actions = facts.get("actions", ())
    if len(actions) > 3:
        raise Refusal(422, "Invalid request.\n\nNo more than 3 items are allowed in actions.")
    for each in actions:
        if len(each["label"]) > 20 or len(each["description"]) > 40 or len(each["identifier"]) > 20:
            raise Refusal(422, "Invalid request.\n\nAn action's text is too long.")


def _check(call: Call) -> Check:
    found = call.world.checks.get(call.number("check_run_id"))
    if found is None or found.repository is not call.repo:
        raise Refusal(404, "Not Found")
    return found


async def create(call: Call) -> Answer:
    """POST /repos/{owner}/{repo}/check-runs: emits `created`, and `completed` when it is."""
    name, sha = call.text("CheckRun", "name"), call.text("CheckRun", "head_sha")
    facts = _facts(call)
    if await call.repo.git.resolve(sha) != sha:
        raise Refusal(422, f"No commit found for SHA: {sha}")
    facts.pop("name")
    made = call.world.new_check(call.repo, name, sha, **facts)
    call.world.tell_check(made, "created", call.me)
    if made.status == "completed":
        call.world.tell_check(made, "completed", call.me)
    return Answer(call.world.check_json(made), 201)


async def change(call: Call) -> Answer:
    """PATCH /repos/{owner}/{repo}/check-runs/{check_run_id}: emits `completed` when it becomes so."""
    made, facts = _check(call), _facts(call)
    was = made.status
    call.world.change_check(made, facts)
    if made.status == "completed" and was != "completed":
        call.world.tell_check(made, "completed", call.me)
    return Answer(call.world.check_json(made))


async def read(call: Call) -> Answer:
    """GET /repos/{owner}/{repo}/check-runs/{check_run_id}."""
    return Answer(call.world.check_json(_check(call)))


async def of_commit(call: Call) -> Answer:
    """GET /repos/{owner}/{repo}/commits/{ref}/check-runs: newest of each name, or `filter=all`."""
    sha = await call.repo.git.resolve(call.part("ref"))
    if sha is None:
        raise Refusal(422, f"No commit found for SHA: {call.part('ref')}")
    found = call.world.checks_of(call.repo, sha)
    if call.query("filter") == "all":
        found = [
            each
            for each in call.world.checks.values()
            if each.repository is call.repo and each.head_sha == sha
        ]
    name, status = call.query("check_name"), call.query("status")
    found = [each for each in found if name in ("", each.name) and status in ("", each.status)]
    return call.page(found, call.world.check_json, "check_runs")


RUNS = "/repos/{owner}/{repo}/check-runs"
ROUTES = [
    Route("POST", RUNS, create, "checks:write"),
    Route("GET", RUNS + "/{check_run_id}", read, "checks:read"),
    Route("PATCH", RUNS + "/{check_run_id}", change, "checks:write"),
    Route("GET", "/repos/{owner}/{repo}/commits/{ref:.+}/check-runs", of_commit, "checks:read"),
]
