"""
Connection: one HTTP/1.1 connection, in the shape that costs least per request.

A request is bytes that were written beforehand, an answer is counted and dropped as it comes: a
connection keeps at most one header block. Most answers of a server repeat a header block that
was seen before (`Date` changes once a second), and the same bytes mean the same framing: such a
block is looked up and not parsed again. What has wishes is read on a slower way.

Whatever a server sends, a request ends as an answer or as a `Failure`, and never later than when
its owner calls `expire`.
"""

from __future__ import annotations

from typing import Final

from keiko_perf.loadtest.http.framing import (
    SPEAKS_TLS,
    SURPLUS,
    Body,
    Chunks,
    Head,
    check_start,
    read_head,
)
from keiko_perf.loadtest.http.home import LARGEST_WHOLE_BYTES, Home, Known, Phase
from keiko_perf.loadtest.http.outgoing import OutgoingChannel
from keiko_perf.loadtest.http.reading import Reading
from keiko_perf.loadtest.http.refusal import why_lost
from keiko_perf.loadtest.request import Request
from keiko_perf.loadtest.transport import Answer, Failure, Malformed, Owner

_END = b"\r\n\r\n"
_MOST_INTERIM = 32
_NOTHING: Final = Known()  # stays empty: what is looked up in it goes the slow way

# Attributes of an enum cost a look-up each; these are read for every answer.
_IDLE, _HEAD, _BODY, _CLOSED = Phase.IDLE, Phase.HEAD, Phase.BODY, Phase.CLOSED


