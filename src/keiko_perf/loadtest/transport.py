"""
Transport: what the engine needs of a connection, whatever is behind it.

A channel is one connection and carries one request at a time. It tells its owner how the request
ended by exactly one of two calls, never from within `send`. After a failure it is gone; after an
answer its `is_open` says whether it takes another request. The instants of the request are kept on
the channel, so that no object is made for a request.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from keiko_perf.loadtest.engine.instants import Instants
from keiko_perf.loadtest.request import Request


class Failure(StrEnum):
    """Why a request has no good answer, by what one would look into next."""

    DNS = "dns"  # the name was not resolved
    CONNECT_REFUSED = "connect-refused"  # nobody listens there, or no way leads there
    CONNECT_TIMEOUT = "connect-timeout"  # no connection in time, TLS included
    TLS = "tls"  # certificate, version or handshake
    RESET = "reset"  # the connection was closed instead of an answer
    TIMEOUT_HEADERS = "timeout-headers"  # the answer did not begin in time
    TIMEOUT_BODY = "timeout-body"  # it began, and did not end in time
    PROTOCOL = "protocol"  # it was no HTTP, or not what it said it was
    HTTP_4XX = "http-4xx"
    HTTP_5XX = "http-5xx"
    CHECK = "check"  # it was an answer, and not the one that the scenario expected
    SCENARIO = "scenario"  # not a request: the scenario's own code raised
    GENERATOR = "generator"  # this machine had no port, file or memory left


class Malformed(Exception):
    """An answer that is not what it says it is; the words say how, without the bytes."""


class Answer(NamedTuple):
    """
    An answer that was asked to be collected (`Wishes.collects`).

    It is a tuple since one is made for each such answer, and costs a third of a dataclass.

    Attributes:
        status: 100 to 999.
        headers: names in lower case, in the order in which they came; a name may come twice.
        body: decoded if the request took gzip; at most so much as the request wished for.
        is_cut: whether there was more of it.
    """

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    is_cut: bool = False

    def __repr__(self) -> str:
        return f"Answer(status={self.status}, {len(self.body)} bytes)"  # it may hold secrets

    def header(self, name: str) -> str | None:
        """The first header of that name, in whatever letters; None if there is none."""
        wanted = name.lower().encode()
        for known, value in self.headers:
            if known == wanted:
                return value.decode("latin-1")
        return None


class Asked(Protocol):
    """
    A request with its instants on the clock of its owner, such as a channel that carries it.

    Attributes:
        received_bytes: how long its answer was on the wire.
    """

    received_bytes: int

    @property
    def request(self) -> Request | None: ...

    @property
    def due(self) -> float: ...

    @property
    def sent(self) -> float: ...


class Owner(Protocol):
    """Who is told how requests end."""

    def answered(self, channel: Channel, status: int) -> None:
        """The whole answer was received."""

    def failed(self, channel: Channel, failure: Failure, detail: str) -> None:
        """There was none; *detail* is a few words that do not vary from request to request."""

    def lost(self, channel: Channel) -> None:
        """An idle channel was closed by the other side."""


class Channel:
    """
    One connection.

    Attributes:
        request: what is under way; None while idle.
        due: when that was due, on the owner's clock.
        sent: when it was handed over, on the owner's clock.
        is_open: whether it takes another request.
        received_bytes: how long the last answer was on the wire, its header block included,
            before encryption.
        decoded_bytes: how long its body was after decompression, where the request takes gzip.
        redirects: how many redirects the last request followed, where the plan follows any.
        answer: the last answer, where the request collects it; else None.
        asked: what the owner knows of the request; but for a user's reply, which a channel fills
            in, the channel takes no notice of it.
        write: writes to the open connection. Where that is there, and the channel is idle, a light
            request may be sent by setting `request` and writing its wire; elsewhere it is None.
    """

    __slots__ = (
        "answer",
        "asked",
        "decoded_bytes",
        "due",
        "is_open",
        "received_bytes",
        "redirects",
        "request",
        "sent",
        "write",
    )

    def __init__(self) -> None:
        self.write: Callable[[bytes], None] | None = None
        self.request: Request | None = None
        self.due = 0.0
        self.sent = 0.0
        self.is_open = True
        self.received_bytes = 0
        self.decoded_bytes = 0
        self.redirects = 0
        self.answer: Answer | None = None
        self.asked: Any = None

    def send(self, request: Request) -> None:
        """Send *request*, over a connection that is made first if there is none yet."""
        raise NotImplementedError

    def expire(self) -> None:
        """Give the request up for taking too long: the owner is told, the channel is gone."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of everything, now. The owner is told nothing more."""
        raise NotImplementedError


class Transport(Protocol):
    """Makes channels to one target."""

    @property
    def is_in_process(self) -> bool:
        """Whether the service runs in this process, and shares its CPU."""

    @property
    def instants(self) -> Instants | None:
        """
        When what channels tell of had come, and when they sent, where they know that better than
        who is told; there from `open` on. Instants are those of `time.perf_counter`.
        """

    async def open(self) -> None:
        """
        Find the target.

        Raises:
            ServiceUnavailable: it cannot be found.
            UsageError: it may not be put under load.
        """

    def channel(self, owner: Owner) -> Channel:
        """A new channel, which connects when it first sends."""

    async def close(self) -> None:
        """Close all channels and wait until they are gone."""
