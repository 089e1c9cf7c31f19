"""Rate limits: how many requests the last minute had, counted on the shared server."""

import asyncio
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from accounts import keys
from accounts.models import ApiKey, User
from billing import ledger
from billing.models import Wallet
from generator.ask import limits
from generator.ask.callers import Caller
from generator.errors import LimiterUnavailable, RateLimit, RateLimited
from tests.environment import free_port


@pytest.fixture
def key(alice: User) -> ApiKey:
    """A key of Alice's without a limit of its own."""
    return keys.mint(user=alice, name="test")[0]


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let some seconds pass."""
    real = time.time
    passed = 0.0

    def let_pass(seconds: float) -> None:
        nonlocal passed
        passed += seconds
        monkeypatch.setattr(time, "time", lambda: real() + passed)

    return let_pass


@pytest.fixture
def _limiter_away(settings: Any) -> Iterator[None]:
    """Nothing listens where the limiter's server should be."""
    limits._client.cache_clear()
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    yield
    limits._client.cache_clear()


def take(wallet: Wallet, api_key: ApiKey | None = None, times: int = 1) -> RateLimit:
    """Count some requests and return where the account stands after the last."""
    for _ in range(times):
        rate = limits.take(limits.generate_window(wallet, api_key))
    return rate


def peek(wallet: Wallet, api_key: ApiKey | None = None) -> RateLimit:
    """Tell where the account stands."""
    return asyncio.run(limits.peek_soon(limits.generate_window(wallet, api_key)))


def look_up(wallet: Wallet, **of_key: Any) -> None:
    """Count a status look-up, by a key of the account's."""
    asyncio.run(limits.take_status_soon(Caller(ApiKey(user=wallet.user, **of_key), wallet)))


def refused(wallet: Wallet, api_key: ApiKey | None = None) -> RateLimit:
    with pytest.raises(RateLimited) as error:
        take(wallet, api_key)
    return error.value.rate


@pytest.mark.services
def test_an_account_has_ten_requests_a_minute(wallet: Wallet, key: ApiKey) -> None:
    assert [take(wallet, key).remaining for _ in range(10)] == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
    assert refused(wallet, key).limit == 10


@pytest.mark.services
def test_the_window_slides(wallet: Wallet, later: Callable[[float], None]) -> None:
    take(wallet, times=5)
    later(40)
    take(wallet, times=5)
    assert 19 <= refused(wallet).reset <= 20
    later(21)  # the first five are more than a minute old now, the others are not
    take(wallet, times=5)
    assert refused(wallet).remaining == 0


@pytest.mark.services
def test_a_refused_request_does_not_count(wallet: Wallet, later: Callable[[float], None]) -> None:
    take(wallet, times=10)
    for _ in range(5):
        later(10)
        refused(wallet)
    later(11)
    take(wallet, times=10)


@pytest.mark.services
def test_the_reset_is_the_time_until_a_request_is_free_again(wallet: Wallet, later: Callable[[float], None]) -> None:
    take(wallet, times=10)
    assert 59 <= refused(wallet).reset <= 60
    later(59.5)
    assert refused(wallet).reset == 1
    later(0.6)
    take(wallet)


def test_an_accounts_keys_share_its_limit(wallet: Wallet, key: ApiKey, alice: User) -> None:
    other, _ = keys.mint(user=alice, name="other")
    take(wallet, key, times=6)
    take(wallet, other, times=4)
    refused(wallet, key)
    refused(wallet, other)
    refused(wallet)


def test_accounts_do_not_share_a_limit(wallet: Wallet, bob: User) -> None:
    take(wallet, times=10)
    assert take(ledger.wallet_of(bob.pk)).remaining == 9


@pytest.mark.parametrize("limit", [3, 10, 25])  # 10 is the account's too
def test_a_key_with_its_own_limit_is_counted_by_itself(wallet: Wallet, alice: User, limit: int) -> None:
    own, _ = keys.mint(user=alice, name="own", rate_limit=limit)
    assert take(wallet, own, times=limit) == RateLimit(limit=limit, remaining=0, reset=60)
    assert refused(wallet, own).limit == limit
    assert take(wallet).remaining == 9


