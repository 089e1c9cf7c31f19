"""A stand-in for S3-compatible storage, on a real socket: as much of it as this site asks for, and its troubles.

A test sets `trouble` while it runs. Signatures are not checked, but that there is one.
"""

import contextlib
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from enum import Enum, auto
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from botocore.config import Config

NAME = "pictures"


class Trouble(Enum):
    """What may be wrong with it."""

    HANGS = auto()  # takes connections and says nothing
    DRIPS = auto()  # sends a byte of an object each 50 ms
    BREAKS_OFF = auto()  # closes the connection instead of an answer
    NO_BUCKET = auto()
    READ_ONLY = auto()
    NO_DELETE = auto()
    NO_LIST_OF_PARTS = auto()  # of uploads that have not ended
    DENIED = auto()
    UNKNOWN_KEY = auto()
    BUSY = auto()  # 503 SlowDown
    REFUSES_CHECKSUMS = auto()  # as older MinIO and Backblaze do
    VIRTUAL_HOSTS_ONLY = auto()
    PUBLIC = auto()  # gives each object to whoever asks
    LISTED = auto()  # lists itself to whoever asks


_REFUSALS = {
    Trouble.NO_BUCKET: (404, "NoSuchBucket"),
    Trouble.DENIED: (403, "AccessDenied"),
    Trouble.UNKNOWN_KEY: (403, "InvalidAccessKeyId"),
    Trouble.BUSY: (503, "SlowDown"),
}


_FORBIDDEN: dict[Trouble | None, tuple[str, ...]] = {
    Trouble.READ_ONLY: ("PUT", "POST", "DELETE"),
    Trouble.NO_DELETE: ("DELETE",),
}


