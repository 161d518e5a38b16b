"""A timeline keeps each duration in its interval, however late it comes, in little room."""

from __future__ import annotations

import sys

from hypothesis import given
from hypothesis import strategies as st

from keiko_perf.loadtest.engine.timeline import MOST_OPEN, Timeline
from keiko_perf.model import Histogram

COUNTED = st.lists(st.tuples(st.integers(0, 3 * MOST_OPEN), st.floats(1e-6, 10.0)), max_size=400)


@given(COUNTED, st.integers(0, 3 * MOST_OPEN), st.integers(0, 3 * MOST_OPEN))
def test_it_is_as_if_each_interval_had_a_histogram_for_good(counted, first, end):
    timeline, naive = Timeline(), {}
    for position, duration_s in counted:
        timeline.at(position).record(duration_s)
        naive.setdefault(position, Histogram()).record(duration_s)
    assert timeline.end == max(naive, default=-1) + 1
    assert list(timeline.read()) == [naive[at] for at in sorted(naive)]
    within = [naive[at] for at in sorted(naive) if first <= at < end]
    assert list(timeline.read(first, end)) == within


def test_what_is_over_for_long_takes_a_tenth_of_the_room():
    timeline = Timeline()
    for position in range(1000):
        one = timeline.at(position)
        for number in range(200):
            one.record(0.001 * 1.02**number)
    packed = list(timeline._packed.values())
    assert len(packed) == 1000 - MOST_OPEN
    whole = sum(sys.getsizeof(one._counts) for one in timeline._open.values()) / MOST_OPEN
    assert max(map(len, packed)) < whole / 5
