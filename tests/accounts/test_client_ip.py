"""Where a request comes from, as far as that can be trusted."""

from ipaddress import ip_network
from typing import Any

import pytest
from allauth.account.adapter import get_adapter
from django.test import RequestFactory

from kit.http import proxies
from kit.http.requests import client_ip

INSIDE = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


def ip(forwarded: str | None, remote: str = "10.0.0.1") -> str | None:
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    return client_ip(RequestFactory().get("/", headers=headers, REMOTE_ADDR=remote))


def test_it_is_the_peer_whatever_a_stranger_writes_into_the_header(settings: Any) -> None:
    settings.TRUSTED_PROXIES = 0
    assert ip("198.51.100.1") == "10.0.0.1"


def test_behind_our_proxy_it_is_the_last_address_which_the_proxy_wrote(settings: Any) -> None:
    settings.TRUSTED_PROXIES = 1
    assert ip("198.51.100.1, 203.0.113.7") == "203.0.113.7"
    assert ip("2001:db8::1") == "2001:db8::1"
    assert ip(None) == "10.0.0.1"


def test_behind_two_proxies_people_have_addresses_of_their_own(settings: Any) -> None:
    settings.TRUSTED_PROXIES = 2
    assert ip("203.0.113.7, 10.0.0.2") == "203.0.113.7"
    assert ip("203.0.113.8, 10.0.0.2") == "203.0.113.8"
    assert ip("127.0.0.1, 198.51.100.1, 203.0.113.7, 10.0.0.2") == "203.0.113.7"  # the first two are the caller's


@pytest.mark.parametrize(
    ("forwarded", "address"), [("203.0.113.7", "203.0.113.7"), (None, "10.0.0.1"), ("", "10.0.0.1")]
)
def test_who_came_past_the_outer_proxy_is_whom_the_inner_one_saw(
    settings: Any, forwarded: str | None, address: str
) -> None:
    settings.TRUSTED_PROXIES = 2
    assert ip(forwarded) == address


def test_networks_of_proxies_are_walked_from_the_right(settings: Any) -> None:
    settings.TRUSTED_PROXIES = INSIDE
    assert ip("198.51.100.1, 203.0.113.7, 10.9.9.9, 10.0.0.2") == "203.0.113.7"
    assert ip("203.0.113.7, fd00::2", "fd00::1") == "203.0.113.7"
    assert ip("10.0.0.3, 10.0.0.2") == "10.0.0.3"  # somebody inside
    assert ip("203.0.113.7", "::ffff:10.0.0.1") == "203.0.113.7"


def test_a_peer_outside_of_the_networks_is_believed_nothing(settings: Any) -> None:
    settings.TRUSTED_PROXIES = INSIDE
    assert ip("203.0.113.7", "192.0.2.1") == "192.0.2.1"
    assert ip("203.0.113.7", "") is None


@pytest.mark.parametrize(
    "forwarded", ["unknown", "1.2.3", "a,", "', now()", "203.0.113.7, unknown", "[::1", "1.2.3:80"]
)
@pytest.mark.parametrize("trusted", [1, INSIDE])
def test_what_is_no_address_is_none_at_all(settings: Any, forwarded: str, trusted: Any) -> None:
    settings.TRUSTED_PROXIES = trusted
    assert ip(forwarded) is None


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("203.0.113.7:51234", "203.0.113.7"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        (" 203.0.113.7 ", "203.0.113.7"),
        ("fe80::1%eth0", "fe80::1"),
    ],
)
def test_an_address_is_found_in_what_proxies_write(settings: Any, written: str, address: str) -> None:
    settings.TRUSTED_PROXIES = 1
    assert ip(written) == address


@pytest.mark.parametrize("remote", ["", "unix:"])
def test_a_peer_on_a_unix_socket_has_no_address(remote: str) -> None:
    assert ip(None, remote) is None


def test_an_addresss_zone_is_left_out(settings: Any) -> None:
    assert ip(None, "fe80::1%eth0") == "fe80::1"


def test_the_limits_of_log_in_count_the_same_address(settings: Any) -> None:
    settings.TRUSTED_PROXIES = 2
    request = RequestFactory().get("/", headers={"X-Forwarded-For": "203.0.113.7, 10.0.0.2"}, REMOTE_ADDR="10.0.0.1")
    assert get_adapter().get_client_ip(request) == "203.0.113.7"


def scheme(trusted: Any, settings: Any, *headers: tuple[str, str], peer: str = "10.0.0.1", own: str = "http") -> str:
    settings.TRUSTED_PROXIES = trusted
    lines = [(name.lower().encode(), value.encode()) for name, value in headers]
    scope = {"type": "http", "scheme": own, "client": (peer, 1), "headers": lines}
    proxies.told(scope)
    return str(scope["scheme"])


def proto(value: str) -> tuple[str, str]:
    return ("X-Forwarded-Proto", value)


def test_the_scheme_is_what_the_proxy_says(settings: Any) -> None:
    assert scheme(1, settings, proto("https")) == "https"
    assert scheme(1, settings, proto("HTTPS")) == "https"
    assert scheme(1, settings, proto("http"), own="https") == "http"
    assert scheme(1, settings) == "http"
    assert scheme(1, settings, own="https") == "https"


def test_a_callers_own_scheme_is_on_the_left_and_counts_for_nothing(settings: Any) -> None:
    assert scheme(1, settings, proto("https, http")) == "http"
    assert scheme(1, settings, proto("https"), proto("http")) == "http"  # lines of a header are one list
    assert scheme(2, settings, proto("https, http, http")) == "http"
    assert (
        scheme(2, settings, proto("http, https, http")) == "https"
    )  # over TLS to the edge, and in the clear from there
    assert scheme(2, settings, proto("https")) == "https"


def test_only_a_peer_in_the_networks_may_say_the_scheme(settings: Any) -> None:
    assert scheme(INSIDE, settings, proto("https")) == "https"
    assert scheme(INSIDE, settings, proto("https"), peer="192.0.2.1") == "http"
    assert scheme(0, settings, proto("https")) == "http"
