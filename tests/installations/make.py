"""Makes an installation that has something of everything: `python -m tests.installations.make FOLDER`.

It goes through the site's own doors: Stripe is the stand-in, the upstream is the sandbox, both reached over sockets;
nothing writes credits but the ledger. What comes out is `installation.sqlite3.xz`, `installation.sql.xz` (PostgreSQL)
and `installation.json`, which says what this code makes of the rows: balances, what keys open, what staff may do.

PostgreSQL must answer at `MAKE_POSTGRES` (an address without a database's name); `pg_dump` of its version must be here.
"""

# ruff: noqa: E402 (the settings read what `environment` sets, and models can be imported once Django is set up)

import json
import lzma
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

POSTGRES = os.environ.get("MAKE_POSTGRES", "postgres://postgres@127.0.0.1:5432")
SCRATCH = "reveweb_installation"
FOLDER = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else Path.cwd()
ON_POSTGRES = os.environ.get("MAKE_ON_POSTGRES") == "1"

if not ON_POSTGRES:
    os.environ["DATABASE_URL"] = f"sqlite:///{tempfile.mkdtemp(prefix='installation-')}/reveweb.sqlite3"
os.environ["DJANGO_SETTINGS_MODULE"] = "reveweb.settings"

import django

from tests import environment

django.setup()

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.apps import apps
from django.conf import settings
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.core.management.color import no_style
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from accounts import keys
from accounts.errors import InvalidApiKey
from accounts.models import ApiKey, User
from billing import gateway, ledger
from billing.catalogue import products
from billing.models import (
    CreditEntry,
    CreditGrant,
    Order,
    OutgoingMail,
    Pack,
    Plan,
    StripeEvent,
    StripePrice,
    Wallet,
)
from billing.outbox import mail, notices
from billing.staff import acts, audit
from billing.stripe import checkout, inbox
from generator.ask import admission
from generator.ask.admission import ImageRequest
from generator.files.images import StoredImage
from generator.jobs import caps, lifecycle, tasks
from generator.library import favourites, sharing, showcase, trash
from generator.models import Generation
from reveweb.personal import jobs
from reveweb.personal import tasks as personal_tasks
from tests import driver
from tests.payments.conftest import DECLINED, FAILS_LATER, GOOD, SITE, Customer, Desk

PASSWORD = "correct horse battery"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

secrets: dict[str, str] = {}  # whose key it is for us → its secret
replays: list[dict[str, Any]] = []
everybody: list[Customer] = []


def make() -> None:
    """Fill the database."""
    call_command("migrate", verbosity=0)
    settings.INSTALLATION_ID = "prepared"
    desk = Desk(f"http://127.0.0.1:{environment.SANDBOX_PORT}")
    sam = person("sam@example.com", is_staff=True, is_superuser=True, name="Sam Ortega")
    edit_the_catalogue(sam)
    # Stripe's clock moves for all that run there, so what is to stay as it is comes after the last move.
    somebody_whose_plan_ended(desk)
    plans_over_time(desk)
    ada = somebody_with_everything(desk, sam)
    raise_the_price(sam)
    somebody_whose_debit_failed(desk)
    somebody_whose_card_fails(desk)
    somebody_who_changes_plans(desk)
    somebody_refunded(desk)
    refunds_by_and_by(desk)
    kept_back_and_given_back(desk)
    somebody_in_dispute(desk)
    somebody_with_open_checkouts(desk)
    members_of_staff(sam)
    somebody_suspended(sam)
    somebody_deleted(desk)
    somebody_being_deleted()
    somebody_new()
    credits_that_ended(sam)
    somebody_closed_without_a_purchase(desk)
    somebody_who_paid_after_closing(desk)
    money_without_credits(desk)
    for one in everybody:
        one.follow()
    assert {one.subscription.status for one in everybody if one.wallet.subscriptions.count() == 1} == {
        "active",
        "past_due",
        "canceled",
    }
    assert {"open", "pending", "paid", "failed", "expired"} == set(Order.objects.values_list("status", flat=True))
    events_that_never_came(desk)
    edit_what_is_sold(sam)
    events_and_mails(ada)
    leave_it_for_an_hour()


def person(email: str, **fields: Any) -> User:
    user = User.objects.create_user(email, PASSWORD, **fields)
    EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
    ledger.welcome(ledger.wallet_of(user.pk))
    return user


def customer(email: str, desk: Desk) -> Customer:
    found = Customer(ledger.wallet_of(person(email).pk), desk)
    everybody.append(found)
    return found


def key_of(user: User, name: str, **limits: Any) -> ApiKey:
    key, secrets[f"{user.email}: {name}"] = keys.mint(user=user, name=name, **limits)
    return key


def product(model: type[Plan] | type[Pack], slug: str) -> Any:
    return model._default_manager.get(slug=slug)


