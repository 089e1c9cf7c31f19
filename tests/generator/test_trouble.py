"""Our own trouble with an upstream: told once, tried by one at a time, over when a submission is accepted."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from billing.models import OutgoingMail
from generator.models import Generation, Operation, Upstream, UpstreamTrouble
from generator.upstreams import routing, secret, trouble
from generator.upstreams.errors import Kind, OperatorTrouble
from tests.billing.books import audit
from tests.driver import step
from tests.generator.conftest import CannedServer, says

GENERATE = "/v1/reve-image/generate"
KEY = OperatorTrouble("401: no", Kind.KEY_REFUSED)
FUNDS = OperatorTrouble("402: no", Kind.OUT_OF_FUNDS)


@pytest.fixture(autouse=True)
def _fresh(transactional_db: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.REVE_API_URL = "https://api.reve-art.com"
    settings.PUBLIC_URL = "https://shop.example"
    monkeypatch.setattr(trouble, "CACHE_SECONDS", -1.0)


def reve() -> Upstream:
    return Upstream.objects.get(slug="reve")


def note(error: OperatorTrouble) -> None:
    trouble.note(reve(), error)


def put_back() -> None:
    trouble.put_back("reve")


def current() -> UpstreamTrouble | None:
    return trouble.current(reve())


def may_try() -> bool:
    known = current()
    return known is None or trouble.may_try(known)


def closes_intake() -> bool:
    return not routing.is_open(None, Operation.CREATE)


def later(seconds: float) -> None:
    """Let time pass, as far as the row knows."""
    found = UpstreamTrouble.objects.get()
    UpstreamTrouble.objects.update(
        next_try_at=found.next_try_at - timedelta(seconds=seconds), since=found.since - timedelta(seconds=seconds)
    )


def test_without_trouble_all_is_open() -> None:
    assert current() is None
    assert not closes_intake()
    assert may_try()
    put_back()


def test_trouble_is_one_row_however_often_it_is_met() -> None:
    for _ in range(3):
        note(KEY)
    found = UpstreamTrouble.objects.get()
    assert (found.upstream, found.kind) == ("reve", "key_refused")
    assert current() == found
    assert closes_intake()
    assert not may_try()


def test_another_upstreams_trouble_is_not_this_ones() -> None:
    other = Upstream.objects.create(slug="other", name="Other", dialect="reve_art", base_url="https://other.example")
    trouble.note(other, FUNDS)
    assert current() is None
    note(KEY)
    assert {row.upstream for row in UpstreamTrouble.objects.all()} == {"reve", "other"}


@pytest.mark.parametrize(
    "change", [{"base_url": "https://mended.example"}, {"secret": secret.seal("another-key")}, {"dialect": "fal_queue"}]
)
def test_with_another_address_or_key_it_is_tried_anew(change: dict[str, str]) -> None:
    note(KEY)
    Upstream.objects.update(**change)
    assert current() is None
    assert not UpstreamTrouble.objects.exists()


def test_what_it_was_met_with_is_kept_as_a_digest(settings: Any) -> None:
    settings.UPSTREAM_API_KEY = "rv-live-Zk39dkQp20sdkLLpq8"
    note(KEY)
    assert len(UpstreamTrouble.objects.get().access) == 64
    assert current() is not None
    settings.UPSTREAM_API_KEY = "rv-live-another"
    assert current() is None


def test_a_submission_that_is_accepted_ends_it() -> None:
    note(KEY)
    put_back()
    assert current() is None
    assert may_try()


# --- Who is told -----------------------------------------------------------------------------------------------


def test_the_operator_is_told_once_and_again_when_it_is_over(sam: User, alice: User, mailoutbox: list[Any]) -> None:
    for _ in range(5):
        note(FUNDS)
        later(60)
    [message] = mailoutbox
    assert message.to == ["sam@example.com"]
    assert message.subject == "reve draws nothing: your funds there are gone"
    for words in (message.body, message.alternatives[0][0]):
        assert "https://shop.example/admin/" in words
        assert "None" not in words
        assert "{" not in words.partition("</style>")[2]
    put_back()
    put_back()
    assert [message.subject for message in mailoutbox[1:]] == ["reve draws again"]


def test_a_key_that_is_refused_is_told_as_that(sam: User, mailoutbox: list[Any]) -> None:
    note(KEY)
    assert mailoutbox[0].subject == "reve draws nothing: it refuses your key"
    assert "REVE_API_KEY" in mailoutbox[0].body


def test_another_kind_of_trouble_is_told_too(sam: User, mailoutbox: list[Any]) -> None:
    note(KEY)
    note(FUNDS)
    note(FUNDS)
    assert len(mailoutbox) == 2
    assert UpstreamTrouble.objects.get().kind == "out_of_funds"


def test_trouble_that_comes_and_goes_does_not_fill_a_mailbox(sam: User, mailoutbox: list[Any]) -> None:
    for _ in range(20):
        note(KEY)
        put_back()
    assert len(mailoutbox) <= 4  # told and mended, and the clock may have struck a quarter meanwhile


def test_what_was_kept_quiet_is_told_when_it_stays(
    sam: User, mailoutbox: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    note(KEY)
    put_back()
    note(KEY)
    OutgoingMail.objects.filter(template="upstream_trouble").update(reference="a quarter of an hour ago")
    before = len(mailoutbox)
    later(60)
    note(KEY)
    later(60)
    note(KEY)
    assert len(mailoutbox) == before + 1


def test_only_superusers_of_a_confirmed_address_are_operators(
    sam: User, mailoutbox: list[Any], monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.SUPPORT_EMAIL = "help@shop.example"
    User.objects.create(email="gone@example.com", is_superuser=True, deleted_at=timezone.now())
    User.objects.create(email="off@example.com", is_superuser=True, is_active=False)
    User.objects.create(email="staff@example.com", is_staff=True)
    note(KEY)
    assert [message.to for message in mailoutbox] == [["sam@example.com"]]


def test_whom_alerts_are_for_hears_of_upstreams_too(sam: User, mailoutbox: list[Any], settings: Any) -> None:
    settings.ALERT_EMAILS = ["oncall@example.com", "boss@example.com"]
    note(KEY)
    assert [message.to for message in mailoutbox] == [["oncall@example.com"], ["boss@example.com"]]


def test_without_one_the_support_address_is_told(mailoutbox: list[Any], settings: Any) -> None:
    note(KEY)
    assert mailoutbox == []
    settings.SUPPORT_EMAIL = "help@shop.example"
    later(60)
    note(KEY)
    assert [message.to for message in mailoutbox] == [["help@shop.example"]]


# --- Trials ----------------------------------------------------------------------------------------------------


def test_a_trial_is_given_to_one() -> None:
    note(KEY)
    later(15)
    assert [may_try() for _ in range(3)] == [True, False, False]


def test_a_trial_that_fails_is_followed_by_another_after_a_while(sam: User) -> None:
    note(KEY)
    later(15)
    assert may_try()
    note(KEY)
    assert not may_try()
    later(15)
    assert may_try()


def test_a_trial_whose_sender_died_is_followed_by_another(settings: Any) -> None:
    note(KEY)
    later(15)
    assert may_try()
    later(settings.UPSTREAM_TIMEOUT_SECONDS)
    assert not may_try()  # it may still be under way
    later(5)
    assert may_try()


@pytest.mark.services
def test_of_many_that_want_to_try_at_once_one_may() -> None:
    note(KEY)
    later(15)
    at_once = threading.Barrier(4)

    def ask(_: int) -> bool:
        try:
            current()
            at_once.wait()
            return may_try()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(ask, range(4))) == 1


@pytest.mark.services
def test_of_many_that_meet_it_at_once_one_tells(sam: User, mailoutbox: list[Any]) -> None:
    at_once = threading.Barrier(4)

    def meet(_: int) -> None:
        try:
            at_once.wait()
            note(KEY)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(meet, range(4)))
    assert OutgoingMail.objects.count() == 1
    assert UpstreamTrouble.objects.count() == 1


# --- Intake ----------------------------------------------------------------------------------------------------


def test_intake_opens_when_a_trial_is_due_and_nothing_waits_to_be_it() -> None:
    """Else nobody would ever find out that the trouble is over."""
    note(FUNDS)
    later(15)
    assert closes_intake()  # what waits has a moment to take it
    later(4)
    assert not closes_intake()
    assert may_try()
    assert closes_intake()


def test_to_ask_costs_a_query_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trouble, "CACHE_SECONDS", 60.0)
    for is_met in (False, True):
        if is_met:
            note(KEY)
        with CaptureQueriesContext(connection) as captured:
            for _ in range(10):
                routing.is_open(None, Operation.CREATE)
                trouble.all_current()
        assert len(captured) <= (1 if is_met else 2)  # and what routes there are


def test_a_thousand_that_come_back_at_once_write_once(sam: User) -> None:
    note(KEY)
    with CaptureQueriesContext(connection) as captured:
        for _ in range(10):
            note(KEY)
    assert not [query for query in captured.captured_queries if query["sql"].startswith(("UPDATE", "INSERT"))]


def test_an_admin_sees_it_while_there_is_any(
    sam: User, client: Any, settings: Any, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    client.force_login(sam)
    page = "/admin/generator/upstreamtrouble/"
    assert "Upstreams that draw nothing" not in client.get("/admin/").content.decode()
    note(KEY)
    assert "Upstreams that draw nothing" in client.get("/admin/").content.decode()
    assert "It refuses our key" in client.get(page).content.decode()


# --- Through a worker ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "kind"), [(401, "key_refused"), (402, "out_of_funds"), (403, "key_refused")])
def test_our_own_trouble_fails_nobodys_image(
    generation: Generation, upstream: CannedServer, sam: User, mailoutbox: list[Any], status: int, kind: str
) -> None:
    accepted = upstream.replies[GENERATE]
    says(upstream, GENERATE, {"error": {"message": "No."}}, status)
    for _ in range(3):
        generation = step(generation)
    assert (generation.status, generation.error_code) == (Generation.Status.QUEUED, "")
    assert audit(generation.wallet) == 2  # its credit is still set aside
    assert UpstreamTrouble.objects.get().kind == kind
    assert sent_to(upstream) == 1
    assert len(mailoutbox) == 1

    later(15)
    generation = step(generation)
    assert sent_to(upstream) == 2  # one trial, which failed
    generation = step(generation)
    assert sent_to(upstream) == 2

    upstream.replies[GENERATE] = accepted
    later(15)
    generation = step(generation)
    assert generation.status == Generation.Status.DRAWING
    assert not UpstreamTrouble.objects.exists()
    assert len(mailoutbox) == 2


def test_one_job_that_is_refused_is_not_the_only_one_that_is_ever_tried(
    generation: Generation, upstream: CannedServer
) -> None:
    """An upstream may answer 403 to what somebody wrote: nobody else could ever find out that the key is fine."""
    says(upstream, GENERATE, {}, 403)
    generation = step(generation)
    later(15)
    generation = step(generation)
    assert sent_to(upstream) == 2
    assert timezone.now() + timedelta(seconds=20) < generation.due_at
    later(19)
    assert not closes_intake()


def test_a_drawing_whose_look_is_refused_goes_on_when_that_is_over(
    generation: Generation, upstream: CannedServer
) -> None:
    says(upstream, "/v1/reve-image/status/up_1", {}, 401)
    generation = step(step(step(generation)))
    assert generation.status == Generation.Status.DRAWING
    assert UpstreamTrouble.objects.exists()
    says(upstream, "/v1/reve-image/status/up_1", {"id": "up_1", "status": "failed"})
    assert step(generation).status == Generation.Status.FAILED


def sent_to(upstream: CannedServer) -> int:
    return [path for _, path, _, _ in upstream.requests].count(GENERATE)
