"""Invoices of subscriptions: what each paid one sold brings its credits, once."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from billing import gateway, ledger
from billing.catalogue import products
from billing.catalogue.shares import Share, credits_of
from billing.errors import NotYet
from billing.models import CreditEntry, CreditGrant, Payment, Price, Subscription, Wallet
from billing.outbox import mail
from billing.shapes import Invoice, InvoiceLine
from billing.stripe import ours
from billing.stripe.events.shared import Books, Sold, moment, note_payment, paid_too_late, payment_intent_of
from billing.stripe.events.subscriptions import ENDED, SECOND, end, is_second, upsert, without_second, write_off

USUAL = {"month": timedelta(days=30), "year": timedelta(days=365)}  # for a period that no invoice tells of


@dataclass(frozen=True)
class Period(Sold):
    """What an invoice sold, from `start` to `end`: a period of a plan, or a change within one."""

    start: datetime
    end: datetime


def invoice_paid(invoice: Invoice) -> Books | None:
    """Grant the credits that a subscription's invoice sold, once; one-off invoices are ignored.

    What a closed account still paid is paid back.
    """
    invoice = gateway.retrieve_invoice(invoice["id"])
    wallet = ours.wallet_of_invoice(invoice)
    subscription_id = ours.subscription_of(invoice)
    if not subscription_id or invoice["status"] != "paid":
        return None
    read_at = moment()
    subscription = without_second(wallet, gateway.retrieve_subscription(subscription_id))
    payment_intent = payment_intent_of(invoice)
    is_late = paid_too_late(wallet, f"invoice:{invoice['id']}", payment_intent)
    sold = sold_by(invoice)

    def write() -> None:
        row = upsert(wallet, subscription, read_at)
        if Payment.objects.filter(reference=f"invoice:{invoice['id']}").exists():
            pass  # the same news once more
        elif is_late:
            _note_invoice(wallet, row, invoice, payment_intent, None, sold, "Paid after the account was closed")
        elif is_second(subscription):
            _note_invoice(wallet, row, invoice, payment_intent, None, sold, SECOND)
        else:
            _grant(wallet, row, invoice, payment_intent, sold)
        end(wallet, row)

    return write


def invoice_failed(invoice: Invoice) -> Books | None:
    """Tell the user that their card was declined or that their bank needs their approval, unless that is over."""
    wallet = ours.wallet_of_invoice(invoice)
    subscription_id = ours.subscription_of(invoice)
    if not subscription_id:
        return None
    invoice = gateway.retrieve_invoice(invoice["id"])
    if invoice["status"] != "open" or gateway.retrieve_subscription(subscription_id)["status"] in ENDED:
        return None  # it was paid meanwhile, or another mail says that the plan has ended
    attempt = invoice.get("attempt_count") or 1
    return lambda: mail.queue(
        wallet,
        "payment_failed",
        reference=f"invoice_failed:{invoice['id']}:{attempt}",
        amount=invoice.get("amount_due") or 0,
        currency=invoice.get("currency") or "",
        renewal=invoice.get("billing_reason") == "subscription_cycle",
    )


def sold_by(invoice: Invoice) -> Period:
    """Return what a subscription's invoice sold, by the prices of its lines.

    The part of a period that a change gives back is given back in credits too, except where the next period is sold
    with it: that comes whole. Raises NotYet if no line is at a price of ours.
    """
    lines = [(line, price) for line in invoice["lines"]["data"] if (price := products.sold_under(_price_of(line)))]
    if not lines:
        raise NotYet(f"no price of ours in {invoice['id']}")
    whole = [(line, price) for line, price in lines if not _is_change(line)]
    parts = [(line, price) for line, price in lines if _is_change(line)]
    old = [(line, price) for line, price in parts if _gives_back(line)]
    new = [(line, price) for line, price in parts if not _gives_back(line)]
    starts = _starts(ours.subscription_of(invoice) or "", parts)
    periods, given_back, changed = (_shares(each, starts) for each in (whole, old, new))
    is_renewal = invoice["billing_reason"] == "subscription_cycle"
    if is_renewal:
        credits = credits_of(periods) + credits_of(changed, given_back)
    else:
        credits = credits_of([*periods, *changed], given_back)
    main, price = max(whole or new or old, key=lambda each: each[0]["period"]["end"])
    before = old[0][1] if old and not is_renewal else None
    quantity = main["quantity"] or 1
    return Period(
        price=price,
        quantity=quantity,
        credits=credits,
        description=_words(price, quantity, before),
        start=_time(main["period"]["start"]),
        end=_time(main["period"]["end"]),
    )


def _shares(lines: Iterable[tuple[InvoiceLine, Price]], starts: dict[int, int]) -> list[Share]:
    return [_share(line, price, starts) for line, price in lines]


def _share(line: InvoiceLine, price: Price, starts: dict[int, int]) -> Share:
    """Return what a line sells or gives back of a price's period, which a line of no change sells whole."""
    start, end = line["period"]["start"], line["period"]["end"]
    whole = end - starts[end] if _is_change(line) else end - start
    return Share(price.amount, price.credits, line["quantity"] or 1, left=end - start, whole=whole)


