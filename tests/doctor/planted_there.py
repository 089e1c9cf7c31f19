"""Faults of what this site talks to: Stripe, upstreams, storage, mail, and what stands in front."""

import os
from typing import Any

import httpx
from django.test import Client

from accounts.models import User
from billing import gateway, ledger
from billing.models import StripeEvent
from billing.stripe import heard
from generator.ask import admission
from generator.models import Generation, ImageModel, Upstream, UpstreamTrouble
from generator.upstreams import secret
from kit import pulse
from reveweb.doctor import dns
from reveweb.doctor.checks import front, mail
from reveweb.doctor.findings import Level
from tests import bucket, environment, tls
from tests.doctor import servers
from tests.doctor.planting import Site, planted
from tests.doctor.servers import Habits
from tests.environment import free_port

SENDER = "Images <hello@example.test>"


# --- Stripe ------------------------------------------------------------------------------------------------------


def stripe_endpoint(site: Site, **more: Any) -> str:
    """Make an endpoint at the stand-in for Stripe, for as long as the test takes, and return its id."""
    environment.SANDBOX.ensure()
    stripe = httpx.Client(base_url=site.settings.STRIPE_API_BASE, headers={"Authorization": "Bearer sk_test_sandbox"})
    site.stack.callback(stripe.close)
    data = {"url": "http://127.0.0.1:9/stripe/webhook/", "enabled_events[]": ["*"], **more}
    answer = stripe.post("/v1/webhook_endpoints", data={name: value for name, value in data.items() if value})
    assert answer.is_success, answer.text
    id = str(answer.json()["id"])
    site.stack.callback(lambda: stripe.delete(f"/v1/webhook_endpoints/{id}"))
    return id


def stripe_at(site: Site, port: int) -> None:
    """Have the gateway ask another server."""
    site.settings.STRIPE_API_BASE = f"http://127.0.0.1:{port}"
    gateway._client.cache_clear()
    site.stack.callback(gateway._client.cache_clear)


@planted("stripe-key", "stripe", Level.FAULT, cause="refuses STRIPE_SECRET_KEY", cure="Make a key at Stripe")
def refused_stripe_key(site: Site) -> None:
    error = {"error": {"type": "invalid_request_error", "message": "Invalid API Key provided: sk_test_****box"}}
    stripe_at(site, site.stack.enter_context(servers.saying(401, error)))


@planted("stripe-unreachable", "stripe", Level.FAULT, cause="cannot be asked", cure="api.stripe.com")
def unreachable_stripe(site: Site) -> None:
    stripe_at(site, free_port())


@planted("stripe-live", "stripe", Level.FAULT, cause="a live one", cure="sk_test_")
def live_key_in_a_sandbox(site: Site) -> None:
    stripe_at(site, site.stack.enter_context(servers.saying(200, {"id": "acct_1", "object": "account"})))
    site.settings.STRIPE_SECRET_KEY = "sk_live_of_the_real_shop"


@planted("stripe-test", "stripe", Level.WARNING, cause="a test key", cure="Use a live key")
def test_key_in_production(site: Site) -> None:
    environment.SANDBOX.ensure()
    site.settings.PRODUCTION, site.settings.SANDBOX = True, False
    site.settings.PUBLIC_URL = "https://images.example.com"


@planted("stripe-webhook-missing", "stripe-webhook", Level.FAULT, cause="/stripe/webhook/", cure="invoice.paid")
def no_endpoint(site: Site) -> None:
    stripe_endpoint(site, url="https://other.example.com/hooks/")


@planted("stripe-webhook-disabled", "stripe-webhook", Level.FAULT, cause="is disabled", cure="reconcile_stripe")
def disabled_endpoint(site: Site) -> None:
    id = stripe_endpoint(site)
    key = {"Authorization": "Bearer sk_test_sandbox"}
    url = f"{site.settings.STRIPE_API_BASE}/v1/webhook_endpoints/{id}"
    assert httpx.post(url, data={"disabled": "true"}, headers=key).is_success


@planted("stripe-webhook-twice", "stripe-webhook", Level.WARNING, cause="2 endpoints", cure="Keep the one")
def two_endpoints(site: Site) -> None:
    stripe_endpoint(site)
    stripe_endpoint(site)


@planted("stripe-webhook-events", "stripe-webhook", Level.FAULT, cause="charge.dispute.closed", cure="charge.refunded")
def endpoint_without_refunds(site: Site) -> None:
    stripe_endpoint(site, **{"enabled_events[]": ["invoice.paid", "checkout.session.completed"]})


