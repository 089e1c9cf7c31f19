"""Errors as OpenAI's clients read them: `{"error": {"message", "type", "param", "code"}}`, and whether to try again.

A client raises by the status, its caller looks at `code`, and both retry 408, 409, 429 and 5xx on their own unless
`x-should-retry` says otherwise.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

INVALID = "invalid_request_error"
SERVER = "server_error"
QUOTA = "insufficient_quota"
USER = "image_generation_user_error"  # of prompts that are refused
RATE = "requests"  # the kind of limit


@dataclass(frozen=True)
class OpenAIError:
    """What a caller gets to see. `retry`: whether a client is to try again; None: as it does for that status.

    `ids` are those of images that are charged, and that there is no answer about yet.
    """

    status: int
    type: str
    code: str | None
    message: str
    param: str | None = None
    retry: bool | None = None
    retry_after: int | None = None  # seconds
    ids: tuple[str, ...] = ()

    @property
    def body(self) -> dict[str, Any]:
        """It as JSON."""
        fields: dict[str, Any] = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        if self.ids:
            fields["ids"] = list(self.ids)
        return {"error": fields}

    @property
    def headers(self) -> dict[str, str]:
        """What clients look at before they try again."""
        return {} if self.retry is None else {"x-should-retry": "true" if self.retry else "false"}


class Told(Exception):
    """Ends a call with `error`; what it had to charge is charged, or not, already."""

    def __init__(self, error: OpenAIError) -> None:
        super().__init__(error.message)
        self.error = error


# By our code: OpenAI's status, type and code, and whether to retry. What is not here goes by its status.
_THEIRS: dict[str, tuple[int, str, str | None, bool | None]] = {
    "missing_api_key": (401, INVALID, None, None),
    "invalid_api_key": (401, INVALID, "invalid_api_key", None),
    "scope_missing": (403, INVALID, "missing_scope", None),
    "model_not_allowed": (403, INVALID, "model_not_found", None),
    "invalid_request": (400, INVALID, "invalid_value", None),
    "invalid_json": (400, INVALID, "invalid_json", None),
    "invalid_form": (400, INVALID, "invalid_multipart_form", None),
    "insufficient_credits": (429, QUOTA, QUOTA, False),
    "key_limit_reached": (429, QUOTA, QUOTA, False),
    "rate_limited": (429, RATE, "rate_limit_exceeded", None),
    "too_many_unfinished": (429, RATE, "rate_limit_exceeded", None),
    "idempotency_conflict": (409, INVALID, "idempotency_conflict", False),
    "not_found": (404, INVALID, "unknown_url", None),
    "prompt_refused": (400, USER, "moderation_blocked", False),
    "prompt_not_allowed": (400, USER, "moderation_blocked", False),
    "cancelled": (400, INVALID, "cancelled", False),
    "upstream_failed": (500, SERVER, "image_generation_failed", None),
    "timed_out": (500, SERVER, "image_generation_failed", None),
    "internal_error": (500, SERVER, "server_error", None),
    "unavailable": (503, SERVER, "service_unavailable", None),
    "intake_paused": (503, SERVER, "service_unavailable", None),
}


@dataclass(frozen=True)
class Translation:
    """A code of ours, and what OpenAI's clients get in its place."""

    ours: str
    status: int
    type: str
    code: str | None
    retry: bool | None


def table() -> Iterator[Translation]:
    """Yield what each code of ours becomes that OpenAI has another word for."""
    for ours, (status, kind, code, retry) in _THEIRS.items():
        yield Translation(ours, status, kind, code, retry)


def translated(status: int, code: str, message: str, param: str | None = None) -> OpenAIError:
    """Return OpenAI's error for one of ours."""
    if code in _THEIRS:
        status, kind, theirs, retry = _THEIRS[code]
        return OpenAIError(status, kind, theirs, message, param, retry)
    if status == 402:  # whatever has no credits left: an account, or what a key may spend
        return OpenAIError(429, QUOTA, QUOTA, message, param, retry=False)
    if status == 422:
        return OpenAIError(400, INVALID, code, message, param)
    if status == 429:
        return OpenAIError(429, RATE, code, message, param)
    return OpenAIError(status, SERVER if status >= 500 else INVALID, code, message, param)


def invalid(param: str, words: str, code: str = "invalid_value") -> Told:
    """Return what ends a call whose field `param` cannot be."""
    return Told(OpenAIError(400, INVALID, code, f"{param}: {words}", param))


def no_such_model(name: str) -> Told:
    """Return what ends a call that names a model which there is not."""
    words = f"The model '{name[:100]}' does not exist or you do not have access to it. GET /v1/models lists them."
    return Told(OpenAIError(404, INVALID, "model_not_found", words, "model"))
