from __future__ import annotations

import gc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keiko_perf.errors import UsageError
from keiko_perf.fakes import FakeClock
from keiko_perf.model import OTHER, Gauge, Histogram, Kind, Snapshot
from keiko_perf.monitoring.recorder import FOLDED, IN_FLIGHT, Recorder
from keiko_perf.monitoring.requests import AT_ONCE

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(100.0, now_at=NOON)


@pytest.fixture
def recorder(clock: FakeClock) -> Recorder:
    return Recorder(clock=clock, now=clock.now, max_series=3, worker="w1")


def test_durations_of_successes_and_failures_are_kept_apart(recorder: Recorder) -> None:
    recorder.record(Kind.ROUTE, "GET /a", 0.1)
    recorder.record(Kind.ROUTE, "GET /a", 5.0, failed=True)
    series = recorder.peek().find(Kind.ROUTE, "GET /a")
    assert series is not None
    assert series.succeeded == Histogram((0.1,))
    assert series.failed == Histogram((5.0,))


def test_a_window_says_when_it_began_how_long_it_was_and_whose_it_is(
    recorder: Recorder, clock: FakeClock
) -> None:
    clock.advance(10)
    first = recorder.snapshot()
    clock.advance(2.5)
    second = recorder.snapshot()
    assert (first.started_at, first.window_s, first.worker) == (NOON, 10.0, "w1")
    assert (second.started_at, second.window_s) == (first.ended_at, 2.5)


def test_who_cuts_may_know_better_when_the_window_began(recorder: Recorder) -> None:
    assert recorder.snapshot(NOON - timedelta(hours=1)).started_at == NOON - timedelta(hours=1)


def test_what_was_handed_over_is_not_handed_over_again(
    recorder: Recorder, clock: FakeClock
) -> None:
    recorder.record(Kind.TASK, "mail", 1.0)
    recorder.count("sent", 2)
    recorder.gauge("depth", 7.0)
    clock.advance(10)
    assert recorder.snapshot().counters == {"sent": 2}
    assert recorder.snapshot() == Snapshot(started_at=clock.now(), window_s=0.0, worker="w1")


def test_a_peek_takes_nothing_away_and_shares_nothing(recorder: Recorder, clock: FakeClock) -> None:
    recorder.record(Kind.TASK, "mail", 1.0)
    clock.advance(5)
    peeked = recorder.peek()
    recorder.record(Kind.TASK, "mail", 2.0)
    recorder.gauge("depth", 1.0)
    assert peeked.whole(Kind.TASK).count == 1
    assert peeked.gauges == {}
    assert peeked.window_s == 5.0
    clock.advance(5)
    assert recorder.snapshot().whole(Kind.TASK).succeeded == Histogram((1.0, 2.0))


def test_names_over_the_bound_share_a_series_and_are_counted(recorder: Recorder) -> None:
    for number in range(10):
        recorder.record(Kind.ROUTE, f"GET /{number}", 0.1)
    recorder.record(Kind.ROUTE, "GET /1", 0.1)
    snapshot = recorder.peek()
    counts = {one.name: one.count for one in snapshot.of(Kind.ROUTE)}
    assert counts == {"GET /0": 1, "GET /1": 2, "GET /2": 1, OTHER: 7}
    assert snapshot.counters[FOLDED] == 7
    assert recorder.statistics().series == 4


def test_one_kind_does_not_take_the_room_of_another(recorder: Recorder) -> None:
    for number in range(10):
        recorder.record(Kind.STATEMENT, f"SELECT {number}", 0.1)
    recorder.record(Kind.ROUTE, "GET /", 0.1)
    assert recorder.peek().find(Kind.ROUTE, "GET /") is not None


def test_a_new_window_has_room_for_new_names(recorder: Recorder) -> None:
    for number in range(10):
        recorder.record(Kind.ROUTE, f"GET /{number}", 0.1)
    recorder.snapshot()
    recorder.record(Kind.ROUTE, "GET /9", 0.1)
    assert recorder.peek().find(Kind.ROUTE, "GET /9") is not None
    assert FOLDED not in recorder.peek().counters


def test_counters_and_gauges_are_bounded_too(recorder: Recorder) -> None:
    for number in range(10):
        recorder.count(f"counter {number}")
        recorder.gauge(f"gauge {number}", 1.0)
    snapshot = recorder.peek()
    assert len(snapshot.counters) <= 5
    assert snapshot.counters[OTHER] == 7
    assert len(snapshot.gauges) == 3
    assert snapshot.counters[FOLDED] == 14


