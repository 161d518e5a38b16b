"""
Wire: when each request to a server on this machine left, and when its answer was there.

As tcpdump sees it: the kernel stamps every packet on the loopback interface, and a packet socket
(packet(7)) keeps those with a payload until they are read, after the run, so that nothing runs
beside it. It knows nothing of the program that asks.

It takes root, or CAP_NET_RAW.
"""

from __future__ import annotations

import ctypes
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_ETH_P_ALL = 0x0003  # with less the stamp is taken later
_OUTGOING = 4
_SO_ATTACH_FILTER = 26
_SO_RCVBUFFORCE = 33
_SO_TIMESTAMPNS = 35
_SOL_PACKET = 263
_PACKET_STATISTICS = 6
_ROOM_BYTES = 256 << 20
_BARE = 60  # no longer is an IP packet of a TCP connection that carries nothing
_HEAD_BYTES = 128

# Classic BPF, from the IP header on: what comes in by TCP with a payload, from the port or to it.
_FILTER = (
    (0x20, 0, 0, 0xFFFFF004),  # load word: which way it goes; on this interface each is seen twice
    (0x15, 10, 0, _OUTGOING),
    (0x30, 0, 0, 9),  # load byte: the protocol
    (0x15, 0, 8, socket.IPPROTO_TCP),
    (0x28, 0, 0, 2),  # load half: how long it is
    (0x25, 0, 6, _BARE),
    (0xB1, 0, 0, 0),  # the header's length
    (0x48, 0, 0, 0),  # load half behind it: from which port
    (0x15, 2, 0, None),
    (0x48, 0, 0, 2),  # to which port
    (0x15, 0, 1, None),
    (0x06, 0, 0, _HEAD_BYTES),  # keep it
    (0x06, 0, 0, 0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """When the first byte of a request and the last of its answer passed, in ns since 1970."""

    asked_ns: int
    answered_ns: int


class Wire:
    """What passed."""

    def __init__(self, capture: socket.socket, port: int) -> None:
        self._capture = capture
        self._port = port

    def exchanges(self) -> list[Exchange]:
        """Since it was last asked, in the order of the requests."""
        found: list[list[int]] = []
        last: dict[int, list[int]] = {}
        for at_ns, sender, receiver in self._packets():
            if receiver == self._port:
                last[sender] = [at_ns, 0]
                found.append(last[sender])
            elif receiver in last:
                last[receiver][1] = at_ns
        assert not self._lost(), "packets were lost: the socket's room is too small"
        found.sort()
        return [
            Exchange(asked_ns=asked_ns, answered_ns=answered_ns) for asked_ns, answered_ns in found
        ]

    def _packets(self) -> Iterator[tuple[int, int, int]]:
        while True:
            try:
                packet, beside, _, _ = self._capture.recvmsg(_HEAD_BYTES, 64)
            except BlockingIOError:
                return
            stamps = [content for _, kind, content in beside if kind == _SO_TIMESTAMPNS]
            seconds, nanoseconds = struct.unpack("qq", stamps[0])
            (length,) = struct.unpack_from("!H", packet, 2)
            header_bytes = (packet[0] & 0xF) * 4
            sender, receiver = struct.unpack_from("!HH", packet, header_bytes)
            offset_bytes = (packet[header_bytes + 12] >> 4) * 4
            if length - header_bytes - offset_bytes:
                yield seconds * 10**9 + nanoseconds, sender, receiver

    def _lost(self) -> int:
        said = self._capture.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8)
        return int(struct.unpack("II", said)[1])


def hindrance() -> str:
    """Why there is nothing to be seen here; empty where there is."""
    if sys.platform != "linux":
        return "only Linux shows what is on the wire"
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0).close()
    except PermissionError:
        return "looking at the wire takes root or CAP_NET_RAW: run it by sudo"
    return ""


@contextmanager
def wire(port: int) -> Iterator[Wire]:
    """Look at what passes between *port* and who asks there, over IPv4."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0) as capture:
        lines = [
            struct.pack("HBBI", code, yes, no, port if value is None else value)
            for code, yes, no, value in _FILTER
        ]
        program = ctypes.create_string_buffer(b"".join(lines))
        attached = struct.pack("HL", len(lines), ctypes.addressof(program))
        capture.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, attached)
        capture.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        try:
            capture.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _ROOM_BYTES)
        except PermissionError:
            capture.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _ROOM_BYTES)
        capture.setblocking(False)
        capture.bind(("lo", _ETH_P_ALL))
        yield Wire(capture, port)
