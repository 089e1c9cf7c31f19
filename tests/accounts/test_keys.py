"""API keys: what they look like, what is stored of them, and which ones open the API."""

import hashlib
import math
import re
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from accounts import keys
from accounts.errors import AlreadyMinted, CutApiKey, InvalidApiKey, KeyStopped, MissingApiKey, TooManyKeys
from accounts.models import ApiKey, User


def mint(user: User, **options: Any) -> tuple[ApiKey, str]:
    return keys.mint(user=user, name="test", **options)


def used(key: ApiKey, *, seconds_ago: float, ip: str = "192.0.2.1") -> Any:
    """Pretend that `key` was last used a while ago; return that moment."""
    moment = timezone.now() - timedelta(seconds=seconds_ago)
    ApiKey.objects.filter(pk=key.pk).update(last_used_at=moment, last_used_ip=ip)
    return moment


# --- What they look like ---------------------------------------------------------------------------------------


def test_a_key_is_a_prefix_a_visible_id_a_secret_and_a_checksum(alice: User) -> None:
    key, secret = mint(alice)
    shape = re.fullmatch(r"(rv_[0-9A-Za-z]{8})_([0-9A-Za-z]{32})([0-9A-Za-z]{6})", secret)
    assert shape
    assert shape[1] == key.prefix


def test_a_keys_secret_has_at_least_160_random_bits(alice: User) -> None:
    secrets = [mint(alice)[1][12:44] for _ in range(200)]
    alphabet = set("".join(secrets))
    assert len(secrets[0]) * math.log2(len(alphabet)) >= 160
    # Every place varies, so no part of the secret is derived from the user, the clock or a counter.
    assert min(len(set(place)) for place in zip(*secrets, strict=True)) > 20


def test_two_keys_share_neither_id_nor_secret(alice: User) -> None:
    (one, first), (two, second) = mint(alice), mint(alice)
    assert one.prefix != two.prefix
    assert first[12:] != second[12:]


def test_only_the_digest_of_a_key_is_stored(alice: User) -> None:
    key, secret = mint(alice)
    stored = [str(value) for value in ApiKey.objects.filter(pk=key.pk).values_list()[0]]
    assert hashlib.sha256(secret.encode()).hexdigest() in stored
    assert not [value for value in stored if secret[12:] in value or secret[12:44] in value]


@pytest.mark.parametrize(("is_test", "head", "visible"), [(False, "rv_", 11), (True, "rv_test_", 16)])
def test_a_test_key_is_told_by_its_beginning(alice: User, is_test: bool, head: str, visible: int) -> None:
    key, secret = mint(alice, is_test=is_test)
    assert (key.is_test, len(key.prefix)) == (is_test, visible)
    assert re.fullmatch(head + r"[0-9A-Za-z]{8}_[0-9A-Za-z]{38}", secret)
    assert secret.startswith(key.prefix + "_")
    assert keys.verify(secret) == key


def test_a_cut_test_key_is_told_from_a_mistyped_one(alice: User) -> None:
    key, secret = mint(alice, is_test=True)
    for cut in (key.prefix, secret[:-1], secret[:-5]):  # the last is as long as a whole key that is no test key
        with pytest.raises(CutApiKey):
            keys.verify(cut)
    with pytest.raises(InvalidApiKey) as whole:
        keys.verify(secret + "a")
    assert whole.type is InvalidApiKey


@pytest.mark.parametrize("is_test", [False, True])
def test_the_successor_is_of_the_same_kind_with_the_same_limits(alice: User, is_test: bool) -> None:
    limits = {
        "rate_limit": 7,
        "daily_credit_cap": 3,
        "monthly_credit_cap": 30,
        "lifetime_credit_cap": 300,
        "scopes": ["read"],
        "image_models": ["some-model"],
        "allowed_ips": ["192.0.2.0/24"],
    }
    key, _ = mint(alice, is_test=is_test, **limits)
    successor, _ = keys.rotate(key, overlap=timedelta(days=1))
    successor.refresh_from_db()
    assert successor.is_test == is_test
    assert {name: getattr(successor, name) for name in limits} == limits
    assert set(limits) == set(keys.LIMITS)


