"""The repository operations decide what is told of a project and of what someone may do in it."""

from demo.github import repository, user
from demo.github.call import Answer, Call, Refusal, Route
from demo.github.repository import ROLES

RANKS = {"none": 0, "read": 1, "triage": 2, "write": 3, "maintain": 4, "admin": 5}


def _permissions(role: str) -> dict[str, bool]:
    names = {"pull": "read", "triage": "triage", "push": "write", "maintain": "maintain", "admin": "admin"}
    return {name: RANKS[role] >= RANKS[least] for name, least in names.items()}


async def read_repository(call: Call) -> Answer:
    """GET /repos/{owner}/{repo}."""
    return Answer(repository.shape(call.world.url, call.repo))


async def permission(call: Call) -> Answer:
    """GET /repos/{owner}/{repo}/collaborators/{username}/permission: maintain words as write."""
    someone = call.world.users.get(call.part("username").lower())
    if someone is None:
        raise Refusal(404, f"{call.part('username')} is not a user")
    role = call.repo.role(someone)
    shaped = user.shape(call.world.url, someone) | {"permissions": _permissions(role), "role_name": role}
    return Answer({"permission": ROLES[role], "role_name": role, "user": shaped})


ROUTES = [
    Route("GET", "/repos/{owner}/{repo}", read_repository),
    Route("GET", "/repos/{owner}/{repo}/collaborators/{username}/permission", permission),
]
