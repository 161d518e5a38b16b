"""What PostgreSQL's versions write differently, each in a file of its own."""

from __future__ import annotations

from dataclasses import replace

from cases import Case, healthy, sick

SETUP = """
CREATE TABLE author (id int PRIMARY KEY, name text NOT NULL, country text NOT NULL);
INSERT INTO author SELECT i, 'author ' || i, 'c' || i % 40 FROM generate_series(1, 20000) i;
CREATE TABLE book (id int PRIMARY KEY, author_id int NOT NULL REFERENCES author, title text NOT NULL, price numeric NOT NULL, sold timestamptz NOT NULL);
INSERT INTO book SELECT i, 1 + (i::bigint * 7919) % 20000, 'title ' || md5(i::text), i % 90, timestamptz '2024-01-01' + i * interval '3 minutes' FROM generate_series(1, 120000) i;
CREATE INDEX book_sold ON book (sold);
CREATE TABLE sale (id bigint NOT NULL, book_id int NOT NULL, day date NOT NULL, n int NOT NULL) PARTITION BY RANGE (day);
DO $$ BEGIN FOR m IN 0..59 LOOP EXECUTE format('CREATE TABLE sale_%s PARTITION OF sale FOR VALUES FROM (%L) TO (%L)', m, date '2024-01-01' + m * 7, date '2024-01-01' + (m + 1) * 7); END LOOP; END $$;
INSERT INTO sale SELECT i, 1 + i % 9000, date '2024-01-01' + i % 420, i % 5 FROM generate_series(1, 120000) i;
CREATE INDEX ON sale (book_id);
CREATE TABLE stock (id int PRIMARY KEY, n int NOT NULL);
INSERT INTO stock SELECT i, 0 FROM generate_series(1, 9000) i;
CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.n := (SELECT count(*) FROM author WHERE id < NEW.id % 7); RETURN NEW; END $$;
CREATE TRIGGER stock_noted BEFORE UPDATE ON stock FOR EACH ROW EXECUTE FUNCTION noted();
VACUUM ANALYZE
"""
A, T, E = "ANALYZE", "ANALYZE, TIMING OFF", "COSTS"
ALL = "ANALYZE, BUFFERS, VERBOSE, SETTINGS, WAL"
MEMORY = "ANALYZE, BUFFERS, MEMORY, SERIALIZE TEXT"
_CASES: list[Case] = [
    sick("selective-seq-scan", "books of an author", "SELECT * FROM book WHERE author_id = 77"),
    sick("selective-seq-scan", "in parallel", "SELECT title FROM book WHERE price = 7 AND author_id < 900", parallel=True, parallel_setup_cost="0", min_parallel_table_scan_size="0"),
    sick("selective-seq-scan", "a scan that is disabled", "SELECT * FROM book WHERE author_id = 77", enable_seqscan="off"),
    sick("selective-seq-scan", "planned only", "SELECT * FROM book WHERE author_id = 77", options=E),
    sick("selective-seq-scan", "without times", "SELECT * FROM book WHERE author_id = 77", options=T),
    sick("function-on-column", "date_trunc", "SELECT id FROM book WHERE date_trunc('day', sold) = '2024-03-03'", options=ALL),
    sick("cast-on-column", "a date", "SELECT id FROM book WHERE sold::date = '2024-03-03'"),
    sick("leading-wildcard", "a title", "SELECT id FROM book WHERE title LIKE '%abcdef%'"),
    sick("or-across-tables", "a hashed subplan", "SELECT id FROM book WHERE author_id = 77 OR id IN (SELECT book_id FROM sale WHERE n = 9)"),
    sick("or-across-tables", "an EXISTS", "SELECT a.id FROM author a WHERE a.name = 'x' OR EXISTS (SELECT FROM book b WHERE b.author_id = a.id AND b.price = 5 AND b.id < 900)"),
    sick("sort-spill", "books by title", "SELECT * FROM book ORDER BY title", work_mem="1MB"),
    sick("sort-spill", "a window", "SELECT id, rank() OVER (PARTITION BY author_id ORDER BY price) FROM book", work_mem="1MB"),
    sick("sort-spill", "distinct titles", "SELECT count(DISTINCT title) FROM book", work_mem="1MB"),
    sick("hash-spill", "a join", "SELECT count(*) FROM book b JOIN sale s ON s.book_id = b.id", work_mem="256kB", enable_mergejoin="off", enable_nestloop="off"),
    sick("hash-spill", "groups", "SELECT title, count(*) FROM book GROUP BY title", work_mem="256kB", enable_sort="off"),
    sick("offset-walk", "far down", "SELECT id FROM book ORDER BY sold OFFSET 60000 LIMIT 20"),
    sick("limit-walk", "the first of none", "SELECT * FROM book WHERE price = 99 ORDER BY id LIMIT 1", enable_seqscan="off", enable_sort="off"),
    sick("correlated-subplan", "a count each", "SELECT a.id, (SELECT count(*) FROM sale s WHERE s.book_id = a.id AND s.day < '2024-01-20') FROM author a WHERE a.id <= 4000"),
    sick("correlated-subplan", "an init plan within", "SELECT a.id, (SELECT max(b.price) FROM book b WHERE b.author_id = a.id) FROM author a WHERE a.id <= 30"),
    sick("cte-materialized", "all books for one", "WITH b AS MATERIALIZED (SELECT * FROM book) SELECT * FROM b WHERE id = 7"),
    sick("work-repeated", "twice the same", "SELECT (SELECT max(price) FROM book WHERE price > 5), (SELECT min(price) FROM book WHERE price > 5)"),
    sick("nested-loop-blowup", "each with each", "SELECT count(*) FROM author a, author b WHERE a.country = 'c1' AND b.country < 'c3' AND a.name < b.name"),
    sick("nested-loop-blowup", "a wrong estimate", "SELECT count(*) FROM book b JOIN author a ON a.id = b.author_id WHERE b.id % 2 = 0 AND b.price < 80", enable_hashjoin="off", enable_mergejoin="off"),
    sick("too-many-partitions", "each week for a book", "SELECT * FROM sale WHERE book_id = 77 AND n = 9", options=A),
    sick("workers-not-launched", "none", "SELECT count(*) FROM book WHERE price > 1", max_parallel_workers="0", parallel=True, parallel_setup_cost="0", min_parallel_table_scan_size="0"),
    sick("trigger-time", "each row", "UPDATE stock SET n = n + 1"),
    sick("row-misestimate", "two that depend", "SELECT count(*) FROM author a JOIN book b ON b.author_id = a.id WHERE a.id % 40 = 7 AND a.country = 'c7'"),
    healthy("by key", "SELECT * FROM book WHERE id = 77"),
    healthy("with memory and serialisation", "SELECT * FROM book WHERE id < 500", options=MEMORY),
    healthy("a day", "SELECT count(*) FROM book WHERE sold >= '2024-03-03' AND sold < '2024-03-04'", options=ALL),
    healthy("all", "SELECT country, count(*) FROM author GROUP BY country", options=A),
    healthy("a join by index", "SELECT b.title, a.name FROM book b JOIN author a ON a.id = b.author_id WHERE b.id < 50", enable_hashjoin="off", enable_mergejoin="off"),
    healthy("a join that remembers", "SELECT count(*) FROM book b JOIN author a ON a.id = b.author_id % 50 + 1 WHERE b.id < 3000", enable_hashjoin="off", enable_mergejoin="off"),
    healthy("in parallel", "SELECT a.country, sum(b.price) FROM book b JOIN author a ON a.id = b.author_id GROUP BY 1", parallel=True, work_mem="32MB", parallel_setup_cost="0", min_parallel_table_scan_size="0"),
    healthy("a pruned week", "SELECT sum(n) FROM sale WHERE day = '2024-03-03'"),
    healthy("sorted in steps", "SELECT * FROM book WHERE sold < '2024-03-01' ORDER BY sold, title LIMIT 100"),
    healthy("a window in memory", "SELECT id, sum(price) OVER (PARTITION BY author_id) FROM book", work_mem="64MB"),
    healthy("a recursion", "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 500) SELECT count(*) FROM n JOIN author a ON a.id = n.i"),
    healthy("an array of keys", "SELECT * FROM book WHERE id = ANY (ARRAY[5, 77, 999, 40000])"),
    healthy("planned only", "SELECT country, count(*) FROM author GROUP BY country", options=E),
    healthy("an upsert", "INSERT INTO author VALUES (5, 'x', 'y') ON CONFLICT (id) DO UPDATE SET name = excluded.name"),
    healthy("a merge", "MERGE INTO author a USING (VALUES (5, 'x')) v(id, name) ON a.id = v.id WHEN MATCHED THEN UPDATE SET name = v.name"),
    healthy("rows that are not there", "SELECT * FROM book WHERE false"),
    healthy("for any value", "SELECT * FROM book WHERE id = $1", options="GENERIC_PLAN"),
    sick("selective-seq-scan", "for any value", "SELECT * FROM book WHERE author_id = $1", options="GENERIC_PLAN"),
]  # fmt: skip
_SINCE = {MEMORY: 17, "GENERIC_PLAN": 16}
CASES = [
    replace(
        case,
        has_text=True,
        since=15 if case.sql.startswith("MERGE") else _SINCE.get(case.options, 13),
    )
    for case in _CASES
]