class Http1Channel(OutgoingChannel):
    """One connection, from its first request to its close."""

    __slots__ = (
        "_answered",
        "_block",
        "_chunks",
        "_framing",
        "_head",
        "_interim",
        "_known",
        "_known_if_plain",
        "_reading",
        "_remaining",
        "_status",
    )

    def __init__(self, home: Home, owner: Owner) -> None:
        super().__init__(home, owner)
        self._answered = owner.answered
        self._known = self._known_if_plain = home.known
        self._block = bytearray()  # of an answer's head, while it is incomplete
        self._head: Head | None = None
        self._status = 0
        self._framing = Body.LENGTH
        self._remaining = 0
        self._interim = 0
        self._chunks: Chunks | None = None
        self._reading: Reading | None = None

    # What the engine calls

    def send(self, request: Request) -> None:
        self.request = request
        if self._phase is not _IDLE:
            self._connect_soon()
        elif request.is_plain:  # as `_begin` does, without calling it
            self._phase = _HEAD
            self._known = self._known_if_plain
            write = self._write
            write(request.wire)
        else:
            self._begin(request)

    def expire(self) -> None:
        if self._phase is Phase.CONNECTING:
            self._home.doubt()
            self._fail(Failure.CONNECT_TIMEOUT, "no connection in time")
        elif self._phase is _HEAD:
            self._fail(Failure.TIMEOUT_HEADERS, "no answer in time")
        else:
            self._fail(Failure.TIMEOUT_BODY, "no end of the answer in time")

    def close(self) -> None:
        self._reading = None
        super().close()

    # What the event loop calls

    def data_received(self, data: bytes) -> None:
        # The hot path: a whole answer at once, with a header block that is known.
        if self._phase is _HEAD and not self._block:
            blocks = self._known
            if data == blocks.whole:
                self.received_bytes = blocks.size
                self._phase = _IDLE
                answered = self._answered
                answered(self, blocks.status)
                return
            end = data.find(b"\r\n\r\n")
            known = blocks.get(data[:end]) if end > 0 else None
            if known is None and end > 0 and blocks is self._known_if_plain:
                known = self._home.learn(data[:end])
            if known is not None:
                size = self.received_bytes = len(data)
                remaining = known[1] + end + 4 - size
                if not remaining:
                    if size <= LARGEST_WHOLE_BYTES:
                        blocks.whole, blocks.size, blocks.status = data, size, known[0]
                    self._phase = _IDLE
                    self._answered(self, known[0])
                    return
                self._status, self._remaining = known
                self._framing, self._phase = Body.LENGTH, _BODY
                self.received_bytes = end + 4
                data = data[end + 4 :]
        self._take(data)

    def eof_received(self) -> None:
        return None  # close: whoever stops sending is not asked again

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._home.gone(self._transport)
        phase = self._phase
        if phase is _CLOSED:
            return
        if phase is _IDLE:
            self._lose()
        elif phase is _BODY and self._framing is Body.UNTIL_CLOSE and exc is None:
            self._finish()
        elif exc is not None:
            self._fail(*why_lost(exc))
        elif phase is _HEAD and not self._block:
            self._fail(Failure.RESET, "closed without an answer")
        else:
            where = "headers" if phase is _HEAD else "body"
            self._fail(Failure.PROTOCOL, f"closed in the middle of the {where}")

    def _begin(self, request: Request) -> None:
        self._phase = _HEAD
        if request.is_plain:
            self._known = self._known_if_plain
            self._write(request.wire)
        else:
            self._begin_special(request)

    def _begin_special(self, request: Request) -> None:
        wishes = request.wishes
        self._known = _NOTHING
        self.answer, self.decoded_bytes = None, 0
        if wishes is None and request.is_head:
            self._known = self._home.known_for_head
        self._write(request.wire)
        if request.rest or request.upload is not None:
            self._send_body(request)

    # Receiving

    def _take(self, data: bytes) -> None:
        """Read *data*, wherever the answer is."""
        phase = self._phase
        try:
            if phase is _BODY:
                self.received_bytes += len(data)
                self._take_body(data)
            elif phase is _HEAD:
                if self._block or self._interim or not self._take_whole(data):
                    self._take_head(data)
            elif phase is _IDLE:
                # Bytes that nobody asked for would be taken for the next answer.
                self._lose()
        except Malformed as malformed:
            failure = Failure.TLS if str(malformed) == SPEAKS_TLS else Failure.PROTOCOL
            self._fail(failure, str(malformed))

    def _take_whole(self, data: bytes) -> bool:
        """Collect a whole answer at once whose header block is known; say whether it was one."""
        request = self.request
        assert request is not None
        wishes = request.wishes
        if wishes is None or not wishes.only_collects or request.is_head or self._sending:
            return False
        end = data.find(_END)
        head = self._home.recall(data[:end])
        if head is None or head.body is not Body.LENGTH or not head.keeps_alive:
            return False
        size = self.received_bytes = len(data)
        if size != end + 4 + head.length or head.length > wishes.max_body_bytes:
            return False
        self.answer = Answer(head.status, head.fields, data[end + 4 :])
        self.decoded_bytes = head.length
        self._head, self._status = head, head.status
        self._hand_over()
        return True

    def _take_head(self, data: bytes) -> None:
        block = self._block
        if not block:
            if not self._interim:
                self.received_bytes = 0
                self._begin_reading()
            self.received_bytes += len(data)
            end = data.find(_END)
        else:
            self.received_bytes += len(data)
            searched = max(0, len(block) - 3)
            block += data
            end = block.find(_END, searched)
            if end >= 0:
                data = bytes(block)
                block.clear()
        while True:
            if end < 0:
                if not block:
                    block += data
                check_start(block, len(block))
                return
            check_start(data, end)
            self._take_block(data[:end])
            data = data[end + 4 :]
            if self._phase is not _HEAD:
                break
            if not data:  # an interim answer: the real one follows
                return
            end = data.find(_END)
        self._take_body(data)

    def _begin_reading(self) -> None:
        wishes = self.request.wishes if self.request is not None else None
        if wishes is not None:
            self._reading = Reading(wishes, due=self.due, clock=self._home.clock)

    def _take_block(self, block: bytes) -> None:
        assert self.request is not None
        home, reading = self._home, self._reading
        answers_head = self.request.is_head
        head = None if reading is None or answers_head else home.recall(block)
        if head is None:
            head = read_head(block, answers_head=answers_head)
            if head.body is Body.INTERIM:
                self._interim += 1
                self._known = _NOTHING  # the short way knows nothing of what came before
                if self._interim > _MOST_INTERIM:
                    raise Malformed("interim answers without end")
                return
            if reading is None:
                home.remember(block, head, answers_head=answers_head)
            elif not answers_head:
                home.remember_fields(block, head)
        self._interim = 0
        self._phase = _BODY
        self._head = head
        self._status, self._framing, self._remaining = head.status, head.body, head.length
        self.is_open = head.keeps_alive
        if reading is not None:
            reading.head(head.status, head.fields)
        if head.body is Body.CHUNKED:
            self._chunks = Chunks(None if reading is None else reading.feed)

    def _take_body(self, data: bytes) -> None:
        reading = self._reading
        is_complete = False
        if self._chunks is not None:
            self._chunks.feed(data)
            is_complete = self._chunks.is_complete
        elif self._framing is Body.LENGTH:
            self._remaining -= len(data)
            if self._remaining < 0:
                raise Malformed(SURPLUS)
            is_complete = not self._remaining
        if self._chunks is None and reading is not None and data:
            reading.feed(data)
        if not is_complete and reading is not None and reading.is_enough:
            is_complete, self.is_open = True, False
        if is_complete:
            self._finish()

    def _finish(self) -> None:
        """The answer is complete."""
        self._chunks = None
        if self._sending is not None:
            # An answer before the end of its request leaves the connection in the middle of it.
            if not self._sending.is_over:
                self.is_open = False
                self._sending.cancel()
            self._sending = None
        if self._reading is not None and not self._end_reading(self._reading):
            return
        self._hand_over()

    def _end_reading(self, reading: Reading) -> bool:
        self._reading = None
        try:
            reading.end()
        except Malformed as malformed:
            self._fail(Failure.PROTOCOL, str(malformed))
            return False
        self.answer, self.decoded_bytes = reading.answer, reading.decoded_bytes
        return True

    def _hand_over(self) -> None:
        """Tell the owner of the answer."""
        if self.is_open:
            self._phase = _IDLE
        else:
            self.close()
        self._answered(self, self._status)
