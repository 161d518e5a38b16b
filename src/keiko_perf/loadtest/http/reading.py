"""
Reading: one answer that is more than counted: collected, decoded, observed.

It is made for requests with `Wishes` only, whatever transport carries them.
"""

from __future__ import annotations

from collections.abc import Callable

from keiko_perf.loadtest.http.decoding import Gunzip
from keiko_perf.loadtest.http.stream import Events
from keiko_perf.loadtest.request import Wishes
from keiko_perf.loadtest.transport import Answer

Fields = tuple[tuple[bytes, bytes], ...]


class Reading:
    """
    It begins with the first byte of the answer.

    Args:
        wishes: what is to be done with the answer.
        due: when its request was due.
        clock: that of the request's owner.

    Attributes:
        decoded_bytes: how long the body is so far, after decoding.
        is_enough: the answer counts as complete, though more of it may come.
    """

    __slots__ = (
        "_before",
        "_body",
        "_clock",
        "_due",
        "_events",
        "_events_left",
        "_fields",
        "_gunzip",
        "_observer",
        "_room",
        "_status",
        "decoded_bytes",
        "is_enough",
    )

    def __init__(self, wishes: Wishes, *, due: float, clock: Callable[[], float]) -> None:
        self._due = due
        self._clock = clock
        self._observer = wishes.observer
        self._events: Events | None = None
        self._events_left = wishes.events or -1
        self._gunzip = Gunzip() if wishes.takes_gzip else None
        self._body: bytearray | None = bytearray() if wishes.collects else None
        self._room = wishes.max_body_bytes
        self._status = 0
        self._fields: Fields = ()
        self._before: float | None = None
        self.decoded_bytes = 0
        self.is_enough = False
        if wishes.observer is not None:
            wishes.observer.began(due, clock())

    def head(self, status: int, fields: Fields) -> None:
        """The final answer's status and headers."""
        self._status, self._fields = status, fields
        if self._gunzip is not None and _value(fields, b"content-encoding") not in _GZIPS:
            self._gunzip = None
        if self._observer is not None or self._events_left > 0:
            kind = _value(fields, b"content-type").partition(b";")[0].strip()
            self._events = Events() if kind == b"text/event-stream" else None

    def feed(self, data: bytes) -> None:
        """
        A piece of the body, as it came.

        Raises:
            Malformed: it cannot be decoded.
        """
        if self._gunzip is None:
            self._take(data)
            return
        for piece in self._gunzip.feed(data):
            self._take(piece)

    def end(self) -> None:
        """
        The answer is complete.

        Raises:
            Malformed: its body is not.
        """
        if self._gunzip is not None and not self.is_enough:
            self._gunzip.end()

    @property
    def answer(self) -> Answer | None:
        """What was collected; None if that was not wished for."""
        if self._body is None:
            return None
        is_cut = self.decoded_bytes > len(self._body)
        return Answer(self._status, self._fields, bytes(self._body), is_cut)

    def _take(self, data: bytes) -> None:
        self.decoded_bytes += len(data)
        if self._body is not None and self._room > 0:
            self._body += data[: self._room]
            self._room -= len(data)
        if self._events is not None:
            self._take_events(self._events.feed(data))

    def _take_events(self, count: int) -> None:
        if not count:
            return
        now = self._clock()
        if self._events_left > 0:
            count = min(count, self._events_left)
            self._events_left -= count
            self.is_enough = not self._events_left
        for _ in range(count):
            if self._observer is not None:
                self._observer.event(self._due, self._before, now)
            self._before = now


_GZIPS = (b"gzip", b"x-gzip")


def _value(fields: Fields, name: bytes) -> bytes:
    """The value of the last header of that name, in small letters."""
    return next((value.lower() for key, value in reversed(fields) if key == name), b"")
