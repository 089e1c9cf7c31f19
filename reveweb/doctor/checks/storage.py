"""Where files are kept: whether they can be written and read there, and by nobody else."""

import secrets
from collections.abc import Iterator
from http.client import HTTPException
from urllib.parse import urlsplit

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import storages

from kit.storage import words_of
from reveweb.doctor import asking
from reveweb.doctor.findings import Finding, fault, ok

FOLDER = "mark"  # which `check_storage` leaves alone
KEPT = {"default": "images", "private": "uploads and exports"}
_CURE = {
    True: "Let the key list the bucket, and put, get and delete its objects; look at S3_BUCKET and S3_ENDPOINT_URL.",
    False: "Look whether the folder is there, whose it is, and whether its disk has room.",
}


def kept(alias: str) -> Iterator[Finding]:
    """Write, read and delete a small file; meanwhile look whether a stranger can have it."""
    check, storage = _check(alias), storages[alias]
    name, mark = f"{FOLDER}/doctor-{secrets.token_hex(8)}", secrets.token_bytes(16)
    step = "written"
    try:
        storage.save(name, ContentFile(mark))
        step = "read"
        with storage.open(name) as file:
            found = file.read()
        if settings.S3_BUCKET or hasattr(storage, "bucket_name"):
            yield from _seen_by_strangers(alias, name, mark)
        step = "deleted"
        storage.delete(name)
    except Exception as error:
        words = f"A file for {KEPT[alias]} cannot be {step}: {words_of(error)}."
        yield fault(f"{check}-refused", words, _CURE[hasattr(storage, "bucket_name")])
        return
    finally:
        if connection := getattr(storage, "connection", None):  # of S3: this thread's own, and the thread ends
            connection.meta.client.close()
    if found != mark:
        words = "What is read there is not what was written: something between here and there keeps old answers."
        yield fault(
            f"{check}-stale", words, "Let S3_ENDPOINT_URL name the storage itself, and no cache in front of it."
        )
    yield ok(check, "takes, gives and deletes files")


def _check(alias: str) -> str:
    return "storage-images" if alias == "default" else "storage-private"


def _seen_by_strangers(alias: str, name: str, mark: bytes) -> Iterator[Finding]:
    """Ask for the file, and for the list of all, without a signature."""
    address = storages[alias].url(name).partition("?")[0]
    check = _check(alias)
    if alias == "private" and _answered(address) == mark:
        words = f"Anybody can fetch {KEPT[alias]} from the bucket without a signature: pictures that people brought."
        yield fault(f"{check}-public", words, "Block public access of the bucket; this site needs none.")
    parts = urlsplit(address)
    location = getattr(storages[alias], "location", "")
    bucket = parts.path[: parts.path.find(f"/{location}/") + 1] or "/"
    if b"<ListBucketResult" in _answered(f"{parts.scheme}://{parts.netloc}{bucket}"):
        words = "Anybody can list the bucket without a signature, and with that fetch every image by its name."
        yield fault(
            f"{check}-listed", words, "Take the right to list from everybody (public access, bucket policy, ACL)."
        )


def _answered(address: str) -> bytes:
    """Return the body of a good answer, nothing of any other."""
    try:
        answer = asking.get(address, seconds=settings.S3_READ_SECONDS)
    except (OSError, HTTPException):
        return b""
    return answer.body if answer.status == 200 else b""
