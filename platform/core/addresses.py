"""Addresses of machines."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens on `host`, a name or an address.

    >>> is_loopback("127.8.0.1"), is_loopback("::1"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
