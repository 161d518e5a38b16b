"""Indexes that were advised, as cures: for each statement those that cure it together."""

from __future__ import annotations

from keiko_perf.diagnosis.advice.advice import AdvisedIndex
from keiko_perf.diagnosis.candidates.indexes import Index
from keiko_perf.diagnosis.schema import Key, Table, TableName
from keiko_perf.diagnosis.search.search import Gain
from keiko_perf.diagnosis.statements.workload import Statement
from keiko_perf.doctor.database import cures
from keiko_perf.doctor.ranking import ranked
from keiko_perf.doctor.symptoms import RouteTime, Symptoms
from keiko_perf.model import Asked
from keiko_perf.render import phrase

STAGES = Statement(text="SELECT 1 FROM matches JOIN rounds ON true WHERE x = $1", calls=10)
OTHER = Statement(text="SELECT 1 FROM rounds WHERE stage = $1", calls=10)


def advised(table: str, column: str, *gains: Gain) -> AdvisedIndex:
    name = TableName("public", table)
    return AdvisedIndex(
        index=Index(name, (Key(column),)),
        name=f"{table}_{column}_idx",
        table=Table(name=name, columns={}, rows=1e6),
        verified_by="hypopg",
        gains=gains,
    )


def test_indexes_that_were_priced_one_after_the_other_are_one_cure_with_what_they_save_together():
    first = advised("matches", "round_id", Gain(STAGES, 17_000.0, 6_000.0))
    second = advised("rounds", "stage", Gain(STAGES, 6_000.0, 100.0), Gain(OTHER, 500.0, 10.0))
    both, one = cures((first, second))
    assert (both.on, both.factor) == ("matches (round_id); rounds (stage)", 170.0)
    assert [line.split(" ON ")[1] for line in both.sql.split(";\n")] == [
        "matches (round_id)",
        "rounds (stage)",
    ]
    assert both.undo.index("rounds_stage_idx") < both.undo.index("matches_round_id_idx")
    assert (one.on, one.factor) == ("rounds (stage)", 50.0)


def test_one_that_adds_little_to_those_before_it_is_left_out():
    first = advised("matches", "round_id", Gain(STAGES, 17_000.0, 100.0))
    second = advised("rounds", "stage", Gain(STAGES, 100.0, 90.0))
    (cure,) = cures((first, second))
    assert (cure.on, cure.factor) == ("matches (round_id)", 170.0)


def test_the_sentence_names_them_all():
    first = advised("matches", "round_id", Gain(STAGES, 17_000.0, 6_000.0))
    second = advised("rounds", "stage", Gain(STAGES, 6_000.0, 100.0))
    asked = Asked(route="GET /", statement=STAGES.text, requests=10, count=10, total_s=8.5, most=1)
    route = RouteTime(route="GET /", count=10, sql_s=8.5)
    seen = Symptoms(
        window_s=30.0, routes=(route,), asked=(asked,), cures=tuple(cures((first, second)))
    )
    (cause, *_) = ranked(seen)
    assert "an index on matches (round_id) and one on rounds (stage)" in phrase(cause.said)
    assert "ein Index auf matches (round_id) und einer auf rounds (stage)" in phrase(
        cause.said, "de"
    )
    assert cause.cure.count("CREATE INDEX") == 2