@planted("stripe-webhook-version", "stripe-webhook", Level.FAULT, cause="2024-06-20", cure=gateway.API_VERSION)
def endpoint_of_an_older_version(site: Site) -> None:
    stripe_endpoint(site)
    StripeEvent.objects.create(id="evt_old", type="invoice.paid", payload={}, api_version="2024-06-20")


@planted("stripe-webhook-clear", "stripe-webhook", Level.WARNING, cause="in the clear", cure="https://images.test")
def endpoint_in_the_clear(site: Site) -> None:
    site.settings.PUBLIC_URL, site.settings.EMBEDDED_STRIPE = "https://images.test", False
    stripe_endpoint(site, url="http://images.test/stripe/webhook/")


@planted(
    "stripe-signature-wrong", "stripe-signature", Level.FAULT, cause="STRIPE_WEBHOOK_SECRET", cure="signing secret"
)
def wrong_webhook_secret(site: Site) -> None:
    pulse.beat(heard.ACCEPTED)
    signature = f"t=1700000000,v1={'0' * 64}"
    headers = {"Stripe-Signature": signature}
    answer = Client().post("/stripe/webhook/", b"{}", content_type="application/json", headers=headers)
    assert answer.status_code == 400
    assert heard.flush()


@planted(
    "stripe-signature-former", "stripe-signature", Level.NOTE, cause="2 webhook secrets", cure="Take the former one"
)
def two_webhook_secrets(site: Site) -> None:
    site.settings.STRIPE_WEBHOOK_SECRETS = ("whsec_newer_of_the_two", "whsec_former_of_the_two")


# --- Upstreams ---------------------------------------------------------------------------------------------------


def upstream_saying(status: int, body: Any = None) -> Any:
    def plant(site: Site) -> None:
        port = site.stack.enter_context(servers.saying(status, body))
        Upstream.objects.update(base_url=f"http://127.0.0.1:{port}")

    return plant


planted("upstreams-key-refused", "upstreams", Level.FAULT, cause="refuses our key", cure="REVE_API_KEY")(
    upstream_saying(401, {"error": "bad key"})
)
planted("upstreams-funds", "upstreams", Level.FAULT, cause="our funds there are gone", cure="Pay in there")(
    upstream_saying(402, {"error": "no credits"})
)
planted("upstreams-unreachable", "upstreams", Level.FAULT, cause="500", cure="http://127.0.0.1")(upstream_saying(500))


@planted("upstreams-funds", "upstreams", Level.FAULT, cause="since", cure="Put back")
def upstream_that_ran_dry(site: Site) -> None:
    environment.SANDBOX.ensure()
    slug = Upstream.objects.get().slug
    UpstreamTrouble.objects.create(upstream=slug, kind=UpstreamTrouble.Kind.OUT_OF_FUNDS)


@planted("upstreams-key-closed", "upstreams", Level.FAULT, cause="neither the present one", cure="SECRET_KEY_FALLBACKS")
def key_of_another_secret(site: Site) -> None:
    present = site.settings.SECRET_KEY
    site.settings.SECRET_KEY = "a-former-secret-of-fifty-characters-and-some-more"
    Upstream.objects.update(secret=secret.seal("a-key"))
    site.settings.SECRET_KEY = present


@planted("upstreams-none", "upstreams", Level.FAULT, cause="nothing is drawn", cure="put one back")
def no_upstream(site: Site) -> None:
    Upstream.objects.update(is_active=False)


@planted("routes-missing", "routes", Level.WARNING, cause="The model nobodys is offered", cure="Add a route")
def model_that_nobody_draws(site: Site) -> None:
    ImageModel.objects.create(slug="nobodys", name="Nobody’s")


# --- Storage -----------------------------------------------------------------------------------------------------


def bucket_that(trouble: bucket.Trouble) -> Any:
    def plant(site: Site) -> None:
        served = site.stack.enter_context(bucket.running())
        bucket.use(site.settings, served)
        served.trouble = trouble

    return plant


for name, check, trouble, cause, cure in (
    ("storage-images-refused", "storage-images", bucket.Trouble.READ_ONLY, "cannot be written", "put, get and delete"),
    ("storage-images-refused", "storage-images", bucket.Trouble.NO_BUCKET, "no bucket of that name", "S3_BUCKET"),
    ("storage-images-refused", "storage-images", bucket.Trouble.NO_DELETE, "cannot be deleted", "put, get and delete"),
    ("storage-images-refused", "storage-images", bucket.Trouble.HANGS, "does not answer", "S3_ENDPOINT_URL"),
    ("storage-images-listed", "storage-images", bucket.Trouble.LISTED, "can list the bucket", "right to list"),
    ("storage-private-public", "storage-private", bucket.Trouble.PUBLIC, "without a signature", "Block public access"),
):
    planted(name, check, Level.FAULT, cause=cause, cure=cure)(bucket_that(trouble))


