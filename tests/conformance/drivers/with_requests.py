"""The example for Python of the API's public document, and what else its words promise."""

import time
from importlib.metadata import version
from typing import Any

import requests

from tests.conformance.drivers.telling import FACTS, main, picture, row


def ask(key: str, path: str = "/v1/reve-image/generate", **fields: Any) -> requests.Response:
    """Do as the example does."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    body = {"prompt": "a beautiful sunset over mountains", "aspect_ratio": "16:9"} | fields
    return requests.post(f"{FACTS.url}{path}", headers=headers, json=body, timeout=60)


def refused(response: requests.Response) -> str:
    """Return the status, the code and the field of an error."""
    error = response.json()["error"]
    return " ".join(str(word) for word in (response.status_code, error["code"], error.get("param")) if word)


@row("generate", "the example")
def _() -> str:
    response = ask(FACTS.key)
    assert response.ok, response.text
    return picture(requests.get(response.json()["url"], timeout=60).content)


@row("generate", "its metadata")
def _() -> str:
    metadata = ask(FACTS.key).json()["metadata"]
    return f"{sorted(metadata)}, {metadata['width']}x{metadata['height']}"


@row("generate", "negative_prompt")
def _() -> str:
    return str(ask(FACTS.key, negative_prompt="people").json()["status"])


@row("generate", "at /v1/images/generate")
def _() -> str:
    return str(ask(FACTS.key, "/v1/images/generate").json()["status"])


@row("generate", "without an aspect ratio")
def _() -> str:
    body = {"prompt": "a beautiful sunset over mountains"}
    headers = {"Authorization": f"Bearer {FACTS.key}"}
    metadata = requests.post(f"{FACTS.url}/v1/reve-image/generate", headers=headers, json=body, timeout=60).json()
    return f"{metadata['metadata']['width']}x{metadata['metadata']['height']}"


@row("generate", "a wrong key")
def _() -> str:
    return refused(ask("your_api_key"))


@row("generate", "no credits")
def _() -> str:
    return refused(ask(FACTS.poor))


@row("generate", "too many requests")
def _() -> str:
    ask(FACTS.slow)
    response = ask(FACTS.slow)
    is_soon = 1 <= int(response.headers["Retry-After"]) <= 60
    return f"{refused(response)}, Retry-After {'in a minute' if is_soon else 'later'}"


@row("generate", "a refused prompt")
def _() -> str:
    return refused(ask(FACTS.key, prompt="a sunset [sandbox:refuse]"))


@row("generate", "an image that fails")
def _() -> str:
    return refused(ask(FACTS.key, prompt="a sunset [sandbox:fail]"))


@row("generate", "an aspect ratio that is not there")
def _() -> str:
    return refused(ask(FACTS.key, aspect_ratio="5:1"))


@row("generate", "longer than the wait, then its status")
def _() -> str:
    response = ask(FACTS.key, prompt="a sunset [sandbox:slow-image]")
    body = response.json()
    first = f"{response.status_code} {body['status']}"
    headers = {"Authorization": f"Bearer {FACTS.key}"}
    while body["status"] == "pending":
        time.sleep(0.5)
        body = requests.get(f"{FACTS.url}/v1/reve-image/status/{body['id']}", headers=headers, timeout=60).json()
    return f"{first}, then {body['status']}"


main(version("requests"))
