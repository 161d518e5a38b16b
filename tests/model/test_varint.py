"""Small counts take one byte, and every number comes back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keiko_perf.model.varint import Reader, write_varint


@pytest.mark.parametrize(
    ("number", "encoded"),
    [(0, "00"), (127, "7f"), (128, "8001"), (300, "ac02"), (2**64 - 1, "ff" * 9 + "01")],
)
def test_the_known_encodings_of_leb128(number: int, encoded: str) -> None:
    out = bytearray()
    write_varint(out, number)
    assert out.hex() == encoded


@given(st.lists(st.integers(0, 2**70)))
def test_every_number_comes_back_in_its_turn(numbers: list[int]) -> None:
    out = bytearray()
    for number in numbers:
        write_varint(out, number)
    reader = Reader(bytes(out))
    assert [reader.varint() for _ in numbers] == numbers
    assert reader.rest() == b""


def test_a_negative_number_and_one_cut_short_are_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        write_varint(bytearray(), -1)
    with pytest.raises(ValueError, match="cut short"):
        Reader(b"\x80").varint()
