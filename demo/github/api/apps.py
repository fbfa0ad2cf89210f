"""The App's own operations decide what it learns of its installations, tokens and deliveries."""

from typing import Any

from demo.github import app, repository, user
from demo.github.app import LEVELS, Installation
from demo.github.call import Answer, Call, Refusal, Route
from demo.github.deliveries import Delivery
from demo.github.user import Json


async def read_app(call: Call) -> Answer:
    """GET /app."""
    count = len(call.world.installations)
    return Answer(app.shape(call.world.url, call.world.app) | {"installations_count": count})


async def list_installations(call: Call) -> Answer:
    """GET /app/installations."""
    found = list(call.world.installations.values())
    return call.page(found, lambda each: app.installation_shape(call.world.url, each))


def _installation(call: Call) -> Installation:
    found = call.world.installations.get(call.number("installation_id"))
    if found is None:
        raise Refusal(404, "Not Found")
    return found


async def read_installation(call: Call) -> Answer:
    """GET /app/installations/{installation_id}."""
    return Answer(app.installation_shape(call.world.url, _installation(call)))


async def repository_installation(call: Call) -> Answer:
    """GET /repos/{owner}/{repo}/installation."""
    found = call.world.installation_of(call.repo)
    if found is None:
        raise Refusal(404, "Not Found")
    return Answer(app.installation_shape(call.world.url, found))


def _scoped(call: Call, installation: Installation) -> dict[str, str]:
    asked = call.body.get("permissions") or {}
    for name, level in asked.items():
        held = installation.permissions.get(name, "")
        if LEVELS.get(level, 9) > LEVELS.get(held, 0):
            raise Refusal(422, "The permissions requested are not granted to this installation.")
    return {"metadata": "read", **asked} if asked else dict(installation.permissions)


def _selected(call: Call, installation: Installation) -> set[int] | None:
    ids, names = call.body.get("repository_ids"), call.body.get("repositories")
    if ids is None and names is None:
        return None
    mine = [each for each in call.world.repositories.values() if installation.covers(each)]
    found = {each.id for each in mine if each.id in (ids or []) or each.name in (names or [])}
    if len(found) != len({*(ids or [])}) + len({*(names or [])}):
        raise Refusal(
            422,
            "There is at least one repository that does not exist or is not accessible to the "
            "parent installation.",
        )
    return found


async def mint_token(call: Call) -> Answer:
    """POST /app/installations/{installation_id}/access_tokens."""
    installation = _installation(call)
    if installation.suspended_at:
        raise Refusal(403, "This installation has been suspended")
    permissions, selected = _scoped(call, installation), _selected(call, installation)
    token = call.world.mint(installation, permissions, selected)
    body: Json = {
        "token": token.value,
        "expires_at": call.world.stamp(call.world.token_ttl),
        "permissions": permissions,
        "repository_selection": "all"
        if selected is None and installation.repositories is None
        else "selected",
    }
    if selected is not None:
        chosen = [each for each in call.world.repositories.values() if each.id in selected]
        body["repositories"] = [repository.shape(call.world.url, each) for each in chosen]
    return Answer(body, 201)


async def revoke_token(call: Call) -> Answer:
    """DELETE /installation/token."""
    if call.token:
        call.world.tokens.pop(call.token.value, None)
    return Answer(status=204)


async def list_repositories(call: Call) -> Answer:
    """GET /installation/repositories."""
    token = call.token
    reached = [each for each in call.world.repositories.values() if token and token.reaches(each)]
    answer = call.page(reached, lambda each: repository.shape(call.world.url, each), "repositories")
    answer.body["repository_selection"] = "all" if call.installation.repositories is None else "selected"
    return answer


def _delivery_shape(delivery: Delivery) -> Json:
    return {
        "id": delivery.id,
        "guid": delivery.guid,
        "delivered_at": delivery.delivered_at,
        "redelivery": delivery.redelivery,
        "duration": delivery.seconds,
        "status": delivery.status,
        "status_code": delivery.status_code,
        "event": delivery.event,
        "action": delivery.action,
        "installation_id": delivery.installation_id,
        "repository_id": delivery.repository_id,
        "throttled_at": None,
    }


