"""
Framing: where an HTTP/1.1 answer ends, read off its header block.

The head is parsed by httptools (llhttp, strict). Framing follows RFC 9112, section 6.3. The same
bytes always mean the same framing, so the transport may remember a block that it saw before.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from httptools import (
    HttpParserCallbackError,
    HttpParserError,
    HttpParserUpgrade,
    HttpResponseParser,
)

from keiko_perf.loadtest.transport import Malformed

LARGEST_HEAD_BYTES = 64 * 1024
"""A longer header block is refused; servers themselves refuse from 8 to 32 KiB on."""

SPEAKS_TLS = "the target speaks TLS: ask it with https"
SURPLUS = "more bytes than the answer announced"
_SWITCHES = "it switches to another protocol"
_ALERT = b"\x15\x03"  # RFC 8446, 5.1: a record of type alert, and TLS's major version
# Only what llhttp takes as well: a test compares the two. It never looks back, so it takes time in
# proportion to the block, whatever that is.
_OTHER = (
    rb"(?:\r\n(?:[Cc]onnection: keep-alive(?=\r|\Z)|"
    rb"(?!(?i:content-length|transfer-encoding|connection|proxy-connection|upgrade):)"
    rb"[!#$%&'*+.^_`|~0-9A-Za-z-]++:[\t -~\x80-\xff]*+))*+"
)
_PLAIN = re.compile(
    rb"HTTP/1\.1 ([2-5][0-9][0-9]) [ -~]*+"
    + _OTHER
    + rb"\r\n[Cc]ontent-[Ll]ength: ([0-9]{1,15})(?=\r|\Z)"
    + _OTHER
)
_END = b"\r\n\r\n"
_CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


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
        fields: all headers, names in lower case, in the order in which they came.
    """

    status: int
    body: Body
    length: int
    keeps_alive: bool
    fields: tuple[tuple[bytes, bytes], ...] = field(default=(), repr=False, compare=False)


def check_start(data: bytes | bytearray, size: int) -> None:
    """
    Refuse what cannot become an answer, before the end of its header block is there.

    Args:
        data: from the first byte of the answer on.
        size: the length of its header block, as far as it is there.

    Raises:
        Malformed: it is no HTTP/1.x, or too much of it.
    """
    if not data.startswith(b"HTTP/1."[: len(data)]):
        raise Malformed(
            SPEAKS_TLS if data.startswith(_ALERT) else "it does not begin like HTTP/1.x"
        )
    if size > LARGEST_HEAD_BYTES:
        raise Malformed(f"headers of more than {LARGEST_HEAD_BYTES // 1024} KiB")


def read_plain_head(block: bytes) -> tuple[int, int] | None:
    """
    The status and the length of the body, where a header block says no more than that.

    A server that numbers its answers never repeats a block, and the parser costs more than all the
    rest of a request. Whatever is not plainly an answer with a length is None here, and goes there.
    """
    found = _PLAIN.fullmatch(block)
    if found is None or len(block) > LARGEST_HEAD_BYTES:
        return None
    status = int(found[1])
    return None if status in (204, 304) else (status, int(found[2]))


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
    keeps_alive, all_fields = fields.keeps_alive(version), tuple(fields.fields)
    if answers_head or status in (204, 304):
        return Head(status, Body.LENGTH, 0, keeps_alive, all_fields)
    if fields.is_chunked:
        return Head(status, Body.CHUNKED, 0, keeps_alive, all_fields)
    if fields.length is None:
        return Head(status, Body.UNTIL_CLOSE, 0, False, all_fields)
    return Head(status, Body.LENGTH, fields.length, keeps_alive, all_fields)


class Chunks:
    """
    A chunked body that is read past; nothing of it is kept.

    Args:
        take: is given each piece of the body; without it they are dropped unseen.
    """

    __slots__ = ("_parser", "is_complete", "is_exceeded", "on_body")

    def __init__(self, take: Callable[[bytes], None] | None = None) -> None:
        self.is_complete = False
        self.is_exceeded = False
        if take is not None:  # httptools looks for it once, when the parser is made
            self.on_body = take
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
        except HttpParserCallbackError as error:
            # What takes the pieces refused one: its own words are the better ones.
            raise (error.__context__ or error) from None
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
    """The fields of a header block, and what of them decides where the answer ends."""

    __slots__ = ("connection", "fields", "is_chunked", "is_complete", "length")

    def __init__(self) -> None:
        self.fields: list[tuple[bytes, bytes]] = []
        self.is_complete = False
        self.is_chunked = False
        self.length: int | None = None
        self.connection = b""

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        self.fields.append((name, value))
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
