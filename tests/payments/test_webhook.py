"""`POST /stripe/webhook/`: only what Stripe signed lately is kept, once."""

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from billing import gateway
from billing.models import CreditEntry, Pack, StripeEvent
from billing.staff import audit
from billing.stripe import inbox
from tests.payments.conftest import Customer, deliver


def sign(payload: bytes, *, secret: str | None = None, at: float | None = None) -> str:
    stamp = int(time.time() if at is None else at)
    key = (settings.STRIPE_WEBHOOK_SECRET if secret is None else secret).encode()
    digest = hmac.new(key, f"{stamp}.".encode() + payload, hashlib.sha256).hexdigest()
    return f"t={stamp},v1={digest}"


def post(client: Client, payload: bytes, signature: str | None) -> int:
    headers = {"Stripe-Signature": signature} if signature is not None else {}
    return client.post("/stripe/webhook/", payload, content_type="application/json", headers=headers).status_code


def event(**changes: Any) -> bytes:
    data = {"id": "evt_1", "object": "event", "type": "checkout.session.completed", "data": {"object": {"id": "cs_1"}}}
    return json.dumps({**data, **changes}).encode()


@pytest.mark.services
def test_a_signed_event_is_kept_once_however_often_it_comes(client: Client, db: None) -> None:
    payload = event(type="charge.succeeded")
    assert [post(client, payload, sign(payload)) for _ in range(3)] == [200, 200, 200]
    assert StripeEvent.objects.count() == 1


def test_two_secrets_are_good_while_one_takes_the_place_of_the_other(client: Client, db: None, settings: Any) -> None:
    """The new one is the first; Stripe signs with either, or with both, until the old one is taken back."""
    settings.STRIPE_WEBHOOK_SECRETS = ("whsec_new", "whsec_old")
    payload = event(type="charge.succeeded")
    new, old = (sign(payload, secret=f"whsec_{age}") for age in ("new", "old"))
    both = f"{old},{new.partition(',')[2]}"
    assert [post(client, payload, one) for one in (new, old, both)] == [200, 200, 200]
    assert post(client, payload, sign(payload, secret="whsec_older")) == 400
    settings.STRIPE_WEBHOOK_SECRETS = ("whsec_new",)
    assert [post(client, payload, one) for one in (new, old, both)] == [200, 400, 200]


@pytest.mark.parametrize(
    "signature",
    [
        None,
        "",
        "t=1,v1=00",
        "nonsense",
        lambda payload: sign(payload, secret="whsec_other"),
        lambda payload: sign(payload, secret=""),
        lambda payload: sign(payload, at=time.time() - 301),
        lambda payload: sign(payload, at=time.time() + 330),
        lambda payload: sign(payload + b" "),
        lambda payload: sign(payload).replace("v1=", "v0="),
    ],
)
def test_what_stripe_did_not_sign_lately_leaves_no_trace(client: Client, db: None, signature: Any) -> None:
    payload = event()
    assert post(client, payload, signature(payload) if callable(signature) else signature) == 400
    assert not StripeEvent.objects.exists()


@pytest.mark.services
@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b'{"id": "evt_1"}', b"\xff\xfe", event()[:-9]])
def test_a_truncated_or_odd_body_leaves_no_trace_though_signed(client: Client, db: None, payload: bytes) -> None:
    assert post(client, payload, sign(payload)) == 400
    assert not StripeEvent.objects.exists()


def test_only_posts_are_taken(client: Client, db: None) -> None:
    assert client.get("/stripe/webhook/").status_code == 405


def test_an_unknown_kind_is_handled_by_ignoring_it(client: Client, db: None) -> None:
    payload = event(type="treasury.something.new")
    assert post(client, payload, sign(payload)) == 200
    deliver([])
    assert StripeEvent.objects.get().handled_at
    assert not CreditEntry.objects.exists()


def test_an_event_about_what_stripe_does_not_have_changes_nothing(
    client: Client, customer: Customer, pack: Pack, lookup_key: Callable[[Pack], str]
) -> None:
    """Well signed and still not believed: the handler reads the object from Stripe itself."""
    invented = {
        "id": "cs_test_invented",
        "mode": "payment",
        "payment_status": "paid",
        "client_reference_id": str(customer.wallet.pk),
        "amount_total": pack.price,
        "currency": "usd",
        "metadata": {"product": lookup_key(pack)},
    }
    payload = event(data={"object": invented})
    assert post(client, payload, sign(payload)) == 200
    deliver([], tries=1)
    assert customer.balance == 3
    assert StripeEvent.objects.get().ignored == "Stripe does not know what it is about any more"


def test_an_event_that_could_not_be_followed_is_left_alone_for_a_while(
    client: Client, customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: str) -> Any:
        raise gateway.PaymentUnavailable("no answer")

    monkeypatch.setattr(gateway, "retrieve_checkout", away)
    payload = event()
    assert post(client, payload, sign(payload)) == 200
    assert [inbox.handle("evt_1") for _ in range(3)] == [False] * 3
    assert StripeEvent.objects.get().attempts == 1


def test_a_replayed_event_changes_nothing_twice(client: Client, customer: Customer, pack: Pack) -> None:
    customer.pay(pack)
    news = customer.follow()
    for again in news:
        payload = json.dumps(again).encode()
        assert post(client, payload, sign(payload)) == 200
        payload = json.dumps({**again, "id": again["id"] + "again"}).encode()  # the same news under another id
        assert post(client, payload, sign(payload)) == 200
    deliver([])
    assert customer.balance == 53
    assert list(audit.drifts()) == []


@pytest.mark.parametrize(
    "signature",
    ["", "t=1", "t=,v1=", "t=²,v1=x", f"t={'9' * 5000},v1=x", "t={now},v1=é", "t={now},v1=\xff", "é", "t={now}", "v1"],
)
def test_a_signature_that_is_none_is_refused(client: Client, db: None, signature: str) -> None:
    signed = signature.replace("{now}", str(int(time.time())))
    response = client.post("/stripe/webhook/", "{}", content_type="application/json", HTTP_STRIPE_SIGNATURE=signed)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "bad_signature"
