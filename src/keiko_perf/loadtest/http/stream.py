"""
Stream: where the events of a `text/event-stream` end.

An event counts when the empty line after it was received, as browsers dispatch it: comments that
only keep a connection alive are no events. Nothing of a stream is kept.
"""

from __future__ import annotations

_KEPT_BYTES = 8  # of a line that is not complete: enough to know its field
_BOM = b"\xef\xbb\xbf"


class Events:
    """Counts the events of a `text/event-stream`, however it is cut (WHATWG HTML, 9.2.6)."""

    __slots__ = ("_ended_with_cr", "_has_data", "_line")

    def __init__(self) -> None:
        self._line = b""
        self._has_data = False
        self._ended_with_cr = False

    def feed(self, data: bytes) -> int:
        """Read on, and say how many events were completed by *data*."""
        if self._ended_with_cr and data.startswith(b"\n"):
            data = data[1:]
        elif not data:
            return 0
        self._ended_with_cr = data.endswith(b"\r")
        return sum(map(self._take_line, data.splitlines(keepends=True)))

    def _take_line(self, line: bytes) -> bool:
        """Whether *line*, with its end if that is there, completes an event."""
        text = line.rstrip(b"\r\n")
        is_complete = len(text) < len(line)
        text = self._line + text[:_KEPT_BYTES]
        if not is_complete:
            self._line = text[:_KEPT_BYTES]
            return False
        self._line = b""
        field = text.removeprefix(_BOM)
        if field == b"data" or field.startswith(b"data:"):
            self._has_data = True
        elif not field:
            is_event, self._has_data = self._has_data, False
            return is_event
        return False
