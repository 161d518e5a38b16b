"""A report with everything in it that a renderer can meet."""

from __future__ import annotations

from datetime import UTC, datetime
from math import inf, nan, sin
from random import Random

import pytest

from keiko_perf.model import (
    Change,
    Chart,
    Column,
    Comparison,
    Finding,
    Gap,
    Line,
    Outcome,
    Recommendation,
    Report,
    Section,
    Severity,
    Status,
    Table,
    Target,
    Verdict,
    say,
)
from keiko_perf.model.kpi import CPU_RATIO, ERROR_RATIO, LATENCY_P95, LATENCY_P99, THROUGHPUT

ATTACK = "GET /<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\x1b[31m\u202e"
LONG_ROUTE = "GET /api/v1/organisations/{organisation_id}/agents/{agent_id}/conversations/" + (
    "{conversation_id}/messages/{message_id}/attachments/{attachment_id}/versions/{version}"
)
LONG_SQL = (
    "SELECT t.id, t.title, t.state, t.priority, t.created_at, count(m.id) AS messages\n"
    "FROM tasks AS t LEFT JOIN messages AS m ON m.task_id = t.id AND m.kind = 'answer'\n"
    "WHERE t.agent_id = $1 AND t.state = ANY ($2) AND t.created_at > now() - interval '30 days'"
    " AND t.title <> '</pre><script>alert(3)</script>' -- newest first\n"
    "GROUP BY t.id ORDER BY t.created_at DESC, t.id DESC LIMIT $3 OFFSET 0"
)
INDEX = (
    "CREATE INDEX CONCURRENTLY tasks_agent_id_state_created_at_idx ON public.tasks USING btree"
    " (agent_id, state, created_at DESC) INCLUDE (title, priority)"
)


@pytest.fixture(scope="session")
def sample() -> Report:
    """Every kind of value, long and hostile ones, gaps and numbers that are none."""
    return Report(
        command="demo",
        title=say("A sample agents API on PostgreSQL, before and after one index"),
        headline=say(
            "The tasks of an agent were slow for want of an index: p95 fell from {before:duration}"
            " to {after:duration}",
            before=1.412,
            after=0.0974,
        ),
        status=Status.MISSED,
        created_at=datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC),
        sections=(_targets(), _causes(), _effect(), _details()),
        environment={
            "keiko-perf": "0.1.0",
            "PostgreSQL": "15.8",
            "machine": "2 cores, 7.8 GiB",
            "service": "uvicorn, 1 worker",
        },
    )


def _targets() -> Section:
    few = say("only {seen:count} seen, {needed:count} are needed to tell", seen=120, needed=299)
    p95 = Target(kpi=LATENCY_P95, at_most=0.2, subject="GET /api/v1/agents/{agent_id}/tasks")
    return Section(
        title=say("Targets before the change"),
        paragraphs=(
            say(
                "Measured over {window:duration} at {rate:rate}, response time from the instant a"
                " request was due.",
                window=60.0,
                rate=40.0,
            ),
        ),
        verdicts=(
            Verdict(p95, Outcome.MISSED, say("over the limit"), 1.412, 2400),
            Verdict(Target(kpi=LATENCY_P99, at_most=0.5), Outcome.UNKNOWN, few, 0.4, 120, 299),
            Verdict(
                Target(kpi=LATENCY_P95, at_most=0.2, subject=ATTACK),
                Outcome.MISSED,
                say("sure already from {seen:count} seen", seen=9),
                0.9,
                9,
                59,
            ),
            Verdict(
                Target(kpi=ERROR_RATIO, at_most=0.001),
                Outcome.MET,
                say("within the limit"),
                0.0,
                4800,
            ),
            Verdict(
                Target(kpi=THROUGHPUT, at_least=1000.0),
                Outcome.MET,
                say("all of the demand was served"),
                39.7,
                2400,
            ),
            Verdict(
                Target(kpi=CPU_RATIO, at_most=0.7), Outcome.UNKNOWN, say("the CPU was not sampled")
            ),
        ),
        charts=(_latency(),),
    )


def _latency() -> Chart:
    random = Random(1)
    before = tuple(
        (float(t), None if 40 <= t < 47 else 0.9 * random.lognormvariate(0, 0.35))
        for t in range(120)
    )
    after = tuple(
        (float(t), None if t == 70 else 0.06 * random.lognormvariate(0.1 * sin(t / 9), 0.25))
        for t in range(120)
    )
    return Chart(
        title=say("response time p{percent}", percent="95"),
        format="duration",
        lines=(Line(say("before"), before), Line(say("after"), after)),
        limit=0.2,
        marks=((43.0, "pool exhausted"),),
        logarithmic=True,
    )


