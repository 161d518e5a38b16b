"""
Instants: when what is written leaves, and when what is read had come, to the microsecond.

Between the arrival of an answer in the kernel and the moment at which Python looks at the clock lie
the wake-up of a sleeping core, a turn of the event loop and code that fell out of the caches: 10 to
40 µs, a tenth of a quick answer. Linux stamps what it receives (SO_TIMESTAMPNS, socket(7)). Where
it does, an answer came when the kernel says so; where it does not, when it was read.

The kernel's stamps are the calendar's time, which may be set. So a stamp is turned into an age the
moment that it is read, by two clocks that are read together, and nothing is kept that a change of
the calendar could make wrong. One that says the impossible (the answer came before its request was
sent, or after it was read) is not taken.
"""

from __future__ import annotations

import socket
import struct
import sys
import time
from collections.abc import Callable, Iterable
from math import inf

_STAMPS = 35  # SO_TIMESTAMPNS and SCM_TIMESTAMPNS, on all of Linux but two old architectures
_STAMP = struct.Struct("qq")  # a timespec: seconds, nanoseconds
ROOM_BYTES = socket.CMSG_SPACE(_STAMP.size) if hasattr(socket, "CMSG_SPACE") else 0
"""What a stamp takes beside what is read."""

_TOGETHER_S = 2e-6  # apart at most are two readings that count as one
_ATTEMPTS = 4

Ancillary = Iterable[tuple[int, int, bytes]]
"""What comes beside the bytes: level, kind and content, as `socket.recvmsg` hands it over."""


class Instants:
    """
    What the connections of one transport and its owner tell each other.

    Args:
        clock: the owner's.
        calendar_ns: the one of the stamps.

    Attributes:
        not_before: nothing is written before this instant: a connection that is to write a little
            earlier waits for it on the spot, when everything else is done.
        sent: when something was last written, the moment before it was handed to the kernel.
        received: when what is being read had come.
    """

    __slots__ = ("_calendar_ns", "_clock", "not_before", "received", "sent")

    def __init__(
        self,
        clock: Callable[[], float] = time.perf_counter,
        calendar_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._clock = clock
        self._calendar_ns = calendar_ns
        self.not_before = self.sent = self.received = -inf

    def last(self) -> float:
        """When what is being read had come: a clock for who is told of it."""
        return self.received

    def came(self, ancillary: Ancillary, *, after: float) -> None:
        """
        Something was read.

        Args:
            ancillary: what came beside it, such as its stamp.
            after: an instant at which it was not there yet.
        """
        stamp_ns = _stamp_ns(ancillary)
        if stamp_ns is None:
            self.received = self._clock()
            return
        read, calendar_ns = together(self._clock, self._calendar_ns)
        came = read - (calendar_ns - stamp_ns) * 1e-9
        self.received = came if after <= came <= read else self._clock()


def together(
    clock: Callable[[], float] = time.perf_counter,
    calendar_ns: Callable[[], int] = time.time_ns,
) -> tuple[float, int]:
    """What two clocks say at one instant, to the microsecond."""
    before, calendar, now = clock(), calendar_ns(), clock()
    attempts = 1
    while now - before > _TOGETHER_S and attempts < _ATTEMPTS:  # something came in between
        before, calendar, now = clock(), calendar_ns(), clock()
        attempts += 1
    return (before + now) / 2, calendar


def stamp(sock: socket.socket) -> bool:
    """Have what *sock* receives stamped; say whether the system knows how."""
    if sys.platform != "linux" or not ROOM_BYTES:
        return False
    try:
        sock.setsockopt(socket.SOL_SOCKET, _STAMPS, 1)
    except OSError:
        return False
    return True


def _stamp_ns(ancillary: Ancillary) -> int | None:
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == _STAMPS and len(content) == _STAMP.size:
            seconds, nanoseconds = _STAMP.unpack(content)
            return int(seconds) * 1_000_000_000 + int(nanoseconds)
    return None
