"""What the service is told: read, refused with a cure, and handed on without a secret shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from keiko_perf.demo.settings import PREFIX, DemoSettings, Fault, parse_faults
from keiko_perf.errors import ConfigError

NEEDED = {f"{PREFIX}DATABASE_URL": "postgresql://me:secret@db/x", f"{PREFIX}TOKEN": "hidden"}


def test_what_is_not_said_has_its_default() -> None:
    assert DemoSettings.from_environment(NEEDED) == DemoSettings(
        database_url="postgresql://me:secret@db/x", token="hidden"
    )


def test_a_child_process_gets_the_same_settings() -> None:
    settings = DemoSettings(
        database_url="postgresql://db/x",
        token="t",
        host="::1",
        port=8000,
        store=Path("keiko.db"),
        faults=frozenset({Fault.N_PLUS_ONE, Fault.SLOW_TASK}),
        window_s=0.1,
        metrics_window_s=7.5,
        workers=0,
        pool_size=3,
        pool_timeout_s=1 / 3,
    )
    assert DemoSettings.from_environment(settings.to_environment()) == settings


def test_no_secret_is_in_the_repr() -> None:
    shown = repr(DemoSettings.from_environment(NEEDED))
    assert "secret" not in shown
    assert "hidden" not in shown


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("DATABASE_URL", "", "KEIKO_DEMO_DATABASE_URL is not set"),
        ("TOKEN", "", "KEIKO_DEMO_TOKEN is not set"),
        ("TOKEN", " ", "KEIKO_DEMO_TOKEN is not set"),
        ("PORT", "http", "KEIKO_DEMO_PORT is 'http'. Give a whole number"),
        ("PORT", "65536", "KEIKO_DEMO_PORT is 65536"),
        ("PORT", "-1", "KEIKO_DEMO_PORT is -1"),
        ("WINDOW_S", "soon", "Give a number of seconds"),
        ("WINDOW_S", "0", "KEIKO_DEMO_WINDOW_S is 0"),
        ("WINDOW_S", "nan", "KEIKO_DEMO_WINDOW_S is nan"),
        ("METRICS_WINDOW_S", "5", "Give 10 seconds, the length of a window, or more"),
        ("WORKERS", "-1", "KEIKO_DEMO_WORKERS is -1"),
        ("POOL_SIZE", "0", "KEIKO_DEMO_POOL_SIZE is 0"),
        ("POOL_TIMEOUT_S", "0", "KEIKO_DEMO_POOL_TIMEOUT_S is not positive"),
        (
            "FAULTS",
            "n-plus-one,typo",
            "there is no fault named 'typo'. Choose one of missing-index",
        ),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_with_a_cure(
    name: str, value: str, reason: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        DemoSettings.from_environment({**NEEDED, PREFIX + name: value})
    assert reason.lower() in str(caught.value).lower()


def test_a_list_of_faults_may_have_blanks_and_be_empty() -> None:
    assert parse_faults("") == frozenset()
    assert parse_faults(" n-plus-one, slow-task ,") == {Fault.N_PLUS_ONE, Fault.SLOW_TASK}
