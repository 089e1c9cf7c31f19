"""What the proxies in front say about a request, as far as they are to be believed.

`settings.TRUSTED_PROXIES` is how many there are, or the networks in which they are. Each of them appends to
`X-Forwarded-For` whom it was called by, so what is true stands at its right end; a caller may have written anything on
the left. `Forwarded` and `X-Real-IP` are not read: a caller's own would pass through proxies that do not know of them.
"""

import ipaddress
import re
from collections.abc import Iterable, MutableMapping, Sequence
from typing import Any

from django.conf import settings

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_PORT = re.compile(r"\[(?P<six>[^\]]*)\](:[0-9]+)?|(?P<four>[0-9.]+):[0-9]+")


def address_of(text: str) -> Address | None:
    """Return the address in `text`, which may have a port or a zone, or None: proxies also write `unknown`.

    An IPv4 address that a socket of IPv6 shows is one.
    """
    text = text.strip()
    if found := _PORT.fullmatch(text):
        text = found["six"] or found["four"] or ""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def caller(peer: str, forwarded: str) -> Address | None:
    """Return who called: `peer` is who opened the connection, `forwarded` all that `X-Forwarded-For` holds.

    None where that is no address; never an address that only the caller vouches for.
    """
    chain = _chain(peer, forwarded)
    return address_of(chain[-1 - min(_hops(chain), len(chain) - 1)])


def came_by_https(peer: str, forwarded: str, protocols: str) -> bool:
    """Tell whether the outermost proxy that we trust was called over TLS, as `X-Forwarded-Proto` says."""
    hops = _hops(_chain(peer, forwarded))
    said = [part.strip().lower() for part in protocols.split(",")]
    return bool(hops) and said[-min(hops, len(said))] == "https"


def told(scope: MutableMapping[str, Any]) -> None:
    """Note in an ASGI `scope` of HTTP over which scheme its caller came, which is all that Django asks later."""
    found: dict[bytes, list[str]] = {b"x-forwarded-for": [], b"x-forwarded-proto": []}
    for name, value in scope["headers"]:
        if name in found:
            found[name].append(value.decode("latin-1"))
    if found[b"x-forwarded-proto"]:
        peer = str((scope.get("client") or ("",))[0])
        forwarded, protocols = (",".join(values) for values in found.values())
        if _hops(_chain(peer, forwarded)):
            scope["scheme"] = "https" if came_by_https(peer, forwarded, protocols) else "http"


def _chain(peer: str, forwarded: str) -> list[str]:
    """Return whoever handed the request on, the last one at the end."""
    return [*(forwarded.split(",") if forwarded.strip() else ()), peer]


def _hops(chain: Sequence[str]) -> int:
    """Return how many at the end of `chain` are proxies of ours."""
    trusted: int | Iterable[Network] = settings.TRUSTED_PROXIES
    if isinstance(trusted, int):
        return trusted
    networks = tuple(trusted)
    hops = 0
    for part in reversed(chain):
        address = address_of(part)
        if address is None or not any(address in network for network in networks):
            break
        hops += 1
    return hops
