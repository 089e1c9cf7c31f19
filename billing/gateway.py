"""The only importer of `stripe`: one client, and calls that give and take plain data.

Without `STRIPE_SECRET_KEY` the client points at the local stand-in; nothing here or above knows the difference. No call
is made inside a database transaction. Network failures are retried by the SDK under one idempotency key; how long is
waited for them `patience` says. What comes back has the types of `shapes`; what is sent, those of the SDK, which are of
the version that we pin.

PaymentError
├─ PaymentUnavailable   Stripe cannot be reached or is in trouble: try again
│  ├─ Unclear           it was asked to move money and no answer came: look what became of it
│  └─ KeyRefused        it does not take our key, or not for this: only the operator can mend that
├─ PaymentRefused       Stripe understood and said no
│  ├─ CardRefused       the card's bank said no
│  └─ Missing           Stripe knows no such object, or no more
└─ BadSignature         a webhook that Stripe did not sign, or not lately

Their messages are Stripe's, without what is secret, and its request's id: for logs and operators. People are told our
own words (`pages/refusals.py`).
"""

import contextlib
import json
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Literal, ParamSpec, TypeVar, cast

import stripe
from django.conf import settings
from stripe.params import (
    PriceCreateParams,
    ProductUpdateParams,
    RefundCreateParams,
    SubscriptionCancelParams,
    SubscriptionUpdateParams,
)
from stripe.params.billing_portal import (
    ConfigurationCreateParams,
    ConfigurationCreateParamsFeatures,
    ConfigurationUpdateParams,
)
from stripe.params.billing_portal import SessionCreateParams as PortalParams
from stripe.params.checkout import SessionCreateParams

from billing import patience
from billing.shapes import (
    Account,
    Charge,
    Customer,
    Event,
    Invoice,
    InvoicePayment,
    PaymentMethod,
    PortalConfiguration,
    PortalSession,
    Price,
    Product,
    Refund,
    Session,
    Subscription,
    WebhookEndpoint,
)
from kit.threads import let_go

API_VERSION = "2026-10-28.endive"  # what `shapes` describes; webhook endpoints are created with it
GLANCE_SECONDS = 3
SIGNATURE_TOLERANCE_SECONDS = 300  # both ways: the SDK itself accepts any time in the future

# What is asked for, by names that the rest of billing may import.
CheckoutParams = SessionCreateParams
PriceParams = PriceCreateParams
PortalFeatures = ConfigurationCreateParamsFeatures
RefundParams = RefundCreateParams
SubscriptionParams = SubscriptionUpdateParams

Kind = Literal["price", "customer", "subscription", "checkout"]

P = ParamSpec("P")
T = TypeVar("T")


class PaymentError(Exception):
    """Root of what can go wrong with payments (the module draws the tree).

    `code` and `param` are Stripe's, if it gives any. With `is_final` the same request under the same idempotency key is
    not answered otherwise for a day: Stripe has kept the answer, errors of its own included
    (https://docs.stripe.com/api/idempotent_requests). Try again under another one, once it is known that nothing was
    done.
    """

    def __init__(self, message: str = "", *, code: str = "", param: str = "", is_final: bool = False) -> None:
        super().__init__(message)
        self.code, self.param, self.is_final = code, param, is_final


class PaymentUnavailable(PaymentError):
    """Stripe cannot be reached or answers with an error of its own; trying again is safe."""


class Unclear(PaymentUnavailable):
    """Stripe was asked to do something with money and no answer came: it may have been done."""


class KeyRefused(PaymentUnavailable):
    """Stripe does not take our key, or the key may not do this."""


class PaymentRefused(PaymentError):
    """Stripe will not do what was asked. `param` is what it says no to, if it gives any."""

    def __init__(self, message: str = "", *, code: str = "", param: str = "", is_final: bool = False) -> None:
        super().__init__(message, code=code, is_final=is_final)
        self.param = param


class CardRefused(PaymentRefused):
    """The card's bank will not pay; `code` is its reason, as in https://docs.stripe.com/declines/codes."""


class Missing(PaymentRefused):
    """Stripe knows no such object (any more). `param` names the parameter that named it, or is empty."""


class BadSignature(PaymentError):
    """A webhook whose signature is missing, wrong, too old or from the future."""


