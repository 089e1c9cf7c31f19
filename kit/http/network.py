"""Keeps image downloads out of private networks, whatever address the upstream names.

The check is made on the resolved address of every request, redirects included, and the connection goes to exactly that
address, so a name that resolves differently a moment later changes nothing.
"""

import asyncio
import ipaddress
import socket
import ssl

import httpx

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Global unicast: the rest of IPv6 is reserved, private, or another way to write an IPv4 address.
_PUBLIC_IPV6 = ipaddress.ip_network("2000::/3")


class ForbiddenAddress(Exception):
    """A download would have gone to a host that is neither public nor the upstream itself."""


class GuardedTransport(httpx.AsyncBaseTransport):
    """Connects to public addresses, and beside them only to the very host and port of `trusted`, where one is."""

    def __init__(
        self, *, trusted: httpx.URL | None, limits: httpx.Limits, verify: ssl.SSLContext | bool = True
    ) -> None:
        self._trusted = None if trusted is None else _origin(trusted)
        self._inner = httpx.AsyncHTTPTransport(limits=limits, verify=verify, trust_env=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.scheme not in ("http", "https"):
            raise ForbiddenAddress(f"images are not fetched over {request.url.scheme}")
        if _origin(request.url) != self._trusted:
            request = await _pinned(request)
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


def is_public(address: str) -> bool:
    """Tell whether `address` lies in the public internet, also when it is wrapped into an IPv6 address."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
        if inner is not None:
            return is_public(str(inner))
        if ip not in _PUBLIC_IPV6:
            return False
    return ip.is_global and not ip.is_multicast


async def _pinned(request: httpx.Request) -> httpx.Request:
    """Return a copy of `request` that goes to its host's resolved address.

    A copy, because a relative redirect is resolved against the original, which must still name the host.
    """
    _, host, port = _origin(request.url)
    address = await _public_address(host, port)
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        # TLS still names and verifies the host, not the address.
        extensions={**request.extensions, "sni_hostname": host},
    )


async def _public_address(host: str, port: int) -> str:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise httpx.ConnectError(f"{host} has no address: {error}") from error
    addresses = [str(entry[4][0]) for entry in found]
    if not addresses or not all(is_public(address) for address in addresses):
        raise ForbiddenAddress(f"{host} is not a public address")
    return addresses[0]


def _origin(url: httpx.URL) -> tuple[str, str, int]:
    return url.scheme, url.host, url.port or (443 if url.scheme == "https" else 80)
