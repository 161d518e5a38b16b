"""Who is told what: once, together, and not while a silence holds."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from keiko_perf.errors import UsageError
from keiko_perf.model import Severity, say
from keiko_perf.monitoring.alerts.alerts import Alert, AlertState, Patience
from keiko_perf.monitoring.alerts.silence import Silence, silence_of
from keiko_perf.monitoring.alerts.telling import due

T0 = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


def at(seconds):
    return T0 + timedelta(seconds=seconds)


def firing(metric, *, since_s=0.0, severity=Severity.CRITICAL, told_at=None):
    return Alert(
        metric=metric,
        severity=severity,
        state=AlertState.FIRING,
        message=say("over the limit"),
        since=at(since_s),
        changed_at=at(since_s),
        told_at=told_at,
    )


def resolved(alert, *, at_s):
    return replace(alert, state=AlertState.RESOLVED, changed_at=at(at_s))


def tell(before, after, now_s, *, silences=(), **patience):
    told, alerts = due(
        {one.metric: one for one in before},
        {one.metric: one for one in after},
        silences,
        at(now_s),
        patience=Patience(**patience),
    )
    return [one.metric for one in told], alerts


def test_what_fires_is_told_once_the_worst_first():
    after = [firing("cpu_usage", severity=Severity.WARNING), firing("error_rate")]
    told, alerts = tell([], after, 0)
    assert told == ["error_rate", "cpu_usage"]
    assert tell(alerts.values(), alerts.values(), 10)[0] == []


def test_what_resolves_is_told_only_if_it_was_told_that_it_fired():
    known, unknown = firing("a", told_at=at(0)), firing("b")
    ended = [resolved(known, at_s=60), resolved(unknown, at_s=60)]
    assert tell([known, unknown], ended, 60)[0] == ["a"]
    assert tell(ended, ended, 70)[0] == []


def test_news_waits_for_more_so_that_one_fault_is_one_message():
    first = firing("a")
    told, alerts = tell([], [first], 0, group_s=30)
    assert told == []
    both = [alerts["a"], firing("b", since_s=20)]
    assert tell([first], both, 20, group_s=30)[0] == []
    assert tell(both, both, 30, group_s=30)[0] == ["a", "b"]


def test_it_is_told_again_what_still_fires_if_that_is_wanted():
    known = firing("a", told_at=at(0))
    assert tell([known], [known], 7200)[0] == []
    assert tell([known], [known], 3599, remind_s=3600)[0] == []
    told, alerts = tell([known], [known], 3600, remind_s=3600)
    assert told == ["a"]
    assert alerts["a"].told_at == at(3600)


def test_what_gets_more_severe_is_told_again_and_what_gets_less_so_is_not():
    mild = firing("slo[orders]", severity=Severity.WARNING, told_at=at(0))
    grave = replace(mild, severity=Severity.CRITICAL)
    told, after = tell([mild], [grave], 60)
    assert told == ["slo[orders]"]
    assert after["slo[orders]"].told_at == at(60)
    assert tell([grave], [grave], 70)[0] == []
    assert tell([grave], [mild], 80)[0] == []


def test_a_silence_holds_the_news_back_and_what_still_fires_at_its_end_is_told():
    silence = silence_of("api_*", for_s=60, reason="the database moves", now=T0)
    loud, quiet = firing("error_rate"), firing("api_response_time")
    told, alerts = tell([], [loud, quiet], 0, silences=[silence])
    assert told == ["error_rate"]
    assert alerts["api_response_time"].is_silenced
    assert not alerts["error_rate"].is_silenced
    told, after = tell(alerts.values(), alerts.values(), 60, silences=[silence])
    assert told == ["api_response_time"]
    assert not after["api_response_time"].is_silenced


def test_what_comes_and_goes_within_a_silence_is_never_told():
    silence = silence_of("*", for_s=600, reason="a load test", now=T0)
    _, alerts = tell([], [firing("a")], 0, silences=[silence])
    ended = [resolved(alerts["a"], at_s=300)]
    assert tell(alerts.values(), ended, 300, silences=[silence])[0] == []
    assert tell(ended, ended, 601)[0] == []


@pytest.mark.parametrize(
    ("pattern", "check", "covered"),
    [
        ("error_rate", "error_rate", True),
        ("error_rate", "error_rate[GET /agents]", False),
        ("error_rate*", "error_rate[GET /agents]", True),
        ("*[GET /agents/{id}]", "api_response_time[GET /agents/{id}]", True),
        ("*[GET /agents]", "api_response_time[GET /agents2]", False),
        ("a.c", "abc", False),
        ("*", "anything at all", True),
    ],
)
def test_a_pattern_takes_brackets_as_they_are(pattern, check, covered):
    silence = Silence(key="1", pattern=pattern, start_at=T0, until_at=at(60), reason="r")
    assert silence.covers(check, T0) is covered
    assert not silence.covers(check, at(60))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"for_s": 0}, "lasts over 0"),
        ({"for_s": 31 * 86_400}, "at most 30 days"),
        ({"reason": " "}, "reason"),
        ({"reason": "two\nlines"}, "reason"),
        ({"pattern": ""}, "pattern"),
    ],
)
def test_a_silence_without_an_end_or_a_reason_is_refused(options, said):
    given = {"pattern": "*", "for_s": 60, "reason": "because", **options}
    with pytest.raises(UsageError, match=said):
        silence_of(given.pop("pattern"), now=T0, **given)
