"""The operator's terms, privacy policy and status page, wherever people are told of them."""

import re
from typing import Any

import httpx
import pytest
from django.test import Client

from billing.models import Order
from reveweb.pages import errors
from tests.payments.conftest import Customer

TERMS, PRIVACY, STATUS = "https://acme.example/terms", "https://acme.example/privacy", "https://status.acme.example"


@pytest.fixture
def lawyer(settings: Any) -> None:
    settings.TERMS_URL, settings.PRIVACY_URL, settings.STATUS_URL = TERMS, PRIVACY, STATUS


def links(html: str) -> list[str]:
    return re.findall(r'href="(https://[^"]*acme[^"]*)"', html)


@pytest.mark.parametrize("path", ["/", "/pricing/", "/docs/", "/nowhere/", "/accounts/login/"])
def test_every_footer_has_them(client: Client, db: None, lawyer: None, path: str) -> None:
    assert links(client.get(path).content.decode()) == [TERMS, PRIVACY, STATUS]


def test_without_them_nothing_is_said(client: Client, db: None) -> None:
    html = client.get("/accounts/signup/").content.decode()
    assert "you accept" not in html
    assert not re.search(r"<ul>\s*</ul>", html)


def test_who_signs_up_is_told_what_they_accept(client: Client, db: None, lawyer: None) -> None:
    html = client.get("/accounts/signup/").content.decode()
    assert links(html) == [TERMS, PRIVACY, TERMS, PRIVACY, STATUS]
    assert html.index("By signing up you accept") < html.index("Create account</button>")


def test_one_alone_makes_a_whole_sentence(client: Client, db: None, settings: Any) -> None:
    settings.PRIVACY_URL = PRIVACY
    words = re.sub(r"<[^>]+>", "", client.get("/accounts/signup/").content.decode())
    assert "By signing up you accept our privacy policy." in words


@pytest.mark.usefixtures("catalogue", "lawyer")
def test_who_buys_is_told_what_they_accept(browser: Client, settings: Any) -> None:
    settings.PAYMENTS = True
    html = browser.get("/dashboard/billing/checkout/?kind=plan&slug=basic").content.decode()
    assert html.index("By buying you accept") < html.index("Continue to payment")
    assert links(html)[:2] == [TERMS, PRIVACY]


@pytest.mark.services
@pytest.mark.usefixtures("lawyer")
@pytest.mark.parametrize(("kind", "slug"), [("pack", "pack-50"), ("plan", "basic")])
def test_who_pays_is_told_on_stripes_own_page(
    browser: Client, customer: Customer, settings: Any, kind: str, slug: str
) -> None:
    def payment_page() -> str:
        return httpx.get(browser.post("/dashboard/billing/checkout/", {"kind": kind, "slug": slug})["Location"]).text

    settings.TERMS_URL = f"{TERMS}/(2026)"
    html = payment_page()
    assert links(html) == [f"{TERMS}/%282026%29", PRIVACY]
    assert "By paying you accept our terms of use and our privacy policy." in re.sub(r"<[^>]+>", "", html)
    Order.objects.update(status=Order.Status.EXPIRED)
    settings.TERMS_URL = settings.PRIVACY_URL = ""
    assert "you accept" not in payment_page()
    settings.TERMS_URL = f"{TERMS}/{'x' * 1200}"  # longer than Stripe takes: the sale goes on without it
    Order.objects.update(status=Order.Status.EXPIRED)
    assert "you accept" not in payment_page()


@pytest.mark.services
@pytest.mark.usefixtures("lawyer")
def test_the_billing_portal_has_them(browser: Client, customer: Customer, settings: Any) -> None:
    def portal() -> list[str]:
        return links(httpx.get(browser.post("/dashboard/billing/portal/")["Location"]).text)

    assert portal() == [TERMS, PRIVACY]
    settings.TERMS_URL = ""
    assert portal() == [PRIVACY]
    settings.PRIVACY_URL = ""
    assert portal() == []


def test_the_apis_document_names_the_terms(client: Client, db: None, lawyer: None, settings: Any) -> None:
    assert client.get("/v1/openapi.json").json()["info"]["termsOfService"] == TERMS
    settings.TERMS_URL = ""
    assert "termsOfService" not in client.get("/v1/openapi.json").json()["info"]


def test_a_page_that_broke_leads_to_the_status(lawyer: None, rf: Any) -> None:
    assert links(errors.server_error(rf.get("/")).content.decode()) == [STATUS]
