"""Installations of earlier versions migrate, and are what they were: rows, books, keys, images, staff, what is due."""

from io import StringIO

import pytest
from django.apps import apps
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user
from django.contrib.sessions.backends.db import SessionStore
from django.core import mail as post
from django.core.management import call_command
from django.db.models import Count, F, Q
from django.http import HttpRequest
from django.utils import timezone

from accounts import keys
from accounts.errors import InvalidApiKey
from accounts.models import User
from billing import ledger
from billing.models import (
    CreditEntry,
    OutgoingMail,
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

pytestmark = [
    pytest.mark.services,
    pytest.mark.usefixtures("moment"),
    pytest.mark.parametrize("installation", prepared.ALL, indirect=True, scope="module"),
]

# What `migrate` itself keeps in step with the code.
IN_STEP = {"contenttypes.contenttype", "auth.permission", "auth.group_permissions"}
# What was kept under the host of the one upstream, and is noted again under its name if it still is so.
GONE = {"generator.upstreamtrouble"}
# What has a table of its own since, or names nobody any more.
MOVED = {
    "billing.stripeevent.payload",
    "stripe_customer_id",
    "stripe_product_id",
    "frozen_by",
    "billing.refund.reference",
    "generator.generation.error_code",
    "generator.generation.idempotency_key",  # of a group: `test_a_request_that_is_sent_again_finds_its_images`
}


def test_every_row_is_what_it_was(installation: Installation) -> None:
    now = prepared.rows(apps)
    moved = MOVED if installation.name in prepared.BEFORE_RELATIONS else set()
    changed = []
    for old, table in installation.before.items():
        if old in IN_STEP | GONE:
            continue
        kept = now[installation.names.model_of(old)._meta.label_lower]
        for pk, row in table.items():
            found = kept.get(pk, {})
            for name, value in row.items():
                new = installation.names.field_of(old, name)
                if not moved & {name, f"{old}.{name}"} and (new not in found or found[new] != value):
                    changed.append(f"{old} {pk}: {name} was {value!r}, {new} is {found.get(new, 'gone')!r}")
    assert changed == []
    assert sum(map(len, installation.before.values())) > 500


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
    busy = Generation.objects.filter(pk__in=under_way).exclude(idempotency_key=None)
    for wallet, key in busy.values_list("wallet", "idempotency_key"):
        under_way |= set(Generation.objects.filter(wallet=wallet, idempotency_key=key).values_list("pk", flat=True))
    assert not Generation.objects.filter(pk__in=under_way).exclude(group=None).exists()
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
    at_work = installation.facts.get("at_work", {})  # what was asked for just before
    ended = Generation.objects.exclude(public_id__in=at_work)
    assert set(ended.values_list("status", flat=True)) == {"completed", "failed"}
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
