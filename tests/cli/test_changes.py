"""`keiko-perf changes`, `mark` and `silence`: what a person learns and tells by the store."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from math import exp
from random import Random

import pytest
from typer.testing import CliRunner

from keiko_perf.cli.main import app
from keiko_perf.errors import KeikoError, UsageError
from keiko_perf.model import Histogram, Kind, Series, Snapshot
from keiko_perf.monitoring import MarkerKind, SqliteStore
from keiko_perf.monitoring.alerts import silence
from keiko_perf.monitoring.changes import markers
from keiko_perf.monitoring.storage.journal import Journal

NOW = datetime.now(UTC)


def stored(file, *, slower=1.0, hours_ago=6.0, days=1):
    """A store of a service whose requests are *slower* since some hours."""
    random, store = Random(3), SqliteStore(file)
    for number in range(144 * days):
        at = NOW - timedelta(minutes=10 * (144 * days - number))
        factor = slower if at >= NOW - timedelta(hours=hours_ago) else 1.0
        level = 0.02 * factor * exp(random.gauss(0, 0.08))
        durations = Histogram(level * random.lognormvariate(0, 0.5) for _ in range(100))
        series = Series(kind=Kind.ROUTE, name="GET /agents", window_s=600.0, succeeded=durations)
        store.append(Snapshot(started_at=at, window_s=600.0, series=(series,), worker="w1"))
    return store


def ask(*words):
    return CliRunner().invoke(app, [*map(str, words)])


def test_a_slowdown_is_told_with_the_deploy_and_ends_with_5(tmp_path):
    store = stored(tmp_path / "perf.sqlite", slower=1.3)
    deployed_at = NOW - timedelta(hours=6, minutes=5)
    deploy = markers.Marker(at=deployed_at, kind=MarkerKind.DEPLOY, text="release 2")
    markers.add(Journal(store), deploy)
    store.close()
    done = ask("changes", tmp_path / "perf.sqlite", "--format", "json")
    assert done.exit_code == 5
    document = json.loads(done.stdout)
    (comparison,) = document["sections"][0]["comparisons"]
    assert comparison["change"] == "regressed"
    assert comparison["low"] < 1.3 < comparison["high"]
    told = ask("changes", tmp_path / "perf.sqlite").stdout
    assert "release 2" in told
    assert "response time p95" in told


def test_what_a_deploy_of_minutes_ago_made_slower_is_told_and_ends_with_5(tmp_path):
    random, store = Random(3), SqliteStore(tmp_path / "perf.sqlite")
    deployed_at = NOW - timedelta(minutes=6)
    for number in range(20, 0, -1):
        at = NOW - timedelta(minutes=number)
        level = (0.06 if at >= deployed_at else 0.02) * exp(random.gauss(0, 0.05))
        durations = Histogram(level * random.lognormvariate(0, 0.4) for _ in range(100))
        series = Series(kind=Kind.ROUTE, name="GET /agents", window_s=60.0, succeeded=durations)
        store.append(Snapshot(started_at=at, window_s=60.0, series=(series,), worker="w1"))
    deploy = markers.Marker(at=deployed_at, kind=MarkerKind.DEPLOY, text="release 2")
    markers.add(Journal(store), deploy)
    store.close()
    done = ask("changes", tmp_path / "perf.sqlite")
    assert done.exit_code == 5
    assert "what it was before the deploy at" in done.stdout
    assert "What differs since the last deploy" in done.stdout


def test_a_day_without_a_change_ends_with_0(tmp_path):
    stored(tmp_path / "perf.sqlite").close()
    done = ask("changes", tmp_path / "perf.sqlite")
    assert (done.exit_code, "Nothing changed" in done.stdout) == (0, True)


def test_too_little_history_is_undecided(tmp_path):
    store = SqliteStore(tmp_path / "perf.sqlite")
    store.append(Snapshot(started_at=NOW - timedelta(minutes=5), window_s=10.0))
    store.close()
    done = ask("changes", tmp_path / "perf.sqlite")
    assert (done.exit_code, "Too little was measured" in done.stdout) == (6, True)


@pytest.mark.parametrize("hours", ["0", "-1", "1e9", "nan"])
def test_hours_that_are_none_are_refused(tmp_path, hours):
    done = ask("changes", tmp_path / "perf.sqlite", "--hours", hours)
    assert isinstance(done.exception, KeikoError)
    assert "--hours" in f"{done.exception}"


def test_an_address_is_no_store():
    for words in (("changes", "http://localhost:8000"), ("mark", "x", "--store", "https://here")):
        done = ask(*words)
        assert isinstance(done.exception, UsageError)
        assert "no service's address" in str(done.exception)
        assert "PerformanceMonitor(store=...)" in str(done.exception)


def test_a_mark_is_in_the_store_and_a_deploy_finds_its_revision(tmp_path, monkeypatch):
    file = tmp_path / "perf.sqlite"
    stored(file).close()
    monkeypatch.setenv("KEIKO_PERF_REVISION", "c0ffee")
    assert ask("mark", "pool_size 20", "--store", file).exit_code == 0
    assert ask("mark", "release 2", "--deploy", "--store", file).exit_code == 0
    store = SqliteStore(file)
    note, deploy = markers.read(Journal(store))
    store.close()
    assert (note.kind, note.text, note.revision) == (MarkerKind.NOTE, "pool_size 20", None)
    assert (deploy.kind, deploy.revision) == (MarkerKind.DEPLOY, "c0ffee")


def test_a_silence_is_begun_listed_and_ended(tmp_path):
    file = tmp_path / "perf.sqlite"
    stored(file).close()
    begun = ask("silence", "api_*", "--for", "2h", "--reason", "a deploy", "--store", file)
    assert begun.exit_code == 0
    store = SqliteStore(file)
    (made,) = silence.read(Journal(store), datetime.now(UTC))
    store.close()
    assert (made.pattern, made.reason) == ("api_*", "a deploy")
    assert (made.until_at - made.start_at) == timedelta(hours=2)
    listed = ask("silence", "--store", file)
    assert made.key in listed.stdout
    ended = ask("silence", "--end", made.key, "--store", file)
    assert "Nothing is silent" in ended.stdout
    again = ask("silence", "--end", made.key, "--store", file)
    assert isinstance(again.exception, KeikoError)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("silence", "x", "--for", "soon"), "is no duration"),
        (("silence", "x", "--for", "1h"), "reason"),
        (("silence", "x", "--end", "y", "--reason", "z"), "begun or ended"),
        (("mark", " "), "one line"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_cure(tmp_path, words, said):
    file = tmp_path / "perf.sqlite"
    SqliteStore(file).close()
    done = ask(*words, "--store", file)
    assert isinstance(done.exception, KeikoError)
    assert said in f"{done.exception}"
