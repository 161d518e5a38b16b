"""What the requests of a route ask of the database: how often, how long, and from which line."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from keiko_perf.demo.cluster import Cluster
from keiko_perf.model import OTHER, Asked, Exemplar, Gauge, Kind, Snapshot
from keiko_perf.model.asked import MAX_ASKED, MAX_EXEMPLARS, merged_asked, merged_exemplars
from keiko_perf.monitoring import PerformanceMonitor
from keiko_perf.monitoring.attribution import Split
from keiko_perf.monitoring.recorder import Recorder
from keiko_perf.monitoring.storage.decoding import decode
from keiko_perf.monitoring.storage.encoding import encode

T0 = datetime(2026, 1, 5, 12, tzinfo=UTC)
SPLIT = Split(0.01, 0.0, 0.0, 0.002, 0.0, 0.0)


def asked(route: str, statement: str, total_s: float = 1.0, **more: object) -> Asked:
    given = {"requests": 1, "count": 1, "most": 1, **more}
    return Asked(route=route, statement=statement, total_s=total_s, **given)  # type: ignore[arg-type]


@pytest.fixture
async def engine(postgres: Cluster) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(postgres.url)
    yield engine
    await engine.dispose()


async def repeats(engine: AsyncEngine, times: int) -> None:
    async with engine.connect() as db:
        for number in range(times):
            await db.execute(text("SELECT :number"), {"number": number})


async def told(engine: AsyncEngine, *, attribution: bool = True) -> Snapshot:
    """What is known after three requests that ask 7 times, and one that asks once."""
    monitor = PerformanceMonitor(attribution=attribution, blocking_after_s=None)
    monitor.watch_engine(engine)
    app = FastAPI()

    @app.get("/agents/{times}")
    async def agents(times: int) -> None:
        await repeats(engine, times)

    monitor.install(app)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        for times in (7, 7, 7, 1):
            assert (await client.get(f"/agents/{times}")).status_code == 200
    snapshot = monitor.recorder.peek()
    await monitor.stop()
    return snapshot


@pytest.mark.postgres
async def test_a_statement_is_counted_for_its_route_with_the_line_that_repeats_it(
    engine: AsyncEngine,
) -> None:
    snapshot = await told(engine)
    (one,) = [one for one in snapshot.asked if one.statement == "SELECT $1"]
    assert (one.route, one.requests, one.count, one.most) == ("GET /agents/{times}", 4, 22, 7)
    statement = snapshot.find(Kind.STATEMENT, "SELECT $1")
    assert statement is not None
    assert one.total_s == pytest.approx(statement.sum_s)
    line = repeats.__code__.co_firstlineno + 3
    assert one.place.endswith(f"test_asked.py:{line} repeats")


@pytest.mark.postgres
async def test_the_slowest_requests_are_kept_with_their_statements_and_no_values(
    engine: AsyncEngine,
) -> None:
    snapshot = await told(engine)
    assert len(snapshot.exemplars) == MAX_EXEMPLARS
    slowest = snapshot.exemplars[0]
    assert slowest.duration_s == pytest.approx(sum(slowest.parts_s))
    assert slowest.status == 200
    assert [name for name, _, _ in slowest.statements] == ["SELECT $1"]


@pytest.mark.postgres
async def test_without_attribution_neither_is_kept(engine: AsyncEngine) -> None:
    snapshot = await told(engine, attribution=False)
    assert (snapshot.asked, snapshot.exemplars) == ((), ())


def test_what_is_over_the_bound_is_counted_together() -> None:
    recorder = Recorder()
    for number in range(MAX_ASKED + 50):
        asked = {f"SELECT {number}": [2, 0.01, ""]}
        recorder.request("GET /", SPLIT.total_s, spent=(SPLIT, asked))
    snapshot = recorder.snapshot()
    assert len(snapshot.asked) == MAX_ASKED + 1
    assert snapshot.asked[-1].route == snapshot.asked[-1].statement == OTHER
    assert sum(one.count for one in snapshot.asked) == 2 * (MAX_ASKED + 50)


def test_of_a_slow_request_the_statements_that_have_no_room_are_counted_together() -> None:
    recorder = Recorder()
    asked = {f"SELECT {number}": [number, number / 1000, ""] for number in range(1, 9)}
    recorder.request("GET /", SPLIT.total_s, spent=(SPLIT, asked))
    (shown,) = recorder.snapshot().exemplars
    assert shown.statements[0] == ("SELECT 8", 8, 0.008)
    assert shown.statements[-1] == (OTHER, 1 + 2 + 3, 0.006)
    assert sum(count for _, count, _ in shown.statements) == 36


def test_of_many_routes_only_so_many_keep_requests_and_each_its_slowest() -> None:
    recorder = Recorder()
    for number in range(100):
        slow = SPLIT._replace(sql_s=number / 100)
        for route in (f"GET /{number % 50}", "GET /0"):
            recorder.request(route, slow.total_s, spent=(slow, None))
    exemplars = recorder.snapshot().exemplars
    assert len({one.route for one in exemplars}) == 20
    first = [one.duration_s for one in exemplars if one.route == "GET /0"]
    assert first == pytest.approx([0.992, 0.982, 0.972])


NAMES = st.sampled_from(("GET /a", "GET /b", OTHER))
ASKED = st.lists(
    st.builds(
        lambda route, statement, requests, more, total_s, place: Asked(
            route=route, statement=statement, requests=requests, count=requests + more,
            total_s=total_s, most=1 + more, place=place,
        ),
        NAMES, st.sampled_from(("SELECT 1", "SELECT 2", OTHER)), st.integers(1, 9),
        st.integers(0, 90), st.floats(0, 100), st.sampled_from(("", "app.py:1 f")),
    ),
    max_size=8,
)  # fmt: skip
EXEMPLARS = st.lists(
    st.builds(
        lambda route, number, duration_s: Exemplar(
            route=route, at=T0 + timedelta(seconds=number), duration_s=duration_s, status=200,
            parts_s=(duration_s, 0.0, 0.0, 0.0, 0.0, 0.0),
            statements=(("SELECT 'ü'", number, duration_s),),
        ),
        NAMES, st.integers(0, 50), st.floats(0, 9),
    ),
    max_size=8,
)  # fmt: skip


@given(ASKED, EXEMPLARS)
def test_a_window_says_the_same_after_it_was_stored(
    asked: list[Asked], exemplars: list[Exemplar]
) -> None:
    envelope = Snapshot(started_at=T0, window_s=10.0, worker="w")
    window = replace(envelope, asked=merged_asked(asked), exemplars=merged_exemplars(exemplars))
    assert decode(encode(window), envelope) == window


@given(ASKED, st.integers(1, 4))
def test_merged_statements_lose_nothing(asked: list[Asked], most: int) -> None:
    merged = merged_asked(asked, most=most)
    assert sum(one.count for one in merged) == sum(one.count for one in asked)
    assert sum(one.requests for one in merged) == sum(one.requests for one in asked)
    assert sum(one.total_s for one in merged) == pytest.approx(sum(one.total_s for one in asked))
    assert len(merged) <= most + 1
    assert len({(one.route, one.statement) for one in merged}) == len(merged)


def test_windows_of_two_workers_merge_into_one() -> None:
    shown = Exemplar(route="GET /a", at=T0, duration_s=1.0, status=200, parts_s=(1.0,) + (0.0,) * 5)
    windows = [
        Snapshot(started_at=T0, window_s=10.0, worker=worker, exemplars=(shown,),
                 asked=(asked("GET /a", "SELECT 1", place=place),))
        for worker, place in (("one", ""), ("two", "app.py:3 f"))
    ]  # fmt: skip
    merged = Snapshot.merged(windows)
    assert merged is not None
    assert (merged.asked[0].count, merged.asked[0].place) == (2, "app.py:3 f")
    assert merged.exemplars == (shown,)


@pytest.mark.parametrize(
    "senseless", [{"requests": 0}, {"requests": 2}, {"total_s": -1.0}, {"most": 0}]
)
def test_what_makes_no_sense_refuses_to_exist(senseless: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="was sent by some request"):
        asked("GET /", "SELECT 1", **senseless)  # type: ignore[arg-type]


async def test_the_document_is_protected_bounded_and_says_over_how_long() -> None:
    monitor = PerformanceMonitor(attribution=True, token="a-token", blocking_after_s=None)
    app = FastAPI()
    monitor.install(app)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        assert (await client.get("/performance/attribution")).status_code == 401
        client.headers["authorization"] = "Bearer a-token"
        document = (await client.get("/performance/attribution?last=30")).json()
        assert document["version"] == 1
        assert document["attribution"] is True
        for wrong in ("0", "1e9", "nan", "x"):
            refused = await client.get(f"/performance/attribution?last={wrong}")
            assert refused.status_code == 422, wrong
    await monitor.stop()


async def test_it_is_told_which_handlers_run_in_a_thread() -> None:
    monitor = PerformanceMonitor(attribution=True, blocking_after_s=None)
    app = FastAPI()

    @app.get("/plain")
    def plain() -> int:
        return 1

    @app.get("/async")
    async def is_async() -> int:
        return 1

    monitor.install(app)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        for path in ("/plain", "/async"):
            await client.get(path)
        document = (await client.get("/performance/attribution")).json()
    await monitor.stop()
    told = {one["name"]: one["in_thread"] for one in document["routes"]}
    assert told == {"GET /plain": True, "GET /async": False}


async def test_the_memory_of_each_worker_is_told_over_the_hour_and_not_window_by_window() -> None:
    now = datetime(2026, 1, 5, 13, tzinfo=UTC)
    monitor = PerformanceMonitor(attribution=True, now=lambda: now, blocking_after_s=None)
    for seconds in range(0, 3600, 10):
        held = Gauge.of(1e8 + seconds)
        at = now - timedelta(seconds=3600 - seconds)
        monitor.store.append(
            Snapshot(started_at=at, window_s=10.0, worker="w", gauges={"rss_bytes": held})
        )
    app = FastAPI()
    monitor.install(app)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        document = (await client.get("/performance/attribution")).json()
    await monitor.stop()
    ((worker, points),) = [(one["worker"], one["points"]) for one in document["memory"]]
    assert worker == "w"
    assert 100 < len(points) <= 130
    assert points == sorted(points)
    assert points[0][1] < 1e8 + 60
    assert points[-1][1] == 1e8 + 3590
