"""Plans and packs: edited by finance, with a reason, refused in words."""

from typing import Any

import pytest

from billing.models import AuditRecord, Pack, Plan
from tests.admin.conftest import REASON, Staff

PLAN = {
    "name": "Basic",
    "credits": "100",
    "price": "900",
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
    assert edit(finance, basic, price="1200").status_code == 302
    basic.refresh_from_db()
    assert basic.price == 1200
    record = AuditRecord.objects.latest("id")
    assert (record.action, record.reason, record.actor) == ("Changed the catalogue", REASON, finance.user)
    assert (record.before["price"], record.after["price"]) == (900, 1200)


def test_the_slug_of_a_plan_stays(finance: Staff, basic: Plan) -> None:
    edit(finance, basic, slug="other", price="1200")
    basic.refresh_from_db()
    assert basic.slug == "basic"


@pytest.mark.services
@pytest.mark.parametrize(
    ("data", "words"),
    [
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
    assert finance.post("billing_pack_add", **{**data, "price": "100"}).status_code == 302
    assert Pack.objects.get(slug="pack-9").currency == "eur"
    assert AuditRecord.objects.latest("id").action == "Added to the catalogue"


def test_nothing_is_deleted(boss: Staff, basic: Plan) -> None:
    assert boss.post("billing_plan_delete", basic.pk, post="yes").status_code == 403
    assert "delete_selected" not in boss.text("billing_plan_changelist")


def test_support_edits_nothing(support: Staff, basic: Plan) -> None:
    assert edit(support, basic, price="1").status_code == 403
    basic.refresh_from_db()
    assert basic.price == 900
