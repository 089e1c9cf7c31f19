"""Staff grant, take and return credits; each act is recorded."""

import threading
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import uuid4

import pytest
from django.conf import LazySettings
from django.core.exceptions import PermissionDenied
from django.db import connections
from django.utils import timezone

from accounts.models import User
from billing import ledger
from billing.errors import NothingToTake, NotSpent, UnknownHold
from billing.models import AuditRecord, CreditEntry, CreditGrant, Dispute, Wallet
from billing.staff import acts
from generator.models import Generation
from tests.admin.conftest import REASON, Staff
from tests.billing import books
from tests.billing.books import audit, history


def last_record() -> tuple[str, str, str, str]:
    record = AuditRecord.objects.select_related("actor", "wallet__user").latest("id")
    return record.actor.email, record.action, record.wallet.user.email, record.reason


@pytest.mark.services
def test_a_grant_asks_first_then_grants_and_records(boss: Staff, alice: User, wallet: Wallet) -> None:
    assert "Grant credits" in boss.text("person_grant", alice.pk)
    assert audit(wallet) == 3
    response = boss.act("person_grant", alice.pk, credits=10)
    assert response.status_code == 302
    assert audit(wallet) == 13
    bucket = CreditGrant.objects.latest("id")
    assert (bucket.source, bucket.amount, bucket.expires_at) == ("staff", 10, None)
    assert last_record() == ("sam@example.com", "Granted credits", "alice@example.com", REASON)
    record = AuditRecord.objects.latest("id")
    assert record.before == {"balance": 3}
    assert (record.after["balance"], record.after["credits"]) == (13, 10)
    assert CreditEntry.objects.filter(reference=record.after["entry"], cause=REASON).exists()


@pytest.mark.services
def test_a_grant_may_expire_at_the_end_of_a_day(boss: Staff, alice: User, wallet: Wallet) -> None:
    day = (timezone.now() + timedelta(days=9)).date()
    boss.act("person_grant", alice.pk, credits=10, expires_on=day.isoformat())
    end = CreditGrant.objects.latest("id").expires_at
    assert end == datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)


@pytest.mark.services
@pytest.mark.parametrize(
    "data",
    [
        {"credits": 0},
        {"credits": -5},
        {"credits": "1.5"},
        {"credits": 1_000_001},
        {"credits": 5, "reason": "  "},
        {"credits": 5, "reason": "x" * 301},
        {"credits": 5, "expires_on": "2020-01-01"},
        {"credits": 5, "expires_on": "9999-12-31"},
        {"credits": 5, "nonce": "x"},
    ],
)
def test_what_makes_no_sense_is_refused_in_words_and_changes_nothing(
    boss: Staff, alice: User, wallet: Wallet, data: dict[str, object]
) -> None:
    response = boss.act("person_grant", alice.pk, **data)
    assert response.status_code == 200
    assert history(wallet) == [("grant", 3)]
    assert not AuditRecord.objects.exists()


@pytest.mark.services
def test_a_form_sent_twice_grants_once_and_is_recorded_once(boss: Staff, alice: User, wallet: Wallet) -> None:
    nonce = str(uuid4())
    for _ in range(2):
        boss.act("person_grant", alice.pk, credits=10, nonce=nonce)
    assert audit(wallet) == 13
    assert AuditRecord.objects.count() == 1


def test_support_grants_up_to_the_limit(support: Staff, alice: User, wallet: Wallet, settings: LazySettings) -> None:
    settings.SUPPORT_GRANT_LIMIT = 20
    support.act("person_grant", alice.pk, credits=20)
    assert audit(wallet) == 23
    response = support.act("person_grant", alice.pk, credits=21)
    assert "At most 20 here" in response.content.decode()
    assert audit(wallet) == 23


def test_taking_stops_at_zero(boss: Staff, alice: User, wallet: Wallet) -> None:
    response = boss.act("person_take", alice.pk, credits=100)
    assert response.status_code == 302
    assert audit(wallet) == 0
    record = AuditRecord.objects.latest("id")
    assert (record.action, record.before, record.after["credits"]) == ("Took credits", {"balance": 3}, -3)


@pytest.mark.services
def test_taking_from_an_empty_balance_says_so_and_leaves_no_trace(boss: Staff, alice: User, wallet: Wallet) -> None:
    boss.act("person_take", alice.pk, credits=3)
    before = history(wallet)
    response = boss.act("person_take", alice.pk, credits=1)
    assert "nothing to take" in response.content.decode()
    assert history(wallet) == before
    assert AuditRecord.objects.count() == 1


def test_support_takes_nothing(support: Staff, alice: User, wallet: Wallet) -> None:
    assert support.act("person_take", alice.pk, credits=1).status_code == 403
    assert audit(wallet) == 3


