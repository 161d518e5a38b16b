"""A report's first word says no more than the report knows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from keiko_perf.model import (
    Change,
    Comparison,
    Finding,
    Gap,
    Outcome,
    Report,
    Section,
    Severity,
    Status,
    Target,
    Verdict,
    say,
)
from keiko_perf.model.kpi import ERROR_RATIO
from keiko_perf.render import FORMATS, phrase, render
from keiko_perf.render.words import conclusion

TARGET = Target(kpi=ERROR_RATIO, at_most=0.01)
MET = Verdict(TARGET, Outcome.MET, say("within the limit"), 0.0, 100)
UNKNOWN = Verdict(TARGET, Outcome.UNKNOWN, say("no request was seen"))
NOTE = Finding(code="a.b", severity=Severity.NOTE, subject="x", summary="something")
GAP = Gap(subject="x", reason="y", remedy="z")
BETTER = Comparison(
    subject="GET /", label=say("p"), format="duration", before=2.0, after=1.0, ratio=0.5,
    change=Change.IMPROVED, reason=say("r"),
)  # fmt: skip


def report(status: Status = Status.OK, **content: Any) -> Report:
    return Report(
        command="health",
        title="t",
        headline="h",
        status=status,
        created_at=datetime(2026, 3, 1, tzinfo=UTC),
        sections=(Section(title="s", **content),),
    )


@pytest.mark.parametrize(
    ("of", "word", "tone"),
    [
        (report(), "all is well", "good"),
        (report(verdicts=(MET,)), "all is well", "good"),
        (report(verdicts=(MET, UNKNOWN)), "nothing bad was found", "calm"),
        (report(gaps=(GAP,)), "nothing bad was found", "calm"),
        (report(findings=(NOTE,), gaps=(GAP,)), "worth a look", "warn"),
        (report(comparisons=(BETTER,), findings=(NOTE,)), "proven better", "good"),
        (report(Status.MISSED, comparisons=(BETTER,)), "needs attention", "bad"),
        (report(Status.UNDECIDED, gaps=(GAP,)), "undecided", "unsure"),
    ],
)
def test_the_first_word_is_that_of_what_is_known(of: Report, word: str, tone: str) -> None:
    said, its_tone = conclusion(of)
    assert (phrase(said), its_tone) == (word, tone)


@pytest.mark.parametrize("format", [one for one in FORMATS if one not in ("json", "junit")])
def test_no_format_calls_what_was_not_looked_at_well(format: str) -> None:
    text = render(report(gaps=(GAP,)), format).lower()
    assert "nothing bad was found" in text
    assert "all is well" not in text
