"""`keiko-perf health`: the verdicts of a store, and an exit code that a script can act on."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
import typer
from fastapi import FastAPI
from typer.testing import CliRunner

from keiko_perf.cli.health import health, judge
from keiko_perf.cli.main import app as command
from keiko_perf.errors import StoreUnavailable, UsageError
from keiko_perf.model import Gauge, Histogram, Kind, Series, Snapshot, Status
from keiko_perf.monitoring import PerformanceKPIs, PerformanceMonitor, SqliteStore

app = typer.Typer()
app.command()(health)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "perf.sqlite"


def write(file, *, duration_s, age_s=10.0, count=400):
    store = SqliteStore(file)
    series = Series(
        kind=Kind.ROUTE,
        name="GET /agents",
        window_s=10.0,
        succeeded=Histogram([duration_s] * count),
    )
    store.append(
        Snapshot(
            started_at=datetime.now(UTC) - timedelta(seconds=age_s + 10),
            window_s=10.0,
            series=(series,),
            gauges={"cpu_ratio": Gauge.of(0.2)},
            counters={"arrived": count},
            worker="w1",
        )
    )
    store.close()


def ask(file, *options):
    return CliRunner().invoke(app, [str(file), *options])


def test_a_service_that_keeps_its_targets_ends_with_0(file):
    write(file, duration_s=0.01)
    answer = ask(file)
    assert answer.exit_code == 0
    assert "5 of 9 targets met" in answer.stdout


def test_a_missed_target_ends_with_3_and_says_by_how_much(file):
    write(file, duration_s=0.412)
    answer = ask(file)
    assert answer.exit_code == 3
    assert "1 of 9 targets missed: response time p95 is 412 ms, limit 200 ms" in answer.stdout
    assert "GET /agents" in answer.stdout


def test_the_json_form_holds_the_nine_verdicts(file):
    write(file, duration_s=0.412)
    document = json.loads(ask(file, "--format", "json").stdout)
    assert sum(len(section["verdicts"]) for section in document["sections"]) == 9


def test_only_the_last_window_that_was_asked_for_is_judged(file):
    write(file, duration_s=0.9, age_s=60)
    write(file, duration_s=0.01, age_s=10)
    kpis = PerformanceKPIs()
    assert judge(file, kpis=kpis, last_s=30, now=datetime.now(UTC)).status is Status.OK
    assert judge(file, kpis=kpis, last_s=90, now=datetime.now(UTC)).status is Status.MISSED


def test_a_service_that_ended_is_judged_by_its_end_and_that_is_said(file):
    write(file, duration_s=0.412, age_s=7200)
    report = judge(file, kpis=PerformanceKPIs(), last_s=60, now=datetime.now(UTC))
    assert report.status is Status.MISSED
    (gap,) = report.gaps
    assert 7200 <= gap.reason.values["age"] < 7320


def test_a_store_that_is_not_there_is_named_and_not_made(file):
    with pytest.raises(StoreUnavailable, match=r"no store .*perf\.sqlite"):
        judge(file, kpis=PerformanceKPIs(), last_s=60, now=datetime.now(UTC))
    assert not file.exists()


def test_nothing_named_says_what_can_be(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(command, ["health"])
    assert isinstance(done.exception, UsageError)
    assert "or the URL" in str(done.exception)


def test_a_store_without_a_measurement_says_so(file):
    write(file, duration_s=0.1, age_s=400 * 86_400)
    with pytest.raises(StoreUnavailable, match="holds no measurement"):
        judge(file, kpis=PerformanceKPIs(), last_s=60, now=datetime.now(UTC))


def test_no_seconds_at_all_are_refused(file):
    answer = ask(file, "--last", "0")
    assert isinstance(answer.exception, UsageError)


@pytest.mark.parametrize("last", ["nan", "inf", "1e300", "-1"])
def test_more_seconds_than_a_year_and_none_at_all_are_refused(file, last):
    answer = ask(file, "--last", last)
    assert isinstance(answer.exception, UsageError)


def test_a_file_that_is_no_store_is_named_and_left_alone(file):
    file.write_text("a letter, which is no store")
    answer = ask(file)
    assert isinstance(answer.exception, StoreUnavailable)
    assert "is not a database" in answer.exception.what
    assert file.read_text() == "a letter, which is no store"
    assert len(list(file.parent.iterdir())) == 1


def test_a_name_that_no_file_can_have_is_no_store(tmp_path):
    answer = ask(tmp_path / ("x" * 5000))
    assert isinstance(answer.exception, StoreUnavailable)


def test_what_a_service_says_of_itself_is_asked_for_in_the_readers_language(serve):
    service = FastAPI()
    PerformanceMonitor(notify=()).install(service)
    with serve(service) as url:
        said = CliRunner().invoke(app, [url, "--lang", "de"]).output
    assert "Antwortzeit p95" in said
    assert "response time" not in said
    assert "nothing was measured" not in said
