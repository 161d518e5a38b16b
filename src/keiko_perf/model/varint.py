"""Variable-length integers (LEB128): small counts take one byte."""

from __future__ import annotations


def write_varint(out: bytearray, number: int) -> None:
    """
    Append *number* to *out*, seven bits a byte, the lowest first.

    Raises:
        ValueError: it is negative.
    """
    if number < 0:
        raise ValueError(f"cannot encode a negative number, {number}")
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)


def read_varints(encoded: bytes) -> list[int]:
    """
    All numbers of *encoded*.

    Raises:
        ValueError: the last one does not end.
    """
    numbers = []
    number = shift = 0
    for byte in encoded:
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            numbers.append(number)
            number = shift = 0
        else:
            shift += 7
    if shift:
        raise ValueError("a number that was cut short")
    return numbers


class Reader:
    """Reads numbers from *encoded*, one after the other."""

    __slots__ = ("_encoded", "_position")

    def __init__(self, encoded: bytes, start: int = 0) -> None:
        self._encoded = encoded
        self._position = start

    def varint(self) -> int:
        """
        The next number.

        Raises:
            ValueError: there is none, or it does not end.
        """
        number = shift = 0
        while True:
            try:
                byte = self._encoded[self._position]
            except IndexError:
                raise ValueError("a number that was cut short") from None
            self._position += 1
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number

    def rest(self) -> bytes:
        """All that was not read yet."""
        rest = self._encoded[self._position :]
        self._position = len(self._encoded)
        return rest
