"""Requests that no page would send: values, forms, headers and bodies, drawn at random."""

import json
from dataclasses import dataclass
from random import Random
from urllib.parse import quote

from tests.fuzz.site import Address

CREDENTIALS = [
    "{}",
    "null",
    "[]",
    "{",
    '"x"',
    '{"id": 1}',
    '{"id": "!", "rawId": "!", "type": "public-key", "response": {}}',
    json.dumps(
        {
            "id": "AAAA",
            "rawId": "AAAA",
            "type": "public-key",
            "clientExtensionResults": {},
            "response": {
                "clientDataJSON": "e30",
                "authenticatorData": "_w",
                "signature": "",
                "attestationObject": "_w",
            },
        }
    ),
    json.dumps(
        {
            "id": "é",
            "rawId": "\ud800",
            "type": [],
            "response": {"clientDataJSON": "é", "authenticatorData": 3, "signature": None, "userHandle": "AA=A"},
        }
    ),
    "[" * 3000,
    '{"id": ' + "9" * 5000 + "}",
    '{"response": {"clientDataJSON": "/////w==", "attestationObject": "v////w", "authenticatorData": "AAAA"}}',
]
NUMBERS = [
    *("0", "1", "2", "3", "-1", "999", "1.5", "1e400", "nan", "inf", "0x10", "１２", "²", "٣", "1_0", "+1", " 1"),
    *("2147483648", "9223372036854775807", "9223372036854775808", "-9223372036854775809", "9" * 25, "9" * 5000),
]
DATES = [
    *("2026-01-01", "0001-01-01", "9999-12-31", "10000-01-01", "0000-00-00", "2026-13-45", "2026-02-30", "99999999999"),
    *("2026-01-01T00:00:00Z", "9999-12-31 23:59:59-23:59", "0001-01-01 00:00:00+23:59"),
]
ADDRESSES = [
    *("http://[", "//[", "http://[::1", "http://a:b@c:99999999/", "https://evil.example/", "/\\evil", "///evil", "?"),
    *("javascript:alert(1)", "http://\x00", "http://é.example/", "//a\ud800", "/%", "/gallery/?page=[", "http://℀.com"),
]
WORDS = [
    *("", " ", "\x00", "a\x00b", "%", "%zz", "'", '"', "<script>", "é", "日本", "\ud800", "\udfff\ud800", "\U0010ffff"),
    *("a" * 300, "x" * 10_000, "\r\nX: y", "../../etc/passwd", ",", "1,2,3", "all", "on", "true", "None", "_", "__"),
    *("{", "[]", "img_" + "a" * 22, "00000000-0000-0000-0000-000000000000", "a@b", "a@b.example", "é@é.example"),
    *("AAAA", "alice@example.com", "\u202e", "‮", "🖼" * 50, "id", "pk", "pk__in", "password", "\t", "a b", ".", "-"),
]
VALUES = [WORDS, NUMBERS, ADDRESSES, DATES, CREDENTIALS]
LIKELY = {"next": ADDRESSES, "credential": CREDENTIALS, "__gte": DATES, "__lt": DATES, "page": NUMBERS, "days": NUMBERS}
NAMES = [
    *("next", "page", "o", "q", "p", "all", "e", "_facets", "_to_field", "_popup", "_changelist_filters", "_q", "ot"),
    *("user__email", "user__email__regex", "id__in", "pk", "wallet__id__exact", "created_at__gte", "created_at__year"),
    *("status", "kind", "is_active__exact", "created_at__isnull", "drf", "process", "session_id", "filter", "sort"),
    *("nonce", "action", "index", "select_across", "_selected_action", "theme", "term", "app_label", "model_name"),
    *("field_name", "format", "resource", "plan", "pack", "lost", "since", "until", "from", "to", "after", "before"),
]
HEADERS: dict[str, list[str]] = {
    "Accept": ["", "text/html;q=x", "a/b;q=1e400", "application/json", "/" * 100],
    "Accept-Encoding": ["gzip;q=x", "identity;q=0", "é", "gzip, gzip"],
    "Accept-Language": ["", "x" * 3000, "é", "zz-ZZ;q=2", "*", "de-" * 200],
    "Authorization": ["", "Bearer", "Bearer ", "Bearer é", "Basic !!", "Bearer rv_" + "a" * 46, "Bearer " + "x" * 9000],
    "Cookie": [
        *("sessionid=\x00", "sessionid=é", "sessionid=" + "x" * 5000, "csrftoken=;messages=[[]]", "=;=;", 'a="\\777"'),
        *('messages="[[\\"__json_message\\"\\0540\\05420\\054\\"x\\"]]:x:y"', "messages=x:y:z; csrftoken=\x00", "é"),
    ],
    "Hx-Current-Url": ADDRESSES,
    "Hx-Request": ["true", "false", ""],
    "Hx-Target": ["", "é", "x" * 2000],
    "Host": ["[", "a_b", "testserver:99999", "testserver:", "é", "", "[::1", "testserver:x", "a" * 300, "xn--"],
    "Idempotency-Key": ["", "é", "a b", "x" * 300, "ok-key"],
    "If-Match": ["*", "é", "x"],
    "If-Modified-Since": ["x", "Thu, 01 Jan 0000 00:00:00 GMT", "Thu, 01 Jan 9999 99:99:99 GMT", "9" * 5000],
    "If-None-Match": ["*", 'W/"x"', "é", ","],
    "If-Range": ["x", '"é"', "Thu, 99 Jan 9999 00:00:00 GMT"],
    "Origin": ["null", "http://[", "é", "https://evil.example"],
    "Range": [
        "bytes=",
        "bytes=0-",
        "bytes=-",
        "bytes=9-1",
        "bytes=" + "9" * 5000 + "-",
        "bytes=²-",
        "x",
        "bytes=0-1,2-3",
    ],
    "Referer": [*ADDRESSES, "http://testserver/" + "x" * 5000],
    "Stripe-Signature": ["", "t=1,v1=é", "t=" + "9" * 5000 + ",v1=x", "t=²,v1=x", "t=,v1=", "é", "t=1"],
    "User-Agent": ["", "é", "x" * 10_000, "\x00"],
    "X-Csrftoken": ["", "é", "x" * 5000, "\x00"],
    "X-Forwarded-For": ["", ",", "é", "1.2.3.4:5", "x" * 5000, "::%é"],
    "X-Forwarded-Host": ["[", "é"],
    "X-Forwarded-Proto": ["", "é", "https,http"],
    "X-Requested-With": ["XMLHttpRequest", "é"],
}
KINDS = [
    *("application/json", "application/json; charset=x", "application/x-www-form-urlencoded; charset=utf-7", "", "é"),
    *("multipart/form-data", "multipart/form-data; boundary=é", "multipart/form-data; boundary=" + "x" * 300, "a/b/c"),
    *("multipart/form-data; boundary=x", "text/plain", "application/x-www-form-urlencoded; charset=undefined"),
]
BODIES = [
    *(b"", b"{", b"[]", b"null", b"\xff\xfe", b"a=%ff%00%zz&b", b"&&==&", b"{}", b'{"prompt": "a", "prompt": 1}'),
    *(b'{"prompt": "\\ud800"}', b'{"prompt": "a\\u0000b", "async": true}', b'{"prompt": 1e999}', b"[" * 5000),
    *(
        b'{"prompt": "x", "aspect_ratio": ' + b"9" * 5000 + b"}",
        b'{"prompt": "x", "async": true, "negative_prompt": "\\udc00"}',
    ),
    *(b"--x\r\n", b"--x\r\nContent-Disposition: form-data\r\n\r\n\r\n--x--", b"--x--", b"a=" + b"9" * 5000),
    b"--x\r\nContent-Disposition: form-data; name=\"\xff\"; filename*=utf-7''%ff\r\n\r\na\r\n--x--",
    b'--x\r\nContent-Disposition: form-data; name="import_file"; filename="../x.csv"\r\n\r\n\xff\x00,\r\n--x--',
    b'--x\r\nContent-Disposition: form-data; name="a"\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!\r\n--x--',
    b"&".join(b"a=1" for _ in range(1500)),
]
QUERIES = ["next=%ff%fe", "page=%ed%a0%80", "a&=&&==", "q=%zz%", "%00=1", "page=1&page=x"]
METHODS = [*["GET"] * 8, *["POST"] * 12, "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "QUERY"]


@dataclass(frozen=True)
class Request:
    """One request; `role` sends it."""

    role: str
    method: str
    path: str  # percent-encoded
    query: str = ""  # likewise
    form: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    kind: str = "application/x-www-form-urlencoded"
    headers: tuple[tuple[str, str], ...] = ()
    checks_csrf: bool = False

    def __str__(self) -> str:
        shown = f"{self.role}: {self.method} {self.path}{'?' + self.query if self.query else ''}"
        for what, value in (("form", self.form), ("body", self.body), ("headers", self.headers)):
            shown += f"\n    {what}: {str(value)[:600]}" if value else ""
        return shown + (f"\n    as: {self.kind}" if self.body is not None else "")


def escaped(text: str) -> str:
    """Return `text` as it stands in an address; half a character becomes the bytes that Python would make of it."""
    return quote(text, safe="", errors="surrogatepass")


def encoded(form: tuple[tuple[str, str], ...]) -> bytes:
    """Return a form as its body."""
    return "&".join(f"{escaped(name)}={escaped(value)}" for name, value in form).encode()


def draw(rng: Random, role: str, addresses: list[Address]) -> Request:
    """Return a request to one of `addresses`."""
    address, method = rng.choice(addresses), rng.choice(METHODS)
    path = address.path({name: _part(rng, known) for name, known in address.parts.items()}, escaped)
    names = address.queries if address.queries and rng.random() < 0.7 else NAMES
    query = "&".join(f"{escaped(name)}={escaped(_value(rng, name))}" for name in rng.choices(names, k=rng.randrange(4)))
    if rng.random() < 0.15:
        query += f"&next={escaped(rng.choice(ADDRESSES))}"
    if rng.random() < 0.1:
        query += "&" + rng.choice(QUERIES)
    headers = () if rng.random() < 0.5 else tuple(_header(rng) for _ in range(rng.randrange(1, 3)))
    checks_csrf = rng.random() < 0.05
    if method in ("GET", "HEAD"):
        return Request(role, method, path, query, headers=headers)
    if rng.random() < 0.25:
        body = rng.choice(BODIES) if rng.random() < 0.8 else rng.randbytes(rng.randrange(40))
        return Request(role, method, path, query, (), body, rng.choice(KINDS), headers, checks_csrf)
    return Request(role, method, path, query, _form(rng, address), headers=headers, checks_csrf=checks_csrf)


def _value(rng: Random, name: str = "") -> str:
    likely = next((values for part, values in LIKELY.items() if part in name), None)
    if likely and rng.random() < 0.7:
        return rng.choice(likely)
    if rng.random() < 0.1:
        return "".join(chr(rng.randrange(rng.choice((128, 256, 0x11_0000)))) for _ in range(rng.randrange(12)))
    return rng.choice(rng.choice(VALUES))


def _part(rng: Random, known: list[str]) -> str:
    return rng.choice(known) if known and rng.random() < 0.75 else _value(rng)


def _header(rng: Random) -> tuple[str, str]:
    name = rng.choice(list(HEADERS))
    return name, rng.choice(HEADERS[name])


def _form(rng: Random, address: Address) -> tuple[tuple[str, str], ...]:
    """Fill in a form of the address's page: some fields as it has them, some oddly, some not at all."""
    known = rng.choice(address.forms) if address.forms else ()
    as_it_is = rng.choice((0.9, 0.5, 0.1))  # often, so that much comes through to what is behind the form
    form = [
        (name, value if rng.random() < as_it_is else _value(rng, name)) for name, value in known if rng.random() < 0.95
    ]
    if not known or rng.random() < 0.2:
        form += [(name, _value(rng, name)) for name in rng.choices(NAMES, k=rng.randrange(4))]
    return tuple(form)
