"""Pricing: what is for sale comes from the catalogue, and each card offers the one thing that can be done with it."""

import re
from typing import Any
from urllib.parse import unquote

import pytest
from django.test import Client

from accounts.models import User
from billing import ledger
from billing.models import Pack, Plan, Wallet
from billing.pages import offers
from tests.payments.conftest import Customer

PAGE = "/pricing/"


def words(html: str) -> str:
    """Return a page's text with its spaces made single."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def card_of(html: str, slug: str) -> str:
    """Return the HTML of one plan's card."""
    found = re.search(rf'<article[^>]*aria-labelledby="plan-{slug}">.*?</article>', html, re.DOTALL)
    assert found
    return found[0]


def test_plans_and_packs_come_from_the_catalogue_with_their_prices(client: Client, catalogue: None) -> None:
    text = words(client.get(PAGE).content.decode())
    assert (
        "Basic $9 USD a month Cancel any time 100 credits each month 1 credit an image, so $0.09 each "
        "30 requests a minute As many images at a time as you have credits Use each month’s credits within the month"
    ) in text
    assert "200 credits 200 images, $0.11 each $22 USD" in text
    assert "1,000 credits 1,000 images, $0.095 each $95 USD" in text


def test_a_credit_of_a_plan_is_cheaper_than_one_of_any_pack(catalogue: None) -> None:
    plans = {plan.slug: plan.price / plan.credits for plan in Plan.objects.filter(price__gt=0)}
    packs = {pack.slug: pack.price / pack.credits for pack in Pack.objects.all()}
    assert plans == {"basic": 9.0, "basic-yearly": 7.5}
    assert packs == {"pack-50": 12.0, "pack-200": 11.0, "pack-1000": 9.5}
    assert max(plans.values()) < min(packs.values())


def test_a_plan_that_is_paid_for_lets_one_do_more(catalogue: None) -> None:
    limits = {plan.slug: (plan.rate_limit, plan.max_in_flight) for plan in Plan.objects.all()}
    assert limits == {"free": (None, 10), "basic": (30, None), "basic-yearly": (30, None)}


def test_a_year_says_what_it_saves_beside_its_month(
    client: Client, browser: Client, customer: Customer, catalogue: None
) -> None:
    html = client.get(PAGE).content.decode()
    assert "Basic yearly Two months free $90 USD a year $7.50 a month, paid once a year" in words(html)
    assert html.index('id="plan-basic"') < html.index('id="plan-basic-yearly"')
    assert "free" not in words(card_of(html, "basic"))
    customer.pay(Plan.objects.get(slug="basic"))
    customer.follow()
    card = card_of(browser.get(PAGE).content.decode(), "basic-yearly")
    assert "Two months free" in words(card)
    assert "/dashboard/billing/change-plan/?slug=basic-yearly" in card


@pytest.mark.parametrize(
    ("price", "credits", "words"),
    [
        (9000, 1200, "Two months free"),
        (9900, 1200, "One month free"),
        (9500, 1200, "12% less"),
        (10800, 1200, ""),
        (12000, 1200, ""),
        (10790, 1200, ""),
        (9000, 1000, ""),
    ],
)
def test_a_saving_is_told_only_where_a_year_brings_the_same(
    catalogue: None, price: int, credits: int, words: str
) -> None:
    Plan.objects.filter(slug="basic-yearly").update(price=price, credits=credits)
    assert {offer.product.slug: offer.saving for offer in offers.plans(None)} == {
        "free": "",
        "basic": "",
        "basic-yearly": words,
    }


def test_a_catalogue_in_yen_or_dinars_is_shown_in_yen_and_dinars(client: Client, catalogue: None) -> None:
    Pack.objects.filter(slug="pack-200").update(price=3000, currency="jpy")
    Plan.objects.filter(slug="basic").update(price=2800, currency="kwd")
    text = words(client.get(PAGE).content.decode())
    assert "200 images, ¥15 each ¥3,000 JPY" in text
    assert "Basic 2.800 KWD a month" in text
    assert "1 credit an image, so 0.028 each" in text


def test_what_an_operator_edits_is_on_the_page_at_once(client: Client, catalogue: None) -> None:
    Pack.objects.filter(slug="pack-200").update(active=False)
    Plan.objects.filter(slug="basic").update(
        price=1250, currency="eur", interval="year", rate_limit=25, max_in_flight=4
    )
    text = words(client.get(PAGE).content.decode())
    assert "200 images" not in text
    assert "€12.50 EUR a year €1.0417 a month, paid once a year 100 credits each year" in text
    assert "25 requests a minute 4 images at a time" in text


