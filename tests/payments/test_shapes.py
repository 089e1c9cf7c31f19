"""What `billing.shapes` says of objects is what Stripe publishes: names, kinds, and what may be null or left out.

Twice: by its OpenAPI, which we have of an earlier version, and by the classes of the SDK, which are of the one we use.
"""

import inspect
from types import NoneType
from typing import Any, Literal, TypedDict, get_args, get_origin, get_type_hints, is_typeddict

import pytest
import stripe

from billing import gateway, shapes
from tests.sandbox.stripe.openapi import specification

INVOICING = "billing_bill_resource_invoicing"
# What it is in the SDK, and what it is called in the specification.
PUBLISHED: dict[type, tuple[type, str]] = {
    shapes.Session: (stripe.checkout.Session, "checkout.session"),
    shapes.Recurring: (stripe.Price.Recurring, "recurring"),
    shapes.Price: (stripe.Price, "price"),
    shapes.SessionLine: (stripe.LineItem, "item"),
    shapes.SubscriptionItem: (stripe.SubscriptionItem, "subscription_item"),
    shapes.CancellationDetails: (stripe.Subscription.CancellationDetails, "cancellation_details"),
    shapes.Subscription: (stripe.Subscription, "subscription"),
    shapes.SubscriptionDetails: (
        stripe.Invoice.Parent.SubscriptionDetails,
        f"{INVOICING}_parents_invoice_subscription_parent",
    ),
    shapes.InvoiceParent: (stripe.Invoice.Parent, f"{INVOICING}_parents_invoice_parent"),
    shapes.Period: (stripe.InvoiceLineItem.Period, "invoice_line_item_period"),
    shapes.PriceDetails: (stripe.InvoiceLineItem.Pricing.PriceDetails, f"{INVOICING}_pricing_pricing_price_details"),
    shapes.Pricing: (stripe.InvoiceLineItem.Pricing, f"{INVOICING}_pricing_pricing"),
    shapes.CreditedItems: (
        stripe.InvoiceLineItem.Parent.InvoiceItemDetails.ProrationDetails.CreditedItems,
        f"{INVOICING}_lines_common_credited_items",
    ),
    shapes.ProrationDetails: (
        stripe.InvoiceLineItem.Parent.InvoiceItemDetails.ProrationDetails,
        f"{INVOICING}_lines_common_proration_details",
    ),
    shapes.FromInvoiceItem: (
        stripe.InvoiceLineItem.Parent.InvoiceItemDetails,
        f"{INVOICING}_lines_parents_invoice_line_item_invoice_item_parent",
    ),
    shapes.FromSubscriptionItem: (
        stripe.InvoiceLineItem.Parent.SubscriptionItemDetails,
        f"{INVOICING}_lines_parents_invoice_line_item_subscription_item_parent",
    ),
    shapes.LineParent: (stripe.InvoiceLineItem.Parent, f"{INVOICING}_lines_parents_invoice_line_item_parent"),
    shapes.InvoiceLine: (stripe.InvoiceLineItem, "line_item"),
    shapes.StatusTransitions: (stripe.Invoice.StatusTransitions, "invoices_resource_status_transitions"),
    shapes.Paid: (stripe.InvoicePayment.Payment, "invoices_payments_invoice_payment_associated_payment"),
    shapes.InvoicePayment: (stripe.InvoicePayment, "invoice_payment"),
    shapes.Invoice: (stripe.Invoice, "invoice"),
    shapes.Charge: (stripe.Charge, "charge"),
    shapes.Refund: (stripe.Refund, "refund"),
    shapes.Dispute: (stripe.Dispute, "dispute"),
    shapes.EventData: (stripe.Event.Data, "notification_event_data"),
    shapes.Event: (stripe.Event, "event"),
    shapes.WebhookEndpoint: (stripe.WebhookEndpoint, "webhook_endpoint"),
    shapes.Account: (stripe.Account, "account"),
    shapes.Customer: (stripe.Customer, "customer"),
    shapes.InvoiceSettings: (stripe.Customer.InvoiceSettings, "invoice_setting_customer_setting"),
    shapes.Card: (stripe.PaymentMethod.Card, "payment_method_card"),
    shapes.PaymentMethod: (stripe.PaymentMethod, "payment_method"),
    shapes.Product: (stripe.Product, "product"),
    shapes.PortalConfiguration: (stripe.billing_portal.Configuration, "billing_portal.configuration"),
    shapes.PortalSession: (stripe.billing_portal.Session, "billing_portal.session"),
}
# What endive changed since the specification's dahlia: there it was always there.
NEWER = {"Invoice.customer": ("string", "or null")}
KINDS = {str: "string", int: "integer", bool: "boolean", dict: "object", list: "array"}
Field = tuple[str, str]  # of which kind, and whether it is there "always", "or null" or "or absent"


