"""SLOs: how much of the error budget is left, and an alert when it burns too fast."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from keiko_perf.errors import UsageError
from keiko_perf.fakes import FakeClock
from keiko_perf.model import Histogram, Kind, Outcome, Series, Severity, Snapshot
from keiko_perf.monitoring import MemoryStore, Patience, PerformanceKPIs, PerformanceMonitor, Slo
from keiko_perf.monitoring.alerts.budgets import Budgets
from keiko_perf.monitoring.alerts.slo import DAY_S, HOUR_S, WORKBOOK, Ledger
from keiko_perf.monitoring.wording import sentence
from keiko_perf.render import phrase

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
AVAILABLE = Slo(name="available", objective=0.999)
FAST = Slo(name="fast", objective=0.9, within_s=0.3)


def window(at, *, good=100, bad=0, slow=0, window_s=60.0, route="GET /agents"):
    series = Series(
        kind=Kind.ROUTE,
        name=route,
        window_s=window_s,
        succeeded=Histogram([0.01] * good + [1.0] * slow),
        failed=Histogram([0.01] * bad),
    )
    return Snapshot(started_at=at, window_s=window_s, series=(series,))


class History:
    """A store of minutes, from some hours ago on: a store is all that `Budgets` asks."""

    def __init__(self, hours, **options):
        self.windows = [
            window(NOW - timedelta(minutes=minute), **options)
            for minute in range(int(hours * 60), 0, -1)
        ]

    def spoil(self, minutes, **options):
        """Make the last *minutes* what *options* say."""
        at = NOW - timedelta(minutes=minutes)
        kept = [one for one in self.windows if one.started_at < at]
        spoilt = [window(one.started_at, **options) for one in self.windows[len(kept) :]]
        self.windows = [*kept, *spoilt]
        return self

    def between(self, start_at, end_at):
        return [one for one in self.windows if start_at <= one.started_at < end_at]


def caught_up(history, *slos, times=45):
    budgets = Budgets(slos or (AVAILABLE,), history, lambda: NOW)
    for _ in range(times):
        verdicts = budgets.advance()
    return budgets, verdicts


def test_the_workbooks_burn_rates_follow_from_its_shares():
    assert [round(one.burn(30 * DAY_S), 6) for one in WORKBOOK] == [14.4, 6.0, 1.0]


@pytest.mark.parametrize(
    ("minutes", "bad", "outcome", "severity"),
    [
        (60, 3, Outcome.MISSED, Severity.CRITICAL),  # 3 % over an hour: a burn of 29
        (60, 1, Outcome.MET, None),  # 1 %: a burn of 10, which an hour bears
        (6 * 60, 1, Outcome.MISSED, Severity.CRITICAL),  # but not six of them
        (3, 10, Outcome.MET, None),  # three bad minutes are an incident and no trend
    ],
)
def test_an_alert_fires_when_the_budget_burns_too_fast(minutes, bad, outcome, severity):
    history = History(4 * 24, good=100).spoil(minutes, good=100 - bad, bad=bad)
    _, verdicts = caught_up(history)
    verdict = verdicts["slo[available]"]
    assert verdict.outcome is outcome
    if severity is not None:
        assert verdict.target.severity is severity


def test_a_slow_burn_of_days_is_a_warning():
    history = History(4 * 24, good=499, bad=1)
    (verdict,) = caught_up(history)[1].values()
    assert (verdict.outcome, verdict.target.severity) == (Outcome.MISSED, Severity.WARNING)
    assert verdict.value == pytest.approx(2.0)
    assert phrase(sentence(verdict)) == (
        "error budget burn of available is 2.0 ×, limit 1.00 ×: "
        "20 % of the error budget goes within 3 d"
    )


@pytest.mark.parametrize("hours", [1, 4 * 24], ids=["new", "with a slow burn for days"])
def test_an_outage_is_critical_also_where_days_are_over_their_low_limit_by_more(hours):
    history = History(hours, good=996, bad=4).spoil(40, good=900, bad=100)
    budgets, verdicts = caught_up(history)
    (status,) = budgets.statuses
    limits = {one.long_s: one.burn(30 * DAY_S) for one in WORKBOOK}
    assert status.burns[3 * DAY_S] / limits[3 * DAY_S] > 4
    assert status.burns[HOUR_S] / limits[HOUR_S] > 4
    assert verdicts["slo[available]"].target.severity is Severity.CRITICAL


def test_it_ends_soon_after_the_trouble_though_the_long_window_still_holds_it():
    history = History(4 * 24, good=100).spoil(60, good=95, bad=5).spoil(40, good=100)
    budgets, verdicts = caught_up(history)
    (status,) = budgets.statuses
    assert status.burns[HOUR_S] > 14.4
    assert status.burns[300.0] == 0
    assert verdicts["slo[available]"].outcome is Outcome.MET


def test_a_latency_slo_counts_the_slow_and_the_failed():
    history = History(4 * 24, good=80, slow=10, bad=10)
    budgets, _ = caught_up(history, FAST)
    (status,) = budgets.statuses
    assert status.good_ratio == pytest.approx(0.8)
    assert status.budget_left_ratio == pytest.approx(-1.0)


def test_few_requests_are_no_verdict_and_few_bad_ones_no_alert():
    (verdict,) = caught_up(History(0.2, good=1))[1].values()
    assert verdict.outcome is Outcome.UNKNOWN
    (verdict,) = caught_up(History(1, good=1).spoil(4, good=0, bad=1))[1].values()
    assert verdict.outcome is Outcome.MET


def test_of_one_route_only_its_requests_count():
    slo = Slo(name="orders", objective=0.99, subject="POST /orders")
    history = History(5, good=50, bad=50)
    assert caught_up(history, slo)[0].statuses[0].total == 0
    orders = History(5, good=99, bad=1, route="POST /orders")
    assert caught_up(orders, slo)[0].statuses[0].budget_left_ratio == pytest.approx(0.0, abs=1e-9)


def test_weeks_are_read_bit_by_bit_and_since_says_how_far():
    reads = []
    history = History(24 * 3, good=10)
    between = history.between
    history.between = lambda *span: reads.append(span) or between(*span)
    budgets, _ = caught_up(history, times=1)
    assert NOW - budgets.statuses[0].since < timedelta(hours=3)
    assert max((end - start).total_seconds() for start, end in reads) <= 2 * HOUR_S
    for _ in range(200):
        budgets.advance()
    assert NOW - budgets.statuses[0].since >= timedelta(days=30)
    assert budgets.statuses[0].total == 24 * 3 * 60 * 10
    before = len(reads)
    budgets.advance()
    assert len(reads) == before + 1  # all is known, only the newest is read


@pytest.mark.parametrize("seed", range(5))
def test_a_ledger_sums_as_a_plain_list_does(seed):
    random, ledger, naive = Random(seed), Ledger(100 * 60), {}
    minute = 28_000_000
    for _ in range(400):
        minute += random.choice((0, 0, 1, 1, 2, 30))
        at = minute - random.choice((0, 0, 3, 50))
        bad, total = random.randrange(5), random.randrange(5, 10)
        naive[at] = bad, total
        ledger.put(at, bad, total)
        naive = {one: sums for one, sums in naive.items() if one > minute - ledger.minutes}
        span = random.choice((1, 5, 60, 100))
        inside = [sums for one, sums in naive.items() if minute - span < one <= minute]
        expected = sum(one for one, _ in inside), sum(one for _, one in inside)
        assert ledger.sums(minute * 60.0, span * 60.0) == expected


async def test_the_monitor_alerts_by_its_slos_and_exports_them():
    clock, told = FakeClock(), []

    async def notify(alert):
        told.append((alert.metric, alert.state.value))

    monitor = PerformanceMonitor(
        clock=clock,
        now=clock.now,
        notify=[notify],
        patience=Patience(for_s=1e6),
        kpis=PerformanceKPIs(cpu_usage_max=100, memory_usage_max=100),
        slos=[AVAILABLE],
        store=MemoryStore(),
    )
    for _ in range(3):
        for number in range(200):
            monitor.recorder.request("GET /", 0.01, status=200 if number % 10 else 500)
        clock.advance(10)
        await monitor.tick()
    await monitor._alerting.courier.flush()
    assert told == [("slo[available]", "firing")]
    (status,) = monitor.slos()
    assert (status.bad, status.total) == (60, 600)
    assert set(monitor.figures()) == {"slo_budget_left_ratio", "slo_burn_rate"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"objective": 1.0}, "objective"),
        ({"objective": 99.9}, "objective"),
        ({"objective": 0.99, "within_s": 0}, "within"),
        ({"objective": 0.99, "period_s": 3600}, "windows"),
    ],
)
def test_an_slo_that_cannot_be_kept_or_watched_is_refused(options, said):
    with pytest.raises(UsageError, match=said):
        Slo(name="x", **options)


def test_two_slos_of_one_name_are_refused():
    with pytest.raises(UsageError, match="name"):
        Budgets((AVAILABLE, AVAILABLE), MemoryStore(), lambda: NOW)
