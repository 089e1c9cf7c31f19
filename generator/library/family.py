"""What images were made from, and what was made from them: the account's own, as far as they are kept."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from billing.models import Wallet
from generator.models import FILE_ID, PUBLIC_ID, Generation, Input, Operation, Upload

MOST = 24  # of those that came of one image that its page shows


@dataclass(frozen=True)
class Family:
    """The relatives of one image. `lost` of those it was made from are not there any more."""

    made_from: list[Generation | Upload]
    lost: int
    led_to: list[Generation]


def family_of(generation: Generation) -> Family:
    """Return an image's relatives, in two queries."""
    inputs = _kept_inputs([generation]).get(generation.group_id or 0, [])
    made_from = [one for one in inputs if one is not None]
    used = Input.objects.filter(generation=generation).values("group")
    led_to = generation.wallet.generations.completed().filter(group__in=used).order_by("-pk")[:MOST]
    return Family(made_from, len(inputs) - len(made_from), list(led_to))


def made_from(generation: Generation) -> list[Generation | Upload]:
    """Return what an image was asked for with, as far as it is kept: one query at most."""
    return [one for one in _kept_inputs([generation]).get(generation.group_id or 0, []) if one is not None]


def before_each(generations: Iterable[Generation]) -> dict[int, Generation | Upload]:
    """Return what edited images were before, by the images' own numbers: one query at most, none without an edit."""
    edits = [one for one in generations if one.operation == Operation.EDIT and one.group_id]
    found = _kept_inputs(edits)
    before = {one.pk: found.get(one.group_id or 0, [None])[0] for one in edits}
    return {pk: one for pk, one in before.items() if one is not None}


def pictures_called(wallet: Wallet, ids: Iterable[str]) -> list[Generation | Upload]:
    """Return the account's own pictures of these ids, as far as they are there, in their order: two queries at most.

    No samples of test keys: nobody pays for an image of one.
    """
    ids = list(ids)
    images = [id for id in ids if PUBLIC_ID.fullmatch(id)]
    files = [id for id in ids if FILE_ID.fullmatch(id)]
    found: dict[str, Generation | Upload] = {}
    if images:
        own = wallet.generations.completed().real().filter(public_id__in=images)
        found |= {one.public_id: one for one in own}
    if files:
        found |= {one.public_id: one for one in wallet.uploads.filter(public_id__in=files, deleted_at=None)}
    return [found[id] for id in ids if id in found]


def _kept_inputs(generations: list[Generation]) -> dict[int, list[Generation | Upload | None]]:
    """Return each group's inputs in their order, None for one that is not kept."""
    groups = {one.group_id for one in generations if one.operation != Operation.CREATE and one.group_id}
    found: defaultdict[int, list[Generation | Upload | None]] = defaultdict(list)
    if groups:
        rows = Input.objects.filter(group__in=groups).select_related("generation", "upload")
        for row in rows.order_by("group", "position"):
            found[row.group_id].append(_kept(row))
    return found


def _kept(row: Input) -> Generation | Upload | None:
    if row.upload is not None:
        return row.upload if row.upload.deleted_at is None else None
    image = row.generation
    return image if image and image.deleted_at is None and image.status == Generation.Status.COMPLETED else None
