"""Ask for tests as structured output and read what comes back, leniently."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import structlog
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError, field_validator

from bot.claude import failures
from bot.claude.ask import Answer, Asker, Question
from bot.claude.usage import Usage

log = structlog.get_logger(__name__)

SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "test_cases": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "description": "short, snake_case"},
                    "test_code": {"type": "string", "description": "the whole test file"},
                    "path": {"type": "string", "description": "where the file stands, relative to the root"},
                },
                "required": ["name", "test_code"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["test_cases"],
    "additionalProperties": False,
}
_IN_WORDS = (
    "Answer with nothing but a JSON object: "
    '{"test_cases": [{"name": "...", "test_code": "...", "path": "..."}]}'
)
_CODE = re.compile(r"^```(?P<kind>\w*)[ \t]*\n(?P<inside>.*?)\n```[ \t]*$", re.DOTALL | re.MULTILINE)
_TEST = re.compile(r"^\s*(?:async +)?def test|^class Test", re.MULTILINE)
_FENCE = re.compile(r"^\s*```\w*\n(?P<inside>.*)\n```\s*$", re.DOTALL)


class Wanted(BaseModel):
    """One generated test: a name, a whole file, and where the model would put it."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str = Field(default="", validation_alias=AliasChoices("name", "test_name", "title"), max_length=200)
    test_code: str = Field(
        validation_alias=AliasChoices("test_code", "code", "content", "source"),
        min_length=1,
        max_length=200_000,
    )
    path: str | None = Field(
        default=None, validation_alias=AliasChoices("path", "file", "filename", "file_path")
    )

    @field_validator("test_code")
    @classmethod
    def _without_fence(cls, code: str) -> str:
        found = _FENCE.match(code)
        code = found["inside"] if found else code
        if not code.strip():
            raise ValueError("the test is blank")
        return code if code.endswith("\n") else code + "\n"


class _Listed(BaseModel):
    model_config = ConfigDict(extra="ignore")

    test_cases: list[Any] = Field(validation_alias=AliasChoices("test_cases", "tests", "cases"))


@dataclass(frozen=True)
class Generated:
    """The tests of one answer; `problem` says what could not be read, empty when all could."""

    tests: tuple[Wanted, ...]
    usage: Usage
    problem: str = ""


async def generate(claude: Asker, *, model: str, prompt: str, max_tokens: int) -> Generated:
    """Return the tests that the model writes for this prompt (`generate_tests`, filled in).

    An answer that can't be read gives no tests and a reason, never an exception; failures of the API are
    those of `Claude.ask`.
    """
    question = Question(
        model=model,
        messages=[{"role": "user", "content": prompt}],
        max_tokens=max_tokens,
        schema=SCHEMA,
    )
    try:
        return read(await claude.ask(question))
    except failures.Rejected as problem:  # a gateway or model without structured output: ask in words
        log.info("tests.without_schema", why=str(problem))
        messages = [{"role": "user", "content": f"{prompt}\n\n{_IN_WORDS}"}]
        return read(await claude.ask(replace(question, schema=None, messages=messages)))


def read(answer: Answer) -> Generated:
    """Return the tests in an answer; single bad ones are left out and named in `problem`.

    Where there is no list of them, blocks of code that hold a test are taken.
    """
    made = _read(answer)
    in_fences = () if made.tests else _in_fences(answer.text)
    return Generated(in_fences, answer.usage) if in_fences else made


def _read(answer: Answer) -> Generated:
    if answer.stop_reason == "refusal":
        return Generated((), answer.usage, "the model refused to write tests")
    try:
        listed = _listed(answer.text)
    except (ValueError, RecursionError) as error:
        cut = " (the answer was cut at its limit)" if answer.stop_reason == "max_tokens" else ""
        return Generated((), answer.usage, f"the answer holds no list of tests{cut}: {_first(error)}")
    tests: list[Wanted] = []
    problems: list[str] = []
    for number, item in enumerate(listed, 1):
        try:
            tests.append(Wanted.model_validate(item))
        except ValidationError as error:
            problems.append(f"test {number}: {_first(error)}")
    if not listed:
        problems.append("the answer lists no tests")
    named = [
        test if test.name else test.model_copy(update={"name": f"test_{n}"})
        for n, test in enumerate(tests, 1)
    ]
    return Generated(tuple(named), answer.usage, "; ".join(problems))


def _in_fences(text: str) -> tuple[Wanted, ...]:
    """Return the blocks of code that hold a test, for an answer that is no JSON."""
    python = (block["inside"] for block in _CODE.finditer(text) if block["kind"] in {"", "py", "python"})
    blocks = [code for code in python if _TEST.search(code)]
    return tuple(Wanted(name=f"test_{n}", test_code=code) for n, code in enumerate(blocks, 1))


def _listed(text: str) -> list[Any]:
    value = _json(text)
    if isinstance(value, list):
        return value
    try:
        return _Listed.model_validate(value).test_cases
    except ValidationError:
        if isinstance(value, dict):
            return [Wanted.model_validate(value).model_dump()]  # one test by itself
        raise


def _json(text: str) -> Any:
    """Return the JSON in a text: the whole of it, or what a fence or some prose stands around."""
    found = _FENCE.match(text)
    bare = (found["inside"] if found else text).strip()
    try:
        return json.loads(bare)
    except ValueError:
        start = min((at for at in (bare.find("{"), bare.find("[")) if at >= 0), default=-1)
        if start < 0:
            raise
        return json.JSONDecoder().raw_decode(bare[start:])[0]


def _first(error: Exception) -> str:
    if isinstance(error, ValidationError):
        detail = error.errors()[0]
        place = ".".join(str(part) for part in detail["loc"])
        return f"{place}: {detail['msg']}".strip(": ")
    return str(error)[:200]
