"""What must hold after each step of a story, whatever has arrived by then, and what must hold once all has."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from django.db import connection
from django.db.models import Sum

from billing.models import CreditEntry, CreditGrant, Dispute, Order, OutgoingMail, Payment, Wallet
from billing.models import Subscription as Row
from billing.staff import audit
from billing.stripe import reconcile
from sandbox.stripe.state.clock import DAY
from sandbox.stripe.state.store import Obj
from tests.stories.promises import Promise, Promises
from tests.stories.standin import StandIn

Kind = CreditEntry.Kind
GRACE = 3 * DAY  # for which a period's credits stay usable when the next period's are late
SOLD = (CreditGrant.Source.PLAN.value, CreditGrant.Source.PACK.value)


class Broken(AssertionError):
    """Something does not hold. `rule` says what, in a few words that are the same in every story."""

    def __init__(self, rule: str, words: str) -> None:
        super().__init__(f"{rule}: {words}")
        self.rule = rule


@dataclass(frozen=True)
class Bucket:
    """A grant as it stands, with how many of its credits are out: set aside, spent, or taken by staff."""

    pk: int
    reference: str
    wallet: int
    amount: int
    remaining: int
    out: int
    drawn: int  # ever
    returned_at: int  # when credits last came back to it, in Unix seconds, or 0

    @property
    def kept(self) -> int:
        return self.remaining + self.out


@dataclass
class Truth:
    """Compares the books with what was promised."""

    stripe: StandIn
    promises: Promises
    wallets: dict[int, int]  # by number of the person
    mails: int = 0
    _known: tuple[int, int] = (0, 0)
    _paid: dict[str, Promise] = field(default_factory=dict)
    _read: int = -1
    _buckets: list[Bucket] = field(default_factory=list)
    _looked: tuple[object, ...] = ()
    _settled: tuple[object, ...] = ()

    def paid(self) -> dict[str, Promise]:
        """Return everything that is paid, worked out anew only when something happened at Stripe."""
        state = self._state()
        if state != self._known:
            self._paid, self._known = self.promises.all(), state
        return self._paid

    def _state(self) -> tuple[int, int]:
        """Return numbers of which one grows with each change at Stripe and each sale."""
        return self.stripe.store.db.total_changes, len(self.promises.sessions)

    # --- At any moment

    def look(self) -> None:
        """Raise Broken if something unpaid is there, or something paid is not whole."""
        if self._looked == (state := (self._books(), *self._state())):
            return
        self._looked = state
        paid = self.paid()
        for bucket in self.buckets():
            promise = paid.get(bucket.reference)
            if promise is None:
                raise Broken("granted unpaid", f"{bucket.amount} credits by {bucket.reference}")
            if self.wallets[promise.who] != bucket.wallet:
                raise Broken("granted to somebody else", f"{promise} to wallet {bucket.wallet}")
            if not promise.least <= bucket.amount <= promise.most:
                raise Broken("not as sold", f"{promise} brought {bucket.amount} credits")
            if self.is_running(promise) and not self._went_back(promise) and bucket.kept != bucket.amount:
                raise Broken(
                    "paid and gone",
                    f"{promise} brought {bucket.amount}; {bucket.remaining} are left, {bucket.out} are out",
                )
        self._look_at_mails(paid)

    def is_running(self, promise: Promise) -> bool:
        """Whether the time that was paid is not over: by Stripe's books, whatever ours have heard."""
        if promise.until is None:
            return True
        is_over = self.stripe.time.seconds >= promise.until or promise.ends_at is not None
        return not is_over and not self._superseded(promise)

    def _superseded(self, promise: Promise) -> bool:
        """Whether a later period of the same subscription is paid."""
        assert promise.subscription
        assert promise.until
        return any(
            other.subscription
            and other.subscription["id"] == promise.subscription["id"]
            and other.is_period
            and (other.until or 0) > (promise.until or 0)
            for other in self.paid().values()
        )

    def _went_back(self, promise: Promise) -> bool:
        """Whether anything of the money ever went back: until the books have heard of all that, credits may lack."""
        if promise.charge is None:
            return False
        return bool(self._disputes(promise) or self.stripe.all("refund", charge=promise.charge["id"]))

    def _disputes(self, promise: Promise) -> list[Obj]:
        """Return the real disputes of a payment, not its bank's mere questions."""
        if promise.charge is None:
            return []
        found = self.stripe.all("dispute", charge=promise.charge["id"])
        return [dispute for dispute in found if not dispute["status"].startswith("warning_")]

    def _look_at_mails(self, paid: dict[str, Promise]) -> None:
        for mail in OutgoingMail.objects.filter(pk__gt=self.mails).order_by("pk").only("reference", "template"):
            self.mails = mail.pk
            kind, _, rest = mail.reference.partition(":")
            about = rest.partition(":")[0]
            if mail.template == "payment_failed":
                reference = f"{'checkout' if kind.startswith('checkout') else 'invoice'}:{about}"
                if reference in paid:
                    raise Broken("mailed as failed after it was paid", reference)
            if mail.template == "plan_ended":
                of_it = [each for each in paid.values() if each.subscription and each.subscription["id"] == about]
                if not of_it and self.stripe.find(about)["status"] == "incomplete_expired":
                    raise Broken("mailed as ended though it never began", about)

    # --- Once everything has arrived

    def settle(self) -> None:
        """Raise Broken unless the books are exactly as Stripe's, and everybody has what they paid for."""
        self.look()
        if self._settled == (state := (self._books(), *self._state())):
            return
        self._settled = state
        paid = self.paid()
        buckets = {bucket.reference: bucket for bucket in self.buckets()}
        for promise in paid.values():
            bucket = buckets.get(promise.reference)
            if bucket is None:
                if promise.least and self.is_running(promise):
                    raise Broken("paid and never granted", f"{promise}")
                continue
            self._check_what_is_left(promise, bucket)
        self._check_payments(paid)
        self._check_orders()
        self._check_plans()
        self._check_disputes(paid)

    def _check_what_is_left(self, promise: Promise, bucket: Bucket) -> None:
        disputes = self._disputes(promise)
        if any(dispute["status"] != "won" for dispute in disputes):
            if bucket.remaining:
                raise Broken("spendable though disputed", f"{promise}: {bucket.remaining}")
            return
        if not self.is_running(promise):
            self._check_that_it_is_over(promise, bucket)
            return
        if not promise.refunded:
            if bucket.kept != bucket.amount:
                raise Broken("paid and gone", f"{promise}: {bucket.remaining} left, {bucket.out} out")
            return
        taken = -(-bucket.amount * promise.refunded // max(1, promise.amount))
        if not bucket.drawn:
            if bucket.remaining != bucket.amount - taken:
                raise Broken(
                    "the share of a refund",
                    f"{promise}, refunded {promise.refunded / 100:.2f}: {bucket.remaining} left of {bucket.amount}",
                )
        elif promise.refunded >= promise.amount and bucket.remaining:
            raise Broken("spendable though refunded", f"{promise}: {bucket.remaining}")
        elif bucket.kept < bucket.amount - taken:
            raise Broken("a refund took too much", f"{promise}: {bucket.remaining} left, {bucket.out} out")

    def _check_that_it_is_over(self, promise: Promise, bucket: Bucket) -> None:
        """What has ended is not there any more, but for what came back since from images that failed."""
        assert promise.until
        now, ended = self.stripe.time.seconds, promise.ends_at
        over_at = min(ended or now, promise.until + GRACE)
        is_over = ended is not None or now >= promise.until + GRACE or self._renewed(promise)
        if is_over and bucket.remaining and bucket.returned_at < min(over_at, promise.until):
            raise Broken("spendable after its end", f"{promise}: {bucket.remaining}")

    def _renewed(self, promise: Promise) -> bool:
        """Whether the next period was paid, begun where this one ended."""
        assert promise.subscription
        return promise.until is not None and any(
            other.subscription
            and other.subscription["id"] == promise.subscription["id"]
            and other.is_period
            and (other.until or 0) > (promise.until or 0)
            and other.paid_at >= (promise.until or 0)
            for other in self.paid().values()
        )

    def _check_payments(self, paid: dict[str, Promise]) -> None:
        rows = {row.reference: row for row in Payment.objects.all()}
        for reference, promise in paid.items():
            row = rows.pop(reference, None)
            if row is None and not promise.amount and not promise.least:
                continue
            if row is None:
                raise Broken("paid and not in the books", f"{promise}")
            if (row.amount, row.currency, row.refunded) != (promise.amount, promise.currency, promise.refunded):
                raise Broken(
                    "the books have another amount",
                    f"{promise}, refunded {promise.refunded}: {row.amount} {row.currency}, refunded {row.refunded}",
                )
            if row.wallet_id != self.wallets[promise.who]:
                raise Broken("in somebody else's books", f"{promise}")
            sold = getattr(row, "credits", None)
            if sold is not None and not promise.least <= sold <= promise.most:
                raise Broken("noted as sold otherwise", f"{promise}: {sold}")
        if rows:
            raise Broken("in the books and not paid", ", ".join(rows))

    def _check_orders(self) -> None:
        rows = {row.stripe_session_id: row for row in Order.objects.exclude(stripe_session_id=None)}
        for identity in self.promises.sessions:
            session, row = self.stripe.find(identity), rows[identity]
            expected = {_order_status(self.stripe, session)}
            if session["subscription"] and session["payment_status"] == "unpaid" and session["status"] == "complete":
                continue  # a bank's payment that failed, and another that came in its place
            if session["status"] == "open":
                expected.add(Order.Status.EXPIRED)  # closed by us a moment ago
            if row.status not in expected:
                raise Broken("an order's status", f"{identity[:14]}: {row.status}, at Stripe {sorted(expected)}")

    def _check_plans(self) -> None:
        for who, wallet in self.wallets.items():
            row = Wallet.objects.select_related("plan").get(pk=wallet)
            plan, expected = (row.plan.slug if row.plan else "free"), self.promises.plan_of(who)
            if plan != expected:
                raise Broken("another plan", f"person {who}: {plan}, by Stripe {expected}")
            rows = {each.stripe_id: each for each in Row.objects.filter(wallet=wallet)}
            for subscription in self.promises.subscriptions(who):
                known = rows.pop(subscription["id"], None)
                if known is None:
                    raise Broken("an unknown subscription", subscription["id"])
                end = subscription["items"]["data"][0]["current_period_end"]
                ours = (known.status, int(known.period_end.timestamp()) if known.period_end else 0)
                if ours != (subscription["status"], end):
                    raise Broken("a subscription's copy", f"{ours}, at Stripe {(subscription['status'], end)}")
            if rows:
                raise Broken("somebody else's subscription", ", ".join(rows))

    def _check_disputes(self, paid: dict[str, Promise]) -> None:
        rows = {row.stripe_id: row.status for row in Dispute.objects.all()}
        for promise in paid.values():
            for dispute in self._disputes(promise):
                if rows.get(dispute["id"]) != dispute["status"]:
                    raise Broken("a dispute's status", f"{rows.get(dispute['id'])}, at Stripe {dispute['status']}")

    def prove(self) -> None:
        """Raise Broken if the operator's own proofs find anything that is left."""
        for words in audit.drifts():
            raise Broken("the audit finds something", words)
        for drift in reconcile.compare(since=0, repair=False):
            raise Broken("reconcile finds a drift", drift.words)

    # --- Reading the books

    def buckets(self) -> list[Bucket]:
        """Return the grants of plans and packs, each with the reference that brought it."""
        state = self._books()
        if state != self._read:
            with connection.cursor() as cursor:
                cursor.execute(_BUCKETS)
                self._buckets = [Bucket(*(*row[:-1], _seconds(row[-1]))) for row in cursor.fetchall()]
            self._read = state
        return self._buckets

    def _books(self) -> int:
        """Return a number that grows with each change of the database."""
        connection.ensure_connection()
        assert connection.connection
        return int(connection.connection.total_changes)

    def balance(self, who: int) -> int:
        """Return a balance, which is the sum of its entries."""
        entries = CreditEntry.objects.filter(wallet=self.wallets[who]).aggregate(sum=Sum("amount"))["sum"] or 0
        balance = Wallet.objects.get(pk=self.wallets[who]).balance
        if balance != entries:
            raise Broken("a balance is not its entries", f"{balance}, {entries}")
        return balance


_BUCKETS = f"""
SELECT g.id, e.reference, g.wallet_id, g.amount, g.remaining,
    coalesce(sum(CASE WHEN m.kind IN ('{Kind.HOLD}', '{Kind.RELEASE}', '{Kind.TAKE}') THEN -l.amount END), 0),
    coalesce(sum(CASE WHEN m.kind = '{Kind.HOLD}' THEN -l.amount END), 0),
    max(CASE WHEN m.kind IN ('{Kind.RELEASE}', '{Kind.RESTORE}') THEN m.created_at END)
FROM billing_creditgrant g
JOIN billing_creditline gl ON gl.grant_id = g.id
JOIN billing_creditentry e ON e.id = gl.entry_id AND e.kind = '{Kind.GRANT}'
LEFT JOIN billing_creditline l ON l.grant_id = g.id
LEFT JOIN billing_creditentry m ON m.id = l.entry_id
WHERE g.source IN {SOLD}
GROUP BY g.id, e.reference, g.wallet_id, g.amount, g.remaining ORDER BY g.id
"""


def _seconds(text: str | None) -> int:
    """Return the Unix seconds of a moment as SQLite keeps it, 0 for none."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) if text else 0


def _order_status(stripe: StandIn, session: Obj) -> str:
    if session["status"] == "expired":
        return Order.Status.EXPIRED
    if session["status"] == "open":
        return Order.Status.OPEN
    if session["payment_status"] in ("paid", "no_payment_required"):
        return Order.Status.PAID
    intent = session["payment_intent"]
    if session["invoice"]:
        links = stripe.all("invoice_payment", invoice=session["invoice"])
        intent = links[0]["payment"]["payment_intent"] if links else None
    if intent and stripe.find(intent)["status"] == "processing":
        return Order.Status.PENDING
    return Order.Status.FAILED
