"""
What advised indexes are worth once they are made: measured with and without them, in turns.

An index is taken away in a transaction that is rolled back, so that nothing has to be made anew and
both sides see the same minute of the machine. Each statement whose plan uses it, and each that
writes to its table, is timed with it and without it beside all the others; the same is done with
all of them at once for the whole workload. An index is useless if no statement is 5 % faster by it,
or if all statements together, as often as each is called, take longer with it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from keiko_perf.diagnosis.advice import Advice, AdvisedIndex

LEAST_GAIN = 0.05
"""An index that makes no statement faster by so much is useless."""
_ROUNDS, _MOST_ROUNDS = 3, 15
_ENOUGH_S = 0.15
"""What is over sooner is timed more often."""

Statements = Sequence[tuple[float, str]]


@dataclass(frozen=True, slots=True)
class Planned:
    """A statement's plan: its cost, the indexes that it uses, the tables that it writes to."""

    cost: float
    used: frozenset[str]
    written: frozenset[str]


@dataclass(frozen=True, slots=True)
class Worth:
    """
    What an index is worth beside the others.

    Attributes:
        gain: of the statement that gains most, as a share of what it takes without.
        saved_s: what all statements save together, as often as each is called; below 0: lose.
    """

    gain: float
    saved_s: float

    @property
    def is_useless(self) -> bool:
        return self.gain < LEAST_GAIN or self.saved_s <= 0


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


def in_turns(db: psycopg.Connection[Any], text: str, names: Sequence[str]) -> tuple[float, float]:
    """How long a statement takes without and with some indexes; what it writes is undone."""
    without, with_them = [], []
    rounds = _ROUNDS
    while len(with_them) < rounds:
        without.append(_timed(db, text, names))
        with_them.append(_timed(db, text, ()))
        slower = max(without[0], with_them[0], 1e-6)
        rounds = min(max(_ROUNDS, round(_ENOUGH_S / slower)), _MOST_ROUNDS)
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
            without, with_them = in_turns(db, text, names)
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
    gain, saved_s = 0.0, 0.0
    for (weight, text), plan in zip(statements, plans, strict=True):
        if index.name in plan.used or index.table.name.name in plan.written:
            without, with_it = in_turns(db, text, [index.name])
            gain = max(gain, 1 - with_it / without)
            saved_s += weight * (without - with_it)
    return Worth(gain, saved_s)


def show(db: psycopg.Connection[Any], advice: Advice, statements: Statements) -> None:
    """Make what is advised, print what it is worth, and take it back."""
    before = [planned(db, text).cost for _, text in statements]
    took: dict[str, float] = {}
    try:
        for index in advice.indexes:
            started = time.perf_counter()
            db.execute(index.statement)
            took[index.name] = time.perf_counter() - started
        db.execute("VACUUM ANALYZE")
        plans = [planned(db, text) for _, text in statements]
        weights = [weight for weight, _ in statements]
        total = sum(w * cost for w, cost in zip(weights, before, strict=True))
        real = sum(w * plan.cost for w, plan in zip(weights, plans, strict=True))
        promised = (advice.cost_after or 0.0) / (advice.cost_before or 1.0)
        print(f"  cost: promised {promised:.3f}, real {real / total:.3f}")
        _show_run_time(whole(db, statements, plans, list(took)))
        for index in advice.indexes:
            _show_index(db, index, took[index.name], worth(db, index, statements, plans))
    finally:
        for index in advice.indexes:
            db.execute(f"DROP INDEX IF EXISTS {index.name}")


def _show_run_time(spent: Sequence[tuple[float, float]]) -> None:
    b, a = (sum(side) for side in zip(*spent, strict=True))
    slower = sum(after > (1 + LEAST_GAIN) * before for before, after in spent)
    verdict = "" if a < b else ", NO BENEFIT"
    print(f"  run time, writes and all: {a / b:.3f} of before{verdict}; {slower} statements slower")


def _show_index(
    db: psycopg.Connection[Any], index: AdvisedIndex, took_s: float, worth: Worth
) -> None:
    (size,) = db.execute("SELECT pg_relation_size(%s)", (index.name,)).fetchone() or (0,)
    print(
        f"  {'USELESS' if worth.is_useless else 'ok     '} {worth.gain:5.0%} faster, saves"
        f" {worth.saved_s * 1000:9.1f} ms, {(index.built_size_bytes or 0) / 1e6:7.2f} MB promised"
        f" {size / 1e6:7.2f} real, {index.build_s or 0:5.2f} s promised {took_s:5.2f} real"
        f" {index.verified_by:<8} {index.statement[26:140]}",
        flush=True,
    )
