"""The bottleneck is what is full and waited for; where nothing is, nothing is named."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keiko_perf.model import Gauge, Histogram, Kind, Message, Series, Snapshot
from keiko_perf.model.bottleneck import Limitation, bottleneck
from keiko_perf.model.usage import Resource, Use, Window, window_of
from keiko_perf.render import phrase


def pool(busy: float, of: float, wait_s: float | None) -> Use:
    return Use(resource=Resource.POOL, busy=busy, capacity=of, wait_s=wait_s)


def cpu(busy: float, of: float = 1, wait_s: float | None = None) -> Use:
    return Use(resource=Resource.CPU, busy=busy, capacity=of, wait_s=wait_s)


def loop(busy: float, of: float = 1, wait_s: float | None = None) -> Use:
    return Use(resource=Resource.LOOP, busy=busy, capacity=of, wait_s=wait_s)


def locks(busy: float, wait_s: float) -> Use:
    return Use(resource=Resource.LOCKS, busy=busy, wait_s=wait_s, name="orders")


def cores(busy: float, of: float | None, wait_s: float | None = None) -> Use:
    return Use(resource=Resource.DATABASE_CPU, busy=busy, capacity=of, wait_s=wait_s)


def threads(busy: float, of: float, wait_s: float) -> Use:
    return Use(resource=Resource.THREADS, busy=busy, capacity=of, wait_s=wait_s)


def link(busy: float) -> Use:
    return Use(resource=Resource.NETWORK, busy=busy, capacity=1)


def at(rate_per_s: float, response_s: float, *uses: Use, **phases: float) -> Window:
    return Window(rate_per_s=rate_per_s, response_s=response_s, uses=uses, phases=phases)


def test_a_full_pool_is_named_with_its_hold_its_ceiling_and_what_comes_behind_it() -> None:
    found = bottleneck([at(440, 0.4, pool(19.8, 20, 0.3), cpu(0.72))])
    assert phrase(found.sentence) == (
        "DB pool: 19.8 of 20 in use, hold 45 ms, ceiling 444/s; behind it worker CPU at 611/s"
    )


@pytest.mark.parametrize(
    ("windows", "names", "why"),
    [
        ([at(100, 0.30, pool(5, 5, 0.25))], ["pool"], "full and waited for"),
        ([at(100, 0.05, pool(5, 5, 0.0))], [], "full, and nobody waits"),
        ([at(100, 0.06, pool(3, 5, 0.03))], ["pool"], "bursts: half full, half the time waited"),
        ([at(100, 0.06, pool(1, 5, 0.03))], [], "the wait is that of opening a connection"),
        ([at(50, 0.30, pool(2, 5, 0.0), cpu(0.95))], ["cpu"], "nobody measures its queue"),
        ([at(50, 0.30, pool(2, 5, 0.0), cpu(0.6))], [], "busy is not full"),
        (
            [at(50, 0.30, loop(0.97, wait_s=0.2), cpu(0.1, wait_s=0.2))],
            ["loop"],
            "something holds the loop without computing",
        ),
        (
            [at(50, 0.30, loop(0.97, wait_s=0.2), cpu(0.96, wait_s=0.2))],
            ["cpu", "loop"],
            "the loop is full of computing",
        ),
        (
            [at(20, 0.9, pool(5, 5, 0.6), cpu(0.1), locks(4.1, 0.2))],
            ["locks", "pool"],
            "the pool is full of those who stand before a lock",
        ),
        (
            [at(95, 0.3, pool(5, 5, 0.25), locks(0.1, 0.001))],
            ["pool"],
            "a lock now and then fills no pool",
        ),
        (
            [at(40, 1.3, pool(5, 5, 1.0), cores(2, 2, 0.06), cpu(0.1, wait_s=0.005))],
            ["database_cpu", "pool"],
            "a full pool's sessions queue for the database's cores",
        ),
        (
            [at(40, 1.3, cores(2, 2, 0.06))],
            ["database_cpu"],
            "seen from the database alone: its cores are full, and sessions queue for them",
        ),
        ([at(95, 0.3, pool(5, 5, 0.25), cores(0.5, 2, 0.0))], ["pool"], "cores are idle"),
        (
            [at(8, 0.05, cores(0.4, None)), at(40, 1.3, cores(18.0, None))],
            ["database_cpu"],
            "of a server elsewhere nobody knows the cores: a request runs nine times as long",
        ),
        (
            [at(8, 0.05, cores(0.4, None)), at(40, 1.3, cores(2.1, None))],
            [],
            "a request runs as long as under light load",
        ),
        (
            [at(40, 0.9, pool(10, 10, 0.6), cpu(0.99, wait_s=0.2), loop(0.99, wait_s=0.2))],
            ["cpu", "loop", "pool"],
            "connections are held while their owners wait for the core",
        ),
        ([at(80, 0.6, threads(4, 4, 0.55), cpu(0.1))], ["threads"], "all threads are at work"),
        ([at(60, 0.06, threads(3.2, 4, 0.004), cpu(0.1))], [], "hardly anybody waits for one"),
        (
            [at(95, 5.0, threads(40, 40, 4.6), pool(5, 5, 0.35), cpu(0.1))],
            ["pool", "threads"],
            "the threads are full of those who wait for a connection",
        ),
        (
            [at(95, 5.0, threads(40, 40, 4.6), cpu(0.98, wait_s=0.1))],
            ["cpu", "threads"],
            "the threads are full of those who compute, one after the other",
        ),
        (
            [at(95, 5.0, threads(40, 40, 4.6), pool(4.9, 5, 0.01), cpu(0.1))],
            ["threads"],
            "the pool is used much, and hardly waited for",
        ),
        ([at(400, 0.05, link(0.97), cpu(0.3))], ["network"], "the link carries no more"),
        ([at(400, 0.05, link(0.6), cpu(0.3))], [], "the link could carry more"),
        (
            [at(100, 0.05, cpu(0.2), inside=0.05), at(400, 0.06, cpu(0.97), inside=0.06, way=0.4)],
            ["cpu"],
            "a full worker lets requests wait before its door",
        ),
        (
            [
                at(
                    900,
                    0.05,
                    pool(4.9, 5, 0.02),
                    Use(resource=Resource.GENERATOR, busy=0.99, capacity=1),
                )
            ],
            ["generator", "pool"],
            "the generator is said first: what it measured is doubtful",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_full_and_waited_for_is_named(
    windows: Sequence[Window], names: list[str], why: str
) -> None:
    found = bottleneck(windows)
    assert [one.resource.value for one in found.limits] == names, why
    assert (found.answer is Limitation.NAMED) == bool(names)


def test_without_strain_there_is_only_the_next_ceiling() -> None:
    found = bottleneck(
        [at(10, 0.05, pool(0.5, 5, 0.0), cpu(0.05)), at(20, 0.05, pool(1, 5, 0), cpu(0.1))]
    )
    assert found.answer is Limitation.NONE
    assert found.behind is not None
    assert phrase(found.sentence) == "no limit was reached; the nearest is DB pool at 100/s"


def test_what_cannot_be_seen_is_not_guessed_but_what_grew_is_told() -> None:
    found = bottleneck(
        [
            at(10, 0.05, pool(0.5, 5, 0.0), in_sql=0.01, in_http=0.03),
            at(40, 0.50, pool(0.6, 5, 0.0), in_sql=0.012, in_http=0.47),
        ]
    )
    assert found.answer is Limitation.OUTSIDE
    assert (found.phase, found.grown_s) == ("in_http", pytest.approx(0.44))
    assert phrase(found.sentence) == (
        "the limit is outside what can be seen here; what grew is outgoing HTTP, by 440 ms"
    )


def test_outside_without_phases_says_just_that() -> None:
    found = bottleneck([at(10, 0.05), at(40, 0.5)])
    assert phrase(found.sentence) == "the limit is outside what can be seen here"


def test_nothing_measured_names_nothing() -> None:
    assert bottleneck([]).answer is Limitation.NONE
    assert bottleneck([Window(rate_per_s=0.0)]).answer is Limitation.NONE


def test_an_overloaded_service_that_answers_less_is_the_heaviest_load() -> None:
    healthy = at(100, 0.05, pool(4, 5, 0.001))
    collapsed = at(60, 4.0, pool(5, 5, 3.9))
    assert bottleneck([collapsed, healthy]).answer is Limitation.NAMED


@pytest.mark.parametrize(
    "make",
    [
        lambda: Use(resource=Resource.CPU, busy=-1.0),
        lambda: Use(resource=Resource.CPU, busy=1.0, capacity=0.0),
        lambda: Use(resource=Resource.CPU, busy=float("nan")),
    ],
)
def test_a_senseless_use_refuses_to_exist(make: object) -> None:
    with pytest.raises(ValueError, match="a use is"):
        make()  # type: ignore[operator]


# A closed queueing network, solved exactly (mean value analysis; Reiser & Lavenberg 1980): the
# station with the largest demand is the one that fills, and its wait is the one that grows.

STATIONS = (Resource.CPU, Resource.NETWORK, Resource.DATABASE_CPU, Resource.DATABASE_IO)


def solved(demands_s: Sequence[float], customers: int) -> Window:
    lengths = [0.0] * len(demands_s)
    rate, waits = 0.0, list(demands_s)
    for count in range(1, customers + 1):
        waits = [one * (1 + length) for one, length in zip(demands_s, lengths, strict=True)]
        rate = count / sum(waits)
        lengths = [rate * wait for wait in waits]
    return Window(
        rate_per_s=rate,
        response_s=sum(waits),
        uses=tuple(
            Use(resource=name, busy=rate * demand, capacity=1.0, wait_s=wait - demand)
            for name, demand, wait in zip(STATIONS, demands_s, waits, strict=True)
        ),
    )


@given(
    st.lists(st.floats(0.001, 0.1), min_size=4, max_size=4).filter(
        lambda some: all(a < 0.7 * b for a, b in pairwise(sorted(some)[-2:]))
    )
)
def test_of_a_queueing_network_the_station_with_the_largest_demand_is_named(
    demands_s: list[float],
) -> None:
    largest = max(demands_s)
    found = bottleneck([solved(demands_s, 1), solved(demands_s, 60)])
    assert found.first is not None
    assert found.first.resource is STATIONS[demands_s.index(largest)]
    assert found.first.ceiling_per_s == pytest.approx(1 / largest, rel=1e-6)
    second = sorted(demands_s)[-2]
    if found.behind is not None:  # else it is so short that it is named as well
        assert found.behind.ceiling_per_s == pytest.approx(1 / second, rel=1e-6)


@given(st.lists(st.floats(0.001, 0.1), min_size=4, max_size=4))
def test_a_network_that_one_customer_has_for_himself_has_no_bottleneck_that_is_waited_for(
    demands_s: list[float],
) -> None:
    assert bottleneck([solved(demands_s, 1)]).answer is Limitation.NONE


# From a snapshot

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def ten_seconds(*, workers: int = 1) -> Snapshot:
    """1000 requests of 0.3 s, each of which waits 0.25 s for a connection and has it for 0.05 s."""
    count = 1000

    def of(kind: Kind, seconds: float, name: str = "GET /") -> Series:
        return Series(kind=kind, name=name, window_s=10, succeeded=Histogram([seconds] * count))

    return Snapshot(
        started_at=NOON,
        window_s=10,
        series=(
            of(Kind.ROUTE, 0.3),
            of(Kind.POOL, 0.25, "main"),
            of(Kind.HOLD, 0.05, "main"),
            of(Kind.IN_POOL, 0.25),
            of(Kind.IN_SQL, 0.049),
            of(Kind.IN_CODE, 0.001),
        ),
        gauges={
            "pool_in_use": Gauge.of(4.0 / workers, 5.0 / workers),
            "pool_size": Gauge.of(5.0 / workers),
        },
    )


def test_a_snapshot_tells_of_its_pool_and_its_loop() -> None:
    window = window_of(ten_seconds())
    assert window.rate_per_s == 100
    assert window.phases["in_pool"] == pytest.approx(0.25, rel=0.01)
    found = bottleneck([window])
    assert found.first is not None
    assert found.first.resource is Resource.POOL
    assert found.first.ceiling_per_s == pytest.approx(100, rel=0.01)
    assert found.behind is not None
    assert found.behind.resource is Resource.LOOP
    assert found.behind.ceiling_per_s == pytest.approx(1000, rel=0.01)


def test_the_pools_of_several_workers_add_up() -> None:
    window = window_of(ten_seconds(workers=5), workers=5, cpu_s=2.0)
    found = {one.resource: one for one in window.uses}
    assert found[Resource.POOL].capacity == 5
    assert found[Resource.POOL].busy == pytest.approx(5, rel=0.01)
    assert found[Resource.CPU].busy == pytest.approx(0.2)
    assert window.ceiling_per_s(found[Resource.CPU]) == pytest.approx(2500)


def test_a_snapshot_of_nothing_gives_no_use_but_those_that_were_handed_over() -> None:
    empty = Snapshot(started_at=NOON, window_s=10)
    assert window_of(empty).uses == ()
    more = (Use(resource=Resource.DATABASE_CPU, busy=1.0, capacity=2.0),)
    assert window_of(empty, more=more).uses == more


def test_a_loop_that_is_late_for_its_timers_is_waited_for_even_by_requests_that_never_await() -> (
    None
):
    series = (
        Series(kind=Kind.ROUTE, name="GET /", window_s=10, succeeded=Histogram([0.01] * 990)),
        Series(kind=Kind.IN_CODE, name="GET /", window_s=10, succeeded=Histogram([0.01] * 990)),
        Series(kind=Kind.LOOP, name="lag", window_s=10, succeeded=Histogram([0.05] * 100)),
    )
    found = bottleneck([window_of(Snapshot(started_at=NOON, window_s=10, series=series))])
    assert found.first is not None
    assert found.first.resource is Resource.LOOP


def test_every_sentence_of_a_bottleneck_can_be_phrased_in_german() -> None:
    found = bottleneck([at(20, 0.9, pool(5, 5, 0.6), cpu(0.1), locks(4.1, 0.2))])
    assert isinstance(found.sentence, Message)
    assert phrase(found.sentence, "de") == (
        "Datenbanksperren orders: 4,1 Sitzungen stehen davor an, 200 ms je Anfrage; "
        "zugleich DB-Pool: 5 von 5 in Gebrauch, gehalten 250 ms, Obergrenze 20/s; "
        "dahinter Worker-CPU bei 200/s"
    )
