"""
Collecting: a connection for requests whose answers are wanted whole, at hardly more cost.

An answer that comes at once, and is the last one to the same request to the byte or has a header
block that is known, is handed over as it is. Any other goes the way of every connection.
"""

from __future__ import annotations

import asyncio

from keiko_perf.loadtest.http.connection import Http1Channel
from keiko_perf.loadtest.http.framing import Body
from keiko_perf.loadtest.http.home import LARGEST_WHOLE_BYTES, Home, Phase, Repeatable
from keiko_perf.loadtest.http.reading import Fields
from keiko_perf.loadtest.request import Request
from keiko_perf.loadtest.transport import Answer, Channel, Owner
from keiko_perf.loadtest.users.delivery import Delivery

_MOST_KNOWN = 16  # `Date` changes once a second, and more than the last ones are of no use
_MOST_REPEATED = 512
_IDLE, _HEAD, _CLOSED = Phase.IDLE, Phase.HEAD, Phase.CLOSED
_NOTHING = (b"", 0, 0, Answer(0, (), b""))
_tuple = tuple.__new__  # what a named tuple's own constructor calls, at half its cost


def collecting(home: Home, owner: Owner) -> Http1Channel:
    """A connection for *owner*, who may have users or not."""
    delivery: Delivery | None = getattr(owner, "delivery", None)
    return (
        Http1Channel(home, owner) if delivery is None else CollectingChannel(home, owner, delivery)
    )


class CollectingChannel(Http1Channel):
    """One connection of users."""

    __slots__ = ("_came", "_clock", "_repeated", "_seen", "_tell_soon")

    def __init__(self, home: Home, owner: Owner, delivery: Delivery) -> None:
        super().__init__(home, owner)
        # Header blocks that were seen before: the status, the headers, and the length of the body.
        self._seen: dict[bytes, tuple[int, Fields, int]] = {}
        self._came: list[Channel] = delivery.came
        self._tell_soon = delivery.tell_soon
        self._repeated = home.repeated
        self._clock = home.clock

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self._phase is not _CLOSED:
            self.write = self._write

    def send(self, request: Request) -> None:
        if self._phase is _IDLE and request.is_light:
            self.request = request
            self._write(request.wire)
        else:
            super().send(request)

    def data_received(self, data: bytes) -> None:
        request = self.request
        # A light request leaves the phase as it is until it is known how its answer begins.
        if request is None or self._phase is not _IDLE:
            self._take(data)
            return
        # To compare is cheaper than to look for the end of the headers.
        seen = self._repeated.get(request, _NOTHING)
        if seen[0] != data:
            seen = self._read(request, data)
            if seen is _NOTHING:
                self._phase = _HEAD
                self._take(data)
                return
        _, size, status, answer = seen
        reply, clock = self.asked, self._clock
        reply.done = clock()
        reply.status = status
        reply.answer = answer
        reply.received_bytes = size
        self.request = None
        came = self._came
        if not came:
            self._tell_soon()
        came.append(self)

    def expire(self) -> None:
        self._begin_head()
        super().expire()

    def connection_lost(self, exc: Exception | None) -> None:
        self._begin_head()
        super().connection_lost(exc)

    def close(self) -> None:
        self.write = None
        super().close()

    def _begin_head(self) -> None:
        if self._phase is _IDLE and self.request is not None:
            self._phase = _HEAD

    def _read(self, request: Request, data: bytes) -> Repeatable:
        """What *data* is, if it is a whole answer whose header block is known."""
        end = data.find(b"\r\n\r\n")
        block = data[:end]
        seen = self._seen.get(block)
        if seen is None:
            if end > 0:
                self._learn(request, block)
            return _NOTHING
        status, fields, length = seen
        size = len(data)
        if size != end + 4 + length:
            return _NOTHING
        answer = _tuple(Answer, (status, fields, data[end + 4 :], False))
        read = data, size, status, answer
        if size <= LARGEST_WHOLE_BYTES:
            repeated = self._repeated
            if len(repeated) >= _MOST_REPEATED:
                repeated.clear()
            repeated[request] = read
        return read

    def _learn(self, request: Request, block: bytes) -> None:
        """Know *block* from now on, if another connection of the same home does."""
        head = self._home.recall(block)
        wishes = request.wishes
        if head is None or head.body is not Body.LENGTH or not head.keeps_alive:
            return
        # What is more than a success that changes nothing is told at once.
        is_usual = head.status < 400 and all(name != b"set-cookie" for name, _ in head.fields)
        if is_usual and wishes is not None and head.length <= wishes.max_body_bytes:
            if len(self._seen) >= _MOST_KNOWN:
                self._seen.clear()
            self._seen[block] = head.status, head.fields, head.length
