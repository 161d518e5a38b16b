"""
What advised indexes are worth once they are made: measured with and without them, in turns.

An index is taken away in a transaction that is rolled back, so that nothing has to be made anew and
both sides see the same minute of the machine, and the same statistics. Each statement whose plan
uses it, and each that writes to its table, is timed with it and without it beside all the others,
now the one first and now the other; the same is done with all of them at once for the whole
workload. An index is of use if a statement is 5 % faster by it, and all statements together, as
often as each is called, are faster; useless if none is, or they are not. Both are told of an
interval (of the median, by its ranks, 96 % or more): what lies within is not decided, and timed
more often, up to a bound.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import comb
from statistics import median
from typing import Any

import psycopg

from keiko_perf.diagnosis.advice.advice import Advice, AdvisedIndex
from keiko_perf.diagnosis.schema import TableName

LEAST_GAIN = 0.05
"""An index that makes no statement faster by so much is useless."""
_ROUNDS = (6, 9, 12, 17)
"""After so many it is looked whether it is decided; of six the extremes are an interval of 97 %."""
_ENOUGH_S = 0.03
"""What is over sooner is timed several times in each round, and the quickest counts."""
_MOST_REPEATS = 5
_DOUBT = 0.04
_WHOLE_ROUNDS = 3

Statements = Sequence[tuple[float, str]]


@dataclass(frozen=True, slots=True)
class Planned:
    """A statement's plan: its cost, the indexes that it uses, the tables that it writes to."""

    cost: float
    used: frozenset[str]
    written: frozenset[str]


@dataclass(frozen=True, slots=True)
class Interval:
    """Of a median: what it is, and where it lies."""

    low: float
    median: float
    high: float

    @staticmethod
    def of(values: Sequence[float]) -> Interval:
        """By the ranks: exact, whatever is measured is distributed like."""
        found = sorted(values)
        out = 0
        while 2 * sum(comb(len(found), k) for k in range(out + 2)) / 2 ** len(found) <= _DOUBT:
            out += 1
        return Interval(found[out], median(found), found[-1 - out])


@dataclass(frozen=True, slots=True)
class Pairs:
    """How long a statement took in each round, without and with an index, as often as called."""

    number: int
    weight: float
    without: list[float]
    with_it: list[float]

    @property
    def gain(self) -> Interval:
        """As a share of what it takes without."""
        return Interval.of([1 - b / a for a, b in zip(self.without, self.with_it, strict=True)])

    @property
    def saved_s(self) -> list[float]:
        return [self.weight * (a - b) for a, b in zip(self.without, self.with_it, strict=True)]


@dataclass(frozen=True, slots=True)
class Worth:
    """
    What an index is worth beside the others.

    Attributes:
        pairs: of the statements that it may matter to.
    """

    pairs: Sequence[Pairs]

    @property
    def best(self) -> Interval:
        """What the statement gains for which most is sure."""
        gains = [one.gain for one in self.pairs]
        return max(gains, key=lambda one: one.low, default=Interval(0.0, 0.0, 0.0))

    @property
    def saved_s(self) -> Interval:
        """What all statements save together; below 0: lose."""
        rounds = zip(*(one.saved_s for one in self.pairs), strict=True)
        return Interval.of([sum(one) for one in rounds] or [0.0] * _ROUNDS[0])

    @property
    def is_useful(self) -> bool | None:
        """None: that is not decided."""
        if self.best.low >= LEAST_GAIN and self.saved_s.low > 0:
            return True
        most = max((one.gain.high for one in self.pairs), default=0.0)
        if most < LEAST_GAIN or self.saved_s.high <= 0:
            return False
        return None


def planned(db: psycopg.Connection[Any], text: str) -> Planned:
    (plan,) = db.execute(f"EXPLAIN (FORMAT JSON) {text}").fetchone() or ("[]",)
    plan = json.loads(plan) if isinstance(plan, str) else plan
    nodes = list(_nodes(plan[0]["Plan"]))
    return Planned(
        float(plan[0]["Plan"]["Total Cost"]),
        frozenset(one.get("Index Name", "") for one in nodes),
        frozenset(one["Relation Name"] for one in nodes if one["Node Type"] == "ModifyTable"),
    )


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for one in node.get("Plans", ()):
        yield from _nodes(one)


def in_turns(
    db: psycopg.Connection[Any], text: str, plan: Planned, names: Sequence[str], number: int
) -> tuple[float, float]:
    """How long a statement takes without and with some indexes; what it writes is undone."""
    without, with_them = [], []
    repeats = 1
    while len(with_them) < repeats:
        sides = [(without, names), (with_them, ())]
        for side, dropped in sides[:: 1 if number % 2 else -1]:
            side.append(_timed(db, text, dropped))
            for table in plan.written:
                db.execute(f"VACUUM {table}")
        slower = max(without[0], with_them[0], 1e-6)
        repeats = min(max(1, round(_ENOUGH_S / slower)), _MOST_REPEATS)
    return min(without), min(with_them)


