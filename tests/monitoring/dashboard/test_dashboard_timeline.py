"""The dashboard's figures: the address, the points of the charts, the tables, since when."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keiko_perf.errors import UsageError
from keiko_perf.model import BlockingCall, Gauge, Histogram, Kind, Series, Snapshot, Target
from keiko_perf.model.kpi import LATENCY_P95
from keiko_perf.monitoring import MemoryStore, PerformanceMonitor
from keiko_perf.monitoring.dashboard.events import stream
from keiko_perf.monitoring.dashboard.language import preferred
from keiko_perf.monitoring.dashboard.live import Live
from keiko_perf.monitoring.dashboard.pulse import Pulse
from keiko_perf.monitoring.dashboard.since import since
from keiko_perf.monitoring.dashboard.tables import MAX_ROWS, full_name, tables
from keiko_perf.monitoring.dashboard.timeline import columns, points
from keiko_perf.monitoring.dashboard.timelines import Timelines, with_current
from keiko_perf.monitoring.dashboard.view import MAX_POINTS, Subject, View, ident, view_of
from keiko_perf.optimization import AdaptiveLimiter

T0 = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
T0_S = T0.timestamp()


def series(
    kind=Kind.ROUTE, name="GET /", durations=(), failed=(), refused=(), window_s=10.0, **more
):
    return Series(
        kind=kind,
        name=name,
        window_s=window_s,
        succeeded=Histogram(durations),
        failed=Histogram(failed),
        refused=Histogram(refused),
        **more,
    )


def window(at_s, *all_series, window_s=10.0, worker="w1", **gauges):
    return Snapshot(
        started_at=T0 + timedelta(seconds=at_s),
        window_s=window_s,
        series=all_series,
        gauges={name: Gauge.of(value) for name, value in gauges.items()},
        worker=worker,
    )


def values(made, name, subject=None):
    return [one.values[columns(subject).index(name)] for one in made]


def points_of(windows, count, *, step_s=10, subject=None):
    first = int(T0_S // step_s)
    return points(windows, range(first, first + count), step_s=step_s, subject=subject)


# --- The address --------------------------------------------------------------------------------


def test_an_address_names_a_range_and_a_subject():
    assert view_of({}) == View(900.0)
    assert view_of({"range": "7d"}).last_s == 604_800
    fixed = view_of({"from": "2026-01-05T12:00Z", "to": str(T0_S + 60), "endpoint": "GET /a"})
    assert fixed == View(None, T0, T0 + timedelta(minutes=1), Subject(Kind.ROUTE, "GET /a"))


@pytest.mark.parametrize(
    ("parameters", "why"),
    [
        ({"range": "1y"}, "no range"),
        ({"from": "2026-01-05T12:00Z"}, "to is an instant"),
        ({"from": "yesterday", "to": "1"}, "from is an instant"),
        ({"from": "1e300", "to": "1"}, "from is an instant"),
        ({"from": "nan", "to": "1"}, "from is an instant"),
        ({"from": "100", "to": "50"}, "10 s to a year"),
        ({"from": "0", "to": "1e9"}, "10 s to a year"),
        ({"endpoint": "x" * 401}, "401 characters"),
    ],
)
def test_an_address_that_makes_no_sense_is_refused_with_the_cure(parameters, why):
    with pytest.raises(UsageError, match=why) as refused:
        view_of(parameters)
    assert refused.value.cure


@given(st.floats(10, 366 * 86_400), st.floats(0.01, 3600))
def test_no_range_has_more_points_than_a_chart_can_show(last_s, window_s):
    step_s = View(last_s).step_s(window_s)
    assert step_s >= window_s
    assert last_s / step_s <= MAX_POINTS


# --- The points of the charts -------------------------------------------------------------------


def test_a_point_has_what_was_measured_in_its_stretch():
    made = points_of(
        [
            window(
                0, series(durations=[0.1] * 90, failed=[1.0] * 5, refused=[0.1] * 5), cpu_ratio=0.5
            ),
            window(10, series(durations=[0.2] * 10)),
        ],
        3,
    )
    assert values(made, "p95") == [pytest.approx(0.1, 0.01), pytest.approx(0.2, 0.01), None]
    assert values(made, "ok") == [9.0, 1.0, None]
    assert values(made, "refused") == [0.5, 0.0, None]
    assert values(made, "failed") == [0.5, 0.0, None]
    assert values(made, "errors") == [0.05, 0.0, None]
    assert values(made, "cpu") == [0.5, None, None]
    assert sum(count for _, count in made[0].heat) == 90


def test_redirects_are_shown_apart_from_what_was_answered():
    only = Subject(Kind.ROUTE, "GET /")
    both = window(0, series(durations=[0.1] * 10, redirected=4))
    for subject in (None, only):
        made = points_of([both], 1, subject=subject)
        assert values(made, "ok", subject) == [0.6]
        assert values(made, "redirected", subject) == [0.4]


def test_who_waits_for_a_connection_is_told_by_the_most_of_any_worker():
    made = points_of(
        [window(0, pool_waiting=7), window(0, pool_waiting=2, worker="w2"), window(10)], 2
    )
    assert values(made, "waiting") == [7, None]


def test_a_concurrency_limit_stands_beside_what_it_lets_in():
    gauges = {"concurrency_limit": 20, "concurrency_in_use": 12, "concurrency_waiting": 3}
    made = points_of([window(0, **gauges), window(10)], 2)
    assert [values(made, name) for name in gauges] == [[20, None], [12, None], [3, None]]


def test_one_subject_is_looked_at_alone():
    both = window(
        0, series(name="GET /a", durations=[0.1] * 10), series(name="GET /b", failed=[1.0])
    )
    only = Subject(Kind.ROUTE, "GET /a")
    assert values(points_of([both], 1, subject=only), "ok", only) == [1.0]
    assert values(points_of([both], 1, subject=only), "errors", only) == [0.0]
    sql = window(0, series(Kind.STATEMENT, "SELECT 1", [0.1]))
    named = Subject(Kind.STATEMENT, ident("SELECT 1"))
    assert values(points_of([sql], 1, subject=named), "ok", named) == [0.1]


@pytest.mark.parametrize("late_s", [0.0, 0.2, 4.9, 5.0, 5.1, 9.9])
def test_contiguous_windows_leave_no_gap_wherever_they_begin(late_s):
    windows = [window(late_s + 10 * number, series(durations=[0.1])) for number in range(8)]
    assert None not in values(points_of(windows, 8), "ok")[1:7]


def test_a_window_that_was_rolled_up_stands_at_all_its_points():
    rolled = window(0, series(durations=[0.1] * 60, window_s=60.0), window_s=60.0)
    assert values(points_of([rolled], 7), "ok") == [1.0] * 6 + [None]


def test_workers_are_merged_and_their_rates_added():
    both = [window(0, series(durations=[0.1] * 50), worker=one) for one in "ab"]
    assert values(points_of(both, 1), "ok") == [10.0]


def test_a_kept_point_is_what_it_would_be_when_made_anew():
    monitor, now = stored([window(10 * at, series(durations=[0.1] * 10)) for at in range(80)])
    kept = Timelines(monitor)
    view = View(900.0)
    first = kept.of(view, now, None)
    assert kept.of(view, now, None) == first
    assert Timelines(monitor).of(view, now, None) == first
    monitor.store.append(window(800, series(durations=[0.3] * 10)))
    later = now + timedelta(seconds=10)
    assert kept.of(view, later, None) == Timelines(monitor).of(view, later, None)
    tail = kept.tail(view, later, None)
    assert tail.points == kept.of(view, later, None).points[-len(tail.points) :]


@pytest.mark.parametrize("last_s", [3_600.0, 86_400.0, 604_800.0])
def test_a_longer_range_is_made_from_what_the_store_has_added_up(last_s):
    """As it would be from the windows themselves."""
    windows = [
        window(
            10 * at + 1.5 * number,
            series(durations=[0.001 * (at + 1)] * 3, failed=[1.0], redirected=1),
            series(Kind.GC, "gen 2", [0.002 * (at + 1)]),
            series(Kind.POOL, "pool", [0.01]),
            series(Kind.TASK, "mail", [0.5], failed=[0.5]),
            worker=f"w{number}",
            cpu_ratio=0.25 + number / 10,
            pool_waiting=at % 5,
        )
        for at in range(80)
        for number in range(2)
    ]
    monitor, now = stored(windows)
    view = View(last_s)
    quick = Timelines(monitor).of(view, now, None)
    monitor.store.sums = lambda *_: None
    assert quick.step_s % 20 == 0
    slow = Timelines(monitor).of(view, now, None)
    assert [one.number for one in quick.points] == [one.number for one in slow.points]
    for one, other in zip(quick.points, slow.points, strict=True):
        assert [value is None for value in one.values] == [value is None for value in other.values]
        told, expected = (list(filter(None, found.values)) for found in (one, other))
        # A window may lie on the other side of a point's edge.
        assert told == pytest.approx(expected, rel=0.35)
    assert sum(n for one in quick.points for _, n in one.heat) == 80 * 2 * 3
    assert max(filter(None, values(quick.points, "gc"))) == 0.16


@pytest.mark.parametrize("last_s", [3_600.0, 86_400.0, 604_800.0, 2_592_000.0])
def test_one_endpoint_is_shown_from_what_the_store_has_merged(last_s):
    """As it would be from the windows themselves."""
    store = MemoryStore(retention_s=2_592_000.0)
    for at in range(400):
        for number in range(2):
            of_one = series(durations=[0.001 * (at + 1)] * 3, failed=[1.0], refused=[0.01])
            other = series(name="GET /other", durations=[0.5] * 3)
            store.append(
                window(60 * at + 1.5 * number, of_one, other, window_s=60.0, worker=f"w{number}")
            )
    now = T0 + timedelta(seconds=60 * 400)
    monitor = PerformanceMonitor(store=store, notify=(), now=lambda: now, window_s=60.0)
    view = View(last_s, subject=Subject(Kind.ROUTE, "GET /"))
    merged = Timelines(monitor).of(view, now, None)
    tail = Timelines(monitor).tail(view, now, None)
    monitor.store.pieces = lambda *_: None
    plain = Timelines(monitor).of(view, now, None)
    assert [one.number for one in merged.points] == [one.number for one in plain.points]
    assert sum(n for one in merged.points for _, n in one.heat) == sum(
        n for one in plain.points for _, n in one.heat
    )
    for one, other in zip(merged.points, plain.points, strict=True):
        told, expected = (list(filter(None, found.values)) for found in (one, other))
        # A window may lie on the other side of a point's edge.
        assert told == pytest.approx(expected, rel=0.35)
    assert tail.points == merged.points[-len(tail.points) :]


def test_the_window_that_goes_on_is_in_a_longer_range_too():
    monitor, now = stored([window(10 * at, series(durations=[0.1] * 10)) for at in range(80)])
    going_on = window(800, series(durations=[0.1] * 5), window_s=5)
    now += timedelta(seconds=5)
    without = Timelines(monitor).of(View(3_600.0), now, None)
    with_it = Timelines(monitor).of(View(3_600.0), now, going_on)
    counts = [sum(n for one in made.points for _, n in one.heat) for made in (without, with_it)]
    assert counts == [800, 805]


def stored(windows):
    now = T0 + timedelta(seconds=800)
    monitor = PerformanceMonitor(store=MemoryStore(), notify=(), now=lambda: now)
    for one in windows:
        monitor.store.append(one)
    return monitor, now


def test_the_window_that_goes_on_is_taken_in_where_it_does_not_distort():
    going_on = window(10, series(durations=[0.1]), window_s=5)
    assert with_current([window(0)], going_on)[-1] is going_on
    assert with_current([window(10)], going_on) == [window(10)], "it is stored already"
    assert with_current([window(0, worker="w2")], going_on) == [window(0, worker="w2")], "others"
    assert with_current([], window(10, window_s=5)) == [], "nothing was measured in it"


# --- The tables ---------------------------------------------------------------------------------


def test_rows_tell_the_rate_the_errors_the_share_and_the_trend():
    before = [window(10 * at, series(durations=[0.1] * 60)) for at in range(5)]
    after = [
        window(10 * at, series(durations=[0.2] * 60), series(name="GET /b", failed=[0.1]))
        for at in range(5, 10)
    ]
    slow, failing = tables([*before, *after])["endpoints"]
    assert (slow["name"], slow["count"], slow["rate"]) == ("GET /", 600, 6.0)
    assert slow["trend"] == pytest.approx(1.0, abs=0.03)
    assert slow["share"] > 0.98
    assert (failing["errors"], failing["error_ratio"], failing["p95"]) == (5, 1.0, None)
    assert failing["trend"] is None


def test_an_endpoint_tells_where_its_time_went_the_most_first():
    measured = window(
        0,
        series(durations=[0.1] * 10),
        series(Kind.IN_SQL, durations=[0.06] * 10),
        series(Kind.IN_CODE, durations=[0.03] * 10),
        series(Kind.IN_POOL, durations=[0.01]),
        series(name="GET /unknown", durations=[0.001] * 10),
    )
    split, unknown = tables([measured])["endpoints"]
    assert [one["part"] for one in split["parts"]] == ["sql", "code", "pool"]
    assert sum(one["share"] for one in split["parts"]) == pytest.approx(1.0)
    assert sum(one["mean"] for one in split["parts"]) == pytest.approx(split["mean"])
    assert unknown["parts"] is None


def test_a_rate_knows_of_gaps_that_merged_windows_have_forgotten():
    windows = [window(at, series(durations=[0.1] * 10)) for at in (0, 10, 500, 510, 520)]
    found = tables(windows)
    assert found["measured_s"] == 50.0
    assert found["endpoints"][0]["rate"] == 1.0


def test_what_is_over_the_bound_is_counted_and_not_shown():
    many = [series(name=f"GET /{number}", durations=[0.1]) for number in range(MAX_ROWS + 7)]
    found = tables([window(0, *many)])
    assert (len(found["endpoints"]), found["endpoints_left_out"]) == (MAX_ROWS, 7)


def test_a_statement_is_found_by_its_short_name():
    windows = [window(0, series(Kind.STATEMENT, "SELECT 1", [0.1]))]
    key = tables(windows)["statements"][0]["key"]
    assert full_name(windows, Kind.STATEMENT, key) == "SELECT 1"
    assert full_name(windows, Kind.STATEMENT, "0" * 12) is None


def test_a_blocking_call_is_told_with_its_stack():
    call = BlockingCall(
        place="app.py:7 sum_up", stack=("main.py:1", "app.py:7"), count=2, total_s=0.5,
        longest_s=0.3, last_at=T0,
    )  # fmt: skip
    held = Snapshot(started_at=T0, window_s=10.0, blocking=(call,))
    (row,) = tables([held])["blocking"]
    assert (row["place"], row["stack"]) == ("app.py:7 sum_up", ["main.py:1", "app.py:7"])


def test_connections_that_stay_open_are_told_when_they_end():
    held = window(
        0,
        series(Kind.WEBSOCKET, "WEBSOCKET /ws/{room}", [20.0] * 97, failed=[3.0] * 3),
        series(Kind.STREAM, "GET /answer", [2.0] * 50),
    )
    found = tables([held])
    (socket,), (stream,) = found["websockets"], found["streams"]
    assert (socket["name"], socket["count"], socket["error_ratio"]) == (
        "WEBSOCKET /ws/{room}",
        100,
        0.03,
    )
    assert (stream["name"], stream["count"]) == ("GET /answer", 50)
    assert found["requests"] == 0


def test_each_limiter_has_a_row_by_its_name():
    limiters = AdaptiveLimiter(name="database"), AdaptiveLimiter(name="mail", first=9)
    at = {name: value for one in limiters for name, value in one.gauges().items()}
    later = at | {"database_limit": 5, "database_waiting": 40, "database_turned_away": 7}
    others = {"speed_limit": 1.0, "disk_limit": 2.0, "disk_in_use": 1.0}
    database, mail = tables([window(0, **at, **others), window(10, **later)])["limiters"]
    assert database == {
        "name": "database", "limit": 3.5, "in_use": 0.0, "waiting": 20.0, "most_waiting": 40,
        "turned_away": 7,
    }  # fmt: skip
    assert (mail["name"], mail["limit"], mail["most_waiting"]) == ("mail", 9, 0)


def test_nothing_makes_empty_tables():
    found = tables([])
    assert all(
        not found[name] for name in ("endpoints", "tasks", "statements", "limiters", "blocking")
    )


# --- Since when ---------------------------------------------------------------------------------

SLOW = Target(kpi=LATENCY_P95, at_most=0.2)


def looked_back(durations_by_minute):
    """*durations_by_minute*: how long requests took in each minute, the newest last; None: none."""
    count = len(durations_by_minute)
    windows = [
        window(60 * at, series(durations=[took_s] * 100, window_s=60.0), window_s=60.0)
        for at, took_s in enumerate(durations_by_minute)
        if took_s is not None
    ]
    now = T0 + timedelta(minutes=count)
    return since(windows, SLOW, now, reach_s=60.0 * max(count, 10), judged_s=60.0)


def test_a_miss_began_with_the_first_stretch_after_the_last_good_one():
    found = looked_back([0.1, 0.1, 0.5, 0.5])
    assert found.at == T0 + timedelta(minutes=2)
    assert found.load_per_s == pytest.approx(100 / 60)
    assert not found.is_older


def test_a_pause_neither_begins_nor_ends_a_miss():
    assert looked_back([0.1, 0.5, None, None, 0.5]).at == T0 + timedelta(minutes=1)


def test_what_was_missed_as_far_back_as_was_looked_is_older():
    assert looked_back([0.5] * 12).is_older


def test_what_is_not_missed_has_no_since():
    assert looked_back([0.5, 0.1]) is None


# --- The language, the pulse and the stream -----------------------------------------------------


@pytest.mark.parametrize(
    ("header", "lang"),
    [
        (None, "en"),
        ("de", "de"),
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("en-GB,de;q=0.9", "en"),
        ("fr, de;q=0.5, en;q=0.3", "de"),
        ("de;q=0", "en"),
        ("*", "en"),
        ("de;q=high", "en"),
        (",;=,q", "en"),
    ],
)
def test_the_language_is_the_one_wanted_most(header, lang):
    assert preferred(header) == lang


async def test_one_beat_is_for_all_and_the_last_one_says_so():
    ending = False
    pulse = Pulse(every_s=0.01, is_ending=lambda: ending)
    assert await asyncio.gather(*(pulse.beat() for _ in range(50))) == [True] * 50
    assert pulse.listeners == 0
    ending = True
    assert await pulse.beat() is False


async def test_who_leaves_amid_a_beat_takes_nothing_from_the_others():
    pulse = Pulse(every_s=0.05, is_ending=lambda: False)
    leaving = asyncio.create_task(pulse.beat())
    staying = asyncio.create_task(pulse.beat())
    await asyncio.sleep(0)
    leaving.cancel()
    assert await staying is True
    assert pulse.listeners == 0


async def test_a_stream_tells_the_state_and_the_newest_points_and_says_goodbye():
    monitor, _ = stored([window(790, series(durations=[0.1] * 100))])
    live = Live(monitor, pulse=Pulse(every_s=0.01, is_ending=lambda: True))
    told = [event async for event in stream(live, View(900.0), "de")]
    assert [one.partition("\n")[0] for one in told] == [
        "event: state",
        "event: points",
        "event: bye",
    ]
    assert all(one.endswith("\n\n") and one.count("\n") == 3 for one in told)
    state = json.loads(told[0].split("data: ")[1])
    assert "Zielen erreicht" in state["headline"]
    assert len(state["cards"]) == 9
    fixed = View(None, T0, T0 + timedelta(hours=1))
    assert [one.split()[1] async for one in stream(live, fixed, "en")] == ["state", "bye"]


async def test_a_store_that_cannot_be_read_does_not_end_the_stream(caplog):
    monitor, _ = stored([])

    async def broken():
        raise OSError("the disk is gone")

    monitor.current = broken
    beats = iter((False, False, True, True, True, True))
    live = Live(monitor, pulse=Pulse(every_s=0.01, is_ending=lambda: next(beats, True)))
    told = [event async for event in stream(live, View(900.0), "en")]
    assert [one.split()[1] for one in told] == ["bye"]
    assert "the disk is gone" in caplog.text


async def test_many_pages_of_one_view_are_told_what_was_made_once():
    monitor, _ = stored([window(790, series(durations=[0.1] * 100))])
    reads = []
    between = monitor.store.between
    monitor.store.between = lambda *bounds: reads.append(bounds) or between(*bounds)
    live = Live(monitor, clock=lambda: 0.0)
    view = View(900.0)
    texts = await asyncio.gather(*(live.timeline(view, "en") for _ in range(50)))
    assert len(set(texts)) == 1
    assert len(reads) == 1
