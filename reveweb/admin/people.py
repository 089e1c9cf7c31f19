"""Find a person by whatever names them, and gather all there is to know about one. All reading, nothing else."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from allauth.account.models import EmailAddress
from django.db import connection
from django.db.models import F, Prefetch, Q, QuerySet
from django.urls import reverse

from accounts.models import ApiKey, User
from billing import identity
from billing.admin.columns import because, readable, stripe_url
from billing.catalogue import products
from billing.ledger import statement
from billing.models import (
    AuditRecord,
    CreditEntry,
    CreditGrant,
    Dispute,
    Order,
    Payment,
    Plan,
    Refund,
    StaffRefund,
    StripeCustomer,
    StripeEvent,
    Subscription,
    Wallet,
)
from billing.staff import roles
from billing.statements import figures
from generator.calls import listing
from generator.jobs import endings
from generator.models import ApiCall, Attempt, Generation
from generator.pages.cards import Picture, picture_of
from generator.upstreams import costs
from kit.http.requests import without_nul

ENTRIES = 50
CALLS = 20
IMAGES = 24
PAYMENTS = 20
RECORDS = 20
LAST = "\U0010ffff"  # comes after every other character


@dataclass(frozen=True)
class Entry:
    """A change of credits, its cause in words, and the page about that, "" where the viewer may not see it."""

    entry: CreditEntry
    cause: str
    url: str


@dataclass(frozen=True)
class Paid:
    """A payment, what staff refunded of it, and whether anything is left that could be refunded."""

    payment: Payment
    refunds: list[StaffRefund]

    @property
    def is_refundable(self) -> bool:
        return bool(self.payment.payment_intent) and self.payment.refunded < self.payment.amount

    @property
    def waits(self) -> bool:
        """A refund of it is under way: the page looks for news of it."""
        return any(refund.is_on_its_way or refund.status == refund.Status.ASKED for refund in self.refunds)


@dataclass(frozen=True)
class Customer:
    """Who the person is at an account of Stripe's, and the dashboard's page about that, "" where there is none."""

    row: StripeCustomer
    url: str


@dataclass(frozen=True)
class Record:
    """An audit record; what it says of money is in words."""

    record: AuditRecord
    before: dict[str, Any]
    after: dict[str, Any]


@dataclass(frozen=True)
class Try:
    """One try at an upstream, and what it cost us in words, "" where nobody noted it."""

    attempt: Attempt
    cost: str


@dataclass(frozen=True)
class Image:
    """An image as the page shows it; `returned` tells whether staff gave its credit back."""

    generation: Generation
    picture: Picture | None
    returned: bool
    tries: list[Try]
    ending: endings.Ending


@dataclass(frozen=True)
class Person:
    """Everything about one person that the viewer may see; a section that they may not see is None."""

    user: User
    role: str
    verified: bool
    wallet: Wallet | None
    plan: Plan | None
    subscription: Subscription | None
    subscriptions: list[Subscription]
    grants: list[CreditGrant]
    disputes: list[Dispute]
    entries: list[Entry]
    customers: list[Customer]
    payments: list[Paid] | None
    images: list[Image] | None
    keys: list[ApiKey] | None
    calls: list[ApiCall] | None
    records: list[Record] | None

    @property
    def open_disputes(self) -> list[Dispute]:
        return [dispute for dispute in self.disputes if dispute.closed_at is None]

    @property
    def renews_at(self) -> datetime | None:
        """When the plan renews; None without a subscription that will."""
        if self.subscription is None or self.subscription.cancel_at:
            return None
        return self.subscription.period_end

    @property
    def frozen(self) -> bool:
        return any(grant.is_frozen for grant in self.grants)

    @property
    def live_keys(self) -> list[ApiKey]:
        return [key for key in self.keys or [] if key.revoked_at is None]

    @property
    def news_url(self) -> str:
        """Where the page looks for news of refunds that are under way, "" when none is."""
        waits = any(paid.waits for paid in self.payments or [])
        return reverse("admin:person_refunds", args=[self.user.pk]) if waits else ""

    @property
    def refunds_state(self) -> str:
        return refunds_state(self.wallet) if self.wallet else ""

    @property
    def months(self) -> list[date]:
        """The months that there are statements of, the last twelve."""
        return figures.months(self.wallet)[:12] if self.wallet else []


def look(user: User, viewer: User) -> Person:
    """Gather what `viewer` may see of `user`, in a number of queries that does not depend on how much that is."""
    wallet = Wallet.objects.filter(user=user).select_related("plan").first()
    pk = wallet.pk if wallet else 0  # looking at somebody opens no account
    subscriptions = list(Subscription.objects.filter(wallet_id=pk).select_related("plan", "price", "account"))
    sees_images = viewer.has_perm("generator.view_generation")
    return Person(
        user=user,
        role=roles.role_of(user),
        verified=EmailAddress.objects.filter(user=user, verified=True).exists(),
        wallet=wallet,
        plan=products.plan_of(wallet) if wallet else products.free_plan(),
        subscription=next((row for row in subscriptions if row.status in Subscription.LIVE), None),
        subscriptions=subscriptions,
        grants=statement.open_grants(wallet) if wallet else [],
        disputes=list(Dispute.objects.filter(payment__wallet_id=pk).select_related("payment")),
        entries=_entries(pk, sees_images),
        customers=_customers(pk),
        payments=_payments(pk) if viewer.has_perm("billing.view_payment") else None,
        images=_images(pk) if sees_images else None,
        keys=list(user.api_keys.all()) if viewer.has_perm("accounts.view_apikey") else None,
        calls=listing.latest(pk, CALLS) if viewer.has_perm("generator.view_apicall") else None,
        records=_records(pk) if viewer.has_perm("billing.view_auditrecord") else None,
    )


def refunds_state(wallet: Wallet) -> str:
    """Return a text that changes when a refund of the wallet's payments gets on."""
    refunds = StaffRefund.objects.filter(payment__wallet=wallet).select_related("payment")
    states = [f"{each.pk}:{each.status}:{each.is_on_its_way}" for each in refunds[:PAYMENTS]]
    return " ".join(states)


