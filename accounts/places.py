"""From where a key may be used: addresses and networks, of IPv4 and IPv6."""

import ipaddress
from collections.abc import Iterable, Sequence
from functools import lru_cache

from kit.http.proxies import Address, Network, address_of

MOST = 50  # in one key's list


def allow(places: Sequence[str], ip: str | None) -> bool:
    """Tell whether `ip` is one of `places`, or in one of them; an empty list allows every address."""
    if not places:
        return True
    address = address_of(ip or "")
    return address is not None and any(address in network for network in _networks(tuple(places)))


def normal(places: Iterable[str]) -> list[str]:
    """Return addresses and networks as they are stored, each once and in their order.

    Raises ValueError with the first that is neither.
    """
    return list(dict.fromkeys(_shown(_network(place)) for place in places))


def _network(place: str) -> Network:
    try:
        network = ipaddress.ip_network(place.strip(), strict=False)
    except ValueError:
        raise ValueError(place) from None
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is not None and network.prefixlen >= 96:  # as a socket of IPv6 shows IPv4
        return ipaddress.ip_network((mapped, network.prefixlen - 96))
    return network


def _shown(network: Network) -> str:
    is_one: bool = network.prefixlen == network.max_prefixlen
    address: Address = network.network_address
    return str(address) if is_one else str(network)


@lru_cache(maxsize=1024)
def _networks(places: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(_network(place) for place in places)