def edit_the_catalogue(sam: User) -> None:
    pro = Plan(slug="pro", name="Pro", credits=400, price=3600, interval="month", order=2, rate_limit=60)
    yearly = Plan(slug="studio-year", name="Studio, by the year", credits=9000, price=66000, interval="year", order=3)
    dropped = Pack(slug="pack-10", name="10 credits", credits=10, price=200, order=9)
    for one in (pro, yearly, dropped):
        acts.save_product(actor=sam, product=one, reason="For the summer")
    list(products.sync())
    dropped.active = False
    acts.save_product(actor=sam, product=dropped, reason="Nobody bought it")
    free = product(Plan, "free")
    free.max_in_flight = 4
    acts.save_product(actor=sam, product=free, reason="A fair share")


def raise_the_price(sam: User) -> None:
    """Basic costs more from now on; whoever has it stays at the price that is retired."""
    basic = product(Plan, "basic")
    basic.price, basic.credits = 1200, 120
    acts.save_product(actor=sam, product=basic, reason="Costs rose")
    list(products.sync())
    assert StripePrice.objects.exclude(retired_at=None).exists()


def somebody_with_everything(desk: Desk, sam: User) -> Customer:
    """Ada subscribes, buys, draws, shares, and has every way to log in."""
    ada = customer("ada@example.com", desk)
    user = ada.wallet.user
    User.objects.filter(pk=user.pk).update(name="Ada Marsh", mail_receipts=False)
    ada.pay(product(Plan, "basic"))
    ada.pay(product(Pack, "pack-50"))
    ada.follow()
    site = key_of(user, "Storefront", rate_limit=1000, monthly_credit_cap=40)
    nightly = key_of(user, "nightly, capped", monthly_credit_cap=2)
    key_of(user, "trial", expires_at=timezone.now() - timedelta(days=3))
    key_of(user, "for the summer", expires_at=timezone.now() + timedelta(days=60))
    keys.revoke(key_of(user, "lost laptop"))
    blog = key_of(user, "blog", rate_limit=20)
    secrets[f"{user.email}: blog, rotated"] = keys.rotate(blog, overlap=timedelta(days=7))[1]
    mobile = key_of(user, "app")
    secrets[f"{user.email}: app, rotated"] = keys.rotate(mobile, overlap=timedelta(0))[1]

    through_the_sandbox(
        ada, ImageRequest("A paper-cut fox crossing a river of folded blue ribbons", aspect_ratio="16:9")
    )
    through_the_sandbox(ada, ImageRequest("A quiet street [sandbox:fail]"), site)
    through_the_sandbox(ada, ImageRequest("Something rude [sandbox:refuse]"), site)
    press = admit(ada, ImageRequest("منارة فوق بحر هادئ عند الفجر، ألوان مائية", "people", "4:3", count=4))
    for generation in press:
        drawn(generation)
    lone = admit(
        ada, ImageRequest("A single pear on grey linen\nwindow light from the left", wait=True), site, "order-1"
    )
    several = admit(ada, ImageRequest("Moss, “soft”; O'Reilly\\n 100 %", aspect_ratio="2:3", count=3), site, "order-2")
    for generation in (*lone, *several):
        drawn(generation)
    for generation in admit(ada, ImageRequest("Terraced rice fields under a storm", count=2), nightly):
        drawn(generation)
    late = lifecycle.claim_submission(admit(ada, ImageRequest("Portrait of a beekeeper"))[0].pk)
    assert late
    lifecycle.fail(late, code="timed_out", message="No image after 600 seconds.")

    favourites.mark_all(ada.wallet, [one.public_id for one in press[:2]], favourite=True)
    sharing.share(press[0])
    sharing.show_on_explore(press[0], listed=True)
    sharing.share(press[1])
    sharing.share(lone[0])
    sharing.show_on_explore(lone[0], listed=True)
    showcase.take_off(actor=sam, generations=[lone[0]], reason="Looks like somebody else's pear")
    trash.discard(ada.wallet, [press[2].public_id, late.public_id])
    trash.discard(ada.wallet, [several[1].public_id])
    gone = Generation.objects.filter(pk=several[1].pk)
    gone.update(deleted_at=timezone.now() - timedelta(days=1))
    assert trash.purge_due() == 1
    caps.take(site, 17, timezone.now() - timedelta(days=40))
    log_in(user)
    Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data={"secret": "GEZDGNBVGY3TQOJQ"})
    codes = {"seed": "b56ba2f1", "used_mask": 5}
    Authenticator.objects.create(user=user, type=Authenticator.Type.RECOVERY_CODES, data=codes)
    passkey = {"name": "Laptop", "credential": {"id": "AQIDBA", "type": "public-key"}, "passwordless": True}
    Authenticator.objects.create(user=user, type=Authenticator.Type.WEBAUTHN, data=passkey)
    SocialAccount.objects.create(user=user, provider="github", uid="42", extra_data={"login": "ada", "id": 42})
    EmailAddress.objects.create(user=user, email="ada.marsh@example.org", verified=False, primary=False)
    exports(user)
    desk(f"subscriptions/{ada.subscription.stripe_id}/renew")
    ada.follow()
    unfinished(ada, site)
    remember_replay(ada, "order-1", site, lone)
    remember_replay(ada, "order-2", site, several)
    return ada


