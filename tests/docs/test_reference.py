"""The reference names everything that the schema does."""

import re
from typing import Any

import pytest
from django.test import Client

from reveweb.answers import ANSWERS
from reveweb.docs import errors
from reveweb.openapi.operations import OF_OTHERS


@pytest.fixture
def document(client: Client) -> Any:
    return client.get("/v1/openapi.json").json()


@pytest.fixture
def text(client: Client, db: None) -> str:
    return client.get("/docs/reference.md").content.decode()


def test_it_has_every_endpoint_with_its_parameters_and_answers(document: Any, text: str) -> None:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert f"{method.upper()} http://testserver{path}" in text
            part = text.partition(f"## {operation['summary']}")[2].partition("\n## ")[0]
            for parameter in operation.get("parameters", []):
                assert f"- `{parameter['name']}`" in part
                assert parameter["description"] in part
            for status in operation["responses"]:
                assert f"| {status} |" in part


def fields_of(schema: Any) -> dict[str, Any]:
    """Every field of an object and of the objects that are spelled out in it."""
    found = dict(schema.get("properties", {}))
    for one in list(found.values()):
        found |= fields_of(one)
    return found


def test_it_has_every_field_of_every_object(document: Any, text: str) -> None:
    for schema in document["components"]["schemas"].values():
        for name in fields_of(schema):
            assert f"- `{name}` *" in text
    for name in ("GenerateRequest", "PendingImage", "CompletedImage", "FailedImage", "Metadata", "Failure"):
        for field in document["components"]["schemas"][name]["properties"].values():
            assert field["description"] in text


def test_it_has_every_header(document: Any, text: str) -> None:
    for name, header in document["components"]["headers"].items():
        assert f"- `{name}` *" in text.partition("## Headers")[2]
        assert header["description"] in text


def test_it_tells_for_each_status_the_codes_that_it_can_carry(document: Any, text: str) -> None:
    """Read off the errors themselves, so that no code is told of where it cannot be."""
    generate, look_up = codes_by_status(text, "Generate an image"), codes_by_status(text, "Check an image's status")
    assert generate["200"] == generate["202"] == []
    assert generate["402"] == ["insufficient_credits", "key_limit_reached"]
    assert generate["422"] == ["invalid_request", "model_not_allowed", "prompt_not_allowed", "prompt_refused"]
    assert set(generate["429"]) == {"rate_limited", "too_many_unfinished"}
    assert (generate["500"], generate["502"]) == (["internal_error"], ["upstream_failed"])
    assert look_up["429"] == ["rate_limited"]
    assert set(look_up["200"]) == {failure.code for failure in errors.failures()}
    told = [
        codes_by_status(text, operation["summary"])
        for methods in document["paths"].values()
        for operation in methods.values()
    ]
    others = [ANSWERS[kind].code for kind in OF_OTHERS]  # of protocols that the document has not
    for row in errors.refusals():
        assert row.code in others or row.code in [code for one in told for code in one.get(str(row.status), [])]
    assert "uploads_full" not in generate["422"]


def codes_by_status(text: str, summary: str) -> dict[str, list[str]]:
    """Read the table of an operation's answers."""
    part = text.partition(f"\n## {summary}\n")[2].partition("\n## ")[0]
    rows = [row.split(" | ") for row in re.findall(r"^\| (\d{3} .*)$", part, re.MULTILINE)]
    return {status: re.findall(r"\[`(\w+)`\]", codes) for status, _, codes, *_ in rows}


def test_it_tells_types_limits_defaults_and_examples(text: str) -> None:
    assert "- `prompt` *string* **required**\n\n  What to draw. At least 1 character, at most 4,000 characters." in text
    assert "Default: `1:1`. One of `1:1`, `16:9`, `4:3`, `3:4`, `9:16`, `2:3`, `3:2`." in text
    assert "- `async` *boolean*" in text
    assert "Default: `false`." in text
    assert "Example: `A red fox in fresh snow`." in text
    assert "- `Idempotency-Key` *string, header*" in text
    assert "- `metadata` *[Metadata](#metadata)*" in text


def test_the_limits_that_it_tells_are_those_that_are_kept(document: Any) -> None:
    fields = document["components"]["schemas"]["GenerateRequest"]["properties"]
    assert fields["prompt"]["maxLength"] == fields["negative_prompt"]["maxLength"] == 4000


def test_a_refusal_leads_to_its_row_on_the_errors_page(client: Client, text: str) -> None:
    page = client.get("/docs/errors/").content.decode()
    for code in ("insufficient_credits", "idempotency_conflict", "upstream_failed", "rate_limited"):
        assert f"[`{code}`](/docs/errors/#{code})" in text
        assert page.count(f'id="{code}"') == 1
