"""The stand-in for GitHub speaks the REST API as GitHub does, and tells the App of every change."""

import hashlib
import hmac
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests import github_world
from tests.github_world import REPO, Bench

ISSUE = f"{REPO}/issues/1"


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Serve a world with one repository and one open issue."""
    async with github_world.bench(tmp_path) as made:
        await made.world.open_issue("acme/shop", "maria", "Totals are wrong", "Off by *one*.")
        yield made


async def test_a_label_becomes_a_signed_delivery(bench: Bench) -> None:
    """A label given by a person arrives signed, with the headers that GitHub sends."""
    await bench.world.label(bench.world.issue("acme/shop", 1), "journeyman", "maria")
    assert await bench.names() == ["issues.opened", "issues.labeled"]
    got = bench.heard[-1]
    for name, algorithm in (("X-Hub-Signature-256", "sha256"), ("X-Hub-Signature", "sha1")):
        digest = hmac.new(bench.world.app.webhook_secret.encode(), got.raw, algorithm).hexdigest()
        assert got.headers[name] == f"{hashlib.new(algorithm).name}={digest}"
    assert got.headers["X-GitHub-Hook-Installation-Target-Type"] == "integration"
    assert got.headers["X-GitHub-Hook-Installation-Target-ID"] == str(bench.world.app.id)
    assert bench.world.deliveries[-1].status == "OK"


@pytest.mark.parametrize(
    ("claim", "after"),
    [("exp", 700), ("exp", -1), ("iss", None), ("iat", 100)],
    ids=["too long", "expired", "other App", "from the future"],
)
async def test_a_faulty_jwt_is_refused(bench: Bench, claim: str, after: int | None) -> None:
    """A JWT that GitHub would refuse gets 401, where the same one without the fault gets in."""
    faulty: dict[str, object] = {claim: "1" if after is None else int(time.time()) + after}
    assert (await bench.ask("GET", "/app", token=bench.app_jwt())).body["slug"] == "journeyman-demo"
    assert (await bench.ask("GET", "/app", token=bench.app_jwt(**faulty))).status == 401


async def test_a_token_lives_as_long_as_told(bench: Bench) -> None:
    """An installation token is long, works until it expires, and then gets 401."""
    bench.world.token_ttl = 30
    token = await bench.mint()
    assert token.startswith(f"ghs_{bench.world.app.id}_")
    assert len(token) > 300
    assert (await bench.ask("GET", REPO, token=token)).status == 200
    bench.world.faults.clock_offset = 31
    assert (await bench.ask("GET", REPO, token=token)).status == 401
    assert (await bench.ask("GET", REPO, token="ghs_unknown")).status == 401
    assert (await bench.ask("GET", REPO, headers={"Authorization": ""})).status == 401


async def test_a_token_may_do_what_it_was_given(bench: Bench) -> None:
    """A scoped token is refused with GitHub's words beyond its permissions; too wide a wish gets 422."""
    token = await bench.mint(permissions={"issues": "read"})
    assert (await bench.ask("GET", ISSUE, token=token)).status == 200
    reply = await bench.ask("POST", f"{ISSUE}/comments", {"body": "Hello"}, token=token)
    assert (reply.status, reply.body["message"]) == (403, "Resource not accessible by integration")
    assert reply.headers["X-Accepted-GitHub-Permissions"] == "issues=write"
    number = next(iter(bench.world.installations))
    path = f"/app/installations/{number}/access_tokens"
    wide = await bench.ask("POST", path, {"permissions": {"workflows": "write"}}, token=bench.app_jwt())
    assert wide.status == 422


async def test_other_repositories_do_not_exist(bench: Bench) -> None:
    """A private repository beyond the installation, or beyond the token, is a 404."""
    other = await bench.world.seed_repository("else/where", {"a": "b"})
    bench.world.uninstall(bench.world.installation_of(other) or pytest.fail("no installation"))
    assert (await bench.ask("GET", "/repos/else/where")).status == 404
    second = await bench.world.seed_repository("acme/second", {"a": "b"})
    narrow = await bench.mint(repository_ids=[second.id])
    assert (await bench.ask("GET", REPO, token=narrow)).status == 404
    assert (await bench.ask("GET", "/repos/acme/second", token=narrow)).status == 200
    listed = await bench.ask("GET", "/installation/repositories", token=narrow)
    assert [each["name"] for each in listed.body["repositories"]] == ["second"]