def find(text: str) -> set[int] | None:
    """Return the keys of the users whom an id or reference belongs to; None when `text` is neither.

    Known are a whole email address, the prefix of an API key, an image's id, a request's, a reference of the ledger,
    and Stripe's ids of a customer, subscription, payment intent, checkout, invoice, dispute, charge or event.
    """
    text = without_nul(text.strip())
    kind = text.partition("_")[0]
    if "@" in text:
        exact = User.objects.filter(email=text.lower()).values_list("pk", flat=True)
        return set(exact) or None
    if kind in FINDERS and "_" in text and " " not in text:
        return set(FINDERS[kind](text))
    if ":" in text and " " not in text:
        return set(CreditEntry.objects.filter(reference=text).values_list("wallet__user_id", flat=True))
    return None


def named(users: QuerySet[User], text: str) -> QuerySet[User]:
    """Return those in whose address or name each word of `text` stands; addresses are kept in lower case."""
    for word in without_nul(text).split():
        users = users.filter(Q(email__contains=word.lower()) | Q(name__icontains=word))
    return users


def begins(text: str) -> QuerySet[User]:
    """Return those whose address begins with `text`, found by its index and in its order."""
    text = text.lower()
    if connection.vendor == "sqlite":  # where LIKE uses no index
        return User.objects.filter(email__gte=text, email__lt=text + LAST).order_by("email")
    return User.objects.filter(email__startswith=text).order_by("email")


def _of_event(event_id: str) -> Iterable[int]:
    event = StripeEvent.objects.filter(pk=event_id).first()
    if event is None:
        return []
    data: dict[str, Any] = event.payload.get("data", {}).get("object", {})
    customer = data.get("id") if data.get("object") == "customer" else data.get("customer")
    found = _users(StripeCustomer.objects.filter(stripe_id=customer or "-"))
    metadata = data.get("metadata") or {}
    wallet = metadata.get("account", "") if metadata.get("installation") == identity.installation() else ""
    if not found and str(wallet).isdecimal() and len(str(wallet)) < 19:
        found = _users(Wallet.objects.filter(pk=int(wallet)), "user_id")
    if not found and data.get("payment_intent"):
        found = _users(Payment.objects.filter(payment_intent=data["payment_intent"]))
    return found


