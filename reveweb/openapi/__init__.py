"""The API's description of itself (OpenAPI 3.1): what ninja reads off the routes, and all else that a client meets.

Ninja knows requests and the bodies of good answers. Errors come from `ANSWERS`, the table that the API answers from;
every code has a schema of its own, named after it, so that a client knows by the type what it got. Headers are listed
here, and `tests/api/test_described.py` holds real answers of every kind to them.

What generators of typed clients need, and would not survive otherwise:

- no `default`: openapi-typescript takes a field that has one for required. The description tells it.
- no `title` but a schema's own name: openapi-python-client makes two classes of one name from titles.
- nothing in an answer is null: a field is there or it is not.
"""

import json
from collections.abc import Iterator
from copy import deepcopy
from functools import lru_cache
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse

from generator.ask.answers import FailedCall, FailedImages
from generator.ask.schemas import EditRequest, RemixRequest
from generator.errors import IdempotencyConflict
from generator.models import PROMPT_REFUSED
from kit.http.requests import site_of
from reveweb.answers import ANSWERS, Answer
from reveweb.api import api as api  # for `urls`: with its document
from reveweb.openapi.examples import (
    A_FILE,
    ASKED,
    CANCELS,
    COMPLETED,
    EVENT,
    IMAGE_ID,
    LINKS,
    MODEL,
    PENDING,
    QUOTED,
    UPLOAD_FORM,
    WORDS,
)
from reveweb.openapi.headers import HEADERS, headers
from reveweb.openapi.operations import (
    A_FIELD,
    DRAWS,
    EVENTS,
    FAILED_CALLS,
    LOOKS,
    MODELS,
    OPERATIONS,
    STATUS,
    answers,
    by_code,
)

Json = dict[str, Any]

REF = "#/components/schemas/"
SEVERAL_FAILED = "FailedImages"
_LISTS = (
    ("PendingImages", "images"),
    ("CompletedImages", "images"),
    (SEVERAL_FAILED, "images"),
    ("ImageList", "data"),
)
_AN_IMAGE = "What became of an image, by its `status`."
_UNIONS = (
    ("/v1/reve-image/{image_id}", "get", "Image", _AN_IMAGE),
    ("/v1/reve-image/status/{image_id}", "get", "Image", _AN_IMAGE),
    ("/v1/reve-image/{image_id}/cancel", "post", "Cancel", "What became of calling off an image, by its `status`."),
)
_OF_FIELDS = "A field is missing or is not as it should be: `param` names it, and `message` says what is wrong."


# --- The document --------------------------------------------------------------------------------------------------


@api.get("/openapi.json", include_in_schema=False)
def openapi_json(request: HttpRequest) -> HttpResponse:
    """Describe the API as it is reached at the address that it is asked at."""
    return JsonResponse(document(site_of(request)))


def document(site: str) -> Json:
    """Return the document of the API at `site`, an address without a trailing slash."""
    whole = deepcopy(_document())
    whole["servers"] = [{"url": site}]
    whole["externalDocs"] = {"description": "Documentation", "url": f"{site}/docs/"}
    mail = {"email": settings.SUPPORT_EMAIL} if settings.SUPPORT_EMAIL else {}
    if settings.TERMS_URL:
        whole["info"]["termsOfService"] = settings.TERMS_URL
    whole["info"]["contact"] = {"name": settings.SITE_NAME, "url": f"{site}/docs/", **mail}
    _put_at(whole["paths"], site)
    return whole


