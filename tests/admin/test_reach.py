"""On whom staff may act, and how many credits support may give away in a day, whatever the page shows."""

import inspect
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import connections
from django.db.models import QuerySet
from django.utils import timezone

from accounts import keys
from accounts.models import ApiKey, User
from billing import ledger
from billing.bulk import working
from billing.errors import GrantedEnough
from billing.models import AuditRecord, Bulk, CreditGrant, OutgoingMail, Payment, Plan, StaffRefund, Wallet
from billing.staff import acts, refunds, roles
from generator.ask import admission
from generator.library import showcase
from generator.models import Generation
from tests.admin.conftest import REASON, Staff, finish
from tests.billing.books import audit

PERSON = "accounts_user_change"


def _drawn(user: User) -> Generation:
    request = admission.ImageRequest(prompt="a lighthouse")
    return finish(admission.admit(wallet=ledger.wallet_of(user.pk), request=request).generation)


def _paid(user: User) -> Payment:
    wallet = ledger.wallet_of(user.pk)
    about = {"reference": f"checkout:cs_{uuid4()}", "payment_intent": f"pi_{uuid4()}", "amount": 500, "currency": "usd"}
    return Payment.objects.create(wallet=wallet, description="50 credits", **about)


def _failed(user: User) -> OutgoingMail:
    wallet = ledger.wallet_of(user.pk)
    about = {"template": "low_balance", "context": {"balance": 2}, "failed_at": timezone.now()}
    return OutgoingMail.objects.create(reference=f"low_balance:{uuid4()}", wallet=wallet, **about)


def _listed(user: User) -> Generation:
    generation = _drawn(user)
    Generation.objects.filter(pk=generation.pk).update(is_listed=True, share_token=str(uuid4())[:40])
    return generation


Do = Callable[[User, User], object]
ON_PEOPLE: dict[str, Do] = {
    "grant": lambda actor, user: acts.grant(
        actor=actor, wallet=ledger.wallet_of(user.pk), credits=1, reason=REASON, reference=f"staff:{uuid4()}"
    ),
    "grant_many": lambda actor, user: acts.grant_many(
        actor=actor, accounts=[ledger.wallet_of(user.pk)], credits=1, reason=REASON, reference=f"staff:{uuid4()}"
    ),
    "take": lambda actor, user: acts.take(
        actor=actor, wallet=ledger.wallet_of(user.pk), credits=1, reason=REASON, reference=f"staff:{uuid4()}"
    ),
    "return_credit": lambda actor, user: acts.return_credit(
        actor=actor,
        wallet=ledger.wallet_of(user.pk),
        reference=_drawn(user).credit_reference,
        reason=REASON,
    ),
    "change_plan": lambda actor, user: acts.change_plan(
        actor=actor, wallet=ledger.wallet_of(user.pk), plan=Plan.objects.get(slug="basic"), reason=REASON
    ),
    "change_rate_limit": lambda actor, user: acts.change_rate_limit(
        actor=actor, wallet=ledger.wallet_of(user.pk), per_minute=7, reason=REASON
    ),
    "suspend": lambda actor, user: acts.suspend(actor=actor, user=user, reason=REASON),
    "restore": lambda actor, user: acts.restore(actor=actor, user=user, reason=REASON),
    "revoke_keys": lambda actor, user: acts.revoke_keys(
        actor=actor, user=user, api_keys=[keys.mint(user=user, name="k")[0]], reason=REASON
    ),
    "set_role": lambda actor, user: acts.set_role(actor=actor, user=user, role="support", reason=REASON),
    "resend_mail": lambda actor, user: acts.resend_mail(actor=actor, mail=_failed(user)),
    "refund": lambda actor, user: refunds.refund(
        actor=actor, payment=_paid(user), amount=100, reason=REASON, nonce=uuid4()
    ),
    "take_off": lambda actor, user: showcase.take_off(actor=actor, generations=[_listed(user)], reason=REASON),
}
ON_NOBODY = {"save_product", "retry_event"}
NEVER_ON_ONESELF = {"suspend", "restore", "set_role"}  # superusers either: nobody locks themselves out


