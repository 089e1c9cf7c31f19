"""Where the lists of the admin are in its navigation, apart from the admin, which loads templates as it loads."""

from django.urls import reverse

# group → (title, icon, model); each is shown to whoever may view it
GROUPS: dict[str, list[tuple[str, str, str]]] = {
    "People": [
        ("People", "group", "accounts_user"),
        ("API keys", "key", "accounts_apikey"),
        ("Images", "image", "generator_generation"),
        ("Reports", "flag", "generator_report"),
    ],
    "Credits": [
        ("Entries", "receipt_long", "billing_creditentry"),
        ("Grants", "toll", "billing_creditgrant"),
        ("Codes", "redeem", "billing_codeoffer"),
        ("Redemptions", "featured_seasonal_and_gifts", "billing_redemption"),
        ("Held back", "front_hand", "billing_heldwelcome"),
    ],
    "Money": [
        ("Payments", "payments", "billing_payment"),
        ("Refunds", "undo", "billing_staffrefund"),
        ("Disputes", "gavel", "billing_dispute"),
        ("Subscriptions", "autorenew", "billing_subscription"),
        ("Checkouts", "shopping_cart", "billing_order"),
        ("Customers", "badge", "billing_stripecustomer"),
    ],
    "For sale": [
        ("Plans", "workspace_premium", "billing_plan"),
        ("Packs", "inventory_2", "billing_pack"),
        ("Prices", "sell", "billing_price"),
    ],
    "Drawing": [
        ("Upstreams", "hub", "generator_upstream"),
        ("Models", "palette", "generator_imagemodel"),
        ("Routes", "route", "generator_route"),
        ("Image prices", "price_change", "generator_price"),
        ("Intake", "pause_circle", "generator_pause"),
        ("Prompt rules", "rule", "generator_promptrule"),
    ],
    "Machinery": [
        ("Alerts", "notifications_active", "reveweb_alert"),
        ("Upstream trouble", "cloud_off", "generator_upstreamtrouble"),
        ("Webhook endpoints", "podcasts", "generator_webhookendpoint"),
        ("Webhook messages", "outgoing_mail", "generator_webhookdelivery"),
        ("Stripe events", "webhook", "billing_stripeevent"),
        ("Stripe accounts", "account_balance", "billing_stripeaccount"),
        ("Mails", "mail", "billing_outgoingmail"),
        ("Acts on many", "checklist", "billing_bulk"),
        ("Audit records", "history_edu", "billing_auditrecord"),
    ],
}


def address(model: str) -> str:
    """Return where the list of `model` is, which is named as in GROUPS."""
    return reverse(f"admin:{model}_changelist")


def by_address() -> dict[str, tuple[str, str]]:
    """Return what is at the address of each list: its group and its title."""
    return {address(model): (group, title) for group, pages in GROUPS.items() for title, _, model in pages}
