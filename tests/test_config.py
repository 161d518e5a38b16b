"""Settings come from the nearest pyproject.toml and the environment, which goes before it."""

from __future__ import annotations

from pathlib import Path

import pytest

from keiko_perf.config import load_settings
from keiko_perf.errors import ConfigError, UsageError
from keiko_perf.monitoring.kpis import PerformanceKPIs


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's folder, in a folder of which we work."""
    below = tmp_path / "src" / "app"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    return tmp_path


def write(project: Path, table: str) -> None:
    (project / "pyproject.toml").write_text(f"[tool.keiko-perf]\n{table}\n")


def test_without_a_file_the_guides_targets_hold(project: Path) -> None:
    assert load_settings().performance_kpis() == PerformanceKPIs()


def test_the_nearest_file_upwards_is_read(project: Path) -> None:
    write(project, 'lang = "de"\nkpis = { api_response_time_p95 = 150 }')
    settings = load_settings()
    assert settings.lang == "de"
    assert settings.performance_kpis() == PerformanceKPIs(api_response_time_p95=150.0)


def test_the_environment_goes_before_the_file(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(project, "kpis = { api_response_time_p95 = 150, error_rate_max = 2 }")
    monkeypatch.setenv("KEIKO_PERF_KPIS__API_RESPONSE_TIME_P95", "120")
    kpis = load_settings().performance_kpis()
    assert (kpis.api_response_time_p95, kpis.error_rate_max) == (120.0, 2.0)


def test_no_secret_is_shown(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEIKO_PERF_DATABASE", "postgresql://me:geheim@localhost/app")
    monkeypatch.setenv("KEIKO_PERF_TOKEN", "geheim")
    assert "geheim" not in repr(load_settings())


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ("kpis = { api_response_time_p95 = 'fast' }", "kpis.api_response_time_p95"),
        ("kpis = { api_response_time_p96 = 1 }", "kpis.api_response_time_p96"),
        ("databse = 'x'", "databse"),
        ("lang = 'fr'", "lang"),
        ("lang = ", "pyproject.toml"),
    ],
    ids=["no number", "unknown target", "misspelt", "unknown language", "no TOML"],
)
def test_a_setting_that_cannot_be_used_is_named_with_its_cure(
    project: Path, table: str, named: str
) -> None:
    write(project, table)
    with pytest.raises(ConfigError, match=named) as caught:
        load_settings()
    assert caught.value.exit_code == 2
    assert "pyproject.toml" in str(caught.value) or "at that place" in caught.value.cure


def test_a_target_that_makes_no_sense_is_refused(project: Path) -> None:
    write(project, "kpis = { cpu_usage_max = -1 }")
    with pytest.raises(UsageError, match="cpu_usage_max"):
        load_settings()


def test_a_file_that_is_no_text_is_refused(project: Path) -> None:
    (project / "pyproject.toml").write_bytes(b"[tool.keiko-perf]\nlang = '\xff'")
    with pytest.raises(ConfigError, match="no UTF-8 from byte 26 on"):
        load_settings()


def test_a_variable_that_is_no_json_is_refused(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEIKO_PERF_KPIS", "api_response_time_p95=150")
    with pytest.raises(ConfigError, match="KEIKO_PERF_") as caught:
        load_settings()
    assert "KEIKO_PERF_KPIS__API_RESPONSE_TIME_P95=150" in caught.value.cure


def test_an_empty_variable_says_nothing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(project, "store = 'perf.db'")
    monkeypatch.setenv("KEIKO_PERF_STORE", "")
    monkeypatch.setenv("KEIKO_PERF_KPIS__CPU_USAGE_MAX", "")
    settings = load_settings()
    assert settings.store == Path("perf.db")
    assert settings.performance_kpis() == PerformanceKPIs()
