"""Welcome credits come once for a mailbox, few to a network, none to addresses that are thrown away; staff can help."""

from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.utils import timezone

from accounts.models import User
from billing import ledger
from billing.errors import GrantedEnough
from billing.models import AuditRecord, CreditEntry, HeldWelcome, Wallet, WelcomeDay
from billing.staff import acts, roles, welcoming
from billing.welcome import figures, networks
from kit.http.addresses import network_of
from tests.billing.books import audit
from tests.billing.test_ledger import at_once
from tests.conftest import PASSWORD

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("transactional_db")]

NETWORK = "198.51.100.7"
PUBLIC = "93.184.216.34"
Reason = HeldWelcome.Reason


def somebody(email: str, network: str = "") -> Wallet:
    return ledger.wallet_of(User.objects.create_user(email, signup_network=network).pk)


def held(wallet: Wallet) -> tuple[str, int] | None:
    row = HeldWelcome.objects.filter(wallet=wallet, given_at=None).first()
    return (row.reason, row.credits) if row else None


def move_to(wallet: Wallet, email: str) -> int:
    """Change somebody's address, welcome them as confirming it does, and return their balance."""
    User.objects.filter(pk=wallet.user_id).update(email=email)
    ledger.welcome(Wallet.objects.get(pk=wallet.pk))
    return audit(wallet)


# --- Who gets them -----------------------------------------------------------------------------------------------


def test_an_address_that_is_thrown_away_brings_none() -> None:
    wallet = somebody("ann@mailinator.com")
    assert (audit(wallet), held(wallet)) == (0, (Reason.DISPOSABLE, 3))


def test_another_address_brings_what_was_held_back_once() -> None:
    wallet = somebody("ann@mailinator.com")
    assert move_to(wallet, "ann@example.com") == 3
    assert held(wallet) is None
    assert move_to(wallet, "ann@example.org") == 3


def test_an_alias_of_a_mailbox_brings_none() -> None:
    assert somebody("ann.bee@gmail.com").balance == 3
    wallet = somebody("a.nnbee+2@googlemail.com")
    assert (audit(wallet), held(wallet)) == (0, (Reason.MAILBOX, 3))


def test_where_an_address_is_to_be_confirmed_first_it_brings_them_then(settings: Any) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION, settings.WELCOME_AFTER_CONFIRMING = "optional", True
    user = User.objects.create_user("ann@example.com")
    EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=False)
    wallet = ledger.wallet_of(user.pk)
    assert (audit(wallet), held(wallet)) == (0, None)
    EmailAddress.objects.update(verified=True)
    ledger.welcome(wallet)
    assert audit(wallet) == 3


def test_none_are_held_back_where_there_are_none(settings: Any) -> None:
    settings.WELCOME_CREDITS = 0
    assert held(somebody("ann@mailinator.com")) is None


# --- Of one network ----------------------------------------------------------------------------------------------


def test_a_network_has_so_many_a_day(settings: Any) -> None:
    settings.WELCOME_PER_NETWORK_PER_DAY = 2
    wallets = [somebody(f"ann{number}@example.com", NETWORK) for number in range(4)]
    assert [audit(wallet) for wallet in wallets] == [3, 3, 0, 0]
    assert held(wallets[3]) == (Reason.NETWORK, 3)
    assert somebody("bob@example.com", "198.51.100.8").balance == 3
    assert somebody("who@example.com").balance == 3  # whose network is not known
    WelcomeDay.objects.update(day=timezone.now().date() - timedelta(days=1))
    assert somebody("dan@example.com", NETWORK).balance == 3


def test_a_network_has_as_many_as_there_are_where_nothing_is_said(settings: Any) -> None:
    settings.WELCOME_PER_NETWORK_PER_DAY = 0
    assert [somebody(f"ann{number}@example.com", NETWORK).balance for number in range(7)] == [3] * 7
    assert not WelcomeDay.objects.exists()


def test_the_last_place_of_a_network_is_given_once(settings: Any) -> None:
    settings.WELCOME_PER_NETWORK_PER_DAY = 5
    users = [User.objects.create_user(f"ann{number}@example.com", signup_network=NETWORK) for number in range(16)]
    wallets = at_once(16, lambda number: ledger.wallet_of(users[number].pk))
    assert sorted(audit(wallet) for wallet in wallets) == [0] * 11 + [3] * 5
    assert (HeldWelcome.objects.count(), WelcomeDay.objects.get().given) == (11, 5)


def test_ways_to_write_a_mailbox_that_come_at_once_get_one_welcome() -> None:
    users = [User.objects.create_user(f"ann+{number}@example.com", signup_network=NETWORK) for number in range(8)]
    wallets = at_once(8, lambda number: ledger.wallet_of(users[number].pk))
    assert sorted(audit(wallet) for wallet in wallets) == [0] * 7 + [3]
    assert WelcomeDay.objects.get().given == 1  # whoever came second took no place
    assert HeldWelcome.objects.filter(reason=Reason.MAILBOX).count() == 7


