"""A person's page: everything about them together, for whoever may see it."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import keys
from accounts.models import ApiKey, User
from billing.models import CreditGrant, Dispute, StripeAccount, StripeCustomer, Subscription, Wallet
from billing.staff import acts
from generator.ask import admission
from generator.models import Attempt, Generation, Upstream
from generator.upstreams import secret
from tests.admin.conftest import REASON, Staff, finish
from tests.billing import books

PERSON = "accounts_user_change"


@pytest.mark.services
def test_it_shows_plan_balance_payments_entries_images_keys_and_records_together(
    boss: Staff,
    alice: User,
    wallet: Wallet,
    dispute: Dispute,
    subscription: Subscription,
    drawn: Generation,
    key: tuple[ApiKey, str],
) -> None:
    acts.grant(actor=boss.user, wallet=wallet, credits=5, reason="For waiting", reference="staff:1")
    text = boss.text(PERSON, alice.pk)
    assert f"Renews on {subscription.period_end:%-d %B %Y}" in text
    assert "Welcome credits" in text  # a grant with credits left
    assert "50 credits bought" in text  # an entry's cause
    assert "$5.00 USD" in text
    assert "cus_Alice1" in text
    assert "Under dispute" in text
    assert drawn.prompt in text
    assert f"{drawn.file_token}_480.webp" in text
    assert key[0].prefix in text
    assert key[1] not in text
    assert "For waiting" in text
    assert "sam@example.com" in text


def test_a_customer_links_to_the_account_and_mode_where_it_is_one(
    boss: Staff, alice: User, wallet: Wallet, settings: Any
) -> None:
    settings.EMBEDDED_STRIPE = False
    test = StripeAccount.objects.create(stripe_id="acct_1", livemode=False)
    live = StripeAccount.objects.create(stripe_id="acct_2", livemode=True)
    StripeCustomer.objects.create(wallet=wallet, account=test, stripe_id="cus_test", gone_at=timezone.now())
    StripeCustomer.objects.create(wallet=wallet, account=live, stripe_id="cus_live")
    text = boss.text(PERSON, alice.pk)
    assert text.index("https://dashboard.stripe.com/acct_2/customers/cus_live") > 0
    assert text.index("cus_live") < text.index("https://dashboard.stripe.com/acct_1/test/customers/cus_test")
    assert "acct_1, test" in text


def test_a_suspended_and_a_deleted_person_are_told_apart(boss: Staff, alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(is_active=False)
    suspended = boss.text(PERSON, alice.pk)
    assert ">Suspended</span>" in suspended
    assert ">Restore</a>" in suspended
    User.objects.filter(pk=alice.pk).update(deleted_at=timezone.now())
    deleted = boss.text(PERSON, alice.pk)
    assert ">Deleted</span>" in deleted
    assert ">Suspended</span>" not in deleted
    assert ">Restore</a>" not in deleted


def test_its_parts_lead_to_each_other(boss: Staff, alice: User, dispute: Dispute, drawn: Generation) -> None:
    page = boss.get(PERSON, alice.pk)
    links = {part.split('"')[0] for part in page.content.decode().split('href="')[1:]}
    assert any(drawn.public_id.replace("_", "_5F") in link for link in links)
    followed = {link for link in links if link.startswith("/admin/")}
    assert len(followed) > 20
    for link in followed:
        assert boss.client.get(link, follow=True).status_code == 200, link


def test_the_number_of_queries_does_not_grow(boss: Staff, alice: User, wallet: Wallet) -> None:
    def fill(first: int, last: int) -> None:
        for number in range(first, last):
            books.grant(
                wallet=wallet,
                credits=2,
                source=CreditGrant.Source.STAFF,
                reference=f"x:{number}",
                cause="x",
            )
            request = admission.ImageRequest(prompt=f"image {number}")
            finish(admission.admit(wallet=wallet, request=request).generation)
            keys.mint(user=alice, name=f"key {number}")
            acts.grant(actor=boss.user, wallet=wallet, credits=1, reason="x", reference=f"staff:{number}")

    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            boss.text(PERSON, alice.pk)
        return len(captured)

    fill(0, 1)
    queries()  # what is looked up once a process
    few = queries()
    fill(1, 8)
    assert queries() == few < 30


def test_looking_at_somebody_opens_no_account(boss: Staff, bob: User, wallet: Wallet) -> None:
    acts.revoke_keys(actor=boss.user, user=bob, api_keys=[], reason=REASON)
    assert "Nothing has happened yet" in boss.text(PERSON, bob.pk)
    assert not Wallet.objects.filter(user=bob).exists()


def test_a_persons_page_shows_nothing_of_somebody_else(
    boss: Staff, bob: User, dispute: Dispute, drawn: Generation, key: tuple[ApiKey, str]
) -> None:
    text = boss.text(PERSON, bob.pk)
    assert not any(word in text for word in ("alice@", "pi_Alice1", drawn.public_id, key[0].prefix, "Under dispute"))


def test_prompts_names_and_reasons_are_shown_as_text(boss: Staff, alice: User, wallet: Wallet) -> None:
    evil = "<script>alert('x')</script>"
    User.objects.filter(pk=alice.pk).update(name=evil)
    ApiKey.objects.filter(pk=keys.mint(user=alice, name="k")[0].pk).update(name=evil)
    drawing = finish(admission.admit(wallet=wallet, request=admission.ImageRequest(prompt=evil)).generation)
    boss.act("person_grant", alice.pk, credits=1, reason=evil)
    pages = [
        boss.text(PERSON, alice.pk),
        boss.text("accounts_user_changelist"),
        boss.text("billing_creditentry_changelist"),
        boss.text("billing_auditrecord_changelist"),
        boss.text("accounts_apikey_changelist"),
        boss.text("generator_generation_change", drawing.pk),
        boss.text("person_return_credit", alice.pk, drawing.public_id),
        boss.text("person_revoke_keys", alice.pk),
        boss.text("person_grant", alice.pk),
    ]
    for page in pages:
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert" in page


def test_support_sees_work_and_finance_does_not(
    support: Staff, finance: Staff, alice: User, dispute: Dispute, drawn: Generation, key: tuple[ApiKey, str]
) -> None:
    seen, unseen = support.text(PERSON, alice.pk), finance.text(PERSON, alice.pk)
    for word in (drawn.prompt, key[0].prefix):
        assert word in seen
        assert word not in unseen
    for word in ("pi_Alice1", "checkout:cs_test_Alice1", "Under dispute"):
        assert (word in unseen) or word == "pi_Alice1"
    assert "Take credits" in unseen
    assert "Take credits" not in seen


def test_a_post_to_the_page_is_refused_even_to_a_superuser(boss: Staff, alice: User) -> None:
    response = boss.post(PERSON, alice.pk, email="evil@example.com", is_superuser="on", _save="1")
    assert response.status_code == 403
    alice.refresh_from_db()
    assert (alice.email, alice.is_superuser) == ("alice@example.com", False)


def test_staff_without_a_role_see_nobody(hire: object, alice: User, bob: User) -> None:
    from django.test import Client

    User.objects.filter(pk=bob.pk).update(is_staff=True)
    client = Client()
    client.force_login(bob)
    assert client.get("/admin/").status_code == 200
    for path in ("/admin/accounts/user/", f"/admin/accounts/user/{alice.pk}/change/", "/admin/billing/payment/"):
        assert client.get(path).status_code == 403
    assert client.get(f"/admin/accounts/user/{alice.pk}/grant/").status_code == 403


@pytest.mark.parametrize("number", ["0", "999999", "abc", "9" * 30])
def test_nobodys_page_is_not_found(boss: Staff, number: str) -> None:
    assert boss.client.get(f"/admin/accounts/user/{number}/change/").status_code == 404


def test_an_images_tries_are_told_and_what_they_cost_to_who_sees_costs(
    boss: Staff, support: Staff, alice: User, drawn: Generation
) -> None:
    drawn.attempts.all().delete()
    spare = Upstream.objects.create(slug="spare", name="Spare", dialect="reve_art", secret=secret.seal("key-of-spare"))
    Attempt.objects.create(
        generation=drawn, number=1, upstream=spare, state="not_taken", error_kind="Busy", error_status=429
    )
    about = {"upstream_job": "job_77", "cost_micros": 40_000, "cost_currency": "USD"}
    Attempt.objects.create(generation=drawn, number=2, upstream=spare, state="drawn", **about)

    text = boss.text(PERSON, alice.pk)
    assert "not taken, HTTP 429, Busy" in text
    assert "job_77" in text
    assert "$0.04 USD" in text
    assert "key-of-spare" not in text
    assert spare.secret not in text
    seen = support.text(PERSON, alice.pk)
    assert "job_77" in seen
    assert "$0.04" not in seen
    assert "Spare" in boss.text("generator_generation_change", drawn.pk)
