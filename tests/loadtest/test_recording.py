"""Recorded arrivals: what is read from a file, and what is refused."""

from __future__ import annotations

import pytest

from keiko_perf.errors import StoreUnavailable, UsageError
from keiko_perf.loadtest import replay


@pytest.mark.parametrize(
    ("text", "instants"),
    [
        ("0\n1.5\n\n# a remark\n3\n", [0, 1.5, 3]),
        ("time,path\n100.25,/a\n100.5,/b\n", [0, 0.25]),
        ("2026-01-01T00:00:00Z\n2026-01-01T01:00:01.5+01:00\n", [0, 1.5]),
        ('"2026-01-01 00:00:00",1\n"2026-01-01 00:00:02",1\n', [0, 2]),
        ("3\n1\n2", [0, 1, 2]),
    ],
)
def test_instants_are_read_from_the_first_field_of_each_line(tmp_path, text, instants):
    file = tmp_path / "arrivals.csv"
    file.write_text(text)
    assert list(replay(file).instants_s) == instants


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "at least one instant"),
        (b"time\n", "at least one instant"),
        (b"1\n2\nsoon\n", "line 3 of"),
        (b"1\nnan\n", "no number"),
        (b"\xff\xfe1", "UTF-8"),
    ],
)
def test_what_holds_no_instants_is_refused(tmp_path, content, reason):
    file = tmp_path / "arrivals.csv"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=reason):
        replay(file)


def test_a_recording_that_cannot_be_read_is_said(tmp_path):
    with pytest.raises(StoreUnavailable, match="cannot be read"):
        replay(tmp_path / "none.csv")
