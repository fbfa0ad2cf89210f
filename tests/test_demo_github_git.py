"""The stand-in for GitHub serves real git over HTTP, and its pull requests follow what is pushed."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from demo.github.gitdir import GitDir
from tests import github_world
from tests.github_world import REPO, Bench

PULL = f"{REPO}/pulls/1"


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Serve a world with one repository."""
    async with github_world.bench(tmp_path) as made:
        yield made


async def _pull(bench: Bench) -> Path:
    tree = await bench.clone()
    assert (await bench.push(tree, {"shop.py": "TOTAL = 2\n"}))[0] == 0
    opened = {"title": "Fix", "head": "work", "base": "main", "body": "Fixes #2"}
    reply = await bench.ask("POST", f"{REPO}/pulls", opened)
    assert reply.status == 201, reply.body
    return tree


async def test_git_asks_for_a_token_first(bench: Bench) -> None:
    """Without a token git is challenged, with a wrong one refused; the API of strangers is not git's."""
    url = f"{bench.world.url}/acme/shop.git"
    async with bench.session.get(f"{url}/info/refs?service=git-upload-pack") as answer:
        assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Basic realm="GitHub"')
    for token in ("", "wrong"):
        code, said = await bench.git("ls-remote", url, token=token)
        assert code != 0, said
    code, said = await bench.git("ls-remote", url)
    assert (code, "refs/heads/main" in said) == (0, True)
    other = await bench.git("ls-remote", f"{bench.world.url}/acme/none.git")
    assert "not found" in other[1]


async def test_public_repositories_can_be_read_by_all(bench: Bench) -> None:
    """A public repository is fetched without a token, and still not pushed to."""
    await bench.world.seed_repository("acme/open", {"a": "b"}, private=False)
    url = f"{bench.world.url}/acme/open"
    assert (await bench.git("ls-remote", url, token=""))[0] == 0
    tree = bench.root / "open"
    await bench.git("clone", "-q", url, str(tree), token="")
    assert (await bench.git("push", "-q", "origin", "main:x", cwd=tree, token=""))[0] != 0


async def test_pushing_takes_the_permission(bench: Bench) -> None:
    """A token that may only read contents fetches, and is refused with 403 when it pushes."""
    tree = await bench.clone()
    token = await bench.mint(permissions={"contents": "read"})
    code, said = await bench.git("push", "origin", "HEAD", cwd=tree, token=token)
    assert code != 0
    assert "Permission to acme/shop.git denied to journeyman-demo[bot]" in said
    assert "403" in said
    assert (await bench.git("fetch", "-q", cwd=tree, token=token))[0] == 0


async def test_workflow_files_take_another_permission(bench: Bench) -> None:
    """A push that touches a workflow is refused in GitHub's words, and passes with the permission."""
    tree = await bench.clone()
    code, said = await bench.push(tree, {".github/workflows/ci.yml": "on: push\n"})
    assert code != 0
    words = "refusing to allow a GitHub App to create or update workflow `.github/workflows/ci.yml`"
    assert f"[remote rejected] HEAD -> work ({words} without `workflows` permission)" in said
    assert bench.world.repository("acme/shop").git.ref("refs/heads/work") is None
    installation = next(iter(bench.world.installations.values()))
    installation.permissions["workflows"] = "write"
    bench.token = await bench.mint()
    assert (await bench.git("push", "-q", "origin", "HEAD", cwd=tree))[0] == 0


async def test_protected_branches_refuse_pushes(bench: Bench) -> None:
    """A push to a protected branch is refused; the rules of the branch say so beforehand."""
    bench.world.repository("acme/shop").protected.add("main")
    tree = await bench.clone()
    code, said = await bench.git("push", "origin", "HEAD~1:main", "-f", cwd=tree)
    assert (code != 0, "protected branch hook declined" in said) == (True, True)
    rules = await bench.ask("GET", f"{REPO}/rules/branches/main")
    assert [each["type"] for each in rules.body] == ["pull_request"]


