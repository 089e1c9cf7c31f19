"""What an installation's own process does for the tests, as no command or request does it as quickly.

`tests.browser.furnish.stock` calls these functions there. What they print is their answer.
"""

import io
import json
import os
import secrets
import time
from datetime import timedelta
from unittest.mock import patch
from uuid import uuid4

from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth.hashers import Argon2PasswordHasher, make_password
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db.models import F, Min, Q, QuerySet
from django.test import Client
from django.utils import timezone
from PIL import Image

from accounts import keys
from accounts.models import User
from billing import ledger
from billing.models import (
    AuditRecord,
    Bulk,
    BulkLine,
    Code,
    CodeOffer,
    CreditEntry,
    CreditGrant,
    Dispute,
    HeldWelcome,
    Order,
    OutgoingMail,
    Pack,
    Payment,
    Plan,
    Price,
    Redemption,
    StaffRefund,
    StripeAccount,
    StripeCustomer,
    StripeEvent,
    Subscription,
    Wallet,
)
from generator.files import images
from generator.models import (
    ASPECT_RATIOS,
    Attempt,
    Generation,
    ImageModel,
    Pause,
    PromptRule,
    Report,
    Route,
    Upstream,
    UpstreamTrouble,
    WebhookDelivery,
    WebhookEndpoint,
    new_file_token,
    new_public_id,
)
from generator.upstreams import secret
from generator.webhooks import endpoints
from kit.text import folded
from reveweb.watch.models import Alert, AlertCall

PASSWORD = "correct horse battery"
SIZES = {
    "1:1": (64, 64),
    "16:9": (96, 54),
    "4:3": (80, 60),
    "3:4": (60, 80),
    "9:16": (54, 96),
    "2:3": (60, 90),
    "3:2": (90, 60),
}


def crowd(count: int, port: int) -> None:
    """Let that many people sign up by the site's own form; print each one's address and cookies as a line of JSON."""
    hashed = make_password(PASSWORD)  # slow on purpose, so once for all
    with patch.object(Argon2PasswordHasher, "encode", return_value=hashed):
        for number in range(count):
            email = f"person-{secrets.token_hex(6)}@example.com"
            # Each from an address of their own: the form takes 20 people a minute from one.
            source = f"10.0.{number >> 8}.{number & 255}"
            client = Client(SERVER_NAME="127.0.0.1", SERVER_PORT=str(port), REMOTE_ADDR=source)
            answer = client.post("/accounts/signup/", {"email": email, "password1": PASSWORD})
            assert answer.status_code == 302, answer.content
            cookies = {name: morsel.value for name, morsel in client.cookies.items()}
            print(json.dumps([email, cookies]))


def promote(email: str) -> None:
    """Let somebody do everything in the admin."""
    User.objects.filter(email=email).update(is_staff=True, is_superuser=True)


def pictures(email: str, prompts: list[str], ratio: str = "") -> None:
    """Give somebody an image for each of the `prompts`, the last one the newest; print their ids.

    The files are of one colour and a few bytes. The shapes take turns unless `ratio` names one.
    """
    files = {(name, kind): _plain(name, kind) for name in SIZES for kind in ("PNG", "WEBP")}
    wallet = ledger.wallet_of(User.objects.get(email=email).pk)
    now = timezone.now()
    rows = []
    for number, prompt in enumerate(prompts):
        shape = ratio or ASPECT_RATIOS[number % len(ASPECT_RATIOS)]
        width, height = SIZES[shape]
        rows.append(
            Generation(
                wallet=wallet,
                prompt=prompt,
                search_text=folded(prompt),
                aspect_ratio=shape,
                request_digest="0",
                deadline_at=now,
                finished_at=now,
                status=Generation.Status.COMPLETED,
                file_extension="png",
                width=width * 16,
                height=height * 16,
            )
        )
    for row in rows:  # the files first: an open page shows what has a row
        default_storage.save(images.path_of(row.file_name), ContentFile(files[row.aspect_ratio, "PNG"]))
        for side in images.THUMBNAIL_SIDES:
            name = images.thumbnail_name(row.file_token, side)
            default_storage.save(name, ContentFile(files[row.aspect_ratio, "WEBP"]))
    for row in Generation.objects.bulk_create(rows):
        print(row.public_id)


