"""Dashboard → Webhooks: what an owner does there, and nobody else can."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from billing import ledger
from billing.models import Wallet
from generator.ask import limits
from generator.models import WebhookDelivery, WebhookEndpoint
from generator.webhooks import endpoints, signing

URL = "https://example.com/hook"
EVENTS = ["image.completed", "image.failed"]


@pytest.fixture
def browser(alice: User, client: Client) -> Client:
    client.force_login(alice)
    return client


@pytest.fixture
def endpoint(wallet: Wallet) -> WebhookEndpoint:
    return endpoints.add(wallet, url=URL)


def act(browser: Client, name: str, *arguments: str, **data: Any) -> Any:
    return browser.post(reverse(name, args=arguments), data)


def test_an_endpoint_is_added_and_its_secret_shown(browser: Client, wallet: Wallet) -> None:
    page = browser.get("/dashboard/webhooks/").content.decode()
    assert signing.reveal(signing.signer_of(wallet).secret) in page
    answer = act(browser, "webhooks", url=f" {URL} ", description="the shop", events=["image.failed"])
    added = endpoints.of(wallet).get()
    assert answer.url == f"/dashboard/webhooks/{added.public_id}/"
    assert (added.url, added.description, added.events) == (URL, "the shop", ["image.failed"])
    assert signing.reveal(added.secret) in browser.get(answer.url).content.decode()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "Write the address"),
        ("ftp://example.com/x", "https:// address"),
        ("https://me:secret@example.com/", "password"),
        ("https://example.com/" + "x" * 500, "at most 500"),
        ("https://example.com/ x", "without blanks"),
        ("http://example.com/", "https:// address"),
        ("https://10.0.0.1/", "public internet"),
        ("https://localhost/", "public internet"),
        ("https://2130706433/", "public internet"),
        ("https://[::1]/", "public internet"),
        ("https://db.internal/", "public internet"),
    ],
)
def test_an_address_that_will_not_do_is_refused_in_words(
    browser: Client, wallet: Wallet, settings: Any, url: str, words: str
) -> None:
    settings.WEBHOOKS_TO_PRIVATE = False
    answer = act(browser, "webhooks", url=url, events=EVENTS)
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not endpoints.of(wallet).exists()


def test_the_eleventh_is_refused(browser: Client, wallet: Wallet) -> None:
    for number in range(endpoints.MOST_ENDPOINTS):
        endpoints.add(wallet, url=f"{URL}/{number}")
    assert act(browser, "webhooks", url=URL, events=EVENTS).status_code == 422
    assert endpoints.of(wallet).count() == endpoints.MOST_ENDPOINTS


def test_it_is_edited_rotated_paused_resumed_and_deleted(browser: Client, endpoint: WebhookEndpoint) -> None:
    id, old = endpoint.public_id, endpoint.secret

    def now() -> WebhookEndpoint:
        return WebhookEndpoint.objects.get(pk=endpoint.pk)

    act(browser, "webhook", id, url=f"{URL}/new", description="", events=["image.completed"])
    assert (now().url, now().events) == (f"{URL}/new", ["image.completed"])
    act(browser, "webhook_rotate", id)
    assert (now().secret != old, now().old_secret) == (True, old)
    act(browser, "webhook_pause", id)
    assert now().is_paused
    act(browser, "webhook_resume", id)
    assert now().is_active
    assert browser.get(reverse("webhook_delete", args=[id])).status_code == 200
    assert now().is_active
    act(browser, "webhook_delete", id)
    assert (now().state, now().secret) == ("deleted", "")
    assert browser.get(reverse("webhook", args=[id])).status_code == 404


def test_a_test_is_sent_and_failures_are_resent(browser: Client, wallet: Wallet, endpoint: WebhookEndpoint) -> None:
    act(browser, "webhook_test", endpoint.public_id)
    sent = WebhookDelivery.objects.get()
    WebhookDelivery.objects.update(state="failed", failures=11)
    page = browser.get(f"/dashboard/webhooks/{endpoint.public_id}/?state=failed").content.decode()
    assert sent.public_id in page
    assert sent.public_id not in browser.get("/dashboard/webhooks/?state=delivered").content.decode()
    act(browser, "webhook_message_resend", sent.public_id)
    sent.refresh_from_db()
    assert (sent.state, sent.failures) == ("pending", 0)
    WebhookDelivery.objects.update(state="failed")
    act(browser, "webhooks_resend")
    sent.refresh_from_db()
    assert sent.state == "pending"


def test_only_so_many_tests_are_sent_a_minute(
    browser: Client, endpoint: WebhookEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "TESTS_PER_MINUTE", 2)
    for _ in range(3):
        act(browser, "webhook_test", endpoint.public_id)
    assert WebhookDelivery.objects.count() == 2
    page = browser.get(f"/dashboard/webhooks/{endpoint.public_id}/").content.decode()
    assert "You can send 2 tests a minute." in page


def test_an_endpoint_that_is_switched_off_says_why_and_goes_on_again(
    browser: Client, endpoint: WebhookEndpoint
) -> None:
    endpoints.switch_off(endpoint, WebhookEndpoint.Reason.GONE)
    page = browser.get(f"/dashboard/webhooks/{endpoint.public_id}/").content.decode()
    assert "410 Gone" in page
    assert "Switch it on again" in page
    act(browser, "webhook_resume", endpoint.public_id)
    endpoint.refresh_from_db()
    assert endpoint.is_active


def test_the_log_goes_on_page_by_page(browser: Client, wallet: Wallet, endpoint: WebhookEndpoint) -> None:
    for _ in range(60):
        endpoints.send_test(endpoint)
    first = browser.get("/dashboard/webhooks/").content.decode()
    older = WebhookDelivery.objects.order_by("-pk")[49].pk
    assert f"before={older}" in first
    second = browser.get(f"/dashboard/webhooks/?before={older}").content.decode()
    assert second.count('data-label="Tries"') == 10


def test_what_a_receiver_says_is_no_html(browser: Client, endpoint: WebhookEndpoint) -> None:
    endpoints.send_test(endpoint)
    WebhookDelivery.objects.update(state="failed", status=500, answer="<script>alert(1)</script>")
    assert "<script>alert" not in browser.get("/dashboard/webhooks/").content.decode()


PAGES: list[tuple[str, Callable[[WebhookEndpoint, WebhookDelivery], list[str]]]] = [
    *((name, lambda endpoint, _: [endpoint.public_id]) for name in ("webhook", "webhook_delete", "webhook_log")),
    *(
        (f"webhook_{act}", lambda endpoint, _: [endpoint.public_id])
        for act in ("pause", "resume", "rotate", "test", "resend")
    ),
    ("webhook_message_resend", lambda _, delivery: [delivery.public_id]),
]


@pytest.mark.parametrize(("name", "arguments"), PAGES, ids=[name for name, _ in PAGES])
def test_a_stranger_finds_nothing_and_changes_nothing(
    bob: User, client: Client, endpoint: WebhookEndpoint, name: str, arguments: Any
) -> None:
    delivery = endpoints.send_test(endpoint)
    WebhookDelivery.objects.update(state="failed")
    before = WebhookEndpoint.objects.values().get(), WebhookDelivery.objects.values().get()
    where = reverse(name, args=arguments(endpoint, delivery))
    assert client.post(where).status_code == 302  # to the log-in
    client.force_login(bob)
    ledger.wallet_of(bob.pk)
    assert client.get(where).status_code != 200
    assert client.post(where, {"url": "https://evil.example.com/", "events": EVENTS}).status_code == 404
    assert (WebhookEndpoint.objects.values().get(), WebhookDelivery.objects.values().get()) == before