def _causes() -> Section:
    return Section(
        title=say("Why it is slow"),
        findings=(
            Finding(
                code="pool.waits",
                severity=Severity.WARNING,
                subject="QueuePool size=5",
                summary=say("Requests wait {mean:duration} for a connection", mean=0.0431),
                evidence={"mean_s": 0.0431, "waits_per_s": 12.5, "pool_ratio": 1.0},
                example="curl -i -H 'authorization: ***' http://127.0.0.1:8000/agents",
            ),
            Finding(
                code="query.scan",
                severity=Severity.CRITICAL,
                subject="public.tasks",
                summary=say(
                    "One statement takes {share:ratio} of all database time and reads {rows:count}"
                    " rows to return {kept:count}",
                    share=0.876,
                    rows=1_200_000,
                    kept=20,
                ),
                evidence={
                    "mean_s": 0.812,
                    "calls": 2400,
                    "size_bytes": 187_340_800,
                    "cache_hit_ratio": 0.9991,
                    "last_vacuum_at": None,
                    "nothing_ratio": nan,
                    "statement": "SELECT …",
                },
                explanation=say("No index serves its filter, so every call reads the whole table."),
                cure=INDEX,
                link="https://example.org/manual#query.scan",
            ),
            Finding(
                code="route.odd",
                severity=Severity.NOTE,
                subject=ATTACK,
                summary=ATTACK,
                explanation=ATTACK,
                cure="SELECT '</code></pre><script>alert(4)</script>'",
                link="javascript:alert(5)",
                example="curl '</code></pre><script>alert(6)</script>'",
            ),
        ),
        recommendations=(
            Recommendation(
                code="index.create",
                subject="public.tasks",
                summary=say(
                    "An index on {columns} makes it {factor:factor} cheaper",
                    columns="agent_id, state, created_at",
                    factor=312.4,
                ),
                statement=INDEX + ";",
                verified_by="hypopg",
                evidence={"cost_before": 41234.5, "cost_after": 132.0, "size_bytes": 41_234_432},
                statements=(LONG_SQL,),
                undo="DROP INDEX CONCURRENTLY public.tasks_agent_id_state_created_at_idx;",
                replaces=("public.tasks_agent_id_idx",),
            ),
        ),
        gaps=(
            Gap(
                subject=say("Waits for locks"),
                reason=say("This role may not see other sessions"),
                remedy="GRANT pg_monitor TO keiko;",
            ),
        ),
    )


def _effect() -> Section:
    p95 = say("response time p{percent}", percent="95")
    return Section(
        title=say("What the change did"),
        comparisons=(
            Comparison(
                subject="GET /api/v1/agents/{agent_id}/tasks",
                label=p95,
                format="duration",
                before=1.412,
                after=0.0974,
                ratio=0.0974 / 1.412,
                low=0.058,
                high=0.081,
                change=Change.IMPROVED,
                reason=say("faster by more than {effect:ratio}", effect=0.05),
            ),
            Comparison(
                subject=LONG_ROUTE,
                label=p95,
                format="duration",
                before=0.021,
                after=0.0215,
                ratio=1.024,
                low=0.93,
                high=1.12,
                change=Change.UNDECIDED,
                reason=say(
                    "the interval does not tell; about {more:count} more seconds would", more=140
                ),
            ),
            Comparison(
                subject=ATTACK,
                label=p95,
                format="duration",
                before=None,
                after=nan,
                change=Change.UNDECIDED,
                reason=say(
                    "only {seen:count} seen, {needed:count} are needed to tell", seen=3, needed=59
                ),
            ),
        ),
    )


def _details() -> Section:
    columns = (
        Column(say("Route")),
        Column(say("Requests"), "count"),
        Column(say("Rate"), "rate"),
        Column(say("p50"), "duration"),
        Column(say("p95"), "duration"),
        Column(say("p99"), "duration"),
        Column(say("Errors"), "ratio"),
        Column(say("Statement")),
    )
    return Section(
        title=say("All routes"),
        tables=(
            Table(
                title=say("Requests by route"),
                columns=columns,
                rows=(
                    ("GET /api/v1/agents", 1200, 20.0, 0.0042, 0.0121, 0.0304, 0.0, "SELECT 1"),
                    (LONG_ROUTE, 2400, 40.0, 0.6, 1.412, 2.25, 0.0004, LONG_SQL),
                    (ATTACK, 9, 0.15, 0.0009, None, nan, inf, say("no request was seen")),
                    ("POST /api/v1/tasks", 1_234_567, 0.02, 0.0142, 0.02, 0.0404, 0.5, Outcome.MET),
                ),
                left_out=17,
            ),
        ),
        charts=(
            Chart(
                title=say("throughput"),
                format="rate",
                lines=tuple(
                    Line(
                        name, tuple((t * 30.0, 40 + 9 * i + 4 * sin(t / 3 + i)) for t in range(60))
                    )
                    for i, name in enumerate(
                        ("GET /agents", "POST /tasks", "GET /search with a long name")
                    )
                ),
                marks=((900.0, say("change")),),
            ),
            Chart(title="<b>nothing</b>", format="bytes", lines=(Line("empty", ((0.0, None),)),)),
        ),
    )


@pytest.fixture(scope="session")
def attack() -> str:
    return ATTACK


@pytest.fixture(scope="session")
def long_sql() -> str:
    return LONG_SQL


@pytest.fixture(scope="session")
def index_statement() -> str:
    return INDEX