@lru_cache(maxsize=1)
def _document() -> Json:
    whole: Json = deepcopy(dict(api.get_openapi_schema()))
    del whole["servers"]  # `document` has them
    whole["info"]["license"] = {"name": "MIT", "url": "https://opensource.org/license/mit"}
    whole["tags"] = [
        {"name": "Account", "description": "See what a key may do, and what its account has and used."},
        {"name": "Browser tokens", "description": "Let pages of your site make images without your key."},
        {"name": "Files", "description": "Upload pictures to make images from."},
        {"name": "Images", "description": "Ask for an image, and for what became of it."},
        {"name": "Keys", "description": "Report a key that leaked."},
        {"name": "Models", "description": "See what can be asked for, and what it costs."},
    ]
    components = whole["components"]
    del components["schemas"]["UsageQuery"]  # its fields are parameters
    # The views read the first two by themselves, and the last is what a call that failed is answered with.
    for model in (EditRequest, RemixRequest, FailedCall, FailedImages):
        own = model.model_json_schema(ref_template=REF + "{model}")
        own.pop("$defs", None)
        components["schemas"][model.__name__] = own
    schemas = components["schemas"] = _tidied(components["schemas"])
    for name in ("GenerateRequest", "EditRequest", "RemixRequest", "TokenRequest", "ReportRequest"):
        if name in ("EditRequest", "RemixRequest"):
            schemas[_form_of(name)] = _form(_form_of(name), schemas[name])
        _let_be_null(schemas, schemas[name])
    schemas["UploadForm"] = UPLOAD_FORM
    schemas.pop("ListQuery", None)  # its fields stand as parameters
    for path, method, name, description in _UNIONS:
        union = whole["paths"][path][method]["responses"][200]["content"]["application/json"]["schema"]
        schemas[name] = {"title": name, "description": description, **_without(_tidied(union), "title")}
        union.clear()
        union["$ref"] = REF + name
    for name, field in _LISTS:
        schemas[name]["properties"][field]["items"] = {"$ref": f"{REF}Image"}
    for code in FAILED_CALLS:
        schemas[name_of(code)] = _failed(schemas, code)
    everything = dict.fromkeys(answer for operation in OPERATIONS for answer in answers(operation))
    for code, same in by_code(everything).items():
        schemas[name_of(code)] = _error(code, same, schemas["PendingImage"]["properties"]["id"])
    components["schemas"] = dict(sorted(schemas.items()))
    components["headers"] = deepcopy(HEADERS)
    for methods in whole["paths"].values():
        for operation in methods.values():
            id = operation["operationId"]
            operation["responses"] = _responses(operation)
            if OPERATIONS[id].request:
                operation["requestBody"] = {"content": _content(id), "required": True}
            for parameter in operation.get("parameters", ()):
                parameter["schema"] = _plain(_tidied(parameter["schema"]))
                if parameter["name"] in OPERATIONS[id].parameters:
                    told, value = OPERATIONS[id].parameters[parameter["name"]]
                    parameter["schema"] = _field(schemas, told) if isinstance(told, str) else told
                    named = ("pending", "completed", "failed") if id in LOOKS else ("found",)
                    parameter["examples"] = {name: {"value": value} for name in named}
    return whole


def _plain(schema: Json) -> Json:
    """Return the schema of a parameter that may be left out, and is never null."""
    return {**_without(schema, "title", "description", "anyOf"), **(schema["anyOf"][0] if "anyOf" in schema else {})}


def _field(schemas: Json, path: str) -> Json:
    name, _, field = path.partition(".")
    return _without(schemas[name]["properties"][field], "description", "examples")


