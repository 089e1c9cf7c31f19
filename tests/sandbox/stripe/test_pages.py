"""The portal, the documents and the operator's panel."""

from typing import Any

import httpx
import pytest

from tests.sandbox.stripe.stand import FAILS_LATER, GOOD, Shop, Stand


def _portal(shop: Shop, **more: Any) -> str:
    params: Any = {"customer": shop.customer, "return_url": "http://shop.example/billing", **more}
    return shop.stand.v1.billing_portal.sessions.create(params).url


def _offering(shop: Shop) -> str:
    features: Any = {
        "subscription_cancel": {"enabled": True, "mode": "at_period_end"},
        "subscription_update": {
            "enabled": True,
            "default_allowed_updates": ["price"],
            "proration_behavior": "always_invoice",
            "products": [{"product": shop.product, "prices": [shop.basic, shop.plus]}],
        },
    }
    return shop.stand.v1.billing_portal.configurations.create({"features": features}).id


def test_the_portal_shows_the_plan_the_invoices_and_the_way_back(shop: Shop) -> None:
    shop.subscribe()
    page = httpx.get(_portal(shop)).text
    for words in (
        "Simulated payment",
        "9.00 USD / month",
        "Renews",
        "•••• 4242",
        "Cancel plan",
        "http://shop.example/billing",
    ):
        assert words in page
    assert str(shop.invoices()[0].number) in page
    assert "Change plan" not in page


def test_the_portal_links_to_the_shops_terms(shop: Shop) -> None:
    features: Any = {"invoice_history": {"enabled": True}}
    profile: Any = {"terms_of_service_url": "https://shop.example/terms"}
    made = shop.stand.v1.billing_portal.configurations.create({"features": features, "business_profile": profile})
    page = httpx.get(_portal(shop, configuration=made.id)).text
    assert '<a href="https://shop.example/terms">Terms</a>' in page
    assert "Privacy" not in page


def test_the_plan_is_switched_where_the_configuration_offers_it(shop: Shop) -> None:
    subscription = shop.subscribe()
    shop.stand.desk("clock/advance", days=3)
    url = _portal(shop, configuration=_offering(shop))
    page = httpx.get(url).text
    assert "29.00 USD / month" in page
    assert "90.00 USD / year" not in page
    assert "Use this card" not in page
    answer = httpx.post(f"{url}/switch", data={"subscription": subscription.id, "price": shop.plus})
    assert answer.status_code == 303
    assert shop.subscription(subscription.id)["items"].data[0].price.id == shop.plus
    assert shop.invoices()[0].billing_reason == "subscription_update"
    refused = httpx.post(f"{url}/switch", data={"subscription": subscription.id, "price": shop.yearly})
    assert refused.status_code == 422


def test_what_the_configuration_forbids_is_refused(shop: Shop) -> None:
    subscription = shop.subscribe()
    url = _portal(shop)
    assert httpx.post(f"{url}/switch", data={"subscription": subscription.id, "price": shop.plus}).status_code == 422
    assert httpx.post(f"{url}/card", data={"card": "4111111111111111"}).status_code == 422


def test_a_portal_reaches_its_own_customer_only(shop: Shop) -> None:
    subscription = shop.subscribe()
    stranger = shop.stand.v1.customers.create({"email": "bob@example.com"}).id
    url = _portal(shop, customer=stranger)
    assert httpx.post(f"{url}/cancel", data={"subscription": subscription.id}).status_code == 422
    assert "No plan is running" in httpx.get(url).text
    assert httpx.get(f"{shop.stand.url}/stripe/portal/bps_none").status_code == 404


def test_the_card_is_changed_and_the_open_invoice_paid(shop: Shop) -> None:
    subscription = shop.subscribe(FAILS_LATER)
    shop.stand.desk(f"subscriptions/{subscription.id}/renew")
    url = _portal(shop)
    assert "Pay now" in httpx.get(url).text
    httpx.post(f"{url}/card", data={"card": GOOD})
    assert shop.subscription(subscription.id).status == "past_due"
    httpx.post(f"{url}/pay", data={"invoice": shop.invoices()[0].id})
    assert shop.subscription(subscription.id).status == "active"


def test_a_flow_shows_one_thing_and_returns_afterwards(shop: Shop) -> None:
    subscription = shop.subscribe()
    flow = {
        "type": "subscription_cancel",
        "subscription_cancel": {"subscription": subscription.id},
        "after_completion": {"type": "redirect", "redirect": {"return_url": "http://shop.example/canceled"}},
    }
    url = _portal(shop, flow_data=flow)
    page = httpx.get(url).text
    assert "Cancel plan" in page
    assert "Use this card" not in page
    answer = httpx.post(f"{url}/cancel", data={"subscription": subscription.id})
    assert answer.headers["Location"] == "http://shop.example/canceled"


@pytest.mark.parametrize("path", ["checkout/cs_none", "portal/bps_none", "invoice/in_none", "receipt/ch_none"])
def test_what_is_not_there_is_told(stand: Stand, path: str) -> None:
    answer = stand.http.get(f"/stripe/{path}")
    assert answer.status_code == 404
    assert "Simulated" in answer.text


def test_documents_say_that_they_are_simulated(shop: Shop) -> None:
    shop.subscribe()
    invoice = httpx.get(str(shop.invoices()[0].hosted_invoice_url)).text
    assert "Simulated payment" in invoice
    assert "9.00 USD" in invoice
    charge = shop.stand.v1.charges.list().data[0]
    assert "Simulated payment" in httpx.get(str(charge.receipt_url)).text


def test_the_panel_shows_everything_and_its_forms_work(shop: Shop) -> None:
    subscription = shop.subscribe()
    shop.buy(shop.pack, "bank_debit_succeeds")
    charge = shop.charge_of(shop.buy(shop.pack))
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    url = f"{shop.stand.url}/sandbox/stripe"
    answer = httpx.post(f"{url}/charges/{charge.id}/refund", content="amount=100", headers=form)
    assert answer.headers["Location"].startswith("/stripe/?said=refund%20re_")
    httpx.post(f"{url}/charges/{charge.id}/dispute", content="", headers=form)
    httpx.post(f"{url}/deliveries/hold", content="", headers=form)
    wrong = httpx.post(f"{url}/charges/{charge.id}/refund", content="amount=x", headers=form)
    page = httpx.get(shop.stand.url + wrong.headers["Location"]).text
    for words in (subscription.id[:16], "Invalid integer: x", "Release reversed", "Bank debits on their way", "Win"):
        assert words in page
    event = shop.stand.v1.events.list().data[0]
    assert event.type in httpx.get(f"{shop.stand.url}/stripe/object/{event.id}").text
    assert shop.stand.http.get("/stripe").headers["Location"] == "/stripe/"
    assert shop.stand.http.post("/sandbox/stripe/none", json={}).status_code == 404
