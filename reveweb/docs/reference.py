"""The API's own description of itself (OpenAPI), put in order for people."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import Any

from django.utils.text import slugify

from reveweb.openapi import REF, SEVERAL_FAILED, document, name_of
from reveweb.openapi.operations import FAILED_CALLS, OPERATIONS, answers, by_code

_ERROR = "Error"  # what people know all errors as
_KINDS = ("application/json", "multipart/form-data", "text/event-stream")
_LIMITS = {
    "minLength": "at least {:,} character{s}",
    "maxLength": "at most {:,} character{s}",
    "minimum": "at least {:,}",
    "maximum": "at most {:,}",
}


@dataclass(frozen=True)
class Field:
    """A parameter, or a field of an object. `type` and `notes` are Markdown."""

    name: str
    type: str
    required: bool
    description: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Reply:
    """What an operation can answer."""

    status: int
    phrase: str
    codes: tuple[str, ...]
    schema: str


@dataclass(frozen=True)
class Operation:
    """One method at one path."""

    id: str
    method: str
    path: str
    summary: str
    description: str
    parameters: tuple[Field, ...]
    body: tuple[Field, ...]
    replies: tuple[Reply, ...]


@dataclass(frozen=True)
class Object:
    """A JSON object that answers are made of."""

    name: str
    description: str
    fields: tuple[Field, ...]


@lru_cache(maxsize=1)
def operations() -> tuple[Operation, ...]:
    """Return the API's operations in the schema's order."""
    return tuple(
        _operation(path, method, details)
        for path, methods in _document()["paths"].items()
        for method, details in methods.items()
    )


@lru_cache(maxsize=1)
def schemas() -> tuple[Object, ...]:
    """Return the objects that answers are made of; what a request is made of stands with its operation."""
    bodies = {
        _name(kind["schema"])
        for details in _all_operations()
        for kind in details.get("requestBody", {}).get("content", {}).values()
    }
    return tuple(
        Object(name, schema.get("description", ""), _fields(schema))
        for name, schema in _schemas().items()
        if name not in bodies and "properties" in schema and _shown_as(name) == name
    )


@lru_cache(maxsize=1)
def error() -> tuple[Field, ...]:
    """Return the fields that an error can have, whatever its code."""
    found: dict[str, Field] = {}
    errors = [_schemas()[name]["properties"]["error"] for name in _schemas() if _shown_as(name) == _ERROR]
    always = set.intersection(*(set(one["required"]) for one in errors))
    for one in errors:
        for name, schema in one["properties"].items():
            words = schema.get("description", "")
            found.setdefault(name, Field(name, _type(schema), name in always, words, ()))
    return tuple(found.values())


@lru_cache(maxsize=1)
def headers() -> tuple[Field, ...]:
    """Return the headers that answers can have beside HTTP's own."""
    return tuple(
        Field(
            name,
            _type(one["schema"]),
            one["required"],
            one["description"],
            (*_notes(one["schema"]), *_statuses(name)),
        )
        for name, one in _document()["components"]["headers"].items()
    )


def _statuses(header: str) -> Iterator[str]:
    """Say with which statuses a header comes, unless with all."""
    replies = [reply for details in _all_operations() for reply in details["responses"].items()]
    found = [status for status, reply in replies if header in reply["headers"]]
    if len(found) < len(replies):
        yield "With " + ", ".join(f"`{status}`" for status in sorted(set(found))) + "."


@lru_cache(maxsize=1)
def _document() -> dict[str, Any]:
    return document("")


def _schemas() -> dict[str, Any]:
    found: dict[str, Any] = _document()["components"]["schemas"]
    return found


def _all_operations() -> list[dict[str, Any]]:
    return [details for methods in _document()["paths"].values() for details in methods.values()]


