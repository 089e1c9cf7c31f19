"""Reads multipart/form-data (RFC 7578), whole and in memory."""

from __future__ import annotations

from email.message import Message

from starlette.requests import Request

from sandbox.answers import Refusal

Fields = dict[str, list[bytes]]


async def fields_of(request: Request, *, most: int) -> Fields:
    """Return what a form has under each name, in its order. Raises Refusal."""
    boundary = _header("Content-Type", request.headers.get("Content-Type", "")).get_boundary()
    if not boundary:
        raise Refusal(400, "invalid_form", "The request body must be multipart/form-data.")
    body = bytearray(b"\r\n")
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise Refusal(413, "too_large", "The request body is too large.")
    found: Fields = {}
    for part in bytes(body).split(b"\r\n--" + boundary.encode())[1:-1]:
        head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        lines = (line.partition(":") for line in head.decode("utf-8", "replace").split("\r\n"))
        described = next((value for name, _, value in lines if name.lower() == "content-disposition"), "")
        name = _header("Content-Disposition", described).get_param("name", header="Content-Disposition")
        if not isinstance(name, str):
            raise Refusal(400, "invalid_form", "A part of the form has no name.")
        found.setdefault(name, []).append(content)
    return found


def _header(name: str, value: str) -> Message:
    message = Message()
    message[name] = value.replace("\r", "").replace("\n", "").strip()
    return message
