"""Staff of every role, and a customer with something in every section of their page."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import keys
from accounts.models import ApiKey, User
from billing import identity
from billing.models import (
    CreditGrant,
    Dispute,
    Payment,
    Plan,
    StripeAccount,
    StripeCustomer,
    StripeEvent,
    Subscription,
    Wallet,
)
from billing.staff import acts, roles
from generator.ask import admission
from generator.files.images import StoredImage
from generator.jobs import lifecycle
from generator.models import Generation, WebhookDelivery
from generator.webhooks import endpoints
from tests.billing import books

REASON = "Asked nicely"


@dataclass
class Staff:
    """A member of staff in front of the admin."""

    client: Client
    user: User

    def get(self, name: str, /, *arguments: object, query: str = "") -> Any:
        return self.client.get(reverse(f"admin:{name}", args=arguments) + query)

    def post(self, name: str, /, *arguments: object, **data: Any) -> Any:
        return self.client.post(reverse(f"admin:{name}", args=arguments), data)

    def act(self, name: str, /, *arguments: object, **data: Any) -> Any:
        """Fill in an act's form, as a page that was just opened sends it."""
        return self.post(name, *arguments, **{"nonce": str(uuid4()), "reason": REASON, **data})

    def text(self, name: str, /, *arguments: object, query: str = "") -> str:
        response = self.get(name, *arguments, query=query)
        assert response.status_code == 200
        return str(response.content.decode())


@pytest.fixture
def hire(sam: User) -> Callable[[str], Staff]:
    """Make somebody staff with a role and log them in."""

    def person(role: str) -> Staff:
        user = User.objects.create_user(f"{role}@example.com")
        acts.set_role(actor=sam, user=user, role=role, reason="Hired")
        client = Client()
        client.force_login(User.objects.get(pk=user.pk))
        return Staff(client, User.objects.get(pk=user.pk))

    return person


@pytest.fixture(autouse=True)
def _roles(transactional_db: None) -> None:
    roles.sync()


@pytest.fixture
def boss(sam: User) -> Staff:
    """Sam, a superuser, at the admin."""
    client = Client()
    client.force_login(sam)
    return Staff(client, sam)


@pytest.fixture
def support(hire: Callable[[str], Staff]) -> Staff:
    return hire("support")


@pytest.fixture
def finance(hire: Callable[[str], Staff]) -> Staff:
    return hire("finance")


@pytest.fixture
def admin(hire: Callable[[str], Staff]) -> Staff:
    return hire("admin")


@pytest.fixture
def basic() -> Plan:
    values = {"name": "Basic", "credits": 100, "price": 900, "interval": "month"}
    return Plan.objects.get_or_create(slug="basic", defaults=values)[0]


@pytest.fixture
def drawn(wallet: Wallet) -> Generation:
    """A finished image of Alice's, its credit spent."""
    request = admission.ImageRequest(prompt="a lighthouse")
    generation = admission.admit(wallet=wallet, request=request).generation
    return finish(generation)


def finish(generation: Generation) -> Generation:
    claimed = lifecycle.claim_submission(generation.pk)
    assert claimed is not None
    assert lifecycle.accepted(claimed, upstream_id=f"up_{generation.pk}", poll_after=1)
    image = StoredImage(extension="png", size=10, width=64, height=64, colour="#336699")
    assert lifecycle.complete(generation, image=image, model="reve")
    generation.refresh_from_db()
    return generation


def stripe_account() -> StripeAccount:
    """Return the account that pages take for the one in use."""
    name = identity.installation()
    return StripeAccount.objects.get_or_create(stripe_id="acct_1", livemode=False, installation=name)[0]


@pytest.fixture
def payment(wallet: Wallet) -> Payment:
    """What Alice paid for a pack."""
    account, _ = StripeAccount.objects.get_or_create(
        stripe_id="acct_1", livemode=False, installation=identity.installation()
    )
    StripeCustomer.objects.create(wallet=wallet, account=account, stripe_id="cus_Alice1")
    bucket = books.grant(
        wallet=wallet,
        credits=50,
        source=CreditGrant.Source.PACK,
        reference="checkout:cs_test_Alice1",
        cause="50 credits bought",
    )
    return Payment.objects.create(
        wallet=wallet,
        reference="checkout:cs_test_Alice1",
        payment_intent="pi_Alice1",
        amount=500,
        currency="usd",
        description="50 credits",
        grant=bucket,
    )


@pytest.fixture
def dispute(payment: Payment) -> Dispute:
    return Dispute.objects.create(
        stripe_id="dp_Alice1", payment=payment, status="needs_response", reason="fraudulent", amount=500
    )


@pytest.fixture
def subscription(wallet: Wallet, basic: Plan) -> Subscription:
    now = timezone.now()
    return Subscription.objects.create(
        account=StripeAccount.objects.get_or_create(
            stripe_id="acct_1", livemode=False, installation=identity.installation()
        )[0],
        wallet=wallet,
        stripe_id="sub_Alice1",
        plan=basic,
        status="active",
        period_start=now,
        period_end=now + timedelta(days=30),
    )


@pytest.fixture
def event(wallet: Wallet) -> StripeEvent:
    """An event about Alice that the books could not follow."""
    return StripeEvent.objects.create(
        id="evt_Alice1",
        type="customer.updated",
        payload={"data": {"object": {"object": "customer", "id": "cus_Alice1"}}},
        attempts=2,
        last_error="NotYet: come back later",
        due_at=timezone.now() + timedelta(hours=1),
    )


@pytest.fixture
def message(wallet: Wallet) -> WebhookDelivery:
    """A test that was sent to an endpoint of Alice's."""
    return endpoints.send_test(endpoints.add(wallet, url="https://example.com/hook?token=hidden"))


@pytest.fixture
def key(alice: User) -> tuple[ApiKey, str]:
    return keys.mint(user=alice, name="laptop")
