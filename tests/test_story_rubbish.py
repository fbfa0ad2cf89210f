"""Whatever people and programs send, huge, deep or broken, is answered or left alone, never a fault."""

import asyncio
import io
import json
import secrets
from pathlib import Path

import aiohttp

from bot.task import asked
from demo.claude.script import Play
from tests import people, shop, story
from tests.story import Story

TOKEN = secrets.token_urlsafe(32)
LONG = 65_536

# A comment, and whether it asks for anything: then it hears of it, else nothing happens.
COMMENTS = {
    "as long as may be": ("/journeyman help " + "a" * (LONG - 17), True),
    "deep quotes": (">" * 10_000 + " /journeyman stop", False),
    "many quotes": ("> /journeyman stop\n" * 3000, False),
    "deep lists": ("\n".join(" " * n + "- /journeyman stop" for n in range(200)), False),
    "a NUL": ("/journeyman he\x00lp", True),
    "NULs": ("\x00" * 1000, False),
    "lone surrogates": ("/journeyman \ud800help \udfff", True),
    "a hundred commands": ("/journeyman help\n" * 100, True),
    "a huge value": ("/journeyman run model=" + "m" * 60_000, True),
    "a huge budget": ("/journeyman run budget=" + "9" * 5000, True),
    "a strange budget": ("/journeyman run budget=NaN proof=maybe from=\u202eplan", True),
    "brackets": ("[" * 30_000 + "@journeyman-demo", None),
    "emphasis": ("*" * 30_000 + " @journeyman-demo help", None),
    "backticks": ("`" * 30_001 + "/journeyman stop", None),
    "entities": ("&amp;" * 12_000 + "/journeyman stop", False),
    "an open comment": ("<!--" * 10_000 + "/journeyman stop", False),
    "tables": ("|a|b|\n|-|-|\n" + "|/journeyman stop|x|\n" * 3000, False),
    "mentions": ("@journeyman-demo " * 3800, None),
    "an empty one": ("", False),
    "right to left": ("\u202e/journeyman stop", None),
    "markers": ("<!-- journeyman:status v1 s=x op=st-x -->\n/journeyman config\n-->", None),
    "fences": ("````a\n/journeyman stop\n" * 2000, False),
    "every line end": ("/journeyman help\r/journeyman config\r\n\u2028/journeyman status\x0b\x0c", True),
}

BODIES = [
    b"", b"{", b"[]", b"null", b"1e999", b'"x"', b"\xff\xfe", b"{}", b'{"repository": null}',
    b'{"repository": "acme"}', b'{"repository": "acme/shop/../x"}', b'{"repository": "\\u0000/\\ud800"}',
    b'{"repository": "acme/shop", "issue_number": -1}', b'{"repository": "acme/shop", "issue_number": 1e30}',
    b'{"repository": "acme/shop", "issue_number": 99999999999999999999}', b'{"project_path": "/etc"}',
    b'{"project_path": "\\u0000"}', b'{"project_path": "' + b"a" * 100_000 + b'"}',
    b'{"repository": "acme/shop", "repository": "b/c", "extra": 1}',
    b"[" * 100_000, b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    b'{"session_id": "x", "description": "\\ud800"}', b'{"session_id": 5, "description": ["x"]}',
    b'{"session_id": "' + b"s" * 70_000 + b'", "description": "' + b"d" * 2_000_000 + b'"}',
]  # fmt: skip


async def _comments(told: Story) -> dict[str, str]:
    """Say all of it, and return what was not answered as it should be."""
    wrong = {}
    for number, (name, (body, asks)) in enumerate(COMMENTS.items()):
        repo = f"owner{number % 3}/shop"
        if repo not in told.world.repositories:
            await told.world.seed_repository(repo, shop.FILES)
            told.world.add_collaborator("maria", "maintain")
            await told.world.open_issue(repo, "maria", shop.TITLE, shop.BODY)
        issue = told.world.issue(repo, 1)
        before = len(told.comments(issue, "reply"))
        comment = await told.world.comment(issue, "maria", body)
        await told.world.delivered()
        row = await people.settled(told, comment)
        replies = told.comments(issue, "reply")[before:]
        answered = len(people.reactions(comment)) == 1
        # The pages of `help` and `config` are comments of their own, beside the one answer to all the rest.
        if len(replies) > 2 or (asks is not None and answered != asks) or "failed" in (row["outcome"] or ""):
            wrong[name] = f"{people.reactions(comment)}, {replies}, {row['outcome']}"
    return wrong


