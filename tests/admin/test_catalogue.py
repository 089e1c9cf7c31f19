"""Plans and packs: edited by finance, with a reason, refused in words."""

from typing import Any

import pytest
from django.utils import timezone

from billing.models import AuditRecord, Order, Pack, Plan, Price, Subscription, Wallet
from tests.admin.conftest import REASON, Staff

PLAN = {
    "name": "Basic",
    "credits": "100",
    "price": "9.00",
    "currency": "usd",
    "interval": "month",
    "active": "on",
    "order": "1",
    "reason": REASON,
}


def edit(who: Staff, plan: Plan, **data: Any) -> Any:
    return who.post("billing_plan_change", plan.pk, **{**PLAN, **data})


@pytest.mark.services
def test_a_price_changes_with_a_record(finance: Staff, basic: Plan) -> None:
    assert "sync_stripe" in finance.text("billing_plan_change", basic.pk)
    assert edit(finance, basic, price="12").status_code == 302
    basic.refresh_from_db()
    assert basic.price == 1200
    record = AuditRecord.objects.latest("id")
    assert (record.action, record.reason, record.actor) == ("Changed the catalogue", REASON, finance.user)
    about = {"slug": "basic", "currency": "usd"}
    assert record.before == {**about, "price": 900, "order": 0}  # what is changed, and no more
    assert record.after == {**about, "price": 1200, "order": 1}
    shown = finance.text("billing_auditrecord_change", record.pk)
    assert "$9.00 USD" in shown
    assert "$12.00 USD" in shown


def test_the_slug_of_a_plan_stays(finance: Staff, basic: Plan) -> None:
    edit(finance, basic, slug="other", price="12.00")
    basic.refresh_from_db()
    assert basic.slug == "basic"


@pytest.mark.services
@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"price": "nine"}, "Write a number, as in 9.00"),
        ({"price": "9,5"}, "Write a number, as in 9.00"),
        ({"price": "9.005"}, "USD is paid in steps of 0.01"),
        ({"price": "9.50", "currency": "jpy"}, "JPY is paid in steps of 1, as in 900"),
        ({"price": "9.005", "currency": "kwd"}, "KWD is paid in steps of 0.010"),
        ({"price": "0"}, "A plan without a price has no period"),
        ({"interval": ""}, "A plan with a price is paid by the month or by the year"),
        ({"currency": "u$d"}, "Three letters"),
        ({"credits": "0"}, "A whole number from 1"),
        ({"reason": ""}, "This field is required"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(finance: Staff, basic: Plan, data: dict[str, str], words: str) -> None:
    response = edit(finance, basic, **data)
    assert response.status_code == 200
    assert words in response.content.decode()
    basic.refresh_from_db()
    assert (basic.price, basic.interval, basic.currency) == (900, "month", "usd")


def test_a_pack_is_added_and_needs_a_price(finance: Staff) -> None:
    data = {"slug": "pack-9", "name": "Nine", "credits": "9", "price": "0", "currency": "EUR", "order": "0"}
    data |= {"active": "on", "reason": REASON}
    assert "A pack has a price" in finance.post("billing_pack_add", **data).content.decode()
    assert finance.post("billing_pack_add", **{**data, "price": "1.00"}).status_code == 302
    assert Pack.objects.get(slug="pack-9").currency == "eur"
    assert AuditRecord.objects.latest("id").action == "Added to the catalogue"


@pytest.mark.parametrize(
    ("currency", "written", "price", "shown"),
    [
        ("usd", "9", 900, "9.00"),
        ("usd", "1,234.50", 123450, "1234.50"),
        ("jpy", "900", 900, "900"),
        ("kwd", "9.000", 9000, "9.000"),
        ("isk", "900", 90000, "900"),
    ],
)
def test_a_price_is_written_and_shown_in_money_of_its_currency(
    finance: Staff, basic: Plan, currency: str, written: str, price: int, shown: str
) -> None:
    assert edit(finance, basic, currency=currency, price=written).status_code == 302
    basic.refresh_from_db()
    assert (basic.price, basic.currency) == (price, currency)
    assert f'name="price" value="{shown}"' in finance.text("billing_plan_change", basic.pk)
    assert edit(finance, basic, currency=currency, price=shown).status_code == 302  # as the form shows it
    basic.refresh_from_db()
    assert basic.price == price


def test_a_plans_page_says_who_stands_on_which_terms(
    finance: Staff, basic: Plan, subscription: Subscription, wallet: Wallet
) -> None:
    account = subscription.account
    sold = {"account": account, "plan": basic, "currency": "usd", "interval": "month"}
    old = Price.objects.create(**sold, stripe_id="price_old", amount=900, credits=100, retired_at=timezone.now())
    new = Price.objects.create(**sold, stripe_id="price_new", amount=3600, credits=1000)
    Subscription.objects.update(price=old)
    Order.objects.create(wallet=wallet, account=account, plan=basic, price=new)
    Order.objects.create(wallet=wallet, account=account, plan=basic, price=new, status=Order.Status.EXPIRED)
    terms = finance.get("billing_plan_change", basic.pk).context["terms"]
    assert [(each.price, each.subscribers, each.open_checkouts) for each in terms] == [(new, 0, 1), (old, 1, 0)]
    page = finance.text("billing_plan_change", basic.pk)
    assert "$36.00 USD" in page
    assert "Subscribers keep theirs" in page
    Subscription.objects.update(price=None)
    terms = finance.get("billing_plan_change", basic.pk).context["terms"]
    assert [(each.price, each.subscribers) for each in terms] == [(new, 0), (old, 0), (None, 1)]
    assert finance.get("billing_price_change", old.pk).status_code == 200


def test_nothing_is_deleted(boss: Staff, basic: Plan) -> None:
    assert boss.post("billing_plan_delete", basic.pk, post="yes").status_code == 403
    assert "delete_selected" not in boss.text("billing_plan_changelist")


def test_support_edits_nothing(support: Staff, basic: Plan) -> None:
    assert edit(support, basic, price="1").status_code == 403
    basic.refresh_from_db()
    assert basic.price == 900
