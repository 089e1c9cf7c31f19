"""The endpoint of `/v1` that tells what can be asked for, and what it costs."""

from typing import Any

from django.conf import settings
from django.http import HttpResponse
from ninja import Router

from generator.api.calling import ApiRequest, answer, any_key
from generator.ask import limits, prices
from generator.ask.answers import Models
from generator.ask.prices import Catalogue
from generator.models import ImageModel
from kit.threads import in_thread

router = Router(tags=["Models"])


@router.get(
    "/models", auth=any_key, response={200: Models}, summary="List models and prices", operation_id="list_models"
)
@router.get("/models/", auth=any_key, include_in_schema=False)
async def models(request: ApiRequest) -> HttpResponse:
    """List the models that this key can choose, with what they can do and what an image costs."""
    await limits.take_status_soon(request.caller)
    catalogue = await in_thread(prices.current)
    only = request.caller.api_key.image_models
    offered = [model for model in catalogue.offered if not only or model.slug in only]
    return answer({"object": "list", "data": [described(catalogue, model) for model in offered]})


def described(catalogue: Catalogue, model: ImageModel) -> dict[str, Any]:
    """Return a model's JSON: what it can do, and what that costs."""
    operations = catalogue.operations_of(model)
    return {
        "id": model.slug,
        "object": "model",
        "created": int(model.created_at.timestamp()),
        "owned_by": settings.SITE_NAME,
        "name": model.name,
        "description": model.description,
        "operations": [operation.value for operation in operations],
        "aspect_ratios": model.aspect_ratios,
        "sizes": model.sizes,
        "qualities": model.qualities,
        "seed": bool(operations) and all(catalogue.takes_seed(model, operation) for operation in operations),
        "prices": [
            {
                "operation": operation.value,
                "size": size,
                "quality": quality,
                "credits": catalogue.price_of(model, operation, size, quality),
            }
            for operation in operations
            for size in model.sizes or [""]
            for quality in model.qualities or [""]
        ],
    }
