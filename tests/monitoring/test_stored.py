"""A service as its store knows it, and the application that shows one or several of them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from keiko_perf.errors import StoreUnavailable, UsageError
from keiko_perf.model import (
    Finding,
    Gauge,
    Histogram,
    Kind,
    Outcome,
    Report,
    Section,
    Series,
    Severity,
    Snapshot,
    Status,
)
from keiko_perf.monitoring import PerformanceMonitor, SqliteStore, StoredMonitor
from keiko_perf.monitoring.dashboard.live import Live
from keiko_perf.monitoring.dashboard.reports import Reports
from keiko_perf.monitoring.dashboard.serving import dashboards
from keiko_perf.monitoring.dashboard.view import View

TOKEN = "correct horse"


@pytest.fixture
def store(tmp_path):
    """The store of a service that answered in 0.1 s until just now."""
    file = tmp_path / "agents.db"
    kept, now = SqliteStore(file), datetime.now(UTC)
    for age_s in range(60, 0, -10):
        kept.append(a_window(now - timedelta(seconds=age_s), 0.1))
    kept.close()
    return file


def a_window(at, took_s):
    return Snapshot(
        started_at=at,
        window_s=10.0,
        series=(
            Series(
                kind=Kind.ROUTE,
                name="GET /agents",
                window_s=10.0,
                succeeded=Histogram([took_s] * 100),
            ),
        ),
        gauges={"cpu_ratio": Gauge.of(0.3)},
        counters={"arrived": 100},
        worker="w",
    )


async def test_it_is_judged_by_what_its_own_monitor_measured(store):
    monitor = StoredMonitor(store)
    verdicts = monitor.judge(await monitor.current())
    assert verdicts["api_response_time"].outcome is Outcome.MET
    metrics = await monitor.metrics_collector.get_current_metrics()
    assert metrics["api_p95"] == pytest.approx(100, 0.01)
    await monitor.stop()


async def test_a_service_that_writes_no_more_has_no_data(store):
    later = datetime.now(UTC) + timedelta(hours=1)
    monitor = StoredMonitor(store, now=lambda: later)
    assert await monitor.current() is None
    assert (await Live(monitor).metrics())["status"] == "unknown"
    await monitor.stop()


async def test_it_changes_nothing_in_the_store(store):
    before = store.read_bytes()
    monitor = StoredMonitor(store)
    live = Live(monitor)
    await live.metrics()
    await live.tables(View(86_400.0), "en")
    await live.timeline(View(86_400.0), "en")
    await asyncio.sleep(0)
    await monitor.stop()
    assert store.read_bytes() == before


async def test_it_knows_markers_of_the_services_own_monitor(store):
    watching = PerformanceMonitor(store=store, notify=())
    await watching.mark("pool_size 20", kind="deploy")
    await watching.stop()
    text = await Live(StoredMonitor(store)).timeline(View(900.0), "en")
    assert '"kind":"deploy","text":"pool_size 20"' in text


def test_a_store_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(StoreUnavailable, match="there is no store"):
        StoredMonitor(tmp_path / "nothing.db")


async def asked(app, path, **options):
    transport = httpx.ASGITransport(app, client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        return await http.request(options.pop("method", "GET"), path, **options)


async def test_one_service_has_its_dashboard_where_its_own_application_has_it(store):
    app = dashboards({"agents": StoredMonitor(store)})
    first = await asked(app, "/")
    assert (first.status_code, first.headers["location"]) == (307, "performance/dashboard")
    page = await asked(app, "/performance/dashboard")
    assert "agents" in page.text
    assert (await asked(app, "/performance/metrics")).json()["status"] == "good"


async def test_of_several_services_the_first_page_says_how_they_are(store):
    app = dashboards({"agents": StoredMonitor(store), "shop": StoredMonitor(store)})
    assert "overview.js" in (await asked(app, "/")).text
    told = (await asked(app, "/services")).json()["services"]
    assert [(one["name"], one["status"]) for one in told] == [("agents", "good"), ("shop", "good")]
    for one in told:
        assert (await asked(app, f"/{one['href']}")).status_code == 200
    assert (await asked(app, "/static/overview.js")).status_code == 200


async def test_one_login_opens_all_services(store):
    monitors = {name: StoredMonitor(store, token=TOKEN) for name in ("agents", "shop")}
    app = dashboards(monitors)
    assert (await asked(app, "/services")).status_code == 401
    assert 'action="login"' in (await asked(app, "/")).text
    answer = await asked(app, "/login", method="POST", data={"token": TOKEN})
    assert (answer.status_code, answer.headers["location"]) == (303, "./")
    cookie = {"Cookie": answer.headers["set-cookie"].partition(";")[0]}
    assert "Path=/;" in answer.headers["set-cookie"] + ";"
    for path in ("/services", "/agents/performance/metrics", "/shop/performance/metrics"):
        assert (await asked(app, path)).status_code == 401, path
        assert (await asked(app, path, headers=cookie)).status_code == 200, path


@pytest.mark.parametrize("name", ["", "a/b", "login", "..", "a b", "<b>"])
def test_a_name_that_cannot_stand_in_an_address_is_refused(name, store):
    with pytest.raises(UsageError, match="cannot name a service"):
        dashboards({name: StoredMonitor(store), "other": StoredMonitor(store)})


def test_no_service_is_refused():
    with pytest.raises(UsageError, match="no service was named"):
        dashboards({})


# --- What else is known -------------------------------------------------------------------------


def a_report():
    finding = Finding(
        code="indexes.unused",
        severity=Severity.WARNING,
        subject="agents_old",
        summary="it is never read",
        cure="DROP INDEX agents_old",
    )
    section = Section(title="Indexes", findings=(finding,))
    return Report(
        command="db check",
        title="Check",
        headline="One finding",
        status=Status.OK,
        created_at=datetime.now(UTC),
        sections=(section,),
    )


async def test_what_is_reported_stands_among_the_findings(store):
    async def check():
        return a_report()

    async def broken():
        raise OSError("postgresql://user:secret@host/ does not answer")

    monitor = StoredMonitor(store)
    monitor.reports.extend((broken, check))
    reports = Reports(monitor)
    assert reports.rows("en") == []
    await reports.asked()
    (row,) = reports.rows("en")
    assert (row["code"], row["cure"]) == ("indexes.unused", "DROP INDEX agents_old")


async def test_a_report_that_fails_tells_its_kind_and_no_secret(store, caplog):
    async def broken():
        raise OSError("postgresql://user:secret@host/ does not answer")

    monitor = StoredMonitor(store)
    monitor.reports.append(broken)
    reports = Reports(monitor)
    reports.rows("en")
    await reports.asked()
    assert reports.rows("en") == []
    assert "OSError" in caplog.text
    assert "secret" not in caplog.text
