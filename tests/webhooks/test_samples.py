"""The documentation's samples verify what we send, and nothing else."""

import json
import subprocess
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks import WebhookVerificationError

from generator.webhooks import signing
from reveweb.docs import book, rendering
from reveweb.docs.code import Code

BODY = '{"type":"image.completed","data":{"prompt":"Füchse 🦊"}}'


def sample(language: str, word: str) -> str:
    page = book.find("webhooks")
    assert page
    groups = rendering.code_groups(book.source(page, "https://images.example.com"))
    [found] = [code for group in groups for code in group if _is(code, language, word)]
    return found.text


def _is(code: Code, language: str, word: str) -> bool:
    return code.language == language and word in code.text


def secrets() -> tuple[str, str]:
    return signing.reveal(signing.new_secret()), signing.reveal(signing.new_secret())


def sent(*signed_with: str, age: float = 0) -> dict[str, str]:
    return signing.headers("msg_1", BODY, signed_with, datetime.fromtimestamp(time.time() - age, UTC))


def test_the_library_reads_what_is_signed_with_either_secret() -> None:
    known: dict[str, Any] = {}
    exec(sample("python", "standardwebhooks"), known)
    new, old = secrets()
    for secret in (new, old):
        assert known["read"](BODY.encode(), sent(new, old), secret)["data"]["prompt"] == "Füchse 🦊"
    with pytest.raises(WebhookVerificationError):
        known["read"](BODY.encode(), sent(new, age=400), new)


def test_python_by_hand() -> None:
    known: dict[str, Any] = {}
    exec(sample("python", "hmac"), known)
    is_ours, (new, old) = known["is_ours"], secrets()
    assert is_ours(BODY.encode(), sent(new, old), new)
    assert is_ours(BODY.encode(), sent(new, old), old)
    assert not is_ours(BODY.encode(), sent(old), new)
    assert not is_ours(BODY.encode() + b" ", sent(new), new)
    assert not is_ours(BODY.encode(), sent(new, age=301), new)


def test_node_by_hand(tmp_path: Any) -> None:
    new, old = secrets()
    asked = [
        (BODY, sent(new, old), new),
        (BODY, sent(new, old), old),
        (BODY, sent(old), new),
        (BODY + " ", sent(new), new),
        (BODY, sent(new, age=301), new),
    ]
    (tmp_path / "verify.mjs").write_text(
        sample("javascript", "createHmac")
        + f"\nfor (const [body, headers, secret] of {json.dumps(asked)})"
        + "\n  console.log(isOurs(Buffer.from(body), headers, secret));\n"
    )
    done = subprocess.run(["node", "verify.mjs"], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.split() == ["true", "true", "false", "false", "false"]
