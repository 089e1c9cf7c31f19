"""Archives in a bucket: sent in parts, of which nothing is to be seen before the last; fetched in ranges."""

import io
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any, cast

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings
from django.utils import timezone

from kit import storage
from reveweb.backup import drafts
from reveweb.backup.errors import BackupFailed, MayNotRemove, RestoreFailed, Unable

SCHEME = "s3://"
PART_BYTES = 64 * 1024**2  # of which a bucket takes 10,000: 640 GB
RANGE_BYTES = 16 * 1024**2
RANGE_TRIES = 4
DEAD = timedelta(days=1)  # after which parts of an upload that did not end are nobody's
_CONNECT_SECONDS, _READ_SECONDS, _ATTEMPTS = 5, 60, 5  # nobody waits for an answer here
_ERRORS = (BotoCoreError, ClientError)


class Object:
    """An archive in a bucket."""

    def __init__(self, bucket: str, key: str) -> None:
        self.bucket, self.key = bucket, key

    def __str__(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.key}"

    @property
    def name(self) -> str:
        """Return the last part of its key."""
        return self.key.rpartition("/")[2]

    def size(self) -> int:
        """Return how many bytes it has. Raises RestoreFailed."""
        with _asked(RestoreFailed, self):
            return int(self._head()["ContentLength"])

    @contextmanager
    def reading(self) -> Iterator[IO[bytes]]:
        """Read it from its beginning, range by range; a range that breaks off is asked for again."""
        with _asked(RestoreFailed, self):
            head = self._head()
            yield io.BufferedReader(_Ranges(self, int(head["ContentLength"]), str(head["ETag"])), 1024 * 1024)

    @contextmanager
    def writing(self) -> Iterator[tuple[IO[bytes], Path]]:
        """Send it in parts while it is written; ended early, nothing of it is there. Raises BackupFailed."""
        folder = Path(tempfile.mkdtemp(prefix=drafts.OF_BACKUPS, dir=settings.VAR_DIR))
        try:
            with _asked(BackupFailed, self):
                self._refuse()
                parts = _Parts(self)
                try:
                    yield cast("IO[bytes]", parts), folder
                    parts.complete()
                except BaseException:
                    with suppress(*_ERRORS):
                        parts.abort()
                    raise
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _head(self) -> dict[str, Any]:
        head: dict[str, Any] = client().head_object(Bucket=self.bucket, Key=self.key)
        return head

    def _refuse(self) -> None:
        try:
            self._head()
        except ClientError as error:
            if _status_of(error) != HTTPStatus.NOT_FOUND:
                raise
        else:
            raise BackupFailed(f"{self} is there already, and is not overwritten. Name another.")


class Shelf:
    """A folder of a bucket, with archives in it."""

    def __init__(self, bucket: str, folder: str) -> None:
        self._bucket, self._folder = bucket, f"{folder}/" if folder else ""

    def place(self, name: str) -> Object:
        """Return where an archive of that name lies, or would."""
        return Object(self._bucket, self._folder + name)

    def names(self) -> list[str]:
        """Return the names of whatever is there. Raises BackupFailed."""
        found: list[str] = []
        with _asked(BackupFailed, self):
            for page in client().get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._folder):
                found += [each["Key"].removeprefix(self._folder) for each in page.get("Contents", [])]
        return [name for name in found if "/" not in name]

    def remove(self, name: str) -> None:
        """Delete an archive. Raises MayNotRemove, BackupFailed."""
        with _asked(BackupFailed, self):
            try:
                client().delete_object(Bucket=self._bucket, Key=self._folder + name)
            except ClientError as error:
                if _status_of(error) == HTTPStatus.FORBIDDEN:
                    raise MayNotRemove(f"{self}: the key may not delete.") from error
                raise

    def sweep(self, prefix: str) -> None:
        """Drop the parts of uploads that died; they are not to be seen, and cost. Raises BackupFailed."""
        with _asked(BackupFailed, self):
            begun = client().list_multipart_uploads(Bucket=self._bucket, Prefix=self._folder + prefix)
            for upload in begun.get("Uploads", []):
                if upload["Initiated"] < timezone.now() - DEAD:
                    named = {"Bucket": self._bucket, "Key": upload["Key"], "UploadId": upload["UploadId"]}
                    client().abort_multipart_upload(**named)

    def __str__(self) -> str:
        return f"{SCHEME}{self._bucket}/{self._folder}"


