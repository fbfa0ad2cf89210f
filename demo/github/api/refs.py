"""The ref operations decide how branches and refs are read, made, moved and deleted."""

from demo.github.api.commits import commit_json
from demo.github.call import Answer, Call, Refusal, Route
from demo.github.gitdir import ZERO, GitError
from demo.github.user import Json


def _json(call: Call, name: str, sha: str) -> Json:
    repo = f"{call.world.url}/repos/{call.repo.full_name}"
    return {
        "ref": name,
        "node_id": f"REF_{call.repo.id}:{name}",
        "url": f"{repo}/git/{name}",
        "object": {"sha": sha, "type": "commit", "url": f"{repo}/git/commits/{sha}"},
    }


async def read(call: Call) -> Answer:
    """GET /repos/{owner}/{repo}/git/ref/{ref}: `heads/…` or `tags/…`."""
    name = f"refs/{call.part('ref')}"
    sha = call.repo.git.ref(name)
    if sha is None:
        raise Refusal(404, "Not Found")
    return Answer(_json(call, name, sha))


async def matching(call: Call) -> Answer:
    """GET /repos/{owner}/{repo}/git/matching-refs/{ref}: every ref that starts so."""
    wanted = f"refs/{call.part('ref')}"
    found = await call.repo.git.refs("refs/")
    return Answer([_json(call, name, sha) for name, sha in found.items() if name.startswith(wanted)])


async def create(call: Call) -> Answer:
    """POST /repos/{owner}/{repo}/git/refs."""
    name, sha = call.text("Reference", "ref"), call.text("Reference", "sha")
    if not name.startswith("refs/") or name.count("/") < 2:
        raise Refusal(422, "Reference name must start with 'refs/' and have at least two slashes.")
    if call.repo.git.ref(name):
        raise Refusal(422, "Reference already exists")
    await _move(call, name, ZERO, sha)
    return Answer(_json(call, name, sha), 201)


async def change(call: Call) -> Answer:
    """PATCH /repos/{owner}/{repo}/git/refs/{ref}: only forward, unless `force`."""
    name, sha = f"refs/{call.part('ref')}", call.text("Reference", "sha")
    old = call.repo.git.ref(name)
    if old is None:
        raise Refusal(422, "Reference does not exist")
    if not call.body.get("force") and not await call.repo.git.is_ancestor(old, sha):
        raise Refusal(422, "Update is not a fast forward")
    await _move(call, name, old, sha)
    return Answer(_json(call, name, sha))


async def remove(call: Call) -> Answer:
    """DELETE /repos/{owner}/{repo}/git/refs/{ref}."""
    name = f"refs/{call.part('ref')}"
    old = call.repo.git.ref(name)
    if old is None:
        raise Refusal(422, "Reference does not exist")
    await _move(call, name, old, None)
    return Answer(status=204)


async def _move(call: Call, name: str, old: str, sha: str | None) -> None:
    try:
        await call.repo.git.set_ref(name, sha)
    except GitError as error:
        raise Refusal(422, "Object does not exist") from error
    await call.world.pushed(call.repo, call.me, [(name, old, sha or ZERO)])


async def list_branches(call: Call) -> Answer:
    """GET /repos/{owner}/{repo}/branches."""
    repo = f"{call.world.url}/repos/{call.repo.full_name}"
    found = await call.repo.git.refs("refs/heads/")

    def short(pair: tuple[str, str]) -> Json:
        name = pair[0].removeprefix("refs/heads/")
        commit = {"sha": pair[1], "url": f"{repo}/commits/{pair[1]}"}
        return {"name": name, "commit": commit, "protected": name in call.repo.protected}

    return call.page(list(found.items()), short)


async def read_branch(call: Call) -> Answer:
    """GET /repos/{owner}/{repo}/branches/{branch}."""
    name = call.part("branch")
    sha = call.repo.git.ref(f"refs/heads/{name}")
    if sha is None:
        raise Refusal(404, "Branch not found")
    url = f"{call.world.url}/repos/{call.repo.full_name}/branches/{name}"
    protected = name in call.repo.protected
    return Answer(
        {
            "name": name,
            "commit": commit_json(call, await call.repo.git.commit(sha)),
            "_links": {"self": url, "html": f"{call.world.url}/{call.repo.full_name}/tree/{name}"},
            "protected": protected,
            "protection": {"enabled": protected},
            "protection_url": f"{url}/protection",
        }
    )


async def branch_rules(call: Call) -> Answer:
    """GET /repos/{owner}/{repo}/rules/branches/{branch}: a protected branch takes pull requests only."""
    if call.part("branch") not in call.repo.protected:
        return Answer([])
    parameters = {
        "dismiss_stale_reviews_on_push": False,
        "require_code_owner_review": False,
        "require_last_push_approval": False,
        "required_approving_review_count": 0,
        "required_review_thread_resolution": False,
    }
    source = {"ruleset_source_type": "Repository", "ruleset_source": call.repo.full_name, "ruleset_id": 1}
    return Answer([{"type": "pull_request", "parameters": parameters, **source}])


REPO = "/repos/{owner}/{repo}"
ROUTES = [
    Route("GET", REPO + "/git/ref/{ref:.+}", read, "contents:read"),
    Route("GET", REPO + "/git/matching-refs/{ref:.+}", matching, "contents:read"),
    Route("POST", REPO + "/git/refs", create, "contents:write"),
    Route("PATCH", REPO + "/git/refs/{ref:.+}", change, "contents:write"),
    Route("DELETE", REPO + "/git/refs/{ref:.+}", remove, "contents:write"),
    Route("GET", REPO + "/branches", list_branches, "contents:read"),
    Route("GET", REPO + "/branches/{branch:.+}", read_branch, "contents:read"),
    Route("GET", REPO + "/rules/branches/{branch:.+}", branch_rules),
]
