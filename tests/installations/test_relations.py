"""Relations of the books are read out of the strings that spelled them, and can be spelled again."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps.registry import Apps
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from pytest_django import DjangoDbBlocker

from tests.installations import prepared

pytestmark = pytest.mark.services

FIRST, LAST = ("billing", "0024_relations"), ("billing", "0027_no_strings")


@pytest.fixture
def older(django_db_blocker: DjangoDbBlocker, tmp_path: Path) -> Iterator[Apps]:
    """The prepared installation just before its strings are read, with what it has no example of."""
    with django_db_blocker.unblock(), prepared.unpacked("first", tmp_path):
        [before] = [node.key for node in MigrationExecutor(connection).loader.graph.node_map[FIRST].parents]
        apps = go(before)
        write(apps)
        yield apps


def go(to: tuple[str, str]) -> Apps:
    """Migrate there, and return the models as they are then."""
    executor = MigrationExecutor(connection)
    executor.migrate([to])
    apps: Apps = executor.loader.project_state([to]).apps
    return apps


def write(apps: Apps) -> None:
    """Two packs of 10. Of one all was paid back while 4 were set aside, of the other a dispute came and went twice."""
    model = {name: apps.get_model("billing", name) for name in ("CreditEntry", "CreditGrant", "CreditLine", "Refund")}
    wallet = apps.get_model("billing", "Wallet").objects.latest("pk")
    grants = [
        model["CreditGrant"].objects.create(wallet=wallet, source="pack", amount=10, remaining=left, frozen_by=frozen)
        for left, frozen in ((0, "refunded:ch_all"), (0, "dispute:du_again"))
    ]
    for number, grant in enumerate(grants):
        payment = apps.get_model("billing", "Payment").objects.create(
            wallet=wallet, reference=f"checkout:cs_{number}", amount=500, currency="usd", description="", grant=grant
        )
    apps.get_model("billing", "Dispute").objects.create(
        stripe_id="du_again", payment=payment, status="needs_response", amount=500
    )
    model["Refund"].objects.create(grant=grants[0], reference="refund:ch_all:500:0", refunded=500, owed=4)
    late = hashlib.sha256(b"a long story").hexdigest()[:40]
    story = [
        (0, "grant", 10, "checkout:cs_0"),
        (0, "hold", -4, "generation:a"),
        (0, "claw_back", -6, "refund:ch_all:500:0"),
        (0, "release", 4, "generation:a:outcome"),
        (0, "claw_back", -4, "refunded:ch_all:late:generation:a:outcome"),
        (1, "grant", 10, "checkout:cs_1"),
        (1, "hold", -3, "generation:b"),
        (1, "claw_back", -7, "dispute:du_again"),
        (1, "settle", 0, "generation:b:outcome"),
        (1, "release", 3, "generation:b:returned"),
        (1, "claw_back", -3, f"dispute:du_again:late:{late}"),
        (1, "restore", 3, f"dispute:du_again:late:{late}:restored"),
        (1, "claw_back", -3, f"dispute:du_again:late:{late[::-1]}"),
    ]
    balance = wallet.balance
    for of, kind, amount, reference in story:
        balance += amount
        entry = model["CreditEntry"].objects.create(
            wallet=wallet, kind=kind, amount=amount, balance_after=balance, reference=reference, cause="x"
        )
        if amount:
            model["CreditLine"].objects.create(entry=entry, grant=grants[of], amount=amount)


def relations(apps: Apps) -> list[tuple[Any, ...]]:
    """Return what each entry is related to, by names that last."""
    entries = apps.get_model("billing", "CreditEntry").objects.order_by("pk")
    return list(
        entries.values_list("pk", "of", "refund__charge", "refund__refunded", "refund__failed_at", "dispute__stripe_id")
    )


def test_each_kind_of_string_is_read(older: Apps) -> None:
    apps = go(LAST)
    entries = apps.get_model("billing", "CreditEntry").objects.order_by("-pk")[:13]
    told = [(one.kind, one.of and one.of.kind, _name(one.refund), _name(one.dispute)) for one in reversed(entries)]
    assert told == [
        ("grant", None, None, None),
        ("hold", None, None, None),
        ("claw_back", None, "ch_all", None),
        ("release", "hold", None, None),
        ("claw_back", None, "ch_all", None),
        ("grant", None, None, None),
        ("hold", None, None, None),
        ("claw_back", None, None, "du_again"),
        ("settle", "hold", None, None),
        ("release", "settle", None, None),
        ("claw_back", None, None, "du_again"),
        ("restore", "claw_back", None, None),
        ("claw_back", None, None, "du_again"),
    ]
    refund = apps.get_model("billing", "Refund").objects.get(charge="ch_all")
    assert (refund.refunded, refund.paid, refund.credits, refund.owed) == (500, 500, 14, 4)
    grants = apps.get_model("billing", "CreditGrant").objects.order_by("-pk")[:2]
    assert [one.dispute and one.dispute.stripe_id for one in grants] == ["du_again", None]


def test_there_and_back_again_is_the_same(older: Apps) -> None:
    apps = go(LAST)
    first = relations(apps)
    entries = apps.get_model("billing", "CreditEntry").objects
    whose = entries.latest("pk").wallet_id
    held = entries.create(
        wallet_id=whose,
        kind="hold",
        amount=0,
        balance_after=0,
        reference="generation:c",
        cause="x",
    )
    entries.create(wallet_id=held.wallet_id, kind="settle", amount=0, balance_after=0, of=held, cause="x")
    [before] = [node.key for node in MigrationExecutor(connection).loader.graph.node_map[FIRST].parents]
    spelled = go(before).get_model("billing", "CreditEntry").objects.latest("pk")
    assert spelled.reference == "generation:c:outcome"
    assert relations(go(LAST))[:-2] == first


def _name(claim: Any) -> str | None:
    return (claim and getattr(claim, "charge", None)) or getattr(claim, "stripe_id", None)
