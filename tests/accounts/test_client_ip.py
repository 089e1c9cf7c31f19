"""Where a request comes from, as far as that can be trusted."""

from typing import Any

import pytest
from django.test import RequestFactory

from kit.http.requests import client_ip


def ip(forwarded: str | None, remote: str = "10.0.0.1") -> str | None:
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    return client_ip(RequestFactory().get("/", headers=headers, REMOTE_ADDR=remote))


def test_it_is_the_peer_whatever_a_stranger_writes_into_the_header(settings: Any) -> None:
    settings.TRUST_FORWARDED_FOR = False
    assert ip("198.51.100.1") == "10.0.0.1"


def test_behind_our_proxy_it_is_the_last_address_which_the_proxy_wrote(settings: Any) -> None:
    settings.TRUST_FORWARDED_FOR = True
    assert ip("198.51.100.1, 203.0.113.7") == "203.0.113.7"
    assert ip("2001:db8::1") == "2001:db8::1"
    assert ip(None) == "10.0.0.1"


@pytest.mark.parametrize("forwarded", ["unknown", "203.0.113.7:443", "1.2.3", "a,", "', now()"])
def test_what_is_no_address_is_none_at_all(settings: Any, forwarded: str) -> None:
    settings.TRUST_FORWARDED_FOR = True
    assert ip(forwarded) is None


@pytest.mark.parametrize("remote", ["", "unix:"])
def test_a_peer_on_a_unix_socket_has_no_address(remote: str) -> None:
    assert ip(None, remote) is None


def test_an_addresss_zone_is_left_out(settings: Any) -> None:
    assert ip(None, "fe80::1%eth0") == "fe80::1"
