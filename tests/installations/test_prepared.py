"""What was renamed is found by the name it had, whatever it was called in between."""

from django.db.migrations import RenameField, RenameModel, SeparateDatabaseAndState

from tests.installations.prepared import Names


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
