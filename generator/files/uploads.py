"""Pictures that people bring: verified, upright, nothing else in their files, and seen by their owner alone.

    kept ──expire, discard──▶ deleted: nobody may use it ──purge──▶ purged: no file; the row stays for its groups

One that an image was made from which is kept, or is being made, does not expire. A deleted one loses its file as soon
as nothing that is unfinished needs it. Files are stored before the row is there and go after it says so: whoever dies
in between leaves what the next purge, or the nightly comparison, removes.
"""

import hashlib
import logging
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import Storage, storages
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet, Sum
from django.db.models.functions import Greatest
from django.utils import timezone

from accounts.models import BrowserToken
from billing.models import Wallet
from generator.errors import OddSize, UploadsFull
from generator.files import bare, images
from generator.models import FILE_ID, Generation, Group, Input, Operation, Picture, TokenUpload, Upload, new_file_token
from kit import storage
from kit.threads import Pool, in_thread, let_go

log = logging.getLogger(__name__)

FOLDER = "uploads"
MOST_BYTES = 20 * 1024 * 1024
USED_FOR = timedelta(days=1)  # how long one lasts at least that somebody is about to use
AT_ONCE = 200
_UNFINISHED = Q(status__in=Generation.UNFINISHED)
_MADE = Q(purged_at=None) & ~Q(status=Generation.Status.FAILED)  # or on its way


@dataclass(frozen=True)
class Prepared:
    """A picture that is ready to be stored."""

    data: bytes
    image: images.StoredImage

    @property
    def sha256(self) -> str:
        """What tells it from others."""
        return hashlib.sha256(self.data).hexdigest()


# --- Taking them --------------------------------------------------------------------------------------------------


def take(wallet: Wallet, data: bytes) -> Upload:
    """Verify, turn, strip and store a picture; one that the account keeps already is that one, for longer.

    Asks the storage, so not inside a transaction. Raises BadImage, UploadsFull, StorageAway.
    """
    prepared = prepare(data)
    if known := _known(wallet, prepared):
        return known
    token = new_file_token()
    let_go()
    _store(token, prepared)
    return _insert(wallet, token, prepared)


async def take_soon(wallet: Wallet, data: bytes) -> Upload:
    """Do as `take`, for a caller on an event loop."""
    prepared = await in_thread(partial(prepare, data), Pool.PROCESSOR)
    if known := await in_thread(partial(_known, wallet, prepared)):
        return known
    token = new_file_token()
    await storage.in_time(partial(_store, token, prepared))
    return await in_thread(partial(_insert, wallet, token, prepared))


def prepare(data: bytes) -> Prepared:
    """Verify, turn and strip a picture. Raises BadImage."""
    if len(data) > MOST_BYTES:
        raise OddSize(f"the image has more than {MOST_BYTES // 1024**2} MB")
    return Prepared(*bare.bare(data))


def _known(wallet: Wallet, prepared: Prepared) -> Upload | None:
    """Return the same picture if the account keeps it, from now on for as long as a new one.

    Raises UploadsFull where it is not there and there is no room for it.
    """
    same = wallet.uploads.filter(sha256=prepared.sha256, deleted_at=None)
    if same.update(expires_at=Greatest("expires_at", _expiry())) and (known := same.first()):
        return known
    kept = wallet.uploads.filter(deleted_at=None).aggregate(bytes=Sum("size"))["bytes"] or 0
    if kept + len(prepared.data) > settings.UPLOADS_MAX_BYTES:
        raise UploadsFull
    return None


def _store(token: str, prepared: Prepared) -> None:
    with storage.asked():
        _private().save(path_of(f"{token}.{prepared.image.extension}"), ContentFile(prepared.data))


def _insert(wallet: Wallet, token: str, prepared: Prepared) -> Upload:
    upload = Upload(
        wallet=wallet,
        token=token,
        extension=prepared.image.extension,
        sha256=prepared.sha256,
        size=len(prepared.data),
        width=prepared.image.width,
        height=prepared.image.height,
        expires_at=_expiry(),
    )
    try:
        with transaction.atomic():
            upload.save(force_insert=True)
    except IntegrityError:  # the same picture came twice at the same moment; the other one is kept
        known = _known(wallet, prepared)
        if known is None:
            raise
        let_go()
        with suppress(storage.StorageAway), storage.asked():
            _private().delete(path_of(upload.file_name))
        return known
    return upload


def _expiry() -> datetime:
    return timezone.now() + timedelta(days=settings.UPLOAD_DAYS)


# --- Using them ---------------------------------------------------------------------------------------------------


def came_with(token: BrowserToken, upload: Upload) -> None:
    """Note that a browser token brought an upload, which it may look at and use from now on."""
    TokenUpload.objects.bulk_create([TokenUpload(browser_token=token, upload=upload)], ignore_conflicts=True)


def find(wallet: Wallet, public_id: str, token: BrowserToken | None = None) -> Upload | None:
    """Return an upload that the account keeps; with `token` only one that came with it."""
    return _kept(wallet, public_id, token).first()


