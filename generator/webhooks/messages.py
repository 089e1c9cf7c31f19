"""What a message says: the image as a status look-up answers it."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from django.conf import settings

from generator.ask.answers import describe
from generator.models import DEFAULT_MODEL, Generation, ImageModel, WebhookDelivery, WebhookEvent


def site() -> str:
    """Return this site's address, as far as a worker can know it."""
    return settings.PUBLIC_URL or f"http://localhost:{settings.PORT}"


def models_of(generations: Iterable[Generation]) -> dict[int, str]:
    """Return the slugs of the models that these were asked of, in one query."""
    pks = {generation.image_model_id for generation in generations if generation.image_model_id}
    return dict(ImageModel.objects.filter(pk__in=pks).values_list("pk", "slug")) if pks else {}


def body_of(delivery: WebhookDelivery, models: Mapping[int, str]) -> str:
    """Return a message's body, the same for each try as long as its image is the same."""
    generation = delivery.generation
    if generation is None:
        return _written(delivery.event, delivery.created_at, _example(delivery), is_test=True)
    asked_of = models.get(generation.image_model_id or 0, DEFAULT_MODEL)
    data = describe(generation, site(), asked_of=asked_of)
    return _written(delivery.event, generation.finished_at or delivery.created_at, data, is_test=generation.is_test)


def _written(event: str, at: datetime, data: dict[str, Any], *, is_test: bool) -> str:
    message: dict[str, Any] = {"type": event, "timestamp": _moment(at)}
    if is_test:
        message["test"] = True
    return json.dumps(message | {"data": data}, ensure_ascii=False, separators=(",", ":"))


def _example(delivery: WebhookDelivery) -> dict[str, Any]:
    """Return an image that does not exist, as `describe` would."""
    image: dict[str, Any] = {"id": "img_0000000000000000example0", "test": True}
    if delivery.event == WebhookEvent.FAILED:
        error = {"code": "upstream_failed", "message": "This is a test. No image was asked for."}
        image |= {"status": "failed", "error": error}
    else:
        metadata = {
            "prompt": "This is a test. No image was drawn.",
            "width": 1024,
            "height": 1024,
            "created_at": _moment(delivery.created_at),
            "model": DEFAULT_MODEL,
        }
        image |= {"status": "completed", "url": f"{site()}/images/example.png", "metadata": metadata}
    return image | {"operation": "create", "model": DEFAULT_MODEL, "credits": 0}


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