def _operation(path: str, method: str, details: dict[str, Any]) -> Operation:
    body = _schemas()[_name(_json(details["requestBody"]))] if "requestBody" in details else {}
    return Operation(
        id=details["operationId"],
        method=method.upper(),
        path=path,
        summary=details["summary"],
        description=details.get("description", ""),
        parameters=tuple(_parameter(one) for one in details.get("parameters", ())),
        body=_fields(body),
        replies=tuple(
            Reply(int(status), HTTPStatus(int(status)).phrase, _codes(_json(reply)), _type(_json(reply)))
            for status, reply in details["responses"].items()
        ),
    )


def _parameter(one: dict[str, Any]) -> Field:
    place = {"path": "in the path", "header": "header", "query": "in the query"}[one["in"]]
    schema = one["schema"]
    description = one.get("description", schema.get("description", ""))
    return Field(one["name"], f"{_type(schema)}, {place}", one.get("required", False), description, _notes(schema))


def _fields(schema: dict[str, Any]) -> tuple[Field, ...]:
    required = schema.get("required", ())
    return tuple(
        Field(name, _type(one), name in required, one.get("description", ""), _notes(one))
        for name, one in schema.get("properties", {}).items()
    )


def _type(schema: dict[str, Any]) -> str:
    """Return a schema's type in words, as a link where it is an object of its own."""
    if "oneOf" in schema or "anyOf" in schema:
        variants = [one for one in schema.get("oneOf") or schema["anyOf"] if one.get("type") != "null"]
        return " or ".join(dict.fromkeys(map(_type, variants)))
    if name := _name(schema):
        if "properties" not in _schemas()[name]:  # a choice
            return _type(_schemas()[name])
        shown = _shown_as(name)
        return f"[{shown}](#{slugify(shown)})"
    kind = schema["type"] if isinstance(schema["type"], str) else schema["type"][0]  # … or null
    return f"{kind}, {schema['format']}" if "format" in schema else kind


def _shown_as(name: str) -> str:
    """Return the name under which people find a schema: all errors have one shape, and so have all failed images."""
    if name in map(name_of, FAILED_CALLS):
        return "FailedImage"
    return _ERROR if name in map(name_of, by_code(answer for one in OPERATIONS for answer in answers(one))) else name


def _codes(schema: dict[str, Any]) -> tuple[str, ...]:
    """Return the codes of errors that an answer of this schema can carry."""
    if name := _name(schema):
        return _codes(_schemas()[name]) if name != SEVERAL_FAILED else ()  # those that one image has at that status
    if variants := schema.get("oneOf") or schema.get("anyOf"):
        return tuple(dict.fromkeys(code for one in variants for code in _codes(one)))
    fields = schema.get("properties", {})
    if "error" in fields:
        return _codes(fields["error"])
    code = fields.get("code", {})
    return tuple(code.get("enum", [code["const"]] if "const" in code else []))


def _notes(schema: dict[str, Any]) -> tuple[str, ...]:
    notes = []
    for one in schema.get("anyOf", ()):
        if name := _name(one):
            schema = {**_schemas()[name], **schema}
    if "const" in schema:
        notes.append(f"Always `{schema['const']}`.")
    if "enum" in schema:
        notes.append("One of " + ", ".join(f"`{value}`" for value in schema["enum"]) + ".")
    limits = [_limit(words, schema[name]) for name, words in _LIMITS.items() if name in schema]
    if limits:
        notes.append((" , ".join(limits)).replace(" ,", ",").capitalize() + ".")
    if schema.get("examples"):
        notes.append(f"Example: `{schema['examples'][0]}`.")
    return tuple(notes)


def _limit(words: str, value: Any) -> str:
    return words.format(value, s="" if value == 1 else "s")


def _json(part: dict[str, Any]) -> dict[str, Any]:
    content = part.get("content", {})
    kind = next((one for one in _KINDS if one in content), "")
    return dict(content.get(kind, {}).get("schema", {}))


def _name(schema: dict[str, Any]) -> str:
    return str(schema.get("$ref", "")).removeprefix(REF)