def test_every_act_is_tried_here() -> None:
    public = [
        name
        for module in (acts, refunds, showcase)
        for name, found in inspect.getmembers(module, inspect.isfunction)
        if found.__module__ == module.__name__
        and not name.startswith("_")
        and inspect.signature(found).parameters.get("actor")
        and inspect.signature(found).parameters["actor"].kind is inspect.Parameter.KEYWORD_ONLY
    ]
    assert set(public) == set(ON_PEOPLE) | ON_NOBODY


def done() -> tuple[Any, ...]:
    """What acts change: records, credits, keys, who is active, refunds that were asked for."""
    return (
        AuditRecord.objects.count(),
        CreditGrant.objects.filter(source="staff").count(),
        ApiKey.objects.exclude(revoked_at=None).count(),
        User.objects.filter(is_active=False).count(),
        StaffRefund.objects.count(),
    )


@pytest.mark.parametrize("act", ON_PEOPLE)
def test_nobody_below_superuser_acts_on_themselves(
    support: Staff, finance: Staff, admin: Staff, basic: Plan, act: str
) -> None:
    before = done()
    for who in (support, finance, admin):
        with pytest.raises(PermissionDenied):
            ON_PEOPLE[act](who.user, who.user)
    assert done() == before


@pytest.mark.parametrize("act", ON_PEOPLE)
def test_nobody_acts_on_somebody_above_them(
    support: Staff, finance: Staff, admin: Staff, boss: Staff, basic: Plan, act: str
) -> None:
    before = done()
    order = [support, finance, admin, boss]
    for number, who in enumerate(order):
        for above in order[number + 1 :]:
            with pytest.raises(PermissionDenied):
                ON_PEOPLE[act](who.user, above.user)
    assert done() == before


@pytest.mark.parametrize("act", ["grant", "revoke_keys", "suspend", "set_role", "return_credit", "resend_mail"])
def test_a_role_acts_on_those_below_it_and_a_superuser_on_all(
    support: Staff, admin: Staff, boss: Staff, alice: User, act: str
) -> None:
    ON_PEOPLE[act](admin.user, support.user)
    ON_PEOPLE[act](boss.user, admin.user)
    ON_PEOPLE[act](admin.user, alice)
    if act not in NEVER_ON_ONESELF:
        ON_PEOPLE[act](boss.user, boss.user)
    else:
        with pytest.raises(PermissionDenied):
            ON_PEOPLE[act](boss.user, boss.user)


def test_another_account_of_the_same_mailbox_is_oneself(support: Staff, admin: Staff) -> None:
    own = User.objects.create(email="support+more@example.com")
    assert roles.out_of_reach(support.user, own).startswith("This is you")
    with pytest.raises(PermissionDenied):
        ON_PEOPLE["grant"](support.user, own)
    ON_PEOPLE["grant"](admin.user, own)


