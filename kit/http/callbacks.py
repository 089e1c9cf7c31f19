"""Addresses that somebody names for us to call: what one may look like, before anybody asks where it leads.

Names are looked up when they are called (`kit.http.network`), for they may lead elsewhere by then.
"""

import ipaddress
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

from kit.http.addresses import is_public

MOST = 500  # characters


def problem_of(url: str) -> str:
    """Say what is wrong with an address, in words that go on after the name of its field; "" when nothing is."""
    if len(url) > MOST:
        return f"must have at most {MOST} characters"
    if not url.isascii() or any(character <= " " or character == "\x7f" for character in url):
        return "must be an address in plain ASCII, without blanks"
    parts = _parts(url)
    if parts is None or not parts.hostname:
        return f"must be an {_scheme_words()} address"
    if parts.scheme != "https" and not (parts.scheme == "http" and settings.WEBHOOKS_TO_PRIVATE):
        return f"must be an {_scheme_words()} address"
    if parts.username is not None or parts.password is not None:
        return "must not have a user name or a password in it"
    if parts.fragment or "\\" in url:
        return "must not have a fragment or a backslash in it"
    if not settings.WEBHOOKS_TO_PRIVATE and not _may_be_public(parts.hostname):
        return "must lead to the public internet"
    return ""


def host_of(url: str) -> str:
    """Return the host that an address names, in lower case; "" where it names none."""
    parts = _parts(url)
    return (parts.hostname or "") if parts else ""


def _parts(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        return parts if parts.port is None or parts.port > 0 else None
    except ValueError:
        return None


def _scheme_words() -> str:
    return "http:// or https://" if settings.WEBHOOKS_TO_PRIVATE else "https://"


def _may_be_public(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        name = host.rstrip(".")
        *_, last = name.split(".")
        # A name without a dot, or of numbers only, is of this network or another way to write an address.
        return "." in name and not last.isdigit() and not last.startswith("0x") and last not in _PRIVATE
    return is_public(host)


_PRIVATE = frozenset({"localhost", "local", "internal", "lan", "home", "intranet", "corp", "test", "invalid", "onion"})
