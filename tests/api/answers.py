"""What every answer of the API has in common."""

import json
import re
from typing import Any

GENERATE = ("/v1/reve-image/generate", "/v1/images/generate")
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


def assert_error(response: Any, status: int, code: str, param: str | None = None) -> str:
    """Check that an answer is this very error, in the shape that all errors have, and return its message."""
    body = assert_json(response)
    assert response.status_code == status, response.content
    assert set(body) == {"error"}
    named = {"param"} if param else {"image_id"} if code == "idempotency_conflict" else set()
    assert set(body["error"]) == {"code", "message"} | named
    assert body["error"]["code"] == code
    assert body["error"].get("param") == param
    message = body["error"]["message"]
    assert isinstance(message, str)
    assert message.strip()
    assert response.headers["Cache-Control"] == "no-store"
    return message
