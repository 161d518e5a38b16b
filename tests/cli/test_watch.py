"""`keiko-perf watch`: what it shows of a store, of a running service, and where nothing draws."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import typer
from fastapi import FastAPI, Response
from rich.console import Console
from typer.testing import CliRunner

from keiko_perf.cli.picture import Picture, after, of_service, of_store
from keiko_perf.cli.service import read_health
from keiko_perf.cli.watch import watch
from keiko_perf.cli.watch_screen import History, plain, screen
from keiko_perf.errors import ServiceUnavailable, UsageError
from keiko_perf.loadtest.watching.watcher import Watcher
from keiko_perf.model import Gauge, Histogram, Kind, Series, Snapshot
from keiko_perf.monitoring import Marker, PerformanceKPIs, PerformanceMonitor, SqliteStore
from keiko_perf.monitoring.alerts import silence
from keiko_perf.monitoring.changes import markers
from keiko_perf.monitoring.export.health import VERSION
from keiko_perf.monitoring.storage.journal import Journal

NOW = datetime.now(UTC)
TOKEN = "a-token-of-a-test"
app = typer.Typer()
app.command()(watch)


@pytest.fixture
def store(tmp_path):
    store = SqliteStore(tmp_path / "perf.sqlite")
    yield store
    store.close()


def write(store, *, duration_s=0.05, routes=2, age_s=5.0, now=NOW):
    series = tuple(
        Series(
            kind=Kind.ROUTE,
            name=f"GET /agents/{number}",
            window_s=10.0,
            succeeded=Histogram([duration_s] * 300),
        )
        for number in range(routes)
    )
    store.append(
        Snapshot(
            started_at=now - timedelta(seconds=age_s + 10),
            window_s=10.0,
            series=series,
            gauges={"cpu_ratio": Gauge.of(0.2)},
            counters={"arrived": 300 * routes},
            worker="w1",
        )
    )


def picture_of(store):
    return of_store(
        "perf.sqlite", store, Journal(store), kpis=PerformanceKPIs(), last_s=60.0, now=NOW
    )


def drawn(picture, *, width=100, height=40, history=None):
    history = history or History()
    history.take(picture)
    console = Console(file=io.StringIO(), width=width, height=height)
    console.print(screen(picture, history, width=width, height=height))
    return console.file.getvalue()


def test_it_shows_the_answer_the_figures_beside_their_limits_and_the_routes(store):
    write(store, duration_s=0.412)
    lines = drawn(picture_of(store)).splitlines()
    assert "3 of 9 targets missed" in lines[1] or "targets missed" in lines[1]
    p95 = next(line for line in lines if line.startswith("✗ response time p95"))
    assert "412 ms" in p95
    assert "≤ 200 ms" in p95
    assert any(line.startswith("✓ CPU") and "20 %" in line for line in lines)
    route = next(line for line in lines if line.startswith("GET /agents/0"))
    assert route.split()[2:] == ["30.0", "0", "412", "412", "412", "50.0"]


def test_it_shows_what_was_done_and_what_is_silent(store):
    write(store)
    journal = Journal(store)
    markers.add(journal, Marker(at=NOW - timedelta(minutes=3), text="pool_size 20"))
    silence.add(journal, silence.silence_of("*", for_s=60, reason="a test", now=NOW))
    shown = drawn(picture_of(store))
    assert "pool_size 20" in shown
    assert "silences that hold: 1" in shown


@pytest.mark.parametrize(("width", "height"), [(60, 10), (80, 24), (140, 50), (300, 100), (20, 3)])
def test_it_fits_any_terminal(store, width, height):
    write(store, routes=30)
    lines = drawn(picture_of(store), width=max(width, 60), height=height).splitlines()
    assert len(lines) <= max(height, 1)
    assert max(map(len, lines)) <= max(60, min(width, 140))


def test_figures_go_on_as_a_line_of_their_course(store):
    history = History()
    for duration_s in (0.01, 0.05, 0.1):
        write(store, duration_s=duration_s)
        history.take(picture_of(store))
    assert len(history.of("api_response_time")) == 3
    assert "█" in drawn(picture_of(store), history=history)


def test_a_measurement_that_is_old_is_called_old(store):
    write(store, age_s=45)
    assert "45" in drawn(picture_of(store)).splitlines()[1]
    assert "old" in drawn(picture_of(store)).splitlines()[1]


def test_a_service_that_is_gone_keeps_what_was_seen_last_below_the_whole_reason(store):
    write(store, duration_s=0.412)
    history = History()
    seen = picture_of(store)
    history.take(seen)
    why = "the service at 127.0.0.1:8000 does not answer: Connection refused. Start it, or ask it"
    for later_s in (5, 8):
        at = NOW + timedelta(seconds=later_s)
        seen = after(seen, Picture(source="x", taken_at=at, problem=why))
    lines = drawn(seen, width=60, history=history).splitlines()
    assert " ".join(line.strip() for line in lines[1:3]) == why
    assert lines[3] == "What was seen last, 8 s ago:"
    assert any(line.startswith("✗ response time p95") and "412 ms" in line for line in lines)
    assert history.of("api_response_time")[-1] is None
    back = picture_of(store)
    assert after(seen, back) is back


def test_a_service_that_was_never_seen_shows_only_why():
    never = Picture(source="x", taken_at=NOW, problem="the service does not answer")
    assert after(never, replace(never, taken_at=NOW + timedelta(seconds=1))).seen_at is None


def test_a_store_that_nobody_writes_to_is_not_said_to_be_new(store):
    write(store, age_s=90)
    shown = " ".join(drawn(picture_of(store)).split())
    assert "Nothing was measured in the last 60 s, and before that 90 s ago" in shown
    assert "No data yet" not in shown


def test_where_nothing_can_be_drawn_it_is_one_line(store):
    write(store, duration_s=0.412)
    line = plain(picture_of(store))
    assert "\n" not in line
    assert "response time p95 412 ms" in line
    gone = Picture(source="x", taken_at=NOW, problem="the service does not answer")
    assert plain(gone).endswith("the service does not answer")


def test_it_speaks_the_language_of_the_option_else_that_of_the_settings(store, monkeypatch):
    write(store, now=datetime.now(UTC))
    store.close()
    look = [str(store.path), "--times", "1"]
    assert "Zielen" in CliRunner().invoke(app, [*look, "--lang", "de"]).stdout
    monkeypatch.setenv("KEIKO_PERF_LANG", "de")
    assert "Zielen" in CliRunner().invoke(app, look).stdout
    assert "targets" in CliRunner().invoke(app, [*look, "--lang", "en"]).stdout


def test_all_that_is_drawn_is_german_where_that_is_asked_for(store):
    write(store, duration_s=0.412, routes=30, age_s=45)
    picture = replace(
        picture_of(store), silent=2, alerts=(("firing", "critical", "a service said so"),)
    )
    console = Console(file=io.StringIO(), width=140, height=40)
    console.print(screen(picture, History(), width=140, height=30, lang="de"))
    shown = console.file.getvalue()
    for said in (
        "die letzte Messung ist 45",
        "Antwortzeit p95",
        "Route ",
        "Fehler %",
        "weitere Routen",
        "30,0",
        "feuert",
        "kritisch",
        "geltende Stummschaltungen: 2",
    ):
        assert said in shown
    assert "1 Alarme" in plain(picture, "de")


def test_the_command_looks_at_a_store(store):
    write(store, now=datetime.now(UTC))
    store.close()
    done = CliRunner().invoke(app, [str(store.path), "--times", "2", "--every", "0.2"])
    assert done.exit_code == 0
    assert "targets met" in done.stdout


def test_a_store_that_is_not_there_is_an_error_and_no_empty_screen(tmp_path):
    done = CliRunner().invoke(app, [str(tmp_path / "none.db"), "--times", "1"])
    assert done.exit_code == 1
    assert "no store" in f"{done.exception}"


def test_a_running_service_is_watched_with_its_token(serve):
    service = FastAPI()
    busy_or_not = PerformanceKPIs(api_response_time_p95=1, cpu_usage_max=100, memory_usage_max=100)
    monitor = PerformanceMonitor(token=TOKEN, kpis=busy_or_not)
    monitor.install(service)
    for _ in range(100):
        monitor.recorder.record(Kind.ROUTE, "GET /agents", 0.05)
    with serve(service) as url:
        for address in (url, f"{url}/", f"{url}/performance"):
            picture = of_service(address, read_health(address, TOKEN), NOW)
            assert picture.missed == 1
            assert picture.routes[0].name == "GET /agents"
        assert "≤ 1 ms" in drawn(picture)
        with pytest.raises(ServiceUnavailable, match="status 401") as caught:
            read_health(url, "wrong")
        assert "KEIKO_PERF_TOKEN" in caught.value.cure
    with pytest.raises(ServiceUnavailable, match="does not answer"):
        read_health(url, TOKEN)


def test_a_service_that_limits_how_often_it_is_asked_is_told_from_one_that_wants_a_token(serve):
    limited = FastAPI()

    @limited.get("/performance/{what}")
    async def turned_away(what: str):
        return Response(status_code=429)

    with serve(limited) as url:
        with pytest.raises(ServiceUnavailable, match="too many requests") as caught:
            read_health(url, None)
        assert "rate limiter" in caught.value.cure
        with pytest.raises(ServiceUnavailable, match="too many requests"), Watcher(url):
            pass


def test_a_service_that_fails_is_not_told_to_install_a_monitor(serve):
    failing = FastAPI()

    @failing.get("/performance/health")
    async def health():
        return Response(status_code=502)

    with serve(failing) as url, pytest.raises(ServiceUnavailable, match="status 502") as caught:
        read_health(url, None)
    assert "log" in caught.value.cure


def test_another_service_is_told_from_one_of_ours(serve):
    other = FastAPI()
    with serve(other) as url, pytest.raises(ServiceUnavailable, match="status 404"):
        read_health(url, None)

    @other.get("/performance/health")
    async def health():
        return {"status": "UP"}

    with serve(other) as url, pytest.raises(ServiceUnavailable, match="nothing of keiko-perf"):
        read_health(url, None)


@pytest.mark.parametrize("url", ["http://", "http://[x/", "http://host:nine"])
def test_an_address_that_names_no_host_is_refused(url):
    with pytest.raises(UsageError, match="no host"):
        read_health(url, None)


def test_alerts_that_fire_stand_first_though_others_changed_later():
    document = {
        "version": str(VERSION),
        "checks": {},
        "routes": [],
        "alerts": [
            {"state": state, "severity": "critical", "message": state}
            for state in ("resolved", "firing", "pending")
        ],
    }
    picture = of_service("x", document, NOW)
    assert [state for state, _, _ in picture.alerts] == ["firing", "resolved", "pending"]


@pytest.mark.parametrize(
    "document",
    [{}, {"version": "99", "checks": {}}, {"version": "1", "checks": {"a": [{}]}, "routes": []}],
)
def test_health_of_another_version_is_refused_with_a_cure(document):
    with pytest.raises(ServiceUnavailable, match="form"):
        of_service("http://x", document, NOW)
