"""How the image storage stands: each worker looks by writing, reading and deleting a small mark, and tells the others.

So a wrong bucket or a key that may not write is found in seconds, before an image is drawn that cannot be kept.
"""

import logging
import os
import secrets
import socket
import threading
import time
from hashlib import sha256
from typing import TypedDict

from django.core.cache import cache
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from kit import storage
from kit.storage import StorageAway

log = logging.getLogger(__name__)

FOLDER = "mark"  # beside the folders of images, whose names have two characters
PAUSE_SECONDS = 60.0  # between two looks
TROUBLED_PAUSE_SECONDS = 5.0
SHARED_SECONDS = 60  # what a worker told holds for so long, unless it tells it again
FRESH_SECONDS = 2.0
_CACHED = "storage-trouble"


class Told(TypedDict):
    """What one worker told all processes."""

    words: str
    by: str
    since: str


class _Seen:
    """What this process knows. `at` is by the monotonic clock; `words` of a worker that looks is what it told last."""

    told: Told | None = None
    at = float("-inf")
    words: str | None = None
    looking = threading.Lock()
    asking = threading.Lock()


def examine() -> str | None:
    """Write, read and delete a mark; tell all processes, and return what is wrong. Takes as long as storage may."""
    with _Seen.looking:
        # A name for each process, so that a key that may not delete leaves one mark and not thousands.
        name, mark = f"{FOLDER}/{sha256(_name().encode()).hexdigest()[:16]}", secrets.token_bytes(16)
        try:
            with storage.asked():
                default_storage.save(name, ContentFile(mark))
            with storage.opened(default_storage, name) as file:
                found = file.read()
            with storage.asked():
                default_storage.delete(name)
        except StorageAway as error:
            words: str | None = str(error)
        except FileNotFoundError:
            words = "what is written there is not to be found again"
        else:
            words = None if found == mark else "what is read there is not what was written"
        note(words)
    return words


def note(words: str | None) -> None:
    """Tell all processes what is wrong, None for nothing; what another worker told stays, for that still sees it."""
    if words and words != _Seen.words:
        log.error("The image storage cannot be used, images wait for it: %s", words)
    elif _Seen.words and not words:
        log.warning("The image storage can be used again")
    _Seen.words = words
    told: Told | None = cache.get(_CACHED)
    is_mine = told is not None and told["by"] == _name()
    if words:
        since = told["since"] if told else timezone.now().isoformat(timespec="seconds")
        told = Told(words=words, by=_name(), since=since)
        cache.set(_CACHED, told, SHARED_SECONDS)
    elif is_mine:
        told = None
        cache.delete(_CACHED)
    _Seen.told, _Seen.at = told, time.monotonic()


def is_known_trouble() -> bool:
    """Tell whether this process's own last look found something wrong."""
    return _Seen.words is not None


def storage_trouble() -> str | None:
    """Return what is wrong with the storage and what to do, as it was last seen here or by a worker. Never waits.

    What others have told is asked for aside, and known at the next question.
    """
    if time.monotonic() - _Seen.at > FRESH_SECONDS and _Seen.asking.acquire(blocking=False):
        threading.Thread(target=_refresh, name="storage-standing", daemon=True).start()
    if _Seen.told:
        return _Seen.told["words"]
    return "it does not answer: look whether it runs, and at S3_ENDPOINT_URL" if storage.is_silent() else None


def forget() -> None:
    """Know nothing, once what is being asked just now has ended."""
    with _Seen.looking, _Seen.asking:
        _Seen.told, _Seen.words, _Seen.at = None, None, float("-inf")


def _refresh() -> None:
    try:
        _Seen.told, _Seen.at = cache.get(_CACHED), time.monotonic()
    except Exception as error:
        log.debug("Nobody can tell how storage is: %r", error)
    finally:
        _Seen.asking.release()


def _name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"
