"""What members of staff do to people and to the catalogue.

Each act asks for its permission here, whatever page it came from, and leaves an `AuditRecord` in the transaction that
changes anything; an act that changes nothing leaves none. Nobody below superuser acts on themselves or on somebody
above them (`roles.out_of_reach`). An `actor` of None is the operator at the machine's own shell, who may do everything.
All raise PermissionDenied, and ValueError for a reason that is empty or too long.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from accounts import keys, sessions
from accounts.models import ApiKey, User
from billing import ledger, patience
from billing.errors import AccountClosed, GrantedEnough, NothingToTake, SubscriptionDecides
from billing.models import AuditRecord, CreditEntry, CreditGrant, OutgoingMail, Pack, Plan, StripeEvent, Wallet
from billing.outbox import mail as mails
from billing.staff import roles
from billing.stripe import checkout, inbox
from kit import wakeups

Actor = User | None

MAX_CREDITS = 1_000_000  # in one act: a slip of the finger stays countable
REASON_MAX_LENGTH = 300
DAY = timedelta(hours=24)  # a rolling one: there is no midnight at which everything may be granted twice


class Act(StrEnum):
    """What an audit record calls an act."""

    GRANT = "Granted credits"
    TAKE = "Took credits"
    REFUND = "Refunded a payment"
    RETURN = "Returned a credit"
    PLAN = "Changed the plan"
    RATE_LIMIT = "Changed the rate limit"
    SUSPEND = "Suspended"
    RESTORE = "Restored"
    REVOKE = "Revoked API keys"
    ROLE = "Changed the role"
    RETRY = "Tried a Stripe event again"
    RESEND = "Sent a mail again"
    TAKE_OFF_EXPLORE = "Took an image off Explore"
    KEEP_IMAGE = "Kept a reported image"
    TAKE_DOWN = "Took an image down"
    ALLOW_IMAGE = "Allowed an image again"
    ADD_PRODUCT = "Added to the catalogue"
    CHANGE_PRODUCT = "Changed the catalogue"
    ADD_MODEL = "Added a model"
    CHANGE_MODEL = "Changed a model"
    ADD_UPSTREAM = "Added an upstream"
    CHANGE_UPSTREAM = "Changed an upstream"
    TAKE_OUT_UPSTREAM = "Took an upstream out"
    PUT_BACK_UPSTREAM = "Put an upstream back"
    TEST_UPSTREAM = "Tested an upstream"
    RESEAL_KEYS = "Sealed upstream keys anew"
    ADD_ROUTE = "Added a route"
    CHANGE_ROUTE = "Changed a route"
    SET_PRICE = "Set the price of an image"
    ADD_RULE = "Added a prompt rule"
    CHANGE_RULE = "Changed a prompt rule"
    PAUSE_INTAKE = "Paused intake"
    RESUME_INTAKE = "Resumed intake"
    MAKE_CODES = "Made codes"
    STOP_CODES = "Switched codes off"
    REPAIR = "Repaired the books"
    RESEND_WEBHOOK = "Sent a webhook message again"
    BEGIN_BULK = "Began an act on many"
    PAUSE_BULK = "Paused an act on many"
    RESUME_BULK = "Resumed an act on many"
    CANCEL_BULK = "Cancelled an act on many"
    END_BULK = "Finished an act on many"


def may(actor: Actor, permission: str) -> bool:
    """Tell whether `actor` has the permission of this name, as in `take_credits`."""
    return actor is None or (actor.is_staff and actor.has_perm(f"billing.{permission}"))


def grant_limit(actor: Actor) -> int:
    """Return how many credits `actor` may grant at a time."""
    if may(actor, "grant_any"):
        return MAX_CREDITS
    return int(settings.SUPPORT_GRANT_LIMIT) if may(actor, "grant_few") else 0


def left_today(actor: Actor) -> int:
    """Return how many credits `actor` may grant or return at this moment, in however many acts."""
    if may(actor, "grant_any"):
        return MAX_CREDITS
    return max(0, int(settings.SUPPORT_GRANT_DAILY_LIMIT) - _granted_since(actor, timezone.now() - DAY))


def grant(
    *,
    actor: Actor,
    wallet: Wallet,
    credits: int,
    reason: str,
    reference: str,
    expires_at: datetime | None = None,
) -> CreditEntry:
    """Grant `credits`. Idempotent: the same `reference` returns the first entry and records nothing.

    Raises AccountClosed, GrantedEnough.
    """
    _may_grant(actor, [wallet], credits)
    reason = _checked(reason)
    with _within_a_day(actor):
        return _grant(actor, wallet, credits, reason, reference, expires_at)[0]


def grant_many(
    *,
    actor: Actor,
    accounts: Iterable[Wallet],
    credits: int,
    reason: str,
    reference: str,
    expires_at: datetime | None = None,
) -> int:
    """Grant `credits` to each of `accounts`, all or none, and return how many got them now.

    The sum counts against the actor's limit. Each account has its own reference under `reference`, so that a form sent
    twice grants once. Raises AccountClosed, GrantedEnough.
    """
    ordered = sorted(accounts, key=lambda wallet: wallet.pk)  # two acts that overlap lock in the same order
    _may_grant(actor, ordered, credits * len(ordered))
    reason = _checked(reason)
    with _within_a_day(actor):
        return sum(
            _grant(actor, wallet, credits, reason, f"{reference}:{wallet.pk}", expires_at)[1] for wallet in ordered
        )


def take(*, actor: Actor, wallet: Wallet, credits: int, reason: str, reference: str) -> CreditEntry:
    """Take up to `credits`, as many as there are. Idempotent as `grant` is. Raises NothingToTake."""
    _require(actor, "take_credits", wallet.user)
    reason = _checked(reason)
    with ledger.books(wallet) as books:
        if known := books.entry(reference):
            return known
        entry = books.take(credits=credits, reference=reference, cause=reason)
        if not entry.amount:
            raise NothingToTake
        _record(
            actor,
            Act.TAKE,
            reason,
            wallet=wallet,
            before={"balance": entry.balance_after - entry.amount},
            after={"balance": entry.balance_after, "credits": entry.amount, "entry": reference},
        )
    return entry


def return_credit(*, actor: Actor, wallet: Wallet, reference: str, reason: str) -> CreditEntry:
    """Give back what was spent under the hold `reference`, once. Raises UnknownHold, NotSpent, GrantedEnough."""
    _require(actor, "return_credit", wallet.user)
    reason = _checked(reason)
    with _within_a_day(actor), ledger.books(wallet) as books:
        returned: CreditEntry | None = CreditEntry.objects.filter(wallet=wallet, of__of__reference=reference).first()
        if returned:
            return returned
        entry = books.give_back(reference=reference, cause=reason)
        if entry.amount > grant_limit(actor):
            raise PermissionDenied
        _record(
            actor,
            Act.RETURN,
            reason,
            wallet=wallet,
            before={"balance": entry.balance_after - entry.amount},
            after={"balance": entry.balance_after, "credits": entry.amount, "entry": reference},
        )
    return entry


def change_plan(*, actor: Actor, wallet: Wallet, plan: Plan, reason: str) -> None:
    """Give the wallet the limits of `plan`; credits do not change.

    Raises SubscriptionDecides while a subscription is running.
    """
    _require(actor, "change_limits", wallet.user)
    reason = _checked(reason)
    with ledger.books(wallet) as books:  # of an act that is sent twice at once only the first is recorded
        if checkout.live_subscription(wallet):
            raise SubscriptionDecides
        was = books.wallet.plan
        if was == plan:
            return
        Wallet.objects.filter(pk=wallet.pk).update(plan=plan)
        before = {"plan": was.slug if was else None}
        _record(actor, Act.PLAN, reason, wallet=wallet, before=before, after={"plan": plan.slug})


def change_rate_limit(*, actor: Actor, wallet: Wallet, per_minute: int | None, reason: str) -> None:
    """Allow the wallet `per_minute` generate requests; None means its plan's limit."""
    _require(actor, "change_limits", wallet.user)
    reason = _checked(reason)
    with ledger.books(wallet) as books:  # as above
        was = books.wallet.rate_limit
        if was == per_minute:
            return
        Wallet.objects.filter(pk=wallet.pk).update(rate_limit=per_minute)
        before, after = {"rate_limit": was}, {"rate_limit": per_minute}
        _record(actor, Act.RATE_LIMIT, reason, wallet=wallet, before=before, after=after)


