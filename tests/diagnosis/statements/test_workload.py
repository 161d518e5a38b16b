from __future__ import annotations

import pytest

from keiko_perf.diagnosis.statements.workload import Statement, Workload
from keiko_perf.model import OTHER, Histogram, Kind, Series


def row(query: str, calls: int = 1, ms: float = 1.0, rows: int = 0) -> dict[str, object]:
    return {"query": query, "calls": calls, "total_exec_time": ms, "rows": rows}


def test_the_most_time_consuming_statement_comes_first() -> None:
    workload = Workload.from_statistics([row("SELECT 1", ms=5), row("SELECT 2", 10, 2000, 30)])
    assert workload.statements[0] == Statement(text="SELECT 2", calls=10, total_s=2.0, rows=30)
    assert workload.statements[0].mean_s == pytest.approx(0.2)
    assert workload.total_s == pytest.approx(2.005)


def test_the_same_text_of_two_roles_is_one_statement() -> None:
    workload = Workload.from_statistics([row("SELECT 1", 2, 10, 2), row("SELECT 1", 3, 20, 3)])
    assert workload.statements == (Statement(text="SELECT 1", calls=5, total_s=0.03, rows=5),)


def test_what_cannot_be_read_is_listed_with_its_reason() -> None:
    workload = Workload.from_statistics(
        [row("SELECT 1"), row("SELECT FROM WHERE"), row("<insufficient privilege>")]
    )
    assert [one.text for one in workload.statements] == ["SELECT 1"]
    reasons = [(one.statement.text, one.reason) for one in workload.unparsed]
    assert reasons[0][0] == "SELECT FROM WHERE"
    assert "syntax error" in reasons[0][1]
    assert reasons[1] == ("<insufficient privilege>", "the role may not see its text")


def test_an_interval_with_a_parameter_as_the_server_records_it_can_be_read() -> None:
    workload = Workload.from_statistics([row("SELECT now() - interval $1")])
    assert len(workload.statements) == 1


def test_what_is_no_query_is_only_counted() -> None:
    workload = Workload.from_statistics([row("BEGIN"), row("SET x = $1"), row("COPY t FROM STDIN")])
    assert workload.not_queries == 2
    assert [one.text for one in workload.statements] == ["COPY t FROM STDIN"]


def test_what_was_left_out_is_kept_as_a_number() -> None:
    assert Workload.from_statistics([row("SELECT 1")], left_out=7).left_out == 7


def test_series_of_statements_make_a_workload_and_the_rest_is_counted() -> None:
    def series(kind: Kind, name: str, *durations_s: float) -> Series:
        histogram = Histogram()
        histogram.record_many(durations_s)
        return Series(kind=kind, name=name, window_s=10.0, succeeded=histogram)

    workload = Workload.from_series(
        [
            series(Kind.STATEMENT, "SELECT 1", 0.5, 0.25),
            series(Kind.STATEMENT, OTHER, 0.1, 0.1, 0.1),
            series(Kind.ROUTE, "GET /", 1.0),
        ]
    )
    assert workload.statements == (Statement(text="SELECT 1", calls=2, total_s=0.75),)
    assert workload.unnamed_calls == 3


def test_where_the_rows_are_not_known_a_write_counts_one_a_call() -> None:
    assert Statement(text="DELETE FROM t", calls=4).rows_written == 4
    assert Statement(text="DELETE FROM t", calls=4, rows=90).rows_written == 90


@pytest.mark.parametrize(("calls", "total_s"), [(-1, 0.0), (1, -0.1)])
def test_a_senseless_statement_refuses_to_exist(calls: int, total_s: float) -> None:
    with pytest.raises(ValueError, match="no less than zero"):
        Statement(text="SELECT 1", calls=calls, total_s=total_s)
