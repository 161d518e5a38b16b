"""
Database → evidence → findings, and candidates → verified recommendations.

The names are imported when they are first used: the part needs SQLAlchemy, psycopg and pglast,
which the extra `postgres` brings.

`collect` asks, `evidence` is what was answered, `rules` judge it; `plans` and `history` are
readings of their own. The other way goes from `statements` to `candidates`, which `pricing` and
`search` weigh, to `advice`. Beside the folders stand the connection (`postgres`), the tables as
values (`schema`, read by `catalog`) and the fronts: `analyzer`, `optimizer`, `overview`, `reports`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keiko_perf.diagnosis.advice.advisor import advise
    from keiko_perf.diagnosis.analyzer import DatabasePerformanceAnalyzer
    from keiko_perf.diagnosis.evidence import Evidence
    from keiko_perf.diagnosis.history.file import HistoryFile
    from keiko_perf.diagnosis.history.keeping import keeper_of
    from keiko_perf.diagnosis.optimizer import QueryOptimizer
    from keiko_perf.diagnosis.plans.plan import Plan, read_plan
    from keiko_perf.diagnosis.postgres import Database
    from keiko_perf.diagnosis.rules import judge
    from keiko_perf.diagnosis.rules.plans import judge_plan
    from keiko_perf.diagnosis.statements.workload import Statement, Workload

__all__ = [
    "Database",
    "DatabasePerformanceAnalyzer",
    "Evidence",
    "HistoryFile",
    "Plan",
    "QueryOptimizer",
    "Statement",
    "Workload",
    "advise",
    "judge",
    "judge_plan",
    "keeper_of",
    "read_plan",
]

_HOME = {
    "Database": "postgres",
    "DatabasePerformanceAnalyzer": "analyzer",
    "Evidence": "evidence",
    "HistoryFile": "history.file",
    "Plan": "plans.plan",
    "QueryOptimizer": "optimizer",
    "Statement": "statements.workload",
    "Workload": "statements.workload",
    "advise": "advice.advisor",
    "judge": "rules",
    "judge_plan": "rules.plans",
    "keeper_of": "history.keeping",
    "read_plan": "plans.plan",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
