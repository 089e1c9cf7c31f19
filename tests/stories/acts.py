"""What can happen in a story. Each act takes the stage and its own dice, does one thing, and says it in a sentence.

An act that makes no sense as things stand raises Nothing, so that a story stays playable when steps are left out of it.
"""

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any

from billing import gateway, ledger
from billing.catalogue import products
from billing.errors import (
    AlreadySubscribed,
    ChangeUnderWay,
    InsufficientCredits,
    NotForSale,
    NotSubscribed,
)
from billing.models import Pack, Plan
from billing.staff import acts as staff
from billing.stripe import checkout
from sandbox.stripe.state.clock import DAY
from sandbox.stripe.state.store import Obj
from tests.stories.promises import ENDED, Offer
from tests.stories.truth import Broken

if TYPE_CHECKING:
    from tests.stories.stage import Stage

GOOD, FAILS_LATER, DECLINED = "4242424242424242", "4000000000000341", "4000000000000002"
BANK, BANK_FAILS = "bank_debit_succeeds", "bank_debit_fails"
HOUR = 3600
SITE = "http://shop.example"
NAMES = ("Alice", "Bob")


class Nothing(Exception):
    """The act makes no sense as things stand."""


Act = Callable[["Stage", Random], None]
ACTS: dict[str, tuple[Act, int]] = {}


def act(weight: int) -> Callable[[Act], Act]:
    """Let the function be drawn this often."""

    def register(function: Act) -> Act:
        ACTS[function.__name__] = (function, weight)
        return function

    return register


# --- Buying


@act(10)
def buy_pack(stage: "Stage", dice: Random) -> None:
    offers = [offer for offer in stage.promises.offers.values() if not offer.is_plan and offer.active]
    _buy(stage, dice, _who(dice), _one(dice, offers))


@act(12)
def buy_plan(stage: "Stage", dice: Random) -> None:
    offers = [offer for offer in stage.promises.offers.values() if offer.is_plan and offer.active]
    _buy(stage, dice, _who(dice), _one(dice, offers))


@act(5)
def pay_what_is_open(stage: "Stage", dice: Random) -> None:
    open_ones = [identity for identity in stage.promises.sessions if stage.stripe.find(identity)["status"] == "open"]
    _pay(stage, dice, _one(dice, open_ones))


def _buy(stage: "Stage", dice: Random, who: int, offer: Offer) -> None:
    stage.say(f"{NAMES[who]} asks for {offer}")
    product = _product(offer)
    with stage.asking("start a checkout"):
        try:
            url = _mended(stage, dice, lambda: checkout.start(wallet=stage.wallet(who), product=product, site=SITE))
        except AlreadySubscribed:
            stage.say("    has a subscription already")
            return
        except NotForSale as error:
            raise Broken("nobody can buy", f"{offer}: {error!r}") from error
        session = next((each for each in stage.stripe.all("checkout.session") if each["url"] == url), None)
        if session is None:
            stage.say("    is shown a checkout that is paid already")
            return
        is_new = session["id"] not in stage.promises.sessions
        stage.promises.sessions.setdefault(session["id"], (who, offer))
        if is_new:
            _check_price_tag(stage, session, offer)
        if dice.random() < 0.8:
            _pay(stage, dice, session["id"])
        else:
            stage.say(f"    and leaves the checkout open ({session['id'][:14]})")


def _check_price_tag(stage: "Stage", session: Obj, offer: Offer) -> None:
    price = stage.stripe.find(session["_lines"][0]["price"])
    recurring = (price["recurring"] or {}).get("interval", "")
    if (price["unit_amount"], recurring) != (offer.price, offer.interval):
        raise Broken("another price than shown", f"{offer}: Stripe asks {price['unit_amount']} {recurring}")


def _pay(stage: "Stage", dice: Random, identity: str) -> None:
    session = stage.stripe.find(identity)
    if session["status"] != "open":
        raise Nothing
    cards = [GOOD] * 12 + [FAILS_LATER, FAILS_LATER, DECLINED, BANK, BANK_FAILS, BANK_FAILS]
    method = dice.choice(cards)
    who, offer = stage.promises.sessions[identity]
    if dice.random() < 0.15:
        _enter_code(stage, dice, identity)
        session = stage.stripe.find(identity)
    answer = stage.stripe.desk(f"checkout/{identity}/pay", method=method)
    paid = "pays" if answer["paid"] else "cannot pay"
    stage.say(f"    {NAMES[who]} {paid} {session['amount_total'] / 100:.2f} for {offer} by {method} ({identity[:14]})")


