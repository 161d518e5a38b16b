"""
Collecting: a connection for requests whose answers are wanted whole, at hardly more cost.

An answer that comes at once, and is the last one to the same request to the byte or has a header
block that is known, is handed over as it is. Any other goes the way of every connection.
"""

from __future__ import annotations

from keiko_perf.loadtest.connection import Http1Channel
from keiko_perf.loadtest.delivery import Delivery
from keiko_perf.loadtest.framing import Body
from keiko_perf.loadtest.home import LARGEST_WHOLE_BYTES, Home, Phase, Repeatable
from keiko_perf.loadtest.reading import Fields
from keiko_perf.loadtest.request import Request
from keiko_perf.loadtest.transport import Answer, Channel, Owner

_MOST_KNOWN = 16  # `Date` changes once a second, and more than the last ones are of no use
_MOST_REPEATED = 512
_IDLE, _HEAD = Phase.IDLE, Phase.HEAD
_NOTHING = (b"", 0, 0, Answer(0, (), b""))
_tuple = tuple.__new__  # what a named tuple's own constructor calls, at half its cost


class CollectingChannel(Http1Channel):
    """One connection of users."""

    __slots__ = ("_came", "_clock", "_light", "_repeated", "_seen", "_tell_soon")

    def __init__(self, home: Home, owner: Owner) -> None:
        super().__init__(home, owner)
        # Header blocks that were seen before: the status, the headers, and the length of the body.
        self._seen: dict[bytes, tuple[int, Fields, int]] = {}
        delivery: Delivery | None = getattr(owner, "delivery", None)
        self._came: list[Channel] = [] if delivery is None else delivery.came
        self._tell_soon = None if delivery is None else delivery.tell_soon
        self._repeated = home.repeated
        self._clock = home.clock
        self._light: Request | None = None  # the one under way, until anything of its answer came

    def send(self, request: Request) -> None:
        if request.is_light and self._phase is _IDLE:
            self.request = self._light = request
            self._phase = _HEAD
            write = self._write
            write(request.wire)
        else:
            super().send(request)

    def data_received(self, data: bytes) -> None:
        light = self._light
        if light is None:
            self._take(data)
            return
        self._light = None
        # To compare is cheaper than to look for the end of the headers.
        seen = self._repeated.get(light, _NOTHING)
        if seen[0] != data:
            seen = self._read(light, data)
            if seen is _NOTHING:
                self._take(data)
                return
        _, size, status, answer = seen
        self._phase = _IDLE
        if self._tell_soon is None:
            self.received_bytes, self.answer = size, answer
            self._answered(self, status)
            return
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
