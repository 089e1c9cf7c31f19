"""Where files are kept, as far as it may be away: what hangs is given up, and who comes next hears so at once.

Every call of a storage is made inside `asked`, and from an event loop through `in_time`. One that does not answer is
left alone for some seconds after a few tries (`kit.breaker`), so that threads do not pile up behind it.
"""

import asyncio
import contextlib
import errno
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import Storage
from django.http import HttpResponse

from kit.breaker import Breaker
from kit.threads import Pool, in_thread

T = TypeVar("T")

RETRY_AFTER = 5  # seconds

# S3's own words for what an operator can mend, and what to do. Their messages are never shown: they may name a key.
_CURES = {
    "NoSuchBucket": "there is no bucket of that name: make it, or mend S3_BUCKET, S3_REGION or S3_ADDRESSING",
    "AccessDenied": "the key may not do that: let it list the bucket, and put, get and delete its objects",
    "AllAccessDisabled": "the bucket is closed: look at its account",
    "InvalidAccessKeyId": "it does not know the key: mend S3_ACCESS_KEY",
    "SignatureDoesNotMatch": "it refuses the key: mend S3_SECRET_KEY, or S3_REGION",
    "ExpiredToken": "the key has expired",
    "RequestTimeTooSkewed": "this machine's clock is wrong",
    "AuthorizationHeaderMalformed": "S3_REGION is not the bucket's",
    "PermanentRedirect": "S3_REGION or S3_ENDPOINT_URL is not the bucket's",
    "NotImplemented": "it does not know what it was asked: leave S3_CHECKSUMS at when_required",
    "InvalidArgument": "it does not know what it was asked: leave S3_CHECKSUMS at when_required",
    "SlowDown": "it is busy",
    "QuotaExceeded": "it is full",
    "403": "it refuses us: mend S3_ACCESS_KEY and S3_SECRET_KEY, or what the key may do",
    "301": "S3_REGION or S3_ENDPOINT_URL is not the bucket's",
}
_SILENCE = (
    "ConnectTimeoutError",
    "ReadTimeoutError",
    "EndpointConnectionError",
    "ConnectionClosedError",
    "ProxyConnectionError",
    "ConnectionError",
    "HTTPClientError",
    "IncompleteReadError",
    "ResponseStreamingError",
    "RetriesExceededError",  # of a download that broke off
)
_CLIENTS = ("botocore", "boto3", "s3transfer", "urllib3")


class StorageAway(OSError):
    """The storage did not do what it was asked, or is left alone for now; its words are for operators."""


breaker = Breaker("The image storage", failures=4, pause=5.0, window=60.0)


@contextlib.contextmanager
def asked() -> Iterator[None]:
    """Hold one call of a storage. Raises StorageAway for whatever goes wrong there, but FileNotFoundError as it is."""
    if not breaker.allows():
        raise StorageAway("it does not answer")
    try:
        yield
    except FileNotFoundError:
        breaker.answered()
        raise
    except Exception as error:
        if not _is_the_storages(error):
            raise
        if isinstance(error, TimeoutError) or _names(error) & set(_SILENCE):
            breaker.failed()
        else:
            breaker.answered()
        raise StorageAway(words_of(error)) from error
    else:
        breaker.answered()


async def in_time(work: Callable[[], T], seconds: float | None = None) -> T:
    """Ask a storage from an event loop, for at most `seconds` (STORAGE_SECONDS). Raises StorageAway.

    A call that hangs keeps its thread until its own limits end it, and nobody waits for it any more; who stands in line
    behind it leaves the line.
    """
    seconds = settings.STORAGE_SECONDS if seconds is None else seconds
    try:
        async with asyncio.timeout(seconds):
            return await in_thread(work, Pool.STORAGE)
    except TimeoutError:
        breaker.failed()
        raise StorageAway(f"no answer within {seconds:g} seconds") from None


def opened(storage: Storage, path: str) -> "File[bytes]":
    """Return a stored file, here: what a storage only fetches when it is first read is fetched. To be closed.

    Raises FileNotFoundError, StorageAway.
    """
    with asked():
        file = storage.open(path)
        try:
            _ = file.file  # of S3: all of it, into memory or onto the disk
        except BaseException:
            file.close()
            raise
    return file


def is_silent() -> bool:
    """Tell whether this process leaves the storage alone, because it does not answer."""
    return breaker.is_open


def away() -> HttpResponse:
    """Answer that a file cannot be read now, and when to come again."""
    response = HttpResponse(
        "This file cannot be read just now. Try again in a few seconds.\n",
        status=503,
        content_type="text/plain; charset=utf-8",
        headers={"Retry-After": str(RETRY_AFTER), "Cache-Control": "no-store"},
    )
    vars(response)["_has_been_logged"] = True  # what is wrong with the storage is said once, not with each image
    return response


def words_of(error: BaseException) -> str:
    """Return what is wrong with the storage and what to do, from one of its errors; never a secret."""
    code = _code_of(error)
    if code:
        return _CURES.get(code, f"it answers {code}"[:80])
    if _names(error) & {"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"}:
        return "there is no key for it: set S3_ACCESS_KEY and S3_SECRET_KEY"
    if "SSLError" in _names(error):
        return "its certificate is not to be trusted, or it speaks no TLS: mend S3_ENDPOINT_URL"
    if isinstance(error, TimeoutError) or _names(error) & {"ConnectTimeoutError", "ReadTimeoutError"}:
        return "it does not answer: look whether it runs, and at S3_ENDPOINT_URL"
    if _names(error) & set(_SILENCE):
        return "it cannot be reached: look whether it runs, and at S3_ENDPOINT_URL"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full: make room"
    if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "this process may not write there: mend who owns the folder, and how it is mounted"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return type(error).__name__


def _code_of(error: BaseException) -> str:
    seen: Any = error
    while seen is not None:
        response = getattr(seen, "response", None)
        if isinstance(response, dict):
            return str(response.get("Error", {}).get("Code", ""))
        seen = seen.__cause__ or seen.__context__
    return ""


def _names(error: BaseException) -> set[str]:
    """Return how an error's classes are called: the AWS client's own are not imported where none is installed."""
    return {kind.__name__ for kind in type(error).__mro__}


def _is_the_storages(error: Exception) -> bool:
    return isinstance(error, OSError) or type(error).__module__.partition(".")[0] in _CLIENTS
