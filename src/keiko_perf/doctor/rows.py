"""
Rows: statements that return more of them than anybody reads, and what becomes of those. Pure.

The database counts them; of a service alone nobody knows. To make objects and an answer of many
is work of the service's own, and mostly costs more than the statement.
"""

from __future__ import annotations

from keiko_perf.doctor.shape import is_same
from keiko_perf.doctor.symptoms import Symptoms
from keiko_perf.model import Asked

MANY_ROWS = 5_000
"""As the rules of a database have it (`statements.many-rows`)."""
_MOST_OF_IT = 0.5


def rows_each(asked: Asked, seen: Symptoms) -> float | None:
    """How many rows it returns each time; None where nobody counted them."""
    counted = [
        one
        for one in seen.statements
        if one.rows is not None and is_same(one.statement, asked.statement)
    ]
    calls = sum(one.count for one in counted)
    return sum(one.rows or 0 for one in counted) / calls if calls else None


def fetched(seen: Symptoms) -> tuple[Asked, float] | None:
    """
    The statement whose many rows are most of what the service computes with, and how many: its
    route has most of all own code. None where there is none.
    """
    code_s = {one.route: one.code_s for one in seen.routes}
    for asked in seen.asked:
        rows = rows_each(asked, seen)
        if rows is None or rows < MANY_ROWS:
            continue
        if code_s.get(asked.route, 0.0) >= _MOST_OF_IT * sum(code_s.values()) > 0:
            return asked, rows
    return None
