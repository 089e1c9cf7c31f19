"""What every answer of the API has in common."""

import json
import re
from typing import Any

GENERATE = ("/v1/reve-image/generate", "/v1/images/generate")
LINKS = ("status_url", "cancel_url", "events_url")  # of what is pending
STATUS = ("/v1/reve-image/status/", "/v1/images/status/")


def assert_json(response: Any) -> Any:
    """Check what holds for each answer of `/v1`, good or bad, and return its JSON."""
    assert response.headers["Content-Type"].partition(";")[0] == "application/json"
    assert re.fullmatch(r"req_[0-9a-f]{24}", response.headers["X-Request-Id"])
    assert "Set-Cookie" not in response.headers
    assert not getattr(response, "cookies", None)
    assert b"<html" not in response.content.lower()
    assert b"Traceback" not in response.content
    return json.loads(response.content)


def links(public_id: str) -> dict[str, str]:
    """What is pending tells where it goes on."""
    return {
        "status_url": f"http://testserver/v1/reve-image/status/{public_id}",
        "cancel_url": f"http://testserver/v1/reve-image/{public_id}/cancel",
        "events_url": f"http://testserver/v1/reve-image/{public_id}/events",
    }


def assert_error(response: Any, status: int, code: str, param: str | None = None, *, has_type: bool = False) -> str:
    """Check that an answer is this very error, in the shape that all errors have, and return its message.

    One of `/v1/models` alone `has_type`.
    """
    body = assert_json(response)
    assert response.status_code == status, response.content
    assert set(body) == {"error"}
    named = {"param"} if param else {"image_id"} if code == "idempotency_conflict" else set()
    if url := body["error"].pop("request_url", None):  # where it is known who calls
        assert url.endswith(f"/dashboard/requests/{response.headers['X-Request-Id']}/")
    assert set(body["error"]) == {"code", "message"} | named | ({"type"} if has_type else set())
    assert body["error"]["code"] == code
    assert body["error"].get("param") == param
    message = body["error"]["message"]
    assert isinstance(message, str)
    assert message.strip()
    assert response.headers["Cache-Control"] == "no-store"
    return message
