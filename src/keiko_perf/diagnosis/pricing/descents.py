"""
Descents: what the ways down cost in indexes that were only assumed, once they are there.

A hypothetical index has no levels, so that each look-up in it looks cheaper to the planner than in
a real one. Which plan it then takes is therefore not always the one that it tells of now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import ceil, log

from keiko_perf.diagnosis.pricing.visits import Visit
from keiko_perf.diagnosis.schema import Table, TableName

_LEVEL = 0.125
"""What the planner says of each level of a real index."""
_ENTRIES_OF_A_PAGE = 300.0


def descents(visits: Iterable[Visit], tables: Mapping[TableName, Table]) -> float:
    """
    How much dearer the planner itself finds a plan once the indexes are there that it assumed.

    Args:
        visits: of the plan.
        tables: with their statistics.
    """
    return sum(
        one.times * _way_down(one, table)
        for one in visits
        if one.is_assumed and (table := tables.get(one.table)) and table.rows >= 1
    )


def _way_down(visit: Visit, table: Table) -> float:
    levels = 1 if visit.is_partial else max(ceil(log(table.rows, _ENTRIES_OF_A_PAGE)), 1)
    return levels * _LEVEL
