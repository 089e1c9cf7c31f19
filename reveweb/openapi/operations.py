"""What the document says of each operation beside what ninja reads off its route: a row for each, in this order."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import DisallowedHost, RequestDataTooBig
from django.http import Http404

from accounts.errors import (
    CutApiKey,
    InvalidApiKey,
    IpNotAllowed,
    MissingApiKey,
    NotForTokens,
    ScopeMissing,
    TokenNotFound,
    TooManyTokens,
    WrongOrigin,
)
from generator.ask.inputs import NO_PICTURE
from generator.errors import (
    BrokenForm,
    FormTooWordy,
    GenerationNotFound,
    ImageDeleted,
    InputGone,
    LimiterUnavailable,
    NotFinished,
    PictureRefused,
    RateLimited,
    UploadNotFound,
    UploadsFull,
)
from generator.models import PROMPT_REFUSED
from kit.http.json_body import BodyTooLarge, Encoded, InvalidJson, NotAnObject, NotJson
from kit.storage import StorageAway
from reveweb.answers import (
    ANSWERS,
    DATABASE_AWAY,
    INTERNAL_ERROR,
    METHOD_NOT_ALLOWED,
    Answer,
    BodyTooSlow,
    BrokenBody,
    NeedsHttps,
    told,
)
from reveweb.lanes import PICTURE_FORM_BYTES, PICTURE_JSON_BYTES
from reveweb.leaks import reports
from reveweb.openapi.examples import (
    A_KEPT_FILE,
    A_KEY,
    A_LIST,
    A_MODEL,
    A_TOKEN,
    A_USAGE,
    AN_ACCOUNT,
    FILE_ID,
    IMAGE_ID,
    PROMPT,
)

Json = dict[str, Any]
Errors = frozenset[type[Exception]]

# Whatever is asked for may be answered with these.
OF_KEYS: Errors = frozenset({MissingApiKey, InvalidApiKey, CutApiKey, IpNotAllowed, WrongOrigin})
OF_ALL: Errors = frozenset({NeedsHttps, DisallowedHost, RateLimited})
OF_TOKENS: Errors = frozenset({NotForTokens, TooManyTokens})
OF_NOTHING: Errors = frozenset({Http404})  # of addresses that are not in the document
OF_PICTURES: Errors = frozenset({InputGone, PictureRefused, UploadsFull, BrokenForm, FormTooWordy, StorageAway})
OF_A_BODY: Errors = frozenset({BodyTooLarge, BodyTooSlow, BrokenBody, RequestDataTooBig})
OF_JSON: Errors = OF_A_BODY | {NotJson, Encoded, NotAnObject, InvalidJson}
OF_LOOKS: Errors = frozenset({GenerationNotFound, NotFinished, UploadNotFound, TokenNotFound})
OF_OTHERS: Errors = frozenset({ImageDeleted})  # of protocols that are not in the document
# Of asking for an image: all that others are not about.
OF_DRAWING: Errors = frozenset(ANSWERS) - OF_ALL - OF_KEYS - OF_LOOKS - OF_NOTHING - OF_PICTURES - OF_TOKENS - OF_OTHERS
_WHATEVER_HAPPENS = (METHOD_NOT_ALLOWED, DATABASE_AWAY, INTERNAL_ERROR)
A_FIELD = Answer(422, "invalid_request", "prompt: must not be blank", "prompt")  # one of many
_A_BAD_LIMIT = Answer(422, "invalid_request", "limit: Input should be less than or equal to 100", "limit")  # likewise
_A_BAD_FILE = Answer(422, "invalid_request", f"file: {NO_PICTURE}", "file")  # likewise
FAILED_CALLS = {PROMPT_REFUSED: 422, "upstream_failed": 502}  # of those who waited, by code


@dataclass(frozen=True)
class Operation:
    """One method at one path. `errors` are those that it has beside those of all.

    `draws`: it makes an image, costs credits, and takes an Idempotency-Key. `invalid` is the refusal of one of its
    fields. `request` names the schema of its body, which has `most` bytes; `is_json` and `is_form` are its kinds.
    `is_csv`: it also answers in CSV. Without `needs_key` anybody may call it.
    `requests` and `answer` are examples, and `parameters` has those of its path and query: a schema (or "schema.field",
    whose schema it is) and a value.
    """

    errors: Errors = frozenset()
    needs_key: bool = True
    draws: bool = False
    invalid: Answer | None = None
    request: str = ""
    is_json: bool = True
    is_form: bool = False
    is_csv: bool = False
    most: int | None = None
    requests: Mapping[str, Json] = field(default_factory=dict)
    answer: Json | None = None
    parameters: Mapping[str, tuple[str | Json, Any]] = field(default_factory=dict)


def _requests(**pictures: Any) -> Mapping[str, Json]:
    return {
        "completed": {"summary": "Wait for the image", "value": {"prompt": PROMPT, **pictures}},
        "pending": {"summary": "Answer at once", "value": {"prompt": PROMPT, **pictures, "async": True}},
        "several": {"summary": "Ask for two", "value": {"prompt": PROMPT, **pictures, "n": 2}},
        "dry_run": {"summary": "Ask for the price", "value": {"prompt": PROMPT, **pictures, "n": 2, "dry_run": True}},
    }


GENERATE, STATUS, EVENTS = "generate_image", "image_status", "image_events"
LOOKS = (STATUS, "get_image", "cancel_image")  # answered with an image, whatever became of it
_AN_IMAGE = {"image_id": ("PendingImage.id", IMAGE_ID)}
_A_FILE = {"file_id": ("File.id", FILE_ID)}
MODELS = "list_models"
OPERATIONS: Mapping[str, Operation] = {
    GENERATE: Operation(
        OF_DRAWING | {ScopeMissing}, draws=True, invalid=A_FIELD, request="GenerateRequest", requests=_requests()
    ),
    "edit_image": Operation(
        OF_DRAWING | OF_PICTURES | {ScopeMissing},
        draws=True,
        invalid=A_FIELD,
        request="EditRequest",
        is_form=True,
        most=PICTURE_JSON_BYTES,
        requests=_requests(image=IMAGE_ID),
    ),
    "remix_images": Operation(
        OF_DRAWING | OF_PICTURES | {ScopeMissing},
        draws=True,
        invalid=A_FIELD,
        request="RemixRequest",
        is_form=True,
        most=PICTURE_JSON_BYTES,
        requests=_requests(images=[IMAGE_ID, FILE_ID]),
    ),
    STATUS: Operation(frozenset({GenerationNotFound, ScopeMissing}), parameters=_AN_IMAGE),
    "list_images": Operation(frozenset({ScopeMissing}), invalid=_A_BAD_LIMIT, answer=A_LIST),
    "get_image": Operation(frozenset({GenerationNotFound, ScopeMissing}), parameters=_AN_IMAGE),
    EVENTS: Operation(frozenset({GenerationNotFound, ScopeMissing}), parameters=_AN_IMAGE),
    "cancel_image": Operation(frozenset({GenerationNotFound, ScopeMissing}), parameters=_AN_IMAGE),
    "delete_image": Operation(
        frozenset({GenerationNotFound, NotFinished, ScopeMissing, NotForTokens}),
        answer={"id": IMAGE_ID, "deleted": True},
        parameters=_AN_IMAGE,
    ),
    "upload_file": Operation(
        OF_A_BODY | {BrokenForm, FormTooWordy, UploadsFull, StorageAway, LimiterUnavailable, ScopeMissing},
        invalid=_A_BAD_FILE,
        request="UploadRequest",
        is_json=False,
        is_form=True,
        most=PICTURE_FORM_BYTES["/v1/files"],
        answer=A_KEPT_FILE,
    ),
    "get_file": Operation(frozenset({UploadNotFound, ScopeMissing}), answer=A_KEPT_FILE, parameters=_A_FILE),
    "delete_file": Operation(
        frozenset({UploadNotFound, ScopeMissing, NotForTokens}),
        answer={"id": FILE_ID, "deleted": True},
        parameters=_A_FILE,
    ),
    MODELS: Operation(answer={"object": "list", "data": [A_MODEL]}),
    "get_key": Operation(answer=A_KEY),
    "get_account": Operation(frozenset({ScopeMissing, NotForTokens}), answer=AN_ACCOUNT),
    "get_usage": Operation(
        frozenset({ScopeMissing, NotForTokens}),
        invalid=Answer(422, "invalid_request", "from: ask for at most 366 days at once", "from"),
        answer=A_USAGE,
        is_csv=True,
        parameters={
            "from": ({"type": "string", "format": "date"}, "2026-01-01"),
            "to": ({"type": "string", "format": "date"}, "2026-01-31"),
            "group_by": ({"type": "string", "pattern": "^(day|key|model)(,(day|key|model)){0,2}$"}, "day,key"),
            "format": ({"type": "string", "enum": ["json", "csv"]}, "json"),
        },
    ),
    "create_token": Operation(
        OF_JSON | {ScopeMissing, NotForTokens, TooManyTokens, LimiterUnavailable},
        invalid=Answer(
            422,
            "invalid_request",
            "origin: must be an origin as browsers send it: https://example.com, or http://localhost:3000",
            "origin",
        ),
        request="TokenRequest",
        requests={
            "usual": {
                "summary": "Five credits, ten minutes",
                "value": {"origin": "https://example.com", "expires_in": 600, "credit_cap": 5},
            }
        },
        answer=A_TOKEN,
    ),
    "delete_token": Operation(
        frozenset({ScopeMissing, NotForTokens, TokenNotFound}),
        answer={"id": A_TOKEN["id"], "deleted": True},
        parameters={"token_id": ("DeletedToken.id", A_TOKEN["id"])},
    ),
    "report_key": Operation(
        OF_JSON,
        needs_key=False,
        invalid=Answer(422, "invalid_request", "keys: name 1 to 100 keys", "keys"),
        request="ReportRequest",
        requests={
            "one": {
                "summary": "A key that you found",
                "value": {"key": f"rv_E1R7dGq2_{'0' * 38}", "where": "https://example.com/config.js"},
            }
        },
        answer={"status": "accepted", "message": reports.ANSWER},
    ),
}
DRAWS = tuple(id for id, operation in OPERATIONS.items() if operation.draws)


def answers(id: str) -> list[Answer]:
    """Return every refusal and breakdown that an operation can be answered with."""
    operation = OPERATIONS[id]
    of_all = OF_ALL | OF_KEYS if operation.needs_key else OF_ALL
    own = [_sized(kind, operation) for kind in ANSWERS if kind in of_all or kind in operation.errors]
    return [*own, *([operation.invalid] if operation.invalid else []), *_WHATEVER_HAPPENS]


def _sized(kind: type[Exception], operation: Operation) -> Answer:
    if kind in (BodyTooLarge, RequestDataTooBig) and operation.most:
        return told(ANSWERS[kind], BodyTooLarge(operation.most))
    return ANSWERS[kind]


def by_code(found: Iterable[Answer]) -> dict[str, list[Answer]]:
    """Sort answers by their code, in the order of the table."""
    codes: dict[str, list[Answer]] = {}
    for answer in dict.fromkeys(found):
        codes.setdefault(answer.code, []).append(answer)
    return codes
