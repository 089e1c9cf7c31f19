"""The description of the API for machines."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from openapi_spec_validator import OpenAPIV31SpecValidator

from generator.models import ASPECT_RATIOS
from reveweb.answers import ANSWERS
from reveweb.docs import errors
from reveweb.openapi.operations import FAILED_CALLS, OF_OTHERS
from reveweb.settings.pages import CORS_EXPOSE_HEADERS, OPENAI_HEADERS
from tests.api import described
from tests.api.answers import assert_json


@pytest.fixture
def document(client: Client) -> Any:
    response = client.get("/v1/openapi.json")
    assert response.status_code == 200
    return assert_json(response)


def problems(document: Any) -> list[str]:
    return [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()]


def operations(document: Any) -> Iterator[Any]:
    for methods in document["paths"].values():
        yield from methods.values()


def nodes(part: Any) -> Iterator[Any]:
    """Every object in a document."""
    if isinstance(part, dict):
        yield part
    for one in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from nodes(one)


def test_it_is_valid(document: Any) -> None:
    assert problems(document) == []
    document["components"]["securitySchemes"]["KeyAuth"]["name"] = "API key"  # as it was
    assert problems(document) != []


def test_it_lists_the_endpoints_once_each(document: Any) -> None:
    paths = {path: list(methods) for path, methods in document["paths"].items()}
    assert paths == {
        "/v1/reve-image/generate": ["post"],
        "/v1/reve-image/status/{image_id}": ["get"],
        "/v1/reve-image/edit": ["post"],
        "/v1/reve-image/remix": ["post"],
        "/v1/reve-image": ["get"],
        "/v1/reve-image/{image_id}": ["get", "delete"],
        "/v1/reve-image/{image_id}/cancel": ["post"],
        "/v1/reve-image/{image_id}/events": ["get"],
        "/v1/files": ["post"],
        "/v1/files/{file_id}": ["get", "delete"],
        "/v1/models": ["get"],
        "/v1/key": ["get"],
        "/v1/account": ["get"],
        "/v1/usage": ["get"],
        "/v1/tokens": ["post"],
        "/v1/tokens/{token_id}": ["delete"],
        "/v1/keys/report": ["post"],
    }


def test_it_says_where_the_api_is(client: Client, document: Any, settings: Any) -> None:
    assert document["servers"] == [{"url": "http://testserver"}]
    settings.PUBLIC_URL = "https://images.acme.dev"
    settings.SUPPORT_EMAIL = "help@acme.dev"
    theirs = client.get("/v1/openapi.json").json()
    assert theirs["servers"] == [{"url": "https://images.acme.dev"}]
    assert theirs["info"]["contact"]["email"] == "help@acme.dev"
    assert "testserver" not in str(theirs)


_SETTINGS = {"prompt", "negative_prompt", "aspect_ratio", "async", "model", "size", "quality"}
_SETTINGS |= {"n", "seed", "deadline_seconds", "dry_run", "webhook_url"}
REQUESTS = {
    "generate": (_SETTINGS, ["prompt"]),
    "edit": (_SETTINGS | {"image", "mask"}, ["prompt", "image"]),
    "remix": (_SETTINGS | {"images"}, ["prompt", "images"]),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_it_names_every_field_of_a_request_and_which_ones_are_required(document: Any, name: str) -> None:
    names, required = REQUESTS[name]
    operation = document["paths"][f"/v1/reve-image/{name}"]["post"]
    body = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    fields = document["components"]["schemas"][body]
    assert set(fields["properties"]) == names
    assert fields["required"] == required
    assert set(document["components"]["schemas"]["AspectRatio"]["enum"]) == set(ASPECT_RATIOS)
    for name, field in fields["properties"].items():
        described.check(
            document,
            field,
            field["examples"][0] if "examples" in field else {"async": True, "dry_run": True}.get(name, "1:1"),
        )
        if name in required:
            assert field["type"] in ("string", "array")
        else:
            described.check(document, field, None)


@pytest.mark.parametrize(
    ("path", "required"),
    [("reve-image/edit", ["prompt", "image"]), ("reve-image/remix", ["prompt", "images"]), ("files", ["file"])],
)
def test_it_says_how_pictures_come_as_files(document: Any, path: str, required: list[str]) -> None:
    content = document["paths"][f"/v1/{path}"]["post"]["requestBody"]["content"]
    schema = content["multipart/form-data"]["schema"]["$ref"].rpartition("/")[2]
    form = document["components"]["schemas"][schema]
    file = form["properties"][required[-1]]
    assert form["required"] == required
    assert file.get("items", file)["format"] == "binary"
    if path != "files":
        words = content["application/json"]["schema"]["$ref"].rpartition("/")[2]
        assert form["properties"].keys() == document["components"]["schemas"][words]["properties"].keys()


def test_it_tells_the_errors_and_how_to_send_a_key(document: Any) -> None:
    operation = document["paths"]["/v1/reve-image/generate"]["post"]
    found = {"400", "401", "402", "403", "405", "408", "409", "413", "415", "422", "429", "500", "502", "503"}
    assert set(operation["responses"]) == found | {"200", "202"}
    [scheme] = document["components"]["securitySchemes"].values()
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    assert operation["security"]


def test_it_has_every_code_that_the_errors_page_has_at_its_status(document: Any) -> None:
    found = {
        (re.sub(r"(?<!^)(?=[A-Z])", "_", ref["$ref"].rpartition("/")[2]).lower(), int(status))
        for operation in operations(document)
        for status, answer in operation["responses"].items()
        if int(status) >= 400
        for ref in nodes(answer["content"]["application/json"]["schema"])
        if "$ref" in ref
    }
    others = {(ANSWERS[kind].code, ANSWERS[kind].status) for kind in OF_OTHERS}
    told = {(row.code, row.status) for row in errors.refusals()} - others
    assert found == told | set(FAILED_CALLS.items()) | {("failed_images", status) for status in FAILED_CALLS.values()}
    failure = document["components"]["schemas"]["Failure"]["properties"]["code"]["enum"]
    assert failure == [failure.code for failure in errors.failures()]


def test_an_images_schema_follows_from_its_status(document: Any) -> None:
    image = document["components"]["schemas"]["Image"]
    assert image["discriminator"]["propertyName"] == "status"
    for status, ref in image["discriminator"]["mapping"].items():
        schema = document["components"]["schemas"][ref.rpartition("/")[2]]
        assert schema["properties"]["status"]["const"] == status
        # Only look-ups tell what was asked for; what waits for an image is answered as it always was.
        only_pending = {"queue_position"} if status == "pending" else set()
        assert set(schema["properties"]) - set(schema["required"]) == only_pending | {
            "operation",
            "seed",
            "model",
            "credits",
            "test",
        }
    assert {one["$ref"] for one in image["oneOf"]} == set(image["discriminator"]["mapping"].values())


def test_nothing_in_it_trips_generators_of_clients(document: Any) -> None:
    for name, schema in document["components"]["schemas"].items():
        assert schema["title"] == name
        assert schema["description"]
        for node in nodes(schema):
            assert "default" not in node, "openapi-typescript takes such a field for required"
            if not name.endswith("Request"):
                assert "null" not in (kinds if isinstance(kinds := node.get("type"), list) else [kinds])
    titles = [node["title"] for node in nodes(document) if isinstance(node.get("title"), str)]
    assert len(titles) == len(set(titles))


def test_its_examples_fit_their_schemas_and_their_requests(document: Any) -> None:
    checked = 0
    for operation in operations(document):
        for part in [operation.get("requestBody"), *operation["responses"].values()]:
            for kind, media in (part or {}).get("content", {}).items():
                for example in media["examples"].values() if kind == "application/json" else ():
                    described.check(document, media["schema"], example["value"])
                    checked += 1
        for parameter in operation.get("parameters", []):
            for example in parameter.get("examples", {}).values():
                described.check(document, parameter["schema"], example["value"])
    assert checked > 30
    for node in nodes(document["components"]):
        if isinstance(node.get("examples"), list):
            for example in node["examples"]:
                described.check(document, node, example)
    generate = document["paths"]["/v1/reve-image/generate"]["post"]
    requests = generate["requestBody"]["content"]["application/json"]["examples"]
    finished = generate["responses"]["200"]["content"]["application/json"]["examples"]["completed"]["value"]
    assert finished["metadata"]["prompt"] == requests["completed"]["value"]["prompt"]
    assert "async" not in requests["completed"]["value"]
    assert list(generate["responses"]["202"]["content"]["application/json"]["examples"]) == ["pending", "several"]
    assert requests["pending"]["value"]["async"] is True


def test_what_scripts_of_other_sites_may_read_is_what_it_tells(document: Any) -> None:
    by_rights = {"cache-control", "vary"}  # every script may read these, or has no use for them
    of_browsers = {"access-control-allow-origin", "access-control-expose-headers", "strict-transport-security"}
    refused = {"www-authenticate", "allow"}
    told = {name.lower() for name in document["components"]["headers"]}
    # Of older clients' addresses, and of agents'.
    exposed = {name for name in CORS_EXPOSE_HEADERS if not name.startswith(("x-reve-", "mcp-"))}
    assert told - by_rights - of_browsers - refused == exposed - set(OPENAI_HEADERS) | {"retry-after-ms"}


def test_it_needs_no_key(client: Client) -> None:
    assert client.get("/v1/openapi.json").status_code == 200
