"""EXPLAIN's text, and what else people paste, mean the same as its JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import psycopg
import pytest

from keiko_perf.diagnosis.plans.plan import Node, Plan, read_plan, read_plans
from keiko_perf.diagnosis.rules.plans import judge_plan
from keiko_perf.errors import UsageError

TEXT = """
                                   QUERY PLAN
--------------------------------------------------------------------------------
 Limit  (cost=10.00..20.00 rows=5 width=8) (actual time=1.000..50.000 rows=5 loops=1)
   InitPlan 1 (returns $0)
     ->  Result  (cost=0.00..0.01 rows=1 width=4) (actual time=0.001..0.001 rows=1 loops=1)
   ->  Gather  (cost=9.00..19.00 rows=5 width=8) (actual time=1.000..49.000 rows=5 loops=1)
         Workers Planned: 2
         Workers Launched: 1
         ->  Hash Left Join  (cost=8.00..18.00 rows=2 width=8) (actual time=0.900..48.000 rows=2 loops=2)
               Hash Cond: (t.a = u.a)
               Buffers: shared hit=95 read=3, temp read=8 written=9
               I/O Timings: shared read=0.500, temp read=4.5 write=6.7
               Worker 0:  actual time=0.9..47.0 rows=2 loops=1
               ->  Parallel Seq Scan on public.t  (cost=0.00..7.00 rows=9 width=4) (actual time=0.1..20.0 rows=9 loops=2)
                     Filter: ((t.s)::text = 'a (b, c'::text)
                     Rows Removed by Filter: 99999
               ->  Hash  (cost=1.00..1.00 rows=9 width=4) (actual time=0.5..0.5 rows=9 loops=2)
                     Buckets: 1024 (originally 512)  Batches: 4 (originally 1)  Memory Usage: 40kB
                     ->  Index Only Scan Backward using "u A" on "u table" u  (cost=0.1..1.0 rows=9 width=4) (actual time=0.1..0.2 rows=9 loops=2)
                           Heap Fetches: 7
   SubPlan 2
     ->  Sort  (cost=1.00..2.00 rows=3 width=4) (never executed)
           Sort Key: x, (f(y, 2)) DESC
           ->  CTE Scan on big b  (cost=0.00..0.50 rows=3 width=4) (never executed)
 Planning:
   Buffers: shared hit=12
 Planning Time: 0.700 ms
 JIT:
   Functions: 9
   Timing: Generation 1.000 ms, Inlining 0.000 ms, Optimization 2.000 ms, Emission 3.000 ms, Total 6.000 ms
 Trigger audited on t: time=1.500 calls=3
 Trigger RI_ConstraintTrigger_a_1 for constraint t_fk on u: time=2.500 calls=4
 Execution Time: 51.000 ms
