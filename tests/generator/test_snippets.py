"""The call as code: that it says exactly what it should, whatever the prompt holds."""

import ast
import json
import os
import subprocess
from typing import Any

import pytest

from generator import snippets

BASE = "https://images.example.com"
NASTY = "It's a \"test\" $HOME `id` !! \\n \n «é» 🦊 \u2028 \u202e </script> ' \\' %s {x}"


@pytest.fixture(params=["a red fox", NASTY, "'", "\\", "\t\r\n", "灯" * 4000])
def body(request: pytest.FixtureRequest) -> dict[str, Any]:
    return snippets.call_body(request.param, "text, 'people'", "3:2")


def test_a_shell_hands_curl_the_very_body(body: dict[str, Any]) -> None:
    text = snippets.curl(BASE, body)
    script = 'curl() { printf "%s\\0" "$@"; }\n' + text
    ran = subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        check=True,
        env={"REVEWEB_API_KEY": "rv_1", "PATH": os.environ["PATH"]},
    )
    address, *options = ran.stdout.decode().removesuffix("\0").split("\0")
    assert address == f"{BASE}/v1/reve-image/generate"
    assert "Authorization: Bearer rv_1" in options
    assert json.loads(options[-1]) == body


def test_python_reads_the_very_body(body: dict[str, Any]) -> None:
    tree = ast.parse(snippets.python(BASE, {**body, "async": True, "seed": None}))
    (sent,) = [
        keyword.value for keyword in ast.walk(tree) if isinstance(keyword, ast.keyword) and keyword.arg == "json"
    ]
    assert ast.literal_eval(sent) == {**body, "async": True, "seed": None}


def test_javascript_has_the_very_body(body: dict[str, Any]) -> None:
    text = snippets.javascript(BASE, body)
    start = text.index("JSON.stringify(") + len("JSON.stringify(")
    sent, _ = json.JSONDecoder().raw_decode(text[start:])
    assert sent == body


def test_no_text_has_characters_that_cannot_be_seen() -> None:
    for write in snippets.LANGUAGES.values():
        text = write(BASE, snippets.call_body(NASTY))
        assert not set(text) & {"\u2028", "\u202e", "\x7f"}
        assert text.isprintable() or all(character.isprintable() or character == "\n" for character in text)


def test_what_is_empty_is_left_out() -> None:
    assert snippets.call_body("a fox", "", "1:1") == {"prompt": "a fox", "aspect_ratio": "1:1"}
