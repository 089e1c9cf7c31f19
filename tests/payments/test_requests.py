"""What `gateway` sends is what Stripe's published OpenAPI takes, down to the names of nested fields."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import stripe
from django.conf import settings
from django.core.management import call_command

from billing import gateway
from billing.models import Plan
from billing.stripe import checkout
from tests.payments.conftest import SITE, Customer, Desk
from tests.sandbox.stripe.openapi import request_fields, specification, subfields

SENT: list[tuple[str, str, list[str]]] = []


class Recording(stripe.RequestsClient):
    """Sends, and remembers what it sent."""

    def request(  # type: ignore[override]  # just as the SDK's own client does not fit its base
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        parts = urlsplit(url)
        pairs = parse_qsl(parts.query) + parse_qsl(post_data or "")
        SENT.append((method, parts.path, [name for name, _ in pairs]))
        return super().request(method, url, headers, post_data)


@pytest.fixture(autouse=True)
def _recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    SENT.clear()
    client = stripe.StripeClient(
        settings.STRIPE_SECRET_KEY,
        stripe_version=gateway.API_VERSION,
        base_addresses={"api": settings.STRIPE_API_BASE},
        http_client=Recording(),
    )
    monkeypatch.setattr(gateway, "_client", lambda **_: client)


def template_of(path: str) -> str:
    """Return the OpenAPI's path that `path` is an instance of, the most literal one first."""
    patterns: list[str] = sorted(specification()["paths"], key=lambda each: each.count("{"))
    return next(each for each in patterns if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", each), path))


def unknown_fields() -> set[str]:
    """Return every field that was sent and is not in the specification, as `METHOD path field`."""
    unknown = set()
    for method, path, names in SENT:
        fields = request_fields(method, template_of(path))
        for name in names:
            first, *rest = re.findall(r"[^\[\]]+", name)
            inner = [part for part in rest if not part.isdigit()]
            if first not in fields or (inner and (known := subfields(fields[first])) and inner[0] not in known):
                unknown.add(f"{method} {path} {name}")
    return unknown


def test_every_call_is_one_that_stripe_takes(customer: Customer, basic: Plan, bigger: Plan, desk: Desk) -> None:
    Plan.objects.filter(pk=bigger.pk).update(slug=f"pro-{customer.wallet.pk}-{id(desk)}")
    call_command("sync_stripe", verbosity=0)
    customer.pay(Plan.objects.get(slug="basic"))
    customer.follow()
    checkout.change_plan(wallet=customer.wallet, plan=Plan.objects.get(pk=bigger.pk))
    checkout.portal(wallet=customer.wallet, site=SITE)
    invoice = customer.wallet.payments.get(amount__gt=0, description="Basic")
    desk(f"charges/{customer.charge(invoice.reference)}/refund", amount=100)
    customer.follow()
    list(gateway.paid_invoices_since(0))
    list(gateway.checkouts_since(0))
    gateway.refund_payment(str(invoice.payment_intent), idempotency_key="again")
    gateway.cancel_subscription(customer.subscription.stripe_id)
    called = {(method, template_of(path)) for method, path, _ in SENT}
    assert len(called) >= 15
    assert unknown_fields() == set()


def test_the_check_itself_finds_what_is_not_in_the_specification() -> None:
    SENT.append(("post", "/v1/checkout/sessions", ["mode", "line_items[0][price]", "line_items[0][colour]", "taste"]))
    assert unknown_fields() == {
        "post /v1/checkout/sessions line_items[0][colour]",
        "post /v1/checkout/sessions taste",
    }
