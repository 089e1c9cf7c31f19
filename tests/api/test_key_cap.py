"""A key's monthly credit limit: exact under parallel calls, one for a key and its successors, free for keys without."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts import keys
from accounts.models import ApiKey
from billing.models import Account, CreditEntry
from generator import admission, lifecycle, usage
from generator.admission import ImageRequest
from generator.errors import KeyLimitReached
from generator.models import Generation
from tests.api.answers import assert_error
from tests.conftest import Api

pytestmark = pytest.mark.services

ASK = {"prompt": "a lighthouse", "async": True}


def cap(api: Api, credits: int) -> None:
    ApiKey.objects.filter(pk=api.key.pk).update(monthly_credit_cap=credits)
    api.key.refresh_from_db()


def ask(api: Api, account: Account) -> Generation:
    request = ImageRequest(prompt="a lighthouse")
    return admission.admit(account=account, request=request, api_key=api.key).generation


def test_a_key_at_its_limit_is_refused_and_nothing_is_charged(api: Api, account: Account) -> None:
    cap(api, 2)
    for _ in range(2):
        assert api.post(ASK).status_code == 202
    answer = api.post(ASK)
    words = assert_error(answer, 402, "key_limit_reached")
    assert "monthly credit limit" in words
    assert answer["X-Credits-Charged"] == "0"
    assert answer["X-Credits-Remaining"] == "1"
    assert "RateLimit-Remaining" in answer
    account.refresh_from_db()
    assert account.balance == 1
    assert Generation.objects.count() == 2
    assert CreditEntry.objects.filter(kind=CreditEntry.Kind.HOLD).count() == 2


def test_twenty_parallel_calls_on_a_limit_of_five_make_five_images(api: Api, account: Account, give: Any) -> None:
    give(30)
    cap(api, 5)

    def call(_: int) -> str:
        try:
            ask(api, Account.objects.select_related("plan").get(pk=account.pk))
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
    account.refresh_from_db()
    assert account.balance == 28


def test_a_returned_credit_does_not_count(api: Api, account: Account) -> None:
    cap(api, 1)
    generation = ask(api, account)
    assert api.post(ASK).status_code == 402
    lifecycle.fail(generation, code="upstream_failed", message="The brush broke.")
    assert api.post(ASK).status_code == 202


def test_last_months_credits_do_not_count(api: Api, account: Account) -> None:
    cap(api, 1)
    generation = ask(api, account)
    Generation.objects.filter(pk=generation.pk).update(created_at=usage.month_start() - timedelta(seconds=1))
    assert api.post(ASK).status_code == 202
    assert api.post(ASK).status_code == 402


def test_the_month_is_a_calendar_month_of_utc() -> None:
    start = usage.month_start()
    now = datetime.now(UTC)
    assert start == datetime(now.year, now.month, 1, tzinfo=UTC)


def test_other_keys_and_the_studio_go_on(api: Api, account: Account, client: Client) -> None:
    cap(api, 1)
    assert api.post(ASK).status_code == 202
    assert api.post(ASK).status_code == 402
    key, secret = keys.mint(user=account.user, name="another", rate_limit=1000)
    assert Api(client, key, secret).post(ASK).status_code == 202
    assert admission.admit(account=account, request=ImageRequest(prompt="in the studio")).generation


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


def test_a_key_without_a_limit_costs_no_further_query(api: Api, account: Account) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            ask(api, account)
        return len(captured)

    without = queries()
    cap(api, 100)
    assert queries() == without + 1
