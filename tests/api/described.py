"""Holds an answer to the API's own document: its status, its body and its headers, with nothing missing or unsaid."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from openapi_schema_validator import OAS31Validator

# What HTTP itself says of a message; OpenAPI leaves it to HTTP.
OF_HTTP = {"content-type", "content-length", "date", "server", "connection", "transfer-encoding"}


def check(document: Any, schema: Any, value: Any) -> None:
    """Validate a value, and refuse what its schema says nothing of. Raises ValidationError, AssertionError."""
    _validator(document, schema).validate(value)
    assert set(_paths(value)) - set(_described(document, schema, value)) == set(), "no word of these fields"


def check_answer(document: Any, path: str, method: str, status: int, headers: Mapping[str, str], body: Any) -> set[str]:
    """Hold an answer to what the document says of it. Returns the names of the headers that it names and has."""
    answer = document["paths"][path][method]["responses"][str(status)]
    check(document, answer["content"]["application/json"]["schema"], body)
    told = {name.lower(): _resolved(document, header) for name, header in answer["headers"].items()}
    sent = {name.lower(): value for name, value in headers.items() if name.lower() not in OF_HTTP}
    assert sent.keys() - told.keys() == set(), f"{status} says nothing of these headers"
    assert {name for name, header in told.items() if header["required"]} - sent.keys() == set(), f"{status} lacks these"
    for name, value in sent.items():
        schema = told[name]["schema"]
        check(document, schema, int(value) if schema["type"] == "integer" else value)
    if url := body.get("url"):
        assert re.match(r"https?://[^/]+/images/\w+\.\w+$", url)
    return set(sent)


def _resolved(document: Any, part: Any) -> Any:
    while "$ref" in part:
        found: Any = document
        for step in part["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        part = found
    return part


def _validator(document: Any, schema: Any) -> Any:
    whole = {**schema, "components": document["components"]}
    return OAS31Validator(whole, format_checker=OAS31Validator.FORMAT_CHECKER)


def _described(document: Any, schema: Any, value: Any, path: str = "") -> Iterable[str]:
    """Name every field that a schema has a word on, in those of its variants that the value is of."""
    schema = _resolved(document, schema)
    for variant in [*schema.get("oneOf", ()), *schema.get("anyOf", ())]:
        if _validator(document, variant).is_valid(value):
            yield from _described(document, variant, value, path)
    for name, field in schema.get("properties", {}).items():
        if isinstance(value, dict) and name in value:
            yield f"{path}.{name}"
            yield from _described(document, field, value[name], f"{path}.{name}")


def _paths(value: Any, path: str = "") -> Iterable[str]:
    for name, one in value.items() if isinstance(value, dict) else ():
        yield f"{path}.{name}"
        yield from _paths(one, f"{path}.{name}")
