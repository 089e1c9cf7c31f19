"""What a refusal says is left is what the books say is left."""

from datetime import timedelta

import pytest
from django.utils import timezone

from billing.models import CreditGrant, Wallet
from generator.ask import admission
from generator.ask.admission import ImageRequest
from generator.errors import OutOfCredits
from tests.billing import books
from tests.billing.books import audit, history

pytestmark = pytest.mark.services


def test_a_refused_image_leaves_the_balance_that_its_refusal_named(wallet: Wallet) -> None:
    books.grant(
        wallet=wallet,
        credits=50,
        source=CreditGrant.Source.PLAN,
        reference="invoice:in_1",
        cause="Basic",
        expires_at=timezone.now() - timedelta(seconds=1),  # and no sweep has come by yet
    )
    with pytest.raises(OutOfCredits) as refused:
        admission.admit(wallet=wallet, request=ImageRequest(prompt="a lighthouse", count=4))
    assert refused.value.balance == audit(wallet) == 3
    assert history(wallet)[-1] == ("expire", -50)