async def list_deliveries(call: Call) -> Answer:
    """GET /app/hook/deliveries: newest first, by cursor; `status=failure` means an answer of 400 to 599."""
    found = [each for each in reversed(call.world.deliveries) if each.status]
    wanted = call.query("status")
    if wanted:
        found = [
            each for each in found if (each.status_code >= 400) == (wanted == "failure") and each.status_code
        ]
    cursor = call.query("cursor")
    if cursor.isdigit():
        found = [each for each in found if each.id < int(cursor)]
    size = min(int(call.query("per_page") or 30), call.world.faults.page_size or 100)
    headers = {}
    if len(found) > size:
        more = f"{call.world.url}{call.path}?per_page={size}&cursor={found[size - 1].id}"
        headers["Link"] = f'<{more}{f"&status={wanted}" if wanted else ""}>; rel="next"'
    return Answer([_delivery_shape(each) for each in found[:size]], headers=headers)


def _delivery(call: Call) -> Delivery:
    wanted = call.number("delivery_id")
    for each in call.world.deliveries:
        if each.id == wanted:
            return each
    raise Refusal(404, "Not Found")


async def read_delivery(call: Call) -> Answer:
    """GET /app/hook/deliveries/{delivery_id}."""
    found = _delivery(call)
    more: dict[str, Any] = {
        "url": call.world.hook_url or "",
        "request": {"headers": found.request_headers, "payload": found.json()},
        "response": {"headers": found.response_headers, "payload": found.response_body},
    }
    return Answer(_delivery_shape(found) | more)


async def redeliver(call: Call) -> Answer:
    """POST /app/hook/deliveries/{delivery_id}/attempts: the same delivery id (GUID) once more."""
    call.world.hooks.redeliver(_delivery(call))
    return Answer({}, 202)


async def read_hook(call: Call) -> Answer:
    """GET /app/hook/config."""
    url = call.world.hook_url or ""
    return Answer({"content_type": "json", "secret": "********", "insecure_ssl": "0", "url": url})


async def change_hook(call: Call) -> Answer:
    """PATCH /app/hook/config."""
    call.world.hook_url = call.body.get("url", call.world.hook_url)
    call.world.app.webhook_secret = call.body.get("secret", call.world.app.webhook_secret)
    return await read_hook(call)


async def read_user(call: Call) -> Answer:
    """GET /users/{login}, bots included (`SLUG[bot]`)."""
    found = call.world.users.get(call.part("login").lower())
    if found is None:
        raise Refusal(404, "Not Found")
    return Answer(user.public_shape(call.world.url, found))


async def rate_limit(call: Call) -> Answer:
    """GET /rate_limit, which costs nothing."""
    left, resets = call.installation.requests_left, call.installation.limit_resets
    core = {"limit": 5000, "used": 5000 - left, "remaining": left, "reset": resets}
    search = {"limit": 30, "used": 0, "remaining": 30, "reset": resets}
    return Answer({"resources": {"core": core, "search": search}, "rate": core})


ROUTES = [
    Route("GET", "/app", read_app, actor="app"),
    Route("GET", "/app/hook/config", read_hook, actor="app"),
    Route("PATCH", "/app/hook/config", change_hook, actor="app"),
    Route("GET", "/app/hook/deliveries", list_deliveries, actor="app"),
    Route("GET", "/app/hook/deliveries/{delivery_id}", read_delivery, actor="app"),
    Route("POST", "/app/hook/deliveries/{delivery_id}/attempts", redeliver, actor="app"),
    Route("GET", "/app/installations", list_installations, actor="app"),
    Route("GET", "/app/installations/{installation_id}", read_installation, actor="app"),
    Route("POST", "/app/installations/{installation_id}/access_tokens", mint_token, actor="app"),
    Route("GET", "/repos/{owner}/{repo}/installation", repository_installation, actor="app"),
    Route("DELETE", "/installation/token", revoke_token),
    Route("GET", "/installation/repositories", list_repositories),
    Route("GET", "/users/{login}", read_user, actor="any"),
    Route("GET", "/rate_limit", rate_limit),
]