def somebody_who_changes_plans(desk: Desk) -> None:
    """Ben goes up, comes down, and has cancelled."""
    ben = customer("ben@example.com", desk)
    ben.pay(product(Plan, "basic"))
    ben.follow()
    checkout.change_plan(wallet=ben.wallet, plan=product(Plan, "pro"))
    ben.follow()
    for generation in admit(ben, ImageRequest("A concert poster with the words “Night Garden”", count=4)):
        drawn(generation)
    checkout.change_plan(wallet=ben.wallet, plan=product(Plan, "basic"))
    ben.follow()
    gateway.update_subscription(ben.subscription.stripe_id, {"cancel_at_period_end": True})
    ben.follow()
    log_in(ben.wallet.user)


def somebody_whose_plan_ended(desk: Desk) -> None:
    """Dora had Basic and draws from what never expires now."""
    dora = customer("dora@example.com", desk)
    dora.pay(product(Plan, "basic"))
    dora.pay(product(Pack, "pack-50"))
    dora.follow()
    drawn(admit(dora, ImageRequest("An observatory on a ridge, star trails"))[0])
    out = admit(dora, ImageRequest("Back after the plan had ended"))[0]
    gateway.update_subscription(dora.subscription.stripe_id, {"cancel_at_period_end": True})
    dora.follow()
    desk("clock/advance", days=32)
    dora.follow()
    returned(out)
    assert dora.subscription.status == "canceled"


def plans_over_time(desk: Desk) -> None:
    """Mira went from the month to the year on the 28th day; Nora's year was ended at once, and she has the month now;
    Otto's plan was ended at once and paid back; Yara has renewed her year."""
    mira, nora = customer("mira@example.com", desk), customer("nora@example.com", desk)
    otto, yara = customer("otto@example.com", desk), customer("yara@example.com", desk)
    mira.pay(product(Plan, "basic"))
    yara.pay(product(Plan, "studio-year"))
    for one in (mira, yara):
        one.follow()
    drawn(admit(mira, ImageRequest("Twelve windows of one house", count=2))[0])
    desk("clock/advance", days=28)
    checkout.change_plan(wallet=mira.wallet, plan=product(Plan, "studio-year"))
    mira.follow()
    desk(f"subscriptions/{yara.subscription.stripe_id}/renew")
    nora.pay(product(Plan, "studio-year"))
    nora.follow()
    drawn(admit(nora, ImageRequest("Salt flats at noon"))[0])
    gateway.cancel_subscription(nora.subscription.stripe_id)
    nora.follow()
    nora.pay(product(Plan, "basic"))
    nora.follow()
    otto.pay(product(Plan, "basic"))
    otto.follow()
    invoice = otto.wallet.payments.get().reference
    gateway.cancel_subscription(otto.subscription.stripe_id)
    desk(f"charges/{otto.charge(invoice)}/refund")
    for one in everybody:
        one.follow()


def refunds_by_and_by(desk: Desk) -> None:
    """Rita had a pack refunded in four steps, of which the last failed; Theo the second of two, and a plan in part."""
    rita, theo = customer("rita@example.com", desk), customer("theo@example.com", desk)
    session = rita.pay(product(Pack, "pack-50"))
    rita.follow()
    for amount in (125, 125, 50):
        desk(f"charges/{rita.charge(f'checkout:{session}')}/refund", amount=amount)
        rita.follow()
    failing = desk(f"charges/{rita.charge(f'checkout:{session}')}/refund", amount=100)
    rita.follow()
    desk(f"refunds/{failing['id']}/fail")
    rita.follow()
    theo.pay(product(Pack, "pack-50"))
    second = theo.pay(product(Pack, "pack-50"), "5555555555554444")
    theo.pay(product(Plan, "basic"))
    theo.follow()
    desk(f"charges/{theo.charge(f'checkout:{second}')}/refund")
    invoice = theo.wallet.payments.get(reference__startswith="invoice:").reference
    desk(f"charges/{theo.charge(invoice)}/refund", amount=300)
    theo.follow()


def kept_back_and_given_back(desk: Desk) -> None:
    """Vera's images come back while their payment is disputed or was refunded, and that ends in several ways."""
    vera = customer("vera@example.com", desk)
    ledger.take(wallet=vera.wallet, credits=3, reference="test:vera", cause="So that the packs pay")

    def pack_with_an_image_out() -> tuple[str, Generation]:
        session = vera.pay(product(Pack, "pack-50"))
        vera.follow()
        return vera.charge(f"checkout:{session}"), admit(vera, ImageRequest("Out when it came"))[0]

    def over_with(charge: str) -> None:
        """The next pack's image is not to be taken out of what is left of this one."""
        vera.follow()
        assert vera.balance == 0, (charge, vera.balance)

    # Refunded in most while images are out, then disputed; an image returns, the dispute is won, and the refund fails:
    # what is kept and given back by and by names all of that.
    charge, out = pack_with_an_image_out()
    further = admit(vera, ImageRequest("Out as well", count=3))
    refund = desk(f"charges/{charge}/refund", amount=490)
    vera.follow()
    dispute = desk(f"charges/{charge}/dispute", amount=10)
    vera.follow()
    returned(out)
    for generation in further[:2]:
        drawn(generation)
    desk(f"disputes/{dispute['id']}/close", won=True)
    vera.follow()
    returned(further[2])
    desk(f"refunds/{refund['id']}/fail")
    vera.follow()
    ledger.take(wallet=vera.wallet, credits=100, reference="test:vera:2", cause="So that the next pack pays")

    # Refunded in whole with an image out, which then returns: it is collected.
    charge, out = pack_with_an_image_out()
    desk(f"charges/{charge}/refund")
    vera.follow()
    returned(out)
    over_with(charge)

    # The same, and then the refund fails: it is given back.
    charge, out = pack_with_an_image_out()
    refund = desk(f"charges/{charge}/refund")
    vera.follow()
    returned(out)
    desk(f"refunds/{refund['id']}/fail")
    vera.follow()
    assert vera.balance == 50, vera.balance

    lost = vera.pay(product(Pack, "pack-200"))
    vera.follow()
    dispute = desk(f"charges/{vera.charge(f'checkout:{lost}')}/dispute")
    vera.follow()
    desk(f"disputes/{dispute['id']}/close", won=False)
    inquiry = vera.pay(product(Pack, "pack-200"))
    vera.follow()
    closed = desk(f"charges/{vera.charge(f'checkout:{inquiry}')}/dispute", inquiry=True)
    vera.follow()
    desk(f"disputes/{closed['id']}/close", won=True)
    vera.follow()