def verify_webhook(payload: bytes, signature: str) -> Event:
    """Return the event in `payload` if Stripe signed it within the last or next 5 minutes. Raises BadSignature."""
    sent_at = re.search(r"(?:^|,)t=([0-9]{1,18})(?:,|$)", signature)
    if not signature.isascii() or not sent_at or int(sent_at[1]) > time.time() + SIGNATURE_TOLERANCE_SECONDS:
        raise BadSignature("no signature, or one from the future")
    try:
        _verify(payload.decode(), signature)
        data = json.loads(payload)
    except ValueError as error:
        raise BadSignature(str(error)) from error
    if not isinstance(data, dict) or data.get("object") != "event" or not isinstance(data.get("id"), str):
        raise BadSignature("no event")
    return cast(Event, data)


def _verify(payload: str, signature: str) -> None:
    """Raise BadSignature unless it was signed lately, with one of the secrets that are good."""
    refused = "there is no secret to compare with"
    for secret in settings.STRIPE_WEBHOOK_SECRETS:
        try:
            stripe.WebhookSignature.verify_header(payload, signature, secret, SIGNATURE_TOLERANCE_SECONDS)
        except stripe.SignatureVerificationError as error:
            refused = str(error)
        else:
            return
    raise BadSignature(refused)


def account_id() -> str:
    """Return the id of the account that the key in use opens."""
    return _ask(Account, _client().v1.accounts.retrieve_current)["id"]


def webhook_endpoints() -> list[WebhookEndpoint]:
    """Return every address that Stripe sends events to, of the mode of the key in use."""
    return list(_pages(WebhookEndpoint, _client().v1.webhook_endpoints.list, {"limit": 100}))


def knows(kind: Kind, stripe_id: str) -> bool:
    """Tell whether the account that the key in use opens has such an object, or had."""
    api = _client().v1
    retrieve: dict[Kind, Callable[..., Any]] = {
        "price": api.prices.retrieve,
        "customer": api.customers.retrieve,
        "subscription": api.subscriptions.retrieve,
        "checkout": api.checkout.sessions.retrieve,
    }
    try:
        _call(retrieve[kind], stripe_id)
    except Missing:
        return False
    return True


def create_customer(
    *, email: str, name: str, wallet_id: int, installation: str, idempotency_key: str | None = None
) -> str:
    """Create the wallet's customer and return its id; asked again under the same key it is the same one."""
    customer = _ask(
        Customer,
        _client().v1.customers.create,
        {"email": email, "name": name or email, "metadata": {"account": str(wallet_id), "installation": installation}},
        {"idempotency_key": idempotency_key} if idempotency_key else {},
    )
    return customer["id"]


def find_customer(*, email: str, wallet_id: int, installation: str) -> str:
    """Return the id of the customer that was made for the wallet under this address, or the empty string."""
    for customer in _pages(Customer, _client().v1.customers.list, {"email": email, "limit": 100}):
        metadata = customer.get("metadata") or {}
        if (metadata.get("installation"), metadata.get("account")) == (installation, str(wallet_id)):
            return customer["id"]
    return ""


def update_customer(customer_id: str, *, email: str, name: str) -> None:
    """Tell Stripe somebody's address and name. Raises Missing for a customer that is gone."""
    _call(_client().v1.customers.update, customer_id, {"email": email, "name": name or email})


def has_dealings(customer_id: str) -> bool:
    """Tell whether a customer ever paid or ordered anything. Raises PaymentRefused for one that does not exist."""
    api = _client().v1
    return bool(
        _call(api.checkout.sessions.list, {"customer": customer_id, "status": "complete", "limit": 1})["data"]
        or _call(api.subscriptions.list, {"customer": customer_id, "status": "all", "limit": 1})["data"]
        or _call(api.charges.list, {"customer": customer_id, "limit": 1})["data"]
    )


def delete_customer(customer_id: str) -> None:
    """Delete a customer with all that Stripe knows of the person. Raises PaymentRefused for one that does not exist."""
    _call(_client().v1.customers.delete, customer_id)


def create_checkout(params: CheckoutParams, *, idempotency_key: str) -> Session:
    """Create a hosted checkout session."""
    return _ask(Session, _client().v1.checkout.sessions.create, params, {"idempotency_key": idempotency_key})


