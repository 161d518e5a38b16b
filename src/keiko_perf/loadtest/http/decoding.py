"""
Decoding: a gzip body as it comes, in bounded memory and to a bounded length.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from keiko_perf.loadtest.transport import Malformed

MOST_DECODED_BYTES = 256 * 1024 * 1024
"""An answer that decodes to more is refused: a few hundred KiB can hide any length."""

_PIECE_BYTES = 64 * 1024
_GZIP = 16 + zlib.MAX_WBITS


class Gunzip:
    """
    Attributes:
        decoded_bytes: how much came out so far.
    """

    __slots__ = ("_is_begun", "_member", "decoded_bytes")

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP)
        self._is_begun = False
        self.decoded_bytes = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """
        The pieces that *data* decodes to, one at a time.

        Raises:
            Malformed: it is no gzip, or too much of it.
        """
        while data:
            if self._member.eof:  # RFC 1952, 2.2: members follow one another
                self._member = zlib.decompressobj(_GZIP)
            self._is_begun = True
            try:
                piece = self._member.decompress(data, _PIECE_BYTES)
            except zlib.error:
                raise Malformed("it is not the gzip that it says it is") from None
            data = self._member.unconsumed_tail or self._member.unused_data
            self.decoded_bytes += len(piece)
            if self.decoded_bytes > MOST_DECODED_BYTES:
                most = MOST_DECODED_BYTES // 1024**2
                raise Malformed(f"it decodes to more than {most} MiB")
            yield piece

    def end(self) -> None:
        """
        There is no more.

        Raises:
            Malformed: there should be.
        """
        if self._is_begun and not self._member.eof:
            raise Malformed("its gzip is cut short")
