"""Words and figures that every format shares."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from enum import Enum
from itertools import chain

import pytest

from keiko_perf.errors import UsageError
from keiko_perf.model import Change, Comparison, Outcome, Report, Severity, Status, say
from keiko_perf.render import figures, phrase, render
from keiko_perf.render.words import name, sign, tone, verified

EACH: Iterable[Enum] = [*chain(Status, Outcome, Change, Severity)]
TIMES = "\N{MULTIPLICATION SIGN}"


@pytest.mark.parametrize("word", EACH, ids=str)
def test_each_outcome_has_a_word_in_both_languages_and_a_sign(
    word: Status | Outcome | Change | Severity,
) -> None:
    english, german = phrase(name(word)), phrase(name(word), "de")

    assert english
    assert german != english
    assert sign(word) in "✓✗!?•"


def test_good_and_bad_never_share_a_sign_or_a_tone() -> None:
    good, bad = (Status.OK, Outcome.MET, Change.IMPROVED), (Outcome.MISSED, Change.REGRESSED)

    assert {tone(one) for one in good} == {"good"}
    assert {tone(one) for one in (*bad, Status.REGRESSED, Severity.CRITICAL)} == {"bad"}
    assert {tone(one) for one in (Outcome.UNKNOWN, Change.UNDECIDED)} == {"unsure"}


@pytest.mark.parametrize(
    ("by", "told"),
    [
        (None, "not verified"),
        ("hypopg", "verified: the planner would use it (HypoPG)"),
        ("build", "verified: built, measured by the planner, rolled back"),
        ("an oracle", "verified by an oracle"),
    ],
)
def test_how_a_recommendation_was_verified_is_told(by: str | None, told: str) -> None:
    assert phrase(verified(by)) == told


@pytest.mark.parametrize(
    ("ratio", "low", "high", "format", "effect", "interval"),
    [
        (0.1, 0.08, 0.125, "duration", f"10 {TIMES} faster", f"8.0 \N{EN DASH} 12 {TIMES}"),
        (2.0, 1.5, 2.5, "duration", f"2.0 {TIMES} slower", f"1.50 \N{EN DASH} 2.5 {TIMES}"),
        (0.5, None, None, "bytes", f"2.0 {TIMES} less", None),
        (3.0, 2.0, 4.0, "bytes", f"3.0 {TIMES} more", f"2.0 \N{EN DASH} 4.0 {TIMES}"),
        (None, None, None, "duration", "not comparable", None),
        (0.0, None, None, "duration", "not comparable", None),
    ],
)
def test_an_effect_is_told_in_the_direction_it_has(
    ratio: float | None,
    low: float | None,
    high: float | None,
    format: str,
    effect: str,
    interval: str | None,
) -> None:
    one = Comparison(
        subject="s",
        label=say("memory"),
        format=format,
        before=1.0,
        after=ratio,
        ratio=ratio,
        low=low,
        high=high,
        change=Change.UNDECIDED,
        reason=say("over the limit"),
    )

    assert phrase(figures.effect(one)) == effect
    assert figures.interval(one, "en") == interval


def test_a_format_or_a_language_that_there_is_not_is_refused() -> None:
    report = Report(
        command="x",
        title="t",
        headline="h",
        status=Status.OK,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )

    with pytest.raises(UsageError, match=r"'pdf'\. Take one of text, json, html, markdown, junit"):
        render(report, "pdf")
    with pytest.raises(UsageError, match=r"'fr'\. Take one of en, de"):
        render(report, "json", lang="fr")
