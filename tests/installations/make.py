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
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock
from uuid import uuid4

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
from django.db.models import Q, QuerySet
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
    OutgoingMail,
    Pack,
    Plan,
    Price,
    StripeEvent,
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
from generator.models import Generation, UpstreamTrouble
from generator.upstreams import trouble
from generator.upstreams.reve_art import OperatorTrouble
from reveweb.personal import jobs
from reveweb.personal import tasks as personal_tasks
from tests import driver
from tests.payments.conftest import DECLINED, FAILS_LATER, GOOD, SITE, Customer, Desk

PASSWORD = "correct horse battery"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

secrets: dict[str, str] = {}  # whose key it is for us → its secret
replays: list[dict[str, Any]] = []
presses: list[dict[str, Any]] = []  # of the studio's form, with the images that each became
calls: list[dict[str, Any]] = []  # of the API under `Idempotency-Key`, with the image that each became
everybody: list[Customer] = []


def make() -> None:
    """Fill the database."""
    call_command("migrate", verbosity=0)
    desk = Desk(f"http://127.0.0.1:{environment.SANDBOX_PORT}")
    sam = person("sam@example.com", is_staff=True, is_superuser=True, name="Sam Ortega")
    edit_the_catalogue(sam)
    # Stripe's clock moves for all that run there, so what is to stay as it is comes after the last move.
    somebody_whose_plan_ended(desk)
    draw = somebody_who_draws(sam)
    ada = somebody_with_everything(desk, sam)
    raise_the_price(sam)
    somebody_whose_card_fails(desk)
    somebody_who_changes_plans(desk)
    somebody_refunded(desk)
    somebody_in_dispute(desk)
    somebody_with_open_checkouts(desk)
    members_of_staff(sam)
    somebody_suspended(sam)
    somebody_deleted(desk)
    somebody_being_deleted()
    somebody_new()
    credits_that_ended(sam)
    for one in everybody:
        one.follow()
    events_and_mails(ada)
    leave_it_for_an_hour()
    stop_at_work(draw)
    out_of_funds()


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
    assert Price.objects.exclude(retired_at=None).exists()


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
    nonce = f"studio:{uuid4()}"
    several = admit(
        ada, ImageRequest("Moss, “soft”; O'Reilly\\n 100 %", aspect_ratio="2:3", count=3), idempotency_key=nonce
    )
    for generation in (*lone, *several):
        drawn(generation)
    for generation in admit(ada, ImageRequest("Terraced rice fields under a storm"), nightly):
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
    remember_replay(ada, "order-1", lone)
    remember_replay(ada, nonce, several)
    return ada


@dataclass
class Draws:
    """Somebody who asks through the site's own doors: the studio's form, and the API with a key."""

    user: User
    browser: Client
    api_key: ApiKey
    name: str

    def press(self, prompt: str, count: int = 1, **more: str) -> list[Generation]:
        """Press Generate in the studio."""
        form = {"nonce": str(uuid4()), "prompt": prompt, "aspect_ratio": "1:1", "count": str(count), **more}
        answer = self.browser.post("/create/generate/", form, headers={"Accept": "application/json"})
        assert answer.status_code == 201, answer.content
        presses.append({"email": self.user.email, "form": form, "images": answer.json()["ids"]})
        return self._images(answer.json()["ids"])

    def call(self, prompt: str, key: str | None = None, **more: Any) -> Generation:
        """Call the API, which answers at once."""
        secret = secrets[f"{self.user.email}: {self.name}"]
        body = {"prompt": prompt, "async": True, **more}
        headers = {"Authorization": f"Bearer {secret}", **({"Idempotency-Key": key} if key else {})}
        answer = self.browser.post("/v1/reve-image/generate", body, "application/json", headers=headers)
        assert answer.status_code == 202, answer.content
        if key:
            calls.append({"secret": secret, "idempotency_key": key, "body": body, "image": answer.json()["id"]})
        return self._images([answer.json()["id"]])[0]

    def _images(self, names: list[str]) -> list[Generation]:
        found = {one.public_id: one for one in Generation.objects.filter(public_id__in=names)}
        return [found[name] for name in names]


