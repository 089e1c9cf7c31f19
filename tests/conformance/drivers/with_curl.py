"""curl: what people try first, and what only HTTP itself shows."""

import json
import re
import subprocess
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.conformance.drivers.telling import FACTS, main, picture, row

JSON = ("-H", "Content-Type: application/json")


def curl(*arguments: str, key: str = FACTS.key) -> tuple[int, dict[str, str], bytes]:
    """Return the status, the headers and the body of an answer; the first argument is a path."""
    path, *rest = arguments
    folder = Path(FACTS.folder) / uuid4().hex
    folder.mkdir()
    command = [
        "curl",
        "-sS",
        "--path-as-is",
        "--max-time",
        "60",
        "-D",
        str(folder / "head"),
        "-o",
        str(folder / "body"),
    ]
    subprocess.run([*command, "-H", f"Authorization: Bearer {key}", *rest, FACTS.url + path], check=True)
    first, *lines = (folder / "head").read_text().strip().split("\r\n\r\n")[-1].splitlines()
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    body = (folder / "body").read_bytes() if (folder / "body").exists() else b""
    return int(first.split()[1]), headers, body


def told(answer: tuple[int, dict[str, str], bytes]) -> str:
    """Return the status and the kind of an answer, and the code of an error."""
    status, headers, body = answer
    words: list[Any] = [status, headers.get("content-type")]
    if body and words[1] == "application/json":
        fields = json.loads(body)
        error = fields.get("error") if isinstance(fields.get("error"), dict) else {}
        words.append(error.get("code") or fields.get("error_code") or fields.get("status"))
    return " ".join(str(word) for word in words if word)


def asking(**fields: Any) -> tuple[str, ...]:
    return (*JSON, "-d", json.dumps({"prompt": "your prompt here", "aspect_ratio": "1:1"} | fields))


GENERATE, STATUS = "/v1/reve-image/generate", "/v1/reve-image/status/"


@row("generate", "the example of the public document")
def _() -> str:
    return told(curl(GENERATE, "-X", "POST", *asking()))


@row("generate", "asynchronous, then its status")
def _() -> str:
    first = curl(GENERATE, *asking(**{"async": True}))
    id, words = json.loads(first[2])["id"], told(first)
    while json.loads((last := curl(STATUS + id))[2])["status"] == "pending":
        time.sleep(0.2)
    return f"{words}, then {told(last)}"


@row("generate", "the same Idempotency-Key twice")
def _() -> str:
    key = ("-H", f"Idempotency-Key: {uuid4()}")
    answers = [curl(GENERATE, *key, *asking()) for _ in range(2)]
    charged = "+".join(headers["x-credits-charged"] for _, headers, _ in answers)
    return f"{len({json.loads(body)['id'] for _, _, body in answers})} image, {charged} credits"


@row("generate", "the same Idempotency-Key for another prompt")
def _() -> str:
    key = ("-H", f"Idempotency-Key: {uuid4()}")
    curl(GENERATE, *key, *asking())
    return told(curl(GENERATE, *key, *asking(prompt="another")))


@row("generate", "a form instead of JSON")
def _() -> str:
    return told(curl(GENERATE, "-d", "prompt=a+fox"))


@row("generate", "a body that is no JSON")
def _() -> str:
    return told(curl(GENERATE, *JSON, "-d", "{"))


@row("generate", "a body that is too large")
def _() -> str:
    return told(curl(GENERATE, *asking(prompt="x" * 100_000)))


@row("generate", "a wrong key")
def _() -> str:
    return told(curl(GENERATE, *asking(), key="your_api_key"))


@row("edit", "a form with a file")
def _() -> str:
    return told(curl("/v1/reve-image/edit", "-F", "prompt=make it night", "-F", f"image=@{FACTS.png}"))


@row("remix", "a form with two files")
def _() -> str:
    files = ("-F", f"images=@{FACTS.png}", "-F", f"images=@{FACTS.png}")
    return told(curl("/v1/reve-image/remix", "-F", "prompt=both", *files))


@row("files", "upload, look, delete")
def _() -> str:
    # Not the picture that others are drawing from meanwhile: the same one twice is one file.
    id = json.loads(curl("/v1/files", "-F", f"file=@{FACTS.mask}")[2])["id"]
    looked, deleted, gone = curl(f"/v1/files/{id}"), curl(f"/v1/files/{id}", "-X", "DELETE"), curl(f"/v1/files/{id}")
    return f"{looked[0]}, {deleted[0]}, then {told(gone)}"


@row("models", "the list")
def _() -> str:
    status, _, body = curl("/v1/models")
    return f"{status}, {'with' if json.loads(body)['data'][0]['prices'] else 'without'} prices"


for _kind in ("image/png", "image/jpeg", "image/webp"):

    @row("create", f"Accept: {_kind}")
    def _(kind: str = _kind) -> str:
        status, headers, body = curl("/v1/image/create", "-H", f"Accept: {kind}", *JSON, "-d", '{"prompt": "a fox"}')
        return f"{status} {headers['content-type']}, {picture(body)}"


@row("create", "Accept: application/json")
def _() -> str:
    status, _, body = curl("/v1/image/create", *JSON, "-d", '{"prompt": "a fox"}')
    return f"{status} {sorted(json.loads(body))}"


for _path in ("/v1/nothing", "/v2", "/api/", "/mcp/nothing/"):

    @row("anything", f"{_path}, which is not there")
    def _(path: str = _path) -> str:
        return told(curl(path))


@row("anything", "OPTIONS, also where nothing is")
def _() -> str:
    answers = [curl(path, "-X", "OPTIONS") for path in (GENERATE, "/v1/models", "/v1/nothing")]
    return ", ".join(f"{status} {headers['content-type']}" for status, headers, _ in answers)


@row("anything", "a browser’s preflight")
def _() -> str:
    asked = ("-H", "Origin: https://example.org", "-H", "Access-Control-Request-Method: POST")
    status, headers, _ = curl(GENERATE, "-X", "OPTIONS", *asked)
    return f"{status} {headers['content-type']}, {headers['access-control-allow-origin']}"


@row("anything", "HEAD, TRACE and a method of one’s own")
def _() -> str:
    answers = [curl("/v1/models", "-I"), *(curl("/v1/models", "-X", method) for method in ("TRACE", "FROB"))]
    return ", ".join(f"{status} {headers['content-type']}" for status, headers, _ in answers)


@row("anything", "broken percent signs and an address without end")
def _() -> str:
    answers = [curl("/v1/%zz%"), curl("/v1/" + "a" * 3000), curl("/v1/reve-image%2Fgenerate%00")]
    return ", ".join(f"{status} {headers['content-type']}" for status, headers, _ in answers)


version = re.match(r"curl ([0-9.]+)", subprocess.run(["curl", "--version"], capture_output=True, text=True).stdout)
main(version[1] if version else "")