@pytest.mark.services
def test_an_images_credit_comes_back_once(support: Staff, alice: User, wallet: Wallet, drawn: Generation) -> None:
    assert drawn.prompt in support.text("person_return_credit", alice.pk, drawn.public_id)
    assert audit(wallet) == 2
    for _ in range(2):
        assert support.act("person_return_credit", alice.pk, drawn.public_id).status_code == 302
    assert audit(wallet) == 3
    assert CreditEntry.objects.filter(of__of__reference=drawn.credit_reference).count() == 1
    assert AuditRecord.objects.filter(action="Returned a credit").count() == 1
    drawn.refresh_from_db()
    assert drawn.status == Generation.Status.COMPLETED


def test_a_credit_that_is_still_set_aside_is_not_returned(
    boss: Staff, alice: User, wallet: Wallet, generation: Generation
) -> None:
    response = boss.act("person_return_credit", alice.pk, generation.public_id)
    assert "was not spent" in response.content.decode()
    assert audit(wallet) == 2


def test_a_credit_that_came_back_by_itself_is_not_returned_again(
    wallet: Wallet, generation: Generation, sam: User
) -> None:
    books.release(generation.credit_reference)
    with pytest.raises(NotSpent):
        books.give_back(generation.credit_reference)
    assert audit(wallet) == 3


def test_somebody_elses_image_is_not_found_on_this_page(boss: Staff, bob: User, drawn: Generation) -> None:
    assert boss.act("person_return_credit", bob.pk, drawn.public_id).status_code == 404


def test_a_returned_credit_of_an_expired_grant_has_seven_days(wallet: Wallet, drawn: Generation) -> None:
    CreditGrant.objects.update(expires_at=timezone.now() - timedelta(days=1))
    books.give_back(drawn.credit_reference)
    bucket = CreditGrant.objects.get()
    assert bucket.remaining == 1  # the other two expired
    assert bucket.expires_at
    assert timedelta(days=6) < bucket.expires_at - timezone.now() <= timedelta(days=7)
    assert audit(wallet) == 1


def test_a_returned_credit_of_a_disputed_payment_stays_kept_back(wallet: Wallet, drawn: Generation) -> None:
    bucket = CreditGrant.objects.get()
    books.freeze(bucket, books.disputed(bucket))
    books.give_back(drawn.credit_reference)
    assert audit(wallet) == 0


def test_the_domain_refuses_whatever_the_page_shows(
    support: Staff, finance: Staff, alice: User, wallet: Wallet, dispute: Dispute
) -> None:
    take = partial(acts.take, wallet=wallet, reason=REASON, reference="staff:1")
    grant = partial(acts.grant, wallet=wallet, reason=REASON, reference="staff:1")
    with pytest.raises(PermissionDenied):
        take(actor=support.user, credits=1)
    with pytest.raises(PermissionDenied):
        grant(actor=support.user, credits=21)
    with pytest.raises(PermissionDenied):
        grant(actor=alice, credits=1)
    with pytest.raises(PermissionDenied):
        grant(actor=finance.user, credits=1_000_001)
    with pytest.raises(ValueError, match="reason"):
        grant(actor=finance.user, credits=1, reason=" ")
    assert audit(wallet) == 53
    assert not AuditRecord.objects.filter(wallet=wallet).exists()


def test_who_is_no_staff_any_more_may_nothing_whatever_their_group_may(support: Staff, wallet: Wallet) -> None:
    User.objects.filter(pk=support.user.pk).update(is_staff=False)
    former = User.objects.get(pk=support.user.pk)
    with pytest.raises(PermissionDenied):
        acts.grant(actor=former, wallet=wallet, credits=1, reason=REASON, reference="staff:1")
    assert audit(wallet) == 3


def test_a_credit_comes_back_only_to_whose_image_it_was(boss: Staff, bob: User, drawn: Generation) -> None:
    bobs = ledger.wallet_of(bob.pk)
    with pytest.raises(UnknownHold):
        acts.return_credit(actor=boss.user, wallet=bobs, reference=drawn.credit_reference, reason=REASON)
    assert (audit(bobs), audit(drawn.wallet)) == (3, 2)
    assert not AuditRecord.objects.filter(action="Returned a credit").exists()


def test_the_operators_shell_may_do_everything_and_is_recorded(wallet: Wallet) -> None:
    acts.grant(actor=None, wallet=wallet, credits=1000, reason=REASON, reference="staff:1")
    acts.take(actor=None, wallet=wallet, credits=5000, reason=REASON, reference="staff:2")
    with pytest.raises(NothingToTake):
        acts.take(actor=None, wallet=wallet, credits=1, reason=REASON, reference="staff:3")
    assert list(AuditRecord.objects.order_by("id").values_list("actor", "action")) == [
        (None, "Granted credits"),
        (None, "Took credits"),
    ]


@pytest.mark.services
def test_a_form_sent_several_times_at_once_grants_and_records_once(boss: Staff, wallet: Wallet) -> None:
    def send() -> None:
        try:
            acts.grant(actor=boss.user, wallet=wallet, credits=10, reason=REASON, reference="staff:1")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert audit(wallet) == 13
    assert AuditRecord.objects.count() == 1