# --- Which ones open the API -----------------------------------------------------------------------------------


@pytest.mark.services
def test_a_key_opens_the_api_for_its_user(alice: User, bob: User) -> None:
    key, secret = mint(alice)
    mint(bob)
    opened = keys.verify(secret)
    assert opened == key
    assert opened.user == alice


def test_a_key_survives_a_change_of_the_secret_key(alice: User, settings: Any) -> None:
    key, secret = mint(alice)
    settings.SECRET_KEY = "another secret than before"
    assert keys.verify(secret) == key


@pytest.mark.parametrize(
    "spoil",
    [
        lambda secret: secret[:-1] + ("a" if secret[-1] != "a" else "b"),
        lambda secret: secret[:20] + ("a" if secret[20] != "a" else "b") + secret[21:],
        lambda secret: secret[:5] + ("a" if secret[5] != "a" else "b") + secret[6:],
        lambda secret: secret.swapcase(),
        lambda secret: secret[:-1],
        lambda secret: secret + "a",
        lambda secret: secret + "\n",
        lambda secret: " " + secret,
        lambda secret: secret.replace("rv_", "sk_"),
        lambda secret: secret[:12] + "é" * 38,
        lambda secret: secret + "\x00",
        lambda secret: "rv_",
        lambda secret: "",
        lambda secret: "x" * 100_000,
    ],
)
def test_a_mistyped_key_is_refused_without_a_look_into_the_database(
    alice: User, spoil: Any, django_assert_num_queries: Any
) -> None:
    _, secret = mint(alice)
    with django_assert_num_queries(0), pytest.raises(InvalidApiKey):
        keys.verify(spoil(secret))


@pytest.mark.parametrize("rest", ["", "_…", "…", "_", "_abc", "..."])
def test_the_visible_beginning_of_a_key_is_told_from_a_key(alice: User, rest: str) -> None:
    key, secret = mint(alice)
    for cut in (key.prefix + rest, secret[:-1], secret[1:], "YOUR_API_KEY", "$REVEWEB_API_KEY"):
        with pytest.raises(CutApiKey):
            keys.verify(cut)
    with pytest.raises(InvalidApiKey) as whole:
        keys.verify(secret[:-1] + ("a" if secret[-1] != "a" else "b"))
    assert whole.type is InvalidApiKey


def test_a_well_formed_key_that_nobody_made_is_refused(alice: User) -> None:
    key, secret = mint(alice)
    key.delete()
    with pytest.raises(InvalidApiKey):
        keys.verify(secret)


def test_a_guessed_secret_behind_a_known_id_is_refused(alice: User) -> None:
    key, _ = mint(alice)
    body = f"{key.prefix}_{'0' * 32}"
    with pytest.raises(InvalidApiKey):
        keys.verify(body + keys._checksum(body))


def test_another_keys_secret_behind_a_known_id_is_refused(alice: User, bob: User) -> None:
    (key, _), (_, secret) = mint(alice), mint(bob)
    body = key.prefix + secret[11:44]
    with pytest.raises(InvalidApiKey):
        keys.verify(body + keys._checksum(body))


def test_a_revoked_key_is_refused_at_once(alice: User) -> None:
    key, secret = mint(alice)
    assert keys.verify(secret) == key
    keys.revoke(key)
    with pytest.raises(InvalidApiKey):
        keys.verify(secret)


def test_revoking_twice_keeps_the_first_moment(alice: User) -> None:
    key, _ = mint(alice)
    keys.revoke(key)
    first = ApiKey.objects.get(pk=key.pk).revoked_at
    keys.revoke(key)
    assert ApiKey.objects.get(pk=key.pk).revoked_at == first