def test_signing_up_notes_the_network(client: Client) -> None:
    client.post("/accounts/signup/", {"email": "ann@example.com", "password1": PASSWORD}, REMOTE_ADDR=PUBLIC)
    user = User.objects.get()
    assert user.signup_network == PUBLIC
    assert WelcomeDay.objects.get().network == PUBLIC


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.7", "::1"])
def test_what_is_not_of_the_internet_is_no_network(client: Client, address: str) -> None:
    client.post("/accounts/signup/", {"email": "ann@example.com", "password1": PASSWORD}, REMOTE_ADDR=address)
    assert User.objects.get().signup_network == ""


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("93.184.216.34", "93.184.216.34"),
        ("::ffff:93.184.216.34", "93.184.216.34"),
        ("2606:2800:220:1ff::1", "2606:2800:220:100::/56"),
        ("2606:2800:220:1aa:ffff:ffff:ffff:ffff", "2606:2800:220:100::/56"),
        ("2606:2800:220:2aa::1", "2606:2800:220:200::/56"),
    ],
)
def test_a_network_is_what_one_customer_has(address: str, network: str) -> None:
    assert network_of(address) == network
    assert len(network) <= 43


def test_networks_are_forgotten() -> None:
    wallet = somebody("ann@example.com", NETWORK)
    WelcomeDay.objects.update(day=timezone.now().date() - timedelta(days=3))
    networks.tidy()
    assert not WelcomeDay.objects.exists()
    assert User.objects.get(pk=wallet.user_id).signup_network == NETWORK
    User.objects.update(date_joined=timezone.now() - timedelta(days=31))
    networks.tidy()
    assert User.objects.get(pk=wallet.user_id).signup_network == networks.FORGOTTEN


def test_whoever_waits_until_networks_are_forgotten_gets_no_more(settings: Any) -> None:
    settings.WELCOME_PER_NETWORK_PER_DAY = 1
    wallets = [somebody(f"ann{number}@example.com", NETWORK) for number in range(4)]
    User.objects.update(date_joined=timezone.now() - timedelta(days=31))
    networks.tidy()
    later = [move_to(wallet, f"new{wallet.pk}@example.org") for wallet in wallets]
    assert later == [3, 3, 0, 0]  # the second has the one place that all of them share today


# --- What staff do and see ---------------------------------------------------------------------------------------


def staff(role: str) -> User:
    roles.sync()
    actor = User.objects.create_user(f"{role}@example.net", is_staff=True)
    acts.set_role(actor=None, user=actor, role=role, reason="Works here")
    return User.objects.get(pk=actor.pk)


def test_staff_give_them_once_with_a_record() -> None:
    wallet = somebody("ann@mailinator.com")
    row = HeldWelcome.objects.get()
    actor = staff("support")
    assert welcoming.give(actor=actor, held=row)
    assert not welcoming.give(actor=actor, held=row)
    row.refresh_from_db()
    assert not welcoming.give(actor=actor, held=row)
    assert audit(wallet) == 3
    record = AuditRecord.objects.get(action=acts.Act.GRANT)
    assert (record.actor, record.wallet, record.after["credits"]) == (actor, wallet, 3)
    assert move_to(wallet, "ann@example.com") == 3  # another address brings no more


def test_what_staff_give_is_its_mailboxs_welcome(settings: Any) -> None:
    settings.WELCOME_PER_NETWORK_PER_DAY = 1
    somebody("bob@example.com", NETWORK)
    wallet = somebody("ann@gmail.com", NETWORK)
    assert welcoming.give(actor=None, held=HeldWelcome.objects.get(wallet=wallet))
    other = somebody("a.n.n+2@gmail.com", PUBLIC)
    assert (audit(wallet), audit(other), held(other)) == (3, 0, (Reason.MAILBOX, 3))
    assert welcoming.give(actor=None, held=HeldWelcome.objects.get(wallet=other))  # they insist
    assert audit(other) == 3
    told = figures.given_after_all(timezone.now() - timedelta(days=1))
    assert (told.people, told.credits) == (2, 6)


def test_what_staff_may_not_grant_they_do_not_give(settings: Any) -> None:
    wallet = somebody("ann@mailinator.com")
    with pytest.raises(PermissionDenied):
        welcoming.give(actor=User.objects.create_user("x@example.org", is_staff=True), held=HeldWelcome.objects.get())
    settings.SUPPORT_GRANT_DAILY_LIMIT = 2
    with pytest.raises(GrantedEnough):
        welcoming.give(actor=staff("support"), held=HeldWelcome.objects.get())
    assert (audit(wallet), held(wallet)) == (0, (Reason.DISPOSABLE, 3))


def test_giving_them_at_once_gives_once() -> None:
    wallet = somebody("ann@mailinator.com")
    User.objects.filter(pk=wallet.user_id).update(email="ann@example.com")
    row = HeldWelcome.objects.select_related("wallet__user").get()

    def give(number: int) -> None:
        if number % 2:
            ledger.welcome(Wallet.objects.get(pk=wallet.pk))
        else:
            welcoming.give(actor=None, held=row)

    at_once(8, give)
    assert audit(wallet) == 3
    assert CreditEntry.objects.filter(kind=CreditEntry.Kind.GRANT).count() == 1


def test_figures_say_how_many_were_given_and_held_back(settings: Any) -> None:
    settings.WELCOME_PER_NETWORK_PER_DAY = 1
    for email in ("ann@example.com", "bob@example.com", "a@mailinator.com", "b@mailinator.com", "ann+1@example.com"):
        somebody(email, NETWORK)
    old = somebody("c@mailinator.com")
    HeldWelcome.objects.filter(wallet=old).update(held_at=timezone.now() - timedelta(days=2))
    day = timezone.now() - timedelta(days=1)
    given = figures.given(day)
    assert (given.people, given.credits) == (1, 3)
    counted = [(row.people, row.credits) for row in figures.held_back(day)]
    assert counted == [(2, 6), (1, 3), (1, 3)]
