"""What every customer was promised: known from what was shown when they bought, and from what Stripe was paid.

Nothing here reads reveweb's tables. The catalogue is what the story's operators made of it; what a Stripe price was
sold as is noted when it appears.
"""

import math
from collections import defaultdict
from dataclasses import dataclass, field, replace
from fractions import Fraction

from sandbox.stripe.state.store import Obj
from tests.stories.standin import StandIn

ENTITLED = ("trialing", "active", "past_due")
ENDED = ("canceled", "incomplete_expired")


@dataclass(frozen=True)
class Offer:
    """A plan or pack as the catalogue shows it at a moment. `price` is in minor units."""

    slug: str
    name: str
    credits: int
    price: int
    interval: str = ""  # of a plan: month or year
    active: bool = True

    @property
    def is_plan(self) -> bool:
        return bool(self.interval)

    def __str__(self) -> str:
        often = f" a {self.interval}" if self.interval else ""
        return f"{self.name} ({self.credits} credits for {self.price / 100:.2f}{often})"


@dataclass(frozen=True)
class Promise:
    """Credits that are paid: from `least` to `most` where rounding, or a price made by hand, leaves room.

    `until` is the end of the last period that was paid, None for credits that never end; `ends_at` is when its plan was
    ended before that. `charge` is there if money moved.
    """

    reference: str
    who: int
    least: int
    most: int
    amount: int
    currency: str
    charge: Obj | None
    subscription: Obj | None = None
    until: int | None = None
    paid_at: int = 0
    is_period: bool = False
    ends_at: int | None = None

    @property
    def refunded(self) -> int:
        return int(self.charge["amount_refunded"]) if self.charge else 0

    def __str__(self) -> str:
        credits = f"{self.least}" if self.least == self.most else f"{self.least} to {self.most}"
        return f"{self.reference} ({credits} credits for {self.amount / 100:.2f})"


