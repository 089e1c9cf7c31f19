"""What a request asks for, read and checked."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from starlette.requests import Request

from sandbox.answers import Refusal
from sandbox.failures import Mode, UnknownMode, mode_of
from sandbox.ratios import SIZES

MAX_PROMPT = 4000
MAX_BODY = 256 * 1024
MAX_BODY_WITH_PICTURES = 192 * 1024 * 1024


async def json_of(request: Request, *, most: int = MAX_BODY) -> dict[str, Any]:
    """Return a request's JSON object. Raises Refusal."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise Refusal(413, "too_large", "The request body is too large.")
    try:
        parsed: object = json.loads(bytes(body))
    except (ValueError, RecursionError):
        raise Refusal(400, "invalid_json", "The request body is not valid JSON.") from None
    if not isinstance(parsed, dict):
        raise invalid("The request body must be a JSON object.")
    return parsed


def prompt_of(body: dict[str, Any]) -> str:
    """Return what shall be drawn. Raises Refusal."""
    prompt = text(body, "prompt")
    if not prompt.strip():
        raise invalid("prompt is required.")
    return prompt


def mode_for(prompt: str, default: Mode | None) -> Mode | None:
    """Return the failure mode that a prompt asks for. Raises Refusal."""
    try:
        return mode_of(prompt, default)
    except UnknownMode as unknown:
        raise Refusal(422, "unknown_sandbox_mode", str(unknown)) from None


def ratio_of(body: dict[str, Any]) -> str:
    """Return the aspect ratio that is asked for. Raises Refusal."""
    ratio = body.get("aspect_ratio", "1:1")
    if not isinstance(ratio, str) or ratio not in SIZES:
        raise invalid(f"aspect_ratio must be one of: {', '.join(SIZES)}.")
    return ratio


def seed_of(body: dict[str, Any]) -> str:
    """Return the seed that is asked for, in text; "" for none. Raises Refusal."""
    seed = body.get("seed")
    if seed is None:
        return ""
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**63:
        raise invalid("seed must be a whole number, 0 or more.")
    return str(seed)


def text(body: dict[str, Any], field: str, *, most: int = MAX_PROMPT) -> str:
    """Return a field that is a text, "" where it is missing. Raises Refusal."""
    value = body.get(field)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise invalid(f"{field} must be a string.")
    if len(value) > most:
        raise invalid(f"{field} must have at most {most} characters.")
    try:
        value.encode()
    except UnicodeEncodeError:  # JSON can spell half a surrogate pair; nothing could store or echo it
        raise invalid(f"{field} is not valid Unicode.") from None
    return value


def picture(value: object, field: str) -> bytes:
    """Return the bytes of a picture that came as a data URL, or as base64 alone. Raises Refusal."""
    if isinstance(value, str):
        head, comma, spelled = value.partition(",")
        try:
            return base64.b64decode(spelled if comma and head.endswith(";base64") else value, validate=True)
        except (binascii.Error, ValueError):
            pass
    raise Refusal(422, "invalid_image", f"{field} must be a data URL of a picture.")


def pictures(value: object, field: str) -> list[bytes]:
    """Return a list of pictures. Raises Refusal."""
    if not isinstance(value, list) or not value:
        raise Refusal(422, "invalid_image", f"{field} must be a list of pictures.")
    return [picture(each, field) for each in value]


def invalid(message: str) -> Refusal:
    """Return the refusal of a value."""
    return Refusal(422, "validation_error", message)
