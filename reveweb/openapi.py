"""The API's description of itself (OpenAPI 3.1): what ninja reads off the routes, and all else that a client meets.

Ninja knows requests and the bodies of good answers. Errors come from `ANSWERS`, the table that the API answers from;
every code has a schema of its own, named after it, so that a client knows by the type what it got. Headers are listed
here, and `tests/api/test_described.py` holds real answers of every kind to them.

What generators of typed clients need, and would not survive otherwise:

- no `default`: openapi-typescript takes a field that has one for required. The description tells it.
- no `title` but a schema's own name: openapi-python-client makes two classes of one name from titles.
- nothing in an answer is null: a field is there or it is not.
"""

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from functools import lru_cache
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.exceptions import DisallowedHost, RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse

from accounts.errors import InvalidApiKey, MissingApiKey
from generator.ask.inputs import NO_PICTURE
from generator.ask.schemas import EditRequest, RemixRequest
from generator.errors import (
    BrokenForm,
    GenerationNotFound,
    IdempotencyConflict,
    InputGone,
    LimiterUnavailable,
    PictureRefused,
    RateLimited,
    UploadNotFound,
    UploadsFull,
)
from generator.models import PROMPT_REFUSED
from kit.http.requests import site_of
from kit.storage import StorageAway
from reveweb.api import (
    ANSWERS,
    DATABASE_AWAY,
    INTERNAL_ERROR,
    METHOD_NOT_ALLOWED,
    Answer,
    BodyTooLarge,
    BodyTooSlow,
    BrokenBody,
    NeedsHttps,
    told,
)
from reveweb.api import api as api  # for `urls`: with its document
from reveweb.lanes import PICTURE_FORM_BYTES, PICTURE_JSON_BYTES

Json = dict[str, Any]

GENERATE, EDIT, REMIX, STATUS = "generate_image", "edit_image", "remix_images", "image_status"
UPLOAD, FILE, DELETE, MODELS = "upload_file", "get_file", "delete_file", "list_models"
DRAWS = (GENERATE, EDIT, REMIX)  # what makes an image, and costs something
OPERATIONS = (*DRAWS, STATUS, UPLOAD, FILE, DELETE, MODELS)
REF = "#/components/schemas/"
_IMAGE_ID = "img_7Kx2mQ9vTfR4sWbN1cYpLhJd"
_FILE_ID = "file_9TfR4sWbN1cYpLhJd7Kx2mQ9"
_PROMPT = "A red fox in fresh snow"

# Whatever is asked for may be answered with these, and what is asked about an image with those of _OF_A_LOOK too. All
# others that `ANSWERS` lists are about asking for one.
_OF_ALL = (MissingApiKey, InvalidApiKey, NeedsHttps, DisallowedHost, RateLimited)
_OF_A_LOOK = (GenerationNotFound,)
_OF_A_FILE = (UploadNotFound,)
_OF_PICTURES = (InputGone, PictureRefused, UploadsFull, BrokenForm, StorageAway)
_OF_AN_UPLOAD = (BodyTooLarge, BodyTooSlow, BrokenBody, BrokenForm, UploadsFull, StorageAway, LimiterUnavailable)
_OF_NOTHING = (Http404,)  # of addresses that are not in the document
_WHATEVER_HAPPENS = (METHOD_NOT_ALLOWED, DATABASE_AWAY, INTERNAL_ERROR)
_A_FIELD = Answer(422, "invalid_request", "prompt: must not be blank", "prompt")  # one of many
_A_BAD_FILE = Answer(422, "invalid_request", f"file: {NO_PICTURE}", "file")  # likewise
_OF_FIELDS = "A field is missing or is not as it should be: `param` names it, and `message` says what is wrong."
FAILED_CALLS = {PROMPT_REFUSED: 422, "upstream_failed": 502}  # of those who waited, by code


# --- What can be answered ------------------------------------------------------------------------------------------


def answers(operation: str) -> list[Answer]:
    """Return every refusal and breakdown that an operation can be answered with."""
    of_others = {*_OF_ALL, *_OF_A_LOOK, *_OF_A_FILE, *_OF_NOTHING, *(_OF_PICTURES if operation == GENERATE else ())}
    about: Iterable[type[Exception]] = {
        STATUS: _OF_A_LOOK,
        FILE: _OF_A_FILE,
        DELETE: _OF_A_FILE,
        MODELS: (),
        UPLOAD: _OF_AN_UPLOAD,
    }.get(operation, ANSWERS.keys() - of_others)
    own = [_sized(kind, operation) for kind in ANSWERS if kind in _OF_ALL or kind in about]
    fields = [_A_FIELD] if operation in DRAWS else [_A_BAD_FILE] if operation == UPLOAD else []
    return [*own, *fields, *_WHATEVER_HAPPENS]