def _of_checkout(session: str) -> Iterable[int]:
    paid = _users(Payment.objects.filter(reference=f"checkout:{session}"))
    return paid or _users(Order.objects.filter(stripe_session_id=session))


def _of_dispute(dispute: str) -> Iterable[int]:
    return _users(Dispute.objects.filter(stripe_id=dispute), "payment__wallet__user_id")


FINDERS: dict[str, Callable[[str], Iterable[int]]] = {
    "ch": lambda key: _users(Refund.objects.filter(charge=key), "grant__wallet__user_id"),
    "cs": _of_checkout,
    "cus": lambda key: _users(StripeCustomer.objects.filter(stripe_id=key)),
    "dp": _of_dispute,
    "du": _of_dispute,
    "evt": _of_event,
    "img": lambda key: _users(Generation.objects.filter(public_id=key)),
    "in": lambda key: _users(Payment.objects.filter(reference=f"invoice:{key}")),
    "req": lambda key: _users(ApiCall.objects.filter(request_id=key)),
    "re": lambda key: _users(StaffRefund.objects.filter(stripe_id=key), "payment__wallet__user_id"),
    "pi": lambda key: _users(Payment.objects.filter(payment_intent=key)),
    "rv": lambda key: _users(ApiKey.objects.filter(prefix=key[:11]), "user_id"),
    "sub": lambda key: _users(Subscription.objects.filter(stripe_id=key)),
}


def _users(rows: QuerySet[Any], path: str = "wallet__user_id") -> list[int]:
    return list(rows.order_by().values_list(path, flat=True).distinct())


def _entries(wallet_id: int, sees_images: bool) -> list[Entry]:
    entries = (
        CreditEntry.objects.filter(wallet_id=wallet_id).select_related(*CreditEntry.ABOUT).order_by("-id")[:ENTRIES]
    )
    return [Entry(entry, *because(entry, sees_images)) for entry in entries[:ENTRIES]]


def _payments(wallet_id: int) -> list[Paid]:
    payments = Payment.objects.filter(wallet_id=wallet_id).select_related("grant", "price", "account")
    payments = payments.prefetch_related("disputes", "staff_refunds")
    return [Paid(payment, list(payment.staff_refunds.all())) for payment in payments[:PAYMENTS]]


def _customers(wallet_id: int) -> list[Customer]:
    """Who they are at Stripe, first where they still are somebody."""
    rows = StripeCustomer.objects.filter(wallet_id=wallet_id, stripe_id__isnull=False).select_related("account")
    rows = rows.order_by(F("gone_at").desc(nulls_first=True), "-pk")
    return [Customer(row, stripe_url(row.account, "customers", row.stripe_id)) for row in rows]


def _images(wallet_id: int) -> list[Image]:
    newest = Generation.objects.filter(wallet_id=wallet_id).select_related("api_key", "image_model").order_by("-pk")
    tries = Attempt.objects.select_related("upstream").order_by("number")
    newest = newest.prefetch_related(Prefetch("attempts", tries))
    generations = list(newest[:IMAGES])
    holds = [generation.credit_reference for generation in generations]
    returns = CreditEntry.objects.filter(of__of__reference__in=holds)
    returned = set(returns.values_list("of__of__reference", flat=True))
    return [
        Image(
            generation,
            picture_of(generation) if generation.status == Generation.Status.COMPLETED else None,
            generation.credit_reference in returned,
            [_try(attempt) for attempt in generation.attempts.all()],
            endings.of(generation, list(generation.attempts.all())),
        )
        for generation in generations
    ]


def _try(attempt: Attempt) -> Try:
    known = attempt.cost_micros is not None
    return Try(attempt, costs.worded(attempt.cost_micros or 0, attempt.cost_currency) if known else "")


def _records(wallet_id: int) -> list[Record]:
    records = AuditRecord.objects.filter(wallet_id=wallet_id).select_related("actor")[:RECORDS]
    return [Record(record, readable(record.before), readable(record.after)) for record in records]
