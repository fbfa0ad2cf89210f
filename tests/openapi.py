"""The validator decides whether requests, answers and webhook payloads fit GitHub's own description."""

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import jsonschema_rs

from demo.github.deliveries import Delivery
from demo.github.journal import Entry
from demo.github.state import State
from tests import github_description

Json = dict[str, Any]
REF = "#/components/schemas/"
SPREADING = ("ref", "path", "branch", "basehead", "name")  # these parts of a path may hold slashes
PLAIN = ("sha", "raw", "diff", "patch", "html")  # media types whose answers aren't JSON
MOST = 20
BASIC_ERROR = {"$ref": f"{REF}basic-error"}
EITHER = {"Simple User", "Enterprise"}
FORMATS = {"email": lambda text: "@" in text}  # GitHub's own `SLUG[bot]@…` fails the strict reading


def check_journal(world: State) -> None:
    """Hold every request, answer and delivery of a world against the description; raises AssertionError.

    Where the description can't be had, it says so and holds nothing.
    """
    reason = github_description.absence()
    if reason:
        print(f"not checked: {reason}")  # noqa: T201
        return
    found = violations(world)
    shown = "\n".join(found[:MOST])
    assert not found, f"{len(found)} violations of GitHub's description:\n{shown}"


def violations(world: State) -> list[str]:
    """Return every violation once, as `where: what`."""
    found = [each for entry in world.requests if entry.actor != "git" for each in _of_entry(entry)]
    found += [each for delivery in world.deliveries for each in _of_delivery(delivery)]
    return list(dict.fromkeys(found))


@dataclass(frozen=True)
class Operation:
    """One operation of the REST API with the validators of its body and answers."""

    name: str
    pattern: re.Pattern[str]
    method: str
    facts: Json
    shared: list[Json] = field(default_factory=list)

    @property
    def parameters(self) -> dict[str, Json]:
        """Its query parameters by name."""
        every = [_resolved(each) for each in [*self.shared, *self.facts.get("parameters", [])]]
        return {each["name"]: each for each in every if each["in"] == "query"}


@functools.cache
def _operations() -> list[Operation]:
    found = []
    for template, item in github_description.load("rest")["paths"].items():
        for method in ("get", "post", "put", "patch", "delete"):
            if method in item:
                shared = item.get("parameters", [])
                name = f"{method.upper()} {template}"
                found.append(Operation(name, _pattern(template), method.upper(), item[method], shared))
    return sorted(found, key=lambda each: -len(re.sub(r"\{\w+\}", "", each.name)))  # the most literal first


def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", template)
    wild = [re.escape(text) if number % 2 == 0 else _wild(text) for number, text in enumerate(parts)]
    return re.compile("".join(wild))


def _wild(name: str) -> str:
    if name == "path":
        return ".*"  # the root folder's path is empty
    return ".+" if name in SPREADING else "[^/]+"


def operation(method: str, path: str) -> Operation | None:
    """Return the operation that a request is, None when GitHub has none."""
    bare = path.rstrip("/")
    for each in _operations():
        if each.method == method and (each.pattern.fullmatch(bare) or each.pattern.fullmatch(f"{bare}/")):
            return each
    return None


def _resolved(schema: Json) -> Json:
    while "$ref" in schema:
        target: Any = github_description.load("rest")
        for key in schema["$ref"].split("/")[1:]:
            target = target[key]
        schema = target
    return schema


@functools.cache
def _component(name: str) -> Json:
    converted = _converted(github_description.load("rest")["components"]["schemas"][name])
    assert isinstance(converted, dict)
    return converted