def _enter_code(stage: "Stage", dice: Random, identity: str) -> None:
    """Credits are whole however little is paid for them."""
    off, duration = dice.choice([10, 50, 100, 100]), dice.choice(["once", "forever"])
    coupon = stage.stripe.dashboard("POST", "coupons", percent_off=off, duration=duration)
    code = f"OFF{stage.count()}"
    stage.stripe.dashboard("POST", "promotion_codes", code=code, promotion={"type": "coupon", "coupon": coupon["id"]})
    stage.stripe.enter_code(identity, code)
    stage.say(f"    and enters a code, {off} % off {duration}")


# --- The plan


@act(8)
def change_plan(stage: "Stage", dice: Random) -> None:
    who = _who(dice)
    offer = _one(dice, [offer for offer in stage.promises.offers.values() if offer.is_plan and offer.active])
    stage.say(f"{NAMES[who]} changes to {offer}")
    before = {each["id"]: each["items"]["data"][0]["price"] for each in stage.promises.subscriptions(who)}
    with stage.asking("change the plan"):
        try:
            plan = Plan.objects.get(slug=offer.slug)
            _mended(stage, dice, lambda: checkout.change_plan(wallet=stage.wallet(who), plan=plan))
        except (NotSubscribed, NotForSale, ChangeUnderWay) as error:
            stage.say(f"    {error!r}")
            return
        except gateway.PaymentRefused as error:
            stage.say(f"    {error}")
            if all(_method_of(stage, each) == GOOD for each in stage.promises.subscriptions(who)):
                raise
        finally:
            stage.promises.look_at_prices()
            for subscription in stage.promises.subscriptions(who):
                price = subscription["items"]["data"][0]["price"]
                if before.get(subscription["id"]) not in (None, price):
                    stage.promises.sold[subscription["id"], price] = offer.credits


@act(5)
def cancel_later(stage: "Stage", dice: Random) -> None:
    """The portal's button: the plan ends with its period."""
    subscription = _running(stage, dice)
    stage.say(f"{subscription['id'][:10]} is cancelled to the end of its period")
    end = subscription["items"]["data"][0]["current_period_end"]
    how: dict[str, Any] = {"cancel_at": end} if dice.random() < 0.5 else {"cancel_at_period_end": True}
    stage.by_hand("POST", f"subscriptions/{subscription['id']}", **how)


@act(3)
def resume(stage: "Stage", dice: Random) -> None:
    subscription = _running(stage, dice, lambda each: each["cancel_at"] is not None)
    stage.say(f"{subscription['id'][:10]} is to go on")
    stage.by_hand("POST", f"subscriptions/{subscription['id']}", cancel_at="")


@act(6)
def cancel_now(stage: "Stage", dice: Random) -> None:
    """What support does in the dashboard."""
    subscription = _running(stage, dice)
    stage.say(f"{subscription['id'][:10]} is cancelled at once")
    stage.by_hand("DELETE", f"subscriptions/{subscription['id']}")


@act(3)
def switch_at_stripe(stage: "Stage", dice: Random) -> None:
    """In the portal or the dashboard: to a price that the catalogue made."""
    subscription = _running(stage, dice)
    now = subscription["items"]["data"][0]["price"]
    others = [
        price["id"]
        for price in stage.stripe.all("price")
        if price["active"] and price["id"] != now and price["recurring"] and price["id"] in stage.promises.at_price
    ]
    price = _one(dice, others)
    stage.say(f"{subscription['id'][:10]} is moved at Stripe to {stage.promises.at_price[price]}")
    stage.promises.sold.pop((subscription["id"], price), None)
    _move(stage, dice, subscription, price=price)


@act(2)
def quantity(stage: "Stage", dice: Random) -> None:
    subscription = _running(stage, dice)
    quantity = dice.choice([1, 2, 3])
    stage.say(f"{subscription['id'][:10]} is to count {quantity} times")
    _move(stage, dice, subscription, quantity=quantity)


