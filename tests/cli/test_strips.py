"""Strips stand on one axis, a column a second, and blanks are where nothing was read."""

from __future__ import annotations

import pytest
from tests.cli.test_load_screen import RESETS, course, progress, shown

from keiko_perf.cli.course import TREND
from keiko_perf.cli.strips import by_second, sparkline, strips
from keiko_perf.loadtest.verdicts.inside import read_word
from keiko_perf.model import Gauge, Outcome, Snapshot, Target

LINES = {
    "response_s": [(-2.5, 0.02), (-1.6, 0.04), (-0.5, 0.08)],
    "pool_in_use": [(-0.5, 4.9)],
    "lock": [(-1.5, 2.0), (-1.4, 4.0)],
    "unknown": [(-0.5, 1.0)],
}


class Watching:
    """Who watches, and always sees the same."""

    def __init__(self, lines=LINES) -> None:
        self._lines = lines

    def lines(self, last_s: float):
        assert last_s == TREND
        return self._lines

    def lately(self, _last_s: float) -> Snapshot:
        from datetime import UTC, datetime

        return Snapshot(
            started_at=datetime(1970, 1, 1, tzinfo=UTC),
            window_s=5.0,
            gauges={"pool_use_ratio": Gauge.of(0.98)},
        )


def test_a_column_is_a_second_and_the_last_is_now() -> None:
    assert by_second([(-2.5, 1.0), (-0.6, 2.0), (-0.4, 4.0), (-9.0, 7.0), (0.0, 7.0)], 4) == (
        None,
        1.0,
        None,
        3.0,
    )
    assert sparkline((None, 1.0, None, 3.0)) == " ▃ █"
    assert sparkline((0.0, 0.0)) == "▁▁"


def test_what_was_never_read_has_no_strip() -> None:
    found = strips(LINES, 3)
    assert [one.label for one in found] == [
        "service, mean",
        "DB pool, in use",
        "database, wait for locks",
    ]
    assert found[0].values == (0.02, 0.04, 0.08)
    assert found[2].values == (None, 3.0, None)


def test_load_latency_service_and_database_stand_on_one_axis() -> None:
    seen = course(*(progress(elapsed_s=float(at)) for at in range(1, 5)), meanwhile=Watching())
    lines = shown(seen, width=100, height=40)
    starts = {
        label: next(line for line in lines if line.startswith(label))
        for label in ("asked for", "response time p95", "service, mean", "DB pool, in use")
    }
    (head,) = (line for line in lines if line.rstrip().endswith("now"))
    end = len(head.rstrip())
    assert {len(line.rstrip()) for line in starts.values()} == {end}
    assert "50/s" in starts["asked for"]
    assert "80 ms" in starts["service, mean"]
    assert "4.9" in starts["DB pool, in use"]


def test_a_terminal_without_room_for_them_has_none_and_all_fits() -> None:
    seen = course(progress(), meanwhile=Watching())
    assert any("DB pool" in line for line in shown(seen, width=80, height=40))
    assert not any("DB pool" in line for line in shown(seen, width=80, height=16))
    assert not any("asked for" in line for line in shown(course(progress()), height=40))
    for height in (16, 20, 24, 30):
        assert len(shown(seen, width=80, height=height)) <= height
        assert all(len(line) <= 80 for line in shown(seen, width=80, height=height))


@pytest.mark.parametrize("height", range(16, 41))
def test_it_all_fits_with_targets_errors_and_a_danger(height) -> None:
    seen = course(progress(dropped=7, errors=(RESETS,)), meanwhile=Watching())
    lines = shown(seen, width=80, height=height)
    assert len(lines) <= height
    assert lines[-1].startswith("INVALID")
    # With room for one line more there is one strip more, until all are there.
    assert any("DB pool, in use" in line for line in lines) == (height >= 20)


def test_a_target_about_the_inside_is_judged_by_what_was_seen_there() -> None:
    kpi = read_word("pool.use")
    assert kpi is not None
    target = Target(kpi=kpi, at_most=0.9)
    (verdict,) = course(progress(), targets=(target,), meanwhile=Watching()).verdicts
    assert (verdict.outcome, verdict.value) == (Outcome.MISSED, 0.98)
    (verdict,) = course(progress(), targets=(target,)).verdicts
    assert verdict.outcome is Outcome.UNKNOWN