@dataclass
class Promises:
    """What the story knows of sales."""

    stripe: StandIn
    offers: dict[str, Offer] = field(default_factory=dict)
    sessions: dict[str, tuple[int, Offer]] = field(default_factory=dict)  # who went there, and what they were shown
    sold: dict[tuple[str, str], int] = field(default_factory=dict)  # credits, by subscription and price
    at_price: dict[str, Offer] = field(default_factory=dict)
    by_hand: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))  # prices made in the dashboard
    foreign: set[str] = field(default_factory=set)  # products, customers and sessions of others on this account

    def offer(self, changed: Offer) -> None:
        """The catalogue shows this from now on."""
        self.offers[changed.slug] = changed
        for price, credits in self.by_hand.items():
            if self.at_price[price].slug == changed.slug:
                credits.add(_for(self.at_price[price].interval, changed))

    def look_at_prices(self) -> None:
        """Note prices that have just appeared at Stripe: they say what the catalogue shows now."""
        for price in self.stripe.all("price"):
            if price["id"] in self.at_price or price["product"] in self.foreign:
                continue
            slug = self.stripe.find(price["product"])["metadata"].get("slug", "")
            if slug in self.offers:
                self.at_price[price["id"]] = self.offers[slug]

    def made_by_hand(self, price: Obj, offer: Offer) -> None:
        """Somebody made a price for the product of `offer` in the dashboard."""
        interval = price["recurring"]["interval"]
        self.at_price[price["id"]] = replace(offer, price=price["unit_amount"], interval=interval)
        self.by_hand[price["id"]].add(_for(interval, offer))

    def look_at_sales(self) -> None:
        """Note what the subscriptions that began in our checkouts were sold as."""
        for identity, (_, offer) in self.sessions.items():
            session = self.stripe.find(identity)
            if session["subscription"]:
                self.sold.setdefault((session["subscription"], session["_lines"][0]["price"]), offer.credits)

    def subscriptions(self, who: int) -> list[Obj]:
        """Return somebody's subscriptions that began in our checkouts, the oldest first."""
        begun = [self.stripe.find(identity) for identity, (owner, _) in self.sessions.items() if owner == who]
        return [self.stripe.find(session["subscription"]) for session in begun if session["subscription"]]

    def plan_of(self, who: int) -> str:
        """Return the slug of the plan that somebody is entitled to."""
        for subscription in self.subscriptions(who):
            if subscription["status"] in ENTITLED:
                return self.at_price[subscription["items"]["data"][0]["price"]].slug
        return "free"

    def all(self) -> dict[str, Promise]:
        """Return everything that is paid by now, by reference."""
        self.look_at_sales()
        promises: dict[str, Promise] = {}
        charges = {charge["payment_intent"]: charge for charge in self.stripe.all("charge", status="succeeded")}
        for identity, (who, offer) in self.sessions.items():
            session = self.stripe.find(identity)
            if session["subscription"]:
                subscription = self.stripe.find(session["subscription"])
                where = {"parent.subscription_details.subscription": subscription["id"]}
                invoices = self.stripe.all("invoice", **where)
                for invoice in invoices:
                    if invoice["status"] == "paid":
                        promise = self._of_invoice(who, subscription, invoice, invoices, charges)
                        promises[promise.reference] = promise
            elif session["mode"] == "payment" and session["payment_status"] in ("paid", "no_payment_required"):
                promise = Promise(
                    f"checkout:{identity}",
                    who,
                    offer.credits,
                    offer.credits,
                    session["amount_total"],
                    session["currency"],
                    charges.get(session["payment_intent"]),
                )
                promises[promise.reference] = promise
        return promises

    def _of_invoice(
        self, who: int, subscription: Obj, invoice: Obj, invoices: list[Obj], charges: dict[str, Obj]
    ) -> Promise:
        least = most = Fraction(0)
        changed = [Fraction(0), Fraction(0)]
        start, until, is_period, exact = 0, 0, False, True
        for line in invoice["lines"]["data"]:
            few, many = self._credits_of(subscription["id"], line)
            if line["parent"]["type"] == "subscription_item_details":
                least, most, is_period = least + few, most + many, True
            else:
                share, exact = _share(line, invoices), False
                if line["description"].startswith("Unused"):
                    share, few, many = -share, many, few
                changed = [changed[0] + few * share, changed[1] + many * share]
                if share < 0:
                    continue
            if line["period"]["end"] > until:
                start, until = line["period"]["start"], line["period"]["end"]
        if invoice["billing_reason"] == "subscription_cycle":  # what changed in the period before takes nothing of this
            changed = [min(changed[0], Fraction(0)), max(changed[1], Fraction(0))]
        least, most = least + changed[0], most + changed[1]
        paid_at, ended_at = invoice["status_transitions"]["paid_at"], subscription["ended_at"]
        if paid_at >= until:  # after its end: it lasts as long as it would have
            until = paid_at + until - start
        payments = self.stripe.all("invoice_payment", invoice=invoice["id"])
        intent = payments[0]["payment"]["payment_intent"] if payments else ""
        room = 0 if exact else 1
        return Promise(
            f"invoice:{invoice['id']}",
            who,
            max(0, math.floor(least) - room),
            max(0, math.ceil(most) + room),
            invoice["amount_paid"],
            invoice["currency"],
            charges.get(intent),
            subscription,
            until,
            paid_at,
            is_period,
            ends_at=ended_at if ended_at is not None and ended_at >= paid_at else None,
        )

    def _credits_of(self, subscription: str, line: Obj) -> tuple[int, int]:
        """Return how many credits a whole period at the line's price and quantity brings, at least and at most."""
        price = line["pricing"]["price_details"]["price"]
        if price in self.by_hand:
            possible = self.by_hand[price]
            return min(possible) * line["quantity"], max(possible) * line["quantity"]
        credits = self.sold.get((subscription, price), self.at_price[price].credits) * line["quantity"]
        return credits, credits


def _for(interval: str, offer: Offer) -> int:
    """Return what an offer brings in a period of this length: twelve months are a year."""
    months = {"month": 1, "year": 12}
    return max(1, round(Fraction(offer.credits * months[interval], months[offer.interval])))


def _share(line: Obj, invoices: list[Obj]) -> Fraction:
    """Return which part of its whole period a proration is about."""
    end = line["period"]["end"]
    starts = [
        other["period"]["start"]
        for invoice in invoices
        for other in invoice["lines"]["data"]
        if other["parent"]["type"] == "subscription_item_details" and other["period"]["end"] == end
    ]
    whole = end - min(starts)
    return Fraction(end - line["period"]["start"], whole) if whole else Fraction(0)