def test_revoking_one_key_leaves_the_others_alone(alice: User) -> None:
    (key, _), (other, secret) = mint(alice), mint(alice)
    keys.revoke(key)
    assert keys.verify(secret) == other


@pytest.mark.services
def test_a_key_is_refused_from_the_moment_it_expires(alice: User) -> None:
    _, expired = mint(alice, expires_at=timezone.now())
    _, lasting = mint(alice, expires_at=timezone.now() + timedelta(minutes=1))
    assert keys.verify(lasting)
    with pytest.raises(InvalidApiKey):
        keys.verify(expired)


def test_a_suspended_users_key_is_refused_until_they_are_back(alice: User) -> None:
    key, secret = mint(alice)
    User.objects.filter(pk=alice.pk).update(is_active=False)
    with pytest.raises(InvalidApiKey):
        keys.verify(secret)
    User.objects.filter(pk=alice.pk).update(is_active=True)
    assert keys.verify(secret) == key


# --- When they were last used ----------------------------------------------------------------------------------


def test_the_first_use_is_noted_with_its_address(alice: User) -> None:
    key, secret = mint(alice)
    keys.verify(secret, ip="2001:db8::1")
    key.refresh_from_db()
    assert key.last_used_at is not None
    assert timezone.now() - key.last_used_at < timedelta(seconds=10)
    assert key.last_used_ip == "2001:db8::1"


@pytest.mark.services
@pytest.mark.parametrize("ip", ["192.0.2.1", "192.0.2.2", None])
def test_further_uses_within_a_minute_write_nothing(
    alice: User, ip: str | None, django_assert_num_queries: Any
) -> None:
    key, secret = mint(alice)
    moment = used(key, seconds_ago=50)
    with django_assert_num_queries(1):
        keys.verify(secret, ip=ip)
    key.refresh_from_db()
    assert key.last_used_at == moment


@pytest.mark.services
def test_a_use_after_a_minute_is_noted(alice: User) -> None:
    key, secret = mint(alice)
    moment = used(key, seconds_ago=61)
    keys.verify(secret, ip="192.0.2.2")
    key.refresh_from_db()
    assert key.last_used_at is not None
    assert key.last_used_at > moment
    assert key.last_used_ip == "192.0.2.2"


def test_a_use_from_nowhere_keeps_the_last_known_address(alice: User) -> None:
    key, secret = mint(alice)
    used(key, seconds_ago=61)
    keys.verify(secret, ip=None)
    key.refresh_from_db()
    assert key.last_used_ip == "192.0.2.1"


def test_a_refused_use_is_not_noted(alice: User) -> None:
    key, secret = mint(alice)
    keys.revoke(key)
    with pytest.raises(InvalidApiKey):
        keys.verify(secret, ip="192.0.2.2")
    key.refresh_from_db()
    assert key.last_used_at is None


# --- Created once ----------------------------------------------------------------------------------------------


def at_once(work: Callable[[], Any], times: int) -> Counter[str]:
    """Do the same thing on several threads and count what became of it."""

    def outcome(_: int) -> str:
        try:
            work()
        except (AlreadyMinted, KeyStopped, TooManyKeys) as error:
            return type(error).__name__
        else:
            return "made"
        finally:
            connection.close()

    with ThreadPoolExecutor(times) as pool:
        return Counter(pool.map(outcome, range(times)))


@pytest.mark.services
def test_one_form_sent_ten_times_at_once_makes_one_key(alice: User) -> None:
    outcomes = at_once(lambda: keys.create(user=alice, name="Website", claim="form-1"), 10)
    assert outcomes == {"made": 1, "AlreadyMinted": 9}
    assert ApiKey.objects.count() == 1


@pytest.mark.services
def test_two_people_may_send_the_same_claim(alice: User, bob: User) -> None:
    one, _ = keys.create(user=alice, name="Website", claim="form-1")
    other, _ = keys.create(user=bob, name="Website", claim="form-1")
    assert one.prefix != other.prefix


