"""Addresses as settings have them, ``host:port``, and whom they can be reached by."""

from __future__ import annotations

import ipaddress


def host_of(address: str) -> str:
    """Return the name or IP in an address, which may be ``[::1]:8400`` too."""
    return address.rpartition(":")[0].strip("[]")


def is_loopback(host: str) -> bool:
    """Say whether only this machine reaches *host*, as far as that can be seen without looking a name up."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
