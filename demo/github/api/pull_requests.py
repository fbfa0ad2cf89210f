"""The pull request operations decide how they are listed, opened, changed, looked into and merged."""

from demo.github import pull
from demo.github.api.commits import commit_json, file_json
from demo.github.call import Answer, Call, Refusal, Route, invalid
from demo.github.merges import NotMergeable
from demo.github.pull import Pull


def _refused(message: str) -> Refusal:
    return Refusal(
        422, "Validation Failed", [{"resource": "PullRequest", "code": "custom", "message": message}]
    )


async def list_pulls(call: Call) -> Answer:
    """GET /repos/{owner}/{repo}/pulls: newest first; `head` is `owner:branch`."""
    state, head, base = call.query("state", "open"), call.query("head"), call.query("base")
    found = [
        await call.world.refresh(each)
        for each in list(call.world.pulls[call.repo.id].values())
        if state in ("all", each.issue.state)
        and head.lower() in ("", f"{call.repo.owner.login}:{each.head}".lower())
        and base in ("", each.base)
    ]
    by = (
        (lambda each: each.issue.updated_at)
        if call.query("sort") == "updated"
        else (lambda each: each.issue.number)
    )
    found.sort(key=by, reverse=call.query("direction", "desc") == "desc")
    return call.page(found, lambda each: pull.simple_shape(call.world.url, each))


async def create(call: Call) -> Answer:
    """POST /repos/{owner}/{repo}/pulls: the branches must exist, differ and be unpaired yet."""
    repo, world = call.repo, call.world
    title, body = call.text("PullRequest", "title", 256), call.limited("PullRequest", "body")
    head, base = call.text("PullRequest", "head"), call.text("PullRequest", "base")
    owner, colon, branch = head.rpartition(":")
    if colon and owner.lower() != repo.owner.login.lower():
        raise invalid("PullRequest", "head", "invalid")
    head_sha, base_sha = repo.git.ref(f"refs/heads/{branch}"), repo.git.ref(f"refs/heads/{base}")
    if base_sha is None or head_sha is None:
        raise invalid("PullRequest", "base" if base_sha is None else "head", "invalid")
    if await repo.git.is_ancestor(head_sha, base_sha):
        raise _refused(f"No commits between {base} and {branch}")
    try:
        made = await world.open_pull(
            repo,
            call.me,
            title,
            branch,
            base,
            body,
            draft=bool(call.body.get("draft")),
            may_modify=bool(call.body.get("maintainer_can_modify")),
        )
    except ValueError as error:
        raise _refused(str(error)) from error
    return Answer(pull.shape(world.url, made), 201, {"Location": pull.api_url(world.url, made)})


async def read(call: Call) -> Answer:
    """GET /repos/{owner}/{repo}/pulls/{pull_number}: JSON, or the diff as text."""
    made = await call.fresh_pull()
    if "diff" in call.request.headers.get("Accept", ""):
        fork = (await call.repo.git.run("merge-base", made.base_sha, made.head_sha)).decode().strip()
        raw = await call.repo.git.run("diff", "-M", fork, made.head_sha)
        return Answer(raw=raw, media="application/vnd.github.diff; charset=utf-8")
    return Answer(pull.shape(call.world.url, made))


async def change(call: Call) -> Answer:
    """PATCH /repos/{owner}/{repo}/pulls/{pull_number}."""
    made, world = await call.fresh_pull(), call.world
    title, body, state = (call.limited("PullRequest", name) for name in ("title", "body", "state"))
    base = call.limited("PullRequest", "base")
    if base is not None:
        sha = call.repo.git.ref(f"refs/heads/{base}")
        if sha is None:
            raise invalid("PullRequest", "base", "invalid")
        made.base, made.base_sha = base, sha
        made.size = await world.measure(call.repo, sha, made.head_sha)
    await world.edit_issue(made.issue, call.me, title=title, body=body)
    if state == "closed":
        await world.close_issue(made.issue, call.me)
    elif state == "open" and made.issue.state == "closed":
        if made.issue.merged_at or call.repo.git.ref(f"refs/heads/{made.head}") is None:
            raise _refused("The pull request cannot be reopened.")
        await world.reopen_issue(made.issue, call.me)
    return Answer(pull.shape(world.url, made))


async def list_commits(call: Call) -> Answer:
    """GET /repos/{owner}/{repo}/pulls/{pull_number}/commits: oldest first, 250 at most."""
    made = await call.fresh_pull()
    found = await call.repo.git.log(f"{made.base_sha}..{made.head_sha}", limit=250)
    found.reverse()
    return call.page(found, lambda each: commit_json(call, each))


async def list_files(call: Call) -> Answer:
    """GET /repos/{owner}/{repo}/pulls/{pull_number}/files: 3,000 at most."""
    made = await call.fresh_pull()
    found = await call.world.changes(call.repo, made.base_sha, made.head_sha)
    return call.page(found[:3000], lambda each: file_json(call, each, made.head_sha))


async def merged(call: Call) -> Answer:
    """GET /repos/{owner}/{repo}/pulls/{pull_number}/merge."""
    if call.pull().issue.merged_at is None:
        raise Refusal(404, "Not Found")
    return Answer(status=204)


async def merge(call: Call) -> Answer:
    """PUT /repos/{owner}/{repo}/pulls/{pull_number}/merge; `rebase` is not offered."""
    made = await call.fresh_pull()
    _expect_head(made, call.body.get("sha"))
    method = call.body.get("merge_method", "merge")
    if method not in ("merge", "squash"):
        raise Refusal(405, "Rebase merges are not allowed on this repository.")
    title, message = call.body.get("commit_title"), call.body.get("commit_message")
    try:
        sha = await call.world.merge(made, call.me, method, title, message)
    except NotMergeable as error:
        raise Refusal(405, str(error)) from error
    return Answer({"sha": sha, "merged": True, "message": "Pull Request successfully merged"})


def _expect_head(made: Pull, sha: str | None) -> None:
    if sha and sha != made.head_sha:
        raise Refusal(409, "Head branch was modified. Review and try the merge again.")


LIST = "/repos/{owner}/{repo}/pulls"
ONE = LIST + "/{number}"
ROUTES = [
    Route("GET", LIST, list_pulls, "pull_requests:read"),
    Route("POST", LIST, create, "pull_requests:write"),
    Route("GET", ONE, read, "pull_requests:read"),
    Route("PATCH", ONE, change, "pull_requests:write"),
    Route("GET", f"{ONE}/commits", list_commits, "pull_requests:read"),
    Route("GET", f"{ONE}/files", list_files, "pull_requests:read"),
    Route("GET", f"{ONE}/merge", merged, "pull_requests:read"),
    Route("PUT", f"{ONE}/merge", merge, "contents:write"),
]
