"""The cache that all processes share: what is counted there, and that log-in goes on without it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from allauth.mfa.totp.internal import auth
from allauth.mfa.totp.internal.auth import TOTP
from django.conf import settings as site
from django.core.cache import cache, caches
from django.test import Client

from accounts.models import User
from kit import cache as shared
from tests.conftest import PASSWORD
from tests.environment import free_port
from tests.reveweb.test_settings import manage

SECRET = "JBSWY3DPEHPK3PXP"


@pytest.fixture
def away(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing listens where the server should be."""
    there = settings.CACHES["default"]
    settings.CACHES = {"default": {**there, "LOCATION": f"redis://127.0.0.1:{free_port()}/0"}}
    monkeypatch.setitem(shared._away, "until", 0.0)
    yield
    mine = caches["default"]
    assert isinstance(mine, shared.SharedCache)
    mine.memory.clear()


def log_in(client: Client, password: str, email: str = "alice@example.com") -> Any:
    return client.post("/accounts/login/", {"login": email, "password": password})


def code(secret: str = SECRET) -> str:
    return str(auth.format_hotp_value(auth.hotp_value(secret, next(iter(auth.yield_hotp_counters_from_time())))))


def keys_like(pattern: str) -> list[bytes]:
    """Return what the server keeps under such names."""
    found = redis.Redis.from_url(site.REDIS_URL).keys(pattern)
    assert isinstance(found, list)
    return found


def test_another_process_reads_what_this_one_wrote() -> None:
    cache.set("allauth:tries", [3.5, 1.25], 60)
    asked = manage(
        "shell", "-v0", "-c", "from django.core.cache import cache; print(cache.get('allauth:tries'))",
        REDIS_URL=site.REDIS_URL, REDIS_NAMESPACE=site.REDIS_NAMESPACE,
    )  # fmt: skip
    assert asked.stdout.strip() == "[3.5, 1.25]", asked.stderr


def test_guesses_at_a_password_are_counted_on_the_server(client: Client, alice: User) -> None:
    log_in(client, "a guess")
    kept = keys_like("*allauth:rl:allauth.account:login_failed*")
    # In minutes and in a day: this account from this network, the network, the account from anywhere.
    assert len(kept) == 5
    assert all(key.startswith(b"reveweb-cache:") for key in kept)


def test_a_used_code_is_known_to_every_process(alice: User) -> None:
    totp = TOTP.activate(alice, SECRET)
    used = code()
    assert totp.validate_code(used)
    assert keys_like(f"reveweb-cache:*{used}")
    assert not totp.validate_code(used)


def test_a_used_code_is_remembered_for_as_long_as_it_would_be_taken(client: Client, alice: User) -> None:
    TOTP.activate(alice, SECRET)
    log_in(client, PASSWORD)
    used = code()
    assert client.post("/accounts/2fa/authenticate/", {"code": used}).status_code == 302
    (key,) = keys_like(f"reveweb-cache:*{used}")
    seconds = redis.Redis.from_url(site.REDIS_URL).ttl(key)
    assert isinstance(seconds, int)
    assert 80 < seconds <= 90  # one period of 30 s, and the one before and after it


def test_the_code_that_switches_the_app_on_is_used_up_by_that(client: Client, alice: User) -> None:
    log_in(client, PASSWORD)
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    client.get("/accounts/2fa/totp/activate/")
    used = code(client.session["mfa.totp.secret"])
    assert client.post("/accounts/2fa/totp/activate/", {"code": used}).status_code == 302
    (key,) = keys_like(f"reveweb-cache:*{used}")
    seconds = redis.Redis.from_url(site.REDIS_URL).ttl(key)
    assert isinstance(seconds, int)
    assert 80 < seconds <= 90
    assert "not accepted" in client.post("/accounts/2fa/reauthenticate/", {"code": used}).content.decode()
    client.post("/accounts/logout/")
    log_in(client, PASSWORD)
    assert "not accepted" in client.post("/accounts/2fa/authenticate/", {"code": used}).content.decode()


def test_a_used_code_opens_nothing_else_either(client: Client, alice: User) -> None:
    TOTP.activate(alice, SECRET)
    log_in(client, PASSWORD)
    used = code()
    client.post("/accounts/2fa/authenticate/", {"code": used})
    client.post("/accounts/2fa/trust/", {})
    assert client.get("/account/").status_code == 200
    assert "not accepted" in client.post("/accounts/2fa/reauthenticate/", {"code": used}).content.decode()


@pytest.mark.parametrize("value", [0, -7, True, None, "y", [1.5, 2.5], {"a": [1]}])
def test_a_value_comes_back_as_it_was(value: Any) -> None:
    cache.set("value", value)
    assert cache.get("value", "nothing") == value
    assert type(cache.get("value", "nothing")) is type(value)


def test_what_json_cannot_hold_is_not_kept_for_a_pickle_could_run_code() -> None:
    cache.set("value", ["somebody"])
    cache.set("value", [object()])
    assert cache.get("value") is None


def test_it_knows_every_act_of_a_cache() -> None:
    assert cache.add("count", 1)
    assert not cache.add("count", 2)
    assert cache.incr("count") == 2
    cache.set_many({"a": 1, "b": 2})
    assert cache.get_many(["a", "b", "c"]) == {"a": 1, "b": 2}
    cache.delete_many(["a", "b"])
    assert "a" not in cache
    assert cache.touch("count", 5)
    assert cache.delete("count")
    assert cache.get("count") is None


def test_clearing_it_leaves_limits_and_the_broker_alone() -> None:
    server = redis.Redis.from_url(site.REDIS_URL)
    server.set("LIMITS:somebody", 1)
    cache.set("mine", 1)
    cache.clear()
    assert cache.get("mine") is None
    assert server.keys() == [b"LIMITS:somebody"]


# --- Without the server -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("away")
def test_people_log_in_without_it(client: Client, alice: User) -> None:
    assert log_in(client, "a guess").status_code == 200
    assert log_in(client, PASSWORD).status_code == 302


@pytest.mark.usefixtures("away")
def test_guesses_are_counted_without_it(client: Client, alice: User) -> None:
    answers = [log_in(client, f"guess {number}") for number in range(12)]
    assert {answer.status_code for answer in answers} == {200}
    assert log_in(client, PASSWORD).status_code == 200  # nor with the right one, for a while


@pytest.mark.usefixtures("away")
def test_a_code_is_used_once_without_it(alice: User) -> None:
    totp = TOTP.activate(alice, SECRET)
    used = code()
    assert totp.validate_code(used)
    assert not totp.validate_code(used)


@pytest.mark.usefixtures("away")
def test_a_server_that_is_away_is_left_alone_for_a_while(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    asked: list[str] = []
    connect: Callable[..., None] = redis.Connection.connect

    def count(connection: redis.Connection, *args: Any, **kwargs: Any) -> None:
        asked.append("again")
        connect(connection, *args, **kwargs)

    monkeypatch.setattr(redis.Connection, "connect", count)
    for number in range(20):
        cache.set(f"key {number}".replace(" ", "-"), number)
    assert len(asked) == 1
    monkeypatch.setitem(shared._away, "until", 0.0)  # its time is over
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": site.REDIS_URL}}
    cache.set("back", 1)
    assert keys_like("*back")
