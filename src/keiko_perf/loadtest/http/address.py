"""
Address: where a target's name leads, and whether that may be put under load.

A load test against somebody else's machine is an attack, so only loopback and private addresses
are taken unless the caller says that the target is theirs. The addresses themselves are checked,
not the name: a name can lead anywhere.
"""

from __future__ import annotations

import asyncio
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address

from keiko_perf.errors import ServiceUnavailable, UsageError

_RESOLVING_S = 10.0


async def resolve(host: str, port: int, *, own_target: bool) -> tuple[str, ...]:
    """
    The addresses of *host*, numeric, in the order in which they should be tried.

    Raises:
        ServiceUnavailable: the name leads nowhere, or DNS does not answer.
        UsageError: an address is public, and the caller did not say that it is theirs.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_RESOLVING_S):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise ServiceUnavailable(
            f"the host {host!r} has no address", cure="Check its spelling, and the machine's DNS"
        ) from error
    except TimeoutError as error:
        raise ServiceUnavailable(
            f"DNS did not say within {_RESOLVING_S:g} s where {host!r} is",
            cure="Check the machine's DNS, or give the address itself",
        ) from error
    addresses = tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
    strangers = [address for address in addresses if not is_private(address)]
    if strangers and not own_target:
        where = host if host == strangers[0] else f"{host}, at {strangers[0]},"
        raise UsageError(
            f"{where} is a public address",
            cure="Pass --i-own-this-target (own_target=True) if it is yours to put under load",
        )
    return addresses


def is_private(address: str) -> bool:
    """Whether a numeric address stays on this machine or in a private network."""
    ip: IPv4Address | IPv6Address = ip_address(address)
    # An IPv4 address in IPv6 clothes: the clothes count as private, whatever they hide.
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return ip.is_loopback or ip.is_private or ip.is_link_local
