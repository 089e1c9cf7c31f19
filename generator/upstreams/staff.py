"""What members of staff do to models, upstreams, routes and prices.

As in `billing.staff.acts` each act asks for its permission here, whatever page it came from, and leaves an audit
record in the transaction that changes something. No record holds a key. All raise PermissionDenied, and ValueError for
a reason that is empty or too long.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from billing.models import AuditRecord
from billing.staff.acts import Act, Actor, record
from generator.models import (
    DEFAULT_MODEL,
    Generation,
    Group,
    ImageModel,
    Operation,
    Price,
    PromptRule,
    Route,
    Upstream,
    UpstreamTrouble,
)
from generator.upstreams import secret, trouble
from kit import wakeups

Row = ImageModel | Upstream | Route | PromptRule
ACTS: dict[type[Row], tuple[Act, Act]] = {
    ImageModel: (Act.ADD_MODEL, Act.CHANGE_MODEL),
    Upstream: (Act.ADD_UPSTREAM, Act.CHANGE_UPSTREAM),
    Route: (Act.ADD_ROUTE, Act.CHANGE_ROUTE),
    PromptRule: (Act.ADD_RULE, Act.CHANGE_RULE),
}
# What other rows, keys of health and people's programs know them by.
FIXED: dict[type[Row], tuple[str, ...]] = {
    ImageModel: (),
    Upstream: ("slug",),
    Route: ("model_id", "operation", "upstream_id"),
    PromptRule: (),
}


def may(actor: Actor, permission: str) -> bool:
    """Tell whether `actor` has the generator's permission of this name, as in `change_upstream`."""
    return actor is None or (actor.is_staff and actor.has_perm(f"generator.{permission}"))


@transaction.atomic
def save(*, actor: Actor, row: Row, reason: str) -> bool:
    """Add or change a model, upstream or route; False when nothing of it is changed.

    What it is known by stays as it is. Whether jobs go to an upstream is `take_out`'s and `put_back`'s to say.
    """
    kind = type(row)
    is_new = row.pk is None
    _require(actor, f"{'add' if is_new else 'change'}_{kind._meta.model_name}")
    added, changed = ACTS[kind]
    if is_new:
        row.save()
        record(actor, added, reason, before={}, after=_values(row))
        return True
    known: Row = kind._default_manager.select_for_update().get(pk=row.pk)
    fixed = (*FIXED[kind], *(("slug",) if isinstance(known, ImageModel) and is_used(known) else ()))
    if isinstance(row, Upstream) and isinstance(known, Upstream):
        fixed = (*fixed, "is_active")
    for name in fixed:
        setattr(row, name, getattr(known, name))
    before, after = _values(known), _values(row)
    if isinstance(row, Upstream) and isinstance(known, Upstream) and row.secret != known.secret:
        after["key"] = row.secret if row.secret.startswith(secret.ENV) else "Replaced" if row.secret else after["key"]
    if before == after:
        return False
    row.save()
    differs = {name for name, value in after.items() if before[name] != value}
    names = {"slug", "model", "operation", "upstream"} & after.keys() | differs
    record(
        actor,
        changed,
        reason,
        before={name: before[name] for name in before if name in names},
        after={name: after[name] for name in after if name in names},
    )
    wakeups.publish_on_commit(wakeups.WORK)
    return True


@transaction.atomic
def set_price(
    *, actor: Actor, model: ImageModel, operation: Operation, size: str, quality: str, credits: int, reason: str
) -> Price:
    """Have images cost `credits` from now on; what was asked for before costs what was held. Nothing is overwritten."""
    _require(actor, "add_price")
    ImageModel.objects.select_for_update().get(pk=model.pk)  # of two at once the later one is the later row, too
    where = {"model": model, "operation": operation.value, "size": size, "quality": quality}
    known: Price | None = Price.objects.filter(**where, since__lte=timezone.now()).order_by("since", "pk").last()
    if known is not None and known.credits == credits:
        return known
    price: Price = Price.objects.create(**where, credits=credits)
    about = {"model": model.slug, "operation": operation.value, "size": size, "quality": quality}
    record(
        actor,
        Act.SET_PRICE,
        reason,
        before={**about, "credits": known.credits if known else None},
        after={**about, "credits": credits},
    )
    return price


@transaction.atomic
def take_out(*, actor: Actor, upstream: Upstream, reason: str) -> bool:
    """Send no more jobs to an upstream; what it has taken is still fetched. False when it was out already."""
    _require(actor, "change_upstream")
    if not Upstream.objects.filter(pk=upstream.pk, is_active=True).update(is_active=False):
        return False
    about = {"upstream": upstream.slug}
    record(
        actor, Act.TAKE_OUT_UPSTREAM, reason, before={**about, "is_active": True}, after={**about, "is_active": False}
    )
    wakeups.publish_on_commit(wakeups.WORK)  # what waits may go elsewhere
    return True


