"""Stripe's errors, as its SDK knows them.

StripeError
├── InvalidRequest         400: a parameter is wrong, or the object is in no state for this
│   ├── UnknownParameter
│   ├── MissingParameter
│   └── NoSuchObject       404 when the path names it, 400 when a parameter does
├── Unauthorized           401
├── CardDeclined           402
└── KeyReused              400 idempotency_error
"""

from __future__ import annotations

from typing import Any


class StripeError(Exception):
    """Answered as `{"error": {...}}` with an HTTP status."""

    status = 400
    kind = "invalid_request_error"

    def __init__(self, message: str, *, code: str = "", param: str = "", status: int = 0, **extra: Any) -> None:
        super().__init__(message)
        self.message, self.code, self.param, self.extra = message, code, param, extra
        self.status = status or self.status

    def body(self) -> dict[str, Any]:
        """Return the answer's JSON."""
        error: dict[str, Any] = {"type": self.kind, "message": self.message, **self.extra}
        if self.code:
            error["code"] = self.code
            error["doc_url"] = f"https://stripe.com/docs/error-codes/{self.code.replace('_', '-')}"
        if self.param:
            error["param"] = self.param
        return {"error": error}


class InvalidRequest(StripeError):
    """A parameter is wrong, or the object is in no state for this."""


class UnknownParameter(InvalidRequest):
    """A parameter that Stripe doesn't know, or that the stand-in doesn't simulate."""

    def __init__(self, param: str) -> None:
        super().__init__(f"Received unknown parameter: {param}", code="parameter_unknown", param=param)


class MissingParameter(InvalidRequest):
    """A required parameter is absent."""

    def __init__(self, param: str) -> None:
        super().__init__(f"Missing required param: {param}.", code="parameter_missing", param=param)


class NoSuchObject(InvalidRequest):
    """No object has this id; `param` is empty when the path named it."""

    def __init__(self, kind: str, identity: str, *, param: str = "") -> None:
        status = 400 if param else 404
        super().__init__(f"No such {kind}: '{identity}'", code="resource_missing", param=param or "id", status=status)


class Unauthorized(StripeError):
    """The API key is missing, wrong, or live."""

    status = 401


class CardDeclined(StripeError):
    """The payment method was charged and refused."""

    status = 402
    kind = "card_error"


class KeyReused(StripeError):
    """An Idempotency-Key came back with different parameters."""

    kind = "idempotency_error"

    def __init__(self, key: str) -> None:
        super().__init__(
            "Keys for idempotent requests can only be used with the same parameters they were first used with. "
            f"Try using a key other than '{key}' if you meant to execute a different request."
        )