def somebody_closed_without_a_purchase(desk: Desk) -> None:
    """Carl looked at the portal and bought nothing; Cora did, and closed her account."""
    carl, cora = customer("carl@example.com", desk), customer("cora@example.com", desk)
    for one in (carl, cora):
        checkout.portal(wallet=one.wallet, site=SITE)
    task = jobs.start_deletion(cora.wallet.user)
    assert jobs.run(task.pk, personal_tasks.WORK)


def somebody_who_paid_after_closing(desk: Desk) -> None:
    """Lars paid in the moment in which he closed his account: it is paid back."""
    lars = customer("lars@example.com", desk)
    lars.pay(product(Pack, "pack-50"))
    task = jobs.start_deletion(lars.wallet.user)
    assert jobs.run(task.pk, personal_tasks.WORK)
    lars.follow()


def money_without_credits(desk: Desk) -> None:
    """Pia has two plans by two tabs, of which the second was ended and paid back; an order of hers never reached
    Stripe."""
    pia = customer("pia@example.com", desk)
    first = checkout.start(wallet=pia.wallet, product=product(Plan, "basic"), site=SITE)
    session = Order.objects.get(url=first).stripe_session_id
    Order.objects.filter(url=first).update(status=Order.Status.EXPIRED)  # as if its tab had been forgotten
    pia.pay(product(Plan, "basic"))
    pia.follow()
    desk(f"checkout/{session}/pay", method=GOOD)
    pia.follow()
    Order.objects.create(wallet=pia.wallet, pack=product(Pack, "pack-50"))
    assert pia.wallet.payments.filter(grant=None).exists()


def events_that_never_came(desk: Desk) -> None:
    """Uma bought, has refunded and was disputed, and no event of it has been heard of since the first."""
    uma = customer("uma@example.com", desk)
    plan = product(Plan, "basic")
    uma.pay(plan)
    first, second = (uma.pay(product(Pack, "pack-50")) for _ in range(2))
    uma.follow()
    desk(f"charges/{uma.charge(f'checkout:{first}')}/refund", amount=250)
    desk(f"charges/{uma.charge(f'checkout:{second}')}/dispute")
    uma.pay(product(Pack, "pack-200"))


def edit_what_is_sold(sam: User) -> None:
    """A plan brings more for the same, and a pack costs more that somebody has an open checkout of."""
    basic, pack = product(Plan, "basic"), product(Pack, "pack-1000")
    basic.credits += 30
    acts.save_product(actor=sam, product=basic, reason="More for the same")
    pack.price, pack.credits = pack.price + 1000, pack.credits + 200
    acts.save_product(actor=sam, product=pack, reason="Costs rose")


def somebody_whose_card_fails(desk: Desk) -> None:
    """Cleo is past due; Wim, whose plan is by the year, has paid."""
    cleo = customer("cleo@example.com", desk)
    cleo.pay(product(Plan, "basic"), FAILS_LATER)
    cleo.follow()
    desk(f"customers/{cleo.id}/card", number=FAILS_LATER)
    desk(f"subscriptions/{cleo.subscription.stripe_id}/renew")
    cleo.follow()
    assert cleo.subscription.status == "past_due"
    wim = customer("wim@example.com", desk)
    wim.pay(product(Plan, "studio-year"), GOOD)
    wim.follow()


