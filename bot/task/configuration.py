"""Read `.github/journeyman.yml`, and say with line and column what is wrong in it."""

from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from bot.errors import UserFault

MOST_BYTES = 64 * 1024
MOST_DEPTH = 10


class Misconfigured(UserFault):
    """The file can't be used; the text names the place and the fix."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Allow(_Part):
    """The least role for a word."""

    run: Literal["read", "triage", "write", "maintain", "admin"] = "write"
    steer: Literal["read", "triage", "write", "maintain", "admin"] = "triage"


class Paths(_Part):
    """What a change may not touch."""

    deny: list[str] = [".github/workflows/**"]


def _inside(path: str) -> str:
    if path.startswith("/") or ".." in path.split("/") or not path.isprintable() or not path:
        raise ValueError("must be a folder of the repository, relative to its root")
    return path


def _rising(pair: list[int]) -> list[int]:
    if pair[0] > pair[1]:
        raise ValueError("the first number must not be larger than the second")
    return pair


class Human(_Part):
    """How the simulated human speaks."""

    cadence: Annotated[
        list[Annotated[int, Field(ge=1, le=50)]], Field(min_length=2, max_length=2), AfterValidator(_rising)
    ] = [3, 5]
    max_pauses: Annotated[int, Field(ge=0, le=50)] | None = None


class Configuration(_Part):
    """The keys of the contract, section 5; all optional."""

    label: Annotated[str, Field(min_length=1, max_length=50)] | None = None
    base: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    model: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    budget_usd: Annotated[float, Field(gt=0, le=1000)] | None = None
    setup: list[str] | None = None
    test: str | None = None
    working_directory: Annotated[str, AfterValidator(_inside)] = "."
    network: list[str] = []
    allow: Allow = Allow()
    proof: Literal["required", "preferred", "off"] = "required"
    follow_ci: bool = False
    generated_tests: Literal["keep", "drop"] = "keep"
    paths: Paths = Paths()
    draft: bool = False
    comments: Literal["full", "summary"] = "full"
    human: Human = Human()

    @property
    def budget(self) -> Decimal | None:
        """The budget in USD, exactly as written."""
        return None if self.budget_usd is None else Decimal(str(self.budget_usd))


def parse(text: str) -> Configuration:
    """Return the configuration; raises Misconfigured with line and column."""
    if len(text.encode("utf-8", "replace")) > MOST_BYTES:
        raise Misconfigured(f"the file is larger than {MOST_BYTES // 1024} KiB")
    try:
        _refuse_bombs(text)
        node = yaml.compose(text, Loader=_Loader)
        data = yaml.load(text, Loader=_Loader)  # noqa: S506  # a SafeLoader
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        what = getattr(problem, "problem", None) or "it is not YAML"
        raise Misconfigured(f"{_at(mark)}{what}") from None
    except (RecursionError, ValueError) as problem:
        raise Misconfigured(f"it is not usable YAML: {type(problem).__name__}") from None
    if data is None:
        return Configuration()
    if not isinstance(data, dict):
        raise Misconfigured("line 1, column 1: the file must be a list of `key: value` lines")
    try:
        return Configuration.model_validate(data)
    except ValidationError as problem:
        first = problem.errors()[0]
        raise Misconfigured(f"{_at(_mark(node, first['loc']))}{_words(first)}") from None


class _Loader(yaml.SafeLoader):
    """Reads `2026-11-22` as the text that it is meant to be."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {  # type: ignore[misc]
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def _refuse_bombs(text: str) -> None:
    """Refuse what costs far more to read than its size lets expect, before it is read.

    A few aliases can stand for gigabytes, and the parser's time grows with the square of the depth.
    """
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if getattr(event, "anchor", None) is not None:
            raise Misconfigured(f"{_at(event.start_mark)}anchors and aliases are not allowed")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MOST_DEPTH:
            raise Misconfigured(f"{_at(event.start_mark)}nested too deeply")


def _words(error: Any) -> str:
    key = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        known = ", ".join(sorted(Configuration.model_fields))
        return f"`{key}` is not a key that Journeyman knows (known: {known})"
    return f"`{key}`: {error['msg']}"


def _mark(node: Any, location: tuple[int | str, ...]) -> Any:
    """Return the place in the file of what pydantic complains about."""
    mark = node.start_mark
    for part in location:
        if isinstance(node, yaml.MappingNode):
            pairs = {key.value: (key, value) for key, value in node.value}
            if part not in pairs:
                return mark
            key, node = pairs[part]
            mark = key.start_mark
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            mark = node.start_mark
    return mark


def _at(mark: Any) -> str:
    return f"line {mark.line + 1}, column {mark.column + 1}: " if mark is not None else ""
