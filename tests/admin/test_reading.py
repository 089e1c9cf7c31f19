"""History is read in the admin and changed by nobody, superusers included."""

import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib import admin
from django.db.models import DateTimeField
from django.urls import reverse
from django.utils import timezone
from django.utils.text import capfirst

from accounts.models import ApiKey
from billing import ledger
from billing.codes import making, redeeming
from billing.models import (
    AuditRecord,
    CreditEntry,
    Dispute,
    HeldWelcome,
    Order,
    OutgoingMail,
    Price,
    StaffRefund,
    StripeEvent,
    Subscription,
    Wallet,
)
from billing.staff import acts
from generator.ask import admission
from generator.jobs import lifecycle
from generator.jobs.changes import Useless
from generator.models import Generation, Report, UpstreamTrouble, WebhookDelivery
from reveweb.watch.models import Alert
from tests.admin.conftest import REASON, Staff
from tests.billing.books import audit

EDITABLE = {
    *("billing_plan", "billing_pack", "billing_bulk"),
    *(
        "generator_imagemodel",
        "generator_pause",
        "generator_price",
        "generator_promptrule",
        "generator_route",
        "generator_upstream",
    ),
}
READ_ONLY = sorted({model._meta.label_lower.replace(".", "_") for model in admin.site._registry} - EDITABLE)


@pytest.fixture(autouse=True)
def _one_of_each(
    boss: Staff,
    wallet: Wallet,
    dispute: Dispute,
    event: StripeEvent,
    subscription: Subscription,
    drawn: Generation,
    message: WebhookDelivery,
    key: tuple[ApiKey, str],
) -> None:
    ledger.wallet_of(boss.user.pk)  # the page that refuses shows whoever asked their balance
    UpstreamTrouble.objects.create(upstream="api.reve-art.com", kind="key_refused")
    Order.objects.create(wallet=wallet, account=subscription.account, stripe_session_id="cs_1", plan=subscription.plan)
    terms = {"plan": subscription.plan, "amount": 900, "currency": "usd", "interval": "month", "credits": 100}
    Price.objects.create(account=subscription.account, stripe_id="price_1", **terms)
    StaffRefund.objects.create(payment=dispute.payment, amount=100, reason=REASON, nonce=uuid4())
    OutgoingMail.objects.create(wallet=wallet, template="receipt", reference="receipt:1")
    Report.objects.create(generation=drawn, reason="other", words="No", reporter="x")
    HeldWelcome.objects.create(wallet=wallet, reason="network", credits=3)
    Alert.objects.create(name="disk", words="The disk is nearly full")
    terms_of_code = making.Terms("Spring", 1, timezone.now())
    making.make_promo(actor=None, typed="SPRING24", most=5, terms=terms_of_code, reason=REASON, nonce=uuid4())
    redeeming.redeem(user=wallet.user, typed="SPRING24")
    acts.grant(actor=boss.user, wallet=wallet, credits=5, reason=REASON, reference="staff:1")


def rows(name: str) -> list[Any]:
    model = next(model for model in admin.site._registry if model._meta.label_lower.replace(".", "_") == name)
    return list(model._default_manager.values())


def test_the_read_only_models_are_those_of_the_books() -> None:
    assert {name.removeprefix("billing_") for name in READ_ONLY if name.startswith("billing_")} == {
        "auditrecord",
        "creditentry",
        "creditgrant",
        "creditline",
        "heldwelcome",
        "dispute",
        "order",
        "payment",
        "outgoingmail",
        "price",
        "staffrefund",
        "stripeaccount",
        "stripecustomer",
        "stripeevent",
        "subscription",
        "codeoffer",
        "redemption",
    }
    assert {"accounts_user", "accounts_apikey", "generator_generation"} <= set(READ_ONLY)


@pytest.mark.services
@pytest.mark.parametrize("name", READ_ONLY)
def test_a_superuser_lists_and_reads_but_writes_nothing(boss: Staff, name: str) -> None:
    before = rows(name)
    assert before, "nothing to try it on"
    row = before[0]["id"]
    text = boss.text(f"{name}_changelist")
    assert "delete_selected" not in text
    assert 'name="_save"' not in boss.text(f"{name}_change", row)
    fields = dict.fromkeys(before[0], "7")
    assert boss.post(f"{name}_change", row, **fields, _save="1").status_code == 403
    assert boss.post(f"{name}_add", **fields).status_code == 403
    assert boss.get(f"{name}_add").status_code == 403
    assert boss.post(f"{name}_delete", row, post="yes").status_code == 403
    boss.post(f"{name}_changelist", action="delete_selected", _selected_action=[row], post="yes")
    boss.post(f"{name}_changelist", **{"form-TOTAL_FORMS": "1", "form-0-id": row, "_save": "1"}, **fields)
    assert [stable(kept) for kept in rows(name)] == [stable(kept) for kept in before]


