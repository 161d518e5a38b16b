"""The demo's report says what was found, and no more."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from keiko_perf.demo.account import Account, Measured, account, is_worth_building
from keiko_perf.demo.place import Place
from keiko_perf.demo.rows import Sizes
from keiko_perf.demo.settings import Fault
from keiko_perf.demo.traffic import HOT_ROUTE, HOT_STEP, steps
from keiko_perf.diagnosis.advice.advice import Advice, AdvisedIndex
from keiko_perf.diagnosis.candidates.indexes import Index
from keiko_perf.diagnosis.evidence import Evidence
from keiko_perf.diagnosis.schema import Key, Table, TableName
from keiko_perf.diagnosis.search.search import Gain
from keiko_perf.diagnosis.statements.workload import Statement, Workload
from keiko_perf.doctor import Cause, Symptoms, ranked
from keiko_perf.doctor.report import Seen, doctor_report
from keiko_perf.doctor.symptoms import RouteTime
from keiko_perf.fakes import Answer, run_virtually, series, snapshot
from keiko_perf.loadtest.pacer import ConstantRate
from keiko_perf.loadtest.plan import Plan
from keiko_perf.loadtest.request import Request
from keiko_perf.model import BlockingCall, Change, Kind, Outcome, Report, Status, say
from keiko_perf.monitoring.kpis import PerformanceKPIs
from keiko_perf.render import phrase, render

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PLAN = Plan(
    base_url="http://127.0.0.1:8000",
    steps=steps(Sizes(tasks=1200), ids=20),
    load=ConstantRate(20.0),
    duration_s=30,
)
HOT_SQL = "SELECT * FROM keiko_demo.tasks WHERE agent_id = $1 AND status = $2"
WORKLOAD = Workload.of([Statement(text=HOT_SQL, calls=200, total_s=20.0)])
PLACE = Place(
    url="postgresql+psycopg://me:geheim@127.0.0.1/x",
    version="15.4",
    has_statement_statistics=True,
    has_hypopg=True,
    label=say("this machine's own programs"),
)


def measured(hot_s: float, other_s: float = 0.01) -> Measured:
    def service(_now_s: float, request: Request) -> Answer:
        return Answer(hot_s if b"status=pending" in request.wire else other_s)

    seen = snapshot(series(HOT_ROUTE, [hot_s] * 200), series("GET /quick", [other_s] * 40))
    verdicts = tuple(target.judge(seen) for target in PerformanceKPIs().targets())
    return Measured(
        result=run_virtually(PLAN, service), snapshot=seen, verdicts=verdicts, alerts=()
    )


TASKS = TableName("keiko_demo", "tasks")
INDEX = AdvisedIndex(
    index=Index(TASKS, (Key("agent_id"), Key("status"))),
    name="tasks_agent_id_status_idx",
    table=Table(name=TASKS, columns={}, is_visible=False),
    verified_by="hypopg",
    gains=(Gain(WORKLOAD.statements[0], 30_000.0, 80.0),),
    benefit=5_984_000.0,
    benefit_ratio=0.99,
    size_bytes=50_000_000,
)
ADVICE = Advice(indexes=(INDEX,), cost_before=6e6, cost_after=1.6e4, planner_calls=12)
NO_ADVICE = Advice(reason=say("no index would help"), planner_calls=3)


@pytest.fixture(scope="module")
def found() -> Account:
    """The story as it should go."""
    return Account(
        where=PLACE,
        plan=PLAN,
        faults=frozenset({Fault.MISSING_INDEX}),
        before=measured(0.12),
        after=measured(0.004),
        evidence=Evidence(read_at=NOW),
        workload=WORKLOAD,
        advice=ADVICE,
        hot_step=HOT_STEP,
    )


def told(report: Report) -> str:
    return render(report, "markdown")


def test_a_proven_fix_is_the_headline_and_its_comparison_comes_first(found: Account) -> None:
    report = account(found, now=NOW)
    assert report.status is Status.OK
    assert phrase(report.headline) == (
        "One index made GET /api/v1/agents/{agent_id}/tasks 30 × to 30 × faster: "
        "p95 fell from 120 ms to 4 ms"
    )
    (hot,) = report.sections[0].comparisons
    assert (hot.subject, hot.change) == (HOT_STEP, Change.IMPROVED)
    (fix,) = report.recommendations
    assert fix.statement == INDEX.statement
    assert fix.verified_by == "hypopg"


def diagnosed(*causes: Cause) -> Report:
    routes = (RouteTime(route=HOT_ROUTE, count=200, sql_s=2.0, code_s=1.0),)
    symptoms = Symptoms(window_s=30.0, routes=routes, has_database=True)
    return doctor_report(causes or ranked(symptoms), Seen(symptoms=symptoms), now=NOW)


def test_the_page_is_the_doctors_before_and_after(found: Account) -> None:
    cause = Cause(
        code="indexes.missing",
        subject=HOT_SQL,
        share=0.9,
        each_s=0.1,
        route=HOT_ROUTE,
        said=say("most of the time is one statement"),
        explanation=say("no index would help"),
        cure=INDEX.statement,
        verified_by="hypopg",
    )
    asked = replace(found, diagnosis=diagnosed(cause), recheck=diagnosed())
    report = account(asked, now=NOW)
    titles = [phrase(one.title) for one in report.sections]
    assert titles[:2] == [
        "The proof: the same load before and after",
        "The doctor: why is it slow?",
    ]
    assert [one.code for one in report.findings] == ["indexes.missing"]
    assert "most of the time is one statement" in told(report)
    assert "The doctor, asked again: Nothing slow was found" in told(report)
    # What it would have advised is in the fix, once.
    (fix,) = report.recommendations
    assert fix.statement == INDEX.statement
    unmended = account(replace(asked, advice=NO_ADVICE, after=None), now=NOW)
    assert phrase(unmended.headline) == (
        "It is no index that is missing: most of the time is one statement"
    )


def test_no_secret_is_in_any_form_of_it(found: Account) -> None:
    report = account(found, now=NOW)
    for form in ("text", "json", "html", "markdown", "junit"):
        assert "geheim" not in render(report, form)


def test_without_a_useful_index_nothing_is_claimed(found: Account) -> None:
    report = account(replace(found, advice=NO_ADVICE, after=None), now=NOW)
    assert phrase(report.headline) == (
        f"{HOT_ROUTE} is the slowest endpoint, and no index would make it much faster"
    )
    assert list(report.comparisons) == []
    assert "No index would help" in told(report)


@pytest.mark.parametrize(
    ("outcome", "status"), [(Outcome.MET, Status.OK), (Outcome.MISSED, Status.MISSED)]
)
def test_without_a_fix_it_is_the_targets_that_count(
    found: Account, outcome: Outcome, status: Status
) -> None:
    verdict = replace(found.before.verdicts[0], outcome=outcome)
    before = replace(found.before, verdicts=(verdict,))
    report = account(replace(found, advice=NO_ADVICE, before=before, after=None), now=NOW)
    assert report.status is status


def test_what_the_service_itself_shows_is_the_headline_where_no_index_helps(
    found: Account,
) -> None:
    seen = found.before.snapshot
    repeated = series("SELECT 1", [0.001] * 2000, kind=Kind.STATEMENT)
    before = replace(found.before, snapshot=replace(seen, series=(*seen.series, repeated)))
    report = account(replace(found, before=before, advice=NO_ADVICE, after=None), now=NOW)
    assert phrase(report.headline) == (
        "It is no index that is missing: a statement is sent 8.33 times for each request"
    )
    assert [one.code for one in report.findings] == ["service.repeated-statement"]


def test_a_call_that_held_the_loop_is_the_headline_with_its_line(found: Account) -> None:
    call = BlockingCall(
        place="demo/routes.py:258 _ask_moderation",
        count=40,
        total_s=2.0,
        longest_s=0.05,
        last_at=NOW,
    )
    before = replace(found.before, snapshot=replace(found.before.snapshot, blocking=(call,)))
    report = account(replace(found, before=before, advice=NO_ADVICE, after=None), now=NOW)
    assert phrase(report.headline) == (
        "It is no index that is missing: demo/routes.py:258 _ask_moderation held the event loop "
        "40 times, for 2 s in all and once for 50 ms"
    )


def test_an_index_that_changes_next_to_nothing_is_not_built() -> None:
    assert is_worth_building(ADVICE)
    assert not is_worth_building(NO_ADVICE)
    assert not is_worth_building(replace(ADVICE, cost_after=5e6))


def test_a_fix_that_made_it_worse_is_a_regression(found: Account) -> None:
    report = account(replace(found, before=found.after, after=found.before), now=NOW)
    assert report.status is Status.REGRESSED
    assert "went from 4 ms to 120 ms" in phrase(report.headline)


def test_a_load_that_is_not_valid_proves_nothing(found: Account) -> None:
    spoilt = replace(found.before, result=replace(found.before.result, dropped=7))
    report = account(replace(found, before=spoilt), now=NOW)
    assert report.status is Status.INVALID
    assert "not valid: 7 requests were not sent" in told(report)


def test_a_missing_extension_is_a_gap_with_its_remedy(found: Account) -> None:
    bare = replace(PLACE, has_statement_statistics=False, has_hypopg=False)
    (gap,) = account(replace(found, where=bare), now=NOW).gaps
    assert "CREATE EXTENSION pg_stat_statements" in phrase(gap.remedy)


def test_a_percentile_of_too_few_requests_says_how_many_it_needs(found: Account) -> None:
    text = render(account(found, now=NOW), "text", width=140)
    (quick,) = [line for line in text.splitlines() if "GET /quick" in line]
    assert "needs 59" in quick


def test_it_reads_in_german(found: Account) -> None:
    german = render(account(found, now=NOW), "text", lang="de", width=140)
    assert "30 × schneller" in german
    assert "The proof" not in german