def retrieve_checkout(session_id: str) -> Session:
    """Return a checkout session as it stands, with what it sells."""
    return _ask(Session, _client().v1.checkout.sessions.retrieve, session_id, {"expand": ["line_items"]})


def expire_checkout(session_id: str) -> None:
    """Close an open checkout session. Raises PaymentRefused when it is closed already."""
    _call(_client().v1.checkout.sessions.expire, session_id)


def keep_portal_configuration(configuration_id: str, features: PortalFeatures, legal: Mapping[str, str]) -> str:
    """Let the portal offer these `features`, and return the configuration's id: another one if there is none yet.

    `legal` are the addresses of its `business_profile`, "" where there is none.
    """
    configurations = _client().v1.billing_portal.configurations
    if not configuration_id:
        profile = {name: url for name, url in legal.items() if url}  # an empty one clears, and is refused here
        made: ConfigurationCreateParams = {"features": features, "business_profile": cast(Any, profile)}
        return _ask(PortalConfiguration, configurations.create, made)["id"]
    about = {"features": features, "business_profile": dict(legal), "active": True}
    params = cast(ConfigurationUpdateParams, about)
    return _ask(PortalConfiguration, configurations.update, configuration_id, params)["id"]


def create_portal(customer_id: str, return_url: str, *, configuration: str) -> str:
    """Return the address of a billing-portal session that offers what its `configuration` says."""
    params: PortalParams = {"customer": customer_id, "return_url": return_url, "configuration": configuration}
    return _ask(PortalSession, _client().v1.billing_portal.sessions.create, params)["url"]


def retrieve_subscription(subscription_id: str) -> Subscription:
    """Return a subscription as it stands."""
    return _ask(Subscription, _client().v1.subscriptions.retrieve, subscription_id)


def glance_at_subscription(subscription_id: str) -> Subscription:
    """Return a subscription as it stands, for a page that somebody waits for: GLANCE_SECONDS at most.

    Raises PaymentUnavailable, PaymentRefused.
    """
    with patience.within(GLANCE_SECONDS):
        return retrieve_subscription(subscription_id)


def glance_at_method(customer_id: str, subscription_id: str = "") -> PaymentMethod | None:
    """Return what a subscription, or a customer without one, is charged to next; None if nothing is on file.

    For a page that somebody waits for: GLANCE_SECONDS in all. Raises PaymentUnavailable, PaymentRefused.
    """
    api = _client().v1
    with patience.within(GLANCE_SECONDS):
        method = subscription_id and retrieve_subscription(subscription_id)["default_payment_method"]
        if not method:
            customer = _ask(Customer, api.customers.retrieve, customer_id)
            method = customer["invoice_settings"]["default_payment_method"] if "invoice_settings" in customer else None
        return _ask(PaymentMethod, api.payment_methods.retrieve, method) if method else None


def glance_at_invoice(invoice_id: str) -> Invoice:
    """Return an invoice, for a page that somebody waits for. Raises PaymentUnavailable, PaymentRefused."""
    with patience.within(GLANCE_SECONDS):
        return _ask(Invoice, _client().v1.invoices.retrieve, invoice_id)


def glance_at_checkout(session_id: str) -> Session:
    """Return a checkout session, for a page that somebody waits for. Raises PaymentUnavailable, PaymentRefused."""
    with patience.within(GLANCE_SECONDS):
        return retrieve_checkout(session_id)


def glance_at_charges(payment_intent: str) -> list[Charge]:
    """Return the latest attempts to charge a payment, the newest first, for a page that somebody waits for.

    Raises PaymentUnavailable, PaymentRefused.
    """
    api = _client().v1
    with patience.within(GLANCE_SECONDS):
        charges: list[Charge] = _call(api.charges.list, {"payment_intent": payment_intent, "limit": 10})["data"]
    return charges


def subscriptions_of(customer_id: str) -> list[Subscription]:
    """Return a customer's subscriptions that were not canceled."""
    return list(_pages(Subscription, _client().v1.subscriptions.list, {"customer": customer_id, "limit": 100}))


def update_subscription(subscription_id: str, params: SubscriptionParams) -> Subscription:
    """Change a subscription. Raises Unclear when no answer comes."""
    with _unclear_without_answer():
        return _ask(Subscription, _client().v1.subscriptions.update, subscription_id, params)


