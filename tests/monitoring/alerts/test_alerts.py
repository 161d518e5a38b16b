"""Alerts come after a wait, go after good windows; doubt neither raises nor resolves one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keiko_perf.errors import UsageError
from keiko_perf.model import Outcome, Severity, Target, Verdict, say
from keiko_perf.model.kpi import CPU_RATIO, LATENCY_P95
from keiko_perf.monitoring.alerts.alerts import AlertState, Patience, news, step
from keiko_perf.render import phrase

T0 = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
P95 = Target(kpi=LATENCY_P95, at_most=0.2)
CPU = Target(kpi=CPU_RATIO, at_most=0.7, severity=Severity.WARNING)
MISSED = Verdict(P95, Outcome.MISSED, say("over the limit"), 0.412, 100)
MET = Verdict(P95, Outcome.MET, say("within the limit"), 0.1, 100)
UNKNOWN = Verdict(P95, Outcome.UNKNOWN, say("nothing was measured yet"))
CPU_MISSED = Verdict(CPU, Outcome.MISSED, say("over the limit"), 0.9, 10)


def run(verdicts, *, patience=None, every_s=10.0, start=None):
    """The alerts after each of *verdicts*, one window apart; a verdict of None is not judged."""
    alerts, after = dict(start or {}), []
    for number, verdict in enumerate(verdicts):
        now = T0 + timedelta(seconds=number * every_s)
        judged = {} if verdict is None else {"p95": verdict}
        alerts = step(alerts, judged, now, patience=patience)
        after.append(alerts)
    return after


def states(verdicts, **options):
    return [after["p95"].state.value if after else "-" for after in run(verdicts, **options)]


def test_it_waits_fires_and_resolves():
    after = states([MET, MISSED, MISSED, MISSED, MISSED, MET, MET, MET])
    assert after == [
        "-",
        "pending",
        "pending",
        "pending",
        "firing",
        "firing",
        "firing",
        "resolved",
    ]


def test_one_good_window_ends_the_waiting():
    assert states([MISSED, MISSED, MET, MISSED]) == ["pending", "pending", "-", "pending"]


def test_a_good_window_between_bad_ones_resolves_nothing():
    fires_at_once = Patience(for_s=0, good_windows=2)
    after = states([MISSED, MET, MISSED, MET, MET], patience=fires_at_once)
    assert after == ["firing", "firing", "firing", "firing", "resolved"]


@pytest.mark.parametrize("doubt", [UNKNOWN, None], ids=["unknown", "not judged"])
def test_doubt_neither_raises_nor_resolves(doubt):
    patience = Patience(for_s=10, good_windows=1)
    assert states([doubt, doubt], patience=patience) == ["-", "-"]
    waiting = run([MISSED, doubt, doubt, doubt], patience=patience)
    assert waiting[-1]["p95"].state is AlertState.PENDING
    firing = run([MISSED, MISSED, doubt, doubt], patience=patience)
    assert firing[-1]["p95"].state is AlertState.FIRING
    assert firing[-1]["p95"].message == firing[1]["p95"].message
    assert firing[-1]["p95"].unknown_since == T0 + timedelta(seconds=20)


@pytest.mark.parametrize(
    ("doubt", "says"),
    [
        (UNKNOWN, "response time p95 has not been known for 30 s: nothing was measured yet. "),
        (None, "p95 has not been known for 30 s: it is no longer judged. "),
    ],
    ids=["unknown", "not judged"],
)
def test_where_nothing_tells_for_long_an_alert_ends_and_says_that_this_is_no_good_news(doubt, says):
    patience = Patience(for_s=0, unknown_s=30)
    after = run([MISSED, *[doubt] * 4], patience=patience)
    assert [one["p95"].state.value for one in after] == [*["firing"] * 4, "resolved"]
    ended = after[-1]["p95"]
    assert phrase(ended.message) == f"{says}The alert ends, though nothing says that all is well"
    assert (ended.value, ended.unknown_since) == (None, T0 + timedelta(seconds=10))
    assert news(after[-2], after[-1]) == (ended,)


def test_a_window_that_tells_something_begins_the_time_of_doubt_anew():
    patience = Patience(for_s=0, unknown_s=30, good_windows=2)
    for known in (MISSED, MET):
        after = run([MISSED, *[UNKNOWN] * 3, known, *[UNKNOWN] * 3], patience=patience)
        assert after[4]["p95"].unknown_since is None
        assert after[-1]["p95"].state is AlertState.FIRING


def test_an_alert_that_waits_to_fire_is_forgotten_where_nothing_tells_for_long():
    patience = Patience(for_s=100, unknown_s=20)
    after = states([MISSED, UNKNOWN, UNKNOWN, UNKNOWN, MISSED], patience=patience)
    assert after == ["pending", "pending", "pending", "-", "pending"]


def test_while_requests_hang_no_alert_ends_for_want_of_answers():
    patience = Patience(for_s=0, unknown_s=20)
    alerts = step({}, {"p95": MISSED}, T0, patience=patience)
    for number in range(1, 10):
        now = T0 + timedelta(seconds=10 * number)
        alerts = step(alerts, {"p95": UNKNOWN}, now, patience=patience, is_stuck=True)
    assert alerts["p95"].state is AlertState.FIRING


def test_without_an_end_to_doubt_an_alert_waits_for_good_windows():
    patience = Patience(for_s=0, unknown_s=None)
    assert states([MISSED, *[UNKNOWN] * 200], patience=patience)[-1] == "firing"


def test_doubt_does_not_count_as_a_good_window_nor_break_the_row():
    patience = Patience(for_s=0, good_windows=2)
    assert states([MISSED, MET, UNKNOWN, MET], patience=patience)[-2:] == ["firing", "resolved"]


def test_the_alert_says_value_and_limit_and_since_when():
    alert = run([MISSED, MISSED], patience=Patience(for_s=5))[-1]["p95"]
    assert (alert.metric, alert.severity, alert.value) == ("p95", Severity.CRITICAL, 0.412)
    assert (alert.since, alert.changed_at) == (T0, T0 + timedelta(seconds=10))
    assert alert.message.values["value"].values == {"value": 0.412}
    assert alert.message.values["limit"].values == {"value": 0.2}


def test_a_figure_from_too_few_samples_is_not_told():
    few = Verdict(
        P95, Outcome.MISSED, say("sure already from {seen:count} seen", seen=3), 9.0, 3, 59
    )
    alert = run([few], patience=Patience(for_s=0))[-1]["p95"]
    assert alert.value is None
    assert "value" not in alert.message.values


def test_only_what_fires_or_resolves_is_news_and_once():
    verdicts = [MISSED, MISSED, MISSED, MET, MET, MET]
    after = run(verdicts, patience=Patience(for_s=10, good_windows=2))
    told = [
        [alert.state.value for alert in news(before, now)]
        for before, now in zip([{}, *after], after, strict=False)
    ]
    assert told == [[], ["firing"], [], [], ["resolved"], []]


def test_the_worst_news_comes_first():
    after = step({}, {"cpu": CPU_MISSED, "p95": MISSED}, T0, patience=Patience(for_s=0))
    assert [one.metric for one in news({}, after)] == ["p95", "cpu"]


def test_a_miss_after_it_resolved_is_a_new_alert():
    patience = Patience(for_s=0, good_windows=1)
    after = run([MISSED, MET, MISSED], patience=patience)
    assert [one["p95"].state.value for one in after] == ["firing", "resolved", "firing"]
    assert after[-1]["p95"].since == T0 + timedelta(seconds=20)
    assert [one.state for one in news(after[1], after[2])] == [AlertState.FIRING]


def test_a_resolved_alert_is_forgotten_in_the_end():
    patience = Patience(for_s=0, good_windows=1, remember_s=15)
    assert states([MISSED, MET, UNKNOWN, UNKNOWN], patience=patience) == [
        "firing",
        "resolved",
        "resolved",
        "-",
    ]


def test_a_clock_that_is_set_back_fires_nothing_early():
    waiting = run([MISSED])[-1]
    earlier = step(waiting, {"p95": MISSED}, T0 - timedelta(hours=1))
    assert earlier["p95"].state is AlertState.PENDING


def test_there_are_never_more_alerts_than_the_bound_and_old_ones_keep_their_place():
    patience = Patience(for_s=0, max_alerts=2)
    first = step({}, {"p95": MISSED}, T0, patience=patience)
    many = dict.fromkeys(("a", "b", "c", "p95"), MISSED)
    assert set(step(first, many, T0, patience=patience)) == {"p95", "a"}


@pytest.mark.parametrize(
    ("option", "value"), [("for_s", -1), ("good_windows", 0), ("max_alerts", 0), ("remember_s", -1)]
)
def test_impatience_below_the_least_is_refused(option, value):
    with pytest.raises(UsageError, match=option):
        Patience(**{option: value})


@given(st.lists(st.sampled_from([MISSED, MET, UNKNOWN, None]), max_size=40))
def test_it_agrees_with_a_naive_reading_of_the_whole_history(verdicts):
    """Fired: missed for 20 s with no good window between; resolved: 2 good ones with no bad."""
    patience = Patience(for_s=20, good_windows=2, remember_s=1e9)
    expected, begun, good, state = [], None, 0, "-"
    for number, verdict in enumerate(verdicts):
        outcome = None if verdict is None else verdict.outcome
        if outcome is Outcome.MISSED:
            if state in ("-", "resolved"):
                state, begun = "pending", number
            good = 0
            if state == "pending" and (number - begun) * 10 >= 20:
                state = "firing"
        elif outcome is Outcome.MET:
            good += 1
            if state == "pending":
                state = "-"
            elif state == "firing" and good >= 2:
                state = "resolved"
        expected.append(state)
    assert states(verdicts, patience=patience) == expected


def test_a_figure_that_hovers_just_within_its_limit_does_not_resolve_the_alert():
    just_within = Verdict(P95, Outcome.MET, say("within the limit"), 0.199, 100)
    patience = Patience(for_s=0, good_windows=2, margin_ratio=0.05)
    after = states([MISSED, MET, just_within, MET, MET], patience=patience)
    assert after == ["firing", "firing", "firing", "firing", "resolved"]
    assert states(
        [MISSED, just_within, just_within],
        patience=Patience(for_s=0, good_windows=2, margin_ratio=0),
    ) == ["firing", "firing", "resolved"]


def test_a_check_may_have_a_patience_of_its_own():
    slow = Patience(for_s=300)
    for own, state in (({}, AlertState.FIRING), ({"p95": slow}, AlertState.PENDING)):
        alerts = {}
        for number in range(3):
            now = T0 + timedelta(seconds=10 * number)
            quick = Patience(for_s=5)
            alerts = step(alerts, {"p95": MISSED}, now, patience=quick, patience_of=own)
        assert alerts["p95"].state is state


@pytest.mark.parametrize("ratio", [-0.1, 1.0, float("nan")])
def test_a_margin_that_no_figure_could_keep_is_refused(ratio):
    with pytest.raises(UsageError, match="margin_ratio"):
        Patience(margin_ratio=ratio)