async def test_comments_live_and_die(bench: Bench) -> None:
    """A comment is made, read, changed and deleted, under `/api/v3` too; each change is told."""
    made = await bench.ask("POST", f"/api/v3{ISSUE}/comments", {"body": "One"})
    assert (made.status, made.headers["Location"]) == (201, made.body["url"])
    assert made.body["performed_via_github_app"]["id"] == bench.world.app.id
    one = f"{REPO}/issues/comments/{made.body['id']}"
    assert (await bench.ask("PATCH", one, {"body": "Two"})).body["body"] == "Two"
    assert (await bench.ask("GET", one)).body["body"] == "Two"
    assert (await bench.ask("GET", f"{REPO}/issues/comments")).body[0]["id"] == made.body["id"]
    assert (await bench.ask("DELETE", one)).status == 204
    assert (await bench.ask("GET", one)).status == 404
    actions = [f"issue_comment.{each}" for each in ("created", "edited", "deleted")]
    assert (await bench.names())[1:] == actions


async def test_comments_have_limits(bench: Bench) -> None:
    """65,536 characters pass, one more and a blank text get 422, a locked thread 403, a deleted one 410."""
    path = f"{ISSUE}/comments"
    assert (await bench.ask("POST", path, {"body": "x" * 65536})).status == 201
    for body in ("x" * 65537, " "):
        assert (await bench.ask("POST", path, {"body": body})).status == 422
    thread = bench.world.issue("acme/shop", 1)
    await bench.world.lock_issue(thread, "maria", "spam")
    assert (await bench.ask("POST", path, {"body": "x"})).status == 403
    await bench.world.unlock_issue(thread, "maria")
    await bench.world.delete_issue(thread, "maria")
    assert (await bench.ask("POST", path, {"body": "x"})).status == 410


async def test_labels_issues_and_assignees(bench: Bench) -> None:
    """Labels ignore case and are told once; filters find the issue; assignees need a role."""
    world = bench.world
    for name in ("Bug", "bug"):
        reply = await bench.ask("POST", f"{ISSUE}/labels", {"labels": [name]})
        assert [each["name"] for each in reply.body] == ["Bug"]
    assert [each["number"] for each in (await bench.ask("GET", f"{REPO}/issues?labels=bug")).body] == [1]
    assert (await bench.ask("GET", f"{REPO}/issues?labels=bug,other")).body == []
    assert (await bench.ask("GET", f"{REPO}/issues?since=2999-01-01T00:00:00Z")).body == []
    assert (await bench.ask("DELETE", f"{ISSUE}/labels/BUG")).body == []
    assert (await bench.ask("DELETE", f"{ISSUE}/labels/bug")).status == 404
    world.user("stranger")
    assigned = await bench.ask("POST", f"{ISSUE}/assignees", {"assignees": ["maria", "stranger"]})
    assert [each["login"] for each in assigned.body["assignees"]] == ["maria"]
    closed = await bench.ask("PATCH", ISSUE, {"state": "closed", "title": "New"})
    assert (closed.body["state"], closed.body["state_reason"]) == ("closed", "completed")
    assert (await bench.ask("GET", f"{REPO}/issues")).body == []
    expected = ["labeled", "unlabeled", "assigned", "edited", "closed"]
    assert (await bench.names())[1:] == [f"issues.{each}" for each in expected]


