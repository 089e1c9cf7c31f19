"""What a test key can force, for people: read off the tables that the words are looked up in."""

from dataclasses import dataclass

from generator.ask import forced
from generator.jobs import outcomes
from reveweb.docs import errors


@dataclass(frozen=True)
class Row:
    """A word, what it does, and the error that this ends in: "" and 0 where it ends in an image."""

    word: str
    words: str
    code: str = ""
    status: int = 0


# The errors that no word is needed for: each is met by doing what causes it.
OTHERWISE = {
    "missing_api_key": "Leave the `Authorization` header out.",
    "invalid_api_key": "Send a key that you have revoked, or a part of one.",
    "scope_missing": "Send a test key whose scopes leave out what you ask for.",
    "model_not_allowed": "Send a test key that names models, and ask for another one.",
    "ip_not_allowed": "Send a test key that names addresses, from another one.",
    "origin_not_allowed": "Send a browser token of a test key from a page of another site.",
    "https_required": "Call an `http://` address, on a site that insists on HTTPS.",
    "invalid_host": "Send a `Host` header that names another site.",
    "body_too_large": "Send a prompt, or a picture, that is too large.",
    "body_too_slow": "Begin a body and do not end it.",
    "broken_body": "End a body before the length that you told.",
    "unsupported_media_type": "Send another `Content-Type`, or a compressed body.",
    "invalid_json": "Send `{`.",
    "invalid_form": "Send a broken `multipart/form-data` body.",
    "idempotency_conflict": "Send one `Idempotency-Key` with two bodies.",
    "method_not_allowed": "Send a `PUT`.",
}


def ends() -> list[Row]:
    """Return the words that decide what becomes of an image."""
    statuses = {failure.code: failure.status for failure in errors.failures()}
    return [
        Row(f"[test:{name}]", outcome.words, outcome.code, statuses.get(outcome.code, 0))
        for name, outcome in outcomes.OUTCOMES.items()
    ]


def refusals() -> list[Row]:
    """Return the words that have a request refused."""
    statuses = {refusal.code: refusal.status for refusal in errors.refusals()}
    return [Row(f"[test:{code}]", refusal.words, code, statuses[code]) for code, refusal in forced.REFUSALS.items()]
