"""What the grid needs of an installation, made by a process of its own: models that edit, and people with keys.

`tests.conformance.grid` calls `furnish` there, and reads what it prints.
"""

import json

from accounts import keys
from accounts.models import ApiKey, KeyScope, User
from billing import ledger
from billing.models import Plan, Wallet
from billing.staff import acts
from generator.models import ImageModel, Operation, Route, Upstream

CREDITS = 5000
PEOPLE = {"rich": CREDITS, "alone": 10, "narrow": 10, "poor": 0}


def furnish(client: str) -> None:
    """Print the keys of what a driver takes for its users, as JSON, by what each is good for."""
    _let_the_first_model_edit()
    rich, alone, narrow, poor = (_somebody(f"{client}-{name}", credits) for name, credits in PEOPLE.items())
    Wallet.objects.filter(user=narrow).update(plan=_plan_for_two_at_once())
    reader, may_read = keys.mint(user=rich, name="reader")
    ApiKey.objects.filter(pk=reader.pk).update(scopes=[KeyScope.READ])
    found = {
        "key": keys.mint(user=rich, name="rich", rate_limit=100_000)[1],
        "slow": keys.mint(user=rich, name="slow", rate_limit=1)[1],
        "alone": keys.mint(user=alone, name="alone", rate_limit=100_000)[1],
        "narrow": keys.mint(user=narrow, name="narrow", rate_limit=100_000)[1],
        "poor": keys.mint(user=poor, name="poor", rate_limit=100_000)[1],
        "reader": may_read,
    }
    print(json.dumps({**found, "credits": CREDITS}))


def _somebody(name: str, credits: int) -> User:
    user = User.objects.create_user(f"{name}@conformance.example", None)
    wallet = ledger.wallet_of(user.pk)
    if credits:
        acts.grant(actor=None, wallet=wallet, credits=credits, reason="Conformance", reference=f"conformance:{name}")
        Wallet.objects.filter(pk=wallet.pk).update(plan=Plan.objects.get(slug="basic"))
    return user


def _plan_for_two_at_once() -> Plan:
    if known := Plan.objects.filter(slug="two-at-once").first():
        return known
    plan = Plan.objects.get(slug="basic")
    plan.pk, plan.slug, plan.name, plan.max_in_flight, plan.active = None, "two-at-once", "Two at once", 2, False
    plan.save()
    return plan


def _let_the_first_model_edit() -> None:
    model, upstream = ImageModel.objects.get(slug="text2image_v1"), Upstream.objects.get(slug="reve")
    ImageModel.objects.filter(pk=model.pk).update(operations=list(Operation.values))
    for operation in (Operation.EDIT, Operation.REMIX):
        Route.objects.get_or_create(model=model, operation=operation, upstream=upstream)