async def _bodies(told: Story) -> list[str]:
    """Send all of it to the API, and return what was not a plain refusal."""
    wrong = []
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    async with aiohttp.ClientSession(told.url, headers=headers) as http:
        for path in ("/api/v1/sessions", "/api/v1/tasks", "/api/v1/tasks/x/cancel"):
            for body in BODIES:
                async with http.post(path, data=io.BytesIO(body)) as answer:
                    told_of = answer.content_type == "application/problem+json"
                    if not 400 <= answer.status < 500 or not told_of:
                        wrong.append(f"{path} {body[:60]!r}: {answer.status} {answer.content_type}")
        for path in (
            "/api/v1/sessions/%00", "/api/v1/tasks/%ff%fe", "/api/v1/tasks/" + "x" * 5000,
            "/api/v1/sessions/x/tasks?limit=-1&cursor=%00", "/api/v1/sessions/x/tasks?limit=9e99&cursor=x",
            "/api/v1/tasks/x/events", "/api/v1/tasks/../../etc",
        ):  # fmt: skip
            async with http.get(path, headers={"Last-Event-ID": "9" * 400}) as answer:
                if not 400 <= answer.status < 500:
                    wrong.append(f"{path[:60]}: {answer.status}")
    return wrong


async def test_rubbish_is_no_fault_of_ours(tmp_path: Path) -> None:
    """Comments, a review with 300 inline comments, edits and API bodies: answered, ignored or refused."""
    environment = {"JOURNEYMAN_API_TOKENS": TOKEN, "JOURNEYMAN_API_RATE": "6000/min"}
    async with story.telling(tmp_path, [], **environment) as told:
        wrong, bodies = await asyncio.gather(_comments(told), _bodies(told))
        assert wrong == {}
        assert bodies == []
        assert told.rows("SELECT 1 FROM tasks WHERE status NOT IN ('FAILED')") == []
        people.sound(told)


def test_a_huge_review_fits_a_prompt_and_says_what_was_cut() -> None:
    """Three hundred remarks of the greatest length are not millions of characters for Claude."""
    remark = {"path": "shop.py", "line": 6, "body": "b" * 65_536, "diff_hunk": "d" * 65_536}
    comments = [{**remark, "root": number, "id": number} for number in range(300)]
    said = asked.words({"reviews": [{"author": "maria", "state": "commented", "comments": comments}]})
    assert sum(map(len, said)) < 400_000
    assert any("not shown" in one or "Cut" in one for one in said)


async def test_a_review_of_three_hundred_remarks(tmp_path: Path) -> None:
    """All of them are in the one follow-up; Claude is told what was cut, and people can stop it."""
    plays = [
        Play(match="Go on with work on", turns=[people.SLEEP]),
        Play(match="Totals are wrong", turns=[shop.MEND, shop.DONE], tests=shop.TESTS),
    ]
    async with story.telling(tmp_path, plays) as told:
        repo = await told.world.seed_repository("acme/shop", shop.FILES)
        issue = await story.labelled(told, repo, shop.TITLE, shop.BODY)
        assert (await told.ended(issue))["status"] == "COMPLETED", told.tail()
        (pull,) = told.world.pulls[repo.id].values()
        remarks = [
            {"path": "shop.py", "line": 6, "body": f"Remark {number}. " + "Why? " * 400}
            for number in range(300)
        ]
        await told.world.review(pull, "maria", "REQUEST_CHANGES", "A few things.", remarks)
        await told.world.delivered()

        async def at_work() -> bool:
            return bool(told.rows("SELECT 1 FROM tasks WHERE kind = 'follow_up' AND steps = 1"))

        await told.until(at_work, 60)
        (task,) = told.rows("SELECT trigger FROM tasks WHERE kind = 'follow_up'")
        (review,) = json.loads(task["trigger"])["reviews"]
        assert len(review["comments"]) == 300
        opening = json.dumps(told.claude.asked[-1].body)
        assert "Remark 0." in opening
        assert "Remark 299." in opening or "not shown" in opening or "left out" in opening
        stop = await told.world.comment(pull, "maria", "/journeyman stop")
        await people.settled(told, stop)

        async def ends() -> bool:
            return bool(told.rows("SELECT 1 FROM tasks WHERE kind = 'follow_up' AND phase = 'conclude'"))

        await told.until(ends, 10)
        people.sound(told)
