"""
Link: the network interface between this machine and a service, where its speed is known.

The loopback has none, nor have many interfaces of virtual machines: then nothing is told, and no
limit is guessed. All that passes counts, whoever sent it, for all of it takes its room.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import psutil

from keiko_perf.loadtest.watching.telemetry import LINK_IN_S, LINK_OUT_S

_BITS = 8
_PER_MEGABIT = 1_000_000


class Link(Protocol):
    """What a service is reached through."""

    def used_s(self) -> Mapping[str, float]:
        """For how long it was busy so far, at its full speed, by direction; empty once gone."""
        ...


@dataclass(frozen=True, slots=True)
class Interface:
    """
    Attributes:
        name: such as `eth0`.
        bytes_per_s: how much it carries in each direction.
    """

    name: str
    bytes_per_s: float

    def used_s(self) -> Mapping[str, float]:
        counted = psutil.net_io_counters(pernic=True, nowrap=True).get(self.name)
        if counted is None:
            return {}
        return {
            LINK_IN_S: counted.bytes_recv / self.bytes_per_s,
            LINK_OUT_S: counted.bytes_sent / self.bytes_per_s,
        }


def link_to(host: str, port: int) -> Interface | None:
    """The interface that leads to a service; None if it is not found, or its speed not known."""
    name = _name_of(_own_address(host, port))
    status = None if name is None else psutil.net_if_stats().get(name)
    if name is None or status is None or status.speed <= 0:
        return None
    return Interface(name, status.speed * _PER_MEGABIT / _BITS)


def _own_address(host: str, port: int) -> str | None:
    """Where packets to *host* leave from; none is sent to find that out."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind) as asked:
            asked.connect(address)
            return str(asked.getsockname()[0])
    except OSError:
        return None


def _name_of(address: str | None) -> str | None:
    for name, addresses in psutil.net_if_addrs().items():
        if any(one.address.partition("%")[0] == address for one in addresses):
            return name
    return None
