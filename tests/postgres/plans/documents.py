"""A document store: JSONB, arrays, full text, ranges."""

from __future__ import annotations

from cases import Case, healthy, sick

SETUP = """
CREATE TABLE doc (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), kind text NOT NULL, body jsonb NOT NULL, tags text[] NOT NULL, updated timestamptz NOT NULL, version int NOT NULL, parent uuid);
INSERT INTO doc (kind, body, tags, updated, version) SELECT (ARRAY['invoice','order','ticket','note'])[1 + i % 4], jsonb_build_object('no', i, 'customer', jsonb_build_object('id', i % 7000, 'city', 'c' || i % 300), 'total', i % 977, 'state', CASE WHEN i % 200 = 0 THEN 'open' ELSE 'done' END, 'lines', coalesce((SELECT jsonb_agg(n) FROM generate_series(1, i % 4) n), '[]')), ARRAY['t' || i % 50, 't' || i % 33], timestamptz '2025-01-01' + i * interval '1 minute', i % 9 FROM generate_series(1, 150000) i;
CREATE INDEX doc_tags ON doc USING gin (tags);
CREATE INDEX doc_updated ON doc (updated);
CREATE TABLE page (id int PRIMARY KEY, slug varchar(100) NOT NULL, title text NOT NULL, text text NOT NULL, search tsvector GENERATED ALWAYS AS (to_tsvector('simple', title || ' ' || text)) STORED);
INSERT INTO page SELECT i, 'slug-' || i, 'Title ' || i % 900, 'lorem ' || md5(i::text) || ' ipsum word' || i % 400 || ' ' || md5((i % 77)::text) FROM generate_series(1, 60000) i;
CREATE INDEX page_search ON page USING gin (search);
CREATE TABLE booking (id int PRIMARY KEY, room int NOT NULL, during tstzrange NOT NULL, guest text NOT NULL);
INSERT INTO booking SELECT i, i % 500, tstzrange(timestamptz '2025-01-01' + i * interval '7 minutes', timestamptz '2025-01-01' + i * interval '7 minutes' + interval '5 hours'), 'g' || i % 9000 FROM generate_series(1, 70000) i;
CREATE INDEX booking_during ON booking USING gist (during);
CREATE TABLE place (id int PRIMARY KEY, name text NOT NULL, at point NOT NULL, lat float8 NOT NULL, lon float8 NOT NULL);
INSERT INTO place SELECT i, 'place ' || i % 5000, point((i::bigint * 7919) % 36000 / 100.0, (i::bigint * 104729) % 18000 / 100.0), (i::bigint * 104729) % 18000 / 100.0 - 90, (i::bigint * 7919) % 36000 / 100.0 - 180 FROM generate_series(1, 100000) i;
CREATE INDEX place_at ON place USING gist (at);
CREATE TABLE node (id int PRIMARY KEY, parent_id int, name text NOT NULL, depth int);
INSERT INTO node SELECT i, CASE WHEN i > 1 THEN i / 3 + 1 END, 'node ' || i, 0 FROM generate_series(1, 30000) i;
UPDATE node SET parent_id = NULL WHERE id <= 2;
CREATE TABLE edge (a int NOT NULL, b int NOT NULL, w int NOT NULL, PRIMARY KEY (a, b));
INSERT INTO edge SELECT i, (i * 13) % 30000 + 1, i % 7 FROM generate_series(1, 30000) i;
VACUUM ANALYZE
"""
A, T, E, V = "ANALYZE", "ANALYZE, TIMING OFF", "COSTS", "ANALYZE, BUFFERS, VERBOSE, SETTINGS"
P = {"parallel": True}
CASES: list[Case] = [
    sick("function-on-column", "json field", "SELECT id FROM doc WHERE body ->> 'no' = '4711'"),
    sick("function-on-column", "json nested", "SELECT id FROM doc WHERE body #>> '{customer,city}' = 'c77' AND kind = 'order'"),
    sick("function-on-column", "json cast", "SELECT count(*) FROM doc WHERE (body ->> 'total')::int = 900", **P),
    sick("function-on-column", "array position", "SELECT id FROM doc WHERE tags[1] = 't77'"),
    sick("function-on-column", "to_tsvector", "SELECT id FROM page WHERE to_tsvector('english', text) @@ to_tsquery('english', 'word77')"),
    sick("function-on-column", "lower slug", "SELECT * FROM page WHERE lower(slug) = 'slug-777'"),
    sick("function-on-column", "lower bound", "SELECT * FROM booking WHERE lower(during) >= '2025-12-05'"),
    sick("function-on-column", "length", "SELECT id FROM page WHERE length(slug) = 6"),
    sick("function-on-column", "distance", "SELECT id FROM place WHERE sqrt((lat - 10) ^ 2 + (lon - 20) ^ 2) < 0.5"),
    sick("function-on-column", "est json", "SELECT id FROM doc WHERE body ->> 'no' = '4711'", options=E),
    sick("function-on-column", "replace, verbose", "SELECT id FROM page WHERE replace(slug, '-', '') = 'slug99'", options=V),
    sick("function-on-column", "date_part", "SELECT id FROM doc WHERE date_part('day', updated) = 4 AND date_part('month', updated) = 2"),
    sick("selective-seq-scan", "containment without index", "SELECT id FROM doc WHERE body @> '{\"state\": \"open\"}'"),
    sick("selective-seq-scan", "any of array", "SELECT id FROM doc WHERE 't49' = ANY (tags) AND version = 8"),
    sick("selective-seq-scan", "box by lat lon", "SELECT * FROM place WHERE lat BETWEEN 10 AND 11 AND lon BETWEEN 20 AND 30"),
    sick("selective-seq-scan", "guest", "SELECT * FROM booking WHERE guest = 'g77'"),
    sick("selective-seq-scan", "children", "SELECT * FROM node WHERE parent_id = 77"),
    sick("selective-seq-scan", "is null", "SELECT * FROM node WHERE parent_id IS NULL"),
    sick("selective-seq-scan", "parent uuid", "SELECT * FROM doc WHERE parent = '00000000-0000-0000-0000-000000000001'", **P),
    sick("selective-seq-scan", "back edges", "SELECT count(*) FROM edge WHERE b = 77"),
    sick("selective-seq-scan", "state is true", "SELECT id FROM page WHERE title = 'Title 77' FOR UPDATE"),
    sick("selective-seq-scan", "not equal", "SELECT * FROM node WHERE depth <> 0"),
    sick("selective-seq-scan", "distinct from", "SELECT * FROM doc WHERE parent IS NOT NULL"),
    sick("selective-seq-scan", "est", "SELECT * FROM booking WHERE guest = 'g77'", options=E),
    sick("selective-seq-scan", "full join anti", "SELECT n.id FROM node n JOIN node c ON c.parent_id = n.id WHERE n.name = 'node 77'"),
    sick("nested-loop-blowup", "recursion without an index", "WITH RECURSIVE t AS (SELECT id, 1 AS d FROM node WHERE id = 2 UNION ALL SELECT n.id, t.d + 1 FROM node n JOIN t ON n.parent_id = t.id AND t.d < 6) SELECT count(*), max(d) FROM t", enable_hashjoin="off", enable_mergejoin="off"),
    sick("work-repeated", "lateral no index", "SELECT v.x, c.n FROM generate_series(1, 40) v(x) CROSS JOIN LATERAL (SELECT count(*) n FROM booking b WHERE b.room = v.x) c"),
    sick("work-repeated", "three times the docs", "SELECT (SELECT count(*) FROM doc WHERE kind = 'order' AND version < 5), (SELECT max(updated) FROM doc WHERE kind = 'order' AND version < 5), (SELECT min(updated) FROM doc WHERE kind = 'order' AND version < 5 AND version < 5)", enable_indexscan="off"),
    sick("work-repeated", "cte inlined twice", "WITH s AS NOT MATERIALIZED (SELECT room, count(*) n FROM booking GROUP BY room) SELECT a.room FROM s a JOIN s b ON b.room = a.room + 1 AND b.n > a.n"),
    sick("work-repeated", "view twice", "SELECT x.kind, x.n, y.n FROM (SELECT kind, count(*) n FROM doc GROUP BY kind) x, (SELECT kind, count(*) n FROM doc GROUP BY kind) y WHERE x.kind < y.kind"),
    sick("leading-wildcard", "slug", "SELECT * FROM page WHERE slug LIKE '%-7777'"),
    sick("leading-wildcard", "text", "SELECT id FROM page WHERE text LIKE '%abcdef%' ORDER BY id"),
    sick("leading-wildcard", "underscore", "SELECT id FROM page WHERE slug LIKE '_lug-7777'"),
    sick("leading-wildcard", "not like est", "SELECT id FROM place WHERE name ILIKE '%e 4999'", options=E),
    sick("leading-wildcard", "any of", "SELECT id FROM page WHERE text LIKE ANY (ARRAY['%abcde%', '%fffff%'])"),
    sick("cast-on-column", "uuid as text", "SELECT * FROM doc WHERE id::text = '00000000-0000-0000-0000-000000000001'"),
    sick("cast-on-column", "timestamptz date", "SELECT count(*) FROM doc WHERE updated::date = date '2025-02-03'"),
    sick("cast-on-column", "int as text in", "SELECT * FROM booking WHERE id::varchar IN ('5', '7')"),
    sick("cast-on-column", "timestamp", "SELECT id FROM doc WHERE updated::timestamp < '2025-01-01 02:00'"),
    sick("or-across-tables", "node or parent", "SELECT n.id FROM node n JOIN node p ON p.id = n.parent_id WHERE n.name = 'node 9' OR p.name = 'node 9'"),
    sick("or-across-tables", "booking or place", "SELECT b.id FROM booking b LEFT JOIN place p ON p.id = b.room WHERE b.guest = 'g1' OR p.name = 'place 7'"),
    sick("nested-loop-blowup", "near pairs", "SELECT count(*) FROM place a JOIN place b ON abs(a.lat - b.lat) < 0.01 AND a.id < b.id WHERE a.name < 'place 105' AND b.name > 'place 98'"),
    sick("nested-loop-blowup", "overlap join", "SELECT count(*) FROM booking a, booking b WHERE a.room = 5 AND b.room < 20 AND a.guest < b.guest AND a.id <> b.id"),
    sick("nested-loop-blowup", "json estimate", "SELECT count(*) FROM doc d JOIN edge e ON e.a = (d.body ->> 'total')::int WHERE d.body ->> 'state' = 'done' AND d.kind = 'order' AND d.tags @> '{t1}'"),
    sick("row-misestimate", "json filter", "SELECT d.id, b.id FROM doc d JOIN booking b ON b.id = d.version WHERE d.body ->> 'state' = 'done' ORDER BY d.updated", work_mem="64MB"),
    sick("correlated-subplan", "children count", "SELECT n.id, (SELECT count(*) FROM node c WHERE c.parent_id = n.id) FROM node n WHERE n.id <= 60"),
    sick("correlated-subplan", "not exists by count", "SELECT id FROM page p WHERE 0 = (SELECT count(*) FROM booking b WHERE b.id = p.id)"),
    sick("correlated-subplan", "moderate", "SELECT id, (SELECT name FROM node p WHERE p.id = n.parent_id) FROM node n WHERE n.id <= 6000"),
    sick("sort-spill", "docs", "SELECT * FROM doc ORDER BY body ->> 'no'", work_mem="2MB"),
    sick("sort-spill", "rank", "SELECT id, rank() OVER (ORDER BY ts_rank(search, to_tsquery('simple', 'lorem'))) FROM page", work_mem="512kB"),
    sick("sort-spill", "incremental", "SELECT * FROM doc ORDER BY date_trunc('year', updated), version", work_mem="1MB"),
    sick("sort-spill", "string agg", "SELECT kind, string_agg(id::text, ',' ORDER BY updated) FROM doc GROUP BY kind", work_mem="1MB"),
    sick("hash-spill", "by json", "SELECT body ->> 'no', count(*) FROM doc GROUP BY 1", work_mem="1MB", enable_sort="off"),
    sick("hash-spill", "anti", "SELECT count(*) FROM page p WHERE NOT EXISTS (SELECT FROM doc d WHERE (d.body ->> 'no')::int = p.id)", work_mem="256kB", enable_nestloop="off", enable_mergejoin="off"),
    sick("lossy-bitmap", "tags", "SELECT count(*) FROM doc WHERE tags @> '{t5}'", work_mem="64kB", enable_seqscan="off"),
    sick("offset-walk", "pages", "SELECT id, title FROM page ORDER BY id OFFSET 30000 LIMIT 20"),
    sick("offset-walk", "docs by updated T", "SELECT id FROM doc ORDER BY updated DESC OFFSET 20000 LIMIT 10", options=T),
    sick("limit-walk", "open invoice", "SELECT * FROM doc WHERE body ->> 'state' = 'lost' ORDER BY updated DESC LIMIT 5", enable_seqscan="off"),
    sick("limit-walk", "page with title", "SELECT * FROM page WHERE title = 'Title none' ORDER BY id LIMIT 1", enable_seqscan="off", enable_sort="off"),
    sick("cte-materialized", "docs", "WITH d AS MATERIALIZED (SELECT id, kind, body, updated FROM doc) SELECT * FROM d WHERE updated > '2025-04-14'"),
    sick("cte-materialized", "joined", "WITH b AS MATERIALIZED (SELECT * FROM booking) SELECT * FROM node n JOIN b ON b.id = n.id WHERE n.name = 'node 5'"),
    sick("jit-overhead", "page", "SELECT count(*), max(length(text)), min(title), sum(id) FROM page WHERE id < 9000", jit="on", jit_above_cost="0", jit_inline_above_cost="0", jit_optimize_above_cost="0"),
    sick("filtered-index-scan", "range and guest", "SELECT id FROM booking WHERE during && tstzrange('2025-02-01', '2025-06-01') AND guest = 'g77'", enable_seqscan="off"),
    sick("filtered-index-scan", "tags and version", "SELECT id FROM doc WHERE tags && '{t1,t2,t3,t4,t5,t6}' AND body ->> 'no' = '51'", enable_seqscan="off"),
    sick("filtered-index-scan", "updated and kind", "SELECT id FROM doc WHERE updated >= '2025-03-01' AND updated < '2025-04-01' AND version = 3 AND kind = 'note'"),
    healthy("tags", "SELECT count(*) FROM doc WHERE tags @> '{t5,t7}'"),
    healthy("tags one", "SELECT id FROM doc WHERE tags @> '{t5}' AND kind = 'order'"),
    healthy("search", "SELECT id, title FROM page WHERE search @@ to_tsquery('simple', 'word77') LIMIT 20"),
    healthy("search ranked", "SELECT id, ts_rank(search, q) r FROM page, to_tsquery('simple', 'word77') q WHERE search @@ q ORDER BY r DESC LIMIT 10"),
    healthy("overlap", "SELECT * FROM booking WHERE during && tstzrange('2025-03-01', '2025-03-02')"),
    healthy("overlap room", "SELECT * FROM booking WHERE during @> timestamptz '2025-03-01 12:00' AND room = 5"),
    healthy("nearest", "SELECT id, name FROM place ORDER BY at <-> point(100, 50) LIMIT 10"),
    healthy("in box", "SELECT count(*) FROM place WHERE at <@ box(point(100, 50), point(110, 55))"),
    healthy("by id", "SELECT * FROM page WHERE id = 5"),
    healthy("recursive small", "WITH RECURSIVE up AS (SELECT id, parent_id FROM node WHERE id = 29999 UNION ALL SELECT n.id, n.parent_id FROM node n JOIN up ON n.id = up.parent_id) SELECT * FROM up"),
    healthy("recursive numbers", "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 2000) SELECT sum(x) FROM n"),
    healthy("recursive whole tree hash", "WITH RECURSIVE t AS (SELECT id, 1 AS d FROM node WHERE id <= 2 UNION ALL SELECT n.id, t.d + 1 FROM node n JOIN t ON n.parent_id = t.id) SELECT count(*), max(d) FROM t", work_mem="32MB"),
    healthy("kinds", "SELECT kind, count(*) FROM doc GROUP BY kind"),
    healthy("sum of json", "SELECT kind, sum((body ->> 'total')::int) FROM doc GROUP BY kind"),
    healthy("sum of json par", "SELECT kind, sum((body ->> 'total')::int) FROM doc GROUP BY kind", **P),
    healthy("unnest tags", "SELECT t, count(*) FROM doc, unnest(tags) t GROUP BY t ORDER BY 2 DESC LIMIT 10"),
    healthy("json elements of one", "SELECT e FROM doc, jsonb_array_elements(body -> 'lines') e WHERE updated >= '2025-02-01' AND updated < '2025-02-01 02:00'"),
    healthy("states", "SELECT body ->> 'state', count(*) FROM doc GROUP BY 1"),
    healthy("done of all", "SELECT count(*) FROM doc WHERE body ->> 'state' = 'done'"),
    healthy("latest", "SELECT id, kind FROM doc ORDER BY updated DESC LIMIT 50"),
    healthy("keyset", "SELECT id FROM doc WHERE updated < '2025-03-01' ORDER BY updated DESC LIMIT 50"),
    healthy("rollup", "SELECT kind, version, count(*) FROM doc GROUP BY ROLLUP (kind, version)", work_mem="32MB"),
    healthy("ntile", "SELECT id, ntile(4) OVER (ORDER BY updated) FROM doc WHERE updated >= '2025-03-01' AND updated < '2025-03-03'"),
    healthy("self join", "SELECT count(*) FROM node n JOIN node p ON p.id = n.parent_id", work_mem="32MB"),
    healthy("full join", "SELECT count(*) FROM page p FULL JOIN booking b ON b.id = p.id", work_mem="64MB"),
    healthy("edges join", "SELECT count(*) FROM edge e JOIN node a ON a.id = e.a JOIN node b ON b.id = e.b", work_mem="64MB"),
    healthy("values join", "SELECT n.* FROM node n JOIN (VALUES (1), (5), (9)) v(i) ON v.i = n.id"),
    healthy("any array", "SELECT * FROM node WHERE id = ANY (ARRAY[5, 6, 7, 800])"),
    healthy("function on a constant", "SELECT id FROM doc WHERE updated >= date_trunc('day', timestamptz '2025-02-02 15:00') AND updated < date_trunc('day', timestamptz '2025-02-02 15:00') + interval '1 day'"),
    healthy("update json", "UPDATE doc SET body = body || '{\"seen\": true}' WHERE updated >= '2025-02-01' AND updated < '2025-02-01 10:00'"),
    healthy("delete", "DELETE FROM booking WHERE id BETWEEN 100 AND 400"),
    healthy("insert", "INSERT INTO node SELECT 100000 + i, 1, 'x', 1 FROM generate_series(1, 20000) i"),
    healthy("subplan few", "SELECT id, (SELECT count(*) FROM edge e WHERE e.a = n.id) FROM node n WHERE id <= 20"),
    healthy("est", "SELECT count(*) FROM doc WHERE kind = 'order'", options=E),
    healthy("est search", "SELECT id FROM page WHERE search @@ to_tsquery('simple', 'word77')", options=E),
    healthy("verbose all", "SELECT kind, max(version) FROM doc GROUP BY kind", options=V, **P),
]  # fmt: skip