def somebody_refunded(desk: Desk) -> None:
    """Eli had a pack refunded in part, one in whole while its credits were out, and one whose refund failed."""
    eli = customer("eli@example.com", desk)
    part = eli.pay(product(Pack, "pack-50"))
    eli.follow()
    for generation in admit(eli, ImageRequest("A tabby cat asleep on a stack of atlases", count=4)):
        drawn(generation)
    desk(f"charges/{eli.charge(f'checkout:{part}')}/refund", amount=250)
    eli.follow()
    eliza = customer("eliza@example.com", desk)
    ledger.take(wallet=eliza.wallet, credits=3, reference="test:eliza", cause="So that the pack pays")
    whole = eliza.pay(product(Pack, "pack-50"))
    eliza.follow()
    drawn(admit(eliza, ImageRequest("Fig & Thyme"))[0])
    waiting = admit(eliza, ImageRequest("Out when the refund came", count=2))
    desk(f"charges/{eliza.charge(f'checkout:{whole}')}/refund", amount=400)
    eliza.follow()
    desk(f"charges/{eliza.charge(f'checkout:{whole}')}/refund")
    eliza.follow()
    drawn(waiting[0])
    leave_drawing(waiting[1])
    failing = eli.pay(product(Pack, "pack-200"))
    eli.follow()
    refund = desk(f"charges/{eli.charge(f'checkout:{failing}')}/refund")
    eli.follow()
    desk(f"refunds/{refund['id']}/fail")
    eli.follow()


def somebody_in_dispute(desk: Desk) -> None:
    """Fay lost a dispute, won one, has one open while an image is out, and an inquiry."""
    fay = customer("fay@example.com", desk)
    ledger.take(wallet=fay.wallet, credits=3, reference="test:fay", cause="So that the packs pay")

    def disputed(**how: Any) -> str:
        session = fay.pay(product(Pack, "pack-50"))
        fay.follow()
        out = admit(fay, ImageRequest("Out when the bank asked"))[0]
        dispute = desk(f"charges/{fay.charge(f'checkout:{session}')}/dispute", **how)
        fay.follow()
        leave_drawing(out)
        return str(dispute["id"])

    for won in (True, False):
        closing = disputed()
        desk(f"disputes/{closing}/close", won=won)
        fay.follow()
    disputed(inquiry=True)
    disputed()
    assert CreditGrant.objects.filter(wallet=fay.wallet).exclude(frozen_by="").exists()


def somebody_with_open_checkouts(desk: Desk) -> None:
    """Gil has an order in every state."""
    gil = customer("gil@example.com", desk)
    gil.pay(product(Pack, "pack-200"), "bank_debit_succeeds")
    gil.pay(product(Pack, "pack-50"), "bank_debit_fails")
    gil.follow()
    checkout.start(wallet=gil.wallet, product=product(Pack, "pack-1000"), site=SITE)
    checkout.start(wallet=gil.wallet, product=product(Plan, "basic"), site=SITE)
    checkout.start(wallet=gil.wallet, product=product(Plan, "pro"), site=SITE)  # the first one expires by it
    gil.pay(product(Pack, "pack-200"), DECLINED)


def somebody_whose_debit_failed(desk: Desk) -> None:
    """Gita's bank returned the debit, Gert's paid it."""
    failed, paid = customer("gita@example.com", desk), customer("gert@example.com", desk)
    paid.pay(product(Pack, "pack-50"), "bank_debit_succeeds")
    failed.pay(product(Pack, "pack-50"), "bank_debit_fails")
    failed.follow()
    paid.follow()
    desk("clock/advance", days=10)
    failed.follow()
    paid.follow()


def members_of_staff(sam: User) -> None:
    """Each role, and a group and a permission that an operator gave by hand."""
    for role in ("support", "finance", "admin"):
        user = person(f"{role}@example.com")
        acts.set_role(actor=sam, user=user, role=role, reason="Hired")
    zoe = person("zoe@example.com", is_staff=True)
    auditors = Group.objects.create(name="Auditors")
    for app, name in (
        ("billing", "wallet"),
        ("billing", "outgoingmail"),
        ("generator", "generation"),
        ("accounts", "user"),
    ):
        auditors.permissions.add(Permission.objects.get(content_type__app_label=app, codename=f"view_{name}"))
    auditors.permissions.add(Permission.objects.get(codename="take_credits"))
    zoe.groups.add(auditors)
    zoe.user_permissions.add(Permission.objects.get(codename="delete_outgoingmail"))
    zoe.user_permissions.add(Permission.objects.get(codename="change_limits"))
    wallet = ledger.wallet_of(zoe.pk)
    LogEntry.objects.create(
        user=sam,
        content_type=ContentType.objects.get_for_model(Wallet),
        object_id=str(wallet.pk),
        object_repr=str(wallet),
        action_flag=CHANGE,
        change_message="Changed by hand",
    )
    support = User.objects.get(email="support@example.com")
    ada = Wallet.objects.get(user__email="ada@example.com")
    acts.grant(actor=support, wallet=ada, credits=5, reason="Sorry for the wait", reference="staff:1")
    acts.take(actor=sam, wallet=ada, credits=2, reason="Granted twice", reference="staff:2")
    spent = ada.generations.filter(status=Generation.Status.COMPLETED).earliest("pk")
    acts.return_credit(actor=support, wallet=ada, reference=spent.credit_reference, reason="Drawn with six fingers")
    dora = Wallet.objects.get(user__email="dora@example.com")
    acts.change_plan(actor=sam, wallet=dora, plan=product(Plan, "pro"), reason="A gift")
    acts.change_rate_limit(actor=sam, wallet=dora, per_minute=90, reason="A gift")
    many = Wallet.objects.filter(user__email__in=["ben@example.com", "eli@example.com"])
    until = timezone.now() + timedelta(days=90)
    acts.grant_many(actor=sam, accounts=many, credits=3, reason="Spring", reference="spring", expires_at=until)


