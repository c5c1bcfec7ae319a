"""Which addresses a message may be sent to: public ones, written plainly.

A receiver is named by the operator, but what the name leads to is said by whoever answers for it.
So each address is looked at after the look-up and before the connection. Refused is all that is not
public unicast, and all that carries another address inside it.
"""

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from typing import TypeAlias

Resolver: TypeAlias = Callable[[str, int], Sequence[str]]
"""Addresses of a host and port, as text; raises `OSError` where there are none."""

_KINDS = {
    "unspecified": ("0.0.0.0/8", "::/128"),
    "loopback": ("127.0.0.0/8", "::1/128"),
    "private": ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fec0::/10"),
    "link-local": ("169.254.0.0/16", "fe80::/10"),
    "shared by a carrier": ("100.64.0.0/10",),
    "multicast": ("224.0.0.0/4", "ff00::/8"),
    "IPv4 inside IPv6": ("::ffff:0:0/96", "::/96", "64:ff9b::/96", "64:ff9b:1::/48"),
    "a tunnel": ("192.88.99.0/24", "2001::/32", "2002::/16"),
    "reserved": (
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "240.0.0.0/4",
        "2001::/23",
        "2001:db8::/32",
        "2620:4f:8000::/48",
        "3fff::/20",
    ),
}
_NETWORKS = [
    (ipaddress.ip_network(network), kind)
    for kind, networks in _KINDS.items()
    for network in networks
]
_PUBLIC_IPV6 = ipaddress.ip_network("2000::/3")
_NAME = re.compile(
    r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*"
)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_LONGEST_NAME = 253


def why_forbidden(address: str) -> str | None:
    """Say why nothing may be sent to an address.

    Args:
        address: an IPv4 or IPv6 address as text, possibly with a zone.

    Returns:
        What kind of address it is; None where it is public.

    Example:
        >>> why_forbidden("169.254.169.254"), why_forbidden("1.1.1.1")
        ('link-local', None)
    """
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "no address"
    for network, kind in _NETWORKS:
        if ip in network:
            return kind
    return "reserved" if ip.version == 6 and ip not in _PUBLIC_IPV6 else None


def is_loopback(host: str) -> bool:
    """Whether a host, as written, is this machine.

    Example:
        >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("example.com")
        (True, True, False)
    """
    return host == "localhost" or why_forbidden(host) == "loopback"


def is_plain_host(host: str) -> bool:
    """Whether a host is written plainly: a name, four decimal numbers, or IPv6 without a zone.

    Names whose last part is a number are addresses to some and names to others, as are short,
    octal and hexadecimal forms; none of them is plain.

    Args:
        host: in lower case, an IPv6 address without brackets.

    Example:
        >>> is_plain_host("hooks.example.com"), is_plain_host("0x7f.1"), is_plain_host("127.1")
        (True, False, False)
    """
    if ":" in host or _NUMBER.fullmatch(host.rpartition(".")[2]):
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return False
        return "%" not in host
    return len(host) <= _LONGEST_NAME and _NAME.fullmatch(host) is not None


def system_resolver(host: str, port: int) -> Sequence[str]:
    """Ask the system for the addresses of a host, each once, in its order.

    Example:
        >>> system_resolver("127.0.0.1", 80)
        ['127.0.0.1']
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
