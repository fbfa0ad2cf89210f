"""Generated tests: asked for by schema, read leniently."""

import json
from typing import Any

import pytest

from bot.claude import tests_wanted
from bot.claude.ask import Answer, Claude
from bot.claude.usage import Usage
from demo.claude import server
from demo.claude.script import Play, Script

CASE = {"name": "adds", "test_code": "def test_a():\n    assert 1\n"}


def answer(text: str, stop_reason: str = "end_turn") -> Answer:
    message = {"role": "assistant", "content": [{"type": "text", "text": text}]}
    return Answer(message, stop_reason, Usage(output=7), "req_1", "m")


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"test_cases": [CASE]}),
        json.dumps({"tests": [CASE]}),
        json.dumps([CASE]),
        json.dumps(CASE),
        "```json\n" + json.dumps({"test_cases": [CASE]}, indent=1) + "\n```",
        "Here they are:\n" + json.dumps({"test_cases": [CASE]}) + "\nGood luck!",
        json.dumps(
            {"test_cases": [{"name": "adds", "code": "```python\n" + CASE["test_code"] + "```", "x": 1}]}
        ),
    ],
    ids=["exact", "alias", "list", "single", "fenced", "prose", "fenced-code"],
)
def test_lenient_reading_finds_the_test(text: str) -> None:
    """The same test is read from every shape that models are known to give."""
    read = tests_wanted.read(answer(text))
    assert [(test.name, test.test_code, test.path) for test in read.tests] == [
        ("adds", CASE["test_code"], None)
    ]
    assert read.problem == ""
    assert read.usage.output == 7


def test_code_in_fences_is_taken_where_there_is_no_json() -> None:
    """A model that answers in prose is read by its blocks of code, those without a test left out."""
    text = f"First:\n```bash\npytest\n```\nThen:\n```python\nx = [1, 2]\n{CASE['test_code']}```\nThat is all."
    read = tests_wanted.read(answer(text))
    assert [(test.name, test.test_code) for test in read.tests] == [
        ("test_1", "x = [1, 2]\n" + CASE["test_code"])
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no list of tests"),
        ("I can't.", "no list of tests"),
        ('{"test_cases": [{"name": "a", "test_c', "no list of tests"),
        ('{"answer": 42}', "no list of tests"),
        ("42", "no list of tests"),
        ('{"test_cases": []}', "lists no tests"),
        ('{"test_cases": [{"name": "a"}, 7]}', "test 1: "),
        ('{"test_cases": [{"name": "a", "test_code": "  "}]}', "blank"),
        ("[" * 100_000, "no list of tests"),
    ],
)
def test_what_cannot_be_read_is_a_reason_not_an_exception(text: str, words: str) -> None:
    """No tests and a sentence that says why."""
    read = tests_wanted.read(answer(text))
    assert read.tests == ()
    assert words in read.problem


def test_a_bad_case_does_not_spoil_the_others() -> None:
    """Single bad cases are left out and named; nameless ones get a name; a path is kept."""
    listed = [{"test_code": "x = 1"}, {"name": "bad"}, {**CASE, "file_path": "tests/test_a.py"}]
    read = tests_wanted.read(answer(json.dumps({"cases": listed})))
    assert [(test.name, test.path) for test in read.tests] == [("test_1", None), ("adds", "tests/test_a.py")]
    assert read.tests[0].test_code == "x = 1\n"
    assert read.problem.startswith("test 2: ")


def test_a_refusal_and_a_cut_answer_are_named() -> None:
    """The reason tells a refusal and a cut answer from nonsense."""
    assert "refused" in tests_wanted.read(answer("", "refusal")).problem
    assert "cut at its limit" in tests_wanted.read(answer('{"test_cases": [', "max_tokens")).problem


async def test_the_request_carries_the_schema() -> None:
    """The structured request reaches the API, and its answer is read."""
    running = await server.start(Script([Play("write", tests={"test_cases": [CASE]})]))
    claude = Claude(api_key="stand-in-key", base_url=running.url)
    made = await tests_wanted.generate(
        claude, model="claude-haiku-5-5", prompt="write tests", max_tokens=4000
    )
    assert [test.name for test in made.tests] == ["adds"]
    sent: Any = running.journal[0].body
    assert sent["output_config"]["format"] == {"type": "json_schema", "schema": tests_wanted.SCHEMA}
    assert (sent["model"], sent["max_tokens"]) == ("claude-haiku-5-5", 4000)
    await claude.close()
    await running.close()
