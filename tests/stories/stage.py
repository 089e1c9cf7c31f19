"""A story is played: reveweb's own code against Stripe in memory, in one transaction that is undone at the end."""

import contextlib
import json
import logging
from collections.abc import Iterator
from typing import Any
from unittest import mock

import stripe
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from billing import gateway, ledger
from billing.models import Pack, Plan, StripeEvent, Wallet
from billing.outbox import mail
from kit import broker, wakeups
from sandbox.stripe.wire import service
from sandbox.stripe.wire.errors import StripeError
from tests.stories.post import Post
from tests.stories.promises import Offer, Promises
from tests.stories.standin import StandIn, Time, Wire
from tests.stories.truth import Broken, Truth

HOUR = 3600
CATALOGUE = (
    Offer("basic", "Basic", 100, 900, "month"),
    Offer("pro", "Pro", 400, 3600, "month"),
    Offer("yearly", "Yearly", 1200, 9000, "year"),
    Offer("pack-50", "50 credits", 50, 500),
    Offer("pack-1000", "1,000 credits", 1000, 8000),
)
ROUNDS = 5  # in which Stripe tells of what was done about what it told


class Stage:
    """Everything that a story needs. A step is `begin`, an act, `end`."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.time = Time()
        self.stripe = StandIn(self.time)
        self.promises = Promises(self.stripe)
        self.wallets: dict[int, int] = {}
        self.truth = Truth(self.stripe, self.promises, self.wallets)
        self.post = Post(self.stripe, self.say, self.truth.look)
        self.held: list[tuple[int, str]] = []
        self.own_refunds: set[str] = set()
        self.stumbling = False
        self._counter = 0

    def say(self, words: str) -> None:
        self.log.append(f"{self.time.moment:%d %b %Y %H:%M}  {words}")

    def count(self) -> int:
        self._counter += 1
        return self._counter

    def wallet(self, who: int) -> Wallet:
        return Wallet.objects.select_related("user").get(pk=self.wallets[who])

    @contextlib.contextmanager
    def asking(self, what: str) -> Iterator[None]:
        """Let reveweb ask Stripe for something that a person wants; only a stumbling Stripe may refuse it."""
        try:
            yield
        except gateway.PaymentError as error:
            if not self.stumbling:
                raise Broken("cannot " + what, f"{error!r}") from error
            self.say(f"    {error!r}")
        finally:
            self.promises.look_at_prices()

    def by_hand(self, method: str, path: str, **body: Any) -> None:
        """Do something in the dashboard or the portal; a refusal is told and changes nothing."""
        try:
            self.stripe.dashboard(method, path, **body)
        except StripeError as error:
            self.say(f"    Stripe refuses: {error.message}")

    def open(self) -> None:
        """Fill the catalogue and let two people sign up."""
        Plan.objects.create(slug="free", name="Free", credits=3, price=0, interval="")
        for offer in CATALOGUE:
            fields = {"slug": offer.slug, "name": offer.name, "credits": offer.credits, "price": offer.price}
            if offer.is_plan:
                Plan.objects.create(**fields, interval=offer.interval)
            else:
                Pack.objects.create(**fields)
            self.promises.offer(offer)
        for number, name in enumerate(("alice", "bob")):
            user = User.objects.create(email=f"{name}@stories.example")
            self.wallets[number] = ledger.wallet_of(user.pk).pk

    def after(self) -> None:
        """What the scheduler does by itself, and what must hold after each step."""
        ledger.expire_due()
        self.post.collect()
        self.truth.look()
        if self.post.is_quiet:
            self.truth.settle()

    def finish(self) -> None:
        """Let everything arrive, find by comparison what was lost, and see that both books are one."""
        self.stripe.fail(times=0)
        self.stumbling = False
        self.say("everything arrives")
        self.stripe.pass_time(2 * HOUR)
        for _ in range(ROUNDS):
            self.post.deliver_all()
            if self.post.lost:
                self.say("what was lost is found")
                self.post.reconcile()
            ledger.expire_due()
            if self.post.is_quiet:
                break
        else:
            left = StripeEvent.objects.filter(handled_at=None)
            raise Broken("never handled", ", ".join(f"{event}: {event.last_error[:200]}" for event in left))
        self.truth.settle()
        self.truth.prove()


@contextlib.contextmanager
def playing() -> Iterator[Stage]:
    """Give a stage on which reveweb's own code asks the stand-in, at the story's time. Nothing of it stays."""
    stage = Stage()
    logging.disable()
    try:
        with contextlib.ExitStack() as patches:
            for target, name, value in (
                (timezone, "datetime", stage.time.datetime()),  # also for columns, whose default is `now` itself
                (stripe, "RequestsClient", lambda *_, **__: Wire(stage.stripe)),
                (service, "_dump", json.dumps),  # in fewer lines than people would like to read
                (broker, "tell_on_commit", lambda *_: None),
                (wakeups, "publish_on_commit", lambda *_: None),
                (mail, "tell_on_commit", lambda *_: None),
            ):
                patches.enter_context(mock.patch.object(target, name, value))
            gateway._client.cache_clear()
            example: Any = transaction.atomic()
            example._from_testcase = True  # as a test's own transaction, it is none of the site's
            with example:
                stage.open()
                yield stage
                transaction.set_rollback(True)
    finally:
        gateway._client.cache_clear()
        logging.disable(logging.NOTSET)
        stage.stripe.close()