def _sized(kind: type[Exception], operation: str) -> Answer:
    most = {EDIT: PICTURE_JSON_BYTES, REMIX: PICTURE_JSON_BYTES, UPLOAD: PICTURE_FORM_BYTES["/v1/files"]}
    if kind in (BodyTooLarge, RequestDataTooBig) and operation in most:
        return told(ANSWERS[kind], BodyTooLarge(most[operation]))
    return ANSWERS[kind]


def by_code(found: Iterable[Answer]) -> dict[str, list[Answer]]:
    """Sort answers by their code, in the order of the table."""
    codes: dict[str, list[Answer]] = {}
    for answer in dict.fromkeys(found):
        codes.setdefault(answer.code, []).append(answer)
    return codes


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
        {"name": "Files", "description": "Upload pictures to make images from."},
        {"name": "Images", "description": "Ask for an image, and for what became of it."},
        {"name": "Models", "description": "See what can be asked for, and what it costs."},
    ]
    components = whole["components"]
    for request in (EditRequest, RemixRequest):  # the views read them by themselves
        components["schemas"][request.__name__] = request.model_json_schema(ref_template=REF + "{model}")
    schemas = components["schemas"] = _tidied(components["schemas"])
    for name in ("GenerateRequest", "EditRequest", "RemixRequest"):
        if name != "GenerateRequest":
            schemas[_form_of(name)] = _form(_form_of(name), schemas[name])
        _let_be_null(schemas, schemas[name])
    schemas["UploadForm"] = _UPLOAD_FORM
    look_up = whole["paths"]["/v1/reve-image/status/{image_id}"]["get"]
    union = look_up["responses"][200]["content"]["application/json"]["schema"]
    schemas["Image"] = {"title": "Image", "description": "What became of an image, by its `status`.", **_tidied(union)}
    union.clear()
    union["$ref"] = f"{REF}Image"
    [image_id] = look_up["parameters"]
    image_id["schema"] = _without(schemas["PendingImage"]["properties"]["id"], "description", "examples")
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
            if id in _BODIES:
                operation["requestBody"] = {"content": _content(id), "required": True}
            elif id in (FILE, DELETE):
                [file_id] = operation["parameters"]
                file_id["schema"] = _without(schemas["File"]["properties"]["id"], "description", "examples")
                file_id["examples"] = {"found": {"value": _FILE_ID}}
    image_id["examples"] = {name: {"value": _IMAGE_ID} for name in ("pending", "completed", "failed")}
    return whole


def _tidied(schema: Any) -> Any:
    """Return schemas without the titles that fields have, and with defaults in words."""
    if isinstance(schema, list):
        return [_tidied(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    tidy = {key: _tidied(value) for key, value in schema.items()}
    if isinstance(tidy.get("title"), str) and tidy.get("type") != "object":
        del tidy["title"]
    if "default" in tidy:
        default = tidy.pop("default")
        if default != "":
            tidy["description"] = f"{tidy['description']} Default: `{str(default).lower()}`."
    return tidy


def _content(operation: str) -> Json:
    """Return the kinds of body that an operation takes."""
    name = _BODIES[operation]
    form = {"multipart/form-data": {"schema": {"$ref": REF + _form_of(name)}}}
    if operation == UPLOAD:
        return form
    words = {"application/json": {"schema": {"$ref": REF + name}, "examples": _REQUESTS[operation]}}
    return words if operation == GENERATE else {**words, **form}


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
            form["properties"][field] = {**_A_FILE, "description": schema["description"]}
        elif field == "images":
            form["properties"][field] = {**_without(schema, "examples"), "items": dict(_A_FILE)}
    return form


def _let_be_null(schemas: Json, request: Json) -> None:
    """Say that an optional field of a request may be null, which is to be absent, and give choices a name."""
    for name, field in request["properties"].items():
        if name in request["required"]:
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
    if code == ANSWERS[IdempotencyConflict].code:
        fields["image_id"] = {**image_id, "description": "The image that is in the way."}
        required.append("image_id")
    return {
        "title": name_of(code),
        "type": "object",
        "description": "\n\n".join(_OF_FIELDS if answer is _A_FIELD else answer.message for answer in same),
        "required": ["error"],
        "properties": {"error": _object(fields, required, "What is wrong.")},
    }


def _failed(schemas: Json, code: str) -> Json:
    """Return the schema of what somebody gets who waited for an image that failed with this code."""
    schema: Json = deepcopy(schemas["FailedImage"])
    fields = deepcopy(schemas["Failure"]["properties"])
    fields["code"] = {"type": "string", "const": code, "description": "For programs."}
    fields["message"]["examples"] = [_WORDS[code]]
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
        status: _answer(id, status, answer["content"]["application/json"]["schema"])
        for status, answer in operation["responses"].items()
    }
    told: dict[int, list[Answer]] = {}
    for answer in answers(id):
        told.setdefault(answer.status, []).append(answer)
    failed = {status: code for code, status in FAILED_CALLS.items()} if id in DRAWS else {}
    for status in told.keys() | failed.keys():
        codes = [*by_code(told.get(status, [])), *([failed[status]] if status in failed else [])]
        refs = [{"$ref": REF + name_of(code)} for code in codes]
        found[status] = _answer(id, status, refs[0] if len(refs) == 1 else {"anyOf": refs})
    return {str(status): found[status] for status in sorted(found)}


def _answer(operation: str, status: int, schema: Json) -> Json:
    answer = {
        "description": HTTPStatus(status).phrase,
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in headers(operation, status)},
        "content": {"application/json": {"schema": schema, "examples": dict(_examples(operation, status))}},
    }
    if links := _LINKS.get((operation, status)):
        answer["links"] = {"Status": {"operationId": STATUS, "parameters": {"image_id": links}}}
    return answer


