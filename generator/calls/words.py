"""What is kept of a body: its words as JSON. Pictures are told by their size, and secrets are left out."""

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from kit import scrub
from kit.http.requests import without_nul

REQUEST_LENGTH = 8 * 1024  # characters of a request that are kept
ANSWER_LENGTH = 4 * 1024
LONGEST_RAW = 16 * 1024  # bytes of a body that wait for being looked at
MOST_STRINGS = 2_000
DEEPEST = 50  # objects and lists within each other that are looked into
_LONG = 1024  # bytes between two quotes from which they may be a picture
_CUT = "…"

_DATA_URL = re.compile(r"data:[\w.+-]*/?[\w.+-]*;?[\w=;-]*,", re.IGNORECASE)
_PACKED = re.compile(r"[A-Za-z0-9+/_=\s-]{200,}")  # base64, which words never are for so long
_SECRET_NAME = re.compile(r"secret|password|authorization|api_?key|(^|_)token$", re.IGNORECASE)
_FIELD = re.compile(r'("([^"\\]{1,64})"\s*:\s*")((?:[^"\\]|\\.)*)', re.DOTALL)  # of a body that is cut
_SIZED = re.compile(r'"…\([\d.,]+ (?:B|KB|MB)\)"')


def shortened(body: bytes) -> bytes:
    """Return a JSON body with what is long between two quotes told by its size; what is still long is cut.

    For bodies of many megabytes, which are mostly pictures: it looks at quotes alone.
    """
    if len(body) <= LONGEST_RAW:
        return body
    parts: list[bytes] = []
    at = length = strings = 0
    while length <= LONGEST_RAW and strings < MOST_STRINGS:
        opened = body.find(b'"', at)
        closed = _closing(body, opened + 1) if opened >= 0 else -1
        if closed < 0:
            parts.append(body[at : at + LONGEST_RAW])
            break
        between = closed - opened - 1
        kept = body[at:closed] if between < _LONG or _is_words(body[opened + 1 : opened + 257]) else b""
        parts += [kept, b'"'] if kept else [body[at:opened], f'"{sized(between * 3 // 4)}"'.encode()]
        length += len(parts[-2]) + len(parts[-1])
        at = closed + 1
        strings += 1
    return b"".join(parts)[: LONGEST_RAW + 1]


def told(fields: Mapping[str, Any]) -> bytes:
    """Return what may be kept of a body's fields as JSON, where the body itself is given up for the pictures in it."""
    written = json.dumps({name: _clean(value, name) for name, value in fields.items()}, ensure_ascii=False)
    return written.encode()[:LONGEST_RAW]


def kept(body: bytes, most: int) -> tuple[str, bool]:
    """Return at most `most` characters of a JSON body to keep, and whether they are all of it, word for word."""
    if not body:
        return "", True
    text = body.decode("utf-8-sig", "replace")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return _cut(scrubbed(_FIELD.sub(_without_secret, text)), most), False
    clean = _clean(found)
    is_whole = clean == found and not _SIZED.search(text)
    written = json.dumps(clean, ensure_ascii=False)
    return (written, is_whole) if len(written) <= most else (_cut(written, most), False)


def sized(count: int) -> str:
    """Return what stands for so many bytes: `…(812 KB)`."""
    if count < 1000:
        return f"{_CUT}({count} B)"
    return f"{_CUT}({count / 1000:.0f} KB)" if count < 1_000_000 else f"{_CUT}({count / 1_000_000:.1f} MB)"


def _clean(value: Any, name: str = "", depth: int = 0) -> Any:
    if isinstance(value, (dict, list)) and depth >= DEEPEST:
        return _CUT
    if isinstance(value, dict):
        return {scrubbed(key): _clean(one, key, depth + 1) for key, one in value.items()}
    if isinstance(value, list):
        return [_clean(one, name, depth + 1) for one in value]
    if not isinstance(value, str):
        return value
    if value and _SECRET_NAME.search(name):
        return _CUT
    if found := _DATA_URL.match(value):
        return sized((len(value) - found.end()) * 3 // 4)
    if len(value) >= _LONG // 4 and _is_packed(value):
        return sized(len(value) * 3 // 4)
    return scrubbed(_without_query(value) if value.startswith(("http://", "https://")) else value)


def _without_secret(field: re.Match[str]) -> str:
    return field[1] + _CUT if field[3] and _SECRET_NAME.search(field[2]) else field[0]


def _without_query(address: str) -> str:
    """Return an address without what may open something: its log-in and its query."""
    try:
        parts = urlsplit(address)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return _CUT
    if host == parts.netloc and not parts.query and not parts.fragment:
        return address
    return urlunsplit((parts.scheme, host, parts.path, _CUT if parts.query else "", ""))


def scrubbed(text: str) -> str:
    """Return a text without keys, whoever's, and without what a database cannot store."""
    text = scrub.scrubbed(without_nul(text))
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + _CUT


def _is_words(sample: bytes) -> bool:
    """Whether a long string begins like something people write: base64 has neither spaces nor letters with accents."""
    return (b" " in sample or not sample.isascii()) and not sample.startswith(b"data:")


def _is_packed(value: str) -> bool:
    """Whether a long string is base64, as far as its beginning tells of one that is too long to be read."""
    if _is_words(value[:256].encode("utf-8", "replace")):
        return False
    return len(value) > LONGEST_RAW or _PACKED.fullmatch(value) is not None


def _closing(body: bytes, at: int) -> int:
    """Return where the string ends that begins at `at`, -1 where it never does."""
    while (found := body.find(b'"', at)) >= 0:
        slashes = 0
        while body[found - 1 - slashes] == 0x5C:
            slashes += 1
        if slashes % 2 == 0:
            return found
        at = found + 1
    return -1
