"""An event log by month, with BRIN, and sessions beside it."""

from __future__ import annotations

from cases import Case, healthy, sick

SETUP = """
CREATE TABLE account (id int PRIMARY KEY, plan text NOT NULL, region text NOT NULL, created_at timestamptz NOT NULL);
INSERT INTO account SELECT i, (ARRAY['free','pro','team'])[1 + i % 3], 'r' || i % 12, timestamptz '2023-01-01' + i * interval '40 minutes' FROM generate_series(1, 20000) i;
CREATE TABLE event (id bigint NOT NULL, account_id int NOT NULL, session_id int NOT NULL, kind text NOT NULL, payload jsonb NOT NULL, at timestamptz NOT NULL) PARTITION BY RANGE (at);
DO $$ BEGIN FOR m IN 0..23 LOOP EXECUTE format('CREATE TABLE event_%s PARTITION OF event FOR VALUES FROM (%L) TO (%L)', to_char(date '2024-01-01' + m * interval '1 month', 'YYYYMM'), date '2024-01-01' + m * interval '1 month', date '2024-01-01' + (m + 1) * interval '1 month'); END LOOP; END $$;
INSERT INTO event SELECT i, 1 + (i::bigint * 7919) % 20000, i / 8, (ARRAY['view','click','buy','login','error'])[1 + (i % 97) % 5], jsonb_build_object('path', '/p/' || i % 500, 'ms', i % 900), timestamptz '2024-01-01' + i * interval '80 seconds' FROM generate_series(1, 700000) i;
CREATE INDEX ON event (account_id, at);
CREATE INDEX ON event (id);
CREATE TABLE log (id bigint NOT NULL, at timestamptz NOT NULL, host text NOT NULL, level smallint NOT NULL, message text NOT NULL);
INSERT INTO log SELECT i, timestamptz '2024-01-01' + i * interval '5 seconds', 'h' || i % 40, (i % 1000 = 0)::int * 3 + (i % 3), 'message ' || i || ' of ' || md5((i % 5000)::text) FROM generate_series(1, 500000) i;
CREATE INDEX log_at ON log USING brin (at) WITH (pages_per_range = 32);
CREATE INDEX log_id ON log (id);
CREATE TABLE usr_session (id int PRIMARY KEY, account_id int NOT NULL, started timestamp NOT NULL, ended timestamp, agent varchar(80) NOT NULL);
INSERT INTO usr_session SELECT i, 1 + i % 20000, timestamp '2024-01-01' + i * interval '10 minutes', CASE WHEN i % 50 = 0 THEN NULL ELSE timestamp '2024-01-01 00:05' + i * interval '10 minutes' END, 'agent/' || i % 30 || '.0' FROM generate_series(1, 88000) i;
CREATE INDEX ON usr_session (started);
VACUUM ANALYZE
"""
A, T, E, V = "ANALYZE", "ANALYZE, TIMING OFF", "COSTS", "ANALYZE, BUFFERS, VERBOSE, SETTINGS"
P = {"parallel": True}
CASES: list[Case] = [
    sick("selective-seq-scan", "session of all partitions", "SELECT * FROM event WHERE session_id = 4242"),
    sick("selective-seq-scan", "session of all partitions, par", "SELECT * FROM event WHERE session_id = 4242", **P),
    sick("selective-seq-scan", "small table, 20k rows", "SELECT * FROM account WHERE created_at BETWEEN '2023-03-01' AND '2023-03-02'"),
    sick("selective-seq-scan", "errors in log", "SELECT id, message FROM log WHERE level >= 3"),
    sick("selective-seq-scan", "errors in log, T", "SELECT id, message FROM log WHERE level >= 3", options=T),
    sick("selective-seq-scan", "exists", "SELECT EXISTS (SELECT FROM log WHERE message = 'nothing')"),
    sick("selective-seq-scan", "insert select", "CREATE TEMP TABLE x AS SELECT * FROM event WHERE session_id BETWEEN 10 AND 12"),
    sick("selective-seq-scan", "delete sessions", "DELETE FROM usr_session WHERE account_id = 77"),
    sick("selective-seq-scan", "update from", "UPDATE usr_session s SET ended = now() FROM account a WHERE a.id = s.account_id AND a.id BETWEEN 10 AND 14"),
    sick("selective-seq-scan", "union all", "SELECT id FROM log WHERE host = 'h1' AND level = 1 UNION ALL SELECT id FROM usr_session WHERE ended IS NULL AND agent = 'agent/10.0'"),
    sick("selective-seq-scan", "lateral", "SELECT a.id, x.* FROM account a CROSS JOIN LATERAL (SELECT s.started FROM usr_session s WHERE s.account_id = a.id ORDER BY s.ended DESC NULLS LAST LIMIT 1) x WHERE a.id IN (5, 9, 17)"),
    sick("selective-seq-scan", "in list", "SELECT count(*) FROM usr_session WHERE account_id IN (5, 9, 17)"),
    sick("selective-seq-scan", "est", "SELECT * FROM usr_session WHERE account_id = 9", options=E),
    sick("too-many-partitions", "account id without time, by id", "SELECT * FROM event WHERE id = 400000"),
    sick("too-many-partitions", "function on key", "SELECT count(*) FROM event WHERE to_char(at, 'YYYY-MM') = '2024-05' AND account_id = 5"),
    sick("function-on-column", "month by date_trunc", "SELECT count(*) FROM event WHERE date_trunc('day', at) = '2024-05-04'"),
    sick("function-on-column", "split", "SELECT id FROM usr_session WHERE split_part(agent, '/', 2) = '77.0'"),
    sick("function-on-column", "coalesce", "SELECT count(*) FROM usr_session WHERE coalesce(ended, started) > '2025-08-30'"),
    sick("function-on-column", "tz", "SELECT count(*) FROM log WHERE (at AT TIME ZONE 'Europe/Berlin') >= '2024-01-29 22:00'"),
    sick("function-on-column", "age", "SELECT id FROM account WHERE extract(isodow from created_at) = 3 AND extract(hour from created_at) = 4"),
    sick("cast-on-column", "date of session", "SELECT id FROM usr_session WHERE started::date = '2024-05-04'"),
    sick("cast-on-column", "numeric on id", "SELECT * FROM log WHERE id = 4711.0"),
    sick("cast-on-column", "text join-ish", "SELECT * FROM log WHERE id::text = '4711'", **P),
    sick("leading-wildcard", "message", "SELECT id FROM log WHERE message LIKE '%4711%'"),
    sick("leading-wildcard", "message par", "SELECT id FROM log WHERE message ILIKE '%abcde%'", **P),
    sick("leading-wildcard", "regex", "SELECT id FROM log WHERE message ~ 'abcdef'"),
    sick("leading-wildcard", "agent suffix", "SELECT id FROM usr_session WHERE agent LIKE '%/7.0' AND ended IS NULL"),
    sick("offset-walk", "of a partitioned table", "SELECT id, at FROM event ORDER BY at OFFSET 90000 LIMIT 50"),
    sick("offset-walk", "by key", "SELECT id FROM log ORDER BY id OFFSET 60000 LIMIT 20"),
    sick("offset-walk", "joined", "SELECT e.id, a.plan FROM event e JOIN account a ON a.id = e.account_id ORDER BY e.id DESC OFFSET 40000 LIMIT 25"),
    sick("limit-walk", "last error", "SELECT * FROM log WHERE level = 9 ORDER BY id DESC LIMIT 5", enable_seqscan="off"),
    sick("limit-walk", "first open session", "SELECT * FROM usr_session WHERE agent = 'agent/99.0' ORDER BY started LIMIT 1", enable_seqscan="off"),
    sick("limit-walk", "partitions", "SELECT * FROM event WHERE kind = 'refund' ORDER BY id DESC LIMIT 10", enable_seqscan="off", enable_sort="off"),
    sick("filtered-index-scan", "brin and host", "SELECT count(*) FROM log WHERE at BETWEEN '2024-01-10' AND '2024-01-16' AND host = 'h7'"),
    sick("filtered-index-scan", "wide range of started", "SELECT id FROM usr_session WHERE started BETWEEN '2024-03-01' AND '2024-08-01' AND agent = 'agent/7.0'", enable_seqscan="off"),
    sick("filtered-index-scan", "id range", "SELECT count(*) FROM log WHERE id BETWEEN 100000 AND 160000 AND level = 3"),
    sick("sort-spill", "all events", "SELECT id FROM log ORDER BY message", work_mem="1MB"),
    sick("sort-spill", "moderate", "SELECT * FROM account ORDER BY region, plan", work_mem="64kB"),
    sick("sort-spill", "window over partitions", "SELECT account_id, lag(at) OVER (PARTITION BY session_id ORDER BY at) FROM event WHERE at < '2024-04-01'", work_mem="1MB"),
    sick("sort-spill", "distinct on", "SELECT DISTINCT ON (host) host, at, message FROM log ORDER BY host, at DESC", work_mem="2MB"),
    sick("sort-spill", "merge join of two", "SELECT count(*) FROM log a JOIN log b ON a.message = b.message", work_mem="1MB", enable_hashjoin="off", enable_nestloop="off"),
    sick("hash-spill", "distinct sessions", "SELECT count(*) FROM (SELECT DISTINCT session_id, kind FROM event WHERE at < '2024-09-01') x", work_mem="1MB", enable_sort="off"),
    sick("hash-spill", "log with itself", "SELECT count(*) FROM event e JOIN log l ON l.id = e.id", work_mem="1MB", enable_mergejoin="off", enable_nestloop="off"),
    sick("hash-spill", "semi join", "SELECT count(*) FROM log WHERE id IN (SELECT id FROM event WHERE kind = 'view')", work_mem="512kB", enable_mergejoin="off", enable_nestloop="off"),
    sick("hash-spill", "moderate 20k", "SELECT s.id FROM usr_session s JOIN account a ON a.id = s.account_id", work_mem="64kB", enable_mergejoin="off", enable_nestloop="off"),
    sick("lossy-bitmap", "rows side by side", "SELECT sum(level) FROM log WHERE id BETWEEN 1000 AND 300000", work_mem="64kB", enable_seqscan="off", enable_indexscan="off"),
    sick("heap-fetches", "never vacuumed", "SELECT count(*) FROM usr_session WHERE started < '2025-06-01'", "UPDATE usr_session SET agent = agent", enable_seqscan="off", enable_bitmapscan="off"),
    sick("correlated-subplan", "last event each", "SELECT a.id, (SELECT max(e.at) FROM event e WHERE e.account_id = a.id) FROM account a WHERE a.id <= 1000"),
    sick("correlated-subplan", "count of sessions w/out index", "SELECT a.id, (SELECT count(*) FROM usr_session s WHERE s.account_id = a.id) FROM account a WHERE a.id <= 25"),
    sick("correlated-subplan", "in where with agg", "SELECT l.id FROM log l WHERE l.id <= 3000 AND l.level = (SELECT max(m.level) FROM log m WHERE m.id BETWEEN l.id AND l.id + 50)"),
    sick("nested-loop-blowup", "overlaps", "SELECT count(*) FROM usr_session a JOIN usr_session b ON a.started < b.ended AND b.started < a.ended AND a.id <> b.id WHERE a.account_id < 100 AND b.agent = 'agent/3.0'"),
    sick("nested-loop-blowup", "cross of kinds", "SELECT count(*) FROM account a, usr_session s WHERE a.region = 'r1' AND s.agent = 'agent/5.0'"),
    sick("cte-materialized", "events by cte", "WITH e AS MATERIALIZED (SELECT * FROM event WHERE at >= '2025-01-01') SELECT * FROM e WHERE account_id = 17"),
    sick("cte-materialized", "twice used", "WITH l AS (SELECT id, host, level FROM log) SELECT (SELECT count(*) FROM l WHERE host = 'h3'), (SELECT max(id) FROM l WHERE level = 3)"),
    sick("work-repeated", "same aggregate twice", "SELECT host, n FROM (SELECT host, count(*) n FROM log GROUP BY host) x WHERE n = (SELECT max(n) FROM (SELECT host, count(*) n FROM log GROUP BY host) y)"),
    sick("jit-overhead", "small", "SELECT plan, region, count(*), avg(id), min(created_at) FROM account GROUP BY 1, 2", jit="on", jit_above_cost="0", jit_inline_above_cost="0", jit_optimize_above_cost="0"),
    sick("jit-overhead", "partitions", "SELECT kind, count(*) FROM event WHERE account_id < 40 GROUP BY kind", jit="on", jit_above_cost="10", jit_inline_above_cost="10", jit_optimize_above_cost="10"),
    sick("workers-not-launched", "log", "SELECT host, count(*) FROM log GROUP BY host", max_parallel_workers="0", **P),
    sick("workers-not-launched", "one of two", "SELECT kind, count(*) FROM event GROUP BY kind", max_parallel_workers="1", **P),
    sick("row-misestimate", "correlated columns", "SELECT count(*) FROM usr_session s JOIN event e ON e.account_id = s.account_id WHERE s.id % 30 = 7 AND s.agent = 'agent/7.0' AND e.at < '2024-02-01'"),
    sick("or-across-tables", "plan or agent", "SELECT s.id FROM usr_session s JOIN account a ON a.id = s.account_id WHERE a.region = 'r99' OR s.agent = 'agent/99.0'"),
    sick("or-across-tables", "in or", "SELECT count(*) FROM event e JOIN account a ON a.id = e.account_id WHERE e.session_id = 5 OR a.id = 4"),
    healthy("pruned month", "SELECT kind, count(*) FROM event WHERE at >= '2024-05-01' AND at < '2024-06-01' GROUP BY kind"),
    healthy("pruned day of account", "SELECT * FROM event WHERE account_id = 5 AND at >= '2024-05-01' AND at < '2024-05-02'"),
    healthy("account last quarter", "SELECT * FROM event WHERE account_id = 5 AND at >= '2025-01-01' AND at < '2025-04-01' ORDER BY at DESC"),
    healthy("all months", "SELECT date_trunc('month', at), count(*) FROM event GROUP BY 1", work_mem="64MB"),
    healthy("all months par", "SELECT date_trunc('month', at), count(*) FROM event GROUP BY 1", work_mem="64MB", **P),
    healthy("all by kind T", "SELECT kind, count(*) FROM event GROUP BY kind", options=T),
    healthy("brin hour", "SELECT count(*) FROM log WHERE at BETWEEN '2024-01-10' AND '2024-01-10 06:00'"),
    healthy("brin day", "SELECT host, count(*) FROM log WHERE at >= '2024-01-10' AND at < '2024-01-11' GROUP BY host"),
    healthy("half a log", "SELECT count(*) FROM log WHERE level = 1"),
    healthy("10 percent", "SELECT sum(level) FROM log WHERE id % 10 = 0 OR host < 'h15'"),
    healthy("join hash", "SELECT a.plan, count(*) FROM event e JOIN account a ON a.id = e.account_id WHERE e.at < '2024-04-01' GROUP BY 1", work_mem="32MB"),
    healthy("partitionwise", "SELECT kind, max(id) FROM event GROUP BY kind", enable_partitionwise_aggregate="on"),
    healthy("latest ten", "SELECT * FROM log ORDER BY id DESC LIMIT 10"),
    healthy("latest ten events", "SELECT * FROM event ORDER BY id DESC LIMIT 10"),
    healthy("anti join", "SELECT count(*) FROM account a WHERE NOT EXISTS (SELECT 1 FROM usr_session s WHERE s.account_id = a.id)", work_mem="32MB"),
    healthy("not in hashed", "SELECT count(*) FROM account WHERE id NOT IN (SELECT account_id FROM usr_session)", work_mem="32MB"),
    healthy("semi join", "SELECT count(*) FROM account a WHERE EXISTS (SELECT 1 FROM usr_session s WHERE s.account_id = a.id)", work_mem="32MB"),
    healthy("distinct on index", "SELECT DISTINCT ON (started) * FROM usr_session WHERE started > '2025-08-01'"),
    healthy("grouping sets", "SELECT plan, region, count(*) FROM account GROUP BY CUBE (plan, region)", work_mem="32MB"),
    healthy("window in memory", "SELECT id, row_number() OVER (PARTITION BY region ORDER BY created_at) FROM account", work_mem="32MB"),
    healthy("insert select", "CREATE TEMP TABLE y AS SELECT * FROM usr_session WHERE ended IS NOT NULL"),
    healthy("cte once inlined", "WITH e AS (SELECT * FROM event) SELECT * FROM e WHERE account_id = 4 AND at >= '2025-03-01'"),
    healthy("cte used twice small", "WITH r AS (SELECT region, count(*) n FROM account GROUP BY region) SELECT * FROM r a JOIN r b USING (n) ORDER BY 1", work_mem="32MB"),
    healthy("lateral with index", "SELECT a.id, x.at FROM account a CROSS JOIN LATERAL (SELECT at FROM event e WHERE e.account_id = a.id AND e.at >= '2025-09-01' ORDER BY at DESC LIMIT 3) x WHERE a.id BETWEEN 10 AND 40"),
    healthy("jit on default", "SELECT host, avg(level) FROM log GROUP BY host", jit="on"),
    healthy("parallel count", "SELECT count(*) FROM log", **P),
    healthy("parallel hash join", "SELECT a.region, count(*) FROM event e JOIN account a ON a.id = e.account_id GROUP BY 1", work_mem="64MB", **P),
    healthy("update batch", "UPDATE usr_session SET ended = started WHERE id BETWEEN 100 AND 2000"),
    healthy("delete one partition's", "DELETE FROM event WHERE at >= '2024-03-01' AND at < '2024-03-03'"),
    healthy("est month", "SELECT * FROM event WHERE at >= '2024-05-01' AND at < '2024-06-01'", options=E),
    healthy("est all", "SELECT kind, count(*) FROM event GROUP BY kind", options=E),
    healthy("est half", "SELECT * FROM usr_session WHERE ended IS NOT NULL", options=E),
    healthy("sort in memory", "SELECT id, agent FROM usr_session ORDER BY agent", work_mem="64MB"),
    healthy("top hosts", "SELECT host, count(*) FROM log GROUP BY host ORDER BY 2 DESC LIMIT 5", **P),
    healthy("series left join", "SELECT d::date, count(s.id) FROM generate_series(timestamp '2024-02-01', '2024-02-28', interval '1 day') d LEFT JOIN usr_session s ON s.started >= d AND s.started < d + interval '1 day' GROUP BY 1"),
]  # fmt: skip