def somebody_suspended(sam: User) -> None:
    """Gus has keys and an image under way."""
    gus = person("gus@example.com")
    key = key_of(gus, "bot")
    acts.revoke_keys(actor=sam, user=gus, api_keys=[key_of(gus, "leaked")], reason="It was in a repository")
    wallet = ledger.wallet_of(gus.pk)
    drawn(admitted(wallet, ImageRequest("Neon noodle bar in the rain"), key)[0])
    admitted(wallet, ImageRequest("Asked for just before"), key)
    acts.suspend(actor=sam, user=gus, reason="Ran a scraper")


def somebody_deleted(desk: Desk) -> None:
    """Hal bought, drew, and is gone: the books stay."""
    hal = customer("hal@example.com", desk)
    user = hal.wallet.user
    hal.pay(product(Plan, "basic"))
    hal.pay(product(Pack, "pack-50"))
    hal.follow()
    key = key_of(user, "home")
    drawn(admit(hal, ImageRequest("Nobody may read this any more"), key)[0])
    admit(hal, ImageRequest("Not drawn in time"), key)
    log_in(user)
    task = jobs.start_deletion(user)
    assert jobs.run(task.pk, personal_tasks.WORK)
    hal.follow()


def somebody_being_deleted() -> None:
    """Ivy asked for it a moment ago; no worker has begun."""
    ivy = person("ivy@example.com")
    wallet = ledger.wallet_of(ivy.pk)
    drawn(admitted(wallet, ImageRequest("Still to be deleted"))[0])
    leave_drawing(admitted(wallet, ImageRequest("Under way when the account closed"))[0])
    jobs.start_deletion(ivy)


def somebody_new() -> None:
    """Jon only signed up; Kim never opened an account of credits; Lea has used up what she had."""
    jon = person("jon@example.com")
    EmailAddress.objects.filter(user=jon).update(verified=False)
    jobs.start_export(jon)
    User.objects.create_user("kim@example.com", None)
    lea = ledger.wallet_of(person("lea@example.com").pk)
    for generation in admitted(lea, ImageRequest("The last three", count=3)):
        drawn(generation)


def credits_that_ended(sam: User) -> None:
    """Mia has credits that expired, some that came back late, and some that nobody has written off yet."""
    mia = ledger.wallet_of(person("mia@example.com").pk)
    source = CreditGrant.Source.STAFF
    for name, credits in (("expired", 7), ("late", 2), ("overdue", 4)):
        soon = timezone.now() + timedelta(hours=1)
        entry = ledger.grant(
            wallet=mia, credits=credits, source=source, reference=f"test:mia:{name}", cause="Spring", expires_at=soon
        )
        if name == "late":
            out = admitted(mia, ImageRequest("Comes back late"))[0]
        CreditGrant.objects.filter(pk=entry.lines.get().grant_id).update(expires_at=timezone.now() - timedelta(hours=1))
        if name == "late":
            drawing(out)
            ledger.expire_due()
            lifecycle.fail(out, code="upstream_failed", message="The brush broke.")


def exports(user: User) -> None:
    first = jobs.start_export(user)
    assert jobs.run(first.pk, personal_tasks.WORK)
    second = jobs.start_export(user)  # which lets the first one's file expire
    jobs.expire_due()
    assert jobs.run(second.pk, personal_tasks.WORK)


def events_and_mails(ada: Customer) -> None:
    """Whatever can be due, given up or done."""
    mail.send_due(500)
    waiting = ada.pay(product(Pack, "pack-50"))
    for event in ada.news():
        inbox.store(event)  # no worker has seen them
    assert StripeEvent.objects.filter(handled_at=None).count() >= 1, waiting
    odd: Any = {"id": "evt_odd", "type": "invoice.paid", "data": {"object": {"object": "invoice", "id": "in_unknown"}}}
    inbox.store(odd)
    inbox.handle("evt_odd")
    new: Any = {"id": "evt_new", "type": "customer.discount.created", "data": {"object": {"id": "di_1"}}}
    inbox.store(new)
    inbox.handle("evt_new")
    assert not StripeEvent.objects.get(pk="evt_odd").handled_at
    mail.queue(ada.wallet, "low_balance", reference="low_balance:1:2026-11-01", balance=3)
    link = {"activate_url": "http://localhost:8000/accounts/confirm-email/MTE/", "site": "http://localhost:8000"}
    mail.queue_to("jon@example.com", "account/email/email_confirmation", user=None, **link)
    mail.queue_to("nobody@example.com", "account_deleted")
    put_off, given_up, tried = (
        OutgoingMail.objects.create(
            reference=f"receipt:checkout:cs_{name}",
            wallet=Wallet.objects.get(user__email="ben@example.com"),
            template="receipt",
            context={"product": "50 credits", "credits": 50, "amount": 500, "currency": "usd"},
        )
        for name in ("put_off", "given_up", "tried")
    )
    away = mock.patch("billing.outbox.rendering.compose", side_effect=ConnectionRefusedError(111, "Connection refused"))
    with away, mock.patch.dict(mail._away, {"until": 0.0}):
        mail.send(put_off.pk)
    with mock.patch("billing.outbox.rendering.compose", side_effect=ValueError("a broken template")):
        OutgoingMail.objects.filter(pk=given_up.pk).update(attempts=mail.MOST_ATTEMPTS - 1)
        mail.send(given_up.pk)
        mail.send(tried.pk)
    mail._away["until"] = 0.0
    OutgoingMail.objects.filter(pk=tried.pk).update(due_at=timezone.now() - timedelta(minutes=1))
    assert mail.failed().exists()
    notices.send_low_balance()


