"""The commit operations decide how commits and trees are read."""

import base64
from datetime import UTC, datetime
from urllib.parse import quote

from demo.github import difference, user
from demo.github.call import Answer, Call, Refusal, Route
from demo.github.gitdir import Commit, FileChange, GitError, Person
from demo.github.user import Json

UNSIGNED = {"verified": False, "reason": "unsigned", "signature": None, "payload": None, "verified_at": None}


def _person(person: Person) -> Json:
    moment = datetime.fromisoformat(person.date).astimezone(UTC)
    return {"name": person.name, "email": person.email, "date": moment.strftime("%Y-%m-%dT%H:%M:%SZ")}


def _account(call: Call, person: Person) -> Json | None:
    for each in call.world.users.values():
        if each.email == person.email:
            return user.shape(call.world.url, each)
    return None


def commit_json(call: Call, commit: Commit) -> Json:
    """Return GitHub's `commit`, without its files."""
    repo, page = f"{call.world.url}/repos/{call.repo.full_name}", f"{call.world.url}/{call.repo.full_name}"
    url = f"{repo}/commits/{commit.sha}"
    return {
        "sha": commit.sha,
        "node_id": f"C_{commit.sha}",
        "url": url,
        "html_url": f"{page}/commit/{commit.sha}",
        "comments_url": f"{url}/comments",
        "commit": {
            "url": f"{repo}/git/commits/{commit.sha}",
            "author": _person(commit.author),
            "committer": _person(commit.committer),
            "message": commit.message,
            "comment_count": 0,
            "tree": {"sha": commit.tree, "url": f"{repo}/git/trees/{commit.tree}"},
            "verification": UNSIGNED,
        },
        "author": _account(call, commit.author),
        "committer": _account(call, commit.committer),
        "parents": [
            {"sha": each, "url": f"{repo}/commits/{each}", "html_url": f"{page}/commit/{each}"}
            for each in commit.parents
        ],
    }


def file_json(call: Call, change: FileChange, head: str) -> Json:
    """Return GitHub's `diff-entry`."""
    page, path = f"{call.world.url}/{call.repo.full_name}", quote(change.path)
    facts = {
        "sha": change.sha,
        "filename": change.path,
        "status": change.status,
        "additions": change.added,
        "deletions": change.removed,
        "changes": change.added + change.removed,
        "blob_url": f"{page}/blob/{head}/{path}",
        "raw_url": f"{page}/raw/{head}/{path}",
        "contents_url": f"{call.world.url}/repos/{call.repo.full_name}/contents/{path}?ref={head}",
    }
    if change.patch:
        facts["patch"] = change.patch
    if change.previous:
        facts["previous_filename"] = change.previous
    return facts


async def _found(call: Call, name: str) -> Commit:
    sha = await call.repo.git.resolve(name)
    if sha is None:
        raise Refusal(422, f"No commit found for SHA: {name}")
    return await call.repo.git.commit(sha)


async def list_commits(call: Call) -> Answer:
    """GET /repos/{owner}/{repo}/commits: newest first, 1,000 at most; `sha` names where to start."""
    start = await _found(call, call.query("sha", call.repo.default_branch))
    found = await call.repo.git.log(start.sha, limit=1000)
    return call.page(found, lambda each: commit_json(call, each))


async def read(call: Call) -> Answer:
    """GET /repos/{owner}/{repo}/commits/{ref}: a branch, a tag or a SHA, with its files."""
    commit = await _found(call, call.part("ref"))
    if call.request.headers.get("Accept", "").endswith("sha"):
        return Answer(raw=commit.sha.encode(), media="application/vnd.github.sha; charset=utf-8")
    parent = commit.parents[0] if commit.parents else await _empty_tree(call)
    files = await difference.between(call.repo.git, parent, commit.sha)
    added, removed = sum(each.added for each in files), sum(each.removed for each in files)
    stats = {"total": added + removed, "additions": added, "deletions": removed}
    shaped = [file_json(call, each, commit.sha) for each in files]
    return Answer(commit_json(call, commit) | {"stats": stats, "files": shaped})


async def _empty_tree(call: Call) -> str:
    return (await call.repo.git.run("hash-object", "-t", "tree", "-w", "--stdin")).decode().strip()


async def read_git_commit(call: Call) -> Answer:
    """GET /repos/{owner}/{repo}/git/commits/{commit_sha}."""
    sha = call.part("sha")
    try:
        commit = await call.repo.git.commit(sha)
    except GitError as error:
        raise Refusal(404, "Not Found") from error
    shaped = commit_json(call, commit)
    inner = shaped["commit"]
    return Answer(
        {
            **{key: shaped[key] for key in ("sha", "node_id", "html_url", "parents")},
            **{key: inner[key] for key in ("url", "author", "committer", "message", "tree", "verification")},
        }
    )


async def read_tree(call: Call) -> Answer:
    """GET /repos/{owner}/{repo}/git/trees/{tree_sha}: of a tree, commit or branch; `recursive` descends."""
    name = call.part("sha")
    repo = f"{call.world.url}/repos/{call.repo.full_name}/git"
    try:
        sha = (await call.repo.git.run("rev-parse", "--verify", "-q", f"{name}^{{tree}}")).decode().strip()
        found = await call.repo.git.tree(sha, recursive="recursive" in call.request.query)
    except GitError as error:
        raise Refusal(404, "Not Found") from error
    entries = []
    for each in found:
        kind = {"blob": "blobs", "tree": "trees", "commit": "commits"}[each.kind]
        entry: Json = {"path": each.path, "mode": each.mode, "type": each.kind, "sha": each.sha}
        entry |= {} if each.size is None else {"size": each.size}
        entries.append(entry | {"url": f"{repo}/{kind}/{each.sha}"})
    return Answer({"sha": sha, "url": f"{repo}/trees/{sha}", "tree": entries, "truncated": False})


async def read_blob(call: Call) -> Answer:
    """GET /repos/{owner}/{repo}/git/blobs/{file_sha}."""
    sha = call.part("sha")
    try:
        raw = await call.repo.git.blob(sha)
    except GitError as error:
        raise Refusal(404, "Not Found") from error
    url = f"{call.world.url}/repos/{call.repo.full_name}/git/blobs/{sha}"
    content = base64.encodebytes(raw).decode()
    facts = {"sha": sha, "node_id": f"B_{sha}", "size": len(raw), "url": url}
    return Answer(facts | {"content": content, "encoding": "base64"})


REPO = "/repos/{owner}/{repo}"
ROUTES = [
    Route("GET", REPO + "/commits", list_commits, "contents:read"),
    Route("GET", REPO + "/commits/{ref:.+}", read, "contents:read"),
    Route("GET", REPO + "/git/commits/{sha:[0-9a-f]{40}}", read_git_commit, "contents:read"),
    Route("GET", REPO + "/git/trees/{sha:.+}", read_tree, "contents:read"),
    Route("GET", REPO + "/git/blobs/{sha:[0-9a-f]{40}}", read_blob, "contents:read"),
]