_LINKS = {
    (operation, status): "$response.body#/error/image_id" if status == 409 else "$response.body#/id"
    for operation in DRAWS
    for status in (200, 202, 502, 409)
}


# --- Headers -------------------------------------------------------------------------------------------------------


def _header(description: str, schema: Json, *, always: bool = False) -> Json:
    return {"description": description, "required": always, "schema": schema}


def _count(**limits: int) -> Json:
    return {"type": "integer", "minimum": 0, **limits}


# `required` says that it is there wherever `headers` lists it.
HEADERS = {
    "X-Request-Id": _header(
        "Names this request, for support.", {"type": "string", "pattern": "^req_[0-9a-f]{24}$"}, always=True
    ),
    "Cache-Control": _header("No cache may keep the answer.", {"type": "string", "const": "no-store"}, always=True),
    "Vary": _header("For caches.", {"type": "string", "examples": ["origin"]}, always=True),
    "Access-Control-Allow-Origin": _header(
        "To requests from pages of other sites: any may read the answer.", {"type": "string", "const": "*"}
    ),
    "Access-Control-Expose-Headers": _header(
        "To requests from pages of other sites: the headers that their scripts may read.", {"type": "string"}
    ),
    "Strict-Transport-Security": _header("Over HTTPS, where the site insists on it.", {"type": "string"}),
    "X-Credits-Charged": _header("Credits that this request cost.", _count()),
    "X-Credits-Remaining": _header("Credits that are left.", {"type": "integer"}),
    "RateLimit-Limit": _header("Requests in the sliding minute.", _count(minimum=1)),
    "RateLimit-Remaining": _header("How many of them are left.", _count()),
    "RateLimit-Reset": _header("Seconds until one is free again.", _count()),
    "RateLimit-Policy": _header("The limit and its window in seconds.", {"type": "string", "pattern": r"^\d+;w=60$"}),
    "Idempotent-Replayed": _header(
        "The Idempotency-Key was known: this is the first image, for free.", {"type": "string", "const": "true"}
    ),
    "Retry-After": _header("Seconds to wait before the request is sent again.", _count(), always=True),
    "WWW-Authenticate": _header("How to send a key.", {"type": "string", "const": 'Bearer realm="api"'}, always=True),
    "Allow": _header("The methods that the address takes.", {"type": "string"}, always=True),
}
_ON_ALL = (
    "X-Request-Id",
    "Cache-Control",
    "Vary",
    "Access-Control-Allow-Origin",
    "Access-Control-Expose-Headers",
    "Strict-Transport-Security",
)
_CREDITS = ("X-Credits-Charged", "X-Credits-Remaining")
_RATE = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "RateLimit-Policy")
_WITH_RATE = (200, 202, 402, 422, 429, 502)
_WITHOUT_CREDITS = (401, 403, 405, 408, 413, 500)  # whoever calls is not known, or nothing is
_REPLAYED = (200, 202, 422, 502)


def headers(operation: str, status: int) -> Iterator[str]:
    """Name the headers that an answer of an operation can have, beside those of HTTP's own such as its length."""
    yield from _ON_ALL
    if operation in DRAWS:
        if status not in _WITHOUT_CREDITS:
            yield from _CREDITS
        if status in _WITH_RATE:
            yield from _RATE
        if status in _REPLAYED:
            yield "Idempotent-Replayed"
    own = {401: "WWW-Authenticate", 405: "Allow", 429: "Retry-After", 503: "Retry-After"}
    if status in own:
        yield own[status]


# --- Examples ------------------------------------------------------------------------------------------------------

