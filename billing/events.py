"""One small handler for each kind of Stripe event.

Stripe delivers at least once and in no order, so a handler reads the object afresh where that matters, and every change
of credits carries the reference of the payment behind it. Network calls come first; then one transaction changes the
books and marks the event as handled, together.
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from billing import catalogue, gateway, ledger, mail
from billing.errors import NotYet
from billing.models import (
    Account,
    CreditEntry,
    CreditGrant,
    Dispute,
    Order,
    Pack,
    Payment,
    Plan,
    StripeEvent,
    Subscription,
)

log = logging.getLogger(__name__)

Data = dict[str, Any]
Books = Callable[[], None]  # what a handler wants written, in the transaction that marks the event as handled

FINAL_DISPUTES = ("won", "lost")


def apply(event: StripeEvent) -> None:
    """Follow one stored event in the books. Raises NotYet, PaymentError and whatever else stands in the way."""
    handler = HANDLERS.get(event.type)
    write = handler(event.payload["data"]["object"]) if handler else None
    with transaction.atomic():
        first = StripeEvent.objects.filter(pk=event.pk, handled_at=None).update(
            handled_at=timezone.now(), last_error=""
        )
        if first and write:
            write()


def apply_object(kind: str, data: Data) -> None:
    """Follow in the books what an event of this kind about `data` would have said, without such an event."""
    write = HANDLERS[kind](data)
    if write:
        with transaction.atomic():
            write()


def checkout_completed(session: Data) -> Books | None:
    """Link the customer; grant a pack that is paid. A subscription's credits come with its invoice."""
    session = gateway.retrieve_checkout(session["id"])
    account = _account_of_session(session)
    if account is None:
        return None
    paid = session["payment_status"] in ("paid", "no_payment_required")

    def write() -> None:
        _link_customer(account, session.get("customer"))
        _close_order(session, Order.Status.PAID if paid else Order.Status.PENDING)
        if session["mode"] == "payment" and paid:
            _grant_pack(account, session)

    return write


def checkout_failed(session: Data) -> Books | None:
    """A payment that was on its way did not arrive."""
    account = _account_of_session(session)
    if account is None:
        return None

    def write() -> None:
        _close_order(session, Order.Status.FAILED)
        mail.queue(account, "payment_failed", reference=f"checkout_failed:{session['id']}")

    return write


def checkout_expired(session: Data) -> Books | None:
    """Nobody paid in time."""
    return lambda: _close_order(session, Order.Status.EXPIRED)


def invoice_paid(invoice: Data) -> Books | None:
    """Grant the credits of a plan's period, once per invoice; one-off invoices are none of ours."""
    invoice = gateway.retrieve_invoice(invoice["id"])
    subscription_id = _subscription_of(invoice)
    account = _account_of_customer(invoice.get("customer"))
    if not subscription_id or account is None or invoice["status"] != "paid":
        return None
    subscription = gateway.retrieve_subscription(subscription_id)
    payment_intent = _payment_intent_of(invoice)

    def write() -> None:
        _upsert_subscription(account, subscription)
        if invoice["billing_reason"] == "subscription_update":
            _grant_upgrade(account, invoice, payment_intent)
        else:
            _grant_period(account, invoice, payment_intent)

    return write


def invoice_failed(invoice: Data) -> Books | None:
    """Tell the user that their card was refused or that their bank wants to hear from them."""
    account = _account_of_customer(invoice.get("customer"))
    if account is None or not _subscription_of(invoice):
        return None
    attempt = invoice.get("attempt_count") or 1
    return lambda: mail.queue(account, "payment_failed", reference=f"invoice_failed:{invoice['id']}:{attempt}")


def subscription_changed(subscription: Data) -> Books | None:
    """Keep our copy of a subscription as it stands at Stripe; of two that are live, end the younger and pay it back."""
    subscription = gateway.retrieve_subscription(subscription["id"])
    account = _account_of_customer(subscription.get("customer"))
    if account is None:
        return None
    if _is_second(account, subscription):
        _undo_second(subscription)
        subscription = gateway.retrieve_subscription(subscription["id"])
    return lambda: _upsert_subscription(account, subscription)


def charge_refunded(charge: Data) -> Books | None:
    """Claw back the refunded share of what is left of the credits that this charge paid for."""
    charge = gateway.retrieve_charge(charge["id"])
    payment = _payment_of(charge)
    if payment is None:
        return None
    return lambda: _follow_refunds(payment, charge)