@pytest.mark.services
@pytest.mark.parametrize("name", READ_ONLY)
def test_every_time_in_a_list_and_on_a_page_is_its_readers_own(boss: Staff, name: str) -> None:
    model = next(model for model in admin.site._registry if model._meta.label_lower.replace(".", "_") == name)
    times = {field for field in model._meta.fields if isinstance(field, DateTimeField)}
    moment = timezone.now() - timedelta(hours=2)
    if optional := {field.name: moment for field in times if field.null and field.name != "deleted_at"}:
        model._base_manager.update(**optional)
    listed, page = boss.text(f"{name}_changelist"), boss.text(f"{name}_change", rows(name)[0]["id"])
    for html in (listed, page):
        said = re.sub(r"<time .*?</time>|<pre.*?</pre>|<[^>]*>", " ", html.split("<main", 1)[1], flags=re.DOTALL)
        assert re.findall(r"(?<![\w:])\d\d:\d\d(?![\w:])|[ap]\.m\.|noon|midnight", said) == []
        assert re.search(r'<script type="module" src="/static/js/times\.[^"]*js"', html)
    proven = 0
    stamp = f'<time datetime="{moment:%Y-%m-%dT%H:%M:%SZ}" data-moment='
    for field in times:
        if field.name in optional:
            assert f"field-{field.name}" not in listed or f'{stamp}"ago">' in listed
        shown = re.findall(rf">{capfirst(field.verbose_name)}</label>.*?readonly[^>]*>(.{{5}})", page, flags=re.DOTALL)
        assert set(shown) <= {"<time"}
        proven += len(shown)
    # Two have a page of their own, and one has no times.
    assert proven or name in ("accounts_user", "billing_codeoffer", "billing_creditline")


def stable(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in ("last_login", "last_used_at")}


@pytest.mark.services
@pytest.mark.parametrize("name", READ_ONLY)
def test_each_list_can_be_searched(boss: Staff, name: str) -> None:
    assert boss.get(f"{name}_changelist", query="?q=alice@example.com").status_code in (200, 302)
    assert boss.get(f"{name}_changelist", query="?q=%00'\"").status_code == 200


def test_records_cannot_be_changed_in_code_either() -> None:
    record = AuditRecord.objects.latest("id")
    with pytest.raises(TypeError):
        record.save()
    with pytest.raises(TypeError):
        record.delete()
    with pytest.raises(TypeError):
        AuditRecord.objects.update(reason="x")
    with pytest.raises(TypeError):
        CreditEntry.objects.all().delete()


def test_entries_lead_to_their_causes(boss: Staff, wallet: Wallet, drawn: Generation) -> None:
    text = boss.text("billing_creditentry_changelist")
    for url in (
        reverse("admin:generator_generation_change", args=[drawn.public_id]),
        "/admin/billing/payment/checkout_3Acs_5Ftest_5FAlice1/change/",
    ):
        assert url.replace("img_", "img_5F") in text or url in text
    assert boss.client.get("/admin/billing/payment/checkout_3Acs_5Ftest_5FAlice1/change/").status_code == 200
    assert boss.client.get("/admin/billing/payment/checkout_3Anone/change/").status_code == 302
    assert audit(wallet) == 58


def test_a_failed_image_shows_what_the_upstream_answered_and_how_often_it_was_asked(
    boss: Staff, wallet: Wallet
) -> None:
    asked = admission.admit(wallet=wallet, request=admission.ImageRequest(prompt="a lighthouse")).generation
    claimed = lifecycle.claim_submission(asked.pk)
    assert claimed
    answer = Useless(502, "The kiln is cold.")
    assert lifecycle.fail(claimed, code="upstream_failed", message="Not available.", useless=answer)
    Generation.objects.filter(pk=asked.pk).update(submits=3, polls=17, failed_polls=4)
    shown = boss.text("generator_generation_change", asked.pk)
    for words in ("HTTP 502", "The kiln is cold.", "Not available.", ">3<", ">17<", ">4<"):
        assert words in shown
    assert "The kiln is cold." in boss.text("accounts_user_change", wallet.user_id)
    Generation.objects.filter(pk=asked.pk).update(upstream_status=None, upstream_words="")  # from before it was kept
    assert "Not known" in boss.text("generator_generation_change", asked.pk)


def test_an_image_is_shown_with_its_preview(boss: Staff, drawn: Generation) -> None:
    text = boss.text("generator_generation_change", drawn.pk)
    assert f"{drawn.file_token}_480.webp" in text
    assert reverse("admin:person_return_credit", args=[drawn.wallet.user_id, drawn.public_id]) in text


LISTS = {
    "accounts_apikey": {"support", "admin"},
    "accounts_user": {"support", "finance", "admin"},
    "billing_auditrecord": {"support", "finance", "admin"},
    "billing_creditentry": {"support", "finance", "admin"},
    "billing_dispute": {"support", "finance", "admin"},
    "billing_pack": {"finance", "admin"},
    "billing_payment": {"support", "finance", "admin"},
    "billing_plan": {"finance", "admin"},
    "billing_price": {"finance", "admin"},
    "billing_staffrefund": {"support", "finance", "admin"},
    "billing_stripeaccount": {"finance", "admin"},
    "billing_stripecustomer": {"finance", "admin"},
    "billing_outgoingmail": {"support", "finance", "admin"},
    "billing_stripeevent": {"finance", "admin"},
    "generator_generation": {"support", "admin"},
}


@pytest.mark.parametrize("name", LISTS)
def test_each_role_sees_its_lists(support: Staff, finance: Staff, admin: Staff, name: str) -> None:
    people = {"support": support, "finance": finance, "admin": admin}
    assert {r for r, who in people.items() if who.get(f"{name}_changelist").status_code == 200} == LISTS[name]
    listed = reverse(f"admin:{name}_changelist")
    assert {role for role, who in people.items() if f'href="{listed}"' in who.text("index")} == LISTS[name]