@transaction.atomic
def suspend(*, actor: Actor, user: User, reason: str) -> None:
    """Stop the user's sessions and API keys from the next request on, until `restore`, and mail them that it is so."""
    if _set_active(actor, user, False, Act.SUSPEND, reason):
        reference = f"suspended:{user.pk}:{int(timezone.now().timestamp())}"
        mails.queue(_of(user), "account_suspended", reference=reference)


@transaction.atomic
def restore(*, actor: Actor, user: User, reason: str) -> None:
    """End a suspension: API keys that were not revoked and sessions that have not expired work again."""
    _set_active(actor, user, True, Act.RESTORE, reason)


@transaction.atomic
def revoke_keys(*, actor: Actor, user: User, api_keys: Iterable[ApiKey], reason: str) -> int:
    """Revoke those of `api_keys` that are the user's and not revoked yet, and return how many that were."""
    _require(actor, "revoke_key", user)
    reason = _checked(reason)
    wanted = {key.pk for key in api_keys}
    live = list(ApiKey.objects.select_for_update().filter(user=user, pk__in=wanted, revoked_at=None).order_by("pk"))
    for key in live:
        keys.revoke(key)
    if live:
        prefixes = [key.prefix for key in live]
        _record(actor, Act.REVOKE, reason, wallet=_of(user), before={"live": prefixes}, after={"revoked": prefixes})
    return len(live)


