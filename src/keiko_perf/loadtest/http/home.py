"""
Home: what the connections of one transport have in common, as they see it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import IntEnum
from typing import Protocol

from keiko_perf.loadtest.http.framing import Head
from keiko_perf.loadtest.request import Request
from keiko_perf.loadtest.transport import Answer, Channel

LARGEST_WHOLE_BYTES = 4096


Repeatable = tuple[bytes, int, int, Answer]
"""An answer that may come again: how it came, its length, its status, and what it is."""

Repeated = dict[Request, Repeatable]
"""The last answer to each of so many requests."""


class Known(dict[bytes, tuple[int, int]]):
    """
    What header blocks mean that were read before: status and length of the body.

    Attributes:
        whole: the last whole answer, unless it was longer than `LARGEST_WHOLE_BYTES`: many are the
            same to the last byte, and to compare is cheaper than to look at anything.
        size: its length.
        status: its status.
    """

    __slots__ = ("size", "status", "whole")

    def __init__(self) -> None:
        super().__init__()
        self.whole = b""
        self.size = self.status = 0


class Phase(IntEnum):
    """Where a connection is; the numbers are compared in the hot path."""

    NEW = 0
    CONNECTING = 1
    IDLE = 2
    HEAD = 3
    BODY = 4
    CLOSED = 5


class Home(Protocol):
    """
    What a connection needs of its transport.

    Attributes:
        known: what answers with these header blocks are.
        known_for_head: the same of answers to HEAD, which have no body.
        is_tls: whether connections are secured.
        channels: those that may still send.
        connections: what is open.
        tasks: what is under way beside the callbacks.
        clock: that of the owners; says when what is being read had come.
        repeated: the last answers to requests that collect them.
    """

    known: Known
    known_for_head: Known
    is_tls: bool
    channels: set[Channel]
    connections: set[asyncio.BaseTransport]
    tasks: set[asyncio.Task[None]]
    clock: Callable[[], float]
    repeated: Repeated

    async def connect(self, channel: asyncio.Protocol) -> None:
        """Connect it; raises OSError or KeikoError."""

    def doubt(self) -> None:
        """A connection took too long to be made."""

    def gone(self, connection: asyncio.BaseTransport) -> None:
        """A socket was closed."""

    def remember(self, block: bytes, head: Head, *, answers_head: bool) -> None:
        """Keep what *block* means, where that is a length and nothing else."""

    def learn(self, block: bytes) -> tuple[int, int] | None:
        """What *block* means, if that is seen at a glance; from now on it is known."""

    def remember_fields(self, block: bytes, head: Head) -> None:
        """Keep what *block* means, headers and all."""

    def recall(self, block: bytes) -> Head | None:
        """What `remember_fields` kept of *block*."""