async def test_large_pushes_and_many_haves_pass(bench: Bench) -> None:
    """A chunked push of 5 MB and a compressed fetch of 300 commits arrive whole, with protocols 0 and 2."""
    tree = await bench.clone()
    (tree / "blob").write_bytes(os.urandom(5_000_000))
    assert (await bench.push(tree, {}))[0] == 0
    sha = bench.world.repository("acme/shop").git.ref("refs/heads/work")
    await GitDir(tree / ".git").run("fast-import", "--quiet", "--force", stdin=_many("refs/heads/work", 300))
    await bench.world.commit("acme/shop", "main", {"new.py": "1\n"}, "maria", "Upstream")
    for version in ("0", "2"):
        code, said = await bench.git("-c", f"protocol.version={version}", "fetch", "-q", "origin", cwd=tree)
        assert code == 0, said
    shallow = bench.root / "shallow"
    url = f"{bench.world.url}/acme/shop"
    assert (await bench.git("clone", "-q", "--depth=1", "-b", "work", url, str(shallow)))[0] == 0
    assert (await bench.git("rev-parse", "HEAD", cwd=shallow))[1].strip() == sha


def _many(branch: str, count: int) -> bytes:
    head = f"commit {branch}\ncommitter Bench <bench@example.com> 1800000000 +0000\ndata 5\nLocal\n"
    first = f"{head}from {branch}^0\n\n"
    return (first + f"{head}\n" * (count - 1)).encode()


async def test_a_push_is_known_when_git_returns(bench: Bench) -> None:
    """Right after the push the API knows the head, and the deliveries say push, then synchronize."""
    tree = await _pull(bench)
    before = (await bench.ask("GET", PULL)).body["head"]["sha"]
    assert (await bench.push(tree, {"new.py": "1\n"}))[0] == 0
    pull = (await bench.ask("GET", PULL)).body
    tip = (await bench.git("rev-parse", "HEAD", cwd=tree))[1].strip()
    assert (pull["head"]["sha"], pull["commits"], pull["changed_files"]) == (tip, 2, 2)
    assert await bench.names() == ["push", "pull_request.opened", "push", "pull_request.synchronize"]
    told = bench.world.deliveries[-1].json()
    assert (told["before"], told["after"]) == (before, tip)
    pushed = bench.world.deliveries[-2].json()
    assert (pushed["ref"], pushed["created"], pushed["commits"][0]["added"]) == (
        "refs/heads/work",
        False,
        ["new.py"],
    )
    assert bench.world.mutations()[-1].request_body == [
        {"ref": "refs/heads/work", "before": before, "after": tip}
    ]


async def test_opening_a_pull_request_is_checked(bench: Bench) -> None:
    """No such branch, nothing between the branches, and a second one for the same branch get 422."""
    wish = {"title": "Fix", "head": "work", "base": "main"}
    missing = await bench.ask("POST", f"{REPO}/pulls", wish)
    assert (missing.status, missing.body["errors"][0]["field"]) == (422, "head")
    await bench.world.commit("acme/shop", "work", {"shop.py": "TOTAL = 2\n"}, "maria", "Fix")
    await bench.ask("POST", f"{REPO}/git/refs", {"ref": "refs/heads/same", "sha": await _tip(bench, "main")})
    empty = await bench.ask("POST", f"{REPO}/pulls", wish | {"head": "same"})
    assert empty.body["errors"][0]["message"] == "No commits between main and same"
    assert (await bench.ask("POST", f"{REPO}/pulls", wish)).status == 201
    again = await bench.ask("POST", f"{REPO}/pulls", wish | {"head": "acme:work"})
    assert again.body["errors"][0]["message"] == "A pull request already exists for acme:work."
    listed = await bench.ask("GET", f"{REPO}/pulls?head=acme:work&state=open")
    assert [each["number"] for each in listed.body] == [1]
    assert (await bench.ask("GET", f"{REPO}/pulls?head=acme:same")).body == []


async def _tip(bench: Bench, branch: str) -> str:
    sha: str = (await bench.ask("GET", f"{REPO}/git/ref/heads/{branch}")).body["object"]["sha"]
    return sha


