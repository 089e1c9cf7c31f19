"""A generate call as code to paste: curl, Python, JavaScript. The same text in the studio and in the documentation.

`body` is the call's JSON body, `key` what stands for the API key: a placeholder, or a variable of the shell's. Each
text runs as it stands once the key is a real one, whatever characters the prompt has.
"""

import json
import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any

PATH = "/v1/reve-image/generate"
KEY = "YOUR_API_KEY"

# What a terminal or an editor would act on instead of showing it: control characters, line separators, and the marks
# that turn the direction of writing and so can make a text look like another. All three languages read \\uXXXX.
_UNSEEN = re.compile("[\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


def call_body(prompt: str, negative_prompt: str = "", aspect_ratio: str = "1:1") -> dict[str, Any]:
    """Return the body that asks for an image with these settings; what is empty is left out."""
    body = {"prompt": prompt, "negative_prompt": negative_prompt, "aspect_ratio": aspect_ratio}
    return {name: value for name, value in body.items() if value}


def curl(base: str, body: Mapping[str, Any], key: str = KEY) -> str:
    """Return the call for a POSIX shell. A `key` such as `$REVE_KEY` is read from the shell's environment."""
    data = _json(body, "  ").replace("'", r"'\''")
    return (
        f"curl {shlex.quote(base + PATH)} \\\n"
        f'  -H "Authorization: Bearer {key}" \\\n'
        '  -H "Content-Type: application/json" \\\n'
        f"  -d '{data}'"
    )


def python(base: str, body: Mapping[str, Any], key: str = KEY) -> str:
    """Return the call for Python with the `requests` package."""
    return (
        "import requests\n\n"
        "response = requests.post(\n"
        f"    {_text(base + PATH)},\n"
        f'    headers={{"Authorization": {_text(f"Bearer {key}")}}},\n'
        f"    json={_python_dict(body)},\n"
        "    timeout=180,\n"
        ")\n"
        "response.raise_for_status()\n"
        "image = response.json()\n"
        'print(image["status"], image.get("url"))'
    )


def javascript(base: str, body: Mapping[str, Any], key: str = KEY) -> str:
    """Return the call for JavaScript: a module in Node.js 18 or later, Deno, Bun, or a browser's console."""
    return (
        f"const response = await fetch({_text(base + PATH)}, {{\n"
        '  method: "POST",\n'
        "  headers: {\n"
        f'    "Authorization": {_text(f"Bearer {key}")},\n'
        '    "Content-Type": "application/json",\n'
        "  },\n"
        f"  body: JSON.stringify({_json(body, '  ')}),\n"
        "});\n"
        "if (!response.ok) throw new Error(await response.text());\n"
        "const image = await response.json();\n"
        "console.log(image.status, image.url);"
    )


LANGUAGES: dict[str, Callable[[str, Mapping[str, Any], str], str]] = {
    "curl": curl,
    "Python": python,
    "JavaScript": javascript,
}
NEEDS = {
    "curl": "For a terminal",
    "Python": "Needs the requests package",
    "JavaScript": "For Node.js 18 or later, as a module",
}


def _text(value: object) -> str:
    """Write a string, number or boolean as JSON, which for strings is how Python and JavaScript write them too."""
    written = json.dumps(value, ensure_ascii=False)
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", written)


def _json(body: Mapping[str, Any], margin: str) -> str:
    """Write `body` as JSON with a line for each field; `margin` indents its end."""
    fields = (f"{margin}  {_text(name)}: {_text(value)}" for name, value in body.items())
    return "{\n" + ",\n".join(fields) + f"\n{margin}}}"


def _python_dict(body: Mapping[str, Any]) -> str:
    fields = (f"        {_text(name)}: {_literal(value)},\n" for name, value in body.items())
    return "{\n" + "".join(fields) + "    }"


def _literal(value: object) -> str:
    """Python spells what is not text differently: True, None."""
    return _text(value) if isinstance(value, str) else repr(value)