@act(2)
def price_made_by_hand(stage: "Stage", dice: Random) -> None:
    """The operator makes a price of a plan in the dashboard and moves a subscriber there."""
    subscription = _running(stage, dice)
    now = stage.promises.at_price[subscription["items"]["data"][0]["price"]]
    offer = stage.promises.offers[now.slug]
    product = stage.stripe.find(subscription["items"]["data"][0]["price"])["product"]
    amount = dice.choice([100, offer.price, 2 * offer.price])
    price = stage.stripe.dashboard(
        "POST",
        "prices",
        product=product,
        unit_amount=amount,
        currency="usd",
        recurring={"interval": dice.choice(["month", "month", "year"])},
    )
    stage.promises.made_by_hand(price, offer)
    stage.say(f"{subscription['id'][:10]} is moved to a price made by hand, {amount / 100:.2f}, of {offer}")
    _move(stage, dice, subscription, price=price["id"])


def _move(stage: "Stage", dice: Random, subscription: Obj, **change: Any) -> None:
    item = subscription["items"]["data"][0]
    stage.by_hand(
        "POST",
        f"subscriptions/{subscription['id']}",
        items=[{"id": item["id"], **change}],
        proration_behavior=dice.choice(["always_invoice", "always_invoice", "none", "create_prorations"]),
    )


@act(4)
def card(stage: "Stage", dice: Random) -> None:
    """A new card; with a good one, what is open is paid."""
    who = _who(dice)
    customers = {each["customer"] for each in stage.promises.subscriptions(who)}
    customer = _one(dice, sorted(customers))
    number = dice.choice([GOOD, FAILS_LATER])
    stage.say(f"{NAMES[who]}'s card is {number} now")
    under_way = stage.stripe.all("payment_intent", customer=customer, status="processing")
    stage.stripe.desk(f"customers/{customer}/card", number=number, pay=not under_way and dice.random() < 0.7)


# --- Time


@act(4)
def hours_pass(stage: "Stage", dice: Random) -> None:
    _pass(stage, dice.choice([HOUR, 6 * HOUR, 20 * HOUR]))


@act(12)
def days_pass(stage: "Stage", dice: Random) -> None:
    _pass(stage, dice.choice([DAY, 3 * DAY, 8 * DAY, 15 * DAY, 27 * DAY, 31 * DAY, 40 * DAY]))


@act(2)
def a_year_passes(stage: "Stage", dice: Random) -> None:
    _pass(stage, dice.choice([200 * DAY, 366 * DAY]))


def _pass(stage: "Stage", seconds: int) -> None:
    stage.say(f"{seconds / DAY:g} days pass")
    stage.stripe.pass_time(seconds)


# --- Credits are used