def somebody_who_draws(sam: User) -> Draws:
    """Olga has drawn by presses of one and of several images and by calls, and each ended in its own way."""
    olga = person("olga@example.com", name="Olga Lind")
    wallet = ledger.wallet_of(olga.pk)
    acts.grant(actor=sam, wallet=wallet, credits=60, reason="An early friend", reference="staff:olga")
    acts.change_plan(actor=sam, wallet=wallet, plan=product(Plan, "pro"), reason="An early friend")
    acts.change_rate_limit(actor=sam, wallet=wallet, per_minute=1000, reason="An early friend")
    api_key = key_of(olga, "shop", monthly_credit_cap=30, rate_limit=1000)
    does = Draws(olga, log_in(olga), api_key, "shop")
    four = does.press("Four lanterns over a canal", count=4, negative_prompt="boats")
    for generation in four[:3]:
        drawn(generation)
    returned(four[3])
    for generation in (*does.press("The same words"), *does.press("The same words")):
        drawn(generation)
    through = [
        *does.press("A ladder into fog", count=2, aspect_ratio="16:9"),
        does.call("A shelf of blue jars", "jar-1", aspect_ratio="3:2"),
        does.call("Something rude [sandbox:refuse]", "jar-2"),
        does.call("A jar that breaks [sandbox:fail]", "jar-3"),
        does.call("A jar under no name"),
        *does.press("Something rude, by hand [sandbox:refuse]"),
    ]
    for generation in through:
        driver.finish(generation)
    assert {"prompt_refused", "upstream_failed"} <= set(wallet.generations.values_list("error_code", flat=True))
    for generation in does.press("Called off", count=2):
        answer = does.browser.post(f"/gallery/{generation.public_id}/cancel/", headers={"Accept": "application/json"})
        assert answer.status_code == 200, answer.content
    assert wallet.generations.filter(error_code="cancelled").count() == 2

    shared = [four[0], through[0]]
    for generation in shared:
        generation.refresh_from_db()
        sharing.share(generation)
    sharing.show_on_explore(shared[0], listed=True)
    favourites.mark_all(wallet, [shared[1].public_id], favourite=True)
    trash.discard(wallet, [through[3].public_id, four[2].public_id])
    Generation.objects.filter(pk=four[2].pk).update(deleted_at=timezone.now() - timedelta(days=1))
    assert trash.purge_due() == 1
    trash.discard(wallet, [four[1].public_id])
    caps.take(api_key, 11, timezone.now() - timedelta(days=40))
    jobs.start_export(olga)
    return does


def stop_at_work(does: Draws) -> None:
    """As when it was stopped a minute ago: what Olga asked for is under way in every state, and not late.

    Of a press and of a call each: queued, being sent by a worker that died, drawing, and drawn but not stored.
    """
    assert not does.user.wallet.generations.filter(status__in=Generation.UNFINISHED).exists()
    press = does.press("One press in four states", count=4)
    again = [does.call("A call that is in four states", f"work-{number}") for number in range(4)]
    ago = timezone.now() - timedelta(minutes=2)
    for queued, sending, looking, unstored in (press, again):
        sent = lifecycle.claim_submission(sending.pk)
        assert sent
        assert queued.status == "queued"
        for generation in (looking, unstored):
            drawing(generation)
        Generation.objects.filter(pk=unstored.pk).update(due_at=ago - timedelta(days=1))  # before all others
        [looked] = lifecycle.claim_looks(1)
        assert looked.pk == unstored.pk
        assert lifecycle.wait_for_storage([lifecycle.Unstored(looked, "reve-image-1.0", 1)])
    work = Generation.objects.filter(pk__in=[one.pk for one in (*press, *again)])
    work.update(created_at=ago, due_at=ago + timedelta(minutes=1))
    work.exclude(submitted_at=None).update(submitted_at=ago + timedelta(seconds=2))
    work.filter(unstored_since=None).update(deadline_at=ago + timedelta(minutes=10))


def out_of_funds() -> None:
    """The upstream, named by its host, asks the operator to pay."""
    with mock.patch.object(settings, "REVE_API_URL", "https://api.reve.example"):
        trouble.note(OperatorTrouble("402: top up", UpstreamTrouble.Kind.OUT_OF_FUNDS))
    assert UpstreamTrouble.objects.get().upstream == "api.reve.example"


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
    with ledger.books(eliza.wallet) as books:
        books.take(credits=3, reference="test:eliza", cause="So that the pack pays")
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
    with ledger.books(fay.wallet) as books:
        books.take(credits=3, reference="test:fay", cause="So that the packs pay")

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
    assert CreditGrant.objects.filter(wallet=fay.wallet).exclude(dispute=None).exists()


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
        with ledger.books(mia) as books:
            entry = books.grant(
                credits=credits, source=source, reference=f"test:mia:{name}", cause="Spring", expires_at=soon
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
    if key is None and idempotency_key is None:
        idempotency_key = f"studio:{uuid4()}"  # as each press has one
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


def log_in(user: User) -> Client:
    browser = Client(headers={"User-Agent": FIREFOX})
    answer = browser.post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    assert answer.status_code == 302, answer.content
    return browser


def remember_replay(whose: Customer, key: str, generations: tuple[Generation, ...]) -> None:
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
        "presses": presses,
        "calls": calls,
        "at_work": {one.public_id: _at_work(one) for one in _of_olga()},
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


def _at_work(generation: Generation) -> str:
    """The state in which it was stopped, in a word."""
    return "unstored" if generation.unstored_since else generation.status


def _of_olga() -> QuerySet[Generation]:
    rows = Generation.objects.filter(wallet__user__email="olga@example.com", status__in=Generation.UNFINISHED)
    return rows.order_by("pk")


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
        at = timezone.now()
        with mock.patch("django.utils.timezone.now", return_value=at):
            known = facts(at)
            for email, credits in afterwards().items():
                known["people"][email]["credits_afterwards"] = credits
        text = write_postgres(plain)
        (FOLDER / "installation.sql.xz").write_bytes(packed(text.encode()))
        (FOLDER / "installation.sqlite3.xz").write_bytes(packed(plain.read_bytes()))
        plain.unlink()
        (FOLDER / "installation.json").write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n")
    finally:
        environment.pytest_unconfigure(running)


if __name__ == "__main__":
    main()
