"""Pauses of intake: nothing new is taken on, of one model or of all. What runs is finished, and nothing is charged.

They are read with the prices (`prices.Catalogue`), so a pause holds everywhere within a second and costs admission no
query of its own. A request that was admitted before is still found by its Idempotency-Key.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from billing.staff.acts import Act, Actor, record
from generator.errors import IntakePaused
from generator.models import ImageModel, Pause
from generator.upstreams import staff

SECONDS_UNASKED = 300  # after which to come again, where nobody said when it ends
MOST_SECONDS = 3600  # … and at most: it may be ended before its time
SCOPE = "all models"  # what audit records call what has no model


@dataclass(frozen=True)
class Standing:
    """A pause as its reader is to be told of it; `model` is None where it is of all."""

    model: ImageModel | None
    message: str
    until: datetime | None


def all_set() -> tuple[Pause, ...]:
    """Return the pauses that hold now or will be looked at again, those of all models first. One query."""
    pauses = Pause.objects.select_related("model").order_by("model__order", "pk")
    return tuple(sorted(pauses, key=lambda pause: pause.model_id is not None))


def check(pauses: Iterable[Pause], model: ImageModel) -> None:
    """Raise IntakePaused where one of `pauses` is of `model`, or of all."""
    now = timezone.now()
    for pause in pauses:
        if pause.model_id in (None, model.pk) and pause.holds(now):
            raise IntakePaused(words=pause.message, seconds=_seconds(pause, now), until=pause.until)


def standing(pauses: Iterable[Pause]) -> list[Standing]:
    """Return what holds now, for a page: where nothing at all is taken on, that says enough."""
    now = timezone.now()
    holding = [Standing(pause.model, pause.message, pause.until) for pause in pauses if pause.holds(now)]
    return [one for one in holding if one.model is None] or holding


def trouble() -> str | None:
    """Return what the operator should not forget: that intake is paused; None where it is not."""
    held = standing(all_set())
    if not held:
        return None
    what = ", ".join(str(one.model) if one.model else "all models" for one in held)
    return f"Intake is paused: {what}"


@transaction.atomic
def pause(*, actor: Actor, model: ImageModel | None, message: str, until: datetime | None, reason: str) -> Pause:
    """Take on nothing new of `model`, None for all, until `until` or until it is ended; one that there is changes.

    Raises PermissionDenied.
    """
    if not staff.may(actor, "add_pause"):
        raise PermissionDenied
    found, is_new = Pause.objects.get_or_create(model=model)
    made: Pause = Pause.objects.select_for_update().get(pk=found.pk)
    held = not is_new and made.holds(timezone.now())
    before = _told(made) if held else {}
    made.message, made.until = message, until
    if not held:
        made.since = timezone.now()
    made.save()
    record(actor, Act.PAUSE_INTAKE, reason, before=before, after=_told(made))
    return made


@transaction.atomic
def resume(*, actor: Actor, pk: int, reason: str) -> bool:
    """End a pause; False when it was ended already. Raises PermissionDenied."""
    if not staff.may(actor, "delete_pause"):
        raise PermissionDenied
    known = Pause.objects.select_for_update().filter(pk=pk).first()
    if known is None:
        return False
    before = _told(known)
    known.delete()
    record(actor, Act.RESUME_INTAKE, reason, before=before, after={})
    return True


def _told(pause: Pause) -> dict[str, str | None]:
    return {
        "model": pause.model.slug if pause.model else SCOPE,
        "message": pause.message,
        "until": pause.until.isoformat() if pause.until else None,
    }


def _seconds(pause: Pause, now: datetime) -> int:
    if pause.until is None:
        return SECONDS_UNASKED
    return min(MOST_SECONDS, max(1, -((now - pause.until) // timedelta(seconds=1))))