def cancel_subscription(subscription_id: str, *, comment: str = "") -> Subscription:
    """End a subscription at once; a `comment` says why, for whoever reads it at Stripe and for us."""
    params: SubscriptionCancelParams = {"cancellation_details": {"comment": comment}} if comment else {}
    return _ask(Subscription, _client().v1.subscriptions.cancel, subscription_id, params)


def retrieve_invoice(invoice_id: str) -> Invoice:
    """Return an invoice with its payments."""
    return _ask(Invoice, _client().v1.invoices.retrieve, invoice_id, {"expand": ["payments"]})


def checkout_of(payment_intent: str) -> Session | None:
    """Return the checkout in which a payment was made, if it was made in one."""
    params = {"payment_intent": payment_intent, "limit": 1}
    return next(_pages(Session, _client().v1.checkout.sessions.list, params), None)


def invoice_of(payment_intent: str) -> Invoice | None:
    """Return the invoice that a payment is for, if it is for one."""
    payment = {"type": "payment_intent", "payment_intent": payment_intent}
    found = _pages(InvoicePayment, _client().v1.invoice_payments.list, {"payment": payment, "limit": 1})
    paid = next(found, None)
    return _ask(Invoice, _client().v1.invoices.retrieve, paid["invoice"]) if paid else None


def invoices_of(subscription_id: str) -> Iterator[Invoice]:
    """Yield the invoices of a subscription, the newest first."""
    return _pages(Invoice, _client().v1.invoices.list, {"subscription": subscription_id, "limit": 100})


def retrieve_charge(charge_id: str) -> Charge:
    """Return a charge as it stands."""
    return _ask(Charge, _client().v1.charges.retrieve, charge_id)


def refund_payment(
    payment_intent: str, *, idempotency_key: str, amount: int | None = None, metadata: dict[str, str] | None = None
) -> Refund:
    """Pay `amount` minor units of a payment back, or all that is left of it. Raises Unclear when no answer comes."""
    params: RefundParams = {"payment_intent": payment_intent}
    if amount is not None:
        params["amount"] = amount
    if metadata:
        params["metadata"] = metadata
    with _unclear_without_answer():
        return _ask(Refund, _client().v1.refunds.create, params, {"idempotency_key": idempotency_key})


def refunds_of(payment_intent: str) -> list[Refund]:
    """Return every refund of a payment, whatever became of it."""
    return list(_pages(Refund, _client().v1.refunds.list, {"payment_intent": payment_intent, "limit": 100}))


def create_product(*, name: str, metadata: dict[str, str]) -> Product:
    """Create a product."""
    return _ask(Product, _client().v1.products.create, {"name": name, "metadata": metadata})


def retrieve_product(product_id: str) -> Product:
    """Return a product as it stands."""
    return _ask(Product, _client().v1.products.retrieve, product_id)


def mend_product(product_id: str, *, name: str, metadata: dict[str, str]) -> Product:
    """Name a product anew, and sell it again if it was archived."""
    params: ProductUpdateParams = {"name": name, "metadata": metadata, "active": True}
    return _ask(Product, _client().v1.products.update, product_id, params)


def retrieve_price(price_id: str) -> Price:
    """Return a price as it stands."""
    return _ask(Price, _client().v1.prices.retrieve, price_id)


def create_price(params: PriceParams) -> Price:
    """Create a price."""
    return _ask(Price, _client().v1.prices.create, params)


def offer_price(price_id: str, *, active: bool) -> None:
    """Sell at a price, or no longer; those who subscribed at it keep it."""
    _call(_client().v1.prices.update, price_id, {"active": active})


def events_since(since: int) -> Iterator[Event]:
    """Yield every event from `since` (Unix seconds) on, newest first. Stripe keeps 30 days."""
    return _pages(Event, _client().v1.events.list, {"created": {"gte": since}, "limit": 100})


def paid_invoices_since(since: int) -> Iterator[Invoice]:
    """Yield every paid invoice created from `since` (Unix seconds) on."""
    params = {"created": {"gte": since}, "status": "paid", "limit": 100, "expand": ["data.payments"]}
    return _pages(Invoice, _client().v1.invoices.list, params)