def use(wallet: Wallet, public_id: str, token: BrowserToken | None = None) -> Upload | None:
    """Do as `find`; the upload will be there for a day at least."""
    kept = _kept(wallet, public_id, token)
    if not kept.update(expires_at=Greatest("expires_at", timezone.now() + USED_FOR)):
        return None
    return kept.first()


def _kept(wallet: Wallet, public_id: str, token: BrowserToken | None = None) -> QuerySet[Upload]:
    if not FILE_ID.fullmatch(public_id):
        return Upload.objects.none()
    kept = Upload.objects.filter(wallet=wallet, public_id=public_id, deleted_at=None)
    if token is None:
        return kept
    return kept.filter(Exists(TokenUpload.objects.filter(upload=OuterRef("pk"), browser_token=token)))


@dataclass(frozen=True)
class Sources:
    """What a generation is made from, as rows: its inputs in their order, and its mask."""

    inputs: tuple[Input, ...] = ()
    mask: Upload | None = None


def sources_of(generation: Generation) -> Sources:
    """Return what a generation is made from."""
    group = None if generation.operation == Operation.CREATE else generation.group
    if group is None:
        return Sources()
    found = Input.objects.filter(group=group).select_related("generation", "upload").order_by("position")
    return Sources(tuple(found), group.mask)


def pictures_of(sources: Sources) -> tuple[tuple[Picture, ...], Picture | None]:
    """Return the inputs and the mask, read from storage. Asks no database.

    Raises FileNotFoundError for what is gone, StorageAway, BadImage.
    """
    return tuple(map(_picture, sources.inputs)), None if sources.mask is None else _of_upload(sources.mask)


def edited(sources: Sources) -> bytes | None:
    """Return the file that an edit is made from, with all that is in it; None where there is none any more.

    Asks no database. Raises StorageAway.
    """
    one = next(iter(sources.inputs), None)
    try:
        if one is None or one.generation is None:
            return _of_upload(one.upload).data if one and one.upload else None
        return images.read(one.generation.file_name)
    except FileNotFoundError:
        return None


def _picture(one: Input) -> Picture:
    if one.upload is not None:
        return _of_upload(one.upload)
    assert one.generation is not None
    data, image = bare.bare(images.read(one.generation.file_name))  # an upstream wrote it
    return Picture(data, images.CONTENT_TYPES[image.extension])


def _of_upload(upload: Upload) -> Picture:
    with storage.opened(_private(), path_of(upload.file_name)) as file:
        return Picture(file.read(), media_type_of(upload))


def media_type_of(upload: Upload) -> str:
    """Return an upload's type, such as `image/png`."""
    return images.CONTENT_TYPES[upload.extension]


def path_of(file_name: str) -> str:
    """Return where an upload lies in the private storage."""
    return f"{FOLDER}/{images.path_of(file_name)}"


def _private() -> Storage:
    return storages["private"]


# --- Letting them go ----------------------------------------------------------------------------------------------


def discard(wallet: Wallet, public_id: str) -> bool:
    """Delete one upload for its owner; whether there was one."""
    return bool(_kept(wallet, public_id).update(deleted_at=timezone.now()))


def expire_due() -> int:
    """Delete what has expired and no image was made from that is kept, or may become one. Returns how many."""
    now, expired = timezone.now(), 0
    due = Upload.objects.filter(deleted_at=None, expires_at__lte=now).filter(~_used_by(_MADE))
    while pks := list(due.order_by("pk").values_list("pk", flat=True)[:AT_ONCE]):
        expired += Upload.objects.filter(pk__in=pks, deleted_at=None, expires_at__lte=now).update(deleted_at=now)
    return expired


def purge_due() -> int:
    """Remove the files of deleted ones for good, as far as nothing unfinished needs them. Returns how many."""
    due = Upload.objects.filter(deleted_at__isnull=False, purged_at=None)
    return _purge(due.filter(~_used_by(_UNFINISHED)).order_by("deleted_at")[:AT_ONCE])


def purge_account(wallet: Wallet) -> int:
    """Remove all uploads of somebody who closed their account, and return how many are left: to be called until 0."""
    mine = wallet.uploads.filter(purged_at=None)
    mine.filter(deleted_at=None).update(deleted_at=timezone.now())
    _purge(mine.filter(~_used_by(_UNFINISHED))[:AT_ONCE])
    return mine.count()


def _used_by(which: Q) -> Q:
    """Whether a generation of that kind was asked for with the upload."""
    theirs = Generation.objects.filter(which)
    as_input = Input.objects.filter(upload=OuterRef("pk")).filter(Exists(theirs.filter(group=OuterRef("group"))))
    as_mask = Group.objects.filter(mask=OuterRef("pk")).filter(Exists(theirs.filter(group=OuterRef("pk"))))
    return Q(Exists(as_input)) | Q(Exists(as_mask))


def _purge(uploads: Iterable[Upload]) -> int:
    purged = 0
    for upload in list(uploads):
        let_go()
        try:
            with storage.asked():
                _private().delete(path_of(upload.file_name))
        except Exception:  # every kind of storage has its own errors; the next round tries again
            log.exception("%s: its file could not be removed", upload)
            if storage.is_silent():
                break
        else:
            purged += Upload.objects.filter(pk=upload.pk, purged_at=None).update(purged_at=timezone.now())
    return purged
