"""The answers of reve.com's API: images with what is known of them in headers or JSON, and errors in its own shape."""

import base64
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse, JsonResponse

from generator.files.downloads import Download
from kit import request_id

PATHS = ("/v1/image/", "/v2/image/", "/api/")  # what its clients call


@dataclass(frozen=True)
class Told:
    """What an answer tells beside the image. `version` is the model; `used` and `remaining` are credits."""

    version: str
    used: int
    remaining: int

    def headers(self, *, is_violation: bool = False) -> dict[str, str]:
        """It as headers."""
        return {
            "Cache-Control": "no-store",
            "X-Reve-Request-Id": request_id.current.get(),
            "X-Reve-Version": self.version,
            "X-Reve-Content-Violation": str(is_violation).lower(),
            "X-Reve-Credits-Used": str(self.used),
            "X-Reve-Credits-Remaining": str(self.remaining),
        }

    def fields(self, image: str, *, is_violation: bool = False) -> dict[str, Any]:
        """It as JSON."""
        return {
            "image": image,
            "version": self.version,
            "content_violation": is_violation,
            "request_id": request_id.current.get(),
            "credits_used": self.used,
            "credits_remaining": self.remaining,
        }


def picture(download: Download, told: Told) -> HttpResponse:
    """Return an image as its bytes."""
    return HttpResponse(download.data, content_type=download.content_type, headers=told.headers())


def in_json(download: Download, told: Told) -> HttpResponse:
    """Return an image in base64. Large: it is made in a thread."""
    return JsonResponse(told.fields(base64.b64encode(download.data).decode()), headers=told.headers())


def violation(told: Told) -> HttpResponse:
    """Say that the prompt was refused, as that API says it: with status 200, and without an image.

    In JSON, whatever was asked for: whoever does not look must not save it as an image.
    """
    return JsonResponse(told.fields("", is_violation=True), headers=told.headers(is_violation=True))


def error(status: int, code: str, message: str, **named: str | None) -> JsonResponse:
    """Return an error, with what is known as its `params`. A request that cannot be is 400 there, never 422."""
    body: dict[str, Any] = {
        "error_code": code.upper(),
        "message": message,
        "params": {name: value for name, value in named.items() if value},
        "instance_id": request_id.current.get(),
    }
    response = JsonResponse(body, status=400 if status == 422 else status)
    response["X-Reve-Error-Code"] = body["error_code"]
    response["X-Reve-Request-Id"] = request_id.current.get()
    response["Cache-Control"] = "no-store"
    return response
