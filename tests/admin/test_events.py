"""Stripe's events: those that nobody could follow come first and can be tried again by hand."""

from typing import Any

import pytest
from django.utils import timezone

from billing.models import AuditRecord, StripeAccount, StripeEvent
from billing.stripe import events
from tests.admin.conftest import Staff

EVENTS = "billing_stripeevent_changelist"


def retry(who: Staff, *events: StripeEvent) -> Any:
    url_data = {"action": "try_again", "_selected_action": [event.pk for event in events]}
    who.post(EVENTS, **url_data)
    return who.text(EVENTS)


@pytest.fixture
def handled() -> StripeEvent:
    return StripeEvent.objects.create(
        id="evt_Done1", type="customer.updated", payload={"data": {"object": {}}}, handled_at=timezone.now()
    )


@pytest.mark.services
def test_unhandled_ones_come_first_with_their_error(finance: Staff, event: StripeEvent, handled: StripeEvent) -> None:
    text = finance.text(EVENTS)
    assert 0 < text.index("evt_Alice1") < text.index("evt_Done1")
    assert "NotYet: come back later" in text
    assert "evt_Done1" not in finance.text(EVENTS, query="?handled=no")
    assert "evt_Alice1" not in finance.text(EVENTS, query="?handled=yes")


@pytest.mark.services
def test_trying_again_handles_it_before_it_is_due_and_records_that(finance: Staff, event: StripeEvent) -> None:
    assert "1 of 1 events handled" in retry(finance, event)
    event.refresh_from_db()
    assert event.handled_at
    record = AuditRecord.objects.latest("id")
    assert (record.actor, record.action) == (finance.user, "Tried a Stripe event again")
    assert (record.before["event"], record.before["handled"], record.after["handled"]) == ("evt_Alice1", False, True)


def test_one_that_fails_again_says_why(finance: Staff, event: StripeEvent, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(event: StripeEvent) -> None:
        raise RuntimeError("<b>still</b> not")

    monkeypatch.setattr(events, "apply", fail)
    text = retry(finance, event)
    assert "RuntimeError: &lt;b&gt;still&lt;/b&gt; not" in text
    event.refresh_from_db()
    assert (event.handled_at, event.attempts) == (None, 3)
    assert AuditRecord.objects.latest("id").after["handled"] is False


def test_handled_ones_are_left_alone(finance: Staff, handled: StripeEvent) -> None:
    assert "handled already" in retry(finance, handled)
    assert not AuditRecord.objects.filter(action="Tried a Stripe event again").exists()


def test_what_is_not_ours_says_why_and_at_which_account(finance: Staff, handled: StripeEvent) -> None:
    account = StripeAccount.objects.create(stripe_id="acct_other", livemode=True)
    about = {"account": account, "livemode": True, "ignored": "Another site's customer"}
    StripeEvent.objects.create(id="evt_Foreign1", type="invoice.paid", payload={}, handled_at=timezone.now(), **about)
    listed = finance.text(EVENTS, query="?handled=ignored")
    assert "evt_Foreign1" in listed
    assert "Another site&#x27;s customer" in listed
    assert "evt_Done1" not in listed
    assert "evt_Foreign1" not in finance.text(EVENTS, query="?handled=yes")
    assert "evt_Foreign1" in finance.text(EVENTS, query=f"?account__id__exact={account.pk}")
    page = finance.text("billing_stripeevent_change", "evt_5FForeign1")
    assert "https://dashboard.stripe.com/acct_other/events/evt_Foreign1" in page


def test_support_tries_nothing(support: Staff, event: StripeEvent) -> None:
    assert support.post(EVENTS, action="try_again", _selected_action=[event.pk]).status_code == 403
    event.refresh_from_db()
    assert event.handled_at is None