# An answer's example fits the request's of the same name.
_BODIES = {GENERATE: "GenerateRequest", EDIT: "EditRequest", REMIX: "RemixRequest", UPLOAD: "UploadRequest"}
_REQUESTS: Mapping[str, Mapping[str, Json]] = {
    operation: {
        "completed": {"summary": "Wait for the image", "value": {"prompt": _PROMPT, **pictures}},
        "pending": {"summary": "Answer at once", "value": {"prompt": _PROMPT, **pictures, "async": True}},
    }
    for operation, pictures in (
        (GENERATE, {}),
        (EDIT, {"image": _IMAGE_ID}),
        (REMIX, {"images": [_IMAGE_ID, _FILE_ID]}),
    )
}
_A_FILE: Json = {"type": "string", "format": "binary"}
_UPLOAD_FORM: Json = {
    "title": "UploadForm",
    "type": "object",
    "description": "A picture to keep.",
    "required": ["file"],
    "properties": {"file": {**_A_FILE, "description": "A PNG, JPEG or WebP of up to 20 MB."}},
}
_PENDING = {"id": _IMAGE_ID, "status": "pending", "stage": "queued"}
_COMPLETED = {
    "id": _IMAGE_ID,
    "status": "completed",
    "url": "/images/Vb3nK8sQ1xZt6LwY0fHdR5mCpJ2aGu9E.png",  # of the site that the document is about
    "metadata": {"prompt": _PROMPT, "width": 1024, "height": 1024, "created_at": "2026-01-15T09:30:00Z"},
}
_MODEL = {"model": "text2image_v1"}
_ASKED = {"operation": "create", "model": "text2image_v1", "credits": 1}
_A_KEPT_FILE: Json = {
    "id": _FILE_ID,
    "width": 1536,
    "height": 1024,
    "size": 824112,
    "media_type": "image/jpeg",
    "expires_at": "2026-02-14T09:30:00Z",
}
_A_MODEL: Json = {
    "id": "text2image_v1",
    "object": "model",
    "created": 0,
    "owned_by": "Reve Web",
    "name": "Reve Image 1.0",
    "description": "",
    "operations": ["create"],
    "aspect_ratios": ["1:1", "16:9"],
    "sizes": [],
    "qualities": [],
    "prices": [{"operation": "create", "size": "", "quality": "", "credits": 1}],
}
_OTHERS: Mapping[str, Json] = {
    UPLOAD: _A_KEPT_FILE,
    FILE: _A_KEPT_FILE,
    DELETE: {"id": _FILE_ID, "deleted": True},
    MODELS: {"object": "list", "data": [_A_MODEL]},
}
_WORDS = {  # of failed calls; a look-up may tell other codes too
    PROMPT_REFUSED: "The prompt was refused by the content policy. Your credit was returned.",
    "upstream_failed": "The image could not be generated. Your credit was returned.",
}


def _examples(operation: str, status: int) -> Iterator[tuple[str, Json]]:
    """Yield examples of an answer by their names."""
    if status == 200 and operation in DRAWS:
        yield "completed", {"value": _COMPLETED}
    if status == 202:
        yield "pending", {"value": _PENDING}
    if status == 200 and operation == STATUS:
        with_model = {**_COMPLETED, "metadata": {**_COMPLETED["metadata"], **_MODEL}}  # type: ignore[dict-item]
        yield "completed", {"value": {**with_model, **_ASKED}}
        yield "pending", {"value": {**_PENDING, **_ASKED}}
        yield "failed", {"value": {**_failed_example("upstream_failed"), **_ASKED}}
    if status == 200 and operation in _OTHERS:
        yield "found", {"value": _OTHERS[operation]}
    for code, same in by_code(answer for answer in answers(operation) if answer.status == status).items():
        yield code, {"value": {"error": _error_example(same[0])}}
    for code, its_status in FAILED_CALLS.items():
        if operation in DRAWS and status == its_status:
            yield code, {"value": _failed_example(code)}


def _error_example(answer: Answer) -> Json:
    param = {"param": answer.param} if answer.param else {}
    image = {"image_id": _IMAGE_ID} if answer is ANSWERS[IdempotencyConflict] else {}
    return {"code": answer.code, "message": answer.message, **param, **image}


def _failed_example(code: str) -> Json:
    param = {"param": "prompt"} if code == PROMPT_REFUSED else {}
    return {"id": _IMAGE_ID, "status": "failed", "error": {"code": code, "message": _WORDS[code], **param}}


def _put_at(paths: Json, site: str) -> None:
    """Give the images of examples an address at `site`."""
    for methods in paths.values():
        for operation in methods.values():
            for answer in operation["responses"].values():
                for example in answer["content"]["application/json"]["examples"].values():
                    if "url" in example["value"]:
                        example["value"]["url"] = site + example["value"]["url"]