def test_a_gauge_remembers_its_peak(recorder: Recorder) -> None:
    for value in (1.0, 9.0, 2.0):
        recorder.gauge("depth", value)
    assert recorder.peek().gauges == {"depth": Gauge(12.0, 3, 9.0)}


def test_requests_in_flight_outlive_the_window_in_which_they_came(recorder: Recorder) -> None:
    requests = recorder.requests
    requests.came += [1.0, 2.0]
    requests.note("GET /b", 2.1, 0.1)
    first = recorder.snapshot()
    requests.note("GET /a", 2.2, 1.2)
    second = recorder.snapshot()
    assert first.counters == {"arrived": 2}
    assert (first.gauges[IN_FLIGHT].mean, first.gauges[IN_FLIGHT].peak) == (1.0, 2.0)
    assert second.counters == {}
    assert second.whole(Kind.ROUTE).count == 1
    assert recorder.in_flight == 0
    assert IN_FLIGHT not in recorder.snapshot().gauges


def test_the_peak_is_that_of_those_who_were_there_at_once(recorder: Recorder) -> None:
    requests = recorder.requests
    requests.came += [1.0, 2.0, 3.0]
    requests.note("GET /a", 4.0, 3.0)
    requests.note("GET /a", 5.0, 3.0)
    requests.came.append(6.0)
    requests.note("GET /a", 7.0, 4.0)
    requests.note("GET /a", 8.0, 2.0)
    assert recorder.snapshot().gauges[IN_FLIGHT].peak == 3
    requests.came.append(9.0)
    assert recorder.snapshot().gauges[IN_FLIGHT].peak == 1


@given(
    comings=st.lists(st.booleans(), max_size=60),
    before=st.integers(0, 4),
    cuts=st.sets(st.integers(0, 60), max_size=3),
)
def test_the_peak_is_that_of_whoever_counts_them_one_by_one(
    comings: list[bool], before: int, cuts: set[int]
) -> None:
    recorder = Recorder()
    requests = recorder.requests
    requests.came += [0.0] * before
    under_way = peak = before
    for now_s, does_come in enumerate(comings, 1):
        if does_come:
            requests.came.append(float(now_s))
            under_way += 1
            peak = max(peak, under_way)
        elif under_way:
            requests.note("GET /a", float(now_s), 0.5)
            under_way -= 1
        if now_s in cuts:
            recorder.settle()
    found = recorder.snapshot().gauges.get(IN_FLIGHT)
    assert (0 if found is None else found.peak) == peak


def test_requests_are_counted_before_many_wait_to_be(recorder: Recorder) -> None:
    requests = recorder.requests
    requests.came += [1.0] * 5_000  # under way for long
    recorder.settle()
    for _ in range(10 * AT_ONCE):
        recorder.request("GET /a", 0.1)
        assert len(requests.over) < AT_ONCE
    assert recorder.in_flight == 5_000
    assert recorder.peek().whole(Kind.ROUTE).count == 10 * AT_ONCE


def test_of_a_request_its_status_is_its_outcome(recorder: Recorder) -> None:
    for status in (200, 304, 404, 500):
        recorder.request("GET /a", 0.1, status=status, sent_bytes=10)
    series = recorder.peek().find(Kind.ROUTE, "GET /a")
    assert series is not None
    parts = series.succeeded, series.refused, series.failed
    assert [part.count for part in parts] == [2, 1, 1]
    assert (series.redirected, series.sent_bytes) == (1, 40)


def test_requests_over_the_bound_of_names_are_each_counted_as_folded(recorder: Recorder) -> None:
    for number in range(5):
        for status in (200, 200, 500):
            recorder.request(f"GET /{number}", 0.1, status=status)
    snapshot = recorder.peek()
    assert {one.name: one.count for one in snapshot.of(Kind.ROUTE)} == {
        "GET /0": 3, "GET /1": 3, "GET /2": 3, OTHER: 6,
    }  # fmt: skip
    assert snapshot.counters[FOLDED] == 6


def test_what_the_collector_of_garbage_counts_amid_it_is_not_counted_twice() -> None:
    recorder = Recorder()

    class Dies:
        def __del__(self) -> None:
            recorder.request("GET /b", 0.1)
            recorder.settle()  # as what is finalised amid it might

    for _ in range(6):
        recorder.request("GET /a", 0.1)
    routed = (None, None, "GET", "", "/", {"of": Dies()}, None)
    recorder.requests.came.append(0.0)
    recorder.requests.over.append((routed, "", None, 1.0, 0.1, 200, 0, None, None))
    del routed
    recorder.settle()
    assert {one.name: one.count for one in recorder.peek().of(Kind.ROUTE)} == {
        "GET /a": 6, "GET /b": 1, "(unmatched)": 1,
    }  # fmt: skip
    assert recorder.in_flight == 0


