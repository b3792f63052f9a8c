"""Addresses of machines."""

import ipaddress
import socket

LOOPBACK = "127.0.0.1"
_MAPPED = "[::ffff:127.0.0.1]"


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens on `host`, a name or an address.

    >>> is_loopback("127.8.0.1"), is_loopback("::1"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    try:
        return ipaddress.ip_address(plain_host(host)).is_loopback
    except ValueError:
        return host == "localhost"


def plain_host(host: str) -> str:
    """A host with an IPv4 address that is written as an IPv6 one (RFC 4291, 2.5.5.2) as IPv4.

    >>> plain_host("::ffff:127.0.0.1"), plain_host("[::1]"), plain_host("head")
    ('127.0.0.1', '[::1]', 'head')
    """
    try:
        mapped = ipaddress.IPv6Address(host.strip("[]")).ipv4_mapped
    except ValueError:
        return host
    return str(mapped or host)


def plain_address(address: str) -> str:
    """``HOST:PORT`` as people read it: see `plain_host`.

    >>> plain_address("[::ffff:127.0.0.1]:6379"), plain_address("auto")
    ('127.0.0.1:6379', 'auto')
    """
    host, colon, port = address.rpartition(":")
    return f"{plain_host(host)}{colon}{port}"


def mapped_loopback(port: int) -> str:
    """This machine by a name that Ray leaves alone.

    Ray turns the text ``127.0.0.1`` of a driver's or node's address into the machine's outward
    address; the same address in its IPv6-mapped form (RFC 4291, section 2.5.5.2) it does not.
    """
    return f"{_MAPPED}:{port}"


def outward_address() -> str:
    """The address of the interface that leads outward; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe_socket:
        try:
            probe_socket.connect(("192.0.2.1", 9))  # TEST-NET-1, RFC 5737
        except OSError:
            return LOOPBACK
        return str(probe_socket.getsockname()[0])