def through_the_sandbox(whose: Customer, request: ImageRequest, key: ApiKey | None = None) -> None:
    for generation in admit(whose, request, key):
        driver.finish(generation)


def admit(
    whose: Customer, request: ImageRequest, key: ApiKey | None = None, idempotency_key: str | None = None
) -> tuple[Generation, ...]:
    return admitted(ledger.wallet_of(whose.wallet.user_id), request, key, idempotency_key)


def admitted(
    wallet: Wallet, request: ImageRequest, key: ApiKey | None = None, idempotency_key: str | None = None
) -> tuple[Generation, ...]:
    with mock.patch("generator.ask.limits.take", return_value=None):  # so much comes from nobody in a minute
        return admission.admit(wallet=wallet, request=request, api_key=key, idempotency_key=idempotency_key).generations


def drawn(generation: Generation) -> None:
    drawing(generation)
    image = StoredImage("png", 1_400_000 + generation.pk, 1536, 1024, "#a1b2c3")
    assert lifecycle.complete(generation, image=image, model="reve-image-1.0")
    generation.refresh_from_db()


def drawing(generation: Generation) -> None:
    claimed = lifecycle.claim_submission(generation.pk)
    assert claimed
    assert lifecycle.accepted(claimed, upstream_id=f"up-{generation.public_id}", poll_after=1)
    generation.refresh_from_db()


def returned(generation: Generation) -> None:
    """It fails, and its credit comes back."""
    drawing(generation)
    assert lifecycle.fail(generation, code="upstream_failed", message="The brush broke.")
    generation.refresh_from_db()


def leave_drawing(generation: Generation) -> None:
    drawing(generation)
    Generation.objects.filter(pk=generation.pk).update(polls=1, failed_polls=1)


def unfinished(whose: Customer, key: ApiKey) -> None:
    """One image in every state that is not final, of the studio and of a key."""
    queued, sending, drawing = admit(whose, ImageRequest("Left unfinished", count=3))
    lifecycle.claim_submission(sending.pk)
    leave_drawing(drawing)
    again = lifecycle.claim_submission(admit(whose, ImageRequest("Put back once"), key, "order-3")[0].pk)
    assert again
    lifecycle.requeue([lifecycle.Pause(again, 1)])
    assert queued.status == "queued"


def log_in(user: User) -> None:
    answer = Client(headers={"User-Agent": FIREFOX}).post(
        "/accounts/login/", {"login": user.email, "password": PASSWORD}
    )
    assert answer.status_code == 302, answer.content


def remember_replay(whose: Customer, key: str, api_key: ApiKey, generations: tuple[Generation, ...]) -> None:
    first = generations[0]
    replays.append(
        {
            "email": whose.wallet.user.email,
            "idempotency_key": key,
            "prompt": first.prompt,
            "aspect_ratio": first.aspect_ratio,
            "wait": key == "order-1",
            "count": len(generations),
            "images": [one.public_id for one in generations],
        }
    )


def leave_it_for_an_hour() -> None:
    """As when it was stopped for the update: what was under way is past its deadline, claims have lapsed."""
    past = timezone.now() - timedelta(minutes=50)
    rows = Generation.objects.filter(status__in=Generation.UNFINISHED)
    rows.update(created_at=past, deadline_at=past + timedelta(minutes=10), due_at=past + timedelta(seconds=20))
    assert {"queued", "submitting", "drawing"} == set(rows.values_list("status", flat=True))


def facts(at: datetime) -> dict[str, Any]:
    """What this code makes of the rows, at `at`."""
    return {
        "at": at.isoformat(),
        "people": {user.email: _person(user) for user in User.objects.order_by("pk")},
        "keys": [{"whose": whose, "secret": secret, "opens": _opens(secret)} for whose, secret in secrets.items()],
        "images": {one.public_id: _image(one) for one in Generation.objects.order_by("pk")},
        "replays": replays,
        "mails_due": sorted(
            OutgoingMail.objects.filter(sent_at=None, failed_at=None, due_at__lte=timezone.now()).values_list(
                "reference", flat=True
            )
        ),
        "events_due": sorted(
            StripeEvent.objects.filter(handled_at=None, due_at__lte=timezone.now()).values_list("pk", flat=True)
        ),
        "personal_tasks_due": jobs.waiting(),
    }


def _person(user: User) -> dict[str, Any]:
    wallet = Wallet.objects.filter(user=user).first()
    return {
        "credits": wallet.balance if wallet else None,
        "permissions": sorted(user.get_all_permissions()) if user.is_staff and not user.is_superuser else [],
    }


