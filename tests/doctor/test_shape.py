"""Texts of one statement are known as one; a long one is told in short."""

from __future__ import annotations

import pytest

from keiko_perf.doctor.shape import is_same, told


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT a FROM t WHERE b = $1::BIGINT LIMIT 20", "select a from t where b = $2 limit $1"),
        ("SELECT a FROM t WHERE b IN ($1, $2, $3)", "SELECT a FROM t WHERE b IN ($1 /*, ... */)"),
        ("SELECT 'it''s' ;", "SELECT $1"),
        ("INSERT INTO t VALUES ($1, $2), ($3, $4)", "INSERT INTO t VALUES ($1,  $2)"),
        ("SELECT a /* route='x' */ FROM t", "SELECT a\nFROM t"),
        ("SELECT x::character varying(20), y FROM t", "SELECT x, y FROM t"),
        ("SELECT " + "column_of_it, " * 80 + "z FROM t", "SELECT " + "column_of_it, " * 75),
    ],
)
def test_they_are_the_same(one: str, other: str) -> None:
    assert is_same(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT a FROM t1", "SELECT a FROM t2"),
        ("SELECT a FROM t WHERE b = $1", "SELECT a FROM t WHERE c = $1"),
        ("SELECT a FROM t", "SELECT a FROM t WHERE b = $1"),
    ],
)
def test_they_are_not(one: str, other: str) -> None:
    assert not is_same(one, other)


def test_it_is_told_without_its_columns_and_cut() -> None:
    statement = "SELECT t.first_of_many, t.second_of_many, t.third\n FROM t  WHERE t.id = $1"
    assert told(statement) == "SELECT … FROM t WHERE id = $1"
    joined = "SELECT a.x FROM s.a JOIN b ON s.a.id = b.id WHERE b.y = $1::INTEGER"
    assert told(joined) == "SELECT a.x FROM s.a JOIN b ON s.a.id = b.id WHERE b.y = $1"
    several = "SELECT tag.id FROM tag, article_tag WHERE article_tag.article_id = $1"
    assert told(several) == several
    alike = "SELECT tag.id FROM tag WHERE article_tag.article_id = tag.id"
    assert told(alike) == "SELECT id FROM tag WHERE article_tag.article_id = id"
    within = (
        "SELECT a.id, EXISTS (SELECT * FROM follower WHERE follower.id = a.author) AS follows, "
        "'of (' AS words FROM article AS a WHERE a.id IN ($1::INTEGER /*, ... */)"
    )
    assert told(within) == "SELECT … FROM article AS a WHERE a.id IN ($1)"
    assert told("SELECT 1 WHERE " + "x" * 300, 40) == "SELECT 1 WHERE " + "x" * 24 + "…"
    assert told("UPDATE t SET a = 1 RETURNING t.first_of_many, t.second_of_many").endswith("…")
