"""The only writer of credits.

Every change is one `CreditEntry` under a unique reference, with a `CreditLine` for each grant that it touches. All of
a wallet's changes are serialised by its row's lock (on SQLite by the transaction, which is IMMEDIATE), so a check
and the change that rests on it cannot be torn apart.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import islice

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction
from django.db.models import Exists, F, OuterRef, Q, Sum, Value
from django.db.models.functions import Concat
from django.utils import timezone

from accounts import emails
from billing.errors import InsufficientCredits, NotSpent, UnknownHold
from billing.models import CreditEntry, CreditGrant, CreditLine, Plan, Refund, Subscription, Wallet
from kit import wakeups

Kind = CreditEntry.Kind

PERIOD_GRACE = timedelta(days=3)  # a renewal may arrive late; the old credits wait for it
RETURNED_LATE = timedelta(days=7)  # how long credits stay usable that come back to a grant which has expired
LONGEST_REFERENCE = 180  # leaves room in CreditEntry.reference for what `restore` adds


def wallet_of(user_id: int) -> Wallet:
    """Return the user's wallet, opened with the welcome credits the first time it is asked for."""
    wallet = Wallet.objects.select_related("plan").filter(user_id=user_id).first()
    return wallet or _open(user_id)


def welcome(wallet: Wallet) -> None:
    """Grant the welcome credits, once for each mailbox, as soon as its owner has confirmed it. Idempotent."""
    if not settings.WELCOME_CREDITS or not emails.is_confirmed(wallet.user):
        return
    mailbox = hashlib.sha256(emails.mailbox(wallet.user.email).encode()).hexdigest()
    with transaction.atomic():
        _lock(wallet)
        if wallet.grants.filter(source=CreditGrant.Source.WELCOME).exists():
            return  # the same person under a new address
        grant(
            wallet=wallet,
            credits=settings.WELCOME_CREDITS,
            source=CreditGrant.Source.WELCOME,
            reference=f"welcome:{mailbox}",
            cause="Welcome to " + settings.SITE_NAME,
        )


@transaction.atomic
def grant(
    *,
    wallet: Wallet,
    credits: int,
    source: CreditGrant.Source,
    reference: str,
    cause: str,
    expires_at: datetime | None = None,
    subscription: Subscription | None = None,
    period: tuple[datetime, datetime] | None = None,
) -> CreditEntry:
    """Add `credits` as a new grant. Idempotent: the same `reference` returns the first entry.

    A plan's belong to the `subscription` and the `period`, from its start to its end, that were paid.
    """
    if credits <= 0:
        raise ValueError("A grant adds at least 1 credit.")
    wallet = _lock(wallet)
    if known := _entry(reference):
        return known
    start, end = period or (None, None)
    added = CreditGrant.objects.create(
        wallet=wallet,
        source=source,
        amount=credits,
        remaining=credits,
        expires_at=expires_at,
        subscription=subscription,
        period_start=start,
        period_end=end,
    )
    Wallet.objects.filter(pk=wallet.pk).update(balance=F("balance") + credits)
    return _write(wallet, Kind.GRANT, reference, cause, [(added, credits)])


def hold(*, wallet: Wallet, credits: int, reference: str, cause: str) -> CreditEntry:
    """Set `credits` aside for one piece of work, from the grants that expire soonest.

    Idempotent: the same `reference` returns the first entry. Raises InsufficientCredits; nothing is written then but
    the end of what has expired, so that the balance in the refusal is the one on record. A caller whose own
    transaction ends with the refusal has `write_off_expired` to call after it.
    """
    if credits <= 0:
        raise ValueError("A hold sets at least 1 credit aside.")
    try:
        return _hold(wallet, credits, reference, cause)
    except InsufficientCredits:
        write_off_expired(wallet)  # the refusal has just undone it
        raise


