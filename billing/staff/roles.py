"""The roles of staff: three groups whose permissions are set here, again after every migration."""

import logging
from typing import Any

from django.contrib.auth.models import Group, Permission
from django.db import DEFAULT_DB_ALIAS, transaction

from accounts import emails
from accounts.models import User

log = logging.getLogger(__name__)

LOOK_AT_PEOPLE = {
    "accounts.view_user",
    "billing.view_wallet",
    "billing.view_auditrecord",
    "billing.view_bulk",  # of the acts that one may do oneself
    "billing.view_creditentry",
    "billing.view_creditgrant",
    "billing.view_creditline",
    "billing.view_dispute",
    "billing.view_heldwelcome",
    "billing.view_payment",
    "billing.view_staffrefund",
    "billing.view_outgoingmail",
    "billing.view_subscription",
}
LOOK_AT_WORK = {
    "accounts.view_apikey",
    "generator.view_apicall",
    "generator.view_generation",
    "generator.view_pause",
    "generator.view_upstream",  # how each is doing; where it is and what it costs is seen with its routes
    "generator.view_upstreamtrouble",
    "generator.view_webhookdelivery",
    "generator.view_webhookendpoint",
}
LOOK_AT_COSTS = {
    "generator.view_imagemodel",
    "generator.view_pause",
    "generator.view_price",
    "generator.view_route",
    "generator.view_upstream",
}
OPERATE = {
    "generator.add_imagemodel",
    "generator.change_imagemodel",
    "generator.add_upstream",
    "generator.change_upstream",
    "generator.add_route",
    "generator.change_route",
    "generator.add_price",
    "generator.add_pause",
    "generator.add_promptrule",
    "generator.change_promptrule",
    "generator.delete_pause",
    "reveweb.view_alert",  # as the doctor: cures name hosts, ports and folders
}
MODERATE = {
    "generator.change_generation",  # only: to take an image off Explore
    "generator.view_promptrule",
    "generator.view_report",
}
LOOK_AT_STRIPE = {
    "billing.view_order",
    "billing.view_price",
    "billing.view_stripeaccount",
    "billing.view_stripecustomer",
    "billing.view_stripeevent",
}
SUPPORT = {"billing.grant_few", "billing.resend_mail", "billing.return_credit", "billing.revoke_key"}
FINANCE = {
    "billing.grant_few",
    "billing.grant_any",
    "billing.take_credits",
    "billing.refund_payment",
    "billing.resend_mail",
    "billing.return_credit",
    "billing.change_limits",
    "billing.manage_codes",
    "billing.retry_event",
    "billing.view_codeoffer",
    "billing.view_redemption",
    "billing.add_plan",
    "billing.change_plan",
    "billing.view_plan",
    "billing.add_pack",
    "billing.change_pack",
    "billing.view_pack",
}

ROLES: dict[str, set[str]] = {
    "support": LOOK_AT_PEOPLE | LOOK_AT_WORK | MODERATE | SUPPORT,
    "finance": LOOK_AT_PEOPLE | LOOK_AT_STRIPE | LOOK_AT_COSTS | FINANCE,
    "admin": LOOK_AT_PEOPLE
    | LOOK_AT_WORK
    | MODERATE
    | LOOK_AT_STRIPE
    | SUPPORT
    | FINANCE
    | LOOK_AT_COSTS
    | OPERATE
    | {"billing.suspend_user", "billing.assign_role", "billing.repair_books"},
}


def role_of(user: User) -> str:
    """Return the name of the user's role, "superuser" for one who needs none, "" for who is no staff."""
    if not user.is_staff:
        return ""
    if user.is_superuser:
        return "superuser"
    names = {group.name for group in user.groups.all()}
    return next((name for name in reversed(ROLES) if name in names), "")


def out_of_reach(actor: User | None, user: User) -> str:
    """Return why `actor` may do nothing to `user`, whatever else their role lets them do, in words; "" when they may.

    Below superusers nobody acts on their own account or another one of their mailbox, nor on that of somebody whose
    role is higher: `ROLES` has the lowest first. An `actor` of None is the operator at the machine's own shell.
    """
    if actor is None or actor.is_superuser:
        return ""
    if actor.pk == user.pk or emails.mailbox(actor.email) == emails.mailbox(user.email):
        return "This is your own account: somebody else of the staff has to act on it."
    if user.is_superuser:
        return "This is a superuser’s account: only superusers act on it."
    if _rank(user) > _rank(actor):
        return f"This is an account with the role {role_of(user)}, which is above yours: ask a superuser to act on it."
    return ""


def _rank(user: User) -> int:
    return ["", *ROLES].index(role_of(user))


def sync(using: str = DEFAULT_DB_ALIAS, **signal: Any) -> None:
    """Bring the groups in line with `ROLES`. Receives `post_migrate`, once every app's permissions are there."""
    found = {
        f"{app}.{codename}": pk
        for pk, app, codename in Permission.objects.using(using).values_list(
            "pk", "content_type__app_label", "codename"
        )
    }
    for name, permissions in ROLES.items():
        if missing := permissions - found.keys():  # a database that is migrated only part of the way
            log.warning("The role %s lacks %s", name, ", ".join(sorted(missing)))
        with transaction.atomic(using=using):
            group, _ = Group.objects.using(using).get_or_create(name=name)
            group.permissions.set([found[permission] for permission in permissions & found.keys()])