def _converted(schema: Any) -> Any:
    """Return an OpenAPI 3.0 schema as JSON Schema: `nullable` becomes a type."""
    if isinstance(schema, list):
        return [_converted(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if isinstance(schema.get("$ref"), str):
        return {"$ref": schema["$ref"]}
    kept = {key: _converted(value) for key, value in schema.items() if key not in ("example", "examples")}
    if {each.get("title") for each in kept.get("allOf", ()) if isinstance(each, dict)} == EITHER:
        kept["anyOf"] = kept.pop("allOf")  # GitHub's description asks for an account that is both
    if kept.get("nullable") is True:
        del kept["nullable"]
        if "enum" in kept and None not in kept["enum"]:
            kept["enum"] = [*kept["enum"], None]
        if isinstance(kept.get("type"), str):
            kept["type"] = [kept["type"], "null"]
        return kept if "type" in kept else {"anyOf": [kept, {"type": "null"}]}
    return kept


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"].removeprefix(REF)
        for each in schema.values():
            yield from _references(each)
    elif isinstance(schema, list):
        for each in schema:
            yield from _references(each)


_COMPILED: dict[int, jsonschema_rs.Validator] = {}  # by identity: schemas live as long as the description


def _validator(schema: Json) -> jsonschema_rs.Validator:
    if id(schema) not in _COMPILED:
        root = _converted(schema)
        wanted, needed = set(_references(root)), dict[str, Json]()
        while wanted:
            name = wanted.pop()
            needed[name] = _component(name)
            wanted |= set(_references(needed[name])) - needed.keys()
        whole = {"allOf": [root], "components": {"schemas": needed}}
        _COMPILED[id(schema)] = jsonschema_rs.Draft202012Validator(
            whole, formats=FORMATS, validate_formats=True
        )
    return _COMPILED[id(schema)]


def _errors(validator: jsonschema_rs.Validator, value: Any, where: str) -> list[str]:
    found = []
    for error in validator.iter_errors(value):
        path = "/".join(str(part) for part in error.instance_path)
        found.append(f"{where} at /{path}: {error.message[:300]}")
    return found


def _of_entry(entry: Entry) -> list[str]:
    where = f"{entry.method} {entry.path}"
    found = operation(entry.method, entry.path)
    if found is None:
        return [f"{where}: GitHub has no such operation"]
    errors = _of_query(found, entry) + _of_body(found, entry)
    return errors if entry.injected else errors + _of_answer(found, entry)


def _of_query(found: Operation, entry: Entry) -> list[str]:
    errors = []
    for name, text in entry.query.items():
        parameter = found.parameters.get(name)
        if parameter is None:
            errors.append(f"{found.name}: unknown query parameter {name}")
        elif entry.status < 400:
            schema = _resolved(parameter["schema"])
            value: Any = int(text) if schema.get("type") == "integer" and text.isdigit() else text
            value = (
                {"true": True, "false": False}.get(text, text) if schema.get("type") == "boolean" else value
            )
            errors += _errors(_validator(parameter["schema"]), value, f"{found.name}: query {name}")
    return errors


def _of_body(found: Operation, entry: Entry) -> list[str]:
    described = _resolved(found.facts.get("requestBody", {}))
    schema = described.get("content", {}).get("application/json", {}).get("schema")
    if entry.request_body is None:
        needed = described.get("required") and entry.status < 400
        return [f"{found.name}: no body"] if needed else []
    if schema is None:
        return [] if entry.request_body == {} else [f"{found.name}: takes no body"]
    errors = [f"{found.name}: unknown field {name}" for name in _unknown(schema, entry.request_body)]
    if entry.status < 400:  # what GitHub refuses need not fit
        errors += _errors(_validator(schema), entry.request_body, f"{found.name}: request")
    return errors


def _unknown(schema: Json, value: Any, prefix: str = "") -> Iterator[str]:
    if isinstance(value, list):
        items = [each["items"] for each in _alternatives(schema) if "items" in each]
        for each in value if items else ():
            yield from _unknown({"anyOf": items}, each, prefix)
    if not isinstance(value, dict):
        return
    every = list(_alternatives(schema))
    known: dict[str, list[Json]] = {}
    for each in every:
        for name, inner in each.get("properties", {}).items():
            known.setdefault(name, []).append(inner)
    if not known or any(each.get("additionalProperties") for each in every):
        return
    for name, inner in value.items():
        if name in known:
            yield from _unknown({"anyOf": known[name]}, inner, f"{prefix}{name}.")
        else:
            yield prefix + name


def _alternatives(schema: Json) -> Iterator[Json]:
    schema = _resolved(schema)
    yield schema
    for key in ("allOf", "anyOf", "oneOf"):
        for each in schema.get(key, ()):
            yield from _alternatives(each)


def _of_answer(found: Operation, entry: Entry) -> list[str]:
    if entry.status == 304 or (
        entry.response_body is None and entry.headers.get("Accept", "").endswith(PLAIN)
    ):
        return []
    where = f"{found.name}: answer {entry.status}"
    described = found.facts["responses"].get(str(entry.status))
    if described is None:
        if entry.status < 400:
            return [f"{where} is not described"]
        return _errors(_validator(BASIC_ERROR), entry.response_body, where)
    schema = _resolved(described).get("content", {}).get("application/json", {}).get("schema")
    if schema is None:
        return [] if entry.response_body in (None, {}) or entry.status >= 300 else [f"{where} has no body"]
    return _errors(_validator(schema), entry.response_body, where)


@functools.cache
def _webhook(name: str) -> tuple[jsonschema_rs.Validator, list[str]] | None:
    description = github_description.load("webhooks")
    item = description["webhooks"].get(name)
    if item is None:
        return None
    schema = item["post"]["requestBody"]["content"]["application/json"]["schema"]
    whole = {**schema, "components": description["components"]}
    headers = [each["name"].lower() for each in item["post"].get("parameters", ()) if each.get("required")]
    return jsonschema_rs.Draft202012Validator(whole, formats=FORMATS, validate_formats=True), headers


def _of_delivery(delivery: Delivery) -> list[str]:
    found = _webhook(delivery.name.replace(".", "-").replace("_", "-"))
    if found is None:
        return [f"delivery {delivery.name}: GitHub has no such webhook"]
    validator, headers = found
    sent = {name.lower() for name in delivery.request_headers}
    missing = [f"delivery {delivery.name}: no header {name}" for name in headers if name not in sent]
    return missing + _errors(validator, delivery.json(), f"delivery {delivery.name}")
