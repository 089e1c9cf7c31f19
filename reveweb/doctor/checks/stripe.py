"""Stripe: the key, the endpoint that it tells of payments, and whether what it signs is believed here."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from django.conf import settings
from django.urls import reverse

from billing import gateway, identity, patience
from billing.models import StripeEvent
from billing.shapes import WebhookEndpoint
from billing.stripe import heard
from billing.stripe.events import HANDLERS
from kit import pulse
from reveweb.doctor.checks.configuration import is_public
from reveweb.doctor.findings import Finding, fault, note, ok, warning

SECONDS = 8.0
LATELY_SECONDS = 7 * 86_400.0
SHOWN = 4


def key() -> Iterator[Finding]:
    """Ask whose account the key opens, and compare its mode with what this site is."""
    if not settings.PAYMENTS:
        yield ok("stripe", "STRIPE_SECRET_KEY is not set, nothing is for sale")
        return
    try:
        with patience.within(SECONDS):
            account = gateway.account_id()
    except gateway.KeyRefused as error:
        words = f"Stripe refuses STRIPE_SECRET_KEY: {error}"
        yield fault(
            "stripe-key", words, "Make a key at Stripe (Developers → API keys), and restart every process with it."
        )
        return
    except gateway.PaymentError as error:
        words = f"Stripe cannot be asked: {error}. Nobody can pay."
        yield fault(
            "stripe-unreachable", words, "Look whether this machine reaches api.stripe.com (443); see STRIPE_API_BASE."
        )
        return
    if identity.is_live() and (settings.DEBUG or settings.SANDBOX):
        words = "The key is a live one, and this site is a sandbox or has DEBUG on: people pay real money for nothing."
        yield fault("stripe-live", words, "Use a key that begins with sk_test_ or rk_test_ here.")
    if settings.PRODUCTION and is_public() and not identity.is_live():
        words = "The key is a test key, and this site is in production: people buy with cards that do not exist."
        yield warning("stripe-test", words, "Use a live key, with the endpoint and the webhook secret of live mode.")
    yield ok("stripe", f"{account}, {'live' if identity.is_live() else 'test mode'}")


def webhook() -> Iterator[Finding]:
    """Look at the endpoint by which Stripe tells this site of payments."""
    if not settings.PAYMENTS:
        return
    try:
        with patience.within(SECONDS):
            endpoints = gateway.webhook_endpoints()
    except gateway.KeyRefused as error:
        words = f"The key may not list the endpoints, so nothing is known of ours: {error}"
        yield note("stripe-webhook-unknown", words, "Give a restricted key the right to read Webhook Endpoints.")
        return
    except gateway.PaymentError:
        return  # `stripe` tells of it
    own = [endpoint for endpoint in endpoints if is_ours(endpoint["url"])]
    enabled = [endpoint for endpoint in own if endpoint["status"] == "enabled"]
    if not own:
        yield fault(
            "stripe-webhook-missing", f"No endpoint at Stripe leads to {address()}: payments are not booked.", _make()
        )
    elif not enabled:
        words = f"The endpoint that leads to {address()} is disabled, as Stripe does after days of failures."
        yield fault("stripe-webhook-disabled", words, "Mend what it failed for, enable it, then run reconcile_stripe.")
    elif len(enabled) > 1:
        words = f"{len(enabled)} endpoints lead here. Each signs with a secret of its own, and events come as often."
        yield warning("stripe-webhook-twice", words, "Keep the one whose secret is STRIPE_WEBHOOK_SECRET.")
    for endpoint in enabled[:1]:
        yield from _of_endpoint(endpoint)


def address() -> str:
    """Return where Stripe has to send events."""
    return f"{settings.PUBLIC_URL or f'http://127.0.0.1:{settings.PORT}'}{reverse('stripe_webhook')}"


def is_ours(url: str) -> bool:
    """Tell whether an endpoint leads to this site; the stand-in's, and any without PUBLIC_URL, on whatever host."""
    theirs, ours = urlsplit(url), urlsplit(address())
    same_place = settings.EMBEDDED_STRIPE or not settings.PUBLIC_URL or theirs.netloc.lower() == ours.netloc
    return same_place and theirs.path.rstrip("/") == ours.path.rstrip("/")


def _make() -> str:
    return (
        f"At Stripe (Developers → Webhooks) add {address()} with API version {gateway.API_VERSION} and the events "
        f"{', '.join(sorted(HANDLERS))}; put its secret into STRIPE_WEBHOOK_SECRET."
    )


def _of_endpoint(endpoint: WebhookEndpoint) -> Iterator[Finding]:
    version = endpoint["api_version"] or _usual_version()
    if version and version != gateway.API_VERSION:
        words = f"Its events are of API version {version}, and this version reads {gateway.API_VERSION}."
        yield fault(
            "stripe-webhook-version",
            words,
            f"Make an endpoint anew with version {gateway.API_VERSION}; one cannot be changed.",
        )
    wanted, sent = set(HANDLERS), set(endpoint["enabled_events"])
    if missing := sorted(wanted - sent) if "*" not in sent else []:
        rest = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        words = f"It does not tell of {', '.join(missing[:SHOWN])}{rest}: what those are about is booked late or never."
        yield fault("stripe-webhook-events", words, f"Add to the endpoint's events: {', '.join(missing)}.")
    is_secure = settings.PUBLIC_URL.startswith("https://") and not settings.EMBEDDED_STRIPE
    if is_secure and endpoint["url"].startswith("http://"):
        words = f"It is called in the clear: {endpoint['url']}."
        yield warning("stripe-webhook-clear", words, f"Let the endpoint's URL be {address()}.")


def _usual_version() -> str:
    """Return the version of the newest event that came: an endpoint without one has its account's."""
    newest = StripeEvent.objects.order_by("-received_at").values_list("api_version", flat=True).first()
    return str(newest or "")


def signature() -> Iterator[Finding]:
    """Compare when a webhook was last believed with when one that looked like Stripe's was last refused."""
    if not settings.PAYMENTS:
        return
    if len(settings.STRIPE_WEBHOOK_SECRETS) > 1:
        words = f"{len(settings.STRIPE_WEBHOOK_SECRETS)} webhook secrets are believed, as while one is changed."
        yield note("stripe-signature-former", words, "Take the former one out of STRIPE_WEBHOOK_SECRET a day later.")
    ago = pulse.heard()
    refused, accepted = ago.get(heard.REFUSED, float("inf")), ago.get(heard.ACCEPTED, float("inf"))
    if refused < min(accepted, LATELY_SECONDS):
        since = (
            "none was ever believed"
            if accepted == float("inf")
            else f"the last one believed came {_span(accepted)} ago"
        )
        words = f"{_span(refused)} ago a webhook came whose signature STRIPE_WEBHOOK_SECRET does not fit; {since}."
        cure = "Copy the endpoint's signing secret, which begins with whsec_, from its page into STRIPE_WEBHOOK_SECRET."
        yield fault("stripe-signature-wrong", words, cure)
    elif accepted < float("inf"):
        yield ok("stripe-signature", f"the last one believed came {_span(accepted)} ago")


def _span(seconds: float) -> str:
    for size, name in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {name}"
    return f"{seconds:.0f} seconds"