def test_an_account_can_have_a_limit_of_its_own(wallet: Wallet) -> None:
    wallet.rate_limit = 2
    assert take(wallet, times=2).limit == 2
    refused(wallet)


def test_an_account_can_be_shut_off(wallet: Wallet) -> None:
    wallet.rate_limit = 0
    assert refused(wallet).limit == 0


def test_the_sites_default_can_be_set(wallet: Wallet, settings: Any) -> None:
    settings.RATE_LIMIT_PER_MINUTE = 1
    take(wallet)
    refused(wallet)


@pytest.mark.services
def test_peeking_counts_nothing(wallet: Wallet) -> None:
    take(wallet)
    assert [peek(wallet).remaining for _ in range(3)] == [9, 9, 9]


def test_status_look_ups_have_a_far_larger_limit_of_their_own(wallet: Wallet, settings: Any) -> None:
    assert settings.STATUS_RATE_LIMIT_PER_MINUTE >= 300
    settings.STATUS_RATE_LIMIT_PER_MINUTE = 12
    take(wallet, times=10)
    for _ in range(12):
        look_up(wallet)
    with pytest.raises(RateLimited) as error:
        look_up(wallet)
    assert error.value.rate.limit == 12


def test_status_look_ups_do_not_count_as_generate_requests(wallet: Wallet) -> None:
    for _ in range(15):
        look_up(wallet)
    assert take(wallet).remaining == 9


@pytest.mark.services
def test_of_many_requests_at_once_no_more_than_the_limit_pass(wallet: Wallet) -> None:
    passed: list[bool] = []
    start = threading.Barrier(16)

    def burst() -> None:
        start.wait(60)
        for _ in range(2):
            try:
                take(wallet)
            except RateLimited:
                continue
            passed.append(True)

    threads = [threading.Thread(target=burst) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(passed) == 10


@pytest.mark.usefixtures("_limiter_away")
def test_without_its_server_nothing_is_admitted_uncounted(wallet: Wallet) -> None:
    began = time.monotonic()
    for count in (take, peek):
        with pytest.raises(LimiterUnavailable):
            count(wallet, None)
    assert time.monotonic() - began < 5


@pytest.mark.usefixtures("_limiter_away")
def test_without_its_server_whoever_paid_still_gets_to_see_their_image(wallet: Wallet) -> None:
    look_up(wallet)


@pytest.mark.services
def test_a_limit_is_taken_and_told_in_one_round_trip(wallet: Wallet) -> None:
    server: Any = redis.Redis.from_url(os.environ["REDIS_URL"])
    database = server.connection_pool.connection_kwargs["db"]
    take(wallet)  # by now the server knows the script
    with server.monitor() as seen:  # of whoever uses the server
        take(wallet)
        server.ping()
        asked = []
        for command in seen.listen():
            if command["command"] == "PING" and command["db"] == database:
                break
            if command["client_type"] != "lua" and command["db"] == database:
                asked.append(command["command"].partition(" ")[0])
        # Of the connection that pings; and a wake-up of an earlier test, which is sent aside.
        asked = [name for name in asked if name not in ("CLIENT", "SELECT", "PUBLISH")]
    assert asked == ["EVALSHA"]


@pytest.mark.services
def test_on_an_event_loop_the_same_window_is_counted(wallet: Wallet) -> None:
    async def take_some() -> list[int]:
        window = limits.generate_window(wallet, None)
        return [(await limits.take_soon(window, images)).remaining for images in (1, 3)]

    take(wallet, times=4)
    assert asyncio.run(take_some()) == [5, 2]
    assert take(wallet).remaining == 1
    with pytest.raises(RateLimited) as error:
        asyncio.run(take_some())
    assert error.value.rate.remaining == 0


@pytest.mark.usefixtures("_limiter_away")
def test_on_an_event_loop_too_nothing_is_admitted_uncounted(wallet: Wallet) -> None:
    with pytest.raises(LimiterUnavailable):
        asyncio.run(limits.take_soon(limits.generate_window(wallet, None)))


def test_a_server_that_only_stalls_is_given_up_soon(wallet: Wallet, settings: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        limits._client.cache_clear()
        settings.REDIS_URL = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        began = time.monotonic()
        with pytest.raises(LimiterUnavailable):
            take(wallet)
        assert time.monotonic() - began < 60
    limits._client.cache_clear()
