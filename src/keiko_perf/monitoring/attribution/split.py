"""
Split: where the time of one request went, as parts that add up to the whole.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from keiko_perf.model import Kind


class Part(IntEnum):
    """Where a request can be; of those that are open at once, the lowest counts."""

    SQL = 0
    POOL = 1
    HTTP = 2
    CODE = 3
    LOOP = 4
    ELSEWHERE = 5

    @property
    def kind(self) -> Kind:
        """What a series of this part, named by the route, measures."""
        return _KINDS[self]


_KINDS = {
    Part.SQL: Kind.IN_SQL,
    Part.POOL: Kind.IN_POOL,
    Part.HTTP: Kind.IN_HTTP,
    Part.CODE: Kind.IN_CODE,
    Part.LOOP: Kind.IN_LOOP,
    Part.ELSEWHERE: Kind.ELSEWHERE,
}


class Split(NamedTuple):
    """How long a request was in each part, in seconds; in the order of `Part`."""

    sql_s: float
    pool_s: float
    http_s: float
    code_s: float
    loop_s: float
    elsewhere_s: float

    @property
    def total_s(self) -> float:
        """All parts together: how long the request took."""
        return sum(self)
