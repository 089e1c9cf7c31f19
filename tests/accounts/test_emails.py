"""Plus-addresses and dots of the big providers lead to one mailbox, and a mailbox is welcomed once."""

from typing import Any

import pytest
from allauth.account.models import EmailAddress

from accounts.emails import is_disposable, mailbox
from accounts.models import User
from billing import ledger


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ann.Bee+x@gmail.com", "annbee@googlemail.com"),
        ("ann+y@example.com", "ann@EXAMPLE.com"),
        ("ann-shop@yahoo.com", "ann@yahoo.com"),
        ("ann+1@outlook.com", "ann@outlook.com"),
        ("ann@me.com", "ann+shop@icloud.com"),
        ("ann.bee@protonmail.com", "ANN_B-ee@pm.me"),
        ("ann.bee@yandex.com", "ann-bee@ya.ru"),
        ("shop@ann.fastmail.com", "ann@fastmail.com"),
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
        ("ann@fastmail.com", "ann@fastmail.fm"),
        ("...@gmail.com", "@gmail.com"),
    ],
)
def test_these_are_two(one: str, other: str) -> None:
    assert mailbox(one) != mailbox(other)


@pytest.mark.parametrize(
    ("email", "is_one"),
    [
        ("ann@mailinator.com", True),
        ("ann@MAILINATOR.com ", True),
        ("ann@box.mailinator.com", True),
        ("ann@xn--d-bga.net", True),
        ("ann@mailinator.com.example.org", False),
        ("ann@example.com", False),
        ("ann@gmail.com", False),
        ("ann@com", False),
        ("ann", False),
    ],
)
def test_what_is_thrown_away_is_known_by_its_domain(email: str, is_one: bool) -> None:
    assert is_disposable(email) is is_one


@pytest.mark.parametrize(
    ("email", "is_one"),
    [
        ("ann@throwaway.example", True),
        ("ann@box.throwaway.example", True),
        ("ann@staff.throwaway.example", False),
        ("ann@mailinator.com", False),
        ("ann@box.mailinator.com", True),
        ("ann@yopmail.com", True),
    ],
)
def test_the_operator_knows_better(email: str, is_one: bool, settings: Any) -> None:
    settings.DISPOSABLE_DOMAINS = frozenset({"throwaway.example", "box.mailinator.com"})
    settings.PERMANENT_DOMAINS = frozenset({"staff.throwaway.example", "mailinator.com"})
    assert is_disposable(email) is is_one


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
