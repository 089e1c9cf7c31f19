"""What is for sale, as seen by somebody who may already have a plan."""

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlencode

from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from billing.catalogue import money, products
from billing.models import Pack, Plan, Subscription, Wallet
from billing.stripe import checkout

MONTHS = ["No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten", "Eleven"]
Action = Literal["", "buy", "change", "manage"]  # empty: there is nothing to press


@dataclass(frozen=True)
class Offer:
    """A plan or pack with its price in words. `current` marks the plan that one has, `primary` the first to buy.

    `monthly` is the plan that a yearly one gives twelve times.
    """

    product: Plan | Pack
    action: Action
    current: bool = False
    primary: bool = False
    monthly: Plan | None = None

    @property
    def kind(self) -> str:
        return "plan" if isinstance(self.product, Plan) else "pack"

    @property
    def checkout(self) -> str:
        """The address of the page that sells it, for whoever has to sign up first."""
        return f"{reverse('billing_checkout')}?{urlencode({'kind': self.kind, 'slug': self.product.slug})}"

    @property
    def credits(self) -> int:
        """How many come with it; of the free plan those that a new account really gets."""
        return self.product.credits if self.product.price else settings.WELCOME_CREDITS

    @property
    def figure(self) -> str:
        return money.figure(self.product.price, self.product.currency)

    @property
    def price(self) -> str:
        return money.full(self.product.price, self.product.currency)

    @property
    def each(self) -> str:
        """What one image costs at this price."""
        return money.each(self.product.price, self.product.currency, self.product.credits or 1)

    @property
    def a_month(self) -> str:
        """What a month costs of a plan that is paid by the year."""
        return money.each(self.product.price, self.product.currency, 12)

    @property
    def saving(self) -> str:
        """What a year costs less than its months one by one, in words; empty where that is nothing."""
        if self.monthly is None or self.product.price >= 12 * self.monthly.price:
            return ""
        saved = 12 * self.monthly.price - self.product.price
        months, rest = divmod(saved, self.monthly.price)
        if months and not rest:
            return f"{MONTHS[months]} month{'s' if months > 1 else ''} free"
        return f"{saved * 100 // (12 * self.monthly.price)}% less" if saved * 100 >= 12 * self.monthly.price else ""

    @property
    def rate(self) -> int:
        """Generate requests a minute."""
        own = self.product.rate_limit if isinstance(self.product, Plan) else None
        return settings.RATE_LIMIT_PER_MINUTE if own is None else own


def plans(wallet: Wallet | None) -> list[Offer]:
    """Return every plan that is sold, and the account's own if it is no longer; None is somebody signed out."""
    mine = products.plan_of(wallet) if wallet else None
    subscription = checkout.live_subscription(wallet) if wallet else None
    offered = list(Plan.objects.filter(active=True))
    if mine and mine not in offered:
        offered.append(mine)
    actions = {plan: _action(plan, mine, subscription) for plan in offered}
    first = next((plan for plan, action in actions.items() if action == "buy"), None)
    return [
        Offer(plan, action, current=plan == mine, primary=plan == first, monthly=_monthly(plan, offered))
        for plan, action in actions.items()
    ]


def packs() -> list[Offer]:
    """Return every pack that is sold."""
    return [Offer(pack, "buy" if settings.PAYMENTS else "") for pack in Pack.objects.filter(active=True)]


def changes(wallet: Wallet) -> list[Offer]:
    """Return the plans that the wallet's subscription could move to."""
    return [offer for offer in plans(wallet) if offer.action == "change"]


def time_left(subscription: Subscription) -> tuple[int, int]:
    """Return how many seconds of the subscription's period are left, and how many it has in all."""
    start, end = subscription.period_start, subscription.period_end
    if start is None or end is None or end <= start:
        return 0, 1
    whole = int((end - start).total_seconds())
    return max(0, min(whole, int((end - timezone.now()).total_seconds()))), whole


def _monthly(plan: Plan, offered: list[Plan]) -> Plan | None:
    """Return the plan that `plan` gives twelve times: as many credits a month, with the same limits."""
    if plan.interval != Plan.Interval.YEAR:
        return None
    same = (plan.credits, plan.currency, plan.rate_limit, plan.max_in_flight)
    monthly = (each for each in offered if each.interval == Plan.Interval.MONTH)
    return next(
        (each for each in monthly if (12 * each.credits, each.currency, each.rate_limit, each.max_in_flight) == same),
        None,
    )


def _action(plan: Plan, mine: Plan | None, subscription: Subscription | None) -> Action:
    if not settings.PAYMENTS:
        return ""
    if subscription and plan == subscription.plan:
        return "manage"
    if not plan.price or plan == mine:
        return ""
    if subscription is None:
        return "buy"
    return "change" if _can_change(subscription, plan) else ""


def _can_change(subscription: Subscription, plan: Plan) -> bool:
    """Tell whether Stripe can move the subscription to `plan` without anybody losing what they paid for."""
    now = subscription.price
    if now is None or now.currency != plan.currency or subscription.status not in ("active", "trialing"):
        return False
    return now.interval == plan.interval or plan.interval == Plan.Interval.YEAR
