"""Devices and what they measure, with EXPLAIN's options in all combinations."""

from __future__ import annotations

from cases import Case, healthy, sick

SETUP = """
CREATE TABLE device (id bigint PRIMARY KEY, serial varchar(30) NOT NULL, owner_id int, model text, installed date, meta jsonb);
INSERT INTO device SELECT i, 'SN' || lpad(i::text, 8, '0'), i % 9000, 'm' || i % 25, date '2020-01-01' + (i % 1500)::int, jsonb_build_object('fw', i % 9, 'zone', i % 60) FROM generate_series(1, 80000) i;
CREATE TABLE metric (id bigserial, device_id bigint NOT NULL, ts timestamptz NOT NULL, code int NOT NULL, val numeric NOT NULL, ok boolean NOT NULL);
INSERT INTO metric (device_id, ts, code, val, ok) SELECT 1 + (i * 79) % 80000, timestamptz '2025-01-01' + i * interval '7 s', i % 250, (i * 13 % 1000) / 7.0, i % 1111 <> 0 FROM generate_series(1, 1000000) i;
CREATE INDEX metric_device_ts ON metric (device_id, ts);
CREATE INDEX metric_ts ON metric (ts);
CREATE TABLE alarm (id int PRIMARY KEY, device_id bigint NOT NULL, sev int NOT NULL, opened timestamptz NOT NULL, closed timestamptz, msg varchar(200));
INSERT INTO alarm SELECT i, 1 + i % 80000, i % 6, timestamptz '2025-01-01' + i * interval '1 minute', CASE WHEN i % 200 = 0 THEN NULL ELSE timestamptz '2025-01-02' + i * interval '1 minute' END, 'alarm ' || md5(i::text) FROM generate_series(1, 150000) i;
CREATE TABLE cfg (k text, v text);
INSERT INTO cfg SELECT 'k' || i, 'v' || i FROM generate_series(1, 300) i;
CREATE TABLE hist (dev bigint NOT NULL, d date NOT NULL, total numeric) PARTITION BY RANGE (d);
DO $$ BEGIN FOR i IN 0..59 LOOP EXECUTE format('CREATE TABLE hist_%s PARTITION OF hist FOR VALUES FROM (%L) TO (%L)', i, date '2024-01-01' + i * 7, date '2024-01-01' + (i + 1) * 7); END LOOP; END $$;
INSERT INTO hist SELECT i % 5000, date '2024-01-01' + (i % 420), i FROM generate_series(1, 300000) i;
CREATE INDEX ON hist (dev);
VACUUM ANALYZE
"""
E = "COSTS"
A = "ANALYZE"
T = "ANALYZE, TIMING OFF"
ALL = "ANALYZE, BUFFERS, VERBOSE, SETTINGS"
P = {"parallel": True}
CASES: list[Case] = [
    sick("function-on-column", "est lower", "SELECT * FROM device WHERE lower(serial) = 'sn00000077'", options=E),
    sick("function-on-column", "substr", "SELECT * FROM device WHERE substr(serial, 3) = '00000077'", options=A),
    sick("function-on-column", "json", "SELECT id FROM device WHERE (meta ->> 'zone') = '7' AND owner_id = 7", options=ALL),
    sick("function-on-column", "epoch", "SELECT count(*) FROM metric WHERE extract(epoch from ts) > 1742680000", options=T),
    sick("function-on-column", "verbose", "SELECT * FROM alarm WHERE upper(msg) = 'X'", options=ALL),
    sick("cast-on-column", "est date", "SELECT * FROM metric WHERE ts::date = '2025-02-01'", options=E),
    sick("cast-on-column", "verbose", "SELECT * FROM metric WHERE id::text = '77'", options=ALL, **P),
    sick("cast-on-column", "timing off", "SELECT * FROM device WHERE id::numeric = 77.5", options=T),
    sick("leading-wildcard", "est", "SELECT * FROM alarm WHERE msg LIKE '%abcdefa%'", options=E),
    sick("leading-wildcard", "timing off", "SELECT * FROM device WHERE serial LIKE '%0777'", options=T),
    sick("leading-wildcard", "verbose par", "SELECT * FROM alarm WHERE msg ILIKE '%zzz%'", options=ALL, **P),
    sick("or-across-tables", "est", "SELECT * FROM alarm a JOIN device d ON d.id = a.device_id WHERE a.id = 7 OR d.serial = 'SN00000077'", options=E),
    sick("or-across-tables", "verbose", "SELECT a.id FROM alarm a JOIN device d ON d.id = a.device_id WHERE a.msg = 'x' OR d.owner_id = 7", options=ALL),
    sick("or-across-tables", "exists", "SELECT id FROM device d WHERE owner_id = 7 OR EXISTS (SELECT FROM alarm a WHERE a.device_id = d.id AND a.sev = 5 AND a.closed IS NULL)"),
    sick("selective-seq-scan", "est open alarms", "SELECT * FROM alarm WHERE closed IS NULL", options=E),
    sick("selective-seq-scan", "open alarms", "SELECT * FROM alarm WHERE closed IS NULL", options=A),
    sick("selective-seq-scan", "code", "SELECT avg(val) FROM metric WHERE code = 77", options=T),
    sick("selective-seq-scan", "not ok par", "SELECT * FROM metric WHERE NOT ok", options=ALL, **P),
    sick("selective-seq-scan", "join alarms", "SELECT a.* FROM device d JOIN alarm a ON a.device_id = d.id WHERE d.id BETWEEN 5 AND 9"),
    sick("selective-seq-scan", "join alarms par", "SELECT a.* FROM device d JOIN alarm a ON a.device_id = d.id WHERE d.id BETWEEN 5 AND 9", **P),
    sick("selective-seq-scan", "est join", "SELECT a.* FROM device d JOIN alarm a ON a.device_id = d.id WHERE d.id BETWEEN 5 AND 9", options=E),
    sick("selective-seq-scan", "varchar digits", "SELECT * FROM device WHERE serial = '12345678'"),
    sick("selective-seq-scan", "update", "UPDATE metric SET ok = true WHERE code = 5 AND val > 100"),
    sick("limit-walk", "latest code w/out rows", "SELECT * FROM metric WHERE code = 999 ORDER BY ts DESC LIMIT 1"),
    sick("offset-walk", "ts", "SELECT * FROM metric ORDER BY ts OFFSET 500000 LIMIT 10", options=A),
    sick("offset-walk", "est", "SELECT * FROM metric ORDER BY ts OFFSET 500000 LIMIT 10", options=E),
    sick("offset-walk", "filter", "SELECT * FROM metric WHERE code > 100 ORDER BY ts OFFSET 100000 LIMIT 100"),
    sick("correlated-subplan", "est", "SELECT d.id, (SELECT max(ts) FROM metric m WHERE m.device_id = d.id) FROM device d", options=E),
    sick("correlated-subplan", "count alarms noindex", "SELECT d.id, (SELECT count(*) FROM alarm a WHERE a.device_id = d.id) FROM device d WHERE d.id <= 50"),
    sick("correlated-subplan", "not in correl", "SELECT count(*) FROM device d WHERE (SELECT count(*) FROM metric m WHERE m.device_id = d.id) > 14", options=T),
    sick("nested-loop-blowup", "ineq join", "SELECT count(*) FROM alarm a JOIN cfg c ON a.msg < c.v WHERE a.sev = 1", **P),
    sick("nested-loop-blowup", "distance", "SELECT count(*) FROM device a JOIN device b ON abs(a.id - b.id) = 3 WHERE a.model = 'm1' AND b.model = 'm2'"),
    sick("sort-spill", "metric", "SELECT * FROM metric ORDER BY val, id", work_mem="8MB", options=T),
    sick("sort-spill", "no buffers par", "SELECT * FROM metric ORDER BY val, id", work_mem="8MB", options=A, **P),
    sick("hash-spill", "join par", "SELECT count(*) FROM metric m JOIN device d ON d.id = m.device_id", work_mem="512kB", **P, enable_nestloop="off", enable_mergejoin="off"),
    sick("lossy-bitmap", "ts+dev", "SELECT count(val) FROM metric WHERE device_id < 30000", work_mem="64kB", enable_seqscan="off", enable_indexscan="off", options=A),
    sick("too-many-partitions", "dev", "SELECT * FROM hist WHERE dev = 99999", options=A),
    sick("too-many-partitions", "trunc", "SELECT sum(total) FROM hist WHERE date_trunc('week', d) = '2024-05-06'"),
    sick("cte-materialized", "m", "WITH m AS MATERIALIZED (SELECT * FROM metric) SELECT count(*) FROM m WHERE device_id = 7 AND ts > '2025-02-01'", options=A),
    sick("jit-overhead", "alarm", "SELECT sev, count(*), min(opened), max(closed), avg(id) FROM alarm WHERE id < 30000 GROUP BY sev", jit="on", jit_above_cost="0", jit_inline_above_cost="0", jit_optimize_above_cost="0", options=A),
    sick("filtered-index-scan", "dev code", "SELECT * FROM metric WHERE device_id < 2000 AND code = 249 AND val > 140", options=A),
    sick("filtered-index-scan", "ts ok", "SELECT * FROM metric WHERE ts BETWEEN '2025-02-01' AND '2025-02-12' AND NOT ok", **P),
    sick("work-repeated", "three subqueries", "SELECT (SELECT min(val) FROM metric WHERE code < 100 AND ok), (SELECT max(val) FROM metric WHERE code < 100 AND ok)"),
    sick("row-misestimate", "model+owner", "SELECT count(*) FROM device d JOIN metric m ON m.device_id = d.id WHERE d.model = 'm7' AND d.id % 25 = 7"),
    healthy("device", "SELECT * FROM device WHERE id = 7", options=A),
    healthy("last metric", "SELECT * FROM metric WHERE device_id = 7 ORDER BY ts DESC LIMIT 1", options=ALL),
    healthy("latest", "SELECT * FROM metric ORDER BY ts DESC LIMIT 10", options=T),
    healthy("hour", "SELECT avg(val) FROM metric WHERE ts >= '2025-02-01' AND ts < '2025-02-01 01:00'"),
    healthy("all est", "SELECT count(*) FROM metric", options=E),
    healthy("all verbose par", "SELECT code, avg(val) FROM metric GROUP BY code", options=ALL, **P),
    healthy("most ok", "SELECT count(*) FROM metric WHERE ok"),
    healthy("40 pct", "SELECT sum(val) FROM metric WHERE code < 100"),
    healthy("20 pct", "SELECT sum(val) FROM metric WHERE code < 50", **P),
    healthy("sixth est", "SELECT * FROM alarm WHERE sev = 1", options=E),
    healthy("cfg", "SELECT * FROM cfg WHERE k = 'k7'"),
    healthy("cfg fn", "SELECT * FROM cfg WHERE upper(k) = 'K7'"),
    healthy("join mem", "SELECT d.model, avg(m.val) FROM metric m JOIN device d ON d.id = m.device_id GROUP BY d.model", work_mem="64MB"),
    healthy("join mem timing off par", "SELECT d.model, avg(m.val) FROM metric m JOIN device d ON d.id = m.device_id GROUP BY d.model", work_mem="64MB", options=T, **P),
    healthy("hist pruned", "SELECT sum(total) FROM hist WHERE d = '2024-05-06'"),
    healthy("hist month", "SELECT d, sum(total) FROM hist WHERE d >= '2024-05-01' AND d < '2024-06-01' GROUP BY d"),
    healthy("hist all", "SELECT date_trunc('month', d), sum(total) FROM hist GROUP BY 1", work_mem="64MB"),
    healthy("hist dev pruned", "SELECT * FROM hist WHERE dev = 77 AND d >= '2024-05-01' AND d < '2024-05-20'"),
    healthy("alarm closed", "SELECT count(*) FROM alarm WHERE closed IS NOT NULL"),
    healthy("est key join", "SELECT * FROM alarm a JOIN device d ON d.id = a.device_id WHERE a.id = 7", options=E),
    healthy("sort mem", "SELECT id, val FROM metric ORDER BY val", work_mem="256MB"),
    healthy("union", "SELECT count(*) FROM alarm UNION ALL SELECT count(*) FROM device"),
    healthy("insert", "INSERT INTO cfg SELECT 'z' || i, '' FROM generate_series(1, 50000) i"),
    healthy("update many", "UPDATE device SET owner_id = owner_id + 1 WHERE id < 20000"),
    healthy("delete key", "DELETE FROM metric WHERE device_id = 5"),
    healthy("values", "SELECT * FROM (VALUES (1), (2)) v(a)"),
    healthy("count distinct", "SELECT count(DISTINCT code) FROM metric", work_mem="64MB"),
    healthy("filter agg", "SELECT count(*) FILTER (WHERE ok), count(*) FROM metric"),
    healthy("min max", "SELECT min(ts), max(ts) FROM metric"),
    healthy("not in", "SELECT count(*) FROM device WHERE id NOT IN (SELECT device_id FROM alarm)", work_mem="64MB"),
    healthy("rollup", "SELECT model, installed, count(*) FROM device GROUP BY ROLLUP (1, 2)", work_mem="64MB"),
]  # fmt: skip
