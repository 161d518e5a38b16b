"""
Framing: where an HTTP/1.1 answer ends, read off its header block.

The head is parsed by httptools (llhttp, strict). Framing follows RFC 9112, section 6.3. The same
bytes always mean the same framing, so the transport may remember a block that it saw before.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

SURPLUS = "more bytes than the answer announced"
_SWITCHES = "it switches to another protocol"
_END = b"\r\n\r\n"
_CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


class Malformed(Exception):
    """An answer that is no HTTP/1.1; the words say what is wrong, without the bytes."""


class Body(Enum):
    """How the body of an answer is delimited."""

    LENGTH = "length"
    CHUNKED = "chunked"
    UNTIL_CLOSE = "until-close"
    INTERIM = "interim"  # a 1xx: the answer itself is still to come


@dataclass(frozen=True, slots=True)
class Head:
    """
    Attributes:
        status: 100 to 999.
        body: how the body is delimited.
        length: its length in bytes where that is what delimits it; 0 if there is none.
        keeps_alive: whether the connection takes another request afterwards.
    """

    status: int
    body: Body
    length: int
    keeps_alive: bool


def read_head(block: bytes, *, answers_head: bool) -> Head:
    """
    What a header block says.

    Args:
        block: from the status line to the last header, without the line ends that close it.
        answers_head: the request was a HEAD, so there is no body whatever the block says.

    Raises:
        Malformed: it is no header block of HTTP/1.x.
    """
    fields = _Fields()
    parser = HttpResponseParser(fields)
    try:
        parser.feed_data(block + _END)
    except (HttpParserError, HttpParserUpgrade) as error:
        # llhttp stops at a 101 in one of two ways, which depend on the other headers.
        is_switch = isinstance(error, HttpParserUpgrade) or parser.get_status_code() == 101
        raise Malformed(_SWITCHES if is_switch else _reason(error)) from None
    status: int = parser.get_status_code()
    version = parser.get_http_version()
    if not fields.is_complete or version not in ("1.0", "1.1") or status < 100:
        raise Malformed("no header block of HTTP/1.x")
    if status == 101:
        raise Malformed(_SWITCHES)
    if status < 200:
        return Head(status, Body.INTERIM, 0, True)
    keeps_alive = fields.keeps_alive(version)
    if answers_head or status in (204, 304):
        return Head(status, Body.LENGTH, 0, keeps_alive)
    if fields.is_chunked:
        return Head(status, Body.CHUNKED, 0, keeps_alive)
    if fields.length is None:
        return Head(status, Body.UNTIL_CLOSE, 0, False)
    return Head(status, Body.LENGTH, fields.length, keeps_alive)


class Chunks:
    """A chunked body that is read past; nothing of it is kept."""

    __slots__ = ("_parser", "is_complete", "is_exceeded")

    def __init__(self) -> None:
        self.is_complete = False
        self.is_exceeded = False
        # It has no on_header, so that httptools gathers no trailer, however long.
        self._parser = HttpResponseParser(self)
        self._parser.feed_data(_CHUNKED_HEAD)

    def feed(self, data: bytes) -> None:
        """
        Read on.

        Raises:
            Malformed: it is no chunked body, or goes on after its end.
        """
        try:
            self._parser.feed_data(data)
        except HttpParserError as error:
            self.is_exceeded = self.is_complete
            if not self.is_complete:
                raise Malformed(_reason(error)) from None
        if self.is_exceeded:
            raise Malformed(SURPLUS)

    def on_message_begin(self) -> None:
        self.is_exceeded = self.is_complete

    def on_message_complete(self) -> None:
        self.is_complete = True


class _Fields:
    """The fields of a header block that decide where the answer ends."""

    __slots__ = ("connection", "is_chunked", "is_complete", "length")

    def __init__(self) -> None:
        self.is_complete = False
        self.is_chunked = False
        self.length: int | None = None
        self.connection = b""

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name == b"content-length":
            self.length = int(value)
        elif name == b"transfer-encoding":
            self.is_chunked = value.lower().split(b",")[-1].strip() == b"chunked"
        elif name == b"connection":
            self.connection += b"," + value.lower()

    def on_headers_complete(self) -> None:
        self.is_complete = True

    def keeps_alive(self, version: str) -> bool:
        options = {option.strip() for option in self.connection.split(b",")}
        return b"close" not in options if version == "1.1" else b"keep-alive" in options


def _reason(error: Exception) -> str:
    """The parser's own words; they come from a fixed list."""
    return str(error) or type(error).__name__