def _plain(ratio: str, kind: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", SIZES[ratio], "#7a8b9c").save(out, kind)
    return out.getvalue()


def people(credits: int, *emails: str) -> None:
    """Create everybody, and give Ada credits and a key."""
    password = make_password(PASSWORD)  # slow on purpose, so once for all
    for email in emails:
        user = User.objects.create(email=email, password=password)
        EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
        ledger.welcome(ledger.wallet_of(user.pk))
    ada = User.objects.get(email="ada@example.com")
    User.objects.filter(pk=ada.pk).update(name="Ada Marsh")
    source = CreditGrant.Source.STAFF
    wallet = ledger.wallet_of(ada.pk)
    Wallet.objects.filter(pk=wallet.pk).update(plan=None)  # all of her images at once are more than the free plan lets
    with ledger.books(wallet) as books:
        books.grant(credits=credits, source=source, reference="furnish", cause="Thank you")
    print(f"secret={keys.mint(user=ada, name='Storefront', rate_limit=100_000)[1]}")


def gallery(many: int) -> None:
    """Share some of Ada's images, count some as the studio's, spread them over days; copy them for `many`."""
    ada = ledger.wallet_of(User.objects.get(email="ada@example.com").pk)
    # The model's own manager refuses to change what was written.
    entries: QuerySet[CreditEntry] = QuerySet(CreditEntry).filter(wallet=ada)
    mine = list(ada.generations.order_by("pk"))
    pictures = [one for one in mine if one.status == Generation.Status.COMPLETED]
    for number, generation in enumerate(pictures):
        shared = number % 3 == 0
        back = timedelta(days=int((len(pictures) - 1 - number) ** 1.3 / 2.4))  # busier lately
        Generation.objects.filter(pk=generation.pk).update(
            api_key=generation.api_key if number % 2 else None,
            is_favourite=number % 4 == 0,
            share_token=secrets.token_urlsafe(16) if shared else None,
            is_listed=shared,
            created_at=generation.created_at - back,
            submitted_at=generation.submitted_at and generation.submitted_at - back,
            finished_at=generation.finished_at and generation.finished_at - back,
        )
        own = Q(reference=generation.credit_reference) | Q(of__reference=generation.credit_reference)
        entries.filter(own).update(created_at=F("created_at") - back)
    first = entries.aggregate(first=Min("created_at"))["first"]
    entries.filter(kind=CreditEntry.Kind.GRANT).update(created_at=first - timedelta(hours=1))
    if many:
        _copy(pictures, many)
    failed = next(one for one in mine if one.status == Generation.Status.FAILED)
    share = ada.generations.exclude(share_token=None).values_list("share_token", flat=True)[0]
    endpoint, off = _webhooks(ada, pictures, failed)
    print(f"image={pictures[0].public_id} failed={failed.public_id} share={share}")
    print(f"endpoint={endpoint} endpoint_off={off}")


def _webhooks(ada: Wallet, pictures: list[Generation], failed: Generation) -> tuple[str, str]:
    """Give Ada an endpoint with messages in every state, and one that was switched off; return their ids."""
    url = f"https://example.com/hooks/{'a-very-long-path/' * 8}images?for=the+shop"
    good = endpoints.add(ada, url=url, description="The shop's own server: puts images into the catalogue")
    off = endpoints.add(ada, url="https://old.example.com/hook", events=["image.failed"])
    now, states = timezone.now(), WebhookDelivery.State
    WebhookEndpoint.objects.filter(pk=good.pk).update(last_success_at=now, failing_since=now - timedelta(hours=3))
    WebhookEndpoint.objects.filter(pk=off.pk).update(state="off", off_because="failing")
    told = [
        (states.DELIVERED, 200, "ok", "", 1),
        (states.FAILED, 500, "Internal error: the queue that takes images is full, try again later", "Given up.", 11),
        (states.PENDING, None, "", "No answer within 10 seconds.", 3),
        (states.HELD, None, "", "", 0),
        (states.DELIVERED, 204, "", "", 2),
    ]
    for number, (state, status, answer, error, attempts) in enumerate(told):
        image = failed if number == 1 else pictures[number]
        WebhookDelivery.objects.create(
            wallet=ada,
            endpoint=good if number < 4 else None,
            generation=image,
            event="image.failed" if number == 1 else "image.completed",
            url=url if number < 4 else "https://example.com/once",
            host="example.com",
            lane="stock",
            state=state,
            status=status,
            answer=answer,
            last_error=error,
            attempts=attempts,
            failures=attempts,
            milliseconds=1234 if status else None,
            due_at=now + timedelta(days=2),
        )
    return good.public_id, off.public_id


def back_office(operator: str, customer: str) -> None:
    """Let `operator` do everything, and put a row into each list of the admin, its words as long as life makes them.

    What is on record at Stripe belongs to an account that is not in use, so that nobody asks Stripe for it.
    """
    promote(operator)
    now, later = timezone.now(), timezone.now() + timedelta(days=365)
    actor, wallet = User.objects.get(email=operator), ledger.wallet_of(User.objects.get(email=customer).pk)
    account = StripeAccount.objects.create(stripe_id="acct_1QxZ7pLkWn3Vb8Ta", livemode=True, installation="earlier")
    StripeCustomer.objects.create(
        wallet=wallet, account=account, stripe_id="cus_RtY4mNq8ZxW2Lp", email=f"accounts.payable.{customer[-60:]}"
    )
    plan, pack = Plan.objects.exclude(price=0).first(), Pack.objects.first()
    price = Price.objects.create(
        stripe_id="price_1QxZ8aLkWn3Vb8TaHfGdSq9E",
        account=account,
        plan=plan,
        amount=1_234_900,
        currency="usd",
        interval="month",
        credits=150_000,
        retired_at=now,
    )
    subscription = Subscription.objects.create(
        wallet=wallet,
        account=account,
        stripe_id="sub_1QxZ8bLkWn3Vb8TaKjHgFd5S",
        plan=plan,
        price=price,
        quantity=2,
        status="past_due",
        period_start=now,
        period_end=later,
        cancel_at=later,
    )
    session = "cs_live_a1B2c3D4e5F6g7H8i9J0kLmNoPqRsTuVwXyZa1B2c3D4e5F6g7H8i9J0kL"
    Order.objects.create(wallet=wallet, account=account, pack=pack, price=price, stripe_session_id=session)
    payment = Payment.objects.create(
        wallet=wallet,
        account=account,
        reference=f"checkout:{session}",
        payment_intent="pi_3QxZ9cLkWn3Vb8Ta1MnBvCxZ",
        amount=1_234_900,
        currency="usd",
        price=price,
        credits=150_000,
        subscription=subscription,
        refunded=617_450,
        description="Studio and agency plan, monthly",
    )
    StaffRefund.objects.create(
        payment=payment,
        actor=actor,
        amount=617_450,
        reason="Charged twice: the second invoice (in_1QxZ9dLkWn3Vb8TaPoIuYtRe) was for the same period.",
        nonce=uuid4(),
        status=StaffRefund.Status.REFUSED,
        last_error="InvalidRequestError: Charge ch_3QxZ9cLkWn3Vb8Ta1QwErTyU has been charged back.",
    )
    Dispute.objects.create(
        stripe_id="du_1QxZ9eLkWn3Vb8TaLkJhGfDs",
        payment=payment,
        status="warning_needs_response",
        reason="subscription_canceled",
        amount=1_234_900,
    )
    StripeEvent.objects.create(
        id="evt_1QxZ9fLkWn3Vb8TaZaXsCdVf",
        type="customer.subscription.pending_update_expired",
        payload={"data": {"object": {"object": "subscription", "id": subscription.stripe_id}}},
        account=account,
        livemode=True,
        attempts=7,
        due_at=later,
        last_error=f"NotYet: the checkout {session} that this belongs to is not known yet",
    )
    OutgoingMail.objects.create(
        reference="furnish:mail",
        wallet=wallet,
        template="subscription_payment_failed",
        attempts=8,
        due_at=later,
        failed_at=now,
        last_error="SMTPRecipientsRefused: (550, b'5.1.1 The email account that you tried to reach is gone')",
    )
    AuditRecord.objects.create(
        actor=actor,
        wallet=wallet,
        action="Changed plan",
        reason="They asked by phone, and sent the order afterwards: PO-2026-11-00482-COPENHAGEN-STUDIO",
        before={"plan": "Free"},
        after={"plan": str(plan)},
    )
    UpstreamTrouble.objects.create(upstream="images.eu-north-1.an-earlier-upstream.example.com", kind="key_refused")
    _upstreams()
    _codes(actor, wallet)
    _acts_on_many(actor, wallet.user)
    _abuse(wallet)
    print(f"person={wallet.user_id} payment={payment.pk}")


def _codes(actor: User, wallet: Wallet) -> None:
    offer = CodeOffer.objects.create(
        kind=CodeOffer.Kind.PROMO,
        name="Thank you for visiting us at the fair in Copenhagen",
        credits=12_500,
        created_by=actor,
        nonce=uuid4(),
    )
    code = Code.objects.create(
        offer=offer, digest="0" * 64, shown="COPENHAGEN-FAIR-AUTUMN-2026", most=100_000, redeemed=1
    )
    Redemption.objects.create(offer=offer, code=code, wallet=wallet, mailbox="0" * 64, is_once=True, credits=12_500)


def _acts_on_many(actor: User, user: User) -> None:
    bulk = Bulk.objects.create(
        act="grant",
        source="people-of-the-studio-in-copenhagen-who-lost-images-2026-11-17.csv",
        values={"credits": 20},
        reason="For the outage on Tuesday",
        actor=actor,
        state=Bulk.State.DONE,
        total=2,
        counts={"done": 1, "skipped": 1},
        finished_at=timezone.now(),
    )
    for number, state in enumerate((BulkLine.State.DONE, BulkLine.State.SKIPPED), start=1):
        about = {"target": str(user.pk), "label": user.email, "user": user}
        BulkLine.objects.create(bulk=bulk, number=number, state=state, **about)


def _abuse(wallet: Wallet) -> None:
    """What was reported and held back, a rule that nobody breaks, and a pause of what nobody is offered."""
    Report.objects.create(
        generation=Generation.objects.exclude(share_token=None).earliest("pk"),
        reason=Report.Reason.RIGHTS,
        words="The poster in the background is mine: see https://example.com/posters/night-garden for the original.",
        email=f"the.rights.department@{'mail.' * 4}example.com",
        reporter="0" * 64,
    )
    HeldWelcome.objects.create(wallet=wallet, reason=HeldWelcome.Reason.NETWORK, credits=3)
    _alarm()
    PromptRule.objects.create(
        text="a zeppelin over copenhagen, thezeppelinthatnobodyeverasksfor", message="no zeppelins"
    )
    retired = ImageModel.objects.create(slug="retired", name="A model that is retired", is_active=False)
    Pause.objects.create(model=retired, message="We move it to a larger machine, and are back in an hour or two.")


def _upstreams() -> None:
    """Give the first upstream one that is in trouble to fall back on, and tries that cost."""
    model, first = ImageModel.objects.earliest("pk"), Upstream.objects.earliest("pk")
    about = {"dialect": Upstream.Dialect.OPENAI_IMAGES, "base_url": "https://eu-north-1.an-upstream.example.com/v1"}
    spare, is_new = Upstream.objects.get_or_create(
        slug="an-upstream-in-the-north",
        defaults={**about, "name": "An upstream in the north", "priority": 200, "max_in_flight": 50},
    )
    if not is_new:
        return
    Upstream.objects.filter(pk=spare.pk).update(secret=secret.seal("a-key-that-nobody-sees"))
    Route.objects.filter(model=model, upstream=first).update(cost_micros=40_000, cost_currency="USD")
    costs = {"cost_micros": 52_500, "cost_currency": "EUR", "their_name": "a-model-with-a-long-name-3-large-turbo"}
    Route.objects.create(model=model, upstream=spare, **costs)
    UpstreamTrouble.objects.create(upstream=spare.slug, kind="out_of_funds")
    Attempt.objects.update(cost_micros=40_000, cost_currency="USD")
    for attempt in Attempt.objects.filter(state=Attempt.State.DRAWN).order_by("-pk")[:3]:
        number = attempt.generation.attempts.count() + 1
        busy = {"state": Attempt.State.NOT_TAKEN, "error_kind": "Busy", "error_status": 429}
        began = {"started_at": attempt.started_at, "ended_at": attempt.started_at}
        Attempt.objects.create(generation=attempt.generation, number=number, upstream=spare, **busy, **began)


def _copy(pictures: list[Generation], many: int) -> None:
    """Give `many@` that many images: rows of their own, their files hard links."""
    while Generation.objects.filter(pk__in=[one.pk for one in pictures], needs_thumbnails=True).exists():
        time.sleep(0.1)
    wallet = ledger.wallet_of(User.objects.get(email="many@example.com").pk)
    now = timezone.now()
    rows = []
    for number in range(many):
        source, token = pictures[number % len(pictures)], new_file_token()
        own = {
            "wallet_id": wallet.pk,
            "api_key_id": None,
            "share_token": None,
            "is_listed": False,
            "idempotency_key": None,
            "public_id": new_public_id(),
            "file_token": token,
            "needs_thumbnails": False,
            "created_at": now - timedelta(minutes=many - number),
        }
        kept = {field.attname: getattr(source, field.attname) for field in Generation._meta.concrete_fields}
        rows.append(Generation(**{**kept, **own, "id": None}))
        _link(source, token)
    Generation.objects.bulk_create(rows, batch_size=500)


def _link(source: Generation, token: str) -> None:
    root = settings.STORAGES["default"]["OPTIONS"]["location"]
    names = [(images.path_of(source.file_name), images.path_of(f"{token}.{source.file_extension}"))]
    for side in images.THUMBNAIL_SIDES:
        names.append((images.thumbnail_name(source.file_token, side), images.thumbnail_name(token, side)))
    for old, new in names:
        (root / new).parent.mkdir(parents=True, exist_ok=True)
        os.link(root / old, root / new)


def _alarm() -> None:
    """One trouble that is over, with its mail sent and its call given up, and one that lasts."""
    now = timezone.now()
    over = Alert.objects.create(
        name="disk", words="The disk of VAR_DIR is nearly full", cure="Make room, or give it a larger one.",
        began_at=now - timedelta(hours=3), told_at=now - timedelta(hours=2), ended_at=now - timedelta(hours=1),
    )  # fmt: skip
    AlertCall.objects.create(alert=over, kind="began", failed_at=now, last_error="ConnectTimeout")
    OutgoingMail.objects.create(
        to="operators@example.com", template="alert_began", reference=f"alert:{over.pk}:began:0", sent_at=now
    )
    Alert.objects.create(name="scheduler", words="No scheduler was heard", cure="Start it.", told_at=now)