def hold_each(*, wallet: Wallet, holds: Sequence[tuple[str, str]]) -> int:
    """Set one credit aside for each of `holds`, a new reference and its cause, so that each can end alone.

    All or none, in the caller's transaction, which ends when this raises InsufficientCredits. Takes as many statements
    for several as for one. Returns the balance.
    """
    with transaction.atomic(savepoint=False):
        wallet = _lock(wallet)
        grants = _spendable(wallet)
        drawn = list(islice((grant for grant in grants for _ in range(grant.remaining)), len(holds)))
        if len(drawn) < len(holds) or wallet.balance < len(holds):
            raise InsufficientCredits(balance=wallet.balance, needed=len(holds))
        for pk, credits in Counter(grant.pk for grant in drawn).items():
            CreditGrant.objects.filter(pk=pk).update(remaining=F("remaining") - credits)
        Wallet.objects.filter(pk=wallet.pk).update(balance=F("balance") - len(holds))
        ways = zip(holds, drawn, strict=True)
        _write_all(wallet, Kind.HOLD, [(reference, cause, [(grant, -1)]) for (reference, cause), grant in ways])
    return wallet.balance


@transaction.atomic
def settle(*, reference: str) -> CreditEntry:
    """Spend what `hold` set aside under `reference`. Idempotent; a hold that was released stays so.

    Raises UnknownHold.
    """
    held, known = _held(reference)
    return known or _write(held.wallet, Kind.SETTLE, outcome_of(reference), held.cause, [])


@transaction.atomic
def release(*, reference: str, cause: str) -> CreditEntry:
    """Give back what `hold` set aside under `reference`, to the grants it came from.

    Idempotent; a hold that was settled stays so. Credits of a grant that has expired meanwhile come back with
    `RETURNED_LATE` to use. Raises UnknownHold.
    """
    held, known = _held(reference)
    if known:
        return known
    _spendable(held.wallet)  # writes off what has expired first, so that only what comes back gets more time
    return _give_back(held, Kind.RELEASE, outcome_of(reference), cause)


@transaction.atomic
def give_back(*, reference: str, cause: str) -> CreditEntry:
    """Return what was held and then spent under `reference`, to the grants it came from.

    Idempotent: it is returned once. Credits of a grant that has expired meanwhile come back with `RETURNED_LATE` to
    use. Raises UnknownHold, NotSpent.
    """
    held, outcome = _held(reference)
    returned = f"{reference}:returned"
    if known := _entry(returned):
        return known
    if outcome is None or outcome.kind != Kind.SETTLE:
        raise NotSpent(reference)
    _spendable(held.wallet)  # writes off what has expired first, so that only what comes back gets more time
    return _give_back(held, Kind.RELEASE, returned, cause)


@transaction.atomic
def take(*, wallet: Wallet, credits: int, reference: str, cause: str) -> CreditEntry:
    """Take up to `credits` away, as many as there are: the balance never goes below zero. Idempotent."""
    if credits <= 0:
        raise ValueError("At least 1 credit is taken.")
    wallet = _lock(wallet)
    if known := _entry(reference):
        return known
    grants = _spendable(wallet)
    return _draw(wallet, grants, Kind.TAKE, min(credits, wallet.balance), reference, cause)


@transaction.atomic
def expire(grant: CreditGrant) -> CreditEntry | None:
    """Write off what is left of `grant` if its time is up; None when there is nothing to write off."""
    wallet = _lock(grant.wallet)
    grant = CreditGrant.objects.get(pk=grant.pk)
    if not grant.remaining or grant.expires_at is None or grant.expires_at > timezone.now():
        return None
    left = grant.remaining
    CreditGrant.objects.filter(pk=grant.pk).update(remaining=0)
    Wallet.objects.filter(pk=wallet.pk).update(balance=F("balance") - left)
    # A grant can expire more than once: credits that come back late give it a second end.
    reference = f"grant:{grant.pk}:expired:{int(grant.expires_at.timestamp())}"
    return _write(wallet, Kind.EXPIRE, reference, f"{grant.get_source_display()} expired", [(grant, -left)])


def write_off_expired(wallet: Wallet) -> None:
    """Write off all of the wallet's credits whose time is up."""
    overdue = CreditGrant.objects.filter(wallet=wallet, remaining__gt=0, expires_at__lte=timezone.now())
    if overdue.exists():  # the usual answer is no, and it needs no lock
        with transaction.atomic():
            _spendable(_lock(wallet))


@transaction.atomic
def write_off(*, grant: CreditGrant, reference: str, cause: str) -> CreditEntry | None:
    """Expire what is left of `grant` before its time; None when nothing is. Idempotent."""
    _lock(grant.wallet)
    left = CreditGrant.objects.values_list("remaining", flat=True).get(pk=grant.pk)
    return _take_from(grant, Kind.EXPIRE, left, reference, cause)