def _image(generation: Generation) -> dict[str, Any]:
    reference = generation.credit_reference
    entries = CreditEntry.objects.filter(reference__startswith=reference).order_by("pk")
    return {
        "whose": generation.wallet.user.email,
        "status": generation.status,
        "prompt": generation.prompt,
        "reference": reference,
        "credits": [[one.kind, one.amount] for one in entries],
    }


def _opens(secret: str) -> bool:
    with transaction.atomic():
        try:
            keys.verify(secret)
            return True
        except InvalidApiKey:
            return False
        finally:
            transaction.set_rollback(True)


def afterwards() -> dict[str, int]:
    """Let what is left over end, and return everybody's credits."""
    tasks.sweep()
    ledger.expire_due()
    assert list(audit.drifts()) == []
    return {one.user.email: one.balance for one in Wallet.objects.select_related("user").order_by("pk")}


def copy_to_postgres(source: Path) -> None:
    """Run in a process of its own, whose default database is on PostgreSQL: the same rows, by the models."""
    call_command("migrate", verbosity=0)
    connection.settings_dict["OPTIONS"].pop("pool", None)
    models = [model for model in apps.get_models(include_auto_created=True) if model._meta.managed]
    from django.db import connections

    connections.databases["source"] = {**connections.databases["default"], "ENGINE": "django.db.backends.sqlite3"}
    connections.databases["source"] |= {"NAME": str(source), "OPTIONS": {}}
    from django.db.models import QuerySet

    with transaction.atomic(), connection.cursor() as cursor:
        for model in models:
            cursor.execute(f'DELETE FROM "{model._meta.db_table}"')
        for model in models:
            rows: list[Any] = list(QuerySet(model, using="source").order_by("pk"))
            QuerySet(model, using="default").bulk_create(rows, batch_size=500)
        for statement in connection.ops.sequence_reset_sql(no_style(), models):
            cursor.execute(statement)
    assert list(audit.drifts()) == []


def write_sqlite(to: Path) -> None:
    to.unlink(missing_ok=True)
    source = sqlite3.connect(connection.settings_dict["NAME"])
    source.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    source.execute("VACUUM INTO ?", (str(to),))
    source.close()


def write_stand_in(to: Path) -> None:
    """What Stripe knows, without what it remembers of answers and deliveries."""
    to.unlink(missing_ok=True)
    source = sqlite3.connect(environment.VAR_DIR / "sandbox" / "stripe.sqlite3")
    source.execute("VACUUM INTO ?", (str(to),))
    source.close()
    copy = sqlite3.connect(to, isolation_level=None)
    for table in ("answer", "delivery"):
        copy.execute(f"DELETE FROM {table}")
    copy.execute("VACUUM")
    copy.close()


def write_postgres(source: Path) -> str:
    address = f"{POSTGRES}/{SCRATCH}"
    subprocess.run(["dropdb", "--if-exists", f"--maintenance-db={POSTGRES}/postgres", SCRATCH], check=True)
    subprocess.run(["createdb", f"--maintenance-db={POSTGRES}/postgres", SCRATCH], check=True)
    own = {**os.environ, "DATABASE_URL": address, "MAKE_ON_POSTGRES": "1"}
    subprocess.run([sys.executable, "-m", "tests.installations.make", str(source)], check=True, env=own)
    dump = ["pg_dump", "--no-owner", "--no-privileges", "--inserts", "--rows-per-insert=200", address]
    text = subprocess.run(dump, check=True, capture_output=True, text=True).stdout
    subprocess.run(["dropdb", f"--maintenance-db={POSTGRES}/postgres", SCRATCH], check=True)
    text = re.sub(r"^(--.*|\\(un)?restrict .*|SET transaction_timeout .*)?\n", "", text, flags=re.M)
    return re.sub(r"^COMMENT ON .*\n", "", text, flags=re.M)


def packed(data: bytes) -> bytes:
    return lzma.compress(data, preset=9 | lzma.PRESET_EXTREME)


def main() -> None:
    if ON_POSTGRES:
        copy_to_postgres(FOLDER)
        return
    running: Any = SimpleNamespace(getoption=lambda *a: None)
    try:
        environment.SANDBOX.ensure()
        make()
        assert list(audit.drifts()) == [], list(audit.drifts())
        FOLDER.mkdir(parents=True, exist_ok=True)
        plain = FOLDER / "installation.sqlite3"
        write_sqlite(plain)
        stripe = FOLDER / "stripe.sqlite3"
        write_stand_in(stripe)
        at = timezone.now()
        with mock.patch("django.utils.timezone.now", return_value=at):
            known = facts(at)
            for email, credits in afterwards().items():
                known["people"][email]["credits_afterwards"] = credits
        text = write_postgres(plain)
        (FOLDER / "installation.sql.xz").write_bytes(packed(text.encode()))
        (FOLDER / "installation.sqlite3.xz").write_bytes(packed(plain.read_bytes()))
        (FOLDER / "stripe.sqlite3.xz").write_bytes(packed(stripe.read_bytes()))
        plain.unlink()
        stripe.unlink()
        (FOLDER / "installation.json").write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n")
    finally:
        environment.pytest_unconfigure(running)


if __name__ == "__main__":
    main()
