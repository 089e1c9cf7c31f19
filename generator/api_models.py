"""The endpoint of `/v1` that tells what can be asked for, and what it costs."""

from django.conf import settings
from django.http import HttpResponse
from ninja import Router

from generator.api import ApiRequest, answer, auth
from generator.ask import limits, prices
from generator.ask.prices import Catalogue
from generator.ask.schemas import Models
from generator.models import ImageModel
from kit.threads import in_thread

router = Router(tags=["Models"])


@router.get("/models", auth=auth, response={200: Models}, summary="List models and prices", operation_id="list_models")
@router.get("/models/", auth=auth, include_in_schema=False)
async def models(request: ApiRequest) -> HttpResponse:
    """List the models that can be chosen, with what they can do and what an image costs."""
    await limits.take_status_soon(request.wallet)
    catalogue = await in_thread(prices.current)
    return answer({"object": "list", "data": [_described(catalogue, model) for model in catalogue.offered]})


def _described(catalogue: Catalogue, model: ImageModel) -> dict[str, object]:
    operations = catalogue.operations_of(model)
    return {
        "id": model.slug,
        "object": "model",
        "created": 0,
        "owned_by": settings.SITE_NAME,
        "name": model.name,
        "description": model.description,
        "operations": [operation.value for operation in operations],
        "aspect_ratios": model.aspect_ratios,
        "sizes": model.sizes,
        "qualities": model.qualities,
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