def test_the_free_plan_says_what_a_new_account_really_gets(client: Client, catalogue: None, settings: Any) -> None:
    settings.WELCOME_CREDITS = 7
    assert "7 credits, once" in words(card_of(client.get(PAGE).content.decode(), "free"))
    assert "A new account has 7 free credits" in words(client.get(PAGE).content.decode())
    settings.WELCOME_CREDITS = 0
    html = client.get(PAGE).content.decode()
    assert "No credits of its own" in words(card_of(html, "free"))
    assert "free credit" not in words(html)


def test_the_questions_say_whom_to_ask_where_there_is_somebody(client: Client, catalogue: None, settings: Any) -> None:
    assert "mailto:" not in client.get(PAGE).content.decode()
    settings.SUPPORT_EMAIL = "help@example.com"
    assert 'href="mailto:help@example.com"' in client.get(PAGE).content.decode().partition("</main>")[0]


def test_a_stranger_signs_up_first_and_then_finds_what_they_chose(client: Client, catalogue: None) -> None:
    html = client.get(PAGE).content.decode()
    assert "<form" not in html
    found = re.search(r'href="/accounts/signup/\?next=([^"]+)">Choose Basic', html)
    assert found
    assert unquote(found[1]) == "/dashboard/billing/checkout/?kind=plan&slug=basic"
    assert '<a class="button button-quiet" href="/accounts/signup/">Start free</a>' in html


def test_who_is_logged_in_buys_from_the_page(browser: Client, catalogue: None) -> None:
    card = card_of(browser.get(PAGE).content.decode(), "basic")
    assert 'method="post" action="/dashboard/billing/checkout/"' in card
    assert 'name="slug" value="basic"' in card
    assert "csrfmiddlewaretoken" in card


def test_the_plan_one_has_is_marked(browser: Client, customer: Customer, pro: Plan) -> None:
    free = card_of(browser.get(PAGE).content.decode(), "free")
    assert "Your plan" in free
    assert "button" not in free
    customer.pay(Plan.objects.get(slug="basic"))
    customer.follow()
    html = browser.get(PAGE).content.decode()
    assert "Your plan" not in card_of(html, "free")
    assert "Your plan" in card_of(html, "basic")
    assert "Manage" in card_of(html, "basic")
    assert "/dashboard/billing/change-plan/?slug=pro" in card_of(html, "pro")


def test_a_plan_that_is_no_longer_sold_is_shown_to_whoever_has_it(
    browser: Client, strangers_browser: Client, wallet: Wallet, pro: Plan
) -> None:
    Wallet.objects.filter(pk=wallet.pk).update(plan=pro)
    Plan.objects.filter(pk=pro.pk).update(active=False)
    assert "Your plan" in card_of(browser.get(PAGE).content.decode(), "pro")
    assert "Pro" not in words(strangers_browser.get(PAGE).content.decode())


def test_a_site_that_sells_nothing_says_so_and_has_no_buttons(
    browser: Client, client: Client, catalogue: None, settings: Any
) -> None:
    settings.PAYMENTS = settings.EMBEDDED_STRIPE = False
    for visitor in (browser, client):
        main = visitor.get(PAGE).content.decode().partition("<main")[2].partition("</main")[0]
        assert "This site sells nothing yet." in main
        assert 'class="button' not in main
        assert "<form" not in main
    answer = browser.post("/dashboard/billing/checkout/", {"kind": "plan", "slug": "basic"}, follow=True)
    assert "That is not for sale." in answer.content.decode()


def test_the_banner_says_whether_payments_are_simulated(client: Client, db: None, settings: Any) -> None:
    assert "payments simulated" in client.get(PAGE).content.decode()
    settings.EMBEDDED_STRIPE = False
    assert "payments simulated" not in client.get(PAGE).content.decode()
    settings.SANDBOX, settings.EMBEDDED_STRIPE = False, True
    assert "payments simulated" in client.get(PAGE).content.decode()
    settings.EMBEDDED_STRIPE = False
    assert 'class="sandbox-banner"' not in client.get(PAGE).content.decode()


def test_pricing_is_linked_for_everybody_and_the_balance_leads_to_billing(client: Client, browser: Client) -> None:
    for visitor in (client, browser):
        assert visitor.get("/").content.decode().count('href="/pricing/"') >= 2
    assert re.search(r'<a class="pill" id="balance" [^>]*href="/dashboard/billing/"', browser.get("/").content.decode())


def test_an_empty_catalogue_is_a_page_too(client: Client, alice: User) -> None:
    ledger.wallet_of(alice.pk)
    assert client.get(PAGE).status_code == 200