def test_a_claim_says_nothing_about_the_secret(alice: User, bob: User) -> None:
    _, secret = keys.create(user=alice, name="Website", claim="form-1")
    ApiKey.objects.all().delete()
    _, again = keys.create(user=alice, name="Website", claim="form-1")
    assert secret[:11] == again[:11]
    assert secret[12:] != again[12:]


def test_there_is_a_most_of_keys_that_work(alice: User, bob: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "MOST_KEYS", 2)
    one, _ = keys.create(user=alice, name="one", claim="1")
    keys.create(user=alice, name="two", claim="2")
    with pytest.raises(TooManyKeys):
        keys.create(user=alice, name="three", claim="3")
    keys.create(user=bob, name="another's", claim="3")
    keys.revoke(one)
    keys.create(user=alice, name="three", claim="3")
    assert keys.live(alice).count() == 2


def test_forms_sent_at_once_make_no_more_keys_than_one_may_have(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    real = keys.mint

    def slow(**named: Any) -> tuple[ApiKey, str]:
        time.sleep(0.1)  # between the count and the new key, so that all others count before there is one
        return real(**named)

    monkeypatch.setattr(keys, "mint", slow)
    monkeypatch.setattr(keys, "MOST_KEYS", 2)
    claims = iter("abcdefgh")
    outcomes = at_once(lambda: keys.create(user=alice, name="Website", claim=next(claims)), 8)
    assert outcomes == {"made": 2, "TooManyKeys": 6}


# --- Rotated ---------------------------------------------------------------------------------------------------

DAY = timedelta(hours=24)


@pytest.mark.services
def test_a_rotated_key_works_beside_its_successor_until_the_overlap_ends(alice: User) -> None:
    key, secret = mint(alice)
    successor, new_secret = keys.rotate(key, overlap=DAY)
    assert keys.verify(secret) == key
    assert keys.verify(new_secret) == successor
    key.refresh_from_db()
    assert key.expires_at is not None
    assert abs(key.expires_at - timezone.now() - DAY) < timedelta(seconds=10)
    ApiKey.objects.filter(pk=key.pk).update(expires_at=timezone.now())
    with pytest.raises(InvalidApiKey):
        keys.verify(secret)
    assert keys.verify(new_secret) == successor


def test_a_key_rotated_without_overlap_stops_at_once(alice: User) -> None:
    key, secret = mint(alice)
    _, new_secret = keys.rotate(key, overlap=timedelta())
    with pytest.raises(InvalidApiKey):
        keys.verify(secret)
    assert keys.verify(new_secret)


def test_a_successor_has_the_same_name_limits_and_end(alice: User) -> None:
    end = timezone.now() + timedelta(days=30)
    key, _ = mint(alice, rate_limit=7, monthly_credit_cap=40, expires_at=end)
    successor, _ = keys.rotate(key, overlap=DAY)
    assert successor.rotated_from == key
    assert (successor.name, successor.rate_limit, successor.monthly_credit_cap) == ("test", 7, 40)
    assert successor.expires_at == end
    assert successor.prefix != key.prefix


def test_an_overlap_never_lengthens_a_keys_life(alice: User) -> None:
    end = timezone.now() + timedelta(hours=1)
    key, _ = mint(alice, expires_at=end)
    keys.rotate(key, overlap=DAY)
    key.refresh_from_db()
    assert key.expires_at == end


def test_no_overlap_is_longer_than_a_week(alice: User) -> None:
    key, _ = mint(alice)
    keys.rotate(key, overlap=timedelta(days=400))
    key.refresh_from_db()
    assert key.expires_at is not None
    assert key.expires_at <= timezone.now() + timedelta(days=7)


@pytest.mark.services
@pytest.mark.parametrize("overlap", [DAY, timedelta()])
def test_rotations_at_the_same_moment_make_one_successor(alice: User, overlap: timedelta) -> None:
    key, _ = mint(alice)
    outcomes = at_once(lambda: keys.rotate(ApiKey.objects.get(pk=key.pk), overlap=overlap), 8)
    assert outcomes == {"made": 1, "AlreadyMinted": 7}
    assert ApiKey.objects.filter(rotated_from=key).count() == 1


def test_a_key_that_was_replaced_is_not_replaced_again_but_its_successor_is(alice: User) -> None:
    key, _ = mint(alice)
    successor, _ = keys.rotate(key, overlap=DAY)
    with pytest.raises(AlreadyMinted):
        keys.rotate(key, overlap=timedelta())
    key.refresh_from_db()
    assert not key.is_expired
    assert keys.rotate(successor, overlap=DAY)


def test_a_revoked_or_expired_key_has_no_successor(alice: User) -> None:
    revoked, _ = mint(alice)
    keys.revoke(revoked)
    expired, _ = mint(alice, expires_at=timezone.now() - timedelta(seconds=1))
    for key in (revoked, expired):
        with pytest.raises(KeyStopped):
            keys.rotate(key, overlap=DAY)
    assert ApiKey.objects.count() == 2


@pytest.mark.services
def test_keys_of_one_line_share_a_cap_and_others_do_not(alice: User, django_assert_num_queries: Any) -> None:
    first, _ = mint(alice)
    second, _ = keys.rotate(first, overlap=DAY)
    third, _ = keys.rotate(second, overlap=DAY)
    mint(alice)
    since = timezone.now() - timedelta(days=20)
    for key in (first, second, third):
        key.refresh_from_db()
        assert set(keys.sharing_a_cap(key, since=since)) == {first.pk, second.pk, third.pk}
    alone, _ = mint(alice)
    with django_assert_num_queries(0):
        assert keys.sharing_a_cap(alone, since=since) == [alone.pk]


@pytest.mark.services
def test_a_predecessor_that_stopped_before_the_month_is_not_looked_up(
    alice: User, django_assert_num_queries: Any
) -> None:
    first, _ = mint(alice)
    second, _ = keys.rotate(first, overlap=DAY)
    ApiKey.objects.filter(pk=second.pk).update(created_at=timezone.now() - timedelta(days=60))
    second.refresh_from_db()
    with django_assert_num_queries(0):
        assert keys.sharing_a_cap(second, since=timezone.now() - timedelta(days=20)) == [second.pk]


# --- The header ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header", ["Bearer KEY", "bearer KEY", "BEARER KEY", "bEaReR   KEY", "  Bearer KEY  ", "Bearer \tKEY"]
)
def test_the_schemes_case_and_spaces_around_the_key_do_not_matter(header: str) -> None:
    assert keys.from_header(header) == "KEY"


@pytest.mark.parametrize("header", [None, "", " ", "Bearer", "Bearer ", "KEY", "Basic KEY", "BearerKEY", "Token KEY"])
def test_a_header_without_a_bearer_key_is_a_missing_key(header: str | None) -> None:
    with pytest.raises(MissingApiKey):
        keys.from_header(header)


def test_a_digest_depends_on_nothing_but_the_key() -> None:
    """The digests in the database must open with the keys that people have, whatever else changes."""
    assert settings.SECRET_KEY
    assert keys.digest_of("rv_abc") == hashlib.sha256(b"rv_abc").hexdigest()


def test_a_successor_has_the_limits_that_its_elder_has_by_then(alice: User) -> None:
    key, _ = keys.mint(user=alice, name="wide", monthly_credit_cap=1000)
    stale = ApiKey.objects.get(pk=key.pk)
    keys.change(key, monthly_credit_cap=10, scopes=["read"])
    successor, _ = keys.rotate(stale, overlap=timedelta(hours=1))
    assert (successor.monthly_credit_cap, successor.scopes) == (10, ["read"])
