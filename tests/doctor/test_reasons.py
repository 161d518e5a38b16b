"""Why a statement is slow, as it is told of a cause."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keiko_perf.diagnosis.server import Server
from keiko_perf.doctor import Symptoms, ranked
from keiko_perf.doctor.database import Examined
from keiko_perf.doctor.symptoms import IndexCure, PoolUse, Reason, RouteTime
from keiko_perf.doctor.visit import seen_of
from keiko_perf.model import Asked, Finding, Recommendation, Severity
from keiko_perf.render import phrase

TASKS = "SELECT tasks.id FROM tasks WHERE tasks.agent_id = $1"
SLOW = Symptoms(
    window_s=30.0,
    routes=(RouteTime(route="GET /tasks", count=100, sql_s=9.5, code_s=0.2),),
    asked=(
        Asked(route="GET /tasks", statement=TASKS, requests=100, count=100, total_s=9.5, most=1),
    ),
    has_database=True,
)
CURE = IndexCure(
    statement=TASKS, sql="CREATE INDEX ON tasks (agent_id)", undo="DROP INDEX tasks_agent_id_idx",
    places=("tasks (agent_id)",), factor=47.5, verified_by="hypopg",
)  # fmt: skip


def reason(code: str) -> Reason:
    found = Finding(code=code, severity=Severity.WARNING, subject="tasks",
                    summary="half of it is dead", explanation="Each scan reads it.",
                    cure="VACUUM tasks;")  # fmt: skip
    return Reason(statement=TASKS, finding=found)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("tables.dead-tuples", "Of tasks: half of it is dead. Each scan reads it."),
        ("plan.pattern", "By the planner's estimate: half of it is dead. Each"),
        ("patterns.deep-offset", "As the database counted: half of it is dead. Each"),
    ],
)
def test_the_reason_of_a_slow_statement_stands_beneath_it(code: str, said: str) -> None:
    (cause,) = ranked(replace(SLOW, reasons=(reason(code),)))
    assert phrase(cause.explanation).startswith(said)
    assert (cause.code, cause.cure) == ("statements.slow", "VACUUM tasks;")
    assert cause.evidence["reason"] == code


def test_an_index_goes_before_a_reason_unless_the_planner_is_wrong_about_the_statement() -> None:
    dead = reason("tables.dead-tuples")
    (cause,) = ranked(replace(SLOW, cures=(CURE,), reasons=(dead,)))
    assert cause.code == "indexes.missing"
    dead = replace(dead, is_before_index=True)
    (cause,) = ranked(replace(SLOW, cures=(CURE,), reasons=(dead,)))
    assert (cause.code, cause.cure) == ("statements.slow", "VACUUM tasks;")


def test_the_wait_for_connections_goes_to_a_statement_whose_reason_is_known() -> None:
    route = RouteTime(route="GET /tasks", count=100, sql_s=9.5, pool_s=30.0)
    pool = PoolUse(waits=100, wait_s=30.0, failed=0, holds=100, hold_s=10.0, size=2.0)
    crowded = replace(SLOW, routes=(route,), pool=pool)
    assert [one.code for one in ranked(crowded)] == ["pool.exhausted", "statements.slow"]
    (cause,) = ranked(replace(crowded, reasons=(reason("tables.dead-tuples"),)))
    assert cause.code == "statements.slow"
    assert cause.share == pytest.approx(1.0)


def test_the_wait_for_connections_that_never_come_back_is_not_the_own_code_s() -> None:
    route = RouteTime(route="GET /customer", count=86, sql_s=0.2, pool_s=140.0, code_s=0.1)
    leaked = PoolUse(waits=86, wait_s=140.0, failed=40, holds=40, hold_s=0.4, size=10.0, in_use=9.8)
    (cause,) = ranked(Symptoms(window_s=20.0, routes=(route,), pool=leaked))
    assert cause.code == "pool.exhausted"
    assert "are kept and do not come back" in phrase(cause.said)


def test_an_index_is_not_advised_beside_a_cause_that_the_planner_is_wrong_about() -> None:
    advised = Recommendation(
        code="indexes.missing", subject="tasks", summary="It is cheaper", statement=CURE.sql,
        verified_by="hypopg", statements=(TASKS,),
    )  # fmt: skip
    other = replace(advised, statements=(TASKS, "SELECT 1 FROM others"))
    server = Server(version=150000, version_text="15", database="app", user="me",
                    is_superuser=False, is_standby=False)  # fmt: skip
    examined = Examined(server=server, seconds=20.0, recommendations=(advised, other))
    dead = replace(reason("tables.dead-tuples"), is_before_index=True)
    for reasons, expected in (((), (advised, other)), ((dead,), (other,))):
        seen = seen_of(None, replace(examined, reasons=reasons), ())
        assert seen.recommendations == expected
