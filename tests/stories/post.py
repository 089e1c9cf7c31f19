"""The way of Stripe's events to the books: late, lost, repeated, out of order, two at once."""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from django.utils import timezone

from billing.models import StripeEvent
from billing.stripe import inbox, reconcile
from billing.stripe.events import HANDLERS
from sandbox.stripe.state.store import Obj
from tests.stories.standin import StandIn

TRIES = 8


@dataclass
class Post:
    """What is under way. `look` is called after everything that may have changed the books."""

    stripe: StandIn
    say: Callable[[str], None]
    look: Callable[[], None]
    waiting: list[Obj] = field(default_factory=list)
    lost: list[Obj] = field(default_factory=list)
    arrived: list[Obj] = field(default_factory=list)

    def collect(self) -> None:
        """Put on their way what Stripe has told since."""
        self.waiting += [event for event in self.stripe.news() if event["type"] in HANDLERS]

    def in_order(self, dice: Random) -> None:
        """Everything arrives as it was told."""
        self.deliver_all()

    def deliver_all(self) -> None:
        """Let everything arrive as it was told."""
        self._deliver(self._take())

    def shuffled(self, dice: Random) -> None:
        """Everything arrives, in any order."""
        events = self._take()
        dice.shuffle(events)
        self._deliver(events)

    def backwards(self, dice: Random) -> None:
        """Everything arrives, the latest first."""
        self._deliver(self._take()[::-1])

    def some(self, dice: Random) -> None:
        """Some events arrive; the others are late."""
        events = self._take()
        chosen = [event for event in events if dice.random() < 0.5]
        self.waiting = [event for event in events if event not in chosen]
        self._deliver(chosen)

    def lose(self, dice: Random) -> None:
        """Some events are lost, the others arrive."""
        events = self._take()
        gone = [event for event in events if dice.random() < 0.4]
        self.lost += gone
        for event in gone:
            self.say(f"    lost: {named(event)}")
        self._deliver([event for event in events if event not in gone])

    def again(self, dice: Random) -> None:
        """Everything arrives, and much of it twice; old events come once more."""
        events = self._take()
        repeated = [*events, *(event for event in events if dice.random() < 0.5)]
        if self.arrived:
            repeated += dice.sample(self.arrived, min(3, len(self.arrived)))
        dice.shuffle(repeated)
        self._deliver(repeated)

    def two_at_once(self, dice: Random) -> None:
        """While one event is handled, others are handled by another worker."""
        events = self._take()
        if dice.random() < 0.5:
            dice.shuffle(events)
        while events:
            first, second = events.pop(0), events.pop(0) if events else None
            if second is not None:
                self.stripe.meanwhile.append(lambda event=second: self.bring(event, "meanwhile: "))  # type: ignore[misc]
            self.bring(first)
            left, self.stripe.meanwhile[:] = list(self.stripe.meanwhile), []
            for late in left:  # the first asked nothing
                late()
        self.retry()

    def bring(self, event: Obj, how: str = "") -> None:
        """Let one event arrive and be tried."""
        self.arrived.append(event)
        inbox.store(event)  # type: ignore[arg-type]
        handled = inbox.handle(event["id"])
        trouble = "" if handled else f": {StripeEvent.objects.get(pk=event['id']).last_error[:160]}"
        self.say(f"    {how}{named(event)}{trouble}")
        self.look()

    def retry(self) -> None:
        """Try again what could not be handled, as the scheduler does within minutes."""
        for _ in range(TRIES):
            left = list(
                StripeEvent.objects.filter(handled_at=None).order_by("received_at").values_list("pk", flat=True)
            )
            if not left:
                return
            StripeEvent.objects.filter(handled_at=None).update(due_at=timezone.now())
            handled = 0
            for identity in left:
                if inbox.handle(identity):
                    handled += 1
                    self.say(f"    on retry: {identity}")
                    self.look()
            if not handled:
                return

    def reconcile(self) -> None:
        """Compare with Stripe and repair, as happens each night: what was lost is found."""
        for drift in reconcile.compare(since=0, repair=True):
            self.say(f"    reconcile: {drift.words}{': mended' if drift.mended else ''}")
            self.look()
        known = set(StripeEvent.objects.exclude(handled_at=None).values_list("pk", flat=True))
        self.lost.clear()  # what was passed over is none of ours, or is told by others
        self.waiting = [event for event in self.waiting if event["id"] not in known]

    @property
    def is_quiet(self) -> bool:
        """Whether the books have heard of everything."""
        self.collect()
        return not (self.waiting or self.lost or StripeEvent.objects.filter(handled_at=None).exists())

    def _take(self) -> list[Obj]:
        self.collect()
        events, self.waiting = self.waiting, []
        return events

    def _deliver(self, events: list[Obj]) -> None:
        for event in events:
            self.bring(event)
        self.retry()


WAYS = (Post.in_order, Post.shuffled, Post.backwards, Post.some, Post.lose, Post.again, Post.two_at_once)


def named(event: Obj) -> str:
    """Return what an event is called in a story's log."""
    about = event["data"]["object"]
    return f"{event['type']} {about['id'][:14]} ({event['id'][:10]})"
