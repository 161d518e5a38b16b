"""Measurements of sensors, partitioned by day, and by a hash."""

from __future__ import annotations

from cases import Case, healthy, sick

SETUP = """
CREATE TABLE sensor (id int PRIMARY KEY, site int NOT NULL, kind text NOT NULL, label text NOT NULL);
INSERT INTO sensor SELECT i, i % 60, 'k' || i % 12, 'Sensor ' || i FROM generate_series(1, 3000) i;
CREATE TABLE reading (sensor_id int NOT NULL, at timestamptz NOT NULL, value double precision NOT NULL, quality int NOT NULL, raw text NOT NULL) PARTITION BY RANGE (at);
DO $$ BEGIN FOR d IN 0..39 LOOP EXECUTE format('CREATE TABLE reading_%s PARTITION OF reading FOR VALUES FROM (%L) TO (%L)', d, timestamptz '2025-01-01 00:00+00' + d * interval '1 day', timestamptz '2025-01-01 00:00+00' + (d + 1) * interval '1 day'); END LOOP; END $$;
INSERT INTO reading SELECT 1 + (i * 7) % 3000, timestamptz '2025-01-01 00:00+00' + (i % 39) * interval '1 day' + (i % 86400) * interval '1 s', (i % 1000) / 10.0, CASE WHEN i % 900 = 0 THEN 3 ELSE 0 END, md5(i::text) FROM generate_series(1, 400000) i;
CREATE INDEX ON reading (sensor_id, at);
CREATE INDEX ON reading (at);
CREATE TABLE month (id int NOT NULL, tenant int NOT NULL, m int NOT NULL, amount int NOT NULL, filler text NOT NULL) PARTITION BY LIST (m);
DO $$ BEGIN FOR d IN 1..12 LOOP EXECUTE format('CREATE TABLE month_%s PARTITION OF month FOR VALUES IN (%s)', d, d); END LOOP; END $$;
INSERT INTO month SELECT i, i % 3000, 1 + i % 12, i % 77, repeat('y', 60) FROM generate_series(1, 600000) i;
CREATE TABLE tiny (id int NOT NULL, k int NOT NULL, v text NOT NULL) PARTITION BY HASH (k);
DO $$ BEGIN FOR d IN 0..63 LOOP EXECUTE format('CREATE TABLE tiny_%s PARTITION OF tiny FOR VALUES WITH (MODULUS 64, REMAINDER %s)', d, d); END LOOP; END $$;
INSERT INTO tiny SELECT i, i % 5000, 'v' || i FROM generate_series(1, 40000) i;
CREATE INDEX ON tiny (id);
CREATE TABLE wide (id int PRIMARY KEY, grp int NOT NULL, doc text NOT NULL);
INSERT INTO wide SELECT i, i % 3, repeat(md5(i::text), 40) FROM generate_series(1, 60000) i;
CREATE TABLE pair (a int NOT NULL, b int NOT NULL, c int NOT NULL, t timestamptz NOT NULL, txt text NOT NULL);
INSERT INTO pair SELECT i % 100, i % 100 + 1, i % 100 + 2, timestamptz '2025-01-01 00:00+00' + i * interval '1 s', md5(i::text) FROM generate_series(1, 300000) i;
CREATE INDEX ON pair (t);
VACUUM ANALYZE
"""
CASES: list[Case] = [
    sick("too-many-partitions", "a rare quality, in all days, by an index", "SELECT * FROM reading WHERE sensor_id = 77 AND value = 1.1 AND quality = 3"),
    sick("too-many-partitions", "a key that is not the partitions'", "SELECT * FROM tiny WHERE id = 77"),
    sick("too-many-partitions", "the same, only planned", "SELECT * FROM tiny WHERE id = 77", options="COSTS"),
    sick("too-many-partitions", "an expression of the key", "SELECT count(*) FROM reading WHERE at::date = '2025-02-03'"),
    sick("selective-seq-scan", "in all partitions", "SELECT * FROM month WHERE tenant = 77"),
    sick("selective-seq-scan", "in all partitions, with workers", "SELECT * FROM month WHERE tenant = 77", parallel=True),
    sick("selective-seq-scan", "in all partitions, only planned", "SELECT * FROM month WHERE tenant = 77", options="COSTS"),
    sick("selective-seq-scan", "a rare quality", "SELECT sum(value) FROM reading WHERE quality = 3"),
    sick("leading-wildcard", "in all partitions", "SELECT count(*) FROM reading WHERE raw LIKE '%abcde%'"),
    sick("function-on-column", "in all partitions", "SELECT count(*) FROM month WHERE tenant % 3000 = 5"),
    sick("offset-walk", "over partitions", "SELECT * FROM reading ORDER BY at LIMIT 50 OFFSET 200000"),
    sick("sort-spill", "all of a month", "SELECT * FROM month ORDER BY filler, amount", work_mem="1MB"),
    sick("hash-spill", "groups", "SELECT sensor_id, raw, count(*) FROM reading GROUP BY 1, 2", work_mem="4MB", enable_sort="off"),
    sick("row-misestimate", "three columns that say the same",
         "SELECT s.site, count(*) FROM pair p JOIN sensor s ON s.id = p.a + 1 JOIN sensor u ON u.id = p.b + 1 WHERE p.a = 7 AND p.b = 8 AND p.c = 9 GROUP BY s.site"),
    sick("nested-loop-blowup", "chosen for one row",
         "SELECT count(*) FROM pair p JOIN sensor s ON s.id > p.a + p.b AND s.id < 600 WHERE p.a = 7 AND p.b = 8 AND p.c = 9", enable_hashjoin="off", enable_mergejoin="off", enable_memoize="off"),
    sick("limit-walk", "the first of a rare value", "SELECT * FROM pair WHERE txt = 'x' ORDER BY t LIMIT 1", enable_sort="off"),
    sick("limit-walk", "the newest of a rare value, by chance", "SELECT * FROM pair WHERE a = 7 AND b = 9 ORDER BY t DESC LIMIT 10", enable_sort="off"),
    sick("cast-on-column", "a day of a time", "SELECT sum(a) FROM pair WHERE t::date = '2025-01-04' AND a > 50"),
    sick("work-repeated", "sensors again for each site",
         "SELECT x.site, y.n FROM generate_series(1, 60) AS x(site) CROSS JOIN LATERAL (SELECT count(*) AS n FROM pair p WHERE p.a <> x.site) y"),
    sick("slow-planning", "nine tables for one row", "SELECT s1.label FROM sensor s1 JOIN sensor s2 ON s2.id = s1.id JOIN sensor s3 ON s3.id = s2.id JOIN sensor s4 ON s4.id = s3.id JOIN sensor s5 ON s5.id = s4.id JOIN sensor s6 ON s6.id = s5.id JOIN sensor s7 ON s7.id = s6.id JOIN sensor s8 ON s8.id = s7.id JOIN sensor s9 ON s9.id = s8.id WHERE s1.id < 5", join_collapse_limit="12", geqo="off"),
    sick("selective-seq-scan", "of wide rows", "SELECT id FROM wide WHERE doc = 'x'"),
    sick("jit-overhead", "for many partitions", "SELECT count(*), sum(value + 1) FROM reading WHERE at < '2025-01-03' AND value > 3 AND quality < 2", jit="on", jit_above_cost="100", jit_optimize_above_cost="100", jit_inline_above_cost="100"),
    healthy("a day", "SELECT count(*), avg(value) FROM reading WHERE at >= '2025-02-03' AND at < '2025-02-04'"),
    healthy("a sensor's day", "SELECT * FROM reading WHERE sensor_id = 77 AND at >= '2025-02-03' AND at < '2025-02-04'"),
    healthy("a sensor's day, told when it runs", "SELECT * FROM reading WHERE sensor_id = 77 AND at >= now() - interval '100 years' AND at < (SELECT timestamptz '2025-01-03 00:00+00')"),
    healthy("all days", "SELECT date_trunc('day', at), count(*) FROM reading GROUP BY 1", work_mem="64MB"),
    healthy("all months", "SELECT m, sum(amount) FROM month GROUP BY m"),
    healthy("all months, with workers", "SELECT m, sum(amount) FROM month GROUP BY m", parallel=True),
    healthy("all months, by partition", "SELECT m, sum(amount) FROM month GROUP BY m", enable_partitionwise_aggregate="on"),
    healthy("a month", "SELECT sum(amount) FROM month WHERE m = 3"),
    healthy("a third of wide rows", "SELECT count(*) FROM wide WHERE grp = 1"),
    healthy("only planned: a third of wide rows", "SELECT * FROM wide WHERE grp = 1", options="COSTS"),
    healthy("readings with their sensors", "SELECT s.site, avg(r.value) FROM reading r JOIN sensor s ON s.id = r.sensor_id GROUP BY s.site", work_mem="64MB"),
    healthy("readings with their sensors, with workers", "SELECT s.site, avg(r.value) FROM reading r JOIN sensor s ON s.id = r.sensor_id GROUP BY s.site", work_mem="64MB", parallel=True),
    healthy("the newest reading", "SELECT * FROM reading ORDER BY at DESC LIMIT 10"),
    healthy("hours", "SELECT * FROM pair WHERE t >= '2025-01-02 00:00+00' AND t < '2025-01-02 01:00+00'"),
    healthy("one small partition by its key", "SELECT * FROM tiny WHERE k = 77"),
]  # fmt: skip
