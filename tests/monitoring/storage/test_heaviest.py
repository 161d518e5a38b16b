"""Of thousands of series those that are read, unpacked; the rest counted."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from keiko_perf.model import Gauge, Histogram, Kind, Series, Snapshot
from keiko_perf.monitoring import MemoryStore, PerformanceMonitor
from keiko_perf.monitoring.dashboard.chunks import Chunks
from keiko_perf.monitoring.dashboard.tables import tables_and_whole
from keiko_perf.monitoring.dashboard.timelines import Timelines
from keiko_perf.monitoring.dashboard.view import View
from keiko_perf.monitoring.findings import findings
from keiko_perf.monitoring.storage import heaviest as weighing
from keiko_perf.monitoring.storage import pieces as unpacking
from keiko_perf.monitoring.storage.heaviest import REST, Few, are_many, heaviest
from keiko_perf.monitoring.storage.pieces import Piece, snapshots
from keiko_perf.monitoring.storage.points import SUMMED, sums_of

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def window(number, rng, routes=400, statements=300):
    def histogram(mean_s, most):
        return Histogram(mean_s * rng.uniform(0.5, 2) for _ in range(rng.randrange(most)))

    def series(kind, name, mean_s):
        return Series(
            kind=kind,
            name=name,
            window_s=10.0,
            succeeded=histogram(mean_s, 40),
            failed=histogram(mean_s, 3),
            refused=histogram(0.0001, 8),
        )

    return Snapshot(
        started_at=NOON + timedelta(seconds=10 * number),
        window_s=10.0,
        series=(
            *(series(Kind.ROUTE, f"GET /{n}", 0.001 * (n % 97 + 1)) for n in range(routes)),
            *(series(Kind.IN_SQL, f"GET /{n}", 0.0005) for n in range(routes)),
            *(
                series(Kind.STATEMENT, f"SELECT {n}", 0.0001 * (n % 31 + 1))
                for n in range(statements)
            ),
            series(Kind.LOOP, "event loop", 0.001),
        ),
        gauges={"cpu_ratio": Gauge.of(rng.random())},
        counters={"arrived": 3},
        worker="w1",
    )


@pytest.fixture(scope="module")
def windows():
    rng = random.Random(3)
    return [window(number, rng) for number in range(6)]


def test_the_rows_are_those_of_all_series_and_the_rest_is_counted(windows):
    few = heaviest([Piece.of(one) for one in windows[:4]], windows[4:])
    shown, merged = tables_and_whole(few)
    told, whole = tables_and_whole(Few(windows))
    for name in ("endpoints", "statements"):
        for one, other in zip(shown[name], told[name], strict=True):
            assert one.pop("share") == pytest.approx(other.pop("share"))
            assert one == other
    for name in ("requests", "endpoints_left_out", "statements_left_out", "measured_s"):
        assert shown[name] == told[name]
    assert len(merged.series) < len(whole.series) / 2
    assert merged.find(Kind.LOOP, "event loop") == whole.find(Kind.LOOP, "event loop")


def test_nothing_is_left_out_where_there_are_few_series(windows):
    rng = random.Random(4)
    few_routes = [window(number, rng, routes=90, statements=90) for number in range(3)]
    few = heaviest([Piece.of(one) for one in few_routes])
    assert few.left_out == {}
    assert [one.series for one in few.windows] == [one.series for one in few_routes]


def test_what_is_refused_by_the_thousand_is_found_though_it_takes_no_time(windows):
    refused = Series(
        kind=Kind.ROUTE, name="GET /gone", window_s=10.0, refused=Histogram([1e-6] * 90_000)
    )
    many = [*windows, Snapshot(started_at=NOON, window_s=10.0, series=(refused,), worker="w2")]
    _, merged = tables_and_whole(heaviest([Piece.of(one) for one in many]))
    (found,) = [one for one in findings(merged) if one.code == "service.refused-requests"]
    assert found.subject == "GET /gone"
    whole = Snapshot.merged(many).whole(Kind.ROUTE)
    assert found.evidence == {"refused": whole.refused.count, "requests": whole.count}


def test_the_rest_is_no_row_and_no_route_that_is_blamed(windows):
    shown, merged = tables_and_whole(heaviest([Piece.of(one) for one in windows]))
    assert merged.find(Kind.ROUTE, REST) is not None
    assert all(one["name"] != REST for name in ("endpoints", "statements") for one in shown[name])
    assert all(one.subject != REST for one in findings(merged))


def test_a_piece_that_is_damaged_stays_a_hole(windows, caplog):
    good = Piece.of(windows[0])
    bad = Piece(good.started_us, 10.0, "w2", b"no window")
    assert len(heaviest([bad, good]).windows) == 1
    assert "cannot be read" in caplog.text


def test_what_is_added_up_is_judged_as_the_windows_are(windows):
    (added,) = sums_of(windows, 240)
    merged = Snapshot.merged(windows)
    for kpi in SUMMED:
        assert kpi.read(added.snapshot(), None) == kpi.read(merged, None), kpi.name


def test_windows_of_many_routes_are_kept_unpacked_up_to_a_bound(windows, monkeypatch):
    kept = unpacking._Kept()
    monkeypatch.setattr(unpacking, "_kept", kept)
    packed = [Piece.of(one) for one in windows]
    monkeypatch.setattr(unpacking, "_MOST_KEPT_BYTES", 2 * len(packed[0].body) + 2000)
    assert [one.series for one in snapshots(packed)] == [one.series for one in windows]
    assert list(kept._kept) == packed[-2:]


def test_charts_of_thousands_of_routes_are_drawn_from_the_points_of_the_store(monkeypatch):
    monkeypatch.setattr(weighing, "_MANY_BYTES", 20_000)
    rng = random.Random(6)
    now = datetime.now(UTC)
    store = MemoryStore()
    some = [window(number, rng, routes=300, statements=0) for number in range(2)]
    for number in range(40):
        at = now - timedelta(seconds=10 * (40 - number))
        store.append(
            Snapshot(started_at=at, window_s=10.0, series=some[number % 2].series, worker="w1")
        )
    monitor = PerformanceMonitor(store=store, notify=(), now=lambda: now)
    view = View(900.0)
    assert are_many(store.pieces(*view.bounds(now)))
    timelines = Timelines(monitor)
    assert timelines.of(view, now, None).step_s == 20
    assert timelines.tail(view, now, None).step_s == 20
    few = Chunks(monitor).heaviest(*view.bounds(now), now, None)
    assert 190 <= few.left_out[Kind.ROUTE] <= 200  # those refused most often are among the others
    store.close()
