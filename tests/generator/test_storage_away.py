"""Storage that hangs, refuses or breaks off: it is given up in time, answered with 503, and left alone for a while."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import AsyncClient

from generator.errors import BadImage
from generator.files import images
from generator.jobs import thumbnails
from generator.models import Generation
from kit import storage
from kit.storage import StorageAway
from tests.bucket import Bucket, Trouble, running, use
from tests.generator.upstream import png
from tests.reveweb.test_settings import manage

TOKEN = "0123456789abcdefABCDEF0123456789"
PATH = f"/images/{TOKEN}.png"
KEY = f"images/{images.path_of(f'{TOKEN}.png')}"


@pytest.fixture
def bucket(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """The site's storage, on a real socket. Once it is left alone, only a test ends that."""
    monkeypatch.setattr(storage.breaker, "pause", 600.0)
    with running() as bucket:
        use(settings, bucket)
        yield bucket


def ask(path: str = PATH, count: int = 1) -> list[Any]:
    async def all_at_once() -> list[Any]:
        return list(await asyncio.gather(*(AsyncClient().get(path) for _ in range(count))))

    return asyncio.run(all_at_once())


@pytest.mark.parametrize("trouble", [Trouble.HANGS, Trouble.BREAKS_OFF, Trouble.BUSY, Trouble.DENIED])
def test_a_file_that_cannot_be_read_is_a_503_that_names_a_time(bucket: Bucket, trouble: Trouble) -> None:
    bucket.trouble = trouble
    [answer] = ask()
    assert answer.status_code == 503
    assert int(answer["Retry-After"]) == storage.RETRY_AFTER
    assert answer["Cache-Control"] == "no-store"


def test_a_file_that_drips_is_given_up_as_well(bucket: Bucket, settings: Any) -> None:
    settings.STORAGE_SECONDS = 0.3
    bucket.objects[KEY] = png()
    bucket.trouble = Trouble.DRIPS  # a byte each time before the client's own limit is over
    began = time.monotonic()
    [answer] = ask()
    assert answer.status_code == 503
    assert time.monotonic() - began < 5


def test_fifty_who_ask_a_storage_that_hangs_are_answered_and_it_is_left_alone(bucket: Bucket, settings: Any) -> None:
    bucket.trouble = Trouble.HANGS
    assert {answer.status_code for answer in ask(count=50)} == {503}
    asked = len(bucket.asked)
    assert asked <= settings.STORAGE_THREADS + storage.breaker.failures  # who had a thread before it was known
    assert storage.is_silent()
    ask(count=20)
    assert len(bucket.asked) == asked


def test_it_is_asked_again_after_a_while(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket.objects[KEY] = png()
    bucket.trouble = Trouble.HANGS
    ask(count=8)
    bucket.trouble = None
    assert ask()[0].status_code == 503
    monkeypatch.setattr(storage.breaker, "_trial_at", 0.0)
    assert ask()[0].status_code == 200
    assert not storage.is_silent()


@pytest.mark.parametrize("trouble", [Trouble.DENIED, Trouble.NO_BUCKET, Trouble.BUSY])
def test_what_answers_is_never_left_alone(bucket: Bucket, trouble: Trouble) -> None:
    bucket.trouble = trouble
    ask(count=12)
    assert not storage.is_silent()


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (Trouble.NO_BUCKET, "S3_BUCKET"),
        (Trouble.DENIED, "put, get and delete"),
        (Trouble.READ_ONLY, "put, get and delete"),
        (Trouble.UNKNOWN_KEY, "S3_ACCESS_KEY"),
        (Trouble.HANGS, "does not answer"),
        (Trouble.BREAKS_OFF, "cannot be reached"),
        (Trouble.BUSY, "busy"),
        (Trouble.REFUSES_CHECKSUMS, "S3_CHECKSUMS"),
    ],
)
def test_each_trouble_has_its_words(bucket: Bucket, trouble: Trouble, words: str) -> None:
    bucket.trouble = trouble
    with pytest.raises(StorageAway, match=words) as error:
        images.store(png(), TOKEN)
    assert "secret" not in str(error.value)


def test_a_disk_that_is_full_has_its_words() -> None:
    assert storage.words_of(OSError(28, "No space left on device")) == "the disk is full: make room"


def test_what_is_no_error_of_the_storages_is_not_taken_for_one(bucket: Bucket) -> None:
    with pytest.raises(BadImage), storage.asked():
        raise BadImage("x")


def test_thumbnails_wait_for_a_storage_that_hangs(bucket: Bucket, generation: Generation, db: None) -> None:
    bucket.objects[KEY] = png()
    drawn = {"status": "completed", "file_token": TOKEN, "file_extension": "png", "needs_thumbnails": True}
    Generation.objects.filter(pk=generation.pk).update(**drawn)
    bucket.trouble = Trouble.HANGS
    assert thumbnails.make_due() == 1
    generation.refresh_from_db()
    assert (generation.needs_thumbnails, generation.claim) == (True, "")
    bucket.trouble = None
    Generation.objects.update(due_at=generation.created_at)
    thumbnails.make_due()
    generation.refresh_from_db()
    assert not generation.needs_thumbnails
    assert len(bucket.objects) == 3


# --- As an operator sets it up ---------------------------------------------------------------------------------

ROUND_TRIP = f"""
from generator.files import images
from tests.generator.upstream import png
images.store(png(), "{TOKEN}")
assert images.read("{TOKEN}.png") == png()
images.delete("{TOKEN}")
print("done")
"""


def test_a_store_that_knows_no_checksums_is_no_trouble_unless_one_asks_for_them() -> None:
    with running() as bucket:
        bucket.trouble = Trouble.REFUSES_CHECKSUMS
        done = manage("shell", "-v0", "-c", ROUND_TRIP, **bucket.environment())
        assert done.stdout.strip() == "done", done.stderr
        refused = manage("shell", "-v0", "-c", ROUND_TRIP, **bucket.environment(), S3_CHECKSUMS="when_supported")
        assert "leave S3_CHECKSUMS at when_required" in refused.stderr


ADDRESS = "from django.core.files.storage import default_storage as d; c = d.client_config; " + (
    "print(d.url('x').partition('?')[0], c.connect_timeout, c.read_timeout, c.retries['total_max_attempts'])"
)


@pytest.mark.parametrize(
    ("addressing", "address"),
    [
        ("", "https://s3.example.com/pictures/images/x"),
        ("path", "https://s3.example.com/pictures/images/x"),
        ("virtual", "https://pictures.s3.example.com/images/x"),
    ],
)
def test_a_bucket_is_named_as_its_store_has_it(addressing: str, address: str) -> None:
    names = {"S3_BUCKET": "pictures", "S3_ENDPOINT_URL": "https://s3.example.com", "S3_REGION": "eu-central-1"}
    keys = {"S3_ACCESS_KEY": "key", "S3_SECRET_KEY": "secret", "S3_ADDRESSING": addressing}
    assert manage("shell", "-v0", "-c", ADDRESS, **names, **keys).stdout.split() == [address, "2.0", "8.0", "2"]