def test_probes_are_asked_for_samples(recorder: Recorder) -> None:
    recorder.add_probe(lambda: {"pool_ratio": 0.5})
    recorder.add_probe(dict)
    recorder.probe()
    recorder.probe()
    assert recorder.peek().gauges == {"pool_ratio": Gauge(1.0, 2, 0.5)}


def test_a_probe_that_fails_costs_its_own_samples_only_and_is_said_once(
    recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    recorder.add_probe(lambda: {"gone": 1 / 0})
    recorder.add_probe(lambda: {"endless": float("inf")})
    recorder.add_probe(lambda: {"pool_ratio": 0.5})
    recorder.probe()
    recorder.probe()
    assert recorder.peek().gauges == {"pool_ratio": Gauge(1.0, 2, 0.5)}
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    "refused",
    [
        lambda recorder: recorder.record(Kind.ROUTE, "GET /", -0.1),
        lambda recorder: recorder.record(Kind.ROUTE, "GET /", float("nan")),
        lambda recorder: recorder.gauge("depth", float("inf")),
        lambda recorder: recorder.count("sent", -1),
    ],
    ids=["a negative duration", "no duration", "an endless sample", "a counter that goes down"],
)
def test_senseless_measurements_are_refused(
    recorder: Recorder, refused: Callable[[Recorder], None]
) -> None:
    with pytest.raises(ValueError, match="not"):
        refused(recorder)
    assert recorder.peek().whole(Kind.ROUTE).count == 0


def test_a_recorder_of_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="max_series"):
        Recorder(max_series=0)


def test_nothing_is_lost_or_counted_twice_while_threads_record_and_windows_are_cut() -> None:
    recorder = Recorder(max_series=5)
    cuts: list[Snapshot] = []
    each = 4_000

    def work(number: int) -> None:
        for turn in range(each):
            recorder.record(Kind.TASK, f"task {turn % 7}", 10.0 ** (turn % 6 - 4))
            recorder.count("turns")
            recorder.request(f"GET /{number}", 0.01)

    threads = [Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        recorder.peek()
        cuts.append(recorder.snapshot())
    cuts.append(recorder.snapshot())
    whole = Snapshot.merged(cuts)
    assert whole is not None
    assert whole.whole(Kind.TASK).count == 4 * each
    assert whole.whole(Kind.ROUTE).count == 4 * each
    assert whole.counters["turns"] == whole.counters["arrived"] == 4 * each
    assert recorder.in_flight == 0


def test_a_recording_from_within_the_garbage_collector_does_not_deadlock() -> None:
    recorder = Recorder()

    class HandsBack:
        def __del__(self) -> None:
            recorder.gauge("pool_hold_s", 1.0)

    def collecting_clock() -> float:
        gc.collect()
        return 0.0

    recorder.clock = collecting_clock  # asked while the lock is held
    looped = HandsBack()
    looped.itself = looped  # type: ignore[attr-defined]  # only the collector finds it
    del looped
    recorder.peek()
    assert recorder.peek().gauges == {"pool_hold_s": Gauge(1.0, 1, 1.0)}


_recordings = st.lists(
    st.tuples(
        st.sampled_from(list(Kind)),
        st.sampled_from("abcdefgh"),
        st.floats(min_value=0, max_value=1e4),
        st.booleans(),
        st.booleans(),
    )
)


@given(_recordings)
def test_windows_merge_to_what_was_recorded(
    recordings: list[tuple[Kind, str, float, bool, bool]],
) -> None:
    cut_up, in_one = Recorder(), Recorder()
    cuts = []
    for kind, name, duration_s, failed, cut in recordings:
        for recorder in (cut_up, in_one):
            recorder.record(kind, name, duration_s, failed=failed)
        if cut:
            cuts.append(cut_up.snapshot())
    merged = Snapshot.merged([*cuts, cut_up.snapshot()])
    expected = in_one.snapshot()
    assert merged is not None
    for series in expected.series:
        found = merged.find(series.kind, series.name)
        assert found is not None
        assert (found.succeeded, found.failed) == (series.succeeded, series.failed)
    assert len(merged.series) == len(expected.series)
