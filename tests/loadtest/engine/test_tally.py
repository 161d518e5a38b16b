"""A tally counts what it gathered, all of it and once, in the histogram that it was for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from keiko_perf.loadtest.engine.tally import ENOUGH, Tally
from keiko_perf.model import Histogram

DURATIONS_S = st.lists(st.floats(0, 4000), max_size=200)


@given(st.lists(DURATIONS_S, min_size=1, max_size=5))
def test_it_counts_in_each_histogram_what_was_recorded_while_it_was_the_one(parts):
    histograms = [Histogram() for _ in parts]
    tally = Tally(Histogram())
    record = tally.record  # is bound once, however often it moves on
    for into, part in zip(histograms, parts, strict=True):
        tally.move_to(into)
        for duration_s in part:
            record(duration_s)
        assert tally.histogram is into
    assert histograms == [Histogram(part) for part in parts]


def test_it_waits_for_enough_and_keeps_no_more_than_that_for_long():
    into = Histogram()
    tally = Tally(into)
    for _ in range(ENOUGH - 1):
        tally.record(0.001)
    tally.settle()
    assert into.count == 0
    tally.record(0.001)
    tally.settle()
    assert into.count == ENOUGH
