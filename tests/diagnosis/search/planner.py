"""A planner of our own whose answers are known in advance, and what a search finds with it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from keiko_perf.diagnosis.candidates.indexes import Index
from keiko_perf.diagnosis.pricing.verify import IndexRefused, Price
from keiko_perf.diagnosis.pricing.visits import Visit
from keiko_perf.diagnosis.schema import Key, Table, TableName
from keiko_perf.diagnosis.search.choice import Limits
from keiko_perf.diagnosis.search.costs import Costs
from keiko_perf.diagnosis.search.search import Found, Search
from keiko_perf.diagnosis.statements.reading import read
from keiko_perf.diagnosis.statements.workload import Query, Statement
from keiko_perf.errors import StatementRefused

TABLE = TableName("", "t")
NONE: frozenset[Index] = frozenset()
A, B, C, AB = (Index(TABLE, tuple(map(Key, columns))) for columns in ("a", "b", "c", "ab"))


@dataclass(slots=True)
class Plans:
    """
    A planner that knows each plan of a statement: the indexes it needs, and its cost. It takes the
    cheapest for which all is there.
    """

    plans: dict[str, dict[frozenset[Index], float]]
    visits: dict[tuple[str, frozenset[Index]], Visit] = field(default_factory=dict)
    impossible: frozenset[Index] = NONE
    scans: dict[TableName, float] = field(default_factory=dict)
    planner_calls: int = 0
    asked: list[tuple[str, frozenset[Index]]] = field(default_factory=list)

    async def price(self, text: str, parameters: int, indexes: frozenset[Index]) -> Price:
        if text not in self.plans:
            raise StatementRefused("the server cannot plan it: no plan", cure="Look at it")
        for index in sorted(indexes & self.impossible):
            raise IndexRefused(index, "too wide")
        self.planner_calls += 1
        self.asked.append((text, indexes))
        cost, needed = min(
            (cost, sorted(needs)) for needs, cost in self.plans[text].items() if needs <= indexes
        )
        visit = self.visits.get((text, frozenset(needed)))
        visits = (visit,) if visit else ()
        return Price(cost, frozenset(needed), visits=visits, scans=self.scans)

    async def size_bytes(self, index: Index) -> int | None:
        return None

    async def sizes(self, indexes: Iterable[Index]) -> dict[Index, int | IndexRefused | None]:
        return dict.fromkeys(indexes)

    def can_assume(self, index: Index) -> bool:
        return True


def query(text: str, calls: int = 1) -> Query:
    return Query(Statement(text=text, calls=calls), read(text))


BOTH = "SELECT 1 FROM t WHERE a = $1 AND b = $2"
ONLY_A = "SELECT 2 FROM t WHERE a = $1"
A_AND_C = "SELECT 4 FROM t WHERE a = $1 AND c = $2"
ONLY_B = "SELECT 5 FROM t WHERE b = $1"
ONLY_C = "SELECT 3 FROM t WHERE c = $1"


async def found(
    plans: Plans,
    *queries: Query,
    candidates: tuple[Index, ...] = (A, B, AB, C),
    upkeep: float = 0.0,
    max_indexes: int | None = 10,
    budget_bytes: float | None = None,
    sizes: tuple[float, ...] = (),
    in_memory: Plans | None = None,
    tables: dict[TableName, Table] | None = None,
) -> Found:
    costs = Costs(plans, queries, candidates, sizes, tables or {})
    limits = Limits(max_indexes=max_indexes, budget_bytes=budget_bytes)
    asking = in_memory.price if in_memory else None
    return await Search(costs, lambda: dict.fromkeys(candidates, upkeep), limits, asking).run()


def reasons(result: Found) -> dict[Index, str]:
    return {one.index: one.code for one in result.refusals}


def looked_up(times: float) -> Visit:
    """Ten scattered rows each time, for which the planner reckons next to nothing."""
    return Visit(TABLE, "a", times=times, cost=0.1, rows=10.0)


T = Table(name=TABLE, columns={}, rows=1e6, size_bytes=8e8)
ALONE = frozenset({A})
