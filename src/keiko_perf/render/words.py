"""
Words: what the outcomes are called and which sign each has, the same in every format.

A sign stands beside each word, so that nothing is told by colour alone.
"""

from __future__ import annotations

from keiko_perf.model import Change, Message, Outcome, Report, Severity, Status, say

STATUS = {
    Status.OK: say("all is well"),
    Status.MISSED: say("needs attention"),
    Status.INVALID: say("not a valid measurement"),
    Status.REGRESSED: say("slower than before"),
    Status.UNDECIDED: say("undecided"),
}
OUTCOME = {
    Outcome.MET: say("met"),
    Outcome.MISSED: say("missed"),
    Outcome.UNKNOWN: say("unknown"),
}
CHANGE = {
    Change.IMPROVED: say("improved"),
    Change.EQUAL: say("equal"),
    Change.REGRESSED: say("regressed"),
    Change.UNDECIDED: say("undecided"),
}
SEVERITY = {
    Severity.CRITICAL: say("critical"),
    Severity.WARNING: say("warning"),
    Severity.NOTE: say("note"),
}

Word = Status | Outcome | Change | Severity

_TONES: dict[Word, str] = {
    Status.OK: "good",
    Status.MISSED: "bad",
    Status.INVALID: "bad",
    Status.REGRESSED: "bad",
    Status.UNDECIDED: "unsure",
    Outcome.MET: "good",
    Outcome.MISSED: "bad",
    Outcome.UNKNOWN: "unsure",
    Change.IMPROVED: "good",
    Change.EQUAL: "calm",
    Change.REGRESSED: "bad",
    Change.UNDECIDED: "unsure",
    Severity.CRITICAL: "bad",
    Severity.WARNING: "warn",
    Severity.NOTE: "calm",
}
_SIGNS = {"good": "✓", "bad": "✗", "warn": "!", "unsure": "?", "calm": "•"}


def tone(word: Word) -> str:
    """How it is meant: `good`, `bad`, `warn`, `unsure` or `calm`."""
    return _TONES[word]


def sign(word: Word) -> str:
    """The sign of its tone."""
    return _SIGNS[_TONES[word]]


def conclusion(report: Report) -> tuple[Message, str]:
    """
    What a report comes to, and its tone.

    Not all that ends with exit code 0 is an all-clear: something may be worth a look, and of what
    was not looked at, or of which too little was seen, nothing is known.
    """
    if report.status is not Status.OK:
        return STATUS[report.status], tone(report.status)
    first = next(report.comparisons, None)
    if first is not None and first.change is Change.IMPROVED:
        return say("proven better"), "good"
    if any(report.findings) or any(report.recommendations):
        return say("worth a look"), "warn"
    if any(report.gaps) or any(one.outcome is Outcome.UNKNOWN for one in report.verdicts):
        return say("nothing bad was found"), "calm"
    return STATUS[Status.OK], "good"


def sign_of(tone: str) -> str:
    """The sign that stands for a tone."""
    return _SIGNS[tone]


def name(word: Word) -> Message:
    """The word for it."""
    if isinstance(word, Status):
        return STATUS[word]
    if isinstance(word, Outcome):
        return OUTCOME[word]
    return CHANGE[word] if isinstance(word, Change) else SEVERITY[word]


def verified(by: str | None) -> Message:
    """How the effect of a recommendation was verified, in words."""
    if by is None:
        return say("not verified")
    if by == "hypopg":
        return say("verified: the planner would use it (HypoPG)")
    if by == "build":
        return say("verified: built, measured by the planner, rolled back")
    if by == "estimate":
        return say("estimated: the planner would use a like one (HypoPG)")
    if by == "scratch":
        return say("verified: built on a sample, priced by the planner, rolled back")
    return say("verified by {how}", how=by)
