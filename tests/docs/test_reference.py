"""The reference names everything that the schema does."""

from typing import Any

import pytest
from django.test import Client


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
            for parameter in operation["parameters"]:
                assert f"- `{parameter['name']}`" in part
                assert parameter["description"] in part
            for status in operation["responses"]:
                assert f"| {status} |" in part


def test_it_has_every_field_of_every_object_with_its_description(document: Any, text: str) -> None:
    for schema in document["components"]["schemas"].values():
        for name, field in schema["properties"].items():
            assert f"- `{name}` *" in text
            assert field["description"] in text


def test_it_tells_types_limits_defaults_and_examples(text: str) -> None:
    assert "- `prompt` *string* **required**\n\n  What to draw. At least 1 character, at most 4,000 characters." in text
    assert "One of `1:1`, `16:9`, `4:3`, `3:4`, `9:16`, `2:3`, `3:2`. Default: `1:1`." in text
    assert "- `async` *boolean*" in text
    assert "Default: `false`." in text
    assert "Example: `A red fox in fresh snow`." in text
    assert "- `Idempotency-Key` *string, header*" in text
    assert "- `metadata` *[Metadata](#metadata)*" in text


def test_the_limits_that_it_tells_are_those_that_are_kept(document: Any) -> None:
    fields = document["components"]["schemas"]["GenerateBody"]["properties"]
    assert fields["prompt"]["maxLength"] == fields["negative_prompt"]["maxLength"] == 4000


def test_a_refusal_leads_to_its_row_on_the_errors_page(client: Client, text: str) -> None:
    page = client.get("/docs/errors/").content.decode()
    for code in ("insufficient_credits", "idempotency_conflict", "upstream_failed", "rate_limited"):
        assert f"[`{code}`](/docs/errors/#{code})" in text
        assert page.count(f'id="{code}"') == 1
