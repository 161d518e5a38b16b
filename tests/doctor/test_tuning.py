"""What the dashboard is told to advise, from what a monitor knows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from keiko_perf.doctor import tuning_of
from keiko_perf.model import BlockingCall, Kind
from keiko_perf.monitoring import PerformanceMonitor
from keiko_perf.monitoring.dashboard.reports import Reports
from keiko_perf.monitoring.dashboard.tables import tables
from keiko_perf.monitoring.looks import Look, Looks
from keiko_perf.monitoring.recorder import Recorder
from keiko_perf.monitoring.storage.sqlite import SqliteStore
from keiko_perf.monitoring.stored import StoredMonitor
from keiko_perf.render import render

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)


def monitor_of_a_blocked_service() -> PerformanceMonitor:
    monitor = PerformanceMonitor()
    monitor.recorder.block(
        BlockingCall(
            place="service/routes.py:42 find", stack=("service/routes.py:42 find",), count=20,
            total_s=2.0, longest_s=0.2, computed_s=0.0, last_at=NOW,
        )
    )  # fmt: skip
    return monitor


async def test_a_call_that_blocks_is_shown_with_the_line_to_write_instead() -> None:
    monitor = monitor_of_a_blocked_service()
    monitor.reports.append(tuning_of(monitor, line_of=lambda place: "time.sleep(0.1)"))
    reports = Reports(monitor)
    assert reports.rows("en") == []
    await reports.asked()
    (row,) = reports.rows("en")
    assert (row["code"], row["subject"]) == ("loop.sleep", "service/routes.py:42 find")
    assert row["cure"] == "await asyncio.sleep(seconds)\n# instead of: time.sleep(0.1)"
    assert reports.rows("de")[0]["summary"].startswith("service/routes.py:42 find hielt")


async def test_a_service_is_advised_from_its_store_as_well(tmp_path: Path) -> None:
    path, now = tmp_path / "service.db", datetime.now(UTC)
    SqliteStore(path).append(
        replace(monitor_of_a_blocked_service().recorder.snapshot(), started_at=now, window_s=1.0)
    )
    monitor = StoredMonitor(path, now=lambda: now + timedelta(seconds=2))
    report = await tuning_of(monitor)()
    assert [one.code for one in report.sections[0].recommendations] == ["loop.waiting"]
    await monitor.stop()


async def test_without_anything_to_advise_nothing_is_shown() -> None:
    monitor = PerformanceMonitor()
    monitor.reports.append(tuning_of(monitor))
    reports = Reports(monitor)
    reports.rows("en")
    await reports.asked()
    assert reports.rows("en") == []


async def test_the_report_can_be_read_in_every_format() -> None:
    monitor = monitor_of_a_blocked_service()
    report = await tuning_of(monitor)()
    assert "1 change(s) advised" in render(report, "text")
    assert "to_thread" in render(report, "markdown")


def test_the_page_of_an_endpoint_is_told_whether_a_cache_would_pay() -> None:
    recorder = Recorder(looks=Looks(pause_s=0.0), clock=lambda: 0.0)
    assert recorder.looks is not None
    for at_s in range(10):
        scope = {"method": "GET", "path": "/", "query_string": b"", "headers": [], "endpoint": "a"}
        look = recorder.looks.look(scope, {"headers": []}, at_s)
        assert isinstance(look, Look)
        look.add(b"a")
        look.end("GET /", at_s=at_s, took_s=0.1)
    recorder.record(Kind.ROUTE, "GET /", 0.1)
    (row,) = tables([recorder.snapshot()])["endpoints"]
    assert row["repeats"]["calls"] == 10
    assert row["repeats"]["kept"][2] == {"ttl": 60.0, "hits": 0.9, "stale": 0.0}