@planted("storage-images-refused", "storage-images", Level.FAULT, cause="cannot be written", cure="whose it is")
def folder_of_images_that_is_a_file(site: Site) -> None:
    (site.folder / "images").write_text("not a folder")
    options = {"location": site.folder / "images", "allow_overwrite": True}
    here = {**site.settings.STORAGES["default"], "OPTIONS": options}
    site.settings.STORAGES = {**site.settings.STORAGES, "default": here}


# --- Mail --------------------------------------------------------------------------------------------------------


def mail_at(site: Site, port: int) -> None:
    """Have mails sent by the server on a loopback port, with a password."""
    site.settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    site.settings.EMAIL_HOST, site.settings.EMAIL_PORT = "127.0.0.1", port
    site.settings.EMAIL_HOST_USER, site.settings.EMAIL_HOST_PASSWORD = "me", "mail-password"
    site.settings.DEFAULT_FROM_EMAIL = SENDER


def mail_server_that_says(**refuses: str) -> Any:
    def plant(site: Site) -> None:
        mail_at(site, site.stack.enter_context(servers.post(refuses)).port)

    return plant


for name, refuses, cause, cure in (
    ("mail-login", {"AUTH": "535 5.7.8 no such user"}, "535 5.7.8 no such user", "EMAIL_URL"),
    (
        "mail-sender",
        {"MAIL": "550 5.7.1 not your domain"},
        "no mail from hello@example.test: 550",
        "DEFAULT_FROM_EMAIL",
    ),
    ("mail-recipient", {"RCPT": "554 relay access denied"}, "554 relay access denied", "Log in there"),
):
    planted(name, "mail", Level.FAULT, cause=cause, cure=cure)(mail_server_that_says(**refuses))


@planted("mail-tls", "mail", Level.FAULT, cause="STARTTLS", cure="port and the scheme")
def mail_server_without_tls(site: Site) -> None:
    mail_server_that_says()(site)
    site.settings.EMAIL_USE_TLS = True


@planted("mail-unreachable", "mail", Level.FAULT, cause="cannot be reached", cure="Many clouds block port 25")
def no_mail_server(site: Site) -> None:
    mail_at(site, free_port())


@planted("mail-unreachable", "mail", Level.FAULT, cause="timed out", cure="host and port in EMAIL_URL")
def mail_server_that_hangs(site: Site) -> None:
    site.patch.setattr(mail, "SECONDS", 0.3)
    mail_at(site, site.stack.enter_context(servers.hanging()))


@planted("mail-nowhere", "mail", Level.WARNING, cause="Nobody gets a mail", cure="smtp+tls://")
def mails_into_a_folder(site: Site) -> None:
    site.settings.PUBLIC_URL = "https://images.example.com"


def records(**found: list[str]) -> Any:
    """Return what has the DNS hold these records: `own` of the sender's domain, `dmarc` below it."""

    def plant(site: Site) -> None:
        mail_at(site, free_port())
        told = {"example.test": found.get("own", []), "_dmarc.example.test": found.get("dmarc", [])}
        port = site.stack.enter_context(servers.names(told))
        site.patch.setattr(dns, "name_servers", lambda: [("127.0.0.1", port)])

    return plant


DMARC = ["v=DMARC1; p=none"]
planted("mail-records-spf", "mail-records", Level.WARNING, cause="example.test has no SPF", cure="v=spf1 include:")(
    records(own=["another=record"], dmarc=DMARC)
)
planted("mail-records-spf", "mail-records", Level.WARNING, cause="2 SPF records", cure="Make one of them")(
    records(own=["v=spf1 -all", "v=spf1 mx ~all"], dmarc=DMARC)
)
planted("mail-records-dmarc", "mail-records", Level.NOTE, cause="no DMARC", cure="TXT _dmarc.example.test")(
    records(own=["v=spf1 mx ~all"])
)


# --- In front ----------------------------------------------------------------------------------------------------


def behind(habits: Habits, *, secure: bool = True, trusted: Any = 1) -> Any:
    """Return what puts a proxy with these habits in front of the site, and TLS in front of that."""

    def plant(site: Site) -> None:
        port = site.stack.enter_context(servers.proxy(site.stack.enter_context(servers.site()), habits))
        if secure:
            certificate = tls.certificate(site.folder)
            port = site.stack.enter_context(tls.tls_in_front_of(port, certificate))
            site.patch.setenv("SSL_CERT_FILE", str(certificate))
        site.settings.PUBLIC_URL = f"http{'s' if secure else ''}://127.0.0.1:{port}"
        site.settings.TRUSTED_PROXIES = trusted

    return plant