@transaction.atomic
def put_back(*, actor: Actor, upstream: Upstream, reason: str) -> bool:
    """Send jobs to an upstream again, whatever kept it out; False when nothing did."""
    _require(actor, "change_upstream")
    was_out = Upstream.objects.filter(pk=upstream.pk, is_active=False).update(is_active=True)
    kinds = list(UpstreamTrouble.objects.filter(upstream=upstream.slug).values_list("kind", flat=True))
    if not was_out and not kinds:
        return False
    trouble.put_back(upstream.slug)
    about = {"upstream": upstream.slug}
    record(
        actor,
        Act.PUT_BACK_UPSTREAM,
        reason,
        before={**about, "is_active": not was_out, "trouble": kinds[0] if kinds else None},
        after={**about, "is_active": True, "trouble": None},
    )
    wakeups.publish_on_commit(wakeups.WORK)
    return True


@transaction.atomic
def note_test(*, actor: Actor, upstream: Upstream, what: str, cost: str, nonce: UUID) -> bool:
    """Put a test on record before it is made, for it may cost money; False when this form was sent before."""
    _require(actor, "change_upstream")
    Upstream.objects.select_for_update().get(pk=upstream.pk)
    known = AuditRecord.objects.filter(action=Act.TEST_UPSTREAM.value, after__nonce=nonce.hex)
    if known.exists():
        return False
    after = {"upstream": upstream.slug, "test": what, "cost": cost, "nonce": nonce.hex}
    record(actor, Act.TEST_UPSTREAM, f"Test: {what}", before={}, after=after)
    return True


def reseal(*, actor: Actor) -> tuple[list[Upstream], list[Upstream]]:
    """Seal every key under the present SECRET_KEY; return the upstreams whose key is, and those whose nothing opens."""
    _require(actor, "change_upstream")
    done, lost = [], []
    for upstream in Upstream.objects.order_by("pk"):
        if secret.is_newest(upstream.secret):
            continue
        try:
            anew = secret.reseal(upstream.secret)
        except secret.NoKey:
            lost.append(upstream)
            continue
        # A key that is replaced at this moment stays the newer one.
        if Upstream.objects.filter(pk=upstream.pk, secret=upstream.secret).update(secret=anew):
            done.append(upstream)
    if done:
        slugs = [upstream.slug for upstream in done]
        record(actor, Act.RESEAL_KEYS, "A new SECRET_KEY", before={"upstreams": slugs}, after={"upstreams": slugs})
    return done, lost


def is_used(model: ImageModel) -> bool:
    """Tell whether programs and rows know a model by its slug."""
    return bool(
        model.slug == DEFAULT_MODEL  # images from before there were others name none
        or Generation.objects.filter(image_model=model).exists()
        or Group.objects.filter(image_model=model).exists()
    )


def waiting(models: Iterable[ImageModel] | None = None) -> int:
    """Count the images that are not drawn yet: of some models, or of all."""
    unfinished = Generation.objects.real().unfinished()
    if models is None:
        return unfinished.count()
    chosen = list(models)
    of_them = unfinished.filter(image_model__in=chosen)
    if any(model.slug == DEFAULT_MODEL for model in chosen):
        of_them |= unfinished.filter(image_model=None)
    return of_them.count()


def left_without(*, upstream: Upstream | None = None, route: Route | None = None) -> list[Route]:
    """Return the routes whose model and operation nothing else could draw without this upstream, or this route."""
    live = Route.objects.filter(is_active=True, upstream__is_active=True, model__is_active=True)
    live = live.select_related("model", "upstream").order_by("model__order", "model_id", "operation")
    gone = {
        each.pk for each in live if each.upstream_id == (upstream and upstream.pk) or each.pk == (route and route.pk)
    }
    stay = {(each.model_id, each.operation) for each in live if each.pk not in gone}
    return [each for each in live if each.pk in gone and (each.model_id, each.operation) not in stay]


def _require(actor: Actor, permission: str) -> None:
    if not may(actor, permission):
        raise PermissionDenied


def _values(row: Row) -> dict[str, Any]:
    """Return what a record may hold of a row; of its key only where that comes from."""
    values = {
        field.name: value.isoformat() if isinstance(value := getattr(row, field.attname), datetime) else value
        for field in row._meta.concrete_fields
        if field.name not in ("id", "secret")
    }
    if isinstance(row, Upstream):
        values["key"] = secret.told(row.secret)
    if isinstance(row, Route):
        values |= {"model": row.model.slug, "upstream": row.upstream.slug}
    return values
