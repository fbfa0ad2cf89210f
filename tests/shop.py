"""A small real repository with a real fault, and what Claude says about it."""

from demo.claude.script import Play, Turn

TITLE = "Totals are wrong when a discount applies"
BODY = """`total([10, 20], discount=50)` returns 30.

It should return 15: the discount is a percentage of the sum.
"""

FILES = {
    "README.md": "# Shop\n",
    "shop.py": '''"""Add up what a customer buys."""


def total(prices, discount=0):
    """Return the sum of the prices, less the discount in percent."""
    return sum(prices) - 0 * discount


def cheapest(prices):
    """Return the lowest price."""
    return min(prices)
''',
    "tests/test_shop.py": '''"""Test the shop."""

from shop import cheapest, total


def test_total_without_discount():
    assert total([10, 20]) == 30


def test_cheapest():
    assert cheapest([3, 1, 2]) == 1
''',
    "pyproject.toml": """[tool.pytest.ini_options]
pythonpath = ["."]
""",
}

TEST = """
from shop import total


def test_discount_is_a_percentage_of_the_sum():
    assert total([10, 20], discount=50) == 15
"""

FIX = {
    "command": "str_replace",
    "path": "/workspace/shop.py",
    "old_str": "    return sum(prices) - 0 * discount",
    "new_str": "    return sum(prices) * (100 - discount) / 100",
}
FINISH = {
    "summary": "The discount was multiplied by zero. It is now taken as a percentage of the sum.",
    "look_at": ["`total` now returns a float when a discount applies."],
    "open_questions": [],
}

LOOK = Turn(text="I look at the code first.", tools=[("bash", {"command": "cat shop.py && ls tests"})])
MEND = Turn(text="The discount is multiplied by zero.", tools=[("str_replace_based_edit_tool", FIX)])
RUN = Turn(tools=[("bash", {"command": "python -m pytest -q"})])
DONE = Turn(text="All of it passes.", tools=[("finish", FINISH)])
TESTS = {"test_cases": [{"name": "discount", "test_code": TEST}]}

RIGHT = Play(match="Totals are wrong", turns=[LOOK, MEND, RUN, DONE], tests=TESTS, name="right")

# Fixes that must not become a pull request.
_ELSEWHERE = {
    "command": "str_replace",
    "path": "/workspace/shop.py",
    "old_str": "    return min(prices)",
    "new_str": "    return sorted(prices)[0]",
}
_BREAKING = {
    "command": "create",
    "path": "/workspace/shop.py",
    "file_text": """def total(prices, discount=0):
    return sum(prices) * (100 - discount) / 100


def cheapest(prices):
    return max(prices)
""",
}
_NO_TEST = {
    "command": "create",
    "path": "/workspace/tests/test_shop.py",
    "file_text": """from shop import total


def test_total_without_discount():
    assert total([10, 20]) == 30
""",
}
GIVE_UP = Turn(text="I can do no more.", tools=[("finish", {"summary": "This is what I have."})])


def edit(given: dict[str, str]) -> Turn:
    """Return a turn that makes one edit."""
    return Turn(tools=[("str_replace_based_edit_tool", given)])


NOT_FIXING = Play(match="Totals are wrong", turns=[edit(_ELSEWHERE), GIVE_UP], rest=GIVE_UP, tests=TESTS)
BREAKING = Play(match="Totals are wrong", turns=[edit(_BREAKING), GIVE_UP], rest=GIVE_UP, tests=TESTS)
TAMPERING = Play(
    match="Totals are wrong", turns=[edit(_BREAKING), edit(_NO_TEST), GIVE_UP], rest=GIVE_UP, tests=TESTS
)
SECOND_TRY = Play(
    match="Totals are wrong",
    turns=[
        edit(_BREAKING),
        GIVE_UP,
        edit({**_BREAKING, "file_text": _BREAKING["file_text"].replace("max", "min")}),
        DONE,
    ],
    tests=TESTS,
)
IDLE = Play(match="Totals are wrong", turns=[LOOK], rest=Turn(text="There is nothing to do."), tests=TESTS)