def refund_changed(refund: Data) -> Books | None:
    """A refund that failed gives back what its credits were clawed back for."""
    if not refund.get("charge"):
        return None
    return charge_refunded({"id": refund["charge"]})


def dispute_opened(dispute: Data) -> Books | None:
    """Freeze what is left of the disputed payment's credits; inquiries (`warning_…`) are only looked at by people."""
    payment = _payment_of(dispute)
    if payment is None or str(dispute["status"]).startswith("warning_"):
        return None
    return lambda: _follow_dispute(payment, dispute)


HANDLERS: dict[str, Callable[[Data], Books | None]] = {
    "checkout.session.completed": checkout_completed,
    "checkout.session.async_payment_succeeded": checkout_completed,
    "checkout.session.async_payment_failed": checkout_failed,
    "checkout.session.expired": checkout_expired,
    "invoice.paid": invoice_paid,
    "invoice.payment_failed": invoice_failed,
    "invoice.payment_action_required": invoice_failed,
    "customer.subscription.created": subscription_changed,
    "customer.subscription.updated": subscription_changed,
    "customer.subscription.paused": subscription_changed,
    "customer.subscription.resumed": subscription_changed,
    "customer.subscription.deleted": subscription_changed,
    "charge.refunded": charge_refunded,
    "refund.updated": refund_changed,
    "refund.failed": refund_changed,
    "charge.dispute.created": dispute_opened,
    "charge.dispute.updated": dispute_opened,
    "charge.dispute.funds_withdrawn": dispute_opened,
    "charge.dispute.funds_reinstated": dispute_opened,
    "charge.dispute.closed": dispute_opened,
}


def _grant_pack(account: Account, session: Data) -> None:
    product = (session.get("metadata") or {}).get("product", "")
    pack = next((pack for pack in Pack.objects.all() if catalogue.lookup_key(pack) == product), None)
    order = Order.objects.select_related("pack").filter(stripe_session_id=session["id"]).first()
    pack = pack or (order.pack if order else None)
    if pack is None:
        log.error("Checkout %s paid for a pack that is not in the catalogue", session["id"])
        raise NotYet(f"no pack for {session['id']}")
    reference = f"checkout:{session['id']}"
    granted = ledger.grant(
        account=account,
        credits=pack.credits,
        source=CreditGrant.Source.PACK,
        reference=reference,
        cause=f"{pack.name} bought",
    )
    _note_payment(
        account,
        reference,
        granted,
        amount=session["amount_total"] or 0,
        currency=session["currency"],
        description=pack.name,
        payment_intent=session.get("payment_intent"),
    )
    mail.queue(account, "receipt", reference=f"receipt:{reference}", product=pack.name, credits=pack.credits)


def _grant_period(account: Account, invoice: Data, payment_intent: str | None) -> None:
    line = _plan_line(invoice)
    plan = catalogue.product_of(_price_of(line)) if line else None
    if line is None or not isinstance(plan, Plan):
        raise NotYet(f"no plan for the price of {invoice['id']}")
    reference = f"invoice:{invoice['id']}"
    period_end = datetime.fromtimestamp(line["period"]["end"], UTC)
    known = CreditEntry.objects.filter(reference=reference).exists()
    later = CreditGrant.objects.filter(
        account=account, source=CreditGrant.Source.PLAN, expires_at__gt=period_end + ledger.PERIOD_GRACE
    )
    superseded = not known and later.exists()  # events out of order: a later period's credits are here already
    granted = ledger.grant(
        account=account,
        credits=plan.credits,
        source=CreditGrant.Source.PLAN,
        reference=reference,
        cause=f"{plan.name}: credits until {period_end:%d %B %Y}",
        expires_at=period_end + ledger.PERIOD_GRACE,
    )
    if not known:
        _end_earlier_periods(account, granted, period_end, superseded=superseded)
    _note_payment(
        account,
        reference,
        granted,
        amount=invoice["amount_paid"],
        currency=invoice["currency"],
        description=plan.name,
        payment_intent=payment_intent,
    )
    template = "receipt" if invoice["billing_reason"] == "subscription_create" else "renewal"
    mail.queue(account, template, reference=f"{template}:{reference}", product=plan.name, credits=plan.credits)


def _end_earlier_periods(account: Account, granted: CreditEntry, period_end: datetime, *, superseded: bool) -> None:
    """A period's credits end when the next period's arrive."""
    buckets = CreditGrant.objects.filter(account=account, source=CreditGrant.Source.PLAN, remaining__gt=0)
    ending = buckets.filter(lines__entry=granted) if superseded else buckets.exclude(lines__entry=granted)
    for bucket in ending:
        ledger.write_off(
            grant=bucket, reference=f"grant:{bucket.pk}:superseded", cause="Expired: the next period has begun"
        )