(30 rows)
"""  # noqa: E501


def test_the_text_means_what_the_json_would() -> None:
    plan = read_plan(TEXT)
    kinds = [(node.kind, node.relation, node.relationship) for node in plan.nodes]
    assert kinds == [
        ("Limit", None, ""),
        ("Result", None, "InitPlan"),
        ("Gather", None, "Outer"),
        ("Hash Join", None, "Outer"),
        ("Seq Scan", "t", "Outer"),
        ("Hash", None, "Inner"),
        ("Index Only Scan", "u table", "Outer"),
        ("Sort", None, "SubPlan"),
        ("CTE Scan", None, "Outer"),
    ]
    limit, _, gather, join, scan, hash_, index, sort, cte = plan.nodes
    assert (plan.execution_s, plan.planning_s, plan.jit["Timing"]["Total"]) == (0.051, 0.0007, 6.0)
    assert gather.details["Workers Launched"] == 1
    assert join.details["Join Type"] == "Left"
    assert join.details["Temp Written Blocks"] == 9
    assert join.io_read_s == pytest.approx(0.0005)
    assert join.rows == 4
    assert scan.details["Parallel Aware"] is True
    assert scan.removed() == 199_998
    assert hash_.details["Hash Batches"] == 4
    assert (index.index, index.details["Heap Fetches"]) == ("u A", 7)
    assert sort.was_never_executed
    assert sort.details["Sort Key"] == ["x", "(f(y, 2)) DESC"]
    assert cte.details["CTE Name"] == "big"
    assert [trigger["Calls"] for trigger in plan.triggers] == [3, 4]
    assert plan.triggers[1]["Constraint Name"] == "t_fk"
    assert limit.total_cost == 20.0


JSON = (
    '[{"Plan": {"Node Type": "Seq Scan", "Relation Name": "t", "Total Cost": 9.0, "Plan Rows": 5}}]'
)
SCAN = "Seq Scan on t  (cost=0.00..9.00 rows=5 width=4)"
ENTRY = (
    "2026-01-02 03:04:05 UTC [7] LOG:  duration: {ms} ms  plan:\n"
    "\tQuery Text: SELECT *\n\tFROM t;\n"
    "\tSeq Scan on t  (cost=0.00..9.00 rows=5 width=4)\n\t  Filter: (a = 1)\n"
)
ENTRY_IN_JSON = (
    "2026-01-02 03:04:05 UTC [7] LOG:  duration: 7.5 ms  plan:\n\t{\n"
    '\t  "Query Text": "SELECT 1",\n'
    '\t  "Plan": {"Node Type": "Seq Scan", "Relation Name": "t"}\n\t}\n'
)  # fmt: skip


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("plain", SCAN),
        ("psql's table", f" QUERY PLAN \n-----------\n {SCAN}\n(1 row)\n"),
        ("a table with borders", f"+-----+\n| QUERY PLAN |\n+-----+\n| {SCAN}   |\n+-----+"),
        ("quoted lines", f'"{SCAN}"'),
        ("a fence", f"```\n{SCAN}\n```"),
        ("JSON", JSON),
        ("JSON as bytes with a mark", b"\xef\xbb\xbf" + JSON.encode()),
        ("JSON in psql's table", "QUERY PLAN\n--------\n " + JSON.replace("{", "{ +\n ", 1)),
        ("a client's row", json.dumps([{"QUERY PLAN": json.loads(JSON)}])),
        ("a client's row with text", json.dumps([{"QUERY PLAN": JSON}])),
        ("the plan alone", json.dumps(json.loads(JSON)[0]["Plan"])),
        ("a log", ENTRY.format(ms=5)),
        ("a log in JSON", json.dumps({"message": "duration: 5 ms  plan:\n" + SCAN})),
        ("a log of auto_explain.log_format = json", ENTRY_IN_JSON),
        ("a CSV log", '2026,"LOG","duration: 5.0 ms  plan:\nQuery Text: S\n' + SCAN + '",,\n'),
    ],
)  # fmt: skip
def test_a_plan_is_found_in_whatever_it_comes(form: str, text: str | bytes) -> None:
    plan = read_plan(text)
    assert [(node.kind, node.relation) for node in plan.nodes] == [("Seq Scan", "t")], form


def test_of_many_plans_in_a_log_the_slowest_is_read_and_all_are_there() -> None:
    log = "".join(ENTRY.format(ms=ms) + "2026 LOG:  something else\n" for ms in (5, 700, 30))
    plans = read_plans(log)
    assert [plan.execution_s for plan in plans] == [0.005, 0.7, 0.03]
    assert read_plan(log).execution_s == 0.7
    assert plans[0].query == "SELECT *\nFROM t;"
    assert plans[0].root.details["Filter"] == "(a = 1)"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- Plan: \n    Node Type: \"Seq Scan\"\n    Total Cost: 5", "it is YAML"),
        ("<explain xmlns=\"http://x\"><Query/></explain>", "it is XML"),
        ("QUERY PLAN\n------\n <explain xmlns=\"http://x\">\n(1 row)", "it is XML"),
        ("SELECT 1", "not JSON, nor EXPLAIN's text"),
        ("[{\"Plan\": {\"Node Type\": \"Seq Scan\", \"Total", "cut off"),
        ("[{}, {}]", "several plans"),
        ("LOG:  duration: 5 ms  plan:\n\tQuery Text: SELECT 1\n", "no plan"),
        (f"{SCAN}\n{SCAN}", None),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_in_clear_words(text: str, says: str | None) -> None:
    if says is None:  # a second root: its line belongs to nothing, and the first plan stands
        assert len(read_plan(text).nodes) == 1
        return
    with pytest.raises(UsageError) as refused:
        read_plan(text)
    assert says in refused.value.what


SETUP = """
CREATE TABLE part (id int, k int, note text) PARTITION BY LIST (k);
CREATE TABLE part_0 PARTITION OF part FOR VALUES IN (0, 2);
CREATE TABLE "part 1" PARTITION OF part FOR VALUES IN (1, 3);
INSERT INTO part SELECT i, i % 4, 'note ' || i FROM generate_series(1, 20000) i;
CREATE TABLE one (id int PRIMARY KEY, v text);
INSERT INTO one SELECT i, md5(i::text) FROM generate_series(1, 5000) i;
ANALYZE
"""
STATEMENTS = [
    "SELECT * FROM part WHERE note = 'note 7'",
    "SELECT o.v, count(*) FROM one o LEFT JOIN part p ON p.id = o.id GROUP BY o.v ORDER BY 2, 1",
    "WITH w AS MATERIALIZED (SELECT * FROM one) SELECT * FROM w a JOIN w b ON a.id = b.id + 1",
    "SELECT id, (SELECT max(id) FROM part p WHERE p.id < o.id) FROM one o WHERE id < 9",
    "SELECT * FROM one WHERE id > (SELECT avg(id) FROM part) LIMIT 3 OFFSET 5",
    "UPDATE one SET v = '' WHERE id < 10",
    "INSERT INTO one SELECT 9000 + i, '' FROM generate_series(1, 9) i ON CONFLICT DO NOTHING",
    "SELECT row_number() OVER (PARTITION BY k ORDER BY id) FROM part",
    "SELECT * FROM part UNION SELECT 1, 2, 'x' FROM one WHERE false",
    "SELECT a.id FROM one a JOIN one b USING (id) WHERE a.v < b.v OR b.id IN (SELECT k FROM part)",
    "VALUES (1), (2)",
]


@pytest.fixture(scope="module")
def url(new_database: Callable[..., AbstractContextManager[str]]) -> Iterator[str]:
    with new_database("text", SETUP) as url:
        yield url.replace("+psycopg", "")


def shape(plan: Plan) -> list[tuple[object, ...]]:
    def of(node: Node) -> tuple[object, ...]:
        names = ("Filter", "Join Filter", "Index Cond", "Hash Cond", "Sort Key", "Join Type")
        said = tuple(str(node.details.get(name)) for name in names)
        loops = (node.loops, node.rows, node.plan_rows)
        where = (node.parent, node.relation, node.index, node.details.get("Alias"))
        return (node.kind, node.details.get("Strategy"), *where, *loops, *said)

    return [of(node) for node in plan.nodes]


@pytest.mark.postgres
@pytest.mark.parametrize("statement", STATEMENTS)
@pytest.mark.parametrize("options", ["ANALYZE, BUFFERS, TIMING OFF", "COSTS", "ANALYZE, VERBOSE"])
def test_the_servers_text_and_its_json_tell_the_same(
    url: str, statement: str, options: str
) -> None:
    plans = {}
    with psycopg.connect(url) as db:
        for form in ("TEXT", "JSON"):
            db.execute("SET max_parallel_workers_per_gather = 0; SAVEPOINT before")
            rows = db.execute(f"EXPLAIN ({options}, FORMAT {form}) {statement}").fetchall()  # type: ignore[arg-type]
            db.execute("ROLLBACK TO before")
            plans[form] = "\n".join(row[0] for row in rows) if form == "TEXT" else rows[0][0]
    text, parsed = read_plan(plans["TEXT"]), read_plan(plans["JSON"])
    assert shape(text) == shape(parsed)
    assert text.executed == parsed.executed
    assert (text.planning_s is None) == (parsed.planning_s is None)


def test_a_plan_of_ten_megabytes_is_judged() -> None:
    scan = {
        "Node Type": "Seq Scan", "Relation Name": "t", "Total Cost": 1.0, "Plan Rows": 1,
        "Actual Rows": 1, "Actual Loops": 1, "Actual Total Time": 0.01, "Filter": "(a = 1)",
        "Output": ["x" * 40],
    }  # fmt: skip
    append = scan | {"Node Type": "Append", "Actual Total Time": 500.0, "Plans": [scan] * 45_000}
    text = json.dumps([{"Plan": append, "Execution Time": 500.0}])
    assert len(text) > 10_000_000
    assert {one.code for one in judge_plan(read_plan(text))} == {"plan.too-many-partitions"}