HEALTHY = behind(Habits())
planted("front-scheme", "front", Level.FAULT, cause="does not pass the scheme", cure="X-Forwarded-Proto $scheme")(
    behind(Habits(proto=""))
)
planted("front-scheme", "front", Level.FAULT, cause="X-Forwarded-Proto is http", cure="hand on")(
    behind(Habits(proto="http"))
)
planted("front-scheme", "front", Level.FAULT, cause="is not believed", cure="TRUSTED_PROXIES=1")(
    behind(Habits(), trusted=0)
)
planted("front-host", "front", Level.FAULT, cause="where people ask for", cure="proxy_set_header Host $http_host")(
    behind(Habits(passes_host=False))
)
planted("proxies-believed", "proxies", Level.FAULT, cause="may choose their address", cure="TRUSTED_PROXIES")(
    behind(Habits(appends=False))
)
planted("proxies-ignored", "proxies", Level.FAULT, cause="seem to come from the proxy", cure="TRUSTED_PROXIES=1")(
    behind(Habits(), secure=False, trusted=0)
)
planted("proxies-few", "proxies", Level.WARNING, cause="passes 2 proxies", cure="TRUSTED_PROXIES=2")(
    behind(Habits(through=2))
)
planted("stream-buffered", "stream", Level.FAULT, cause="came at once", cure="proxy_buffering off")(
    behind(Habits(buffers=True))
)
planted("certificate-expiring", "certificate", Level.FAULT, cause="ends in 1 days", cure="certbot renew")(HEALTHY)


@planted("held-cut", "held", Level.FAULT, cause="is cut off", cure="proxy_read_timeout")
def impatient_proxy(site: Site) -> None:
    site.patch.setattr(front, "HELD_SECONDS", 0.8)
    behind(Habits(cuts_after=0.4))(site)


@planted("certificate-invalid", "certificate", Level.FAULT, cause="refuse the certificate", cure="certbot")
def certificate_that_nobody_knows(site: Site) -> None:
    HEALTHY(site)
    site.patch.setenv("SSL_CERT_FILE", os.devnull)


@planted("images-unreachable", "images", Level.FAULT, cause="is answered 404", cure="IMAGE_BASE_URL")
def cdn_that_knows_no_images(site: Site) -> None:
    wallet = ledger.wallet_of(User.objects.create(email="alice@example.com").pk)
    drawn = admission.admit(wallet=wallet, request=admission.ImageRequest(prompt="a fox")).generation
    Generation.objects.filter(pk=drawn.pk).update(status=Generation.Status.COMPLETED, file_extension="png")
    site.settings.IMAGE_BASE_URL = f"http://127.0.0.1:{site.stack.enter_context(servers.saying(404))}"


@planted("front-elsewhere", "front", Level.FAULT, cause="by something else", cure="DNS")
def another_site(site: Site) -> None:
    port = site.stack.enter_context(servers.saying(200, "<h1>Welcome to nginx!</h1>"))
    site.settings.PUBLIC_URL = f"http://127.0.0.1:{port}"


@planted("front-elsewhere", "front", Level.FAULT, cause="by another installation", cure="the proxy's target")
def another_installation(site: Site) -> None:
    behind(Habits(proto="http"), secure=False)(site)
    site.patch.setattr("reveweb.doctor.checks.front.site.name", lambda: "another")


@planted("front-version", "front", Level.WARNING, cause="and this is 9.9.9", cure="restart every process")
def older_web_process(site: Site) -> None:
    behind(Habits(proto="http"), secure=False)(site)
    site.patch.setattr(front, "VERSION", "9.9.9")


@planted("front-unreachable", "front", Level.FAULT, cause="the proxy answers 502", cure="the web process")
def proxy_without_a_site(site: Site) -> None:
    port = site.stack.enter_context(servers.saying(502, "<h1>Bad gateway</h1>"))
    site.settings.PUBLIC_URL = f"http://127.0.0.1:{port}"


@planted("front-unreachable", "front", Level.FAULT, cause="no name images.invalid", cure="Look at the DNS")
def name_that_nobody_has(site: Site) -> None:
    site.settings.PUBLIC_URL = "http://images.invalid"


@planted("front-host", "front", Level.FAULT, cause="not in ALLOWED_HOSTS", cure="pass the Host on")
def host_that_is_not_allowed(site: Site) -> None:
    behind(Habits(passes_host=False))(site)
    site.settings.ALLOWED_HOSTS = ["images.example.com"]