def _grant_upgrade(account: Account, invoice: Data, payment_intent: str | None) -> None:
    """Moving to a bigger plan adds the difference in credits for the share of the period that is left."""
    lines = invoice["lines"]["data"]
    old = next((line for line in lines if line["amount"] < 0), None)
    new = next((line for line in lines if line["amount"] > 0), None)
    plans = [catalogue.product_of(_price_of(line)) if line else None for line in (old, new)]
    subscription = Subscription.objects.filter(stripe_id=_subscription_of(invoice)).first()
    if new is None or subscription is None or not all(isinstance(plan, Plan) for plan in plans):
        return
    before, after = plans
    assert before
    assert after
    assert subscription.period_start
    assert subscription.period_end
    left = new["period"]["end"] - new["period"]["start"]
    whole = int((subscription.period_end - subscription.period_start).total_seconds())
    credits = max(0, after.credits - before.credits) * min(left, whole) // max(whole, 1)
    reference = f"invoice:{invoice['id']}"
    granted = None
    if credits:
        granted = ledger.grant(
            account=account,
            credits=credits,
            source=CreditGrant.Source.PLAN,
            reference=reference,
            cause=f"Changed from {before.name} to {after.name}",
            expires_at=subscription.period_end + ledger.PERIOD_GRACE,
        )
    _note_payment(
        account,
        reference,
        granted,
        amount=invoice["amount_paid"],
        currency=invoice["currency"],
        description=f"{before.name} to {after.name}",
        payment_intent=payment_intent,
    )
    mail.queue(account, "receipt", reference=f"receipt:{reference}", product=after.name, credits=credits)


def _note_payment(
    account: Account,
    reference: str,
    granted: CreditEntry | None,
    *,
    amount: int,
    currency: str,
    description: str,
    payment_intent: str | None,
) -> None:
    bucket = granted.lines.get().grant if granted else None
    Payment.objects.get_or_create(
        reference=reference,
        defaults={
            "account": account,
            "payment_intent": payment_intent or None,
            "amount": amount,
            "currency": currency,
            "description": description,
            "grant": bucket,
        },
    )


def _upsert_subscription(account: Account, data: Data) -> None:
    """Bring our row in line with `data`, which was just read from Stripe, and the account's plan with the row."""
    item = data["items"]["data"][0]
    price = item["price"]["id"]
    plan = catalogue.product_of(price)
    ended = data["status"] in ("canceled", "incomplete_expired")
    cancel_at = data.get("cancel_at") or (item["current_period_end"] if data.get("cancel_at_period_end") else None)
    was_live = Subscription.objects.filter(stripe_id=data["id"], status__in=Subscription.LIVE).exists()
    Subscription.objects.update_or_create(
        stripe_id=data["id"],
        defaults={
            "account": account,
            "plan": plan if isinstance(plan, Plan) else None,
            "price_id": price,
            "item_id": item["id"],
            "status": data["status"],
            "period_start": _time(item["current_period_start"]),
            "period_end": _time(item["current_period_end"]),
            "cancel_at": _time(cancel_at) if not ended else None,
            "ended_at": _time(data.get("ended_at")) if ended else None,
        },
    )
    entitled = account.subscriptions.filter(status__in=Subscription.ENTITLED).first()
    Account.objects.filter(pk=account.pk).update(plan=entitled.plan if entitled else None)
    if ended and was_live and not entitled:
        for bucket in CreditGrant.objects.filter(account=account, source=CreditGrant.Source.PLAN, remaining__gt=0):
            ledger.write_off(
                grant=bucket, reference=f"grant:{bucket.pk}:plan_ended", cause="Expired: the plan has ended"
            )
        mail.queue(account, "plan_ended", reference=f"plan_ended:{data['id']}")


def _is_second(account: Account, data: Data) -> bool:
    live = account.subscriptions.filter(status__in=Subscription.LIVE).exclude(stripe_id=data["id"]).first()
    return data["status"] in Subscription.LIVE and live is not None


def _undo_second(data: Data) -> None:
    log.error("Subscription %s is a second one for its customer: it is ended and paid back", data["id"])
    invoice_id = data.get("latest_invoice")
    gateway.cancel_subscription(data["id"])
    if invoice_id and (payment_intent := _payment_intent_of(gateway.retrieve_invoice(invoice_id))):
        gateway.refund_payment(payment_intent, idempotency_key=f"second:{data['id']}")


