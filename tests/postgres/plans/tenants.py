"""Many tenants behind row security, soft deletes, hash partitions, a queue, a wide table."""

from __future__ import annotations

from cases import Case, healthy, sick

SETUP = """
CREATE TABLE tenant (id int PRIMARY KEY, name text NOT NULL, tier smallint NOT NULL);
INSERT INTO tenant SELECT i, 'tenant ' || i, i % 4 FROM generate_series(1, 500) i;
CREATE TABLE project (id bigint PRIMARY KEY, tenant_id int NOT NULL REFERENCES tenant, name varchar(80) NOT NULL, deleted_at timestamptz);
INSERT INTO project SELECT i, 1 + (power((i % 1000) / 1000.0, 2) * 499)::int, 'project ' || i, CASE WHEN i % 8 = 0 THEN now() END FROM generate_series(1, 12000) i;
CREATE INDEX ON project (tenant_id);
CREATE TABLE issue (id bigint PRIMARY KEY, tenant_id int NOT NULL, project_id bigint NOT NULL, title varchar(200) NOT NULL, state varchar(20) NOT NULL, priority int NOT NULL, assignee int, created timestamptz NOT NULL, closed timestamptz, deleted_at timestamptz);
INSERT INTO issue SELECT i, (SELECT tenant_id FROM project p WHERE p.id = 1 + i % 12000), 1 + i % 12000, 'issue number ' || i || ' of many', (ARRAY['open','doing','done','done','done','done','rejected'])[1 + (i * 31 % 7)], i % 5, CASE WHEN i % 3 > 0 THEN i % 3000 END, timestamptz '2024-01-01' + i * interval '2 minutes', CASE WHEN i % 7 > 1 THEN timestamptz '2024-01-03' + i * interval '2 minutes' END, CASE WHEN i % 50 = 0 THEN now() END FROM generate_series(1, 250000) i;
CREATE INDEX issue_tenant_created ON issue (tenant_id, created);
CREATE INDEX issue_created ON issue (created);
CREATE INDEX issue_open ON issue (tenant_id, priority) WHERE state = 'open' AND deleted_at IS NULL;
CREATE TABLE comment (id bigint PRIMARY KEY, issue_id bigint NOT NULL, tenant_id int NOT NULL, body text NOT NULL, at timestamptz NOT NULL);
INSERT INTO comment SELECT i, 1 + (i * 7) % 250000, 1 + i % 500, repeat('c', 30) || i, timestamptz '2024-01-01' + i * interval '1 minute' FROM generate_series(1, 350000) i;
CREATE TABLE usage (tenant_id int NOT NULL, day date NOT NULL, metric text NOT NULL, n bigint NOT NULL) PARTITION BY HASH (tenant_id);
DO $$ BEGIN FOR i IN 0..63 LOOP EXECUTE format('CREATE TABLE usage_%s PARTITION OF usage FOR VALUES WITH (MODULUS 64, REMAINDER %s)', i, i); END LOOP; END $$;
INSERT INTO usage SELECT 1 + i % 500, date '2024-01-01' + (i / 500) % 700, 'm' || i % 6, i FROM generate_series(1, 250000) i;
CREATE INDEX ON usage (day);
CREATE TABLE job (id bigint PRIMARY KEY, tenant_id int NOT NULL, status text NOT NULL, run_at timestamptz NOT NULL, attempts int NOT NULL, payload text);
INSERT INTO job SELECT i, 1 + i % 500, CASE WHEN i > 119900 THEN 'ready' ELSE 'done' END, timestamptz '2024-01-01' + i * interval '30 seconds', 1, repeat('p', 60) FROM generate_series(1, 120000) i;
CREATE TABLE flag (id int PRIMARY KEY, key text NOT NULL, tenant_id int);
INSERT INTO flag SELECT i, 'flag' || i % 200, CASE WHEN i % 2 = 0 THEN i % 500 END FROM generate_series(1, 3000) i;
CREATE TABLE member (org int NOT NULL, email varchar(60) NOT NULL, joined date NOT NULL, bio text NOT NULL, PRIMARY KEY (org, email));
INSERT INTO member SELECT i % 5000, 'member' || i || '@mail.test', date '2024-01-01' + i % 700, repeat('b', 150) FROM generate_series(1, 150000) i;
ALTER TABLE issue ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON issue USING (tenant_id = current_setting('app.tenant')::int);
ALTER TABLE comment ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON comment USING (tenant_id = current_setting('app.tenant')::int);
CREATE ROLE app_role;
GRANT SELECT, UPDATE, INSERT, DELETE ON ALL TABLES IN SCHEMA public TO app_role;
VACUUM ANALYZE
"""
A, T, E, V = "ANALYZE", "ANALYZE, TIMING OFF", "COSTS", "ANALYZE, BUFFERS, VERBOSE, SETTINGS"
P = {"parallel": True}
R = ("SET LOCAL ROLE app_role", "SET LOCAL app.tenant = '77'")
JOINS = ", ".join(f"tenant t{i}" for i in range(12))
ON = " AND ".join(f"t{i}.id = t{i - 1}.id" for i in range(1, 12))
CASES: list[Case] = [
    sick("selective-seq-scan", "comments of an issue", "SELECT * FROM comment WHERE issue_id = 777"),
    sick("selective-seq-scan", "comments of an issue, rls", "SELECT * FROM comment WHERE issue_id = 777", *R),
    sick("selective-seq-scan", "comments of a tenant, rls", "SELECT count(*) FROM comment", *R),
    sick("selective-seq-scan", "assignee", "SELECT id, title FROM issue WHERE assignee = 77 AND deleted_at IS NULL"),
    sick("selective-seq-scan", "project's issues", "SELECT count(*) FROM issue WHERE project_id = 77"),
    sick("selective-seq-scan", "project's issues T", "SELECT count(*) FROM issue WHERE project_id = 77", options=T),
    sick("selective-seq-scan", "ready jobs", "SELECT * FROM job WHERE status = 'ready' ORDER BY run_at LIMIT 10 FOR UPDATE SKIP LOCKED"),
    sick("selective-seq-scan", "ready jobs update", "UPDATE job SET status = 'running' WHERE id = (SELECT id FROM job WHERE status = 'ready' ORDER BY run_at LIMIT 1 FOR UPDATE SKIP LOCKED)"),
    sick("selective-seq-scan", "project by name, 12k rows", "SELECT * FROM project WHERE name = 'project 77'"),
    sick("selective-seq-scan", "comments through join", "SELECT c.body FROM issue i JOIN comment c ON c.issue_id = i.id WHERE i.id BETWEEN 5 AND 14"),
    sick("selective-seq-scan", "hash partitions by metric", "SELECT sum(n) FROM usage WHERE metric = 'm5' AND n > 248000"),
    sick("selective-seq-scan", "left join lateral", "SELECT i.id, l.body FROM issue i LEFT JOIN LATERAL (SELECT body FROM comment c WHERE c.issue_id = i.id ORDER BY at DESC LIMIT 1) l ON true WHERE i.tenant_id = 400 AND i.created < '2024-01-05'"),
    sick("selective-seq-scan", "insert select", "INSERT INTO flag SELECT 10000 + id, 'x', 1 FROM issue WHERE assignee = 99"),
    sick("selective-seq-scan", "soft deleted", "DELETE FROM issue WHERE deleted_at < '2000-01-01'"),
    sick("filtered-index-scan", "tenant and state", "SELECT id FROM issue WHERE tenant_id = 1 AND assignee = 9"),
    sick("filtered-index-scan", "recent and priority and title", "SELECT id FROM issue WHERE created >= '2024-06-01' AND created < '2024-08-01' AND assignee = 88"),
    sick("filtered-index-scan", "by the second column of a key", "SELECT org FROM member WHERE email = 'member777@mail.test'"),
    sick("filtered-index-scan", "by the second column, for all", "SELECT * FROM member WHERE email = 'member777@mail.test'", enable_seqscan="off"),
    sick("limit-walk", "by created of a small tenant", "SELECT * FROM issue WHERE project_id = 11999 AND assignee = -1 ORDER BY created LIMIT 5", enable_seqscan="off", enable_sort="off"),
    sick("limit-walk", "joined", "SELECT i.id FROM issue i JOIN project p ON p.id = i.project_id WHERE p.name = 'project 11998' AND p.deleted_at IS NOT NULL ORDER BY i.created LIMIT 3", enable_sort="off", enable_hashjoin="off", enable_mergejoin="off", enable_seqscan="off"),
    sick("function-on-column", "lower title", "SELECT id FROM issue WHERE lower(title) = 'issue number 77 of many'"),
    sick("function-on-column", "coalesce assignee", "SELECT id FROM issue WHERE coalesce(assignee, 0) = 77"),
    sick("function-on-column", "case", "SELECT id FROM issue WHERE CASE WHEN closed IS NULL THEN priority ELSE 0 END = 4"),
    sick("function-on-column", "to_char", "SELECT count(*) FROM comment WHERE to_char(at, 'YYYY-MM-DD') = '2024-03-03'", **P),
    sick("function-on-column", "interval arithmetic", "SELECT count(*) FROM issue WHERE created + interval '1 day' > '2024-12-13'"),
    sick("cast-on-column", "text tenant", "SELECT count(*) FROM comment WHERE tenant_id::text = '77'"),
    sick("cast-on-column", "date", "SELECT id FROM issue WHERE created::date = '2024-03-03' AND priority = 1"),
    sick("cast-on-column", "bigint float", "SELECT * FROM comment WHERE issue_id = 77.0", **P),
    sick("leading-wildcard", "title", "SELECT id FROM issue WHERE title LIKE '%number 7777 %'"),
    sick("leading-wildcard", "name", "SELECT id FROM project WHERE name ILIKE '%ject 777%'"),
    sick("leading-wildcard", "two columns", "SELECT id FROM issue WHERE title ILIKE '%zzz%' OR state ILIKE '%zzz%'"),
    sick("or-across-tables", "project or issue", "SELECT i.id FROM issue i JOIN project p ON p.id = i.project_id WHERE p.name = 'project 5' OR i.title = 'x'"),
    sick("or-across-tables", "comment or issue", "SELECT DISTINCT i.id FROM issue i LEFT JOIN comment c ON c.issue_id = i.id WHERE i.assignee = 7 OR c.tenant_id = 9999"),
    sick("or-across-tables", "in subqueries", "SELECT id FROM issue i WHERE assignee = 7 OR project_id IN (SELECT id FROM project WHERE name LIKE 'project 11%')"),
    sick("offset-walk", "issues", "SELECT id FROM issue ORDER BY created DESC OFFSET 100000 LIMIT 50"),
    sick("offset-walk", "of one tenant", "SELECT id FROM issue WHERE tenant_id = 1 ORDER BY created OFFSET 5000 LIMIT 50"),
    sick("offset-walk", "est", "SELECT id FROM comment ORDER BY id OFFSET 200000 LIMIT 50", options=E),
    sick("sort-spill", "comments", "SELECT * FROM comment ORDER BY body", work_mem="4MB"),
    sick("sort-spill", "window dense", "SELECT id, dense_rank() OVER (PARTITION BY tenant_id ORDER BY at) FROM comment", work_mem="1MB", **P),
    sick("sort-spill", "order by many", "SELECT tenant_id, state, created FROM issue ORDER BY state, priority, assignee", work_mem="1MB"),
    sick("hash-spill", "issue comments", "SELECT count(*) FROM issue i JOIN comment c ON c.issue_id = i.id", work_mem="1MB", enable_mergejoin="off", enable_nestloop="off"),
    sick("hash-spill", "agg", "SELECT issue_id, max(at) FROM comment GROUP BY issue_id", work_mem="1MB", enable_sort="off"),
    sick("hash-spill", "distinct T", "SELECT DISTINCT issue_id, tenant_id FROM comment", work_mem="512kB", enable_sort="off", options=T),
    sick("lossy-bitmap", "created", "SELECT count(closed) FROM issue WHERE tenant_id BETWEEN 1 AND 250", work_mem="64kB", enable_seqscan="off", enable_indexscan="off"),
    sick("correlated-subplan", "comments per issue no index", "SELECT i.id, (SELECT count(*) FROM comment c WHERE c.issue_id = i.id) FROM issue i WHERE i.id <= 15"),
    sick("correlated-subplan", "projects issues", "SELECT t.id, (SELECT count(*) FROM issue i WHERE i.tenant_id = t.id AND i.state = 'open') FROM tenant t"),
    sick("correlated-subplan", "case subplan", "SELECT i.id, CASE WHEN i.priority = 1 THEN (SELECT max(p.name) FROM project p WHERE p.tenant_id = i.tenant_id) END FROM issue i WHERE i.created < '2024-01-20'"),
    sick("nested-loop-blowup", "cross", "SELECT count(*) FROM project a CROSS JOIN flag f WHERE a.tenant_id < 40"),
    sick("nested-loop-blowup", "text match", "SELECT count(*) FROM project p JOIN flag f ON p.name LIKE '%' || f.id || '%' WHERE f.id < 400"),
    sick("row-misestimate", "state from closed", "SELECT count(*) FROM issue i JOIN comment c ON c.issue_id = i.id WHERE i.id % 7 = 3 AND i.priority = i.id % 5"),
    sick("row-misestimate", "stale", "SELECT count(*) FROM flag f JOIN project p ON p.id = f.id WHERE f.key = 'new'", "INSERT INTO flag SELECT 5000 + i, 'new', 1 FROM generate_series(1, 20000) i"),
    sick("cte-materialized", "twice", "WITH i AS (SELECT * FROM issue WHERE deleted_at IS NULL) SELECT a.id FROM i a JOIN i b ON b.id = a.id + 1 WHERE a.id = 77"),
    sick("cte-materialized", "rls-ish", "WITH c AS MATERIALIZED (SELECT * FROM comment) SELECT count(*) FROM c WHERE issue_id = 5"),
    sick("work-repeated", "loop", "SELECT t.id, x.n FROM tenant t CROSS JOIN LATERAL (SELECT count(*) n FROM job j WHERE j.tenant_id = t.id) x WHERE t.id <= 20"),
    sick("work-repeated", "windows", "SELECT a.tenant_id FROM (SELECT tenant_id, count(*) n FROM comment GROUP BY 1) a JOIN (SELECT tenant_id, count(*) n FROM comment GROUP BY 1) b ON b.n = a.n AND a.tenant_id < b.tenant_id LIMIT 5"),
    sick("jit-overhead", "issues", "SELECT state, priority, count(*), avg(assignee) FROM issue WHERE tenant_id = 9 GROUP BY 1, 2", jit="on", jit_above_cost="0", jit_inline_above_cost="0", jit_optimize_above_cost="0"),
    sick("too-many-partitions", "hash by day", "SELECT * FROM usage WHERE day = '2025-11-20'"),
    sick("too-many-partitions", "hash by n, est", "SELECT * FROM usage WHERE day = '2025-11-20'", options=E),
    sick("too-many-partitions", "one day of rare", "SELECT sum(n) FROM usage WHERE day = '2024-03-03' AND metric = 'm1' AND n < 0", options=A),
    sick("slow-planning", "twelve joins of a key", f"SELECT count(*) FROM {JOINS} WHERE {ON} AND t0.id = 5", join_collapse_limit="12", from_collapse_limit="12", geqo="off"),
    sick("slow-planning", "cold partitions", "SELECT a.day FROM usage a JOIN usage b ON a.day = b.day AND a.tenant_id = b.tenant_id JOIN usage c ON c.day = a.day AND c.tenant_id = a.tenant_id WHERE a.n = 5", enable_partitionwise_join="on"),
    sick("workers-not-launched", "comments", "SELECT tenant_id, count(*) FROM comment GROUP BY 1", max_parallel_workers="0", **P),
    sick("heap-fetches", "after update", "SELECT count(*) FROM issue WHERE created > '2024-06-01'", "UPDATE issue SET priority = priority + 1 WHERE created > '2024-06-01'", enable_seqscan="off", enable_bitmapscan="off"),
    healthy("tenant's issues", "SELECT id, title FROM issue WHERE tenant_id = 77 ORDER BY created DESC LIMIT 20"),
    healthy("tenant's issues rls", "SELECT id, title FROM issue ORDER BY created DESC LIMIT 20", *R),
    healthy("tenant's open", "SELECT * FROM issue WHERE tenant_id = 77 AND state = 'open' AND deleted_at IS NULL ORDER BY priority LIMIT 20"),
    healthy("small tenant all", "SELECT state, count(*) FROM issue WHERE tenant_id = 450 GROUP BY state"),
    healthy("large tenant", "SELECT state, count(*) FROM issue WHERE tenant_id = 1 GROUP BY state"),
    healthy("flags", "SELECT * FROM flag WHERE key = 'flag7'"),
    healthy("projects of tenant", "SELECT * FROM project WHERE tenant_id = 400 AND deleted_at IS NULL"),
    healthy("usage of tenant", "SELECT day, sum(n) FROM usage WHERE tenant_id = 77 GROUP BY day ORDER BY day"),
    healthy("usage of all", "SELECT metric, sum(n) FROM usage GROUP BY metric"),
    healthy("usage of all par", "SELECT metric, sum(n) FROM usage GROUP BY metric", **P),
    healthy("done", "SELECT count(*) FROM issue WHERE state = 'done'"),
    healthy("rejected seventh", "SELECT count(*) FROM issue WHERE state = 'rejected'"),
    healthy("not deleted", "SELECT count(*) FROM issue WHERE deleted_at IS NULL"),
    healthy("join all", "SELECT p.tenant_id, count(*) FROM issue i JOIN project p ON p.id = i.project_id GROUP BY 1", work_mem="32MB"),
    healthy("join all par", "SELECT t.tier, count(*) FROM comment c JOIN tenant t ON t.id = c.tenant_id GROUP BY 1", **P),
    healthy("nested loop by key", "SELECT i.id, p.name FROM issue i JOIN project p ON p.id = i.project_id WHERE i.tenant_id = 480 ORDER BY i.created DESC LIMIT 50"),
    healthy("exists", "SELECT count(*) FROM project p WHERE EXISTS (SELECT FROM issue i WHERE i.project_id = p.id)", work_mem="32MB"),
    healthy("left join null", "SELECT count(*) FROM issue i LEFT JOIN comment c ON c.issue_id = i.id WHERE c.id IS NULL", work_mem="64MB"),
    healthy("keyset", "SELECT id FROM issue WHERE (created, id) < ('2024-05-05', 90000) ORDER BY created DESC, id DESC LIMIT 20"),
    healthy("upsert flags", "INSERT INTO flag SELECT i, 'f', 1 FROM generate_series(1, 500) i ON CONFLICT (id) DO UPDATE SET key = excluded.key"),
    healthy("by the whole key", "SELECT * FROM member WHERE org = 777 AND email = 'member777@mail.test'"),
    healthy("by the first column of a key", "SELECT email FROM member WHERE org = 777"),
    healthy("claim by id", "UPDATE job SET status = 'running' WHERE id = 119950"),
    healthy("copy a tenant", "CREATE TEMP TABLE q AS SELECT * FROM issue WHERE tenant_id = 5"),
    healthy("median", "SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY priority) FROM issue", work_mem="32MB"),
    healthy("string_agg", "SELECT project_id, string_agg(title, ';') FROM issue WHERE tenant_id = 300 GROUP BY 1"),
    healthy("lag", "SELECT id, created - lag(created) OVER (ORDER BY created) FROM issue WHERE tenant_id = 300"),
    healthy("sub in", "SELECT count(*) FROM issue WHERE project_id IN (SELECT id FROM project WHERE deleted_at IS NULL)", work_mem="32MB"),
    healthy("min max", "SELECT min(created), max(created) FROM issue"),
    healthy("max per tenant loose", "SELECT t.id, x.c FROM tenant t CROSS JOIN LATERAL (SELECT max(created) c FROM issue i WHERE i.tenant_id = t.id) x WHERE t.id <= 100"),
    healthy("est tenant", "SELECT id FROM issue WHERE tenant_id = 77 ORDER BY created DESC LIMIT 20", options=E),
    healthy("est usage", "SELECT sum(n) FROM usage WHERE tenant_id = 77", options=E),
    healthy("sort limit small", "SELECT * FROM tenant ORDER BY name LIMIT 5"),
    healthy("count distinct", "SELECT count(DISTINCT tenant_id) FROM issue", work_mem="32MB"),
]  # fmt: skip
