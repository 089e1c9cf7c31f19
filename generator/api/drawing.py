"""What the endpoints that make images share: where they are, and what a request for whatever image may say."""

from collections.abc import Callable
from typing import Any, TypeVar

from ninja import Router

from generator.api.calling import IDEMPOTENCY_KEY_HEADER, auth
from generator.api.prefer import PREFER_HEADER
from generator.ask.admission import ImageRequest
from generator.ask.answers import Drawn, Pending
from generator.ask.schemas import EditRequest, GenerateRequest, RemixRequest
from generator.models import ImageModel

View = TypeVar("View", bound=Callable[..., Any])


def makes_images(router: Router, name: str, *, summary: str, operation_id: str) -> Callable[[View], View]:
    """Decorate the view of an endpoint that makes images, which has four addresses and is documented at one."""

    def register(view: View) -> View:
        router.post(
            f"/reve-image/{name}",
            auth=auth,
            tags=["Images"],
            response={200: Drawn, 202: Pending},
            summary=summary,
            operation_id=operation_id,
            openapi_extra={"parameters": [IDEMPOTENCY_KEY_HEADER, PREFER_HEADER]},
        )(view)
        for path in (f"/reve-image/{name}/", f"/images/{name}", f"/images/{name}/"):
            router.post(path, auth=auth, include_in_schema=False)(view)
        return view

    return register


def image_request(
    body: GenerateRequest | EditRequest | RemixRequest, model: ImageModel | None, **its_own: Any
) -> ImageRequest:
    """Return what a body asks for; `its_own` is what the endpoint knows better, or beside it: the inputs, the shape."""
    of_body = {
        "prompt": body.prompt,
        "negative_prompt": body.negative_prompt,
        "aspect_ratio": body.aspect_ratio,
        "wait": not body.asynchronous,
        "model": model,
        "size": body.size,
        "quality": body.quality,
        "count": body.n,
        "seed": body.seed,
        "deadline_seconds": body.deadline_seconds,
        "webhook_url": body.webhook_url,
    }
    return ImageRequest(**{**of_body, **its_own})