def _follow_refunds(payment: Payment, charge: Data) -> None:
    payment = Payment.objects.select_for_update(of=("self",)).get(pk=payment.pk)
    refunded = charge["amount_refunded"]
    grant = payment.grant
    if grant is not None and refunded > payment.refunded:
        left = CreditGrant.objects.values_list("remaining", flat=True).get(pk=grant.pk)
        money_left, delta = max(1, payment.amount - payment.refunded), refunded - payment.refunded
        ledger.claw_back(
            grant=grant,
            credits=-(-left * delta // money_left),  # rounded up: a whole refund leaves none
            reference=f"refund:{charge['id']}:{refunded}",
            cause=f"{payment.description} was refunded",
        )
    elif refunded < payment.refunded:
        for entry in CreditEntry.objects.filter(reference__startswith=f"refund:{charge['id']}:"):
            if entry.kind == CreditEntry.Kind.CLAW_BACK and int(entry.reference.rpartition(":")[2]) > refunded:
                ledger.restore(reference=entry.reference, cause=f"The refund of {payment.description} failed")
    Payment.objects.filter(pk=payment.pk).update(refunded=refunded)


def _follow_dispute(payment: Payment, data: Data) -> None:
    row = Dispute.objects.filter(stripe_id=data["id"]).first()
    if row is not None and row.status in FINAL_DISPUTES:
        return  # an older event that comes late
    closed = data["status"] in FINAL_DISPUTES
    Dispute.objects.update_or_create(
        stripe_id=data["id"],
        defaults={
            "payment": payment,
            "status": data["status"],
            "reason": data.get("reason") or "",
            "amount": data["amount"],
            "closed_at": timezone.now() if closed else None,
        },
    )
    if payment.grant is None:
        return
    reference = f"dispute:{data['id']}"
    ledger.freeze(grant=payment.grant, reference=reference, cause=f"{payment.description} is disputed")
    if data["status"] == "won":
        ledger.thaw(grant=payment.grant, reference=reference, cause=f"The dispute about {payment.description} was won")


def _payment_of(data: Data) -> Payment | None:
    """Find the payment of a charge or dispute. Raises NotYet for one of our customers' that is not in the books."""
    payment = (
        Payment.objects.select_related("grant", "account").filter(payment_intent=data.get("payment_intent")).first()
    )
    if payment is None or not data.get("payment_intent"):
        charge = data if data.get("object") == "charge" else gateway.retrieve_charge(data["charge"])
        if _account_of_customer(charge.get("customer")):
            raise NotYet(f"the payment of {charge['id']} is not in the books")
        return None
    return payment


def _account_of_session(session: Data) -> Account | None:
    account = Account.objects.filter(pk=_number(session.get("client_reference_id")) or 0).select_related("user").first()
    return account or _account_of_customer(session.get("customer"))


def _account_of_customer(customer: str | None) -> Account | None:
    if not customer:
        return None
    return Account.objects.filter(stripe_customer_id=customer).select_related("user").first()


def _link_customer(account: Account, customer: str | None) -> None:
    if customer:
        Account.objects.filter(pk=account.pk, stripe_customer_id=None).update(stripe_customer_id=customer)


def _close_order(session: Data, status: Order.Status) -> None:
    Order.objects.filter(stripe_session_id=session["id"]).exclude(status=Order.Status.PAID).update(status=status)


def _subscription_of(invoice: Data) -> str | None:
    """Return the invoice's subscription, where it lies since version basil (2025-03)."""
    parent = invoice.get("parent") or {}
    subscription = (parent.get("subscription_details") or {}).get("subscription")
    return str(subscription) if subscription else None


def _payment_intent_of(invoice: Data) -> str | None:
    for payment in (invoice.get("payments") or {}).get("data", []):
        if payment["status"] == "paid" and payment["payment"].get("payment_intent"):
            return str(payment["payment"]["payment_intent"])
    return None


def _plan_line(invoice: Data) -> Data | None:
    lines: list[Data] = [line for line in invoice["lines"]["data"] if line["amount"] >= 0]
    return max(lines, key=lambda line: int(line["period"]["end"]), default=None)


def _price_of(line: Data) -> str:
    return str(((line.get("pricing") or {}).get("price_details") or {}).get("price") or "")


def _time(seconds: int | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds else None


def _number(text: Any) -> int | None:
    return int(text) if str(text).isdigit() else None
