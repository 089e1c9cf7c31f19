"""Plus-addresses and dots of the big providers lead to one mailbox, and a mailbox is welcomed once."""

from typing import Any

import pytest
from allauth.account.models import EmailAddress

from accounts.emails import mailbox
from accounts.models import User
from billing import ledger


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ann.Bee+x@gmail.com", "annbee@googlemail.com"),
        ("ann+y@example.com", "ann@EXAMPLE.com"),
        ("ann-shop@yahoo.com", "ann@yahoo.com"),
        ("ann+1@outlook.com", "ann@outlook.com"),
    ],
)
def test_these_are_one_mailbox(one: str, other: str) -> None:
    assert mailbox(one) == mailbox(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a.b@example.com", "ab@example.com"),
        ("a-b@example.com", "a@example.com"),
        ("ann@outlook.com", "ann@gmail.com"),
        ("+tag@example.com", "@example.com"),
    ],
)
def test_these_are_two(one: str, other: str) -> None:
    assert mailbox(one) != mailbox(other)


def test_a_mailbox_is_welcomed_once(transactional_db: None) -> None:
    addresses = ("ann.bee@gmail.com", "annbee+2@gmail.com", "carl@example.com")
    users = [User.objects.create_user(email) for email in addresses]
    assert [ledger.wallet_of(user.pk).balance for user in users] == [3, 0, 3]


def test_where_addresses_are_verified_the_welcome_waits_for_it(transactional_db: None, settings: Any) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    user = User.objects.create_user("ann@example.com")
    address = EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=False)
    assert ledger.wallet_of(user.pk).balance == 0
    address.verified = True
    address.save()
    ledger.welcome(ledger.wallet_of(user.pk))
    ledger.welcome(ledger.wallet_of(user.pk))
    assert ledger.wallet_of(user.pk).balance == 3