def test_a_superuser_without_staff_is_above_every_role(admin: Staff, alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(is_superuser=True)
    with pytest.raises(PermissionDenied):
        ON_PEOPLE["revoke_keys"](admin.user, User.objects.get(pk=alice.pk))


def test_the_operators_shell_acts_on_everybody(boss: Staff) -> None:
    secret = keys.mint(user=boss.user, name="k")[0]
    call_command("revoke_api_key", secret.prefix)
    call_command("grant_credits", boss.user.email, "500", reason=REASON)
    assert audit(ledger.wallet_of(boss.user.pk)) == 503
    assert ApiKey.objects.get().revoked_at


def test_pages_offer_nothing_that_is_out_of_reach_and_say_why(
    support: Staff, finance: Staff, admin: Staff, boss: Staff
) -> None:
    for user in (support.user, boss.user):
        _drawn(user)
        _paid(user)
        keys.mint(user=user, name="k")
    for who, user, words in (
        (support, support.user, "This is you"),
        (support, boss.user, "This is a superuser"),
        (support, admin.user, "the role admin, which is above yours"),
        (finance, boss.user, "This is a superuser"),
        (admin, boss.user, "This is a superuser"),
    ):
        page = who.text(PERSON, user.pk)
        assert words in page
        for address in ("/grant/", "/take/", "/suspend/", "/role/", "/plan/", "/rate-limit/", "/revoke/", "/refund/"):
            assert f"/admin/accounts/user/{user.pk}{address}" not in page
        assert "/return/" not in page
        answer = who.act("person_grant", user.pk, credits=1)
        assert answer.status_code == 403
        assert words in answer.content.decode()
    image = Generation.objects.get(wallet__user=boss.user)
    assert "/return/" not in support.text("generator_generation_change", image.pk)
    assert "/return/" in boss.text("generator_generation_change", image.pk)
    assert "This is" not in support.text(PERSON, User.objects.create(email="bob@example.com").pk)


def test_a_selection_with_somebody_out_of_reach_says_whom_to_leave_out(
    support: Staff, boss: Staff, alice: User
) -> None:
    chosen = {"action": "grant_to_selected", "_selected_action": [alice.pk, boss.user.pk], "confirmed": "1"}
    filled = {"nonce": str(uuid4()), "reason": REASON, "credits": 1}
    answer = support.client.post("/admin/accounts/user/", {**chosen, **filled}, follow=True)
    assert "Choose without sam@example.com. This is a superuser" in answer.content.decode()
    assert not CreditGrant.objects.filter(source="staff").exists()


def test_a_csv_with_ones_own_address_cannot_be_granted(finance: Staff, boss: Staff, alice: User) -> None:
    people = (alice.email, finance.user.email, boss.user.email)
    lines = "email,credits,reason,reference\n" + "".join(f"{email},5,x,{email}\n" for email in people)
    file = SimpleUploadedFile("grants.csv", lines.encode(), "text/csv")
    finance.post("billing_creditgrant_import", import_file=file)
    bulk = Bulk.objects.get()
    working.run(bulk.pk)
    page = finance.text("billing_bulk_change", bulk.pk)
    assert "2 of 3 lines cannot be granted" in page
    assert "This is your own account" in page
    assert "This is a superuser" in page


def test_mails_and_images_out_of_reach_are_left_and_named(support: Staff, boss: Staff, alice: User) -> None:
    mails = [_failed(boss.user), _failed(alice)]
    chosen = {"action": "send_again", "_selected_action": [mail.pk for mail in mails]}
    answer = support.client.post("/admin/billing/outgoingmail/", chosen, follow=True).content.decode()
    assert "Not sent again to sam@example.com. This is a superuser" in answer
    assert [bool(OutgoingMail.objects.get(pk=mail.pk).failed_at) for mail in mails] == [True, False]
    image = _listed(boss.user)
    chosen = {"action": "take_off_explore", "_selected_action": [image.pk]}
    answer = support.client.post("/admin/generator/generation/", chosen, follow=True).content.decode()
    assert f"Choose without {image.public_id}. This is a superuser" in answer


# --- How many in a day


def grant(who: Staff, user: User, credits: int, reference: str = "") -> None:
    wallet = ledger.wallet_of(user.pk)
    reference = reference or f"staff:{uuid4()}"
    acts.grant(actor=who.user, wallet=wallet, credits=credits, reason=REASON, reference=reference)


def granted() -> int:
    return sum(CreditGrant.objects.filter(source="staff").values_list("amount", flat=True))


@pytest.fixture
def few(settings: Any) -> None:
    settings.SUPPORT_GRANT_LIMIT, settings.SUPPORT_GRANT_DAILY_LIMIT = 20, 50


@pytest.mark.services
@pytest.mark.usefixtures("few")
def test_small_steps_end_at_the_sum_of_a_day(support: Staff, alice: User, bob: User, drawn: Generation) -> None:
    for user, credits in ((alice, 20), (bob, 20), (alice, 9)):
        grant(support, user, credits)
    acts.return_credit(
        actor=support.user, wallet=drawn.wallet, reference=drawn.credit_reference, reason=REASON
    )  # the fiftieth
    assert acts.left_today(support.user) == 0
    with pytest.raises(GrantedEnough, match="none of these are left now"):
        grant(support, bob, 1)
    with pytest.raises(GrantedEnough):
        ON_PEOPLE["return_credit"](support.user, bob)
    with pytest.raises(GrantedEnough):
        ON_PEOPLE["grant_many"](support.user, bob)
    assert (audit(drawn.wallet), audit(ledger.wallet_of(bob.pk))) == (32, 22)  # with bob's spent one
    assert granted() == 49


@pytest.mark.usefixtures("few")
def test_the_day_rolls_and_each_has_their_own(support: Staff, admin: Staff, alice: User) -> None:
    for _ in range(2):
        grant(support, alice, 20)
    first = AuditRecord.objects.filter(action="Granted credits").earliest("pk")
    yesterday = timezone.now() - timedelta(hours=24, seconds=1)
    QuerySet(AuditRecord).filter(pk=first.pk).update(created_at=yesterday)  # its own refuses changes
    assert acts.left_today(support.user) == 30
    grant(support, alice, 20)
    assert acts.left_today(support.user) == 10
    assert acts.left_today(admin.user) == acts.MAX_CREDITS
    grant(admin, alice, 5000)


@pytest.mark.usefixtures("few")
def test_the_same_form_again_is_no_second_grant_however_little_is_left(support: Staff, alice: User) -> None:
    nonce = str(uuid4())
    for _ in range(2):
        grant(support, alice, 20, "staff:1")
    grant(support, alice, 20)
    for _ in range(2):
        assert support.act("person_grant", alice.pk, credits=10, nonce=nonce).status_code == 302
    grant(support, alice, 20, "staff:1")
    assert granted() == 50


@pytest.mark.usefixtures("few")
def test_the_form_says_what_is_left_today(support: Staff, alice: User, bob: User) -> None:
    assert "50 of these are left now" in support.text("person_grant", alice.pk)
    grant(support, alice, 20)
    grant(support, alice, 20)
    page = support.text("person_grant", alice.pk)
    assert "At most 10 here" in page
    assert "50 credits in any 24 hours, and 10 of these are left now" in page
    assert "At most 10 here" in support.act("person_grant", alice.pk, credits=11).content.decode()
    grant(support, alice, 10)
    assert "none of these are left now" in support.text("person_grant", alice.pk)
    refused = support.act("person_grant", alice.pk, credits=1).content.decode()
    assert "none of these are left now" in refused
    chosen = {"action": "grant_to_selected", "_selected_action": [alice.pk, bob.pk]}
    answer = support.client.post("/admin/accounts/user/", chosen, follow=True).content.decode()
    assert "none of these are left now" in answer
    assert granted() == 50


@pytest.mark.services
@pytest.mark.usefixtures("few")
def test_fifty_at_once_grant_no_more_than_the_sum(support: Staff, monkeypatch: pytest.MonkeyPatch) -> None:
    count = acts._granted_since

    def slowly(*about: Any) -> int:
        time.sleep(0.01)  # time for another to come between what was granted and its check
        return count(*about)

    monkeypatch.setattr(acts, "_granted_since", slowly)
    people = [User.objects.create(email=f"{number}@example.com") for number in range(50)]
    wallets = [ledger.wallet_of(user.pk) for user in people]  # of nobody twice: no purse makes them wait
    outcomes: list[str] = []
    ready = threading.Barrier(len(wallets))

    def send(wallet: Wallet) -> None:
        try:
            ready.wait(timeout=30)
            acts.grant(actor=support.user, wallet=wallet, credits=20, reason=REASON, reference=f"staff:{wallet.pk}")
            outcomes.append("granted")
        except GrantedEnough:
            outcomes.append("refused")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=send, args=[wallet]) for wallet in wallets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (outcomes.count("granted"), outcomes.count("refused")) == (2, 48)
    assert granted() == 40
    assert sum(audit(wallet) for wallet in wallets) == 50 * 3 + 40


def test_roles_are_ordered_from_the_lowest() -> None:
    assert list(roles.ROLES) == ["support", "finance", "admin"]