@act(10)
def draw_images(stage: "Stage", dice: Random) -> None:
    who = _who(dice)
    balance = stage.truth.balance(who)
    wanted = dice.choice([1, 5, 20, max(1, balance // 2), max(1, balance)])
    reference = f"generation:{stage.count()}"
    try:
        with ledger.books(stage.wallets[who]) as books:
            books.hold(credits=wanted, reference=reference, cause="images")
    except InsufficientCredits:
        stage.say(f"{NAMES[who]} wants {wanted} images and has credits for {balance}")
        return
    stage.say(f"{NAMES[who]} draws {wanted} images ({reference})")
    if dice.random() < 0.6:
        ledger.settle([reference])
    else:
        stage.held.append((who, reference))
        stage.say("    they take a while")


@act(5)
def images_end(stage: "Stage", dice: Random) -> None:
    who, reference = held = _one(dice, stage.held)
    stage.held.remove(held)
    if dice.random() < 0.5:
        stage.say(f"{reference} is done")
        ledger.settle([reference])
    else:
        stage.say(f"{reference} fails")
        with ledger.books(stage.wallets[who]) as books:
            books.release(reference=reference, cause="it failed")


@act(2)
def staff_grant(stage: "Stage", dice: Random) -> None:
    who, credits = _who(dice), dice.randint(1, 20)
    stage.say(f"staff grant {NAMES[who]} {credits} credits")
    staff.grant(
        actor=None, wallet=stage.wallet(who), credits=credits, reason="sorry", reference=f"staff:{stage.count()}"
    )


# --- Money goes back


@act(6)
def refund(stage: "Stage", dice: Random) -> None:
    charges = [
        each.charge
        for each in stage.truth.paid().values()
        if each.charge and not each.charge["disputed"] and each.charge["amount_refunded"] < each.charge["amount"]
    ]
    charge = _one(dice, charges)
    left = charge["amount"] - charge["amount_refunded"]
    amount = dice.choice([left, left, max(1, left // 2), min(left, max(1, charge["amount"] // 4)), min(left, 5)])
    stage.say(f"{amount / 100:.2f} of {charge['id'][:10]} are paid back")
    stage.stripe.desk(f"charges/{charge['id']}/refund", amount=amount)


@act(2)
def refund_fails(stage: "Stage", dice: Random) -> None:
    refunds = [each for each in stage.stripe.all("refund") if each["status"] != "failed"]
    refund = _one(dice, refunds)
    stage.say(f"the refund of {refund['amount'] / 100:.2f} of {refund['charge'][:10]} fails")
    stage.stripe.desk(f"refunds/{refund['id']}/fail")


@act(4)
def dispute(stage: "Stage", dice: Random) -> None:
    charges = [each.charge for each in stage.truth.paid().values() if each.charge and not each.charge["disputed"]]
    charge = _one(dice, charges)
    inquiry = dice.random() < 0.3
    stage.say(f"{charge['id'][:10]} is {'asked about' if inquiry else 'disputed'}")
    stage.stripe.desk(f"charges/{charge['id']}/dispute", inquiry=inquiry)


@act(4)
def dispute_ends(stage: "Stage", dice: Random) -> None:
    open_ones = [
        each for each in stage.stripe.all("dispute") if each["status"] not in ("won", "lost", "warning_closed")
    ]
    dispute = _one(dice, open_ones)
    if dispute["status"].startswith("warning_") and dice.random() < 0.5:
        stage.say(f"the question about {dispute['charge'][:10]} becomes a dispute")
        stage.stripe.desk(f"disputes/{dispute['id']}/escalate")
        return
    won = dice.random() < 0.6
    stage.say(f"the dispute about {dispute['charge'][:10]} is {'won' if won else 'lost'}")
    stage.stripe.desk(f"disputes/{dispute['id']}/close", won=won)


# --- The operator


@act(8)
def edit_catalogue(stage: "Stage", dice: Random) -> None:
    offer = _one(dice, list(stage.promises.offers.values()))
    changed = offer
    for _ in range(dice.choice([1, 1, 2])):
        what = dice.choice(["credits", "credits", "price", "price", "both", "interval", "active"])
        factor = dice.choice([0.1, 0.5, 2, 10])
        if what in ("credits", "both"):
            changed = replace(changed, credits=max(1, min(20_000, int(changed.credits * factor))))
        if what in ("price", "both"):
            changed = replace(changed, price=max(100, min(90_000, int(changed.price * factor))))
        if what == "interval" and offer.is_plan:
            changed = replace(changed, interval="year" if changed.interval == "month" else "month")
        if what == "active":
            changed = replace(changed, active=not changed.active)
    stage.say(f"the catalogue shows {changed}{'' if changed.active else ', no longer sold'} for {offer}")
    product = _product(offer)
    product.credits, product.price, product.active = changed.credits, changed.price, changed.active
    if isinstance(product, Plan):
        product.interval = changed.interval
    staff.save_product(actor=None, product=product, reason="a new offer")
    stage.promises.offer(changed)
    if dice.random() < 0.5:
        sync_catalogue(stage, dice)


@act(2)
def sync_catalogue(stage: "Stage", dice: Random) -> None:
    stage.say("sync_stripe")
    with stage.asking("sync"):
        for change in products.sync():
            stage.say(f"    {change.product}: {change.words}")


@act(1)
def archive_a_price(stage: "Stage", dice: Random) -> None:
    prices = [each for each in stage.stripe.all("price") if each["active"] and each["id"] in stage.promises.at_price]
    price = _one(dice, prices)
    stage.say(f"the price of {stage.promises.at_price[price['id']]} is archived in the dashboard")
    stage.by_hand("POST", f"prices/{price['id']}", active=False)


def _mended(stage: "Stage", dice: Random, ask: Callable[[], Any]) -> Any:
    """Ask for something; what is refused for an archived price is there again once the operator has run sync_stripe."""
    try:
        return ask()
    except gateway.PaymentRefused as error:
        if "active" not in str(error) or all(price["active"] for price in stage.stripe.all("price")):
            raise
        stage.say(f"    {error}")
        sync_catalogue(stage, dice)
        return ask()


@act(3)
def a_night(stage: "Stage", dice: Random) -> None:
    stage.say("the nightly comparison")
    with stage.asking("compare"):
        stage.post.reconcile()


@act(4)
def stripe_stumbles(stage: "Stage", dice: Random) -> None:
    times, performed = dice.choice([1, 1, 3, 6]), dice.random() < 0.5
    kept = dice.random() < 0.3
    how = f"{', with their work done' if performed else ''}{', for good under their keys' if kept else ''}"
    stage.say(f"the next {times} calls of Stripe's API fail{how}")
    stage.stripe.fail(times=times, performed=performed, kept=kept)
    stage.stumbling = True


# --- Others on the same account


@act(3)
def a_strangers_checkout(stage: "Stage", dice: Random) -> None:
    """Another site on the same Stripe account sells something; its numbers happen to be ours."""
    who = _who(dice)
    metadata: dict[str, str] = dice.choice(
        [
            {},
            {"account": str(stage.wallets[who]), "order": "1", "product": "reveweb_pack_pack-1000"},
            {"account": str(stage.wallets[who]), "installation": "another"},
        ]
    )
    customer = stage.stripe.dashboard("POST", "customers", email="stranger@example.net")
    stage.promises.foreign.add(customer["id"])
    _sell_elsewhere(stage, dice, customer["id"], str(stage.wallets[who]), metadata)
    stage.say(f"another site sells something to a stranger, number {stage.wallets[who]}, {metadata}")


@act(2)
def a_retainer(stage: "Stage", dice: Random) -> None:
    """The operator sells our customer something else in the dashboard."""
    customers = {each["customer"] for each in stage.stripe.all("checkout.session") if each["customer"]}
    ours = sorted(customers - stage.promises.foreign)
    customer = _one(dice, ours)
    _sell_elsewhere(stage, dice, customer, None, {})
    stage.say(f"{customer[:10]} buys something that is none of ours")


def _sell_elsewhere(stage: "Stage", dice: Random, customer: str, reference: str | None, metadata: Any) -> None:
    product = stage.stripe.dashboard("POST", "products", name="Consulting")
    stage.promises.foreign.add(product["id"])
    recurring = dice.random() < 0.5
    about: dict[str, Any] = {"recurring": {"interval": "month"}} if recurring else {}
    price = stage.stripe.dashboard("POST", "prices", product=product["id"], unit_amount=8000, currency="usd", **about)
    session = stage.stripe.dashboard(
        "POST",
        "checkout/sessions",
        customer=customer,
        mode="subscription" if recurring else "payment",
        line_items=[{"price": price["id"]}],
        success_url="http://other.example/",
        metadata=metadata,
        **({"client_reference_id": reference} if reference else {}),
    )
    stage.stripe.desk(f"checkout/{session['id']}/pay", method=GOOD)
    if dice.random() < 0.4:
        charge = stage.stripe.all("charge")[-1]
        if dice.random() < 0.5:
            stage.stripe.desk(f"charges/{charge['id']}/refund")
            stage.own_refunds.add(charge["id"])
        else:
            stage.stripe.desk(f"charges/{charge['id']}/dispute")


@act(1)
def customer_deleted(stage: "Stage", dice: Random) -> None:
    customers = {each["customer"] for each in stage.stripe.all("checkout.session") if each["customer"]}
    living = sorted(each for each in customers - stage.promises.foreign if stage.stripe.store.find(each))
    customer = _one(dice, living)
    stage.say(f"{customer[:10]} is deleted in the dashboard")
    stage.by_hand("DELETE", f"customers/{customer}")


# --- Choosing


def _method_of(stage: "Stage", subscription: Obj) -> str:
    """Return the number of what a subscription is charged to."""
    method = stage.stripe.find(subscription["default_payment_method"])
    return str(method["_method"])


def _who(dice: Random) -> int:
    return 0 if dice.random() < 0.8 else 1


def _one(dice: Random, things: list[Any]) -> Any:
    if not things:
        raise Nothing
    return dice.choice(things)


def _product(offer: Offer) -> Plan | Pack:
    model: type[Plan] | type[Pack] = Plan if offer.is_plan else Pack
    return model._default_manager.get(slug=offer.slug)


def _running(stage: "Stage", dice: Random, such: Callable[[Obj], bool] = lambda each: True) -> Obj:
    found = [each for who in (0, 1) for each in stage.promises.subscriptions(who)]
    subscription: Obj = _one(dice, [each for each in found if each["status"] not in ENDED and such(each)])
    return subscription