@transaction.atomic
def set_role(*, actor: Actor, user: User, role: str, reason: str) -> None:
    """Make the user staff with `role`, one of `roles.ROLES`, or no staff for ""."""
    _require(actor, "assign_role", user)
    _not_oneself(actor, user)
    reason = _checked(reason)
    user = User.objects.select_for_update(of=("self",)).get(pk=user.pk)
    before = roles.role_of(user)
    if before == role and user.is_staff == bool(role):
        return
    user.groups.remove(*Group.objects.filter(name__in=roles.ROLES))
    if role:
        user.groups.add(Group.objects.get(name=role))
    User.objects.filter(pk=user.pk).update(is_staff=bool(role))
    _record(actor, Act.ROLE, reason, wallet=_of(user), before={"role": before}, after={"role": role})


def retry_event(*, actor: Actor, event: StripeEvent) -> bool:
    """Try an unhandled Stripe event now and tell whether it is handled. It may ask Stripe: no transaction is held."""
    _require(actor, "retry_event", None)
    before = {"event": event.pk, "handled": False, "error": event.last_error[:200]}
    if not StripeEvent.objects.filter(pk=event.pk, handled_at=None).update(due_at=timezone.now()):
        return True
    with patience.within(patience.CLICK_SECONDS):
        handled = inbox.handle(event.pk)
    try:
        event.refresh_from_db()
    except StripeEvent.DoesNotExist:  # what is old and handled is dropped at night
        return True
    after = {"event": event.pk, "handled": handled, "error": event.last_error[:200]}
    _record(actor, Act.RETRY, "Tried again by hand", before=before, after=after)
    return handled


@transaction.atomic
def resend_mail(*, actor: Actor, mail: OutgoingMail) -> bool:
    """Queue a mail again that was given up; False when it was not."""
    _require(actor, "resend_mail", receiver(mail))
    before = {"mail": mail.reference, "attempts": mail.attempts, "error": mail.last_error[:200]}
    begun = mails.resend(mail)
    if begun:
        _record(actor, Act.RESEND, "Sent again by hand", wallet=mail.wallet, before=before, after={"attempts": 0})
    return begun


def receiver(mail: OutgoingMail) -> User | None:
    """Return whose account a mail is about, or whose address it goes to; None for a stranger."""
    return mail.wallet.user if mail.wallet else User.objects.filter(email=mail.to.lower()).first()


@transaction.atomic
def save_product(*, actor: Actor, product: Plan | Pack, reason: str) -> None:
    """Add or change a plan or pack; an existing one keeps its slug, by which Stripe knows its price.

    What was sold before keeps its terms: those are in prices, which nobody edits. The record holds what is changed.
    """
    kind = product._meta.model_name
    _require(actor, f"{'add' if product.pk is None else 'change'}_{kind}", None)
    reason = _checked(reason)
    if product.pk is None:
        product.save()
        _record(actor, Act.ADD_PRODUCT, reason, before={}, after=_values(product))
        return
    before = _values(type(product)._default_manager.select_for_update().get(pk=product.pk))
    product.slug = before["slug"]
    after = _values(product)
    if before != after:
        product.save()
        changed = {"slug", "currency"} | {name for name, value in after.items() if before[name] != value}
        both = ({name: values[name] for name in values if name in changed} for values in (before, after))
        _record(actor, Act.CHANGE_PRODUCT, reason, before=next(both), after=next(both))


def _grant(
    actor: Actor, wallet: Wallet, credits: int, reason: str, reference: str, expires_at: datetime | None
) -> tuple[CreditEntry, bool]:
    """Return the entry, and whether it was made now."""
    with ledger.books(wallet) as books:
        if known := books.entry(reference):
            return known, False
        if User.objects.filter(pk=wallet.user_id).exclude(deleted_at=None).exists():
            raise AccountClosed(f"The account of {wallet.user} was deleted.")
        entry = books.grant(
            credits=credits,
            source=CreditGrant.Source.STAFF,
            reference=reference,
            cause=reason,
            expires_at=expires_at,
        )
        after: dict[str, Any] = {"balance": entry.balance_after, "credits": credits, "entry": reference}
        if expires_at:
            after["expires_at"] = expires_at.isoformat()
        before = {"balance": entry.balance_after - credits}
        _record(actor, Act.GRANT, reason, wallet=wallet, before=before, after=after)
    return entry, True


