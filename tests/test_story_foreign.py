"""Another author's GitHub and Claude keep to their documentation too: each task ends, and says how."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests import foreign_claude, foreign_github, shop, story
from tests.foreign_claude import Block, call, text

EDITOR = "str_replace_based_edit_tool"
NOT_FOUND = (404, '{"message": "Not Found"}')
FORBIDDEN = (403, '{"message": "Resource not accessible by integration"}')
PAGE = (404, "<html><body>404: not here</body></html>")
# Everything that a task can do without, refused at once.
UNADORNED = {
    r"GET /users/.*": NOT_FOUND,
    r"GET .*/contents/.*": PAGE,
    r"\w+ .*/reactions.*": NOT_FOUND,
    r"\w+ .*/check-(runs|suites).*": FORBIDDEN,
    r"POST .*/assignees": NOT_FOUND,
}
MEND = {
    "command": "str_replace",
    "path": "shop.py",
    "old_str": "- 0 * discount",
    "new_str": "* (100 - discount) / 100",
}
TESTS = json.dumps({"test_cases": [{"name": "discount", "test_code": shop.TEST, "test_type": "GENERATED"}]})


async def test_a_github_that_tells_the_least_is_enough(tmp_path: Path) -> None:
    """Bare answers, `/api/v3`, short-lived short tokens and no frills still make a proven pull request."""
    async with foreign_github.serving(UNADORNED, foreign_github.barest) as foreign:
        addresses = {"GITHUB_API_URL": f"{foreign.url}/api/v3", "GITHUB_SERVER_URL": foreign.url}
        async with story.telling(tmp_path, [shop.RIGHT], **addresses) as told:
            foreign.stand_before(told.world.url)
            repo = await told.world.seed_repository("acme/shop", shop.FILES)
            issue = await story.labelled(told, repo, shop.TITLE, shop.BODY)
            task = await told.ended(issue)

            assert (task["status"], task["reason"]) == ("COMPLETED", None), told.tail()
            assert len(told.world.pulls[repo.id]) == 1
            for kind in ("status", "log", "final"):
                assert len(told.comments(issue, kind)) == 1, kind


# A Claude that knows neither thinking nor `finish`, names files from the root of the tree and ends its turns.
MENDING: Sequence[Sequence[Block]] = [
    [
        text("I look first."),
        call(1, "bash", command="ls", description="list"),
        call(2, EDITOR, command="view", path="shop.py"),
    ],
    [call(1, "no_such_tool", wish="all"), call(2, EDITOR, **MEND)],
    [text("Done.")],
]  # fmt: skip
FINISHING: Sequence[Sequence[Block]] = [
    [call(1, EDITOR, **MEND), call(2, "finish"), call(3, "bash", command="yes | head -c 3000000")],
    [text("Nothing to add.")],
]
WRITING: Sequence[Sequence[Block]] = [
    [
        call(1, EDITOR, **MEND),
        call(2, EDITOR, command="create", path="/workspace/tests/test_discount.py", file_text=shop.TEST),
    ],
    [text("Done.")],
]
EMPTY: Sequence[Sequence[Block]] = [[]]


@pytest.mark.parametrize(
    ("answers", "tests", "streams", "ending"),
    [
        pytest.param(MENDING, f"Here they are:\n```json\n{TESTS}\n```", True, None, id="never a finish"),
        pytest.param(FINISHING, TESTS, False, None, id="no stream, a bare finish among others"),
        pytest.param(WRITING, (400, "output_config: not permitted"), True, None, id="no schema"),
        pytest.param(MENDING, f"Try this:\n```python\n{shop.TEST}\n```", True, None, id="code in prose"),
        pytest.param(MENDING, "I had rather not.", True, "unproven", id="no tests"),
        pytest.param(EMPTY, TESTS, True, "no_changes", id="nothing said"),
    ],
)  # fmt: skip
async def test_a_claude_of_other_habits_still_ends_its_task(
    tmp_path: Path, answers: Sequence[Sequence[Block]], tests: str | tuple[int, str], streams: bool,
    ending: str | None,
) -> None:  # fmt: skip
    """Whatever it leaves out, a proven change becomes a pull request and the rest a named reason."""
    async with (
        foreign_claude.serving(answers, tests, streams=streams) as foreign,
        story.telling(tmp_path, [], ANTHROPIC_BASE_URL=foreign.url) as told,
    ):
        repo = await told.world.seed_repository("acme/shop", shop.FILES)
        issue = await story.labelled(told, repo, shop.TITLE, shop.BODY)
        task = await told.ended(issue)

        status = "COMPLETED" if ending is None else "FAILED"
        assert (task["status"], task["reason"]) == (status, ending), told.tail()
        assert len(told.world.pulls[repo.id]) == (ending is None)
        assert len(told.comments(issue, "final")) == 1
