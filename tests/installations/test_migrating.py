"""Installations of earlier versions migrate, and are what they were: rows, books, keys, images, staff, what is due."""

from collections.abc import Iterator
from datetime import datetime
from io import StringIO

import pytest
from django.apps import apps
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user
from django.contrib.sessions.backends.db import SessionStore
from django.core import mail as post
from django.core.management import call_command
from django.db import transaction
from django.db.models import Count, F, Q
from django.http import HttpRequest
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from accounts import keys
from accounts.errors import InvalidApiKey
from accounts.models import User
from billing import ledger
from billing.models import (
    CreditEntry,
    CreditGrant,
    Order,
    OutgoingMail,
    Payment,
    Plan,
    Price,
    Refund,
    StripeAccount,
    StripeCustomer,
    StripeEvent,
    Wallet,
)
from billing.outbox import mail
from billing.staff import audit
from generator.ask import admission
from generator.jobs import tasks
from generator.library import sharing
from generator.models import Generation, Group
from reveweb.personal import jobs
from reveweb.personal import tasks as personal_tasks
from tests.conftest import PASSWORD
from tests.installations import prepared
from tests.installations.prepared import Installation

pytestmark = pytest.mark.services

# What `migrate` itself keeps in step with the code.
IN_STEP = {"contenttypes.contenttype", "auth.permission", "auth.group_permissions"}
# What has a table of its own now, or names nobody any more.
MOVED = {
    "billing.stripeevent.payload",
    "stripe_customer_id",
    "stripe_product_id",
    "frozen_by",
    "billing.refund.reference",
    "generator.generation.error_code",
    "generator.generation.idempotency_key",  # of a group: `test_a_request_that_is_sent_again_finds_its_images`
}