async def test_reactions_are_one_of_a_kind(bench: Bench) -> None:
    """The same reaction twice is 201, then 200 with the same id; only one's own can be taken back."""
    path = f"{ISSUE}/reactions"
    first = await bench.ask("POST", path, {"content": "eyes"})
    again = await bench.ask("POST", path, {"content": "eyes"})
    assert (first.status, again.status, first.body["id"]) == (201, 200, again.body["id"])
    assert (await bench.ask("GET", ISSUE)).body["reactions"]["eyes"] == 1
    theirs, _ = await bench.world.react(bench.world.issue("acme/shop", 1).reactions, "maria", "heart")
    assert (await bench.ask("DELETE", f"{path}/{theirs.id}")).status == 403
    assert (await bench.ask("DELETE", f"{path}/{first.body['id']}")).status == 204
    comment = await bench.world.comment(bench.world.issue("acme/shop", 1), "maria", "Hi")
    on_comment = f"{REPO}/issues/comments/{comment.id}/reactions"
    assert (await bench.ask("POST", on_comment, {"content": "rocket"})).status == 201
    assert [each["content"] for each in (await bench.ask("GET", on_comment)).body] == ["rocket"]


@pytest.mark.parametrize(
    ("role", "permission"),
    [("admin", "admin"), ("maintain", "write"), ("triage", "read"), ("none", "none")],
)
async def test_permission_words_old_and_new(bench: Bench, role: str, permission: str) -> None:
    """The permission endpoint names the role, and the older word for it."""
    bench.world.add_collaborator("kim", role)
    reply = await bench.ask("GET", f"{REPO}/collaborators/kim/permission")
    assert (reply.body["permission"], reply.body["role_name"]) == (permission, role)
    assert (await bench.ask("GET", f"{REPO}/collaborators/nobody/permission")).status == 404
    bot = await bench.ask("GET", "/users/journeyman-demo%5Bbot%5D")
    assert (bot.body["type"], bot.body["id"]) == ("Bot", bench.world.app.bot.id)


async def test_pages_follow_their_links(bench: Bench) -> None:
    """Following `next` visits every comment once; a smaller page size is possible."""
    thread = bench.world.issue("acme/shop", 1)
    made = [(await bench.world.comment(thread, "maria", str(number))).id for number in range(25)]
    bench.world.faults.page_size = 10
    seen, url = [], f"{ISSUE}/comments?per_page=100"
    while url:
        reply = await bench.ask("GET", url)
        seen += [each["id"] for each in reply.body]
        links = dict(each.split("; ")[::-1] for each in reply.headers.get("Link", "").split(", ") if each)
        url = links.get('rel="next"', "").strip("<>")
    assert seen == made


async def test_an_unchanged_answer_is_free(bench: Bench) -> None:
    """The ETag of an answer gets 304 without cost until the object changes."""
    first = await bench.ask("GET", ISSUE)
    again = await bench.ask("GET", ISSUE, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status, again.body) == (304, "")
    assert again.headers["X-RateLimit-Remaining"] == first.headers["X-RateLimit-Remaining"]
    await bench.world.edit_issue(bench.world.issue("acme/shop", 1), "maria", title="Other")
    changed = await bench.ask("GET", ISSUE, headers={"If-None-Match": first.headers["ETag"]})
    assert changed.status == 200


async def test_checks_hold_their_limits(bench: Bench) -> None:
    """A check run completes by its conclusion; unknown commits, long texts and many annotations get 422."""
    sha = (await bench.ask("GET", f"{REPO}/git/ref/heads/main")).body["object"]["sha"]
    made = await bench.ask("POST", f"{REPO}/check-runs", {"name": "journeyman", "head_sha": sha})
    assert (made.status, made.body["status"]) == (201, "queued")
    path = f"{REPO}/check-runs/{made.body['id']}"
    output = {"title": "Proven", "summary": "All well"}
    done = await bench.ask("PATCH", path, {"conclusion": "success", "output": output})
    assert (done.body["status"], done.body["output"]["title"]) == ("completed", "Proven")
    listed = await bench.ask("GET", f"{REPO}/commits/main/check-runs")
    assert [each["id"] for each in listed.body["check_runs"]] == [made.body["id"]]
    note = {"path": "a", "start_line": 1, "end_line": 1, "annotation_level": "notice", "message": "m"}
    bad = [
        {"name": "x", "head_sha": "0" * 40},
        {"name": "x", "head_sha": sha, "status": "completed"},
        {"name": "x", "head_sha": sha, "output": {"title": "t", "summary": "s" * 65536}},
        {"name": "x", "head_sha": sha, "output": {"title": "t", "summary": "s", "annotations": [note] * 51}},
    ]
    for body in bad:
        assert (await bench.ask("POST", f"{REPO}/check-runs", body)).status == 422
    await bench.world.rerequest(bench.world.checks[made.body["id"]], "maria")
    expected = [f"check_run.{each}" for each in ("created", "completed", "rerequested")]
    assert (await bench.names())[1:] == expected


