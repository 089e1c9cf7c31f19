"""What was renamed is found by the name it had, and a prepared installation is where every thread looks."""

from pathlib import Path

import pytest
from django.db import connection
from django.db.migrations import RenameField, RenameModel, SeparateDatabaseAndState

from kit.threads import in_loop, in_thread
from tests.installations import prepared
from tests.installations.prepared import Names


def _people() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM accounts_user")
        return int(cursor.fetchone()[0])


@pytest.mark.services
def test_every_thread_is_led_there_and_back(transactional_db: None, tmp_path: Path) -> None:
    assert in_loop(in_thread(_people)) == 0
    with prepared.unpacked("first", tmp_path):
        assert in_loop(in_thread(_people)) == _people() > 0
    assert in_loop(in_thread(_people)) == _people() == 0


def test_names_are_followed() -> None:
    names = Names()
    for operation in (
        RenameField("Payment", "amount", "minor_units"),
        RenameModel("Payment", "Income"),
        RenameField("Income", "minor_units", "cents"),
        SeparateDatabaseAndState([], [RenameModel("Income", "Earning")]),
        RenameField("Earning", "refunded", "paid_back"),
    ):
        names.follow("billing", operation)
    assert names.models == {"billing.payment": "billing.earning"}
    assert [names.field_of("billing.payment", name) for name in ("amount", "refunded", "id")] == [
        "cents",
        "paid_back",
        "id",
    ]
    assert names.field_of("billing.order", "amount") == "amount"
    permissions = ["billing.view_payment", "billing.take_credits", "generator.view_payment"]
    assert [names.permission_of(one) for one in permissions] == ["billing.view_earning", *permissions[1:]]