@pytest.fixture(scope="module", params=prepared.ALL)
def installation(
    request: pytest.FixtureRequest, django_db_blocker: DjangoDbBlocker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """Each prepared installation, migrated."""
    folder = tmp_path_factory.mktemp("installation")
    with django_db_blocker.unblock(), prepared.migrated(request.param, folder) as installation:
        yield installation


@pytest.fixture(autouse=True)
def _moment(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """It is the moment at which the installation was stopped, and what a test changes there is undone."""
    at = datetime.fromisoformat(installation.facts["at"])
    monkeypatch.setattr(timezone, "now", lambda: at)
    block = transaction.atomic()
    vars(block)["_from_testcase"] = True  # as in Django's own: what is tested may wait for others within it
    with block:
        yield
        transaction.set_rollback(True)


def test_every_row_is_what_it_was(installation: Installation) -> None:
    now = prepared.rows(apps)
    changed = []
    for old, table in installation.before.items():
        if old in IN_STEP:
            continue
        kept = now[installation.names.model_of(old)._meta.label_lower]
        for pk, row in table.items():
            found = kept.get(pk, {})
            for name, value in row.items():
                new = installation.names.field_of(old, name)
                if not MOVED & {name, f"{old}.{name}"} and (new not in found or found[new] != value):
                    changed.append(f"{old} {pk}: {name} was {value!r}, {new} is {found.get(new, 'gone')!r}")
    assert changed == []
    assert sum(map(len, installation.before.values())) > 500


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


def test_the_books_are_clean(installation: Installation) -> None:
    assert list(audit.drifts()) == []


def test_everybody_has_the_credits_they_had(installation: Installation) -> None:
    known = {email: person["credits"] for email, person in installation.facts["people"].items()}
    had = {email: credits for email, credits in known.items() if credits is not None}
    assert dict(Wallet.objects.values_list("user__email", "balance")) == had


@pytest.mark.usefixtures("installation")
def test_people_log_in_with_the_passwords_they_had() -> None:
    ada = User.objects.get(email="ada@example.com")
    assert ada.check_password(PASSWORD)


@pytest.mark.usefixtures("installation")
def test_browsers_stay_logged_in() -> None:
    ada = User.objects.get(email="ada@example.com")
    request = HttpRequest()
    request.session = SessionStore()
    request.session[SESSION_KEY] = str(ada.pk)
    request.session[HASH_SESSION_KEY] = ada.get_session_auth_hash()
    request.session[BACKEND_SESSION_KEY] = "reveweb.login.backends.AuthenticationBackend"  # as every session has it
    assert get_user(request) == ada


def test_keys_open_what_they_opened(installation: Installation) -> None:
    assert {one["secret"]: _opens(one["secret"]) for one in installation.facts["keys"]} == {
        one["secret"]: one["opens"] for one in installation.facts["keys"]
    }
    assert {one["opens"] for one in installation.facts["keys"]} == {True, False}


def test_images_are_what_they_were_and_cost_what_they_cost(installation: Installation) -> None:
    assert {one.public_id: _image(one) for one in Generation.objects.all()} == installation.facts["images"]


def test_a_refused_prompt_is_told_by_its_own_code(installation: Installation) -> None:
    before = {pk: row["error_code"] for pk, row in installation.rows_of(Generation).items() if row["error_code"]}
    renamed = {pk: "prompt_refused" if code == "invalid_request" else code for pk, code in before.items()}
    assert "invalid_request" in before.values()
    assert dict(Generation.objects.filter(pk__in=before).values_list("pk", "error_code")) == renamed


def test_a_request_that_is_sent_again_finds_its_images(installation: Installation) -> None:
    for sent in installation.facts["replays"]:
        wallet = ledger.wallet_of(User.objects.get(email=sent["email"]).pk)
        request = admission.ImageRequest(
            prompt=sent["prompt"], aspect_ratio=sent["aspect_ratio"], wait=sent["wait"], count=sent["count"]
        )
        again = admission.admit(wallet=wallet, request=request, idempotency_key=sent["idempotency_key"])
        assert [one.public_id for one in again.generations] == sent["images"]
        assert (again.replayed, again.credits_charged) == (True, 0)


def test_what_was_asked_for_at_once_is_a_group(installation: Installation) -> None:
    rows = installation.rows_of(Generation)
    under_way = {pk for pk, row in rows.items() if row["status"] not in ("completed", "failed")}
    presses: dict[tuple[int, str], set[int]] = {}
    for one in Generation.objects.exclude(pk__in=under_way):
        assert one.group, one
        assert (one.group.wallet_id, one.group.api_key_id) == (one.wallet_id, one.api_key_id)
        assert (one.group.idempotency_key, one.group.digest) == (one.idempotency_key, one.request_digest)
        presses.setdefault((one.wallet_id, one.idempotency_key or one.public_id), set()).add(one.group.pk)
    assert {len(groups) for groups in presses.values()} == {1}
    groups = Group.objects.annotate(images=Count("generations"))
    assert not groups.exclude(count=F("images")).exists()
    assert groups.count() == len(presses)
    assert groups.filter(count__gt=1).exists()


def test_what_staff_took_off_explore_stays_off(installation: Installation) -> None:
    off = Generation.objects.get(public_id=installation.facts["replays"][0]["images"][0])
    assert not sharing.show_on_explore(off, listed=True)


def test_staff_may_what_they_might(installation: Installation) -> None:
    lost = {}
    for email, person in installation.facts["people"].items():
        had = {installation.names.permission_of(one) for one in person["permissions"]}
        lost[email] = had - User.objects.get(email=email).get_all_permissions()
    assert {email: permissions for email, permissions in lost.items() if permissions} == {}
    assert sum(bool(person["permissions"]) for person in installation.facts["people"].values()) == 4


def test_what_was_under_way_ends_and_its_credits_return(installation: Installation) -> None:
    assert set(Generation.objects.values_list("status", flat=True)) > {"queued", "submitting", "drawing"}
    tasks.sweep()
    ledger.expire_due()
    assert set(Generation.objects.values_list("status", flat=True)) == {"completed", "failed"}
    known = {email: person.get("credits_afterwards") for email, person in installation.facts["people"].items()}
    had = {email: credits for email, credits in known.items() if credits is not None}
    assert dict(Wallet.objects.values_list("user__email", "balance")) == had
    assert list(audit.drifts()) == []


def test_mails_and_events_that_were_due_are_due(installation: Installation) -> None:
    mails = OutgoingMail.objects.filter(sent_at=None, failed_at=None, due_at__lte=timezone.now())
    assert sorted(mails.values_list("reference", flat=True)) == installation.facts["mails_due"]
    events = StripeEvent.objects.filter(handled_at=None, due_at__lte=timezone.now())
    assert sorted(events.values_list("pk", flat=True)) == installation.facts["events_due"]


def test_mails_that_were_due_go_out(installation: Installation) -> None:
    mail.send_due()
    assert len(post.outbox) == len(installation.facts["mails_due"]) > 0


def test_an_account_that_waited_to_be_deleted_is_deleted(installation: Installation) -> None:
    assert jobs.waiting() == installation.facts["personal_tasks_due"]
    ivy = User.objects.get(email="ivy@example.com")
    [task] = ivy.personal_tasks.all()
    assert jobs.run(task.pk, personal_tasks.WORK)
    ivy.refresh_from_db()
    assert ivy.email.endswith("@deleted.invalid")
    assert list(audit.drifts()) == []


@pytest.mark.usefixtures("installation")
def test_migrating_once_is_enough() -> None:
    out = StringIO()
    call_command("migrate", stdout=out)
    assert "No migrations to apply." in out.getvalue()
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def _opens(secret: str) -> bool:
    try:
        keys.verify(secret)
    except InvalidApiKey:
        return False
    return True


def _image(generation: Generation) -> dict[str, object]:
    reference = generation.credit_reference
    entries = CreditEntry.objects.filter(
        Q(reference=reference) | Q(of__reference=reference) | Q(of__of__reference=reference)
    ).order_by("pk")
    return {
        "whose": generation.wallet.user.email,
        "status": generation.status,
        "prompt": generation.prompt,
        "reference": reference,
        "credits": [[one.kind, one.amount] for one in entries],
    }
