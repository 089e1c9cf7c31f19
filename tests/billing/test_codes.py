"""Codes: whoever redeems one gets its credits once, however many try at once, and nobody beyond its uses."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from allauth.account.models import EmailAddress
from django.core.exceptions import PermissionDenied
from django.db import connections
from django.utils import timezone

from accounts.models import User
from billing import ledger
from billing.codes import making, redeeming, spelling
from billing.errors import AccountClosed, CodeRefused, UnknownCode
from billing.models import AuditRecord, Code, CodeOffer, CreditEntry, CreditGrant, Redemption, Wallet
from billing.staff import roles
from tests.billing.books import audit

pytestmark = pytest.mark.services


@pytest.fixture(autouse=True)
def _books_balance(transactional_db: None) -> Iterator[None]:
    yield
    for code in Code.objects.all():
        assert code.redeemed == code.redemptions.count() <= code.most


def terms(**values: Any) -> making.Terms:
    return making.Terms(**{"name": "Spring", "credits": 50, "starts_at": timezone.now(), **values})


def promo(typed: str = "SPRING24", most: int = 100, **values: Any) -> CodeOffer:
    return making.make_promo(actor=None, typed=typed, most=most, terms=terms(**values), reason="A fair", nonce=uuid4())


def batch(count: int = 3, **values: Any) -> tuple[CodeOffer, list[str]]:
    offer, codes = making.make_batch(
        actor=None, count=count, prefix="FAIR", terms=terms(**values), reason="A fair", nonce=uuid4()
    )
    return offer, list(codes)


def refusal(user: User, typed: str) -> str:
    with pytest.raises(CodeRefused) as refused:
        redeeming.redeem(user=user, typed=typed)
    return str(refused.value)


def at_once(count: int, work: Callable[[int], bool]) -> int:
    """Run `work` on so many threads that begin together, and return how many times it is true."""
    gate = threading.Barrier(count)

    def one(number: int) -> bool:
        try:
            gate.wait(30)
            return work(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        return sum(pool.map(one, range(count)))


def redeems(user: User, typed: str) -> bool:
    try:
        redeeming.redeem(user=user, typed=typed)
    except CodeRefused:
        return False
    return True


# --- Spelling --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "typed",
    [
        "spring24",
        " SPRING-24 ",
        "s p r i n g 2 4",
        "SPR1NG24",
        "\uff53\uff50\uff52\uff49\uff4e\uff4724",
        "SPRING\u201324",
    ],
)
def test_however_it_is_written_it_is_the_same_code(typed: str) -> None:
    assert spelling.digest(typed) == spelling.digest("SPRING24") != ""


@pytest.mark.parametrize("typed", ["", "abc", "ABC!", "A" * 41, "кодкод", "x\x00yz5"])
def test_what_can_be_no_code_has_no_digest(typed: str) -> None:
    assert spelling.digest(typed) == ""


def test_a_made_code_has_no_letters_that_look_alike_and_is_its_own() -> None:
    codes = {spelling.made("FAIR") for _ in range(500)}
    assert len(codes) == 500
    assert not {*"".join(code.removeprefix("FAIR") for code in codes)} & {*"01OIL"}
    assert {len(code) for code in codes} == {4 + 4 * 5}


# --- Redeeming -------------------------------------------------------------------------------------------------


def test_a_code_brings_its_credits_with_their_expiry(wallet: Wallet) -> None:
    offer = promo(credits_days=30)
    redemption = redeeming.redeem(user=wallet.user, typed="spring-24")
    assert audit(wallet) == 53
    entry = CreditEntry.objects.get(wallet=wallet, amount=50)
    assert (entry.cause, entry.reference) == ("Code Spring", f"code:{offer.codes.get().pk}:{wallet.pk}")
    grant = CreditGrant.objects.get(source="code")
    assert grant.expires_at == redemption.created_at + timedelta(days=30)


def test_the_same_person_redeems_it_once(wallet: Wallet) -> None:
    promo()
    redeeming.redeem(user=wallet.user, typed="SPRING24")
    assert refusal(wallet.user, "SPRING24") == redeeming.YOURS
    assert audit(wallet) == 53


def test_another_account_of_the_same_mailbox_is_the_same_person(wallet: Wallet) -> None:
    promo()
    redeeming.redeem(user=wallet.user, typed="SPRING24")
    again = User.objects.create(email="alice+2@example.com")
    assert refusal(again, "SPRING24") == redeeming.YOUR_MAILBOX
    assert Code.objects.get().redeemed == 1


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"starts_at": timezone.now() + timedelta(days=1)}, "works from"),
        ({"ends_at": timezone.now() - timedelta(days=1)}, "could be redeemed until"),
        ({"new_days": 7}, "for new accounts only"),
    ],
)
def test_what_its_offer_asks_for_is_told(wallet: Wallet, values: dict[str, Any], words: str) -> None:
    promo(**values)
    User.objects.filter(pk=wallet.user_id).update(date_joined=timezone.now() - timedelta(days=8))
    assert words in refusal(User.objects.get(pk=wallet.user_id), "SPRING24")
    assert audit(wallet) == 3


def test_a_new_account_may_redeem_what_is_for_new_ones(wallet: Wallet) -> None:
    promo(new_days=7)
    assert redeems(wallet.user, "SPRING24")


def test_what_there_is_not_what_is_used_up_and_what_is_off_are_told_apart(alice: User, bob: User) -> None:
    with pytest.raises(UnknownCode):
        redeeming.redeem(user=alice, typed="NOTHING1")
    offer = promo(most=1)
    redeeming.redeem(user=alice, typed="SPRING24")
    assert refusal(bob, "SPRING24") == redeeming.USED
    making.switch_off(actor=None, offer=offer, reason="Leaked")
    assert refusal(bob, "SPRING24") == redeeming.OFF


def test_what_was_switched_off_while_somebody_redeemed_it_brings_nothing(
    wallet: Wallet, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer = promo()
    monkeypatch.setattr(redeeming, "_require", lambda *_: making.switch_off(actor=None, offer=offer, reason="Just now"))
    assert refusal(wallet.user, "SPRING24") == redeeming.OFF
    assert audit(wallet) == 3


def test_an_address_has_to_be_confirmed_where_the_site_asks_for_it(alice: User, settings: Any) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    EmailAddress.objects.create(user=alice, email=alice.email, verified=False)
    promo()
    assert refusal(alice, "SPRING24") == redeeming.UNCONFIRMED


def test_a_closed_account_gets_nothing(wallet: Wallet) -> None:
    promo()
    User.objects.filter(pk=wallet.user_id).update(is_active=False)
    with pytest.raises(AccountClosed):
        redeeming.redeem(user=wallet.user, typed="SPRING24")
    assert Code.objects.get().redeemed == 0


# --- Many at once ----------------------------------------------------------------------------------------------


def test_two_hundred_at_once_get_exactly_the_uses_there_are() -> None:
    promo(most=50)
    users = User.objects.bulk_create(User(email=f"p{number}@example.com") for number in range(200))
    for user in users:
        ledger.wallet_of(user.pk)
    assert at_once(200, lambda number: redeems(users[number], "SPRING24")) == 50
    assert Redemption.objects.count() == CreditGrant.objects.filter(source="code").count() == 50
    assert Code.objects.get().redeemed == 50
    assert sum(Wallet.objects.values_list("balance", flat=True)) == 200 * 3 + 50 * 50


def test_one_person_who_sends_it_twenty_times_at_once_gets_it_once(wallet: Wallet) -> None:
    promo()
    assert at_once(20, lambda _: redeems(wallet.user, "SPRING24")) == 1
    assert audit(wallet) == 53
    assert Code.objects.get().redeemed == 1


def test_one_mailbox_with_twenty_accounts_gets_it_once() -> None:
    promo()
    users = User.objects.bulk_create(User(email=f"mallory+{number}@example.com") for number in range(20))
    assert at_once(20, lambda number: redeems(users[number], "SPRING24")) == 1
    assert CreditGrant.objects.filter(source="code").count() == 1


# --- Batches ---------------------------------------------------------------------------------------------------


def test_each_code_of_a_batch_is_used_once(alice: User, bob: User) -> None:
    _, codes = batch(is_once=False)
    assert redeems(alice, codes[0])
    assert refusal(bob, codes[0]) == redeeming.USED
    assert redeems(alice, codes[1])
    assert audit(ledger.wallet_of(alice.pk)) == 103


def test_of_a_batch_that_says_so_each_person_redeems_one(alice: User, bob: User) -> None:
    _, codes = batch(is_once=True)
    assert redeems(alice, codes[0])
    assert refusal(alice, codes[1]) == redeeming.YOURS
    assert redeems(bob, codes[1])


def test_of_a_batch_only_hashes_are_kept(transactional_db: None) -> None:
    offer, codes = batch(2)
    kept = [*Code.objects.values_list("digest", "shown").order_by("pk")]
    assert kept == [(spelling.digest(code), f"…{code[-4:]}") for code in codes]
    assert codes[0] not in str(AuditRecord.objects.get().after)
    assert AuditRecord.objects.get().after["codes"] == 2
    assert offer.codes.count() == 2


def test_a_form_sent_twice_makes_codes_once_and_shows_them_once(transactional_db: None) -> None:
    nonce = uuid4()
    made = [
        making.make_batch(actor=None, count=2, prefix="", terms=terms(), reason="x", nonce=nonce)[1] for _ in range(2)
    ]
    assert [len(codes) for codes in made] == [2, 0]
    assert Code.objects.count() == 2


def test_a_form_that_made_another_code_makes_none(transactional_db: None) -> None:
    """As the browser's way back and another code in the same form."""
    nonce = uuid4()

    def make(typed: str) -> CodeOffer:
        return making.make_promo(actor=None, typed=typed, most=1, terms=terms(), reason="x", nonce=nonce)

    assert make("SPRING24") == make("spring-24")
    with pytest.raises(CodeRefused, match="This form was sent before, for Spring"):
        make("SUMMER24")
    assert Code.objects.count() == 1


def test_one_code_of_a_batch_can_be_switched_off(alice: User) -> None:
    offer, codes = batch()
    assert making.switch_off(actor=None, offer=offer, code=redeeming.find(codes[0]), reason="Leaked")
    assert refusal(alice, codes[0]) == redeeming.OFF
    assert redeems(alice, codes[1])


# --- Making ----------------------------------------------------------------------------------------------------


def test_a_code_that_looks_like_another_is_refused(transactional_db: None) -> None:
    promo("SPRING24")
    with pytest.raises(CodeRefused, match="looks just like it"):
        promo("SPR1NG-24")


def test_only_finance_and_admin_make_codes(alice: User) -> None:
    roles.sync()
    alice.is_staff = True
    alice.save()
    with pytest.raises(PermissionDenied):
        making.make_promo(actor=alice, typed="SPRING24", most=1, terms=terms(), reason="x", nonce=uuid4())
    assert not CodeOffer.objects.exists()
