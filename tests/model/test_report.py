"""A report's status, and with it the exit code, follows from what its values say."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from keiko_perf.model import (
    Change,
    Column,
    Comparison,
    Finding,
    Message,
    Outcome,
    Report,
    Section,
    Severity,
    Status,
    Table,
    Target,
    Verdict,
    say,
)
from keiko_perf.model import kpi as kpis

TARGET = Target(kpi=kpis.LATENCY_P95, at_most=0.2)


def verdict(outcome: Outcome) -> Verdict:
    return Verdict(TARGET, outcome, say("within the limit"))


def finding(severity: Severity) -> Finding:
    return Finding(code="a.b", severity=severity, subject="tasks", summary="something")


def comparison(change: Change) -> Comparison:
    return Comparison(
        subject="GET /", label=say("p"), format="duration", before=1.0, after=1.0, change=change,
        reason=say("r"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("status", "exit_code", "values"),
    [
        (Status.OK, 0, {}),
        (Status.OK, 0, {"verdicts": [verdict(Outcome.MET), verdict(Outcome.UNKNOWN)]}),
        (Status.UNDECIDED, 6, {"verdicts": [verdict(Outcome.UNKNOWN)]}),
        (Status.MISSED, 3, {"verdicts": [verdict(Outcome.MET), verdict(Outcome.MISSED)]}),
        (Status.OK, 0, {"findings": [finding(Severity.WARNING)]}),
        (Status.MISSED, 3, {"findings": [finding(Severity.CRITICAL)]}),
        (Status.OK, 0, {"comparisons": [comparison(Change.EQUAL), comparison(Change.IMPROVED)]}),
        (Status.UNDECIDED, 6, {"comparisons": [comparison(Change.UNDECIDED)]}),
        (
            Status.REGRESSED,
            5,
            {
                "comparisons": [comparison(Change.UNDECIDED), comparison(Change.REGRESSED)],
                "verdicts": [verdict(Outcome.MISSED)],
            },
        ),
    ],
)
def test_the_status_is_the_worst_of_what_is_said(
    status: Status, exit_code: int, values: dict[str, list[object]]
) -> None:
    assert Status.of(**values) is status  # type: ignore[arg-type]
    assert status.exit_code == exit_code


def test_a_report_gathers_the_values_of_its_sections() -> None:
    sections = (
        Section(title="one", findings=(finding(Severity.NOTE),)),
        Section(title="two", verdicts=(verdict(Outcome.MET),), findings=(finding(Severity.NOTE),)),
    )
    report = Report(
        command="check", title="t", headline="h", status=Status.OK,
        created_at=datetime(2026, 3, 1, tzinfo=UTC), sections=sections,
    )  # fmt: skip
    assert len([*report.findings]) == 2
    assert len([*report.verdicts]) == 1
    assert [*report.gaps] == [*report.comparisons] == [*report.recommendations] == []


def test_severities_have_an_order_and_a_word() -> None:
    ordered = sorted(Severity, reverse=True)
    assert [one.word for one in ordered] == ["critical", "warning", "note"]


def test_a_report_of_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        Report(
            command="check", title="t", headline="h", status=Status.OK,
            created_at=datetime(2026, 3, 1),  # noqa: DTZ001  # that is the point
        )  # fmt: skip


def test_a_row_that_does_not_fit_its_table_is_refused() -> None:
    with pytest.raises(ValueError, match="one cell for each column"):
        Table(title="t", columns=(Column("a"), Column("b")), rows=((1,),))


@pytest.mark.parametrize(("most", "shown", "left_out"), [(1, 1, 7), (3, 3, 5), (9, 3, 5)])
def test_rows_over_the_bound_of_a_table_are_counted(most: int, shown: int, left_out: int) -> None:
    rows = ((1,), (2,), (3,))
    table = Table(title="t", columns=(Column("a"),), rows=rows, left_out=5).first(most)
    assert table.rows == rows[:shown]
    assert table.left_out == left_out


def test_a_message_whose_values_do_not_fit_its_template_is_refused() -> None:
    with pytest.raises(ValueError, match="names"):
        say("{a} and {b}", a=1)
    with pytest.raises(ValueError, match="names"):
        Message("nothing", {"a": 1})