class Bucket(ThreadingHTTPServer):
    """The bucket `pictures`: `objects` by their keys, `asked` what came, as method and key."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.objects: dict[str, bytes] = {}
        self.changed: dict[str, float] = {}
        self.parts: dict[str, dict[int, bytes]] = {}  # of uploads that have not ended, by their ids
        self.asked: list[tuple[str, str]] = []
        self.hanging = self.most_hanging = 0
        self.trouble: Trouble | None = None
        self.closing = threading.Event()
        self.mended = threading.Event()

    def options(self, **more: Any) -> dict[str, Any]:
        """Return what a storage of Django's needs to use it."""
        return {
            "bucket_name": NAME,
            "endpoint_url": self.url,
            "region_name": "eu-central-1",
            "access_key": "key",
            "secret_key": "secret",
            "location": "images",
            **more,
        }

    def environment(self) -> dict[str, str]:
        """Return what an operator would write to use it."""
        return {
            "S3_BUCKET": NAME,
            "S3_ENDPOINT_URL": self.url,
            "S3_REGION": "eu-central-1",
            "S3_ACCESS_KEY": "key",
            "S3_SECRET_KEY": "secret",
        }

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of whoever has had enough."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Bucket

    def handle_one(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        address = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(address.query, keep_blank_values=True).items()}
        is_virtual = self.headers.get("Host", "").startswith(f"{NAME}.")
        path = unquote(address.path).lstrip("/")
        bucket, _, key = (NAME, "", path) if is_virtual else path.partition("/")
        server = self.server
        server.asked.append((self.command, key))
        trouble = server.trouble
        if trouble is Trouble.HANGS:
            self._hang()
        elif trouble is Trouble.BREAKS_OFF:
            self.close_connection = True
        elif trouble in _REFUSALS:
            self._refuse(*_REFUSALS[trouble])
        elif (
            "Authorization" not in self.headers
            and not query.keys() & {"X-Amz-Signature", "Signature"}
            and not (
                self.command == "GET"
                and ((trouble is Trouble.PUBLIC and key) or (trouble is Trouble.LISTED and not key))
            )
        ):
            self._refuse(403, "AccessDenied")
        elif bucket != NAME or (trouble is Trouble.VIRTUAL_HOSTS_ONLY and not is_virtual):
            self._refuse(404, "NoSuchBucket")
        elif trouble is Trouble.REFUSES_CHECKSUMS and self._has_checksums():
            self._refuse(501, "NotImplemented")
        elif self.command in _FORBIDDEN.get(trouble, ()) or (
            trouble is Trouble.NO_LIST_OF_PARTS and self.command == "GET" and "uploads" in query
        ):
            self._refuse(403, "AccessDenied")
        elif "uploads" in query or "uploadId" in query:
            self._upload_in_parts(key, query, body)
        elif self.command == "PUT":
            server.objects[key], server.changed[key] = body, time.time()
            self._answer(200, headers={"ETag": f'"{md5(body).hexdigest()}"'})
        elif self.command == "DELETE":
            server.objects.pop(key, None)
            self._answer(204)
        elif not key:
            self._list(query.get("prefix", ""), query.get("delimiter", ""))
        elif key in server.objects:
            self._send(key)
        else:
            self._refuse(404, "NoSuchKey")

    do_GET = do_HEAD = do_PUT = do_DELETE = do_POST = handle_one  # noqa: N815 (the base class looks for these names)

    def _has_checksums(self) -> bool:
        headers = {name.lower(): value for name, value in self.headers.items()}
        return (
            any(name.startswith(("x-amz-checksum", "x-amz-sdk-checksum", "x-amz-trailer")) for name in headers)
            or "aws-chunked" in headers.get("content-encoding", "")
            or headers.get("x-amz-content-sha256", "").startswith("STREAMING")
        )

    def _hang(self) -> None:
        server = self.server
        server.hanging += 1
        server.most_hanging = max(server.most_hanging, server.hanging)
        while not (server.closing.wait(0.02) or server.trouble is not Trouble.HANGS):
            pass
        server.hanging -= 1
        self.close_connection = True

    def _upload_in_parts(self, key: str, query: dict[str, str], body: bytes) -> None:
        server, upload = self.server, query.get("uploadId", "")
        if self.command == "POST" and "uploads" in query:
            upload = f"{len(server.asked)}~{key}"
            server.parts[upload] = {}
            self._answer(200, f"<R><Bucket>{NAME}</Bucket><UploadId>{upload}</UploadId></R>".encode())
        elif self.command == "GET":
            begun = "".join(
                f"<Upload><Key>{escape(one.partition('~')[2])}</Key><UploadId>{escape(one)}</UploadId>"
                "<Initiated>2020-01-01T00:00:00.000Z</Initiated></Upload>"
                for one in server.parts
            )
            self._answer(200, f"<ListMultipartUploadsResult>{begun}</ListMultipartUploadsResult>".encode())
        elif upload not in server.parts:
            self._refuse(404, "NoSuchUpload")
        elif self.command == "PUT":
            server.parts[upload][int(query["partNumber"])] = body
            self._answer(200, headers={"ETag": f'"{md5(body).hexdigest()}"'})
        elif self.command == "POST":
            parts = server.parts.pop(upload)
            server.objects[key] = b"".join(parts[number] for number in sorted(parts))
            server.changed[key] = time.time()
            self._answer(200, f"<R><Key>{escape(key)}</Key></R>".encode())
        else:
            del server.parts[upload]
            self._answer(204)

    def _send(self, key: str) -> None:
        data = self.server.objects[key]
        status, start, end = 200, 0, len(data)
        headers = {
            "ETag": f'"{md5(data).hexdigest()}"',
            "Last-Modified": formatdate(self.server.changed.get(key, time.time()), usegmt=True),
        }
        if wanted := self.headers.get("Range"):
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            status, start, end = 206, int(first), min(end, int(last) + 1) if last else end
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(data)}"
        self._answer(status, data[start:end], headers)

    def _list(self, prefix: str, delimiter: str) -> None:
        under = sorted(key for key in self.server.objects if key.startswith(prefix))
        folders, keys = set[str](), list[str]()
        for key in under:
            folder, found, _ = key.removeprefix(prefix).partition(delimiter) if delimiter else (key, "", "")
            folders.add(prefix + folder + delimiter) if found else keys.append(key)
        parts = "".join(f"<CommonPrefixes><Prefix>{escape(one)}</Prefix></CommonPrefixes>" for one in sorted(folders))
        objects, told = (
            self.server.objects,
            "<ETag>&quot;{}&quot;</ETag><LastModified>2026-01-01T00:00:00.000Z</LastModified>",
        )
        parts += "".join(
            f"<Contents><Key>{escape(one)}</Key><Size>1</Size>{told.format(md5(objects[one]).hexdigest())}</Contents>"
            for one in keys
        )
        self._answer(200, f"<ListBucketResult><IsTruncated>false</IsTruncated>{parts}</ListBucketResult>".encode())

    def _refuse(self, status: int, code: str) -> None:
        self._answer(status, f"<Error><Code>{code}</Code><Message>No.</Message></Error>".encode())

    def _answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        with contextlib.suppress(OSError):
            if self.server.trouble is Trouble.DRIPS and self.command == "GET":
                for byte in body:
                    self.wfile.write(bytes([byte]))
                    if self.server.closing.wait(0.05):
                        return
            else:
                self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        pass


def use(settings: Any, bucket: Bucket, seconds: float = 0.3) -> None:
    """Have the test's site keep its files there; a call may hang for so many seconds."""
    patience = Config(connect_timeout=seconds, read_timeout=seconds, retries={"total_max_attempts": 1})
    kinds = {"default": "images", "private": "images-private"}
    for name, location in kinds.items():
        options = bucket.options(client_config=patience, location=location)
        here = {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
        settings.STORAGES = {**settings.STORAGES, name: here}


@contextlib.contextmanager
def running() -> Iterator[Bucket]:
    """A bucket, for as long as the block takes."""
    bucket = Bucket()
    thread = threading.Thread(target=bucket.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield bucket
    finally:
        bucket.closing.set()
        bucket.shutdown()
        thread.join(5)
        bucket.server_close()
