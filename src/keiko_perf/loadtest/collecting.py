"""
Collecting: a connection for requests whose answers are wanted whole, at hardly more cost.

An answer that comes at once, with a header block that is known, is handed over as it is. Any other
goes the way of every connection.
"""

from __future__ import annotations

from keiko_perf.loadtest.connection import Http1Channel
from keiko_perf.loadtest.framing import Body
from keiko_perf.loadtest.home import Home, Phase
from keiko_perf.loadtest.reading import Fields
from keiko_perf.loadtest.request import Request
from keiko_perf.loadtest.transport import Answer, Owner

_MOST_KNOWN = 16  # `Date` changes once a second, and more than the last ones are of no use
_IDLE, _HEAD = Phase.IDLE, Phase.HEAD
_tuple = tuple.__new__  # what a named tuple's own constructor calls, at half its cost


class CollectingChannel(Http1Channel):
    """One connection of users."""

    __slots__ = ("_is_light", "_seen")

    def __init__(self, home: Home, owner: Owner) -> None:
        super().__init__(home, owner)
        # Header blocks that were seen before: the status, the headers, and the length of the body.
        self._seen: dict[bytes, tuple[int, Fields, int]] = {}
        self._is_light = False

    def send(self, request: Request) -> None:
        self._is_light = request.is_light
        if self._is_light and self._phase is _IDLE:
            self.request = request
            self._phase = _HEAD
            self._write(request.wire)
        else:
            super().send(request)

    def data_received(self, data: bytes) -> None:
        if self._is_light and self._phase is _HEAD and not self._block:
            end = data.find(b"\r\n\r\n")
            block = data[:end]
            seen = self._seen.get(block)
            if seen is not None:
                status, fields, length = seen
                size = len(data)
                if size == end + 4 + length:
                    self.received_bytes, self.decoded_bytes = size, length
                    self.answer = _tuple(Answer, (status, fields, data[end + 4 :], False))
                    self._phase = _IDLE
                    self._answered(self, status)
                    return
            elif end > 0:
                self._learn(block)
        self._take(data)

    def _learn(self, block: bytes) -> None:
        """Know *block* from now on, if another connection of the same home does."""
        head = self._home.recall(block)
        assert self.request is not None
        wishes = self.request.wishes
        if head is None or head.body is not Body.LENGTH or not head.keeps_alive:
            return
        if wishes is not None and head.length <= wishes.max_body_bytes:
            if len(self._seen) >= _MOST_KNOWN:
                self._seen.clear()
            self._seen[block] = head.status, head.fields, head.length
