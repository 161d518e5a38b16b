"""Lengths of time as people write them."""

from __future__ import annotations

import pytest

from keiko_perf.errors import UsageError
from keiko_perf.model.length import read_length


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("250us", 0.00025),
        ("500ms", 0.5),
        ("1.5s", 1.5),
        (" 90 min ", 5400.0),
        ("5m", 300.0),
        ("2h", 7200.0),
        ("1d", 86_400.0),
        ("30", 30.0),
    ],
)
def test_a_length_is_read_in_each_unit_and_a_bare_number_is_seconds(text, seconds):
    assert read_length(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "soon", "s", "-1s", "1e3s", "1 week", "5m 30s", "nan"])
def test_what_is_no_length_is_refused_with_how_one_is_written(text):
    with pytest.raises(UsageError, match="is no moment") as refused:
        read_length(text, what="moment", cure="Write 2h")
    assert refused.value.cure == "Write 2h"
