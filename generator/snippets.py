"""A call as code to paste: curl, Python, JavaScript. The same text in the studio and in the documentation.

It is a generate call unless `path` and `method` say otherwise. `body` is the call's JSON body, None for one without.
The API key is read from `KEY_VARIABLE`, so that what is shown, copied and committed holds none. Each text runs as it
stands once that is set, whatever characters the prompt has. It ends by itself, and prints all that was answered where
that is not an image: an id that was paid for is not lost.
"""

import json
import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any

PATH = "/v1/reve-image/generate"
KEY_VARIABLE = "REVEWEB_API_KEY"  # of the environment
SECONDS = 180  # longer than a request waits for its image

# What a terminal or an editor would act on instead of showing it: control characters, line separators, and the marks
# that turn the direction of writing and so can make a text look like another. All three languages read \\uXXXX.
_UNSEEN = re.compile("[\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


def call_body(
    prompt: str,
    negative_prompt: str = "",
    aspect_ratio: str = "1:1",
    *,
    model: str = "",
    size: str = "",
    quality: str = "",
) -> dict[str, Any]:
    """Return the body that asks for an image with these settings; what is empty is left out."""
    body = {"prompt": prompt, "negative_prompt": negative_prompt, "aspect_ratio": aspect_ratio}
    body |= {"model": model, "size": size, "quality": quality}
    return {name: value for name, value in body.items() if value}


def export(key: str = "YOUR_API_KEY") -> str:
    """Return the line for a shell that sets the variable which the calls read."""
    return f"export {KEY_VARIABLE}={shlex.quote(key)}"


def curl(base: str, body: Mapping[str, Any] | None, path: str = PATH, method: str = "POST") -> str:
    """Return the call for a POSIX shell."""
    lines = [
        f"curl {shlex.quote(base + path)}",
        f"--fail-with-body --max-time {SECONDS}",
        f'-H "Authorization: Bearer ${KEY_VARIABLE}"',
    ]
    if body is not None:
        data = _json(body, "  ").replace("'", r"'\''")
        lines += ['-H "Content-Type: application/json"', '-H "Idempotency-Key: $(date +%s)-$$"', f"-d '{data}'"]
    if method != ("GET" if body is None else "POST"):
        lines.insert(1, f"-X {method}")
    return " \\\n  ".join(lines)


def python(base: str, body: Mapping[str, Any] | None, path: str = PATH, method: str = "POST") -> str:
    """Return the call for Python with the `requests` package."""
    if body is None:
        return (
            "import os\n\nimport requests\n\n"
            f"response = requests.{method.lower()}(\n"
            f"    {_text(base + path)},\n"
            f"""    headers={{"Authorization": f"Bearer {{os.environ['{KEY_VARIABLE}']}}"}},\n"""
            f"    timeout={SECONDS},\n"
            ")\n"
            "print(response.status_code, response.text)"
        )
    return (
        "import os\nimport uuid\n\nimport requests\n\n"
        f"response = requests.{method.lower()}(\n"
        f"    {_text(base + path)},\n"
        "    headers={\n"
        f"""        "Authorization": f"Bearer {{os.environ['{KEY_VARIABLE}']}}",\n"""
        '        "Idempotency-Key": str(uuid.uuid4()),\n'
        "    },\n"
        f"    json={_python_dict(body)},\n"
        f"    timeout={SECONDS},\n"
        ")\n"
        "if not response.ok:\n"
        '    raise SystemExit(f"{response.status_code} {response.text}")\n'
        "image = response.json()\n"
        'print(image["status"], image.get("url") or image["id"])'
    )


def javascript(base: str, body: Mapping[str, Any] | None, path: str = PATH, method: str = "POST") -> str:
    """Return the call for JavaScript: a module in Node.js 18 or later, Deno or Bun."""
    if body is None:
        return (
            f"const response = await fetch({_text(base + path)}, {{\n"
            f'  method: "{method}",\n'
            f'  headers: {{ "Authorization": `Bearer ${{process.env.{KEY_VARIABLE}}}` }},\n'
            f"  signal: AbortSignal.timeout({SECONDS}_000),\n"
            "});\n"
            "console.log(response.status, await response.text());"
        )
    return (
        'import { randomUUID } from "node:crypto";\n\n'
        f"const response = await fetch({_text(base + path)}, {{\n"
        f'  method: "{method}",\n'
        "  headers: {\n"
        f'    "Authorization": `Bearer ${{process.env.{KEY_VARIABLE}}}`,\n'
        '    "Content-Type": "application/json",\n'
        '    "Idempotency-Key": randomUUID(),\n'
        "  },\n"
        f"  body: JSON.stringify({_json(body, '  ')}),\n"
        f"  signal: AbortSignal.timeout({SECONDS}_000),\n"
        "});\n"
        "if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);\n"
        "const image = await response.json();\n"
        "console.log(image.status, image.url ?? image.id);"
    )


LANGUAGES: dict[str, Callable[..., str]] = {
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