def checkouts_since(since: int) -> Iterator[Session]:
    """Yield every completed checkout session created from `since` (Unix seconds) on."""
    params = {"created": {"gte": since}, "status": "complete", "limit": 100}
    return _pages(Session, _client().v1.checkout.sessions.list, params)


def charges_since(since: int) -> Iterator[Charge]:
    """Yield every charge created from `since` (Unix seconds) on."""
    return _pages(Charge, _client().v1.charges.list, {"created": {"gte": since}, "limit": 100})


def _pages(shape: type[T], listing: Callable[..., Any], params: Mapping[str, object]) -> Iterator[T]:
    """Yield what a list holds, page after page, each a `shape`."""
    while True:
        page = _call(listing, params)
        yield from page["data"]
        if not page.get("has_more") or not page["data"]:
            return
        params = {**params, "starting_after": page["data"][-1]["id"]}


def _ask(shape: type[T], method: Callable[P, stripe.StripeObject], *arguments: P.args, **named: P.kwargs) -> T:
    """Call the SDK and return what it answers, which is a `shape`: Stripe's word, as the API's version has it."""
    return cast(T, _call(method, *arguments, **named))


def _call(method: Callable[P, stripe.StripeObject], *arguments: P.args, **named: P.kwargs) -> dict[str, Any]:
    """Call the SDK and return plain data; its errors become ours. No transaction may be open."""
    let_go()
    try:
        return method(*arguments, **named).to_dict(for_json=True)
    except stripe.StripeError as error:
        failure = _ours(error)
    raise failure  # not from its error, nor while that is handled: a traceback would show Stripe's own words


def _ours(error: stripe.StripeError) -> PaymentError:
    if isinstance(error, stripe.APIConnectionError):
        return _Unanswered(f"no answer ({type(error.__cause__).__name__}: {_without_secrets(str(error.__cause__))})")
    words = _without_secrets(error.user_message or "no words") + (f" ({error.request_id})" if error.request_id else "")
    status = error.http_status or 0
    if isinstance(error, stripe.CardError):
        details = error.error
        return CardRefused(words, code=(details and details.decline_code) or error.code or "", is_final=True)
    if isinstance(error, (stripe.InvalidRequestError, stripe.IdempotencyError)):
        param = getattr(error, "param", None) or ""
        kind = Missing if error.code == "resource_missing" else PaymentRefused
        return kind(words, code=error.code or "", param=param, is_final=True)
    if isinstance(error, (stripe.AuthenticationError, stripe.PermissionError)):
        return KeyRefused(words, code=error.code or "")
    # 409: the first request under this key is still being worked on; 429: too many, and 502 to 504 came from a machine
    # that stands before Stripe's: none of them is kept. Where Stripe itself says whether to try again, that decides.
    advice = (error.headers or {}).get("stripe-should-retry", "")
    return PaymentUnavailable(words, code=error.code or "", is_final=status == 500 or advice == "false")


class _Unanswered(PaymentUnavailable):
    """No answer came."""


@contextlib.contextmanager
def _unclear_without_answer() -> Iterator[None]:
    try:
        yield
    except _Unanswered as error:
        raise Unclear(str(error)) from None


_SECRETS = re.compile(
    r"\b(?:sk|rk|pk|mk|ek)_(?:test|live)_[\w*]+|\bwhsec_\w+"
    r"|(?<=API Key provided: )\S+|(?<=key other than )'[^']*'|(?<=Bearer )\S+"
)


def _without_secrets(words: str) -> str:
    """Return what Stripe said without any part of a key: it repeats the end of a wrong one, and idempotency keys."""
    return _SECRETS.sub("[a key]", words.replace(settings.STRIPE_SECRET_KEY or "[a key]", "[a key]"))


def new_key() -> str:
    """Return an idempotency key that was never used."""
    return secrets.token_urlsafe(24)


@lru_cache(maxsize=1)
def _client() -> stripe.StripeClient:
    return stripe.StripeClient(
        settings.STRIPE_SECRET_KEY,
        stripe_version=API_VERSION,
        base_addresses={"api": settings.STRIPE_API_BASE},
        max_network_retries=2,
        http_client=stripe.RequestsClient(session=patience.Session()),
    )
