"""The operator's commands for credits: `grant_credits` and `credits`."""

import io
import re
from collections.abc import Callable

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from billing import ledger
from billing.models import CreditEntry, CreditGrant, Wallet
from tests.billing import books
from tests.billing.books import audit, history


def run(*arguments: str) -> str:
    """Run a command as typed and return what it prints; the other stream must stay silent."""
    out, err = io.StringIO(), io.StringIO()
    call_command(*arguments, stdout=out, stderr=err)
    assert err.getvalue() == ""
    return out.getvalue()


def grant(credits: str, reason: str = "a test", email: str = "alice@example.com") -> str:
    return run("grant_credits", email, credits, "--reason", reason)


def refused(*arguments: str) -> str:
    """Run a command that must fail; return its error, which is one line, with nothing printed before it."""
    out = io.StringIO()
    with pytest.raises(CommandError) as error:
        call_command(*arguments, stdout=out)
    assert out.getvalue() == ""
    assert "\n" not in str(error.value)
    return str(error.value)


def test_granting_prints_the_new_balance_as_a_bare_integer(wallet: Wallet) -> None:
    assert grant("100") == "103\n"
    assert audit(wallet) == 103


def test_granting_works_before_the_account_was_ever_used(alice: User) -> None:
    assert grant("100") == "103\n"


def test_granted_credits_come_from_staff_never_expire_and_keep_their_reason(wallet: Wallet) -> None:
    grant("7", reason="  sorry for Tuesday ")
    bucket = CreditGrant.objects.latest("id")
    assert (bucket.source, bucket.amount, bucket.expires_at) == (CreditGrant.Source.STAFF, 7, None)
    assert CreditEntry.objects.latest("id").cause == "sorry for Tuesday"


def test_granting_twice_grants_twice(wallet: Wallet) -> None:
    assert (grant("5"), grant("5")) == ("8\n", "13\n")


def test_a_negative_number_takes(wallet: Wallet) -> None:
    assert grant("-2") == "1\n"
    assert history(wallet)[-1] == ("take", -2)


def test_taking_stops_at_zero(wallet: Wallet) -> None:
    assert grant("-1000") == "0\n"
    assert grant("-1") == "0\n"
    assert audit(wallet) == 0


@pytest.mark.services
def test_granting_finds_a_user_in_whatever_case_their_email_is_written(wallet: Wallet) -> None:
    assert grant("1", email="ALICE@Example.com") == "4\n"


def test_granting_touches_nobody_else(wallet: Wallet, bob: User) -> None:
    bobs = ledger.wallet_of(bob.pk)
    grant("5")
    assert audit(bobs) == 3


@pytest.mark.services
@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["nobody@example.com", "5", "--reason", "x"], "Nobody is registered as nobody@example.com"),
        (["alice@example.com", "0", "--reason", "x"], "N is 1 to 1000000"),
        (["alice@example.com", "1000001", "--reason", "x"], "N is 1 to 1000000"),
        (["alice@example.com", "-1000001", "--reason", "x"], "N is 1 to 1000000"),
        (["alice@example.com", "many", "--reason", "x"], "N"),
        (["alice@example.com", "1.5", "--reason", "x"], "N"),
        (["alice@example.com", "5", "--reason", " "], "--reason"),
        (["alice@example.com", "5", "--reason", "x" * 301], "--reason"),
        (["alice@example.com", "5"], "--reason"),
    ],
)
def test_granting_refuses_in_one_line_and_changes_nothing(wallet: Wallet, arguments: list[str], complaint: str) -> None:
    assert complaint in refused("grant_credits", *arguments)
    assert history(wallet) == [("grant", 3)]


@pytest.mark.services
def test_credits_prints_the_balance_first_then_the_last_entries_newest_first(
    wallet: Wallet, give: Callable[[int], None]
) -> None:
    give(10)
    books.hold(wallet=wallet, credits=1, reference="generation:img_1", cause="Image img_1")
    balance, *entries = run("credits", "Alice@example.com").splitlines()
    assert balance == "12"
    assert len(entries) == 3
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +-1 +12 +Set aside +Image img_1  \[generation:img_1\]", entries[0]
    )
    assert "Welcome" in entries[2]


def test_credits_shows_twenty_entries(wallet: Wallet, give: Callable[[int], None]) -> None:
    for _ in range(25):
        give(1)
    assert len(run("credits", "alice@example.com").splitlines()) == 21


def test_credits_opens_an_account_that_was_never_used(alice: User) -> None:
    assert run("credits", "alice@example.com").splitlines()[0] == "3"


def test_credits_refuses_somebody_unknown(wallet: Wallet) -> None:
    assert refused("credits", "nobody@example.com") == "Nobody is registered as nobody@example.com."
    assert not User.objects.filter(email="nobody@example.com").exists()
