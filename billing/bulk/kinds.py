"""What can be done to many rows: one entry for each act, which the apps above add theirs to (`register`)."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Model, Sum
from django.template.defaultfilters import pluralize
from django.utils import timezone

from accounts.models import ApiKey, User
from billing import ledger
from billing.errors import NothingToDo
from billing.models import Bulk, BulkLine, HeldWelcome, OutgoingMail, StripeEvent
from billing.staff import acts, welcoming

GRANT = "grant"


class Target(NamedTuple):
    """A row that is to be acted on: its key, what people know it by, and whose it is."""

    key: str
    label: str
    user_id: int | None = None


@dataclass(frozen=True)
class Kind:
    """An act on many rows.

    `do` acts on one of them in the actor's name, with every check of the act itself, and returns what to say of it.
    It raises NothingToDo where the row is as it should be, and whatever the act raises. Unless it `asks_others` (which
    nobody may wait for in a transaction), it runs within one.
    """

    name: str
    title: str  # as a button says it
    noun: str  # of one row
    may: Callable[[User], bool]
    target: Callable[[Any], Target]
    do: Callable[[Bulk, BulkLine], str]
    note: str = ""  # what one should know before
    takes_credits: bool = False
    brings: Callable[[Bulk], int] = lambda bulk: 0  # how many credits, to those whose turn is to come
    asks_others: bool = False
    is_dangerous: bool = False

    def counted(self, count: int) -> str:
        """Return so many rows in words."""
        if self.noun == "person":
            return f"{count:,} {'person' if count == 1 else 'people'}"
        return f"{count:,} {self.noun}{pluralize(count)}"


_kinds: dict[str, Kind] = {}


def register(kind: Kind) -> None:
    """Let rows be acted on in this way."""
    _kinds[kind.name] = kind


def of(name: str) -> Kind:
    """Return an act by its name. Raises KeyError."""
    return _kinds[name]


def everything() -> Mapping[str, Kind]:
    """Return every act by its name."""
    return dict(_kinds)


def permitted(user: User) -> list[str]:
    """Return the names of the acts that `user` may do."""
    return [name for name, kind in _kinds.items() if kind.may(user)]


def targets(kind: Kind, rows: Iterable[Model]) -> Iterable[Target]:
    """Yield what `kind` acts on, row by row."""
    return map(kind.target, rows)


# --- This app's own --------------------------------------------------------------------------------------------


def person(user: User) -> Target:
    """Return a person as what is acted on."""
    return Target(str(user.pk), user.email, user.pk)


def reference(bulk: Bulk, line: BulkLine) -> str:
    """Return what the ledger calls the credits of a line: its own reference where a file names one."""
    own = line.values.get("reference")
    return f"import:{own}" if own else f"bulk:{bulk.pk}:{line.number}"


def _grant(bulk: Bulk, line: BulkLine) -> str:
    if User.objects.filter(pk=int(line.target)).exclude(deleted_at=None).exists():
        raise ValueError("The account was deleted.")
    values = {**bulk.values, **line.values}
    wallet = ledger.wallet_of(int(line.target))
    expires = datetime.fromisoformat(values["expires_at"]) if values.get("expires_at") else None
    known = ledger.knows(reference(bulk, line))
    if expires and expires <= timezone.now() and not known:  # it was confirmed, or resumed, days later
        raise ValueError("The last day on which these could be used is over.")
    entry = acts.grant(
        actor=bulk.actor,
        wallet=wallet,
        credits=values["credits"],
        reason=values.get("reason") or bulk.reason,
        reference=reference(bulk, line),
        expires_at=expires,
    )
    if (entry.wallet_id, entry.amount) != (wallet.pk, values["credits"]):  # another file was faster
        raise ValueError(f"Its reference was used before, for {entry.amount:,} credits to {entry.wallet.user.email}.")
    if known:
        raise NothingToDo("Granted before.")
    return f"{entry.amount:,} credits, {entry.balance_after:,} now"


def _granting(bulk: Bulk) -> int:
    """Return what its waiting lines bring, of a draft one each at least; not of a file, where each has its own."""
    return int(bulk.values.get("credits", 1)) * bulk.lines.filter(state=BulkLine.State.WAITING).count()


def _welcoming(bulk: Bulk) -> int:
    waiting = bulk.lines.filter(state=BulkLine.State.WAITING)
    held = HeldWelcome.objects.filter(wallet__user__in=waiting.values("user"), given_at=None)
    return int(held.aggregate(credits=Sum("credits"))["credits"] or 0)


def _suspend(bulk: Bulk, line: BulkLine) -> str:
    user = User.objects.get(pk=int(line.target))
    if not user.is_active:
        raise NothingToDo("Suspended or deleted already.")
    acts.suspend(actor=bulk.actor, user=user, reason=bulk.reason)
    return "Suspended"


def _revoke(bulk: Bulk, line: BulkLine) -> str:
    key = ApiKey.objects.select_related("user").get(pk=int(line.target))
    if not acts.revoke_keys(actor=bulk.actor, user=key.user, api_keys=[key], reason=bulk.reason):
        raise NothingToDo("Revoked already.")
    return "Revoked"


def _send_again(bulk: Bulk, line: BulkLine) -> str:
    mail = OutgoingMail.objects.select_related("wallet__user").get(pk=int(line.target))
    if mail.failed_at is None or not acts.resend_mail(actor=bulk.actor, mail=mail):
        raise NothingToDo("It had not failed.")
    return "On its way again"


def _try_again(bulk: Bulk, line: BulkLine) -> str:
    event = StripeEvent.objects.get(pk=line.target)
    if event.handled_at is not None:
        raise NothingToDo("Handled already.")
    if not acts.retry_event(actor=bulk.actor, event=event):
        raise ValueError(f"Failed again: {event.last_error}")
    return "Handled"


def _welcome(bulk: Bulk, line: BulkLine) -> str:
    held = HeldWelcome.objects.select_related("wallet__user").get(pk=int(line.target))
    if not welcoming.give(actor=bulk.actor, held=held, reason=bulk.reason):
        raise NothingToDo("Given already.")
    return f"{held.credits:,} credits"


def _mail(mail: OutgoingMail) -> Target:
    to = mail.to or (mail.wallet.user.email if mail.wallet else "")
    return Target(str(mail.pk), f"{mail.template} to {to}", mail.wallet.user_id if mail.wallet else None)


register(
    Kind(
        GRANT,
        "Grant credits",
        "person",
        may=lambda user: acts.grant_limit(user) > 0,
        target=person,
        do=_grant,
        note="Each of them gets as many.",
        takes_credits=True,
        brings=_granting,
    )
)
register(
    Kind(
        "suspend",
        "Suspend",
        "person",
        may=lambda user: acts.may(user, "suspend_user"),
        target=person,
        do=_suspend,
        note="Their sessions and API keys stop working until they are restored.",
        is_dangerous=True,
    )
)
register(
    Kind(
        "give_welcome",
        "Give the welcome credits after all",
        "person",
        may=lambda user: acts.grant_limit(user) > 0,
        target=lambda held: Target(str(held.pk), held.wallet.user.email, held.wallet.user_id),
        do=_welcome,
        note="Each of them gets what was held back; those who have it by now are left alone.",
        brings=_welcoming,
    )
)
register(
    Kind(
        "revoke_keys",
        "Revoke",
        "API key",
        may=lambda user: acts.may(user, "revoke_key"),
        target=lambda key: Target(str(key.pk), f"{key.prefix}… {key.name}", key.user_id),
        do=_revoke,
        note="What uses them is refused from then on. It cannot be undone.",
        is_dangerous=True,
    )
)
register(
    Kind(
        "send_again",
        "Send again",
        "mail",
        may=lambda user: acts.may(user, "resend_mail"),
        target=_mail,
        do=_send_again,
        note="Those that have not failed are left alone.",
    )
)
register(
    Kind(
        "try_again",
        "Try again",
        "Stripe event",
        may=lambda user: acts.may(user, "retry_event"),
        target=lambda event: Target(event.pk, f"{event.type} {event.pk}"),
        do=_try_again,
        note="In the order in which they came. Those that are handled are left alone.",
        asks_others=True,
    )
)
