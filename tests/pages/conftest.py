"""Alice and Bob in front of a browser, and finished work of Alice's."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from billing.models import Account
from generator import admission, lifecycle
from generator.admission import ImageRequest
from generator.images import StoredImage
from generator.models import Generation

Draw = Callable[..., Generation]


@pytest.fixture
def browser(alice: User) -> Client:
    """Alice, logged in."""
    return _logged_in(alice)


@pytest.fixture
def strangers_browser(bob: User) -> Client:
    """Bob, logged in."""
    return _logged_in(bob)


@pytest.fixture
def draw(account: Account, give: Callable[[int], None]) -> Draw:
    """Ask for an image of Alice's and take it as far as a test needs."""
    give(50)
    Account.objects.filter(pk=account.pk).update(rate_limit=1000)
    account.refresh_from_db()

    def drawn(prompt: str = "a lighthouse", *, until: str = "completed", **fields: Any) -> Generation:
        api_key = fields.pop("api_key", None)
        generation = admission.admit(
            account=account, request=ImageRequest(prompt=prompt, **fields), api_key=api_key
        ).generation
        if until == "queued":
            return generation
        lifecycle.claim_submission(generation.pk)
        lifecycle.accepted(generation, upstream_id=f"up-{generation.pk}", look_after=1)
        if until == "completed":
            image = StoredImage("png", 1000, 1536, 1024, "#a1b2c3")
            lifecycle.complete(generation, image=image, model="test")
        elif until == "failed":
            lifecycle.fail(generation, code="upstream_failed", message="The brush broke.")
        generation.refresh_from_db()
        return generation

    return drawn


def _logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client
