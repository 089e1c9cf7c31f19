"""Somebody who wants to be told, and receivers that are told."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from billing.models import Wallet
from generator.ask import admission
from generator.files.images import StoredImage
from generator.jobs import lifecycle
from generator.models import Generation, WebhookDelivery
from generator.webhooks.courier import Courier
from generator.webhooks.retries import Retries
from tests.webhooks.receivers import Receivers, receiving

IMAGE = StoredImage(extension="png", size=1234, width=1024, height=768, colour="#336699")
# Each try waits for `bring_forward`: with less of a pause a busy machine would make several in one round.
SOON = Retries(steps=(timedelta(minutes=1),) * 6, patience=timedelta(hours=1))


@pytest.fixture
def receivers() -> Iterator[Receivers]:
    with receiving() as running:
        yield running


@pytest.fixture
def ask(wallet: Wallet, give: Callable[[int], None]) -> Callable[..., Generation]:
    """Ask for an image of Alice's that is drawn at once, or fails."""
    type(wallet).objects.filter(pk=wallet.pk).update(rate_limit=100_000)
    wallet.refresh_from_db()

    def asked(*, url: str = "", ends: str = "completed", **fields: Any) -> Generation:
        give(1)
        request = admission.ImageRequest(prompt="a lighthouse", webhook_url=url, **fields)
        [generation] = admission.admit(wallet=wallet, request=request).generations
        end(generation, ends)
        return Generation.objects.get(pk=generation.pk)

    return asked


def end(generation: Generation, ends: str = "completed") -> None:
    if ends == "failed":
        anyhow = lifecycle.WHOEVER_HAS_IT
        assert lifecycle.fail(generation, code="upstream_failed", message="No image.", only_if=anyhow)
    elif ends == "completed":
        claimed = lifecycle.claim_submission(generation.pk)
        assert claimed
        assert lifecycle.accepted(claimed, upstream_id=f"up_{generation.pk}", poll_after=0)
        assert lifecycle.complete(Generation.objects.get(pk=generation.pk), image=IMAGE, model="reve-1")


def deliver(retries: Retries = SOON, *, seconds: float = 60.0, rounds: int = 1) -> None:
    """Send what is due, so many times, with what has to wait brought forward."""
    for round in range(rounds):
        if round:
            bring_forward()

        async def send() -> None:
            await Courier(retries, seconds=seconds).send_due()

        asyncio.run(send())


def bring_forward() -> None:
    """Have what waits be due now."""
    WebhookDelivery.objects.filter(state="pending", claim="").update(due_at=timezone.now())


def only() -> WebhookDelivery:
    return WebhookDelivery.objects.get()