def _timed(db: psycopg.Connection[Any], text: str, without: Sequence[str]) -> float:
    with db.transaction(force_rollback=True):
        if without:
            db.execute(f"DROP INDEX {', '.join(without)}")
        # What the server has to look up after a DROP, or after it was undone, is not timed.
        db.execute(f"EXPLAIN {text}")
        started = time.perf_counter()
        answer = db.execute(text)
        if answer.description is not None:
            answer.fetchall()
        return time.perf_counter() - started


def whole(
    db: psycopg.Connection[Any], statements: Statements, plans: Sequence[Planned], names: list[str]
) -> list[tuple[float, float]]:
    """How long each statement takes without and with all the indexes, as often as it is called."""
    found = []
    for (weight, text), plan in zip(statements, plans, strict=True):
        if plan.written or plan.used & set(names):
            rounds = [in_turns(db, text, plan, names, number) for number in range(_WHOLE_ROUNDS)]
            without, with_them = (median(side) for side in zip(*rounds, strict=True))
        else:
            without = with_them = _timed(db, text, ())
        found.append((weight * without, weight * with_them))
    return found


def worth(
    db: psycopg.Connection[Any],
    index: AdvisedIndex,
    statements: Statements,
    plans: Sequence[Planned],
) -> Worth:
    """What one index is worth beside the others."""
    found = Worth(
        [
            Pairs(number, statements[number][0], [], [])
            for number, plan in enumerate(plans)
            if index.name in plan.used or index.table.name.name in plan.written
        ]
    )
    done = 0
    for enough in _ROUNDS:
        for round_number in range(done, enough):
            for pairs in found.pairs:
                text, plan = statements[pairs.number][1], plans[pairs.number]
                without, with_it = in_turns(db, text, plan, [index.name], round_number)
                pairs.without.append(without)
                pairs.with_it.append(with_it)
        done = enough
        if found.is_useful is not None:
            break
    return found


def show(
    db: psycopg.Connection[Any],
    advice: Advice,
    statements: Statements,
    *,
    is_verbose: bool = False,
) -> None:
    """Make what is advised, print what it is worth, and take it back."""
    before = [planned(db, text).cost for _, text in statements]
    took: dict[str, float] = {}
    try:
        for index in advice.indexes:
            started = time.perf_counter()
            db.execute(index.statement)
            took[index.name] = time.perf_counter() - started
        # What is known of tables stays as it was for whoever advised; of expressions nothing is.
        for table in _tables_of_expressions(advice):
            db.execute(f'ANALYZE "{table.schema}"."{table.name}"')
        plans = [planned(db, text) for _, text in statements]
        weights = [weight for weight, _ in statements]
        total = sum(w * cost for w, cost in zip(weights, before, strict=True))
        real = sum(w * plan.cost for w, plan in zip(weights, plans, strict=True))
        promised = (advice.cost_after or 0.0) / (advice.cost_before or 1.0)
        print(f"  cost: promised {promised:.3f}, real {real / total:.3f}")
        _show_run_time(whole(db, statements, plans, list(took)))
        for index in advice.indexes:
            _show_index(
                db,
                index,
                took[index.name],
                worth(db, index, statements, plans),
                is_verbose=is_verbose,
            )
    finally:
        for index in advice.indexes:
            db.execute(f"DROP INDEX IF EXISTS {index.name}")


def _tables_of_expressions(advice: Advice) -> set[TableName]:
    return {
        one.table.name for one in advice.indexes if any(key.is_expression for key in one.index.keys)
    }


def _show_run_time(spent: Sequence[tuple[float, float]]) -> None:
    b, a = (sum(side) for side in zip(*spent, strict=True))
    slower = sum(after > (1 + LEAST_GAIN) * before for before, after in spent)
    verdict = "" if a < b else ", NO BENEFIT"
    print(f"  run time, writes and all: {a / b:.3f} of before{verdict}; {slower} statements slower")


def _show_index(
    db: psycopg.Connection[Any],
    index: AdvisedIndex,
    took_s: float,
    worth: Worth,
    *,
    is_verbose: bool,
) -> None:
    (size,) = db.execute("SELECT pg_relation_size(%s)", (index.name,)).fetchone() or (0,)
    verdict = {True: "ok", False: "USELESS", None: "NOT DECIDED"}[worth.is_useful]
    gain, saved = worth.best, worth.saved_s
    print(
        f"  {verdict:<11} {gain.median:5.0%} faster ({gain.low:.1%} to {gain.high:.1%}), saves"
        f" {saved.median * 1000:9.1f} ms ({saved.low * 1000:.1f} to {saved.high * 1000:.1f}),"
        f" {(index.size_bytes or 0) / 1e6:7.2f} MB promised"
        f" {size / 1e6:7.2f} real, {index.build_s or 0:5.2f} s promised {took_s:5.2f} real"
        f" {index.verified_by:<8} {index.statement[26:140]}",
        flush=True,
    )
    for one in worth.pairs if is_verbose else ():
        gain = one.gain
        print(
            f"      statement {one.number}: {median(one.without) * 1000:.1f} ->"
            f" {median(one.with_it) * 1000:.1f} ms ({gain.low:.1%} to {gain.high:.1%} faster),"
            f" {len(one.without)} rounds"
        )