async def test_reviews_are_told_with_their_comments(bench: Bench) -> None:
    """A review arrives with its comments, which can be replied to; one's own work can't be approved."""
    await _pull(bench)
    pull = bench.world.pull("acme/shop", 1)
    remark = {"path": "shop.py", "line": 1, "body": "Why 2?"}
    review = await bench.world.review(pull, "maria", "REQUEST_CHANGES", "Please explain", (remark,))
    assert (await bench.names())[-2:] == [
        "pull_request_review.submitted",
        "pull_request_review_comment.created",
    ]
    told = bench.world.deliveries[-2].json()["review"]
    assert (told["state"], told["body"]) == ("changes_requested", "Please explain")
    comments = await bench.ask("GET", f"{PULL}/reviews/{review.id}/comments")
    assert comments.body[0]["diff_hunk"].splitlines()[0] == "@@ -1 +1 @@"
    reply = await bench.ask("POST", f"{PULL}/comments/{comments.body[0]['id']}/replies", {"body": "Because"})
    assert (reply.status, reply.body["in_reply_to_id"]) == (201, comments.body[0]["id"])
    assert len((await bench.ask("GET", f"{PULL}/comments")).body) == 2
    own = await bench.ask("POST", f"{PULL}/reviews", {"event": "APPROVE"})
    assert own.status == 422
    assert (await bench.ask("POST", f"{PULL}/reviews", {"event": "COMMENT", "body": "Note"})).status == 200
    assert [each["state"] for each in (await bench.ask("GET", f"{PULL}/reviews")).body] == [
        "CHANGES_REQUESTED",
        "COMMENTED",
    ]


async def test_merging_closes_what_is_fixed(bench: Bench) -> None:
    """A merge moves the base by a real commit, closes the pull request and the issue that it fixes."""
    await _pull(bench)
    issue = await bench.world.open_issue("acme/shop", "maria", "Totals")
    before = await _tip(bench, "main")
    merged = await bench.ask("PUT", f"{PULL}/merge", {"merge_method": "merge"})
    assert (await _tip(bench, "main")) == merged.body["sha"] != before
    assert (issue.state, (await bench.ask("GET", PULL)).body["merged"]) == ("closed", True)
    assert (await bench.names())[-3:] == ["push", "pull_request.closed", "issues.closed"]
    assert (await bench.ask("PUT", f"{PULL}/merge")).status == 405


async def test_conflicts_show_and_block(bench: Bench) -> None:
    """A pull request that conflicts says so and isn't merged."""
    await bench.world.commit("acme/shop", "work", {"shop.py": "TOTAL = 2\n"}, "maria", "Ours")
    await bench.world.commit("acme/shop", "main", {"shop.py": "TOTAL = 3\n"}, "maria", "Theirs")
    await bench.world.open_pull("acme/shop", "maria", "Fix", "work")
    assert (await bench.ask("GET", PULL)).body["mergeable"] is False
    assert (await bench.ask("PUT", f"{PULL}/merge")).status == 405


async def test_pull_requests_change_and_close(bench: Bench) -> None:
    """Title, state and files of a pull request answer; deleting the branch closes it."""
    await _pull(bench)
    assert (await bench.ask("PATCH", PULL, {"title": "Better"})).body["title"] == "Better"
    files = (await bench.ask("GET", f"{PULL}/files")).body
    assert (files[0]["filename"], files[0]["patch"]) == ("shop.py", "@@ -1 +1 @@\n-TOTAL = 1\n+TOTAL = 2")
    commits = (await bench.ask("GET", f"{PULL}/commits")).body
    assert [each["commit"]["message"] for each in commits] == ["Change"]
    assert (await bench.ask("POST", f"{REPO}/issues/1/comments", {"body": "Hi"})).status == 201
    assert (await bench.ask("DELETE", f"{REPO}/git/refs/heads/work")).status == 204
    assert (await bench.ask("GET", PULL)).body["state"] == "closed"
    assert (await bench.ask("PATCH", PULL, {"state": "open"})).status == 422
    told = [each for each in await bench.names() if each.startswith("pull_request")]
    assert told == ["pull_request.opened", "pull_request.edited", "pull_request.closed"]


async def test_seeded_commits_never_vary(bench: Bench) -> None:
    """The same seed makes the same commits, and another repository can be brought in with its history."""
    again = await bench.world.seed_repository(
        "acme/twin", {"a": "b"}, [("More", {"a": None, "run": "#!/bin/sh\n"})]
    )
    assert again.git.ref("refs/heads/main") == "0d650507ff2e02806e0909024c1e2b4d70818818"
    copy = await bench.world.import_repository("acme/copy", again.git.path)
    assert copy.git.ref("refs/heads/main") == again.git.ref("refs/heads/main")
    assert [(each.mode, each.path) for each in await copy.git.tree("main")] == [("100755", "run")]