def record(
    actor: Actor,
    act: Act,
    reason: str,
    *,
    wallet: Wallet | None = None,
    before: dict[str, Any],
    after: dict[str, Any],
) -> None:
    """Leave the record of an act of another app's; it belongs into the transaction that changes something."""
    _record(actor, act, _checked(reason), wallet=wallet, before=before, after=after)


def permitted(actor: Actor, permission: str, user: User | None, reason: str) -> str:
    """Return the reason of an act of another module's, on `user` or on nobody, stripped.

    Raises PermissionDenied, ValueError.
    """
    _require(actor, permission, user)
    return _checked(reason)


def _set_active(actor: Actor, user: User, active: bool, act: Act, reason: str) -> bool:
    _require(actor, "suspend_user", user)
    _not_oneself(actor, user)
    reason = _checked(reason)
    wallet = _of(user)
    # A deleted account is closed for good; a session that outlived a suspension would come back with the person.
    if not User.objects.filter(pk=user.pk, is_active=not active, deleted_at=None).update(is_active=active):
        return False
    sessions.end_all(user)
    _record(actor, act, reason, wallet=wallet, before={"active": not active}, after={"active": active})
    wakeups.publish_on_commit(wakeups.wallet_topic(wallet.pk))  # open pages notice at once
    return True


def _record(
    actor: Actor,
    act: Act,
    reason: str,
    *,
    wallet: Wallet | None = None,
    before: dict[str, Any],
    after: dict[str, Any],
) -> None:
    AuditRecord.objects.create(actor=actor, wallet=wallet, action=act.value, reason=reason, before=before, after=after)


def require_reach(actor: Actor, user: User) -> None:
    """Raise PermissionDenied where `actor` may do nothing to `user`."""
    if words := roles.out_of_reach(actor, user):
        raise PermissionDenied(words)


def _require(actor: Actor, permission: str, user: User | None) -> None:
    """Ask for a permission, and for reach where the act is on somebody; `user` is None where it is on nobody."""
    if not may(actor, permission):
        raise PermissionDenied
    if user is not None:
        require_reach(actor, user)


def _may_grant(actor: Actor, wallets: Iterable[Wallet], credits: int) -> None:
    if not 0 < credits <= grant_limit(actor):
        raise PermissionDenied
    for wallet in wallets:
        require_reach(actor, wallet.user)


@contextmanager
def _within_a_day(actor: Actor) -> Iterator[None]:
    """Undo what is granted here if with it `actor` granted more in 24 hours than they may. Raises GrantedEnough.

    Acts of the same actor wait for each other at their row, so that each counts those before it.
    """
    if actor is None or may(actor, "grant_any"):
        yield
        return
    with transaction.atomic():
        # Not FOR UPDATE: for that each audit record which names them, by whomever it is written, would have to wait.
        User.objects.select_for_update(of=("self",), no_key=True).get(pk=actor.pk)
        since, limit = timezone.now() - DAY, int(settings.SUPPORT_GRANT_DAILY_LIMIT)
        before = _granted_since(actor, since)
        yield
        if _granted_since(actor, since) > max(before, limit):  # what was granted before may be asked for again
            left = max(0, limit - before)
            raise GrantedEnough(enough(left))


def enough(left: int) -> str:
    """Say how many credits whoever has a limit may grant now, and what to do about it."""
    words = f"{left:,} of these {'is' if left == 1 else 'are'} left now" if left else "none of these are left now"
    return (
        f"You may grant and return {settings.SUPPORT_GRANT_DAILY_LIMIT:,} credits in any 24 hours, and {words}. "
        "Ask somebody with the finance role for more."
    )


def _granted_since(actor: Actor, since: datetime) -> int:
    acts = AuditRecord.objects.filter(actor=actor, created_at__gt=since, action__in=[Act.GRANT.value, Act.RETURN.value])
    return sum(acts.values_list("after__credits", flat=True))


def _not_oneself(actor: Actor, user: User) -> None:
    """Nobody locks themselves out."""
    if actor is not None and actor.pk == user.pk:
        raise PermissionDenied


def _checked(reason: str) -> str:
    reason = reason.strip()
    if not 0 < len(reason) <= REASON_MAX_LENGTH or "\x00" in reason:
        raise ValueError(f"A reason has 1 to {REASON_MAX_LENGTH} characters.")
    return reason


def _of(user: User) -> Wallet:
    return ledger.wallet_of(user.pk)


def _values(product: Plan | Pack) -> dict[str, Any]:
    return {field.attname: getattr(product, field.attname) for field in product._meta.concrete_fields}
