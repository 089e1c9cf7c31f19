"""Codes in the admin: made by forms that say what they do, listed with their uses, found by a whole code, stopped."""

import csv
from typing import Any

from accounts.models import User
from billing.codes import redeeming
from billing.models import AuditRecord, Code, CodeOffer
from tests.admin.conftest import REASON, Staff


def make(who: Staff, **data: Any) -> Any:
    return who.act("code_promo", **{"code": "spring 24", "most": "5", "credits": "50", **data})


def batch(who: Staff, **data: Any) -> Any:
    return who.act("code_batch", **{"name": "Fair", "count": "3", "begin": "fair", "credits": "50", **data})


def test_a_promo_code_is_made_and_shown_with_its_link(finance: Staff, alice: User) -> None:
    assert make(finance).status_code == 302
    offer = CodeOffer.objects.get()
    text = finance.text("billing_codeoffer_change", offer.pk)
    assert "SPRING 24" in text
    assert "/redeem/?code=" in text
    record = AuditRecord.objects.get(action="Made codes")
    assert (record.actor, record.reason, record.after["credits"], record.after["uses"]) == (finance.user, REASON, 50, 5)
    redeeming.redeem(user=alice, typed="SPRING24")
    assert "alice@example.com" in finance.text("billing_codeoffer_change", offer.pk)
    assert "1 of 5" in finance.text("billing_codeoffer_changelist")
    assert "alice@example.com" in finance.text("billing_redemption_changelist", query=f"?offer__id__exact={offer.pk}")


def test_a_code_that_there_is_already_is_told_beside_the_field(finance: Staff) -> None:
    make(finance)
    assert "looks just like it" in make(finance, code="SPR1NG24").content.decode()


def test_what_makes_no_sense_is_told(finance: Staff) -> None:
    for data, words in (
        ({"code": "a!"}, "letters (A to Z) and digits"),
        ({"ends_on": "2020-01-01"}, "not in the past"),
        ({"credits": "0"}, "greater than or equal to 1"),
    ):
        answer = make(finance, **data)
        assert answer.status_code == 200
        assert words in answer.content.decode()
    assert not CodeOffer.objects.exists()


def test_a_batch_comes_as_a_file_once(finance: Staff, alice: User) -> None:
    nonce = "6f5c1f6a-3ad7-4fd3-9a35-1e7f0e8fd111"
    answer = batch(finance, nonce=nonce)
    assert answer["Content-Type"].startswith("text/csv")
    assert "no-store" in answer["Cache-Control"]
    head, *rows = csv.reader(answer.content.decode().splitlines())
    assert head == ["code", "link", "credits"]
    assert len(rows) == 3
    assert all(code.startswith("FAIR-") and link.endswith(f"/redeem/?code={code}") for code, link, _ in rows)
    assert batch(finance, nonce=nonce).status_code == 302
    redeeming.redeem(user=alice, typed=rows[0][0])
    listed = finance.text("billing_codeoffer_changelist", query=f"?q={rows[1][0]}")
    assert "Fair" in listed
    assert rows[1][0] not in finance.text("billing_codeoffer_change", CodeOffer.objects.get().pk)


def test_one_leaked_code_is_stopped_by_itself(finance: Staff) -> None:
    rows = list(csv.reader(batch(finance).content.decode().splitlines()))[1:]
    offer = CodeOffer.objects.get()
    assert "There is no such code" in finance.act("code_off", offer.pk, code="NONE1234").content.decode()
    finance.act("code_off", offer.pk, code=rows[0][0])
    assert [code.off_at is not None for code in Code.objects.order_by("pk")] == [True, False, False]
    finance.act("code_off", offer.pk)
    offer.refresh_from_db()
    assert offer.off_at is not None
    assert AuditRecord.objects.filter(action="Switched codes off").count() == 2
