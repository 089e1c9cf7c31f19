"""A ledger that takes minutes to look through: the doctor says what the last comparison found, and how old that is."""

from datetime import timedelta

import pytest
from django.utils import timezone

from billing.models import Comparison, CreditEntry, Wallet
from billing.staff import audit, comparing
from reveweb.doctor.checks import database
from reveweb.doctor.findings import Level


@pytest.fixture(autouse=True)
def _large(wallet: Wallet, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the ledger be one entry more than is looked through."""
    monkeypatch.setattr(database, "LARGE", CreditEntry.objects.count() - 1)


def found() -> tuple[str, Level]:
    [finding] = database.ledger()
    return finding.name, finding.level


def test_it_is_not_looked_through(monkeypatch: pytest.MonkeyPatch) -> None:
    comparing.run(comparing.begin() or 0)
    monkeypatch.setattr(audit, "drifts", lambda: pytest.fail("it would take minutes"))
    assert found() == ("ledger", Level.OK)


def test_one_that_is_no_larger_than_that_is(wallet: Wallet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "LARGE", CreditEntry.objects.count())
    assert list(database.ledger()) == []
    Wallet.objects.filter(pk=wallet.pk).update(balance=999)
    assert found() == ("ledger-drift", Level.FAULT)


def test_what_the_last_comparison_found_is_said(wallet: Wallet) -> None:
    Wallet.objects.filter(pk=wallet.pk).update(balance=999)
    comparing.run(comparing.begin() or 0)
    assert found() == ("ledger-drift", Level.FAULT)


def test_one_that_was_never_compared_or_not_for_days_is_a_warning() -> None:
    assert found() == ("ledger-uncompared", Level.WARNING)
    comparing.run(comparing.begin() or 0)
    assert found() == ("ledger", Level.OK)
    Comparison.objects.update(ended_at=timezone.now() - comparing.OLD - timedelta(hours=1))
    assert found() == ("ledger-uncompared", Level.WARNING)
