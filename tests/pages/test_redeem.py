"""Redeeming a code on the site: under Billing, by a link, also by whoever signs up first; guesses are counted."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from billing import ledger
from billing.codes import making, redeeming
from billing.models import CodeOffer, Redemption, Wallet
from tests.conftest import PASSWORD
from tests.pages.test_billing_page import text_of
from tests.pages.test_frame import assert_well_made

PAGE = "/redeem/"


@pytest.fixture
def offer(transactional_db: None) -> CodeOffer:
    return making.make_promo(
        actor=None,
        typed="SPRING24",
        most=5,
        terms=making.Terms("Spring", 50, timezone.now() - timedelta(days=1), credits_days=30),
        reason="A fair",
        nonce=uuid4(),
    )


@pytest.fixture
def browser(client: Client, wallet: Wallet, offer: CodeOffer) -> Client:
    client.force_login(wallet.user)
    return client


def test_billing_has_a_place_for_a_code(browser: Client) -> None:
    page = browser.get("/dashboard/billing/").content.decode()
    assert "Have a code?" in page
    assert f'action="{PAGE}"' in page


def test_a_code_is_redeemed_and_its_credits_are_told(browser: Client, wallet: Wallet) -> None:
    answer = browser.post(PAGE, {"code": "spring-24"}, follow=True)
    assert "“Spring” brought you 50 credits. Use them within 30 days." in text_of(answer)
    assert "Code Spring" in text_of(answer)
    assert ledger.wallet_of(wallet.user_id).balance == 53


def test_a_link_fills_it_in_and_redeems_nothing(browser: Client) -> None:
    answer = browser.get(f"{PAGE}?code=SPRING24")
    assert_well_made(answer.content.decode())
    assert 'value="SPRING24"' in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    assert not Redemption.objects.exists()


@pytest.mark.parametrize(("typed", "words"), [("", "Write the code."), ("NONE1234", redeeming.UNKNOWN)])
def test_what_is_no_code_is_told_beside_the_field(browser: Client, typed: str, words: str) -> None:
    answer = browser.post(PAGE, {"code": typed})
    assert answer.status_code == 422
    assert words in text_of(answer)


def test_a_code_redeemed_again_is_told(browser: Client) -> None:
    browser.post(PAGE, {"code": "SPRING24"})
    answer = browser.post(PAGE, {"code": "SPRING24"})
    assert (answer.status_code, redeeming.YOURS in text_of(answer)) == (422, True)


def test_guesses_are_counted_and_what_is_right_is_not(browser: Client) -> None:
    for _ in range(12):
        assert browser.post(PAGE, {"code": "SPRING24"}).status_code in (302, 422)
    answers = [browser.post(PAGE, {"code": f"GUESS{number:04}"}).status_code for number in range(12)]
    assert answers == [422] * 10 + [429] * 2
    assert browser.post(PAGE, {"code": "SPRING24"}).status_code == 429


def test_a_stranger_signs_up_first_and_comes_back_with_the_code(client: Client, offer: CodeOffer) -> None:
    answer = client.get(f"{PAGE}?code=SPRING24")
    assert_well_made(answer.content.decode())
    assert "/accounts/signup/?next=%2Fredeem%2F%3Fcode%3DSPRING24" in answer.content.decode()
    signed_up: Any = client.post(
        "/accounts/signup/?next=%2Fredeem%2F%3Fcode%3DSPRING24",
        {"email": "new@example.com", "password1": PASSWORD, "next": f"{PAGE}?code=SPRING24"},
        follow=True,
    )
    assert 'value="SPRING24"' in signed_up.content.decode()
    assert 'value="SPRING24"' in client.get("/dashboard/billing/").content.decode()  # also if they go elsewhere first
    client.post(PAGE, {"code": "SPRING24"})
    assert Redemption.objects.get().wallet.user.email == "new@example.com"


def test_what_a_stranger_sends_redeems_nothing(client: Client, offer: CodeOffer) -> None:
    answer = client.post(PAGE, {"code": "SPRING24"})
    assert answer.headers["Location"] == f"{PAGE}?code=SPRING24"
    assert not Redemption.objects.exists()
