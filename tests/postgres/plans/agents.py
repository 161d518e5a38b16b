"""The agents of a personal assistant: tasks, runs and messages of very different tenants."""

from __future__ import annotations

from cases import Case, healthy, sick

SETUP = """
CREATE TABLE tenant (id int PRIMARY KEY, name text NOT NULL, plan text NOT NULL);
INSERT INTO tenant SELECT i, 'tenant ' || i, CASE WHEN i % 50 = 0 THEN 'gold' ELSE 'free' END FROM generate_series(1, 500) i;
CREATE TABLE agent (id uuid PRIMARY KEY, tenant_id int NOT NULL REFERENCES tenant, name text NOT NULL, active boolean NOT NULL, model text NOT NULL);
INSERT INTO agent SELECT md5(i::text)::uuid, CASE WHEN i % 3 = 0 THEN 1 + i % 500 ELSE 1 END, 'Agent ' || i, i % 11 <> 0, 'm' || i % 4 FROM generate_series(1, 20000) i;
CREATE INDEX agent_tenant_id ON agent (tenant_id);
CREATE TABLE task (
    id bigint PRIMARY KEY, agent_id uuid NOT NULL REFERENCES agent, tenant_id int NOT NULL, state text NOT NULL, priority int NOT NULL,
    payload jsonb NOT NULL, created_at timestamptz NOT NULL, updated_at timestamptz, tags text[] NOT NULL
);
INSERT INTO task SELECT i, md5((1 + i % 20000)::text)::uuid, CASE WHEN i % 3 = 0 THEN 1 + i % 500 ELSE 1 END,
    CASE WHEN i % 1000 = 0 THEN 'stuck' WHEN i % 20 = 0 THEN 'queued' ELSE 'done' END, i % 5, jsonb_build_object('kind', 'k' || i % 700, 'size', i % 10000),
    timestamptz '2025-03-01' + i * interval '30 s', timestamptz '2025-03-01' + i * interval '31 s', ARRAY['t' || i % 90, 'u' || i % 7]
FROM generate_series(1, 400000) i;
CREATE INDEX task_agent_id ON task (agent_id);
CREATE INDEX task_tenant_created ON task (tenant_id, created_at);
CREATE INDEX task_created_at ON task (created_at);
CREATE TABLE message (id bigint PRIMARY KEY, task_id bigint NOT NULL, role text NOT NULL, body text NOT NULL, tokens int NOT NULL);
INSERT INTO message SELECT i, 1 + i % 250000, CASE WHEN i % 2 = 0 THEN 'user' ELSE 'agent' END, repeat(md5(i::text), 3), i % 4000 FROM generate_series(1, 500000) i;
CREATE TABLE vacant (id int, n int) WITH (autovacuum_enabled = off);
CREATE INDEX vacant_id ON vacant (id);
INSERT INTO vacant SELECT i, i FROM generate_series(1, 100000) i;
VACUUM ANALYZE tenant; VACUUM ANALYZE agent; VACUUM ANALYZE task; VACUUM ANALYZE message; VACUUM ANALYZE vacant;
UPDATE vacant SET n = n + 1
"""
CASES: list[Case] = [
    sick("selective-seq-scan", "tasks that are stuck", "SELECT id FROM task WHERE state = 'stuck'"),
    sick("selective-seq-scan", "messages of a task", "SELECT * FROM message WHERE task_id = 4711 ORDER BY id"),
    sick("selective-seq-scan", "messages of an agent's tasks",
         "SELECT m.* FROM task t JOIN message m ON m.task_id = t.id WHERE t.agent_id = md5('77')::uuid"),
    sick("selective-seq-scan", "the same, only planned",
         "SELECT m.* FROM task t JOIN message m ON m.task_id = t.id WHERE t.agent_id = md5('77')::uuid", options="COSTS"),
    sick("selective-seq-scan", "the same, with workers and all options",
         "SELECT m.* FROM task t JOIN message m ON m.task_id = t.id WHERE t.agent_id = md5('77')::uuid",
         options="ANALYZE, BUFFERS, VERBOSE, SETTINGS, WAL", parallel=True),
    sick("selective-seq-scan", "a container of tags", "SELECT id FROM task WHERE tags @> ARRAY['t7', 'u0'] AND priority = 0"),
    sick("selective-seq-scan", "priority and state", "SELECT count(*) FROM task WHERE priority = 0 AND state = 'queued' AND updated_at > '2025-07-01'"),
    sick("function-on-column", "a member of the payload", "SELECT id FROM task WHERE payload ->> 'kind' = 'k77'"),
    sick("function-on-column", "a number in the payload", "SELECT id FROM task WHERE (payload ->> 'size')::int = 77"),
    sick("function-on-column", "upper of a name, in a join",
         "SELECT t.id FROM agent a JOIN task t ON t.agent_id = a.id WHERE upper(a.name) = 'AGENT 77'"),
    sick("function-on-column", "an age", "SELECT id FROM task WHERE timestamptz '2025-07-20' - created_at < interval '7 days'"),
    sick("function-on-column", "the length of a text", "SELECT id FROM message WHERE length(body) > 500"),
    sick("function-on-column", "a concatenation", "SELECT id FROM task WHERE state || priority = 'stuck0'"),
    sick("cast-on-column", "a uuid as text", "SELECT * FROM task WHERE agent_id::text = 'f4f068e7-1e0d-87bf-0ad5-1e6214ab84e9'"),
    sick("cast-on-column", "a day, with workers", "SELECT count(*) FROM task WHERE created_at::date = date '2025-04-01'", parallel=True),
    sick("leading-wildcard", "in a body", "SELECT id FROM message WHERE body LIKE '%abc123%'"),
    sick("leading-wildcard", "in a body, whatever the case", "SELECT id FROM message WHERE body ILIKE '%ABC123%'"),
    sick("leading-wildcard", "beside another filter", "SELECT id FROM message WHERE body LIKE '%abc123%' AND role = 'user'"),
    sick("or-across-tables", "of the task or its agent",
         "SELECT t.id FROM task t JOIN agent a ON a.id = t.agent_id WHERE t.id = 77 OR a.name = 'Agent 5'"),
    sick("or-across-tables", "or one exists",
         "SELECT t.id FROM task t WHERE t.id = 77 OR EXISTS (SELECT FROM message m WHERE m.task_id = t.id AND m.tokens = 3999 AND m.id < 4100)"),
    sick("filtered-index-scan", "the large tenant's stuck tasks", "SELECT * FROM task WHERE tenant_id = 1 AND state = 'stuck'", enable_seqscan="off"),
    sick("filtered-index-scan", "a year of tasks of a kind", "SELECT * FROM task WHERE created_at > '2025-04-01' AND created_at < '2025-05-10' AND state = 'stuck'"),
    sick("filtered-index-scan", "the same, of many columns", "SELECT * FROM task WHERE tenant_id = 1 AND created_at > '2025-06-01' AND payload ->> 'kind' = 'k7'", enable_seqscan="off"),
    sick("limit-walk", "a tenant that came early", "SELECT * FROM task WHERE agent_id = md5('77')::uuid AND id < 1000 ORDER BY created_at DESC LIMIT 10", enable_sort="off"),
    sick("limit-walk", "the newest of a kind that is no more", "SELECT * FROM task WHERE payload ->> 'kind' = 'none' ORDER BY created_at DESC LIMIT 20", enable_sort="off"),
    sick("limit-walk", "of the large tenant", "SELECT * FROM task WHERE tenant_id = 1 AND created_at > '2025-03-02' AND payload ->> 'kind' = 'none' ORDER BY created_at LIMIT 20", enable_sort="off"),
    sick("offset-walk", "a tenant's last page", "SELECT * FROM task WHERE tenant_id = 1 ORDER BY created_at LIMIT 20 OFFSET 200000"),
    sick("offset-walk", "with workers", "SELECT id FROM message ORDER BY tokens LIMIT 10 OFFSET 100000", parallel=True, work_mem="64MB"),
    sick("sorted-for-few", "the largest messages", "SELECT * FROM message ORDER BY tokens DESC LIMIT 20"),
    sick("sorted-for-few", "only planned", "SELECT * FROM message ORDER BY tokens DESC LIMIT 20", options="COSTS"),
    sick("sort-spill", "distinct on", "SELECT DISTINCT ON (body) * FROM message ORDER BY body, id", work_mem="4MB"),
    sick("sort-spill", "groups by a text, sorted", "SELECT body, count(*) FROM message GROUP BY body", work_mem="2MB", enable_hashagg="off"),
    sick("hash-spill", "messages and tasks", "SELECT t.state, sum(m.tokens) FROM message m JOIN task t ON t.id = m.task_id GROUP BY t.state", work_mem="1MB", enable_mergejoin="off", enable_nestloop="off"),
    sick("hash-spill", "groups with workers", "SELECT task_id, count(*) FROM message GROUP BY task_id", work_mem="512kB", enable_sort="off", parallel=True),
    sick("lossy-bitmap", "the large tenant's early tasks", "SELECT count(payload) FROM task WHERE tenant_id = 1 AND created_at < '2025-06-01'", work_mem="64kB", enable_seqscan="off", enable_indexscan="off"),
    sick("lossy-bitmap", "with workers", "SELECT count(payload) FROM task WHERE agent_id < '30000000-0000-0000-0000-000000000000'", work_mem="64kB", enable_seqscan="off", enable_indexscan="off", parallel=True),
    sick("nested-loop-blowup", "a function of both", "SELECT count(*) FROM agent a JOIN tenant t ON length(a.name) * 100 = t.id + 5000", enable_mergejoin="off", enable_hashjoin="off"),
    sick("nested-loop-blowup", "messages for each of many tasks",
         "SELECT count(*) FROM task t JOIN agent a ON a.id = t.agent_id WHERE t.state = 'queued' AND t.id % 20 = 0 AND t.id % 10 = 0",
         enable_hashjoin="off", enable_mergejoin="off", enable_memoize="off"),
    sick("heap-fetches", "after an update", "SELECT id FROM vacant WHERE id > 10", enable_seqscan="off", enable_bitmapscan="off"),
    sick("jit-overhead", "a list of tasks", "SELECT state, priority, count(*), avg(id), min(created_at) FROM task WHERE tenant_id = 7 GROUP BY 1, 2", jit="on", jit_above_cost="10", jit_inline_above_cost="10", jit_optimize_above_cost="10"),
    sick("correlated-subplan", "the last message of each task", "SELECT t.id, (SELECT max(created_at) FROM task u WHERE u.agent_id = t.agent_id) FROM task t WHERE t.id < 20000"),
    sick("correlated-subplan", "messages without index", "SELECT t.id, (SELECT count(*) FROM message m WHERE m.task_id = t.id) FROM task t ORDER BY id LIMIT 20"),
    sick("cte-materialized", "one agent of all tasks", "WITH t AS MATERIALIZED (SELECT * FROM task) SELECT * FROM t WHERE agent_id = md5('7')::uuid"),
    sick("cte-materialized", "a joined view of all, of one tenant",
         "WITH t AS MATERIALIZED (SELECT t.*, a.name FROM task t JOIN agent a ON a.id = t.agent_id) SELECT * FROM t WHERE tenant_id = 77", work_mem="64MB"),
    sick("work-repeated", "tasks again for each tenant",
         "SELECT t.id, x.n FROM tenant t CROSS JOIN LATERAL (SELECT count(*) AS n FROM agent a WHERE a.name > t.name) x"),
    sick("work-repeated", "the same groups joined with themselves",
         "SELECT count(*) FROM (SELECT agent_id, count(*) n FROM task GROUP BY 1) a JOIN (SELECT agent_id, count(*) n FROM task GROUP BY 1) b ON a.agent_id = b.agent_id", work_mem="64MB"),
    sick("workers-not-launched", "all busy", "SELECT state, count(*) FROM task GROUP BY state", parallel=True, max_parallel_workers="0"),
    sick("row-misestimate", "a state that goes with a number",
         "SELECT a.name FROM task t JOIN agent a ON a.id = t.agent_id WHERE t.state = 'queued' AND t.id % 20 = 0 AND t.id % 10 = 0 ORDER BY a.name"),
    healthy("tasks of a small tenant", "SELECT * FROM task WHERE tenant_id = 77 ORDER BY created_at DESC LIMIT 50"),
    healthy("tasks of the large tenant", "SELECT * FROM task WHERE tenant_id = 1 ORDER BY created_at DESC LIMIT 50"),
    healthy("all the large tenant's tasks", "SELECT state, count(*) FROM task WHERE tenant_id = 1 GROUP BY state"),
    healthy("agents of a tenant", "SELECT * FROM agent WHERE tenant_id = 77"),
    healthy("tasks of an agent", "SELECT * FROM task WHERE agent_id = md5('77')::uuid"),
    healthy("states", "SELECT state, count(*) FROM task GROUP BY state"),
    healthy("states with workers", "SELECT state, count(*) FROM task GROUP BY state", parallel=True),
    healthy("states, all options", "SELECT state, count(*) FROM task GROUP BY state", options="ANALYZE, BUFFERS, VERBOSE, SETTINGS, WAL"),
    healthy("a hash join in memory", "SELECT a.model, count(*) FROM task t JOIN agent a ON a.id = t.agent_id GROUP BY a.model", work_mem="64MB"),
    healthy("a merge join by indexes", "SELECT count(*) FROM message m JOIN task t ON t.id = m.id", enable_hashjoin="off", enable_nestloop="off"),
    healthy("remembered look-ups", "SELECT count(*) FROM task t JOIN tenant n ON n.id = t.tenant_id WHERE t.created_at > '2025-07-15'", enable_hashjoin="off", enable_mergejoin="off"),
    healthy("active agents", "SELECT count(*) FROM agent WHERE active"),
    healthy("inactive agents of a model", "SELECT count(*) FROM agent WHERE NOT active"),
    healthy("a tenant by name", "SELECT * FROM tenant WHERE name = 'tenant 7'"),
    healthy("gold tenants", "SELECT * FROM tenant WHERE plan = 'gold' ORDER BY name"),
    healthy("recursion", "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT sum(i) FROM n"),
    healthy("a list of keys", "SELECT * FROM task WHERE id = ANY (ARRAY(SELECT generate_series(1, 400000, 4000)))"),
    healthy("a semi join", "SELECT count(*) FROM agent a WHERE EXISTS (SELECT FROM task t WHERE t.agent_id = a.id)", work_mem="64MB"),
    healthy("a window over a tenant", "SELECT id, row_number() OVER (PARTITION BY state ORDER BY created_at) FROM task WHERE tenant_id = 77"),
    healthy("a bitmap of two", "SELECT count(*) FROM task WHERE tenant_id = 77 OR agent_id = md5('9')::uuid"),
    healthy("the top of groups", "SELECT agent_id, count(*) FROM task GROUP BY 1 ORDER BY 2 DESC LIMIT 5", work_mem="64MB"),
    healthy("a sample of work", "SELECT * FROM task WHERE state = 'queued' AND created_at > '2025-07-19' ORDER BY priority LIMIT 10"),
    healthy("nothing", "SELECT 1"),
    healthy("a series", "SELECT sum(i) FROM generate_series(1, 200000) i"),
    healthy("an update of a list", "UPDATE task SET priority = 1 WHERE id BETWEEN 100 AND 400"),
    healthy("only planned: a tenant", "SELECT * FROM task WHERE tenant_id = 77 ORDER BY created_at DESC LIMIT 50", options="COSTS"),
    healthy("only planned: a join of all", "SELECT a.model, count(*) FROM task t JOIN agent a ON a.id = t.agent_id GROUP BY a.model", options="COSTS"),
    healthy("a read of all, sorted by its index", "SELECT * FROM task ORDER BY id", options="ANALYZE"),
]  # fmt: skip
