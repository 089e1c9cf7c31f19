"""The API's own description of itself (OpenAPI), put in order for people."""

from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import Any

from django.utils.text import slugify

from reveweb.api import api

_REF = "#/components/schemas/"
_LIMITS = {
    "minLength": "at least {:,} character{s}",
    "maxLength": "at most {:,} character{s}",
    "minimum": "at least {:,}",
    "maximum": "at most {:,}",
    "pattern": "matches `{}`",
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
    bodies = {_name(_json(details["requestBody"])) for details in _all_operations() if "requestBody" in details}
    found = _document()["components"]["schemas"]
    return tuple(
        Object(name, schema.get("description", ""), _fields(schema))
        for name, schema in found.items()
        if name not in bodies
    )


@lru_cache(maxsize=1)
def _document() -> dict[str, Any]:
    return dict(api.get_openapi_schema())


def _all_operations() -> list[dict[str, Any]]:
    return [details for methods in _document()["paths"].values() for details in methods.values()]


def _operation(path: str, method: str, details: dict[str, Any]) -> Operation:
    body = (
        _document()["components"]["schemas"][_name(_json(details["requestBody"]))] if "requestBody" in details else {}
    )
    return Operation(
        id=details["operationId"],
        method=method.upper(),
        path=path,
        summary=details["summary"],
        description=details.get("description", ""),
        parameters=tuple(_parameter(one) for one in details.get("parameters", ())),
        body=_fields(body),
        replies=tuple(
            Reply(int(status), HTTPStatus(int(status)).phrase, _type(_json(reply)))
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
    if "$ref" in schema:
        return f"[{_name(schema)}](#{slugify(_name(schema))})"
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"] if one.get("type") != "null")
    if schema.get("type") == "array":
        return f"array of {_type(schema['items'])}"
    return str(schema.get("type", "any"))


def _notes(schema: dict[str, Any]) -> tuple[str, ...]:
    inner: dict[str, Any] = next((one for one in schema.get("anyOf", ()) if one.get("type") != "null"), {})
    known = {**inner, **schema}
    notes = []
    if "enum" in known:
        notes.append("One of " + ", ".join(f"`{value}`" for value in known["enum"]) + ".")
    limits = [_limit(words, known[name]) for name, words in _LIMITS.items() if name in known]
    if limits:
        notes.append((" , ".join(limits)).replace(" ,", ",").capitalize() + ".")
    if known.get("default") not in (None, ""):
        notes.append(f"Default: `{str(known['default']).lower()}`.")
    if known.get("examples"):
        notes.append(f"Example: `{known['examples'][0]}`.")
    return tuple(notes)


def _limit(words: str, value: Any) -> str:
    return words.format(value, s="" if value == 1 else "s")


def _json(part: dict[str, Any]) -> dict[str, Any]:
    return dict(part.get("content", {}).get("application/json", {}).get("schema", {}))


def _name(schema: dict[str, Any]) -> str:
    return str(schema.get("$ref", "")).removeprefix(_REF)