def test_the_sdk_and_the_shapes_are_of_the_version_that_is_asked_for() -> None:
    assert stripe.api_version == gateway.API_VERSION
    assert shapes.__doc__
    assert f"version {gateway.API_VERSION}," in shapes.__doc__


def test_no_shape_is_left_out() -> None:
    described = {each for each in vars(shapes).values() if is_typeddict(each)} - {shapes.Listed}
    assert described == set(PUBLISHED)


@pytest.mark.parametrize("shape", PUBLISHED, ids=lambda shape: shape.__name__)
def test_a_shape_is_as_published(shape: type) -> None:
    sdk, name = PUBLISHED[shape]
    assert drifts(shape, name) == set()
    assert missing_in(sdk, shape) == set()


def test_a_list_is_as_published() -> None:
    lists = (specification()["components"]["schemas"]["invoice"]["properties"][name] for name in ("lines", "payments"))
    for each in lists:
        assert set(get_type_hints(shapes.Listed)) <= set(each["required"])


def test_the_check_itself_finds_what_is_not_as_published() -> None:
    class Invoice(TypedDict):
        id: int
        object: Literal["bill"]
        status: str
        amount_due: int | None
        lines: shapes.Listed[shapes.Charge]
        parent: shapes.Pricing | None
        payments: shapes.Listed[shapes.InvoicePayment]
        charge: str  # went with basil

    assert drifts(Invoice, "invoice") == {
        "id is integer always, published string always",
        "object is only bill always, published only invoice always",
        "status is string always, published string or null",
        "amount_due is integer or null, published integer always",
        "lines is list of charge always, published list of line_item always",
        f"parent is {INVOICING}_pricing_pricing or null, published {INVOICING}_parents_invoice_parent or null",
        "payments is list of invoice_payment always, published list of invoice_payment or absent",
        "charge is not published",
    }
    assert missing_in(stripe.Invoice, Invoice) == {"status", "amount_due", "payments", "charge"}


def drifts(shape: type, name: str) -> set[str]:
    """Return what the shape says and the specification's schema of this name does not."""
    schema = specification()["components"]["schemas"][name]
    found = set()
    for field, (kind, presence) in described(shape).items():
        if field not in schema["properties"]:
            found.add(f"{field} is not published")
            continue
        published = schema_kind(schema["properties"][field]), schema_presence(schema, field)
        published = NEWER.get(f"{shape.__name__}.{field}", published)
        if published != (kind, presence):
            found.add(f"{field} is {kind} {presence}, published {' '.join(published)}")
    return found


def missing_in(sdk: type, shape: type) -> set[str]:
    """Return the fields that the SDK's class has not, or that only one of the two takes for always there."""
    known = inspect.get_annotations(sdk)
    return {
        field
        for field, (_, presence) in described(shape).items()
        if field not in known or (NoneType in get_args(known[field])) == (presence == "always")
    }


def described(shape: Any) -> dict[str, Field]:
    """Return the fields that a shape has."""
    fields = {}
    for name, hint in get_type_hints(shape).items():
        presence = "or absent" if name in shape.__optional_keys__ else "always"
        if NoneType in get_args(hint):
            (hint,) = set(get_args(hint)) - {NoneType}
            presence = "or null"
        fields[name] = kind_of(hint), presence
    return fields


def kind_of(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return f"only {' '.join(get_args(hint))}"
    if get_origin(hint) is shapes.Listed:
        return f"list of {kind_of(*get_args(hint))}"
    return PUBLISHED[hint][1] if hint in PUBLISHED else KINDS[get_origin(hint) or hint]


def schema_kind(schema: dict[str, Any]) -> str:
    """Return the kind of a field that is not expanded: of what may be an id or an object it is the id."""
    options: list[dict[str, Any]] = schema.get("anyOf", [schema])
    plain = next((each for each in options if "$ref" not in each), None)
    if plain is None:
        (only,) = options
        return str(only["$ref"]).rpartition("/")[2]
    if "data" in plain.get("properties", {}):
        return f"list of {schema_kind(plain['properties']['data']['items'])}"
    if len(plain.get("enum", [])) == 1:
        return f"only {plain['enum'][0]}"
    return str(plain["type"])


def schema_presence(schema: dict[str, Any], field: str) -> str:
    """Tell when a field is there: those that may be null are sent as null, though they are not listed as required."""
    if schema["properties"][field].get("nullable"):
        return "or null"
    return "always" if field in schema["required"] else "or absent"
