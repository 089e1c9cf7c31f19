"""Stripe's objects as they come over the wire, as far as we read them: version 2026-10-28.endive, nothing expanded.

`X | None` is what Stripe may send as null, `NotRequired` what it may leave out. Statuses and reasons are plain strings:
Stripe adds new ones within a version. What an event carries has the shape of its endpoint's version, so handlers ask
for the object afresh where more than its id matters.
"""

from typing import Any, Generic, Literal, NotRequired, TypedDict, TypeVar

T = TypeVar("T")


class Listed(TypedDict, Generic[T]):
    """A page of a list, or a list inside an object."""

    data: list[T]
    has_more: bool


# --- Checkout ----------------------------------------------------------------------------------------------------


class Session(TypedDict):
    """A checkout. `currency` and `amount_total` are null where nothing is sold, `url` once it is no longer open.

    What it sells is there only where it is asked for.
    """

    id: str
    object: Literal["checkout.session"]
    mode: str
    status: str | None
    payment_status: str
    url: str | None
    customer: str | None
    client_reference_id: str | None
    metadata: dict[str, str] | None
    amount_total: int | None
    currency: str | None
    payment_intent: str | None
    invoice: str | None
    subscription: str | None
    line_items: NotRequired[Listed["SessionLine"]]


# --- Subscriptions and their invoices ----------------------------------------------------------------------------


class Recurring(TypedDict):
    """How often a price comes: every so many intervals."""

    interval: str
    interval_count: int


class Price(TypedDict):
    """A price; `unit_amount` is null for tiers and for fractions of a cent, which we never make."""

    id: str
    active: bool
    product: str
    currency: str
    unit_amount: int | None
    recurring: Recurring | None
    metadata: dict[str, str]


class SessionLine(TypedDict):
    """What a checkout sells, and how many of it."""

    price: Price | None
    quantity: int | None


class SubscriptionItem(TypedDict):
    """What a subscription is to; the period lies here since version basil (2025-03)."""

    id: str
    price: Price
    quantity: NotRequired[int]
    current_period_start: int
    current_period_end: int


class CancellationDetails(TypedDict):
    """Why a subscription ends."""

    comment: str | None


class Subscription(TypedDict):
    """A subscription; a cancelled one that still runs has `cancel_at` or `cancel_at_period_end`."""

    id: str
    status: str
    customer: str
    metadata: dict[str, str]
    items: Listed[SubscriptionItem]
    cancel_at: int | None
    cancel_at_period_end: bool
    default_payment_method: str | None
    ended_at: int | None
    cancellation_details: CancellationDetails | None
    latest_invoice: str | None


class SubscriptionDetails(TypedDict):
    """Which subscription an invoice is of."""

    subscription: str


class InvoiceParent(TypedDict):
    """What an invoice came from."""

    subscription_details: SubscriptionDetails | None


class Period(TypedDict):
    """A span of time in Unix seconds."""

    start: int
    end: int


class PriceDetails(TypedDict):
    """Which price a line was charged at."""

    price: str


class Pricing(TypedDict):
    """How a line's amount came about."""

    price_details: NotRequired[PriceDetails]


class CreditedItems(TypedDict):
    """Of which invoice a proration gives something back."""

    invoice: str


class ProrationDetails(TypedDict):
    """What a proration gives back; null for one that charges."""

    credited_items: CreditedItems | None


class FromInvoiceItem(TypedDict):
    """Of a line that was added to an invoice: a change, or something of its own."""

    proration: bool
    proration_details: ProrationDetails | None


class FromSubscriptionItem(TypedDict):
    """Of a line that a subscription's item brought: a period, or a change."""

    proration: bool
    proration_details: ProrationDetails | None


class LineParent(TypedDict):
    """What a line came from."""

    invoice_item_details: FromInvoiceItem | None
    subscription_item_details: FromSubscriptionItem | None


class InvoiceLine(TypedDict):
    """A line of an invoice; what a change gives back is negative."""

    amount: int
    quantity: int | None
    period: Period
    parent: LineParent | None
    pricing: Pricing | None


class Paid(TypedDict):
    """Which payment was made."""

    payment_intent: NotRequired[str]


class InvoicePayment(TypedDict):
    """A payment of an invoice, made or tried."""

    invoice: str
    status: str
    payment: Paid


class StatusTransitions(TypedDict):
    """When an invoice became what it is, in Unix seconds."""

    paid_at: int | None


class Invoice(TypedDict):
    """An invoice; its payments are there only where they are asked for."""

    id: str
    object: Literal["invoice"]
    status: str | None
    customer: str | None
    parent: InvoiceParent | None
    billing_reason: str | None
    attempt_count: int
    amount_due: int
    amount_paid: int
    currency: str
    hosted_invoice_url: str | None
    invoice_pdf: str | None
    lines: Listed[InvoiceLine]
    status_transitions: StatusTransitions
    payments: NotRequired[Listed[InvoicePayment]]


# --- Money that moves, and moves back ----------------------------------------------------------------------------


class Charge(TypedDict):
    """A payment by one card or account; `amount_refunded` is the sum of all its refunds that have not failed."""

    id: str
    object: Literal["charge"]
    customer: str | None
    payment_intent: str | None
    amount_refunded: int
    receipt_url: str | None
    status: str


class Refund(TypedDict):
    """Money that goes back."""

    id: str
    charge: str | None
    status: str | None
    metadata: dict[str, str] | None


class Dispute(TypedDict):
    """A payment that its payer's bank wants back, or asks about while `status` begins with `warning_`."""

    id: str
    object: Literal["dispute"]
    status: str
    reason: str
    amount: int
    charge: str
    payment_intent: str | None


# --- The rest ----------------------------------------------------------------------------------------------------


class EventData(TypedDict):
    """What an event tells of."""

    object: dict[str, Any]  # of the shape that the event's type says


class Event(TypedDict):
    """Something that happened at Stripe; `account` is there only when it happened to one that is connected to ours."""

    id: str
    type: str
    livemode: bool
    account: NotRequired[str]
    api_version: str | None
    data: EventData


class Account(TypedDict):
    """Whose Stripe account it is."""

    id: str


class InvoiceSettings(TypedDict):
    """What a customer's invoices are paid with, unless a subscription has a way of its own."""

    default_payment_method: str | None


class Customer(TypedDict):
    """Whoever pays."""

    id: str
    metadata: NotRequired[dict[str, str]]
    invoice_settings: NotRequired[InvoiceSettings]


class Card(TypedDict):
    """What people may see of a card."""

    brand: str
    last4: str
    exp_month: int
    exp_year: int


class PaymentMethod(TypedDict):
    """A card, or what else somebody pays with: `type` says."""

    id: str
    type: str
    card: NotRequired[Card]


class Product(TypedDict):
    """What a price is for."""

    id: str
    active: bool
    name: str
    metadata: dict[str, str]


class PortalConfiguration(TypedDict):
    """What the billing portal lets people do."""

    id: str


class PortalSession(TypedDict):
    """A visit to the billing portal."""

    url: str


class WebhookEndpoint(TypedDict):
    """An address that events are sent to: `["*"]` for all of them; without an `api_version` in that of the account."""

    id: str
    url: str
    status: str
    api_version: str | None
    enabled_events: list[str]
