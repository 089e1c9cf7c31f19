"""What installations of before said in strings, or did not write down, is read out of them by migrating."""

import pytest
from django.db.models import F

from accounts.models import User
from billing.models import (
    CreditEntry,
    CreditGrant,
    Order,
    Payment,
    Plan,
    Price,
    Refund,
    StripeAccount,
    StripeCustomer,
    StripeEvent,
    Wallet,
)
from generator.models import Generation
from tests.installations import prepared
from tests.installations.prepared import Installation

pytestmark = [
    pytest.mark.services,
    pytest.mark.usefixtures("moment"),
    pytest.mark.parametrize("installation", prepared.BEFORE_RELATIONS, indirect=True, scope="module"),
]


def test_everybody_is_who_they_were_at_stripe(installation: Installation) -> None:
    [account] = StripeAccount.objects.all()
    were = {pk: row["stripe_customer_id"] for pk, row in installation.rows_of(Wallet).items()}
    rows = StripeCustomer.objects.filter(account=account, gone_at=None)
    assert dict(rows.values_list("wallet", "stripe_id")) == {pk: name for pk, name in were.items() if name}


def test_the_events_on_record_name_nobody_any_more(installation: Installation) -> None:
    people = list(User.objects.values_list("email", flat=True))
    told = [str(payload) for payload in StripeEvent.objects.values_list("payload", flat=True)]
    assert [text for text in told if "@" in text or any(email in text for email in people)] == []
    were = [str(row["payload"]) for row in installation.before["billing.stripeevent"].values()]
    assert any("@" in text for text in were)


def test_what_was_sold_is_written_down(installation: Installation) -> None:
    plans = installation.rows_of(Plan)
    for price in Price.objects.exclude(plan=None):
        plan = plans[price.plan_id]
        assert (price.interval, price.credits) == (plan["interval"], plan["credits"])
        assert price.stripe_product_id == plan["stripe_product_id"]
    assert not Order.objects.filter(price=None).exists()
    granted = Payment.objects.exclude(grant=None)
    assert not granted.exclude(credits=F("grant__amount"), price__isnull=False).exists()
    assert not CreditGrant.objects.filter(source="plan", subscription=None).exists()
    assert not CreditGrant.objects.filter(source="plan", period_end=None).exists()


def test_what_belonged_together_by_name_does_by_relation(installation: Installation) -> None:
    were = installation.rows_of(CreditEntry)
    called = {row["reference"]: pk for pk, row in were.items()}
    expected = {}
    for pk, row in were.items():
        name, _, last = row["reference"].rpartition(":")
        if row["kind"] in ("settle", "release", "restore"):
            expected[pk] = called[f"{name}:outcome" if last == "returned" else name]
    assert dict(CreditEntry.objects.exclude(of=None).values_list("pk", "of")) == expected
    assert len(expected) > 20
    taken = CreditEntry.objects.filter(kind="claw_back")
    by = {one.pk: (one.refund or one.dispute) for one in taken}
    assert {pk for pk, row in were.items() if row["kind"] == "claw_back"} == {pk for pk in by if by[pk]}
    frozen = {pk: row["frozen_by"] for pk, row in installation.rows_of(CreditGrant).items()}
    now = dict(CreditGrant.objects.exclude(dispute=None).values_list("pk", "dispute__stripe_id"))
    assert now == {pk: name[8:] for pk, name in frozen.items() if name.startswith("dispute:")}
    # Where nothing was left when the money went back, and nothing was out, there was nothing to claim.
    refunds = installation.rows_of(Refund)
    idle = {pk for pk, row in refunds.items() if row["reference"] not in called and not row["owed"]}
    assert set(Refund.objects.filter(credits=0).values_list("pk", flat=True)) == idle


def test_a_refused_prompt_is_told_by_its_own_code(installation: Installation) -> None:
    before = {pk: row["error_code"] for pk, row in installation.rows_of(Generation).items() if row["error_code"]}
    renamed = {pk: "prompt_refused" if code == "invalid_request" else code for pk, code in before.items()}
    assert "invalid_request" in before.values()
    assert dict(Generation.objects.filter(pk__in=before).values_list("pk", "error_code")) == renamed
