"""Which addresses lie in the public internet, and which are one network."""

import ipaddress

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Global unicast: the rest of IPv6 is reserved, private, or another way to write an IPv4 address.
_PUBLIC_IPV6 = ipaddress.ip_network("2000::/3")


_CONNECTION = 56  # bits of an IPv6 address that a home or an office is given: 256 networks of /64 are one customer


def network_of(address: str) -> str:
    """Return the network that `address` is one customer's of: an IPv4 address itself, a /56 of IPv6."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is None:
        return str(ipaddress.ip_network((ip, _CONNECTION), strict=False))
    return str(getattr(ip, "ipv4_mapped", None) or ip)


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