def _starts(subscription_id: str, changes: list[tuple[InvoiceLine, Price]]) -> dict[int, int]:
    """Return when the periods began in which something changed, by their ends.

    Stripe is asked: our own grants may not be here yet, and events in any order must come to the same.
    """
    usual = {line["period"]["end"]: USUAL.get(price.interval, USUAL["month"]) for line, price in changes}
    starts: dict[int, int] = {}
    for invoice in gateway.invoices_of(subscription_id) if usual else ():
        for line in invoice["lines"]["data"]:
            if not _is_change(line) and line["period"]["end"] in usual:
                starts.setdefault(line["period"]["end"], line["period"]["start"])
        if starts.keys() >= usual.keys():
            break
    return {end: starts.get(end, end - int(length.total_seconds())) for end, length in usual.items()}


def _words(price: Price, quantity: int, before: Price | None) -> str:
    name = price.product.name
    if before and before.product != price.product:
        return f"{before.product.name} to {name}"
    return f"{quantity} × {name}" if quantity > 1 else name


def _grant(wallet: Wallet, row: Subscription, invoice: Invoice, payment_intent: str | None, sold: Period) -> None:
    start, until = _spendable(row, invoice, sold)
    is_late = row.grants.filter(period_start__gte=until).exists()  # the next period's credits are here already
    granted = None
    if sold.credits:
        with ledger.books(wallet) as books:
            granted = books.grant(
                credits=sold.credits,
                source=CreditGrant.Source.PLAN,
                reference=f"invoice:{invoice['id']}",
                cause=f"{sold.description}: use by {until.day} {until:%B %Y}",
                expires_at=until + ledger.PERIOD_GRACE,
                subscription=row,
                period=(start, until),
            )
        over = row.grants.filter(lines__entry=granted) if is_late else row.grants.filter(period_end__lte=start)
        write_off(wallet, over, "superseded", cause="Expired: the next period has begun")
    _note_invoice(wallet, row, invoice, payment_intent, granted, sold, sold.description)
    if not is_late and not (row.ended_at and start <= row.ended_at):
        _tell(wallet, invoice, sold, until)


def _spendable(row: Subscription, invoice: Invoice, sold: Period) -> tuple[datetime, datetime]:
    """Return from when to when the credits can be spent: the period that was paid.

    One that is paid after its end, or after the plan's, is paid all the same. Its credits come with the payment, and
    last as long as the period would have if that is over.
    """
    paid_at = _paid_at(invoice)
    if paid_at is None or (paid_at < sold.end and not (row.ended_at and row.ended_at < paid_at)):
        return sold.start, sold.end
    return paid_at, sold.end if paid_at < sold.end else paid_at + (sold.end - sold.start)


def _tell(wallet: Wallet, invoice: Invoice, sold: Period, until: datetime) -> None:
    template = "renewal" if invoice["billing_reason"] == "subscription_cycle" else "receipt"
    mail.queue(
        wallet,
        template,
        reference=f"{template}:invoice:{invoice['id']}",
        product=sold.description,
        credits=sold.credits,
        amount=invoice["amount_paid"],
        currency=invoice["currency"],
        until=f"{until.day} {until:%B %Y}" if sold.credits else "",
    )


def _note_invoice(
    wallet: Wallet,
    row: Subscription,
    invoice: Invoice,
    payment_intent: str | None,
    granted: CreditEntry | None,
    sold: Period,
    description: str,
) -> None:
    note_payment(
        wallet,
        f"invoice:{invoice['id']}",
        granted,
        amount=invoice["amount_paid"],
        currency=invoice["currency"],
        description=description,
        payment_intent=payment_intent,
        account=row.account,
        sold=sold,
        subscription=row,
        invoice=invoice["id"],
    )


def _is_change(line: InvoiceLine) -> bool:
    """Tell whether a line is the part of a period that a change gives back, or charges."""
    parent = line["parent"]
    details = parent and (parent["subscription_item_details"] or parent["invoice_item_details"])
    return bool(details and details["proration"])


def _gives_back(line: InvoiceLine) -> bool:
    """Tell whether a change gives a line back; one of a plan that costs nothing, by a coupon, has no sign."""
    parent = line["parent"]
    details = parent and (parent["subscription_item_details"] or parent["invoice_item_details"])
    credited = details and details["proration_details"] and details["proration_details"]["credited_items"]
    return line["amount"] < 0 or bool(credited)


def _paid_at(invoice: Invoice) -> datetime | None:
    paid_at = invoice["status_transitions"]["paid_at"]
    return _time(paid_at) if paid_at else None


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _price_of(line: InvoiceLine) -> str:
    pricing = line.get("pricing")
    details = pricing.get("price_details") if pricing else None
    return details["price"] if details else ""
