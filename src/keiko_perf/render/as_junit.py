"""
JUnit XML: the report for CI, a test case for each answer.

A missed target, a regression and a critical finding fail. What is not known is skipped, with
its reason: it is neither passed nor failed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

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
    Verdict,
    say,
)
from keiko_perf.render import figures
from keiko_perf.render.clean import clean_line
from keiko_perf.render.language import phrase, sentence
from keiko_perf.render.markup import Markup, joined, tag
from keiko_perf.render.units import show


@dataclass(frozen=True, slots=True)
class _Case:
    """A test case; *kind* is `failure`, `error` or `skipped`, and None if it passed."""

    name: str
    kind: str | None
    message: str
    details: str = ""


def as_junit(report: Report, lang: str = "en") -> str:
    """The report as JUnit XML."""
    suites = [(phrase(one.title, lang), [*_cases(one, lang)]) for one in report.sections]
    suites.insert(0, (phrase(say("Validity"), lang), [_validity(report, lang)]))
    suites = [(name, cases) for name, cases in suites if cases]
    everything = [case for _, cases in suites for case in cases]
    at = report.created_at.isoformat(timespec="seconds")
    root = tag(
        "testsuites",
        *(_suite(name, cases, at) for name, cases in suites),
        name=f"keiko-perf {clean_line(report.command)}",
        **_counts(everything),
    )
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{root}\n'


def _validity(report: Report, lang: str) -> _Case:
    name = phrase(say("the measurement is valid"), lang)
    invalid = report.status is Status.INVALID
    return _Case(name, "error" if invalid else None, sentence(report.headline, lang))


def _suite(name: str, cases: list[_Case], at: str) -> Markup:
    return tag(
        "testsuite",
        *(_case(case, name) for case in cases),
        name=clean_line(name),
        timestamp=at,
        **_counts(cases),
    )


def _counts(cases: list[_Case]) -> dict[str, str | float | None]:
    kinds = [case.kind for case in cases]
    return {
        "tests": len(cases),
        "failures": kinds.count("failure"),
        "errors": kinds.count("error"),
        "skipped": kinds.count("skipped"),
        "time": 0,
    }


def _case(case: _Case, suite: str) -> Markup:
    message = clean_line(case.message)
    if case.kind is None:
        inner = tag("system-out", joined([message, case.details or None], "\n"))
    elif case.kind == "skipped":
        inner = tag("skipped", message=message)
    else:
        inner = tag(case.kind, case.details, message=message, type=case.kind)
    # Readers split the class at its dots, so those of a route must not stand in it.
    class_name = f"keiko-perf.{clean_line(suite).replace('.', ' ')}"
    return tag("testcase", inner, name=clean_line(case.name), classname=class_name, time=0)


def _cases(section: Section, lang: str) -> Iterator[_Case]:
    yield from (_of_verdict(one, lang) for one in section.verdicts)
    yield from (_of_comparison(one, lang) for one in section.comparisons)
    yield from (_of_finding(one, lang) for one in section.findings)
    yield from (_of_gap(one, lang) for one in section.gaps)


_OUTCOMES = {Outcome.MET: None, Outcome.MISSED: "failure", Outcome.UNKNOWN: "skipped"}
_CHANGES = {
    Change.IMPROVED: None,
    Change.EQUAL: None,
    Change.REGRESSED: "failure",
    Change.UNDECIDED: "skipped",
}


def _of_verdict(one: Verdict, lang: str) -> _Case:
    reason = phrase(one.reason, lang)
    limit = figures.limit(one.target, lang)
    told = reason
    if one.outcome is not Outcome.UNKNOWN:
        told = f"{figures.measured(one, lang)} ({limit}): {reason}"
    return _Case(f"{figures.about(one.target, lang)} {limit}", _OUTCOMES[one.outcome], told)


def _of_comparison(one: Comparison, lang: str) -> _Case:
    before, after = show(one.before, one.format, lang), show(one.after, one.format, lang)
    told = f"{before} → {after}, {phrase(figures.effect(one), lang)}: {phrase(one.reason, lang)}"
    label = say("{kpi} of {subject}", kpi=one.label, subject=one.subject)
    return _Case(phrase(label, lang), _CHANGES[one.change], told)


def _of_finding(one: Finding, lang: str) -> _Case:
    kind = "failure" if one.severity is Severity.CRITICAL else None
    shown = "\n".join(filter(None, (one.cure, one.example)))
    return _Case(f"{one.code}: {one.subject}", kind, phrase(one.summary, lang), shown)


def _of_gap(one: Gap, lang: str) -> _Case:
    told = f"{phrase(one.reason, lang)}. {phrase(one.remedy, lang)}"
    return _Case(phrase(one.subject, lang), "skipped", told)
