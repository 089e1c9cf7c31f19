"""Alice and Bob in front of a browser, and finished work of Alice's."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from billing import ledger
from billing.models import Plan, Wallet
from generator.ask import admission
from generator.ask.admission import ImageRequest
from generator.files.images import StoredImage
from generator.jobs import lifecycle
from generator.models import PROMPT_REFUSED, Generation
from tests.payments.conftest import Customer, Desk, clean_desk, seed_catalogue

Draw = Callable[..., Generation]
Hang = Callable[[int], list[Generation]]


@pytest.fixture
def browser(alice: User) -> Client:
    """Alice, logged in."""
    return _logged_in(alice)


@pytest.fixture
def strangers_browser(bob: User) -> Client:
    """Bob, logged in."""
    return _logged_in(bob)


@pytest.fixture
def draw(wallet: Wallet, give: Callable[[int], None]) -> Draw:
    """Ask for an image of Alice's and take it as far as a test needs."""
    give(50)
    Wallet.objects.filter(pk=wallet.pk).update(rate_limit=1000)
    wallet.refresh_from_db()

    def drawn(prompt: str = "a lighthouse", *, until: str = "completed", **fields: Any) -> Generation:
        api_key = fields.pop("api_key", None)
        generation = admission.admit(
            wallet=wallet, request=ImageRequest(prompt=prompt, **fields), api_key=api_key
        ).generation
        if until == "queued":
            return generation
        claimed = lifecycle.claim_submission(generation.pk)
        assert claimed is not None
        if until == "submitting":
            return claimed
        lifecycle.accepted(claimed, upstream_id=f"up-{generation.pk}", poll_after=1)
        if until == "completed":
            image = StoredImage("png", 1000, 1536, 1024, "#a1b2c3")
            lifecycle.complete(generation, image=image, model="test")
        elif until == "failed":
            lifecycle.fail(generation, code="upstream_failed", message="The brush broke.")
        elif until == "refused":
            lifecycle.fail(generation, code=PROMPT_REFUSED, message="The brush will not.")
        generation.refresh_from_db()
        return generation

    return drawn


@pytest.fixture
def hang(wallet: Wallet) -> Hang:
    """Hang many finished images of Alice's at once."""

    def hung(count: int) -> list[Generation]:
        now = timezone.now()
        rows = [
            Generation(
                wallet=wallet, prompt=f"image {number}", search_text=f"image {number}", aspect_ratio="1:1",
                request_digest="", deadline_at=now,
                status="completed", file_extension="png", width=1024, height=1024, colour="#808080", finished_at=now,
            )
            for number in range(count)
        ]  # fmt: skip
        return Generation.objects.bulk_create(rows)

    return hung


@pytest.fixture
def catalogue(alice: User) -> None:
    """The plans and packs of a new installation."""
    seed_catalogue(renewed=True)


@pytest.fixture
def pro(catalogue: None) -> Plan:
    """A plan above Basic."""
    return Plan.objects.create(
        slug="pro", name="Pro", credits=400, price=2900, interval="month", order=2, rate_limit=30
    )


@pytest.fixture
def desk(sandbox: str) -> Desk:
    """The operator's desk of the stand-in for Stripe."""
    return clean_desk(sandbox)


@pytest.fixture
def customer(alice: User, catalogue: None, desk: Desk, settings: Any) -> Customer:
    """Alice as a customer of the stand-in. What happens there is in the books once she `follow`s."""
    return Customer(ledger.wallet_of(alice.pk), desk)


def _logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client
