"""A request's body as a JSON object: UTF-8, uncompressed, within bounds, and nothing else."""

import json
from typing import Any

from django.http import HttpRequest

MOST_PARTS = 200_000  # values in a body: each takes room many times its length; no honest body has so many


class BodyTooLarge(Exception):
    """The request's body has more than `most` bytes, which is what its address takes."""

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self.most = most


class NotJson(Exception):
    """The request says that its body is something other than JSON."""


class Encoded(Exception):
    """The request says that its body is compressed."""


class NotAnObject(Exception):
    """The request's body is JSON, but no object."""


class InvalidJson(Exception):
    """The request's body cannot be parsed, or has far too many parts."""


def parse(request: HttpRequest, *, most: int | None) -> dict[str, Any]:
    """Return the fields of a request's body, without those that are null: many clients write null for absent.

    With `most` it may have so many bytes. Without, somebody has seen to that already, and it may be large: it is read
    once and kept nowhere. Raises what this module knows.
    """
    if request.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        raise Encoded
    if most is not None and len(request.body) > most:
        raise BodyTooLarge(most)
    kind = (request.content_type or "application/json").lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise NotJson
    data = request.read() if most is None else request.body
    if data.count(b",") + data.count(b"[") + data.count(b"{") > MOST_PARTS:  # base64 has none of these
        raise InvalidJson
    try:
        # Some editors and shells put a byte order mark before what they write.
        body = json.loads(data.decode("utf-8-sig"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidJson from error
    if not isinstance(body, dict):
        raise NotAnObject
    return {name: value for name, value in body.items() if value is not None}


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
