"""The description of the API for machines."""

from typing import Any

import pytest
from django.test import Client

from generator.models import ASPECT_RATIOS
from tests.api.answers import assert_json


@pytest.fixture
def document(client: Client) -> Any:
    response = client.get("/v1/openapi.json")
    assert response.status_code == 200
    return assert_json(response)


def test_it_lists_the_endpoints_once_each(document: Any) -> None:
    paths = {path: list(methods) for path, methods in document["paths"].items()}
    assert paths == {"/v1/reve-image/generate": ["post"], "/v1/reve-image/status/{image_id}": ["get"]}


def test_it_names_every_field_of_a_request_and_which_one_is_required(document: Any) -> None:
    operation = document["paths"]["/v1/reve-image/generate"]["post"]
    body = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    fields = document["components"]["schemas"][body]
    assert set(fields["properties"]) == {"prompt", "negative_prompt", "aspect_ratio", "async"}
    assert fields["required"] == ["prompt"]
    assert set(fields["properties"]["aspect_ratio"]["enum"]) == set(ASPECT_RATIOS)


def test_it_tells_the_errors_and_how_to_send_a_key(document: Any) -> None:
    operation = document["paths"]["/v1/reve-image/generate"]["post"]
    errors = {"400", "401", "402", "408", "409", "413", "415", "422", "429", "502", "503"}
    assert set(operation["responses"]) == errors | {"200", "202"}
    [scheme] = document["components"]["securitySchemes"].values()
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    assert operation["security"]


def test_it_needs_no_key(client: Client) -> None:
    assert client.get("/v1/openapi.json").status_code == 200