def _tidied(schema: Any) -> Any:
    """Return schemas without the titles that fields have, and with defaults in words."""
    if isinstance(schema, list):
        return [_tidied(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    tidy = {key: _tidied(value) for key, value in schema.items()}
    if isinstance(tidy.get("title"), str) and tidy.get("type") != "object":
        del tidy["title"]
    if len(tidy.get("allOf", ())) == 1:  # as pydantic has an object that need not be there
        tidy |= tidy.pop("allOf")[0]
    if "default" in tidy:
        default = tidy.pop("default")
        if default != "":
            tidy["description"] = f"{tidy['description']} Default: `{str(default).lower()}`."
    return tidy


def _content(operation: str) -> Json:
    """Return the kinds of body that an operation takes."""
    told = OPERATIONS[operation]
    content: Json = {}
    if told.is_json:
        content["application/json"] = {"schema": {"$ref": REF + told.request}, "examples": told.requests}
    if told.is_form:
        content["multipart/form-data"] = {"schema": {"$ref": REF + _form_of(told.request)}}
    return content


def _form_of(request: str) -> str:
    return request.replace("Request", "Form")


def _form(name: str, request: Json) -> Json:
    """Return the schema of the same request as a form with files."""
    form: Json = deepcopy(request)
    form["title"], form["description"] = name, f"{request['description']} As a form with files."
    for field, schema in form["properties"].items():
        if "anyOf" in schema:
            schema |= schema.pop("anyOf")[0]
        if field in ("image", "mask"):
            form["properties"][field] = {**A_FILE, "description": schema["description"]}
        elif field == "images":
            form["properties"][field] = {**_without(schema, "examples"), "items": dict(A_FILE)}
    return form


def _let_be_null(schemas: Json, request: Json) -> None:
    """Say that an optional field of a request may be null, which is to be absent, and give choices a name."""
    for name, field in request["properties"].items():
        if name in request.get("required", ()):
            continue
        if "anyOf" in field:
            field |= field.pop("anyOf")[0]
        kind = {"type": field.pop("type")}
        if "enum" in field:
            choices = "".join(word.capitalize() for word in name.split("_"))
            words = {"title": choices, "description": field["description"].partition(" Default:")[0]}
            schemas[choices] = {**words, **kind, "enum": field.pop("enum")}
            field["anyOf"] = [{"$ref": REF + choices}, {"type": "null"}]
        else:
            field["type"] = [kind["type"], "null"]


def _without(schema: Json, *names: str) -> Json:
    return {key: value for key, value in schema.items() if key not in names}


# --- Answers -------------------------------------------------------------------------------------------------------


def name_of(code: str) -> str:
    """Return the name of the schema of answers with this code: `RateLimited` for `rate_limited`."""
    return code.title().replace("_", "")


def _error(code: str, same: list[Answer], image_id: Json) -> Json:
    """Return the schema of errors with this code."""
    fields: Json = {
        "code": {"type": "string", "const": code, "description": "For programs."},
        "message": {
            "type": "string",
            "description": "For people. Words may change.",
            "examples": [answer.message for answer in same],
        },
    }
    required = ["code", "message"]
    named = [answer.param for answer in same if answer.param]
    if named:
        fields["param"] = {"type": "string", "description": "The field or header at fault.", "examples": named}
        required += ["param"] * (len(named) == len(same))
    if code in {answer.code for answer in answers(MODELS)}:
        fields["type"] = {"type": "string", "description": "For OpenAI's clients, of `GET /v1/models` alone."}
    if code == ANSWERS[IdempotencyConflict].code:
        fields["image_id"] = {**image_id, "description": "The image that is in the way."}
        required.append("image_id")
    fields["request_url"] = {
        "type": "string",
        "format": "uri",
        "description": "Where your dashboard shows this call, if its key is known.",
    }
    return {
        "title": name_of(code),
        "type": "object",
        "description": "\n\n".join(_OF_FIELDS if answer is A_FIELD else answer.message for answer in same),
        "required": ["error"],
        "properties": {"error": _object(fields, required, "What is wrong.")},
    }


def _failed(schemas: Json, code: str) -> Json:
    """Return the schema of what somebody gets who waited for an image that failed with this code."""
    schema: Json = deepcopy(schemas["FailedImage"])
    fields = deepcopy(schemas["Failure"]["properties"])
    fields["code"] = {"type": "string", "const": code, "description": "For programs."}
    fields["message"]["examples"] = [WORDS[code]]
    required = ["code", "message"]
    if code == PROMPT_REFUSED:
        required.append("param")
    else:
        del fields["param"]
    schema["title"] = name_of(code)
    schema["properties"]["error"] = _object(fields, required, "Why there is no image.")
    return schema


def _object(fields: Json, required: list[str], description: str) -> Json:
    return {"type": "object", "description": description, "required": required, "properties": fields}


def _responses(operation: Json) -> Json:
    """Return an operation's answers by status, those that ninja knows and all others."""
    id = operation["operationId"]
    found: dict[int, Json] = {
        status: _answer(id, status, _without(answer["content"]["application/json"]["schema"], "title"))
        for status, answer in operation["responses"].items()
    }
    told: dict[int, list[Answer]] = {}
    for answer in answers(id):
        told.setdefault(answer.status, []).append(answer)
    failed = {status: code for code, status in FAILED_CALLS.items()} if id in DRAWS else {}
    for status in told.keys() | failed.keys():
        codes = [*by_code(told.get(status, [])), *([failed[status]] if status in failed else [])]
        names = [*map(name_of, codes), *([SEVERAL_FAILED] if status in failed else [])]
        refs = [{"$ref": REF + name} for name in names]
        found[status] = _answer(id, status, refs[0] if len(refs) == 1 else {"anyOf": refs})
    return {str(status): found[status] for status in sorted(found)}


def _answer(operation: str, status: int, schema: Json) -> Json:
    kind = "text/event-stream" if (operation, status) == (EVENTS, 200) else "application/json"
    if kind == "text/event-stream":
        schema = EVENT
    answer: Json = {
        "description": HTTPStatus(status).phrase,
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in headers(operation, status)},
        "content": {kind: {"schema": schema, "examples": dict(_examples(operation, status))}},
    }
    if status == 200 and OPERATIONS[operation].is_csv:
        answer["content"]["text/csv"] = {"schema": {"type": "string"}}
    if links := _LINKS.get((operation, status)):
        answer["links"] = {"Status": {"operationId": STATUS, "parameters": {"image_id": links}}}
    return answer


_LINKS = {
    (operation, status): "$response.body#/error/image_id" if status == 409 else "$response.body#/id"
    for operation in DRAWS
    for status in (200, 202, 502, 409)
}


# --- Examples ------------------------------------------------------------------------------------------------------


def _examples(operation: str, status: int) -> Iterator[tuple[str, Json]]:
    """Yield examples of an answer by their names."""
    if status == 200 and operation in DRAWS:
        yield "completed", {"value": COMPLETED}
        yield "several", {"value": {"status": "completed", "images": [COMPLETED]}}
        yield "dry_run", {"value": QUOTED}
    if status == 202 and operation in DRAWS:
        yield "pending", {"value": PENDING}
        yield "several", {"value": {"status": "pending", "images": [PENDING]}}
    if status == 200 and operation in LOOKS:
        with_model = {**COMPLETED, "metadata": {**COMPLETED["metadata"], **MODEL}}  # type: ignore[dict-item]
        is_cancel = operation == "cancel_image"
        failed = _failed_example("cancelled" if is_cancel else "upstream_failed")
        for name, image in (("completed", with_model), ("pending", PENDING), ("failed", failed)):
            yield name, {"value": {**image, **ASKED, **(CANCELS[name] if is_cancel else {})}}
    if status == 200 and operation == EVENTS:
        yield "found", {"value": {"event": "status", "data": json.dumps({**PENDING, **ASKED})}}
    if status in (200, 202) and (example := OPERATIONS[operation].answer) is not None:
        yield "found", {"value": example}
    for code, same in by_code(answer for answer in answers(operation) if answer.status == status).items():
        yield code, {"value": {"error": _error_example(same[0])}}
    for code, its_status in FAILED_CALLS.items():
        if operation in DRAWS and status == its_status:
            yield code, {"value": _failed_example(code)}


def _error_example(answer: Answer) -> Json:
    param = {"param": answer.param} if answer.param else {}
    image = {"image_id": IMAGE_ID} if answer is ANSWERS[IdempotencyConflict] else {}
    return {"code": answer.code, "message": answer.message, **param, **image}


def _failed_example(code: str) -> Json:
    param = {"param": "prompt"} if code == PROMPT_REFUSED else {}
    return {"id": IMAGE_ID, "status": "failed", "error": {"code": code, "message": WORDS[code], **param}}


def _put_at(paths: Json, site: str) -> None:
    """Give what examples link to an address at `site`."""
    for methods in paths.values():
        for operation in methods.values():
            for answer in operation["responses"].values():
                for example in answer["content"].get("application/json", {"examples": {}})["examples"].values():
                    value = example["value"]
                    for image in (value, *value.get("images", ()), *value.get("data", ())):
                        image |= {name: site + image[name] for name in LINKS if name in image}
