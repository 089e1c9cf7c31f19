"""Asks a server over HTTP as a stranger would: for what this site itself looks like from outside, and buckets unsigned.

From the standard library, for what is asked here is a few headers and a few bytes; each call ends within its seconds,
follows no redirect and knows no proxy of the environment's.
"""

import http.client
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

MOST_BYTES = 64 * 1024


@dataclass(frozen=True)
class Answer:
    """What came; header names are in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def get(url: str, headers: Mapping[str, str] | None = None, seconds: float = 5.0) -> Answer:
    """Return the answer to a GET, its first 64 KiB. Raises OSError (ssl.SSLError among it), HTTPException."""
    with _Call(url, headers or {}, seconds) as call:
        answer = call.answer
        return Answer(answer.status, _headers(answer), answer.read(MOST_BYTES))


def pieces(url: str, seconds: float = 8.0) -> Iterator[tuple[float, bytes]]:
    """Yield each piece of a streamed answer with when it came, by the monotonic clock. Raises as `get`."""
    with _Call(url, {"Accept": "text/event-stream"}, seconds) as call:
        while piece := call.answer.read1(MOST_BYTES):
            yield time.monotonic(), piece


def certificate(host: str, port: int, seconds: float = 5.0) -> dict[str, object]:
    """Return the certificate that a server shows to whoever checks it. Raises OSError (ssl.SSLError among it)."""
    with (
        socket.create_connection((host, port), seconds) as plain,
        ssl.create_default_context().wrap_socket(plain, server_hostname=host) as secure,
    ):
        return dict(secure.getpeercert() or {})


class _Call:
    def __init__(self, url: str, headers: Mapping[str, str], seconds: float) -> None:
        parts = urlsplit(url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.hostname or "", parts.port, timeout=seconds)
        self._path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
        self._headers = {"User-Agent": "reveweb-doctor", "Accept-Encoding": "identity", **headers}

    def __enter__(self) -> "_Call":
        try:
            self._connection.request("GET", self._path, headers=self._headers)
            self.answer = self._connection.getresponse()
        except BaseException:
            self._connection.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()


def _headers(answer: http.client.HTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in answer.getheaders()}
