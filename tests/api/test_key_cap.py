"""A key's monthly credit limit: exact under parallel calls, shared with its successors, at the same cost always."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from datetime import timezone as timezone_of
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import keys
from accounts.models import ApiKey
from billing.models import CreditEntry, Wallet
from generator.ask import admission
from generator.ask.admission import ImageRequest
from generator.errors import KeyLimitReached, OutOfCredits
from generator.jobs import caps, lifecycle
from generator.models import Generation, KeyMonth
from tests.api.answers import assert_error
from tests.conftest import Api

pytestmark = pytest.mark.services

ASK = {"prompt": "a lighthouse", "async": True}


def cap(api: Api, credits: int) -> None:
    ApiKey.objects.filter(pk=api.key.pk).update(monthly_credit_cap=credits)
    api.key.refresh_from_db()


def spent_this_month(key: ApiKey) -> dict[int, int]:
    return {pk: spent.month for pk, spent in caps.spent_by_key([key]).items()}


def ask(api: Api, wallet: Wallet) -> Generation:
    request = ImageRequest(prompt="a lighthouse")
    return admission.admit(wallet=wallet, request=request, api_key=api.key).generation


def test_a_key_at_its_limit_is_refused_and_nothing_is_charged(api: Api, wallet: Wallet) -> None:
    cap(api, 2)
    for _ in range(2):
        assert api.post(ASK).status_code == 202
    answer = api.post(ASK)
    words = assert_error(answer, 402, "key_limit_reached")
    assert "monthly credit limit" in words
    assert answer["X-Credits-Charged"] == "0"
    assert answer["X-Credits-Remaining"] == "1"
    assert "RateLimit-Remaining" in answer
    wallet.refresh_from_db()
    assert wallet.balance == 1
    assert Generation.objects.count() == 2
    assert CreditEntry.objects.filter(kind=CreditEntry.Kind.HOLD).count() == 2


def test_twenty_parallel_calls_on_a_limit_of_five_make_five_images(api: Api, wallet: Wallet, give: Any) -> None:
    give(30)
    cap(api, 5)

    def call(_: int) -> str:
        try:
            ask(api, Wallet.objects.select_related("plan").get(pk=wallet.pk))
        except KeyLimitReached:
            return "refused"
        else:
            return "admitted"
        finally:
            connection.close()

    with ThreadPoolExecutor(20) as pool:
        outcomes = Counter(pool.map(call, range(20)))
    assert outcomes == {"admitted": 5, "refused": 15}
    assert Generation.objects.count() == 5
    wallet.refresh_from_db()
    assert wallet.balance == 28


def test_a_returned_credit_does_not_count(api: Api, wallet: Wallet) -> None:
    cap(api, 1)
    generation = ask(api, wallet)
    assert api.post(ASK).status_code == 402
    lifecycle.fail(generation, code="upstream_failed", message="The brush broke.")
    assert api.post(ASK).status_code == 202


def test_last_months_credits_do_not_count(api: Api, wallet: Wallet, monkeypatch: pytest.MonkeyPatch) -> None:
    cap(api, 1)
    ask_last_month(api, wallet, monkeypatch)
    assert api.post(ASK).status_code == 202
    assert api.post(ASK).status_code == 402


def test_what_last_month_gives_back_makes_no_room_in_this_one(
    api: Api, wallet: Wallet, monkeypatch: pytest.MonkeyPatch
) -> None:
    cap(api, 1)
    generation = ask_last_month(api, wallet, monkeypatch)
    assert api.post(ASK).status_code == 202
    lifecycle.fail(generation, code="upstream_failed", message="The brush broke.")
    assert api.post(ASK).status_code == 402
    assert spent_this_month(api.key) == {api.key.pk: 1}


def ask_last_month(api: Api, wallet: Wallet, monkeypatch: pytest.MonkeyPatch) -> Generation:
    with monkeypatch.context() as patch:
        then = caps.month_start() - timedelta(seconds=1)
        patch.setattr(timezone, "now", lambda: then)
        return ask(api, wallet)


def test_the_month_is_a_calendar_month_of_utc() -> None:
    start = caps.month_start()
    now = datetime.now(UTC)
    assert start == datetime(now.year, now.month, 1, tzinfo=UTC)
    assert caps.month_of(start) == start.date()
    assert caps.month_of(start.astimezone(timezone_of(timedelta(hours=-5)))) == start.date()
    assert caps.month_of(start - timedelta(microseconds=1)) < start.date()


def test_what_is_counted_is_what_the_rows_say(api: Api, wallet: Wallet, give: Any) -> None:
    give(20)
    cap(api, 6)
    drawn = [ask(api, wallet) for _ in range(6)]
    for _ in range(3):
        assert api.post(ASK).status_code == 402  # which counts nothing
    for generation in drawn[:3]:
        for _ in range(2):  # the second time it has failed already
            lifecycle.fail(generation, code="upstream_failed", message="The brush broke.")
    wallet.generations.filter(pk=drawn[3].pk).update(deleted_at=timezone.now())  # it was made and paid for
    admission.admit(wallet=wallet, request=ImageRequest(prompt="four", count=2), api_key=api.key)
    counted = Generation.objects.exclude(status="failed").filter(api_key=api.key).count()
    assert spent_this_month(api.key) == {api.key.pk: counted} == {api.key.pk: 5}
    assert caps.of(api.key)[1].spent == 5


def test_what_is_refused_for_want_of_credits_is_not_counted(api: Api, wallet: Wallet) -> None:
    with pytest.raises(OutOfCredits):
        admission.admit(wallet=wallet, request=ImageRequest(prompt="x", count=4), api_key=api.key)
    assert spent_this_month(api.key) == {}


def test_a_limit_counts_what_was_spent_before_there_was_one(api: Api) -> None:
    assert api.post(ASK).status_code == 202
    cap(api, 1)
    assert api.post(ASK).status_code == 402


def test_parallel_calls_and_failures_leave_the_count_exact(api: Api, wallet: Wallet, give: Any) -> None:
    give(60)
    cap(api, 1000)

    def call(number: int) -> None:
        try:
            generation = ask(api, Wallet.objects.select_related("plan").get(pk=wallet.pk))
            if number % 2:
                lifecycle.fail(generation, code="upstream_failed", message="The brush broke.")
        finally:
            connection.close()

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(call, range(24)))
    assert spent_this_month(api.key) == {api.key.pk: 12}


def test_the_check_costs_the_same_whatever_was_drawn_before(api: Api, wallet: Wallet, give: Any) -> None:
    """No row of an earlier image is read: the count would be the same if all of them were gone."""
    cap(api, 2)
    ask(api, wallet)
    with CaptureQueriesContext(connection) as captured:
        ask(api, wallet)
    about_images = [query["sql"] for query in captured if 'FROM "generator_generation"' in query["sql"]]
    assert not [sql for sql in about_images if "api_key_id" in sql.partition(" WHERE ")[2]]


def test_the_migration_counts_what_was_drawn_before_it(api: Api, wallet: Wallet) -> None:
    cap(api, 100)
    drawn = [ask(api, wallet) for _ in range(3)]
    lifecycle.fail(drawn[0], code="upstream_failed", message="The brush broke.")
    KeyMonth.objects.all().delete()
    import_module("generator.migrations.0007_count_key_months").count(apps, None)
    assert spent_this_month(api.key) == {api.key.pk: 2}


def test_other_keys_and_the_studio_go_on(api: Api, wallet: Wallet, client: Client) -> None:
    cap(api, 1)
    assert api.post(ASK).status_code == 202
    assert api.post(ASK).status_code == 402
    key, secret = keys.mint(user=wallet.user, name="another", rate_limit=1000)
    assert Api(client, key, secret).post(ASK).status_code == 202
    assert admission.admit(wallet=wallet, request=ImageRequest(prompt="in the studio")).generation


def test_a_raised_limit_counts_from_the_next_request_on(api: Api) -> None:
    cap(api, 1)
    assert api.post(ASK).status_code == 202
    assert api.post(ASK).status_code == 402
    cap(api, 2)
    assert api.post(ASK).status_code == 202


def test_rotating_a_key_gives_it_no_second_month(api: Api, client: Client) -> None:
    cap(api, 2)
    assert api.post(ASK).status_code == 202
    successor, secret = keys.rotate(api.key, overlap=timedelta(days=1))
    new = Api(client, successor, secret)
    assert new.post(ASK).status_code == 202
    assert_error(new.post(ASK), 402, "key_limit_reached")
    assert_error(api.post(ASK), 402, "key_limit_reached")


def test_a_resent_request_at_the_limit_is_answered_with_its_image(api: Api) -> None:
    cap(api, 1)
    first = api.post(ASK, **{"Idempotency-Key": "once"})
    again = api.post(ASK, **{"Idempotency-Key": "once"})
    assert again.status_code == 202
    assert again.json()["id"] == first.json()["id"]
    assert again["Idempotent-Replayed"] == "true"


def test_a_limit_costs_one_query(api: Api, wallet: Wallet) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            ask(api, wallet)
        return len(captured)

    queries()  # the month's first, which makes the row that the others count in
    without = queries()
    cap(api, 100)
    assert queries() == without + 1
