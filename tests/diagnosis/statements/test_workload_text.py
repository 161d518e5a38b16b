"""The files that a workload can be read from."""

from __future__ import annotations

import json

import pytest

from keiko_perf.diagnosis.statements.workload import Workload
from keiko_perf.diagnosis.statements.workload_text import numbered, workload_of
from keiko_perf.errors import UsageError


def weights(workload: Workload) -> dict[str, float]:
    return {one.text: one.calls for one in workload.statements}


def test_statements_end_with_a_semicolon_and_are_weighed_by_a_comment() -> None:
    text = """
    -- the inbox
    -- weight: 12
    SELECT 1;
    SELECT 2; -- weight: 0.5
    /* calls: 9; not this one */ SELECT 3
    ;
    -- calls: 4
    SELECT 4
    """
    assert weights(workload_of(text)) == {
        "SELECT 1": 12.0,
        "SELECT 2": 0.5,
        "SELECT 3": 1.0,
        "SELECT 4": 4.0,
    }


def test_a_semicolon_within_a_text_ends_nothing() -> None:
    text = """SELECT ';', 'it''s', E'\\';', "a;b", $$;$$, $x$ $$; $x$ FROM t; SELECT 2"""
    first, second = (one.text for one in workload_of(text).statements)
    assert {first, second} == {text.partition(" FROM t; ")[0] + " FROM t", "SELECT 2"}


@pytest.mark.parametrize(
    "document",
    [
        ["SELECT 1", "SELECT 2"],
        [{"sql": "SELECT 1"}, {"query": "SELECT 2;"}],
        [["SELECT 1", 1], [1, "SELECT 2"]],
        {"statements": [{"statement": "SELECT 1", "weight": 1}, {"text": "SELECT 2"}]},
        {"queries": ["SELECT 1", {"sql": "SELECT 2", "calls": 1}]},
        {"inbox": "SELECT 1", "outbox": {"sql": "SELECT 2", "weight": 1}},
    ],
)
def test_json_has_many_shapes(document: object) -> None:
    assert weights(workload_of(json.dumps(document))) == {"SELECT 1": 1.0, "SELECT 2": 1.0}


def test_json_says_how_often_and_how_long() -> None:
    entry = {"query": "UPDATE t SET a = 1", "calls": 7, "total_s": 2.5, "rows": 70}
    (statement,) = workload_of(json.dumps([entry])).statements
    assert (statement.calls, statement.total_s, statement.rows) == (7.0, 2.5, 70)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("SELECT 1 FROM t WHERE a = $1", "SELECT 1 FROM t WHERE a = $1"),
        ("SELECT 1 FROM t WHERE a = %s AND b = %s", "SELECT 1 FROM t WHERE a = $1 AND b = $2"),
        (
            "SELECT 1 FROM t WHERE a = %(x)s AND b = %(y)s OR c = %(x)s",
            "SELECT 1 FROM t WHERE a = $1 AND b = $2 OR c = $1",
        ),
        ("SELECT a::text FROM t WHERE a = :x", "SELECT a::text FROM t WHERE a = $1"),
        (
            "SELECT '%s :x' FROM t WHERE a %% 2 = %s",
            "SELECT '%s :x' FROM t WHERE a % 2 = $1",
        ),
        ("SELECT 1 FROM t WHERE a % 2 = 1", "SELECT 1 FROM t WHERE a % 2 = 1"),
        ("SELECT FROM WHERE", "SELECT FROM WHERE"),
    ],
)
def test_a_drivers_parameters_become_the_servers(written: str, expected: str) -> None:
    assert numbered(written) == expected


def test_what_cannot_be_read_is_listed_and_the_rest_goes_on() -> None:
    workload = workload_of("SELECT FROM WHERE; SELECT 1; SET x = 1;")
    assert [one.text for one in workload.statements] == ["SELECT 1"]
    assert [one.statement.text for one in workload.unparsed] == ["SELECT FROM WHERE"]
    assert workload.not_queries == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "holds no statement"),
        ("-- nothing\n;;", "holds no statement"),
        ("[", "is no JSON"),
        ("[1]", "holds no statement: 1"),
        ('[{"weight": 3}]', "holds no statement"),
        ("-- weight: many\nSELECT 1;", "'many' is no weight"),
        ('[{"sql": "SELECT 1", "weight": -1}]', "-1 is no weight"),
        ('[{"sql": "SELECT 1", "weight": "NaN"}]', "'NaN' is no weight"),
    ],
)
def test_a_file_that_says_nothing_is_refused(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        workload_of(text)
