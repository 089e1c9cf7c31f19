"""An image ends, and whoever wants to know is told: signed, once, whatever receivers do."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as site_settings
from django.utils import timezone
from standardwebhooks import Webhook, WebhookVerificationError

from accounts import keys
from accounts.models import User
from billing import ledger
from billing.models import OutgoingMail, Wallet
from generator.ask import admission
from generator.errors import TooManyEndpoints
from generator.jobs import announcements
from generator.models import Generation, WebhookDelivery, WebhookEndpoint, WebhookSigner
from generator.webhooks import courier, deliveries, endpoints, signing
from generator.webhooks.courier import OF_A_LANE, Courier
from generator.webhooks.deliveries import Outcome, Waiting
from generator.webhooks.post import Reply
from generator.webhooks.retries import PATIENCE, STEPS, Retries
from tests.conftest import Api
from tests.webhooks.conftest import SOON, bring_forward, deliver, end, only
from tests.webhooks.receivers import Receivers

pytestmark = pytest.mark.services

Ask = Callable[..., Generation]
State = WebhookDelivery.State


def test_the_address_of_a_request_is_told_as_a_status_says_it(ask: Ask, receivers: Receivers, api: Api) -> None:
    drawn = ask(url=receivers.url("/ok/"))
    deliver()
    [call] = receivers.calls
    status = api.get(f"/v1/reve-image/status/{drawn.public_id}").json()
    told = call.json
    assert told["type"] == "image.completed"
    assert told["data"] == status | {"url": told["data"]["url"]}
    assert told["data"]["url"] == f"http://localhost:{_port()}/images/{drawn.file_name}"
    assert (only().state, only().status, only().attempts, only().answer) == (State.DELIVERED, 200, 1, "ok")
    deliver(rounds=2)
    assert len(receivers.calls) == 1


def _port() -> int:
    return int(site_settings.PORT)


def test_a_failure_and_a_cancellation_are_told_too(ask: Ask, receivers: Receivers) -> None:
    ask(url=receivers.url("/ok/"), ends="failed")
    deliver()
    [call] = receivers.calls
    assert (call.json["type"], call.json["data"]["status"]) == ("image.failed", "failed")
    assert call.json["data"]["error"]["code"] == "upstream_failed"


def test_each_image_of_a_call_is_told_on_its_own(ask: Ask, wallet: Wallet, receivers: Receivers, give: Any) -> None:
    give(3)
    request = admission.ImageRequest(prompt="three", count=3, webhook_url=receivers.url("/ok/"))
    asked = admission.admit(wallet=wallet, request=request).generations
    for generation in asked:
        end(generation)
    deliver()
    assert {call.json["data"]["id"] for call in receivers.calls} == {one.public_id for one in asked}


def test_an_endpoint_is_told_only_what_it_wants(ask: Ask, wallet: Wallet, receivers: Receivers) -> None:
    endpoints.add(wallet, url=receivers.url("/ok/all"))
    endpoints.add(wallet, url=receivers.url("/ok/failures"), events=["image.failed"])
    ask()
    ask(ends="failed")
    deliver()
    assert [call.json["type"] for call in receivers.of("/ok/failures")] == ["image.failed"]
    assert sorted(call.json["type"] for call in receivers.of("/ok/all")) == ["image.completed", "image.failed"]


def test_who_wants_nothing_costs_one_look(ask: Ask, wallet: Wallet, statements: list[str]) -> None:
    drawn = ask()
    statements.clear()
    assert announcements.announce([drawn.pk]) == 0
    assert len(statements) == 1
    endpoints.add(wallet, url="https://example.com/hook")
    statements.clear()
    assert announcements.announce([drawn.pk]) == 1
    assert [sql.split()[0] for sql in statements if sql.startswith(("SELECT", "INSERT"))] == ["SELECT", "INSERT"]


def test_nobody_is_told_twice_of_the_same(ask: Ask, wallet: Wallet) -> None:
    endpoints.add(wallet, url="https://example.com/hook")
    drawn = ask(url="https://example.com/own")
    announcements.announce([drawn.pk])
    assert WebhookDelivery.objects.count() == 2


def test_a_test_image_is_told_only_where_its_request_says(alice: User, wallet: Wallet, receivers: Receivers) -> None:
    endpoints.add(wallet, url=receivers.url("/ok/endpoint"))
    key, _ = keys.mint(user=alice, name="tests", is_test=True)
    request = admission.ImageRequest(prompt="a lighthouse", webhook_url=receivers.url("/ok/own"))
    end(admission.admit(wallet=wallet, request=request, api_key=key).generation, "failed")
    deliver()
    [call] = receivers.calls
    assert (call.path, call.json["test"], call.json["data"]["test"]) == ("/ok/own", True, True)


# --- Signatures --------------------------------------------------------------------------------------------------


def test_signatures_are_those_of_the_standard(ask: Ask, wallet: Wallet, receivers: Receivers) -> None:
    ask(url=receivers.url("/ok/"))
    deliver()
    [call] = receivers.calls
    secret = signing.reveal(WebhookSigner.objects.get(wallet=wallet).secret)
    assert secret.startswith("whsec_")
    assert Webhook(secret).verify(call.body, call.headers)["type"] == "image.completed"
    signed = f"{call.headers['webhook-id']}.{call.headers['webhook-timestamp']}.".encode() + call.body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    by_hand = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert call.headers["webhook-signature"] == f"v1,{by_hand}"
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(call.body + b" ", call.headers)


def test_a_replaced_secret_is_good_for_a_day(ask: Ask, wallet: Wallet, receivers: Receivers) -> None:
    endpoint = endpoints.add(wallet, url=receivers.url("/ok/"))
    old = signing.reveal(endpoint.secret)
    endpoints.rotate(endpoint)
    endpoint.refresh_from_db()
    new = signing.reveal(endpoint.secret)
    assert new != old
    ask()
    deliver()
    for secret in (old, new):
        Webhook(secret).verify(receivers.calls[0].body, receivers.calls[0].headers)
    WebhookEndpoint.objects.update(old_until=timezone.now())
    ask()
    deliver()
    Webhook(new).verify(receivers.calls[1].body, receivers.calls[1].headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(old).verify(receivers.calls[1].body, receivers.calls[1].headers)


def test_secrets_are_sealed_and_can_be_sealed_anew(wallet: Wallet, settings: Any) -> None:
    endpoint = endpoints.add(wallet, url="https://example.com/hook")
    secret = signing.reveal(endpoint.secret)
    assert secret not in endpoint.secret
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another" * 8
    assert signing.reseal() == 1
    settings.SECRET_KEY_FALLBACKS = []
    endpoint.refresh_from_db()
    assert signing.reveal(endpoint.secret) == secret
    assert signing.reseal() == 0


def test_a_secret_that_does_not_open_ends_its_messages_with_words(
    ask: Ask, wallet: Wallet, receivers: Receivers, settings: Any
) -> None:
    endpoint = endpoints.add(wallet, url=receivers.url("/ok/"))
    settings.SECRET_KEY = "another" * 8
    ask()
    deliver()
    assert (only().state, only().last_error) == (State.FAILED, "The signing secret cannot be opened. Rotate it.")
    endpoints.rotate(endpoint)
    deliveries.resend(only())
    deliver()
    assert only().state == State.DELIVERED


# --- What is not taken -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "tries"), [("first3", 4), ("flaky", 4), ("busy", 2), ("slow", 1)])
def test_what_is_taken_in_the_end_is_sent_no_more(ask: Ask, receivers: Receivers, kind: str, tries: int) -> None:
    ask(url=receivers.url(f"/{kind}/"))
    deliver(rounds=tries + 2, seconds=0.5 if kind == "flaky" else 60)
    assert (only().state, only().attempts, len(receivers.calls)) == (State.DELIVERED, tries, tries)
    assert len({call.id for call in receivers.calls}) == 1
    assert len({call.body for call in receivers.calls}) == 1


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("always500", "It answered 500."),
        ("redirect", "It answered 302; redirects are not followed."),
        ("silent", "No answer within 0.2 seconds."),
        ("reset", "The connection broke off before there was an answer."),
    ],
)
def test_what_nobody_takes_is_given_up_in_the_end(ask: Ask, receivers: Receivers, kind: str, error: str) -> None:
    ask(url=receivers.url(f"/{kind}/"))
    deliver(seconds=0.2 if kind == "silent" else 60, rounds=10)
    assert (only().state, only().attempts, only().last_error) == (State.FAILED, 7, error)
    assert only().answer == ("<b>no</b>[31m" if kind == "always500" else "")
    assert {call.path for call in receivers.calls} == {f"/{kind}/"}


def test_the_steps_fill_a_day_and_no_more() -> None:
    now = timezone.now()
    assert timedelta(hours=20) < sum(STEPS, timedelta()) <= PATIENCE
    at, tries = now, 1
    while (pause := Retries().pause(tries, begun=now, now=at)) is not None:
        assert STEPS[tries - 1] * 0.9 <= pause <= STEPS[tries - 1]
        at, tries = at + pause, tries + 1
    assert (tries, at - now <= PATIENCE) == (len(STEPS) + 1, True)


def test_a_receiver_may_put_us_off_within_bounds() -> None:
    now = timezone.now()
    pause = Retries().pause
    assert pause(1, begun=now, now=now, asked=120) == timedelta(seconds=120)
    assert pause(1, begun=now, now=now, asked=1_000_000) == timedelta(hours=1)
    assert (pause(1, begun=now, now=now, asked=0) or timedelta()) > timedelta(seconds=4)
    assert pause(1, begun=now - timedelta(hours=23, minutes=59), now=now, asked=120) is None


def test_gone_switches_an_endpoint_off_and_says_so(
    ask: Ask, wallet: Wallet, receivers: Receivers, mailoutbox: list[Any]
) -> None:
    endpoint = endpoints.add(wallet, url=receivers.url("/gone/"))
    ask()
    deliver(rounds=2)
    endpoint.refresh_from_db()
    assert (endpoint.state, endpoint.off_because, len(receivers.calls)) == ("off", "gone", 1)
    assert only().state == State.FAILED
    ask()
    assert WebhookDelivery.objects.count() == 1
    [mail] = [one for one in mailoutbox if "webhook" in one.subject.lower()]
    assert f"/dashboard/webhooks/{endpoint.public_id}/" in mail.body


def test_days_of_failure_switch_an_endpoint_off(ask: Ask, wallet: Wallet, receivers: Receivers) -> None:
    endpoint = endpoints.add(wallet, url=receivers.url("/always500/"))
    ask()
    deliver()
    endpoint.refresh_from_db()
    assert endpoint.is_active
    assert endpoint.failing_since
    WebhookEndpoint.objects.update(failing_since=timezone.now() - timedelta(days=3))
    deliver(rounds=2)
    endpoint.refresh_from_db()
    assert (endpoint.state, endpoint.off_because) == ("off", "failing")
    assert (only().state, only().last_error) == (State.FAILED, endpoints.SWITCHED_OFF)
    assert OutgoingMail.objects.filter(template="webhook_off", wallet=wallet).count() == 1
    endpoints.resume(endpoint)
    assert deliveries.resend_failed(wallet) == 1


def test_a_blip_after_quiet_days_switches_nothing_off(ask: Ask, wallet: Wallet, receivers: Receivers) -> None:
    endpoint = endpoints.add(wallet, url=receivers.url("/always500/"))
    ask()
    deliver()
    long_ago = timezone.now() - timedelta(days=4)
    # The message ended without a success; nothing was tried since.
    WebhookDelivery.objects.update(state=State.FAILED, ended_at=long_ago)
    for last in (long_ago, None):  # None: it failed before that was noted
        WebhookEndpoint.objects.update(failing_since=long_ago, last_failure_at=last)
        ask()
        deliver()
        endpoint.refresh_from_db()
        assert endpoint.is_active
        assert endpoint.failing_since
        assert timezone.now() - endpoint.failing_since < timedelta(minutes=5)
    assert OutgoingMail.objects.filter(template="webhook_off").count() == 0


def test_one_success_ends_a_row_of_failures(ask: Ask, wallet: Wallet, receivers: Receivers) -> None:
    endpoint = endpoints.add(wallet, url=receivers.url("/ok/"))
    WebhookEndpoint.objects.update(failing_since=timezone.now() - timedelta(days=9))
    ask()
    deliver()
    endpoint.refresh_from_db()
    assert (endpoint.state, endpoint.failing_since) == ("active", None)


# --- What its owner does -----------------------------------------------------------------------------------------


def test_what_happens_while_it_is_paused_is_held(ask: Ask, wallet: Wallet, receivers: Receivers) -> None:
    endpoint = endpoints.add(wallet, url=receivers.url("/ok/"))
    ask()
    endpoints.pause(endpoint)
    ask()
    deliver()
    assert receivers.calls == []
    assert set(WebhookDelivery.objects.values_list("state", flat=True)) == {State.HELD}
    endpoints.resume(endpoint)
    deliver()
    assert len(receivers.calls) == 2


def test_what_was_held_in_the_moment_of_a_resume_is_sent(ask: Ask, wallet: Wallet, receivers: Receivers) -> None:
    endpoint = endpoints.add(wallet, url=receivers.url("/ok/"))
    ask()
    WebhookDelivery.objects.update(state=State.HELD)  # by whoever saw it paused a moment before
    deliver()
    assert receivers.calls == []
    assert deliveries.release() == 1
    deliver()
    assert len(receivers.calls) == 1
    endpoints.pause(endpoint)
    ask()
    assert deliveries.release() == 0


def test_a_deleted_endpoint_is_told_nothing_more(ask: Ask, wallet: Wallet, receivers: Receivers) -> None:
    endpoint = endpoints.add(wallet, url=receivers.url("/ok/"))
    ask()
    endpoints.delete(endpoint)
    ask()
    deliver()
    assert receivers.calls == []
    assert (only().state, only().last_error) == (State.FAILED, endpoints.DELETED)
    assert deliveries.resend(only()) is False
    long_ago = timezone.now() - timedelta(days=31)
    WebhookDelivery.objects.update(created_at=long_ago, ended_at=long_ago)
    assert deliveries.purge() == 1
    assert not WebhookEndpoint.objects.exists()


def test_what_is_held_is_kept_until_it_goes_out(ask: Ask, wallet: Wallet, receivers: Receivers) -> None:
    endpoint = endpoints.add(wallet, url=receivers.url("/ok/"))
    endpoints.pause(endpoint)
    ask()
    WebhookDelivery.objects.update(created_at=timezone.now() - timedelta(days=40))
    assert deliveries.purge() == 0
    endpoints.resume(endpoint)
    assert deliveries.purge() == 0
    deliver()
    assert len(receivers.calls) == 1
    assert deliveries.purge() == 0  # it can be looked at, and sent again, for a month
    WebhookDelivery.objects.update(ended_at=timezone.now() - timedelta(days=31))
    assert deliveries.purge() == 1


def test_a_test_message_says_that_it_is_one(wallet: Wallet, receivers: Receivers) -> None:
    endpoint = endpoints.add(wallet, url=receivers.url("/ok/"), events=["image.failed"])
    endpoints.send_test(endpoint)
    deliver()
    [call] = receivers.calls
    assert (call.json["type"], call.json["test"], call.json["data"]["status"]) == ("image.failed", True, "failed")


def test_a_message_is_sent_again_when_its_owner_says_so(ask: Ask, wallet: Wallet, receivers: Receivers) -> None:
    ask(url=receivers.url("/ok/"))
    deliver()
    assert deliveries.resend(only())
    assert not deliveries.resend(only())
    deliver()
    assert [call.id for call in receivers.calls] == [only().public_id] * 2


def test_only_so_many_endpoints_are_kept(wallet: Wallet) -> None:
    for number in range(endpoints.MOST_ENDPOINTS):
        endpoints.add(wallet, url=f"https://example.com/{number}")
    with pytest.raises(TooManyEndpoints):
        endpoints.add(wallet, url="https://example.com/more")


# --- To whom nothing is sent -------------------------------------------------------------------------------------


def test_a_suspended_account_is_told_nothing(ask: Ask, alice: User, receivers: Receivers) -> None:
    ask(url=receivers.url("/ok/"))
    User.objects.filter(pk=alice.pk).update(is_active=False)
    deliver()
    assert receivers.calls == []
    assert (only().state, only().last_error) == (State.FAILED, "The account was suspended.")


def test_a_deleted_image_is_not_told_of(ask: Ask, receivers: Receivers) -> None:
    drawn = ask(url=receivers.url("/ok/"))
    Generation.objects.filter(pk=drawn.pk).update(deleted_at=timezone.now())
    deliver()
    assert receivers.calls == []
    assert only().state == State.FAILED


def test_nothing_private_is_reached(ask: Ask, receivers: Receivers, settings: Any) -> None:
    ask(url=receivers.url("/ok/", host="localhost"))
    settings.WEBHOOKS_TO_PRIVATE = False
    deliver()
    assert receivers.calls == []
    assert (only().state, only().last_error) == (State.PENDING, "Its address is none in the public internet.")


# --- Who has a row -----------------------------------------------------------------------------------------------


def test_a_claim_that_lapsed_changes_nothing_but_that_it_was_taken(ask: Ask, receivers: Receivers) -> None:
    ask(url=receivers.url("/ok/"))
    [late] = deliveries.claim([only().pk])
    assert deliveries.claim([only().pk]) == []
    WebhookDelivery.objects.update(due_at=timezone.now())
    [parcel] = deliveries.claim([only().pk])
    deliveries.settle([Outcome(late, Reply(5, 500, "", "It answered 500."))], SOON)
    assert (only().claim, only().failures) == (parcel.claim, 0)
    deliveries.settle([Outcome(late, Reply(5, 200))], SOON)
    assert only().state == State.DELIVERED
    deliveries.settle([Outcome(parcel, Reply(5, 500, "", "It answered 500."))], SOON)
    assert only().state == State.DELIVERED


def test_a_slow_receiver_holds_up_nobody_else(ask: Ask, receivers: Receivers) -> None:
    for _ in range(30):
        ask(url=receivers.url("/silent/"))
    ask(url=receivers.url("/ok/", host="localhost"))

    async def run() -> float:
        courier = Courier(SOON, seconds=150)
        began = time.monotonic()
        task = asyncio.create_task(courier.run())
        while not receivers.of("/ok/") and time.monotonic() - began < 60:
            await asyncio.sleep(0.01)
        courier.close()
        task.cancel()
        return time.monotonic() - began

    assert asyncio.run(run()) < 60
    assert len(receivers.of("/silent/")) == OF_A_LANE


def test_a_body_is_json_that_any_parser_reads(ask: Ask, receivers: Receivers) -> None:
    ask(url=receivers.url("/ok/"))
    bring_forward()
    deliver()
    assert json.loads(receivers.calls[0].body.decode("utf-8"))
    assert receivers.calls[0].headers["content-type"] == "application/json"


def test_a_few_accounts_do_not_have_all_places() -> None:
    hands = courier.Hands()
    for number in range(1000):
        one = Waiting(number, number % 4, f"{number}.example", f"lane {number}")
        if hands.has_room(one):
            hands.take(one)
    assert hands.has_room(Waiting(1001, 5, "other.example", "other"))
    assert hands.wallets.total() <= courier.AT_ONCE // 2 + courier.OF_AN_ACCOUNT_AMONG_MANY


def test_one_message_has_a_place_beside_thousands_of_a_few_accounts(
    wallet: Wallet, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, sent = timezone.now(), list[str]()

    async def post(url: str, *_: object, **__: object) -> Reply:
        sent.append(url)
        await asyncio.sleep(120)
        return Reply(120_000, status=500)

    monkeypatch.setattr("generator.webhooks.post.post", post)
    others = [ledger.wallet_of(User.objects.create_user(f"{n}@example.com").pk) for n in range(4)]
    of = [(one, f"https://{number}.slow.example/", 60) for one in others for number in range(500)]
    WebhookDelivery.objects.bulk_create(
        WebhookDelivery(
            wallet=one,
            url=url,
            host=url,
            lane=f"{one.pk} {url}",
            event="image.completed",
            due_at=now - timedelta(seconds=overdue),
        )
        for one, url, overdue in [*of, (wallet, "https://fifth.example/", 1)]
    )

    async def round() -> None:
        one = Courier(SOON)
        await one.send_some()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(60):
                while "https://fifth.example/" not in sent:
                    await asyncio.sleep(0.01)
        for task in one._under_way:
            task.cancel()

    asyncio.run(round())
    assert "https://fifth.example/" in sent


def test_a_receiver_that_takes_seconds_has_places_for_few(
    ask: Ask, receivers: Receivers, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted: list[bool] = []
    monkeypatch.setattr(courier.Hands, "note", lambda _, lane, *, is_silent: noted.append(is_silent))
    for milliseconds in (10_000, -1):
        monkeypatch.setattr(courier, "SLOW_MILLISECONDS", milliseconds)
        ask(url=receivers.url("/ok/"))
        deliver()
    assert noted == [False, True]