async def test_the_tree_can_be_read(bench: Bench) -> None:
    """Branches, commits, trees and contents answer from the real repository, raw or as JSON."""
    branch = (await bench.ask("GET", f"{REPO}/branches/main")).body
    commit = (await bench.ask("GET", f"{REPO}/commits/main")).body
    assert branch["commit"]["sha"] == commit["sha"]
    assert [each["filename"] for each in commit["files"]] == ["test_shop.py"]
    tree = (await bench.ask("GET", f"{REPO}/git/commits/{commit['sha']}")).body["tree"]["sha"]
    listed = (await bench.ask("GET", f"{REPO}/git/trees/{tree}?recursive=1")).body["tree"]
    assert {"docs", "docs/a b.md", "shop.py"} <= {each["path"] for each in listed}
    raw = await bench.ask(
        "GET", f"{REPO}/contents/docs/a%20b.md", headers={"Accept": "application/vnd.github.raw"}
    )
    assert raw.body == "x\n"
    assert (await bench.ask("GET", f"{REPO}/contents/docs/a%20b.md?ref=main")).body["content"] == "eAo=\n"
    assert [each["type"] for each in (await bench.ask("GET", f"{REPO}/contents/docs")).body] == ["file"]
    for missing in ("contents/nothing", "git/ref/heads/nothing", "branches/nothing"):
        assert (await bench.ask("GET", f"{REPO}/{missing}")).status == 404


async def test_a_renamed_repository_redirects(bench: Bench) -> None:
    """The old name answers 301 with an address by id that works."""
    bench.world.rename_repository(bench.world.repository("acme/shop"), "store")
    moved = await bench.ask("GET", ISSUE)
    assert moved.status == 301
    assert (await bench.ask("GET", moved.headers["Location"])).body["number"] == 1
    code, said = await bench.git("ls-remote", f"{bench.world.url}/acme/shop.git")
    assert (code, "refs/heads/main" in said) == (0, True)


async def test_a_suspended_installation_is_shut(bench: Bench) -> None:
    """While suspended there are no events and no answers; afterwards both are back."""
    installation = next(iter(bench.world.installations.values()))
    bench.world.suspend(installation)
    await bench.world.comment(bench.world.issue("acme/shop", 1), "maria", "Anyone?")
    assert (await bench.ask("GET", REPO)).status == 403
    assert await bench.names() == ["issues.opened"]
    bench.world.unsuspend(installation)
    assert (await bench.ask("GET", REPO)).status == 200


async def test_the_app_learns_of_itself(bench: Bench) -> None:
    """Installations, hook configuration, ping and the rate limit answer."""
    token = bench.app_jwt()
    found = await bench.ask("GET", "/app/installations", token=token)
    assert [each["account"]["login"] for each in found.body] == ["acme"]
    one = await bench.ask("GET", f"{REPO}/installation", token=token)
    assert one.body["id"] == found.body[0]["id"]
    assert (await bench.ask("GET", "/app/hook/config", token=token)).body["url"] == bench.world.hook_url
    assert (await bench.ask("GET", "/rate_limit")).body["rate"]["limit"] == 5000
    bench.world.ping()
    assert (await bench.names())[-1] == "ping"


async def test_the_journal_tells_changes_from_looks(bench: Bench) -> None:
    """`mutations()` holds what changed something: no reads, no tokens, no refusals."""
    await bench.ask("GET", ISSUE)
    await bench.ask("POST", f"{ISSUE}/comments", {"body": ""})
    await bench.ask("POST", f"{ISSUE}/comments", {"body": "Hello"})
    entry = bench.world.mutations()[-1]
    assert [each.path for each in bench.world.mutations()] == [f"{ISSUE}/comments"]
    assert (entry.request_body, entry.status, entry.response_body["body"]) == (
        {"body": "Hello"},
        201,
        "Hello",
    )