def parsed(text: str) -> tuple[str, str]:
    """Return the bucket and the rest of an address such as s3://bucket/folder/site.tar."""
    bucket, _, key = text.removeprefix(SCHEME).partition("/")
    return bucket, key.strip("/")


@lru_cache(maxsize=1)
def client() -> Any:
    """Return the client of the bucket that backups are in, patient as for work that nobody waits for."""
    return boto3.client(
        "s3",
        endpoint_url=settings.BACKUP_S3_ENDPOINT_URL or None,
        region_name=settings.BACKUP_S3_REGION or None,
        aws_access_key_id=settings.BACKUP_S3_ACCESS_KEY or None,
        aws_secret_access_key=settings.BACKUP_S3_SECRET_KEY or None,
        config=Config(
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
            request_checksum_calculation=settings.S3_CHECKSUMS,
            response_checksum_validation=settings.S3_CHECKSUMS,
            s3={"addressing_style": settings.S3_ADDRESSING},
        ),
    )


@contextmanager
def _asked(failed: type[Unable], where: object) -> Iterator[None]:
    """Turn what the bucket refuses into `failed`, with what to do; no secret is in it."""
    try:
        yield
    except _ERRORS as error:
        raise failed(f"{where}: {_words(error)}.") from error


def _status_of(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _words(error: Exception) -> str:
    if isinstance(error, ClientError) and error.response.get("Error", {}).get("Code") in ("404", "NoSuchKey"):
        return "there is no such file"
    return storage.words_of(error)


class _Parts(io.RawIOBase):
    """A file that is sent as it is written, in parts."""

    def __init__(self, target: Object) -> None:
        self._named = {"Bucket": target.bucket, "Key": target.key}
        self._named["UploadId"] = client().create_multipart_upload(**self._named)["UploadId"]
        self._waiting = bytearray()
        self._sent: list[dict[str, Any]] = []
        self._at = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def write(self, data: Any) -> int:
        self._waiting += data
        self._at += len(data)
        while len(self._waiting) >= PART_BYTES:
            self._send(bytes(self._waiting[:PART_BYTES]))
            del self._waiting[:PART_BYTES]
        return len(data)

    def complete(self) -> None:
        """Send what is left, and let the whole be seen."""
        if self._waiting or not self._sent:
            self._send(bytes(self._waiting))
        client().complete_multipart_upload(**self._named, MultipartUpload={"Parts": self._sent})

    def abort(self) -> None:
        """Drop all that was sent."""
        client().abort_multipart_upload(**self._named)

    def _send(self, data: bytes) -> None:
        number = len(self._sent) + 1
        answer = client().upload_part(**self._named, PartNumber=number, Body=data)
        self._sent.append({"PartNumber": number, "ETag": answer["ETag"]})


class _Ranges(io.RawIOBase):
    """An object that is read from its beginning, for hours if need be: no connection lasts longer than one range."""

    def __init__(self, source: Object, size: int, etag: str) -> None:
        self._source, self._size, self._etag = source, size, etag
        self._at = 0
        self._range = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._range and self._at < self._size:
            self._range = memoryview(self._fetched(min(self._at + RANGE_BYTES, self._size)))
            self._at += len(self._range)
        count = min(len(buffer), len(self._range))
        buffer[:count] = self._range[:count]
        self._range = self._range[count:]
        return count

    def _fetched(self, end: int) -> bytes:
        for left in reversed(range(RANGE_TRIES)):
            try:
                answer = client().get_object(
                    Bucket=self._source.bucket,
                    Key=self._source.key,
                    Range=f"bytes={self._at}-{end - 1}",
                    IfMatch=self._etag,
                )
                return bytes(answer["Body"].read())
            except BotoCoreError:
                if not left:
                    raise
        raise AssertionError