@transaction.atomic
def claw_back(*, grant: CreditGrant, credits: int, reference: str, cause: str) -> CreditEntry | None:
    """Take up to `credits` back out of `grant`, never more than is left; None when nothing is. Idempotent."""
    _lock(grant.wallet)
    left = CreditGrant.objects.values_list("remaining", flat=True).get(pk=grant.pk)
    return _take_from(grant, Kind.CLAW_BACK, min(left, credits), reference, cause)


@transaction.atomic
def refund(*, grant: CreditGrant, part: int, of: int, refunded: int, reference: str, cause: str) -> CreditEntry | None:
    """Take the share `part / of`, rounded up, of what is left of `grant` away, as its payment was paid back.

    What is set aside, or kept back by a dispute, counts as left: what cannot be taken now is taken as it comes back.
    So all ends alike whether a refund comes before a hold, while it is open, or after its release. `refunded` is what
    was paid back so far, with this refund, in minor units: `undo_refunds` goes by it. Idempotent.
    """
    _lock(grant.wallet)
    if Refund.objects.filter(reference=reference).exists():
        return _entry(reference)
    grant = CreditGrant.objects.get(pk=grant.pk)
    credits = -(-_unspent(grant) * part // of)
    now = min(credits, grant.remaining)
    Refund.objects.create(grant=grant, reference=reference, refunded=refunded, owed=credits - now)
    return _take_from(grant, Kind.CLAW_BACK, now, reference, cause)


@transaction.atomic
def undo_refunds(*, grant: CreditGrant, above: int, kept_by: str, cause: str) -> int:
    """Give back what refunds beyond `above` minor units took, and `keep_returns` by `kept_by`: they failed. Idempotent.

    Returns how much of the payment is paid back by the refunds that stand.
    """
    _lock(grant.wallet)
    failed = Refund.objects.filter(grant=grant, refunded__gt=above)
    references = list(failed.order_by("-pk").values_list("reference", flat=True))
    failed.delete()  # before anything comes back, or it would be taken again
    CreditGrant.objects.filter(pk=grant.pk, frozen_by=kept_by).update(frozen_by="")
    for reference in [*references, kept_by]:
        _restore_all(grant, reference, cause)
    last = Refund.objects.filter(grant=grant).order_by("-refunded").first()
    return last.refunded if last else 0


@transaction.atomic
def freeze(*, grant: CreditGrant, reference: str, cause: str) -> CreditEntry | None:
    """Keep all of `grant` from being spent, including what returns to it later, until `thaw`. Idempotent."""
    _lock(grant.wallet)
    CreditGrant.objects.filter(pk=grant.pk, frozen_by="").update(frozen_by=reference)
    return claw_back(grant=grant, credits=grant.amount, reference=reference, cause=cause)


@transaction.atomic
def keep_returns(*, grant: CreditGrant, by: str) -> None:
    """Take away whatever returns to `grant` from now on, until `thaw` of `by`. Idempotent."""
    _lock(grant.wallet)
    CreditGrant.objects.filter(pk=grant.pk, frozen_by="").update(frozen_by=by)


@transaction.atomic
def thaw(*, grant: CreditGrant, reference: str, cause: str) -> None:
    """End the freeze that `reference` began and give back everything it kept. Idempotent."""
    _lock(grant.wallet)
    CreditGrant.objects.filter(pk=grant.pk, frozen_by=reference).update(frozen_by="")
    _restore_all(grant, reference, cause)


@transaction.atomic
def restore(*, reference: str, cause: str) -> CreditEntry | None:
    """Give back what `claw_back` took under `reference`; None when it took nothing. Idempotent."""
    taken = CreditEntry.objects.select_related("wallet").filter(reference=reference, kind=Kind.CLAW_BACK).first()
    if taken is None:
        return None
    taken.wallet = _lock(taken.wallet)
    back = f"{reference}:restored"
    if known := _entry(back):
        return known
    _spendable(taken.wallet)  # writes off what has expired first, so that only what comes back gets more time
    return _give_back(taken, Kind.RESTORE, back, cause)


def expire_due(limit: int = 500) -> int:
    """Write off every grant whose time is up, at most `limit`, and return how many there were."""
    due = CreditGrant.objects.filter(remaining__gt=0, expires_at__lte=timezone.now())
    return sum(expire(grant) is not None for grant in due.select_related("wallet")[:limit])


@transaction.atomic
def _hold(wallet: Wallet, credits: int, reference: str, cause: str) -> CreditEntry:
    wallet = _lock(wallet)
    if known := _entry(reference):
        return known
    grants = _spendable(wallet)
    if wallet.balance < credits:
        raise InsufficientCredits(balance=wallet.balance, needed=credits)
    return _draw(wallet, grants, Kind.HOLD, credits, reference, cause)


def _open(user_id: int) -> Wallet:
    user = get_user_model().objects.get(pk=user_id)
    free = Plan.objects.filter(price=0, active=True).order_by("order").first()
    try:
        with transaction.atomic():
            wallet = Wallet.objects.create(user=user, plan=free)
            welcome(wallet)
    except IntegrityError:  # another request opened it first
        pass
    return Wallet.objects.select_related("plan").get(user=user)


def lock(wallet: Wallet) -> Wallet:
    """Return `wallet` as it is, and keep everybody else from its credits until the transaction ends."""
    return _lock(wallet)


def _lock(wallet: Wallet) -> Wallet:
    return Wallet.objects.select_for_update(of=("self",)).get(pk=wallet.pk)


def _entry(reference: str) -> CreditEntry | None:
    return CreditEntry.objects.filter(reference=reference).first()


def outcome_of(reference: str) -> str:
    """A settlement and a release share this reference, so that a hold ends in only one of them."""
    return f"{reference}:outcome"


def _held(reference: str) -> tuple[CreditEntry, CreditEntry | None]:
    held = CreditEntry.objects.select_related("wallet").filter(reference=reference, kind=Kind.HOLD).first()
    if held is None:
        raise UnknownHold(reference)
    held.wallet = _lock(held.wallet)
    return held, _entry(outcome_of(reference))


def _spendable(wallet: Wallet) -> list[CreditGrant]:
    """Return what `wallet`, locked, can spend, in the order it is spent; what has expired is written off first."""
    grants = CreditGrant.objects.filter(wallet=wallet, remaining__gt=0)
    found = list(grants.order_by(F("expires_at").asc(nulls_last=True), "id"))
    overdue = [grant for grant in found if grant.expires_at is not None and grant.expires_at <= timezone.now()]
    for grant in overdue:
        expire(grant)
    if overdue:
        wallet.refresh_from_db(fields=["balance"])
    return [grant for grant in found if grant not in overdue]


def _draw(
    wallet: Wallet, grants: list[CreditGrant], kind: Kind, credits: int, reference: str, cause: str
) -> CreditEntry:
    lines: list[tuple[CreditGrant, int]] = []
    left = credits
    for grant in grants:
        if not left:
            break
        part = min(left, grant.remaining)
        CreditGrant.objects.filter(pk=grant.pk).update(remaining=F("remaining") - part)
        lines.append((grant, -part))
        left -= part
    if left:
        raise InsufficientCredits(balance=wallet.balance, needed=credits)
    Wallet.objects.filter(pk=wallet.pk).update(balance=F("balance") - credits)
    return _write(wallet, kind, reference, cause, lines)


def _take_from(grant: CreditGrant, kind: Kind, credits: int, reference: str, cause: str) -> CreditEntry | None:
    """Take `credits` out of one grant of a locked wallet."""
    if known := _entry(reference):
        return known
    if not credits:
        return None
    wallet = Wallet.objects.get(pk=grant.wallet_id)
    CreditGrant.objects.filter(pk=grant.pk).update(remaining=F("remaining") - credits)
    Wallet.objects.filter(pk=wallet.pk).update(balance=F("balance") - credits)
    return _write(wallet, kind, reference, cause, [(grant, -credits)])


def _give_back(spent: CreditEntry, kind: Kind, reference: str, cause: str) -> CreditEntry:
    now = timezone.now()
    lines = [(line.grant, -line.amount) for line in spent.lines.select_related("grant")]
    for grant, credits in lines:
        CreditGrant.objects.filter(pk=grant.pk).update(remaining=F("remaining") + credits)
        CreditGrant.objects.filter(pk=grant.pk, expires_at__lte=now).update(expires_at=now + RETURNED_LATE)
    Wallet.objects.filter(pk=spent.wallet_id).update(balance=F("balance") - spent.amount)
    entry = _write(spent.wallet, kind, reference, cause, lines)
    for grant, credits in lines:
        if grant.frozen_by:
            _keep_back(grant, credits, grant.frozen_by, reference)
        else:
            _collect(grant, credits, reference)
    return entry


def _collect(grant: CreditGrant, credits: int, reference: str) -> None:
    """Take what refunds are owed of the `credits` that just came back to `grant`, the first refund first."""
    for refund in Refund.objects.filter(grant=grant, owed__gt=0).order_by("pk"):
        part = min(credits, refund.owed)
        if not part:
            return
        Refund.objects.filter(pk=refund.pk).update(owed=F("owed") - part)
        _keep_back(grant, part, refund.reference, reference)
        credits -= part


def _keep_back(grant: CreditGrant, credits: int, by: str, reference: str) -> None:
    late = f"{by}:late:{reference}"
    if len(late) > LONGEST_REFERENCE:  # what was kept, restored and kept again names all of that
        late = f"{by}:late:{hashlib.sha256(reference.encode()).hexdigest()[:40]}"
    claw_back(grant=grant, credits=credits, reference=late, cause="Kept back: the payment is disputed or was refunded")


def _restore_all(grant: CreditGrant, reference: str, cause: str) -> None:
    """Give back what was clawed back under `reference`, at once and later."""
    kept = Q(reference=reference) | Q(reference__startswith=f"{reference}:late:")
    for entry in CreditEntry.objects.filter(kept, wallet_id=grant.wallet_id, kind=Kind.CLAW_BACK).order_by("id"):
        restore(reference=entry.reference, cause=cause)


def _unspent(grant: CreditGrant) -> int:
    """Return how many of a grant's credits its owner has, or may get back, and no refund has a claim to."""
    outcome = CreditEntry.objects.filter(reference=Concat(OuterRef("entry__reference"), Value(":outcome")))
    lines = CreditLine.objects.filter(grant=grant)
    set_aside = lines.filter(~Exists(outcome), entry__kind=Kind.HOLD)
    disputed = lines.filter(entry__kind__in=[Kind.CLAW_BACK, Kind.RESTORE], entry__reference__startswith="dispute:")
    out = sum(-(part.aggregate(credits=Sum("amount"))["credits"] or 0) for part in (set_aside, disputed))
    owed = Refund.objects.filter(grant=grant).aggregate(credits=Sum("owed"))["credits"] or 0
    return max(0, grant.remaining + out - owed)


def _note_crossing(wallet: Wallet, kind: Kind, after: int) -> None:
    """Have `notices` look at a wallet whose balance is about to cross the threshold of its mail, either way."""
    low = settings.LOW_BALANCE_CREDITS
    is_low = after <= low
    if low and (is_low != (wallet.balance <= low) or (is_low and kind == Kind.GRANT)):
        Wallet.objects.filter(pk=wallet.pk).update(crossed_at=timezone.now())


def _write(
    wallet: Wallet, kind: Kind, reference: str, cause: str, lines: Iterable[tuple[CreditGrant, int]]
) -> CreditEntry:
    [entry] = _write_all(wallet, kind, [(reference, cause, list(lines))])
    return entry


def _write_all(
    wallet: Wallet, kind: Kind, entries: Iterable[tuple[str, str, list[tuple[CreditGrant, int]]]]
) -> list[CreditEntry]:
    """Write entries of one kind, one after the other, and bring `wallet` to the balance after them."""
    written: list[CreditEntry] = []
    lines: list[CreditLine] = []
    after = wallet.balance
    for reference, cause, parts in entries:
        amount = sum(credits for _, credits in parts)
        after += amount
        entry = CreditEntry(
            wallet=wallet, kind=kind, amount=amount, balance_after=after, reference=reference, cause=cause
        )
        written.append(entry)
        lines += [CreditLine(entry=entry, grant=grant, amount=credits) for grant, credits in parts]
    CreditEntry.objects.bulk_create(written)
    for line in lines:
        line.entry_id = line.entry.pk
    CreditLine.objects.bulk_create(lines)
    _note_crossing(wallet, kind, after)
    wallet.balance = after
    wakeups.publish_on_commit(wakeups.wallet_topic(wallet.pk))
    return written
