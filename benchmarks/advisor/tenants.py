"""
A web application of many tenants: twelve tables, eighty-eight statements as an ORM sends them.

The data are made by the server, the same every time. `scale` 1.0 is 1.5 million events.
"""

from __future__ import annotations

SCHEMA = """
CREATE TABLE tenant (id int PRIMARY KEY, slug text NOT NULL, plan text NOT NULL,
    created_at timestamptz NOT NULL, suspended_at timestamptz);
CREATE TABLE member (id int PRIMARY KEY, tenant_id int NOT NULL REFERENCES tenant, email text NOT NULL,
    name text NOT NULL, role text NOT NULL, is_active bool NOT NULL, last_seen_at timestamptz,
    settings jsonb NOT NULL);
CREATE TABLE project (id int PRIMARY KEY, tenant_id int NOT NULL REFERENCES tenant, owner_id int NOT NULL,
    name text NOT NULL, state text NOT NULL, archived_at timestamptz, created_at timestamptz NOT NULL);
CREATE TABLE task (id int PRIMARY KEY, tenant_id int NOT NULL, project_id int NOT NULL,
    assignee_id int, author_id int NOT NULL, title text NOT NULL, body text NOT NULL,
    status text NOT NULL, priority int NOT NULL, due_on date, created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL, deleted_at timestamptz, tags text[] NOT NULL);
CREATE TABLE comment (id int PRIMARY KEY, tenant_id int NOT NULL, task_id int NOT NULL,
    author_id int NOT NULL, body text NOT NULL, created_at timestamptz NOT NULL, edited_at timestamptz);
CREATE TABLE attachment (id int PRIMARY KEY, task_id int NOT NULL, uploader_id int NOT NULL,
    file_name text NOT NULL, bytes bigint NOT NULL, sha text NOT NULL, created_at timestamptz NOT NULL);
CREATE TABLE event (id bigint PRIMARY KEY, tenant_id int NOT NULL, member_id int NOT NULL,
    kind text NOT NULL, target text NOT NULL, target_id int NOT NULL, detail jsonb NOT NULL,
    created_at timestamptz NOT NULL);
CREATE TABLE notice (id int PRIMARY KEY, member_id int NOT NULL, event_id bigint NOT NULL,
    read_at timestamptz, created_at timestamptz NOT NULL);
CREATE TABLE session (token text PRIMARY KEY, member_id int NOT NULL, created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL, ip text NOT NULL);
CREATE TABLE invoice (id int PRIMARY KEY, tenant_id int NOT NULL, number text NOT NULL,
    status text NOT NULL, amount numeric(10,2) NOT NULL, due_on date NOT NULL, paid_at timestamptz);
CREATE TABLE job (id int PRIMARY KEY, queue text NOT NULL, status text NOT NULL, run_at timestamptz NOT NULL,
    attempts int NOT NULL, payload jsonb NOT NULL, finished_at timestamptz);
CREATE TABLE api_call (id bigint PRIMARY KEY, tenant_id int NOT NULL, path text NOT NULL,
    status int NOT NULL, took_ms int NOT NULL, at timestamptz NOT NULL);
"""

DATA = """
INSERT INTO tenant SELECT i, 'tenant-' || i, (ARRAY['free','free','team','firm'])[1 + r(i, 1, 4)],
    timestamptz '2022-01-01' + i * interval '1 h', CASE WHEN r(i, 2, 50) = 0 THEN now() END
FROM generate_series(1, {tenants}) i;
INSERT INTO member SELECT i, 1 + r(i, 3, {tenants}), 'Member.' || i || '@Example' || r(i, 4, 400) || '.org',
    'First' || r(i, 5, 900) || ' Last' || r(i, 6, 4000), (ARRAY['user','user','user','lead','admin'])
    [1 + r(i, 7, 5)], r(i, 8, 10) > 0, timestamptz '2024-01-01' + r(i, 9, 15000000) * interval '1 s',
    jsonb_build_object('theme', (ARRAY['dark','light'])[1 + r(i, 10, 2)], 'beta', r(i, 11, 40) = 0,
    'zone', 'zone ' || r(i, 12, 200)) FROM generate_series(1, {members}) i;
INSERT INTO project SELECT i, 1 + r(i, 13, {tenants}), 1 + r(i, 14, {members}), 'Project ' || i,
    (ARRAY['active','active','paused','closed'])[1 + r(i, 15, 4)],
    CASE WHEN r(i, 16, 4) = 0 THEN timestamptz '2024-01-01' END, timestamptz '2022-01-01' + i * interval '10 min'
FROM generate_series(1, {projects}) i;
INSERT INTO task SELECT i, 1 + r(r(i, 18, {projects}), 13, {tenants}), 1 + r(i, 18, {projects}),
    CASE WHEN r(i, 19, 5) > 0 THEN 1 + r(i, 20, {members}) END, 1 + r(i, 21, {members}),
    'Task ' || md5(i::text) || ' about ' || md5((i * 7)::text), repeat(md5((i * 3)::text) || ' ', 4),
    (ARRAY['done','done','done','done','done','done','done','open','open','doing'])[1 + r(i, 22, 10)],
    r(i, 23, 5), CASE WHEN r(i, 24, 3) = 0 THEN date '2024-01-01' + r(i, 25, 700) END,
    timestamptz '2022-01-01' + i * interval '4 min', timestamptz '2022-01-01' + (i + r(i, 26, 20000)) * interval '4 min',
    CASE WHEN r(i, 27, 20) = 0 THEN timestamptz '2024-06-01' END,
    ARRAY['tag' || r(i, 28, 500), 'tag' || r(i, 29, 500)] FROM generate_series(1, {tasks}) i;
INSERT INTO comment SELECT i, 1 + r(i, 31, {tenants}), 1 + r(i, 32, {tasks}), 1 + r(i, 33, {members}),
    repeat(md5(i::text) || ' ', 3), timestamptz '2022-06-01' + i * interval '90 s',
    CASE WHEN r(i, 34, 12) = 0 THEN timestamptz '2024-05-01' END FROM generate_series(1, {comments}) i;
INSERT INTO attachment SELECT i, 1 + r(i, 35, {tasks}), 1 + r(i, 36, {members}), 'file ' || r(i, 37, 90000) ||
    (ARRAY['.pdf','.png','.txt'])[1 + r(i, 38, 3)], r(i, 39, 90000000), md5(i::text),
    timestamptz '2022-06-01' + i * interval '9 min' FROM generate_series(1, {attachments}) i;
INSERT INTO event SELECT i, 1 + r(i, 40, {tenants}), 1 + r(i, 41, {members}),
    (ARRAY['view','view','view','view','edit','edit','login','export','delete'])[1 + r(i, 42, 9)],
    (ARRAY['task','task','project','member'])[1 + r(i, 43, 4)], r(i, 44, {tasks}),
    jsonb_build_object('source', (ARRAY['web','web','api','import'])[1 + r(i, 45, 4)], 'ref', r(i, 46, 60000)),
    timestamptz '2023-01-01' + i * interval '30 s' FROM generate_series(1, {events}) i;
INSERT INTO notice SELECT i, 1 + r(i, 47, {members}), 1 + r(i, 48, {events}),
    CASE WHEN r(i, 49, 25) > 0 THEN timestamptz '2024-01-01' END, timestamptz '2023-01-01' + i * interval '70 s'
FROM generate_series(1, {notices}) i;
INSERT INTO session SELECT md5(i::text), 1 + r(i, 50, {members}), timestamptz '2024-01-01' + i * interval '60 s',
    timestamptz '2024-02-01' + i * interval '60 s', '10.0.' || r(i, 51, 256) || '.' || r(i, 52, 256)
FROM generate_series(1, {sessions}) i;
INSERT INTO invoice SELECT i, 1 + r(i, 53, {tenants}), 'R-' || i, (ARRAY['paid','paid','paid','paid','paid',
    'paid','paid','paid','open','late'])[1 + r(i, 54, 10)], r(i, 55, 900000) / 100.0, date '2022-01-01' + r(i, 56, 1000),
    CASE WHEN r(i, 54, 10) < 8 THEN timestamptz '2024-03-01' END FROM generate_series(1, {invoices}) i;
INSERT INTO job SELECT i, (ARRAY['mail','mail','export','hook'])[1 + r(i, 57, 4)],
    CASE WHEN r(i, 58, 200) = 0 THEN 'queued' WHEN r(i, 58, 200) < 6 THEN 'failed' ELSE 'done' END,
    timestamptz '2023-06-01' + i * interval '2 min', r(i, 59, 4), jsonb_build_object('n', r(i, 60, 1000)),
    CASE WHEN r(i, 58, 200) > 0 THEN timestamptz '2024-06-01' END FROM generate_series(1, {jobs}) i;
INSERT INTO api_call SELECT i, 1 + r(i, 61, {tenants}), '/v1/' || r(i, 62, 60),
    CASE WHEN r(i, 63, 300) = 0 THEN 500 WHEN r(i, 63, 300) < 12 THEN 404 ELSE 200 END, 3 + r(i, 64, 400),
    timestamptz '2024-01-01' + i * interval '15 s' FROM generate_series(1, {api_calls}) i;
"""


def sizes(scale: float) -> dict[str, int]:
    full = {
        "tenants": 800,
        "members": 60_000,
        "projects": 12_000,
        "tasks": 400_000,
        "comments": 700_000,
        "attachments": 150_000,
        "events": 1_500_000,
        "notices": 600_000,
        "sessions": 120_000,
        "invoices": 60_000,
        "jobs": 300_000,
        "api_calls": 800_000,
    }
    return {name: max(50, int(rows * scale)) for name, rows in full.items()}


# Each with how often it is called, beside the others.
STATEMENTS: tuple[tuple[float, str], ...] = (
    # signing in
    (
        60,
        "SELECT id, tenant_id, name, role FROM member WHERE lower(email) = 'member.4711@example7.org'",
    ),
    (20, "SELECT * FROM member WHERE email = 'Member.815@Example9.org'"),
    (
        90,
        "SELECT s.token, m.id, m.name FROM session s JOIN member m ON m.id = s.member_id WHERE s.token = 'x'",
    ),
    (10, "SELECT * FROM session WHERE member_id = 977 ORDER BY created_at DESC LIMIT 5"),
    (2, "DELETE FROM session WHERE expires_at < timestamptz '2024-02-02'"),
    (1, "SELECT ip, count(*) FROM session WHERE member_id = 4242 GROUP BY ip"),
    (5, "UPDATE member SET last_seen_at = now() WHERE id = 31"),
    (6, "SELECT * FROM tenant WHERE slug = 'tenant-77'"),
    # members
    (
        15,
        "SELECT id, name, role FROM member WHERE tenant_id = 55 AND is_active ORDER BY name LIMIT 50",
    ),
    (4, "SELECT count(*) FROM member WHERE tenant_id = 56 AND is_active"),
    (3, "SELECT * FROM member WHERE tenant_id = 57 AND role = 'admin'"),
    (3, "SELECT id, name FROM member WHERE tenant_id = 58 AND name ILIKE '%last77%' LIMIT 20"),
    (2, "SELECT id, email FROM member WHERE email ILIKE '%example31.org'"),
    (2, "SELECT id FROM member WHERE settings @> '{\"beta\": true}'"),
    (
        1,
        "SELECT tenant_id, count(*) FROM member WHERE last_seen_at > timestamptz '2024-06-20' GROUP BY tenant_id",
    ),
    (
        2,
        "SELECT m.* FROM member m JOIN tenant t ON t.id = m.tenant_id WHERE t.slug = 'tenant-12' AND m.role = 'lead'",
    ),
    # projects
    (
        20,
        "SELECT * FROM project WHERE tenant_id = 71 AND archived_at IS NULL ORDER BY created_at DESC LIMIT 20",
    ),
    (4, "SELECT id, name FROM project WHERE owner_id = 3111"),
    (3, "SELECT * FROM project WHERE tenant_id = 72 AND state = 'active' ORDER BY name"),
    (
        2,
        "SELECT p.id, count(t.id) FROM project p JOIN task t ON t.project_id = p.id WHERE p.tenant_id = 73 GROUP BY p.id",
    ),
    (1, "SELECT state, count(*) FROM project WHERE tenant_id = 74 GROUP BY state"),
    (2, "SELECT * FROM project WHERE name = 'Project 5021'"),
    # tasks
    (
        40,
        "SELECT id, title, status, priority FROM task WHERE project_id = 811 AND deleted_at IS NULL ORDER BY created_at DESC LIMIT 50",
    ),
    (
        25,
        "SELECT * FROM task WHERE assignee_id = 9021 AND status = 'open' AND deleted_at IS NULL ORDER BY due_on LIMIT 30",
    ),
    (
        12,
        "SELECT count(*) FROM task WHERE assignee_id = 9022 AND status <> 'done' AND deleted_at IS NULL",
    ),
    (
        8,
        "SELECT * FROM task WHERE tenant_id = 91 AND status = 'doing' ORDER BY updated_at DESC LIMIT 25",
    ),
    (
        8,
        "SELECT id, title FROM task WHERE tenant_id = 92 ORDER BY priority DESC, created_at ASC LIMIT 25",
    ),
    (
        6,
        "SELECT status, count(*) FROM task WHERE project_id = 812 AND deleted_at IS NULL GROUP BY status",
    ),
    (5, "SELECT id, title FROM task WHERE title ILIKE '%4f1c9%' LIMIT 10"),
    (4, "SELECT * FROM task WHERE tags @> ARRAY['tag77'] AND tenant_id = 93"),
    (4, "SELECT * FROM task WHERE author_id = 4101 ORDER BY created_at DESC LIMIT 10"),
    (
        3,
        "SELECT id FROM task WHERE due_on < date '2024-02-01' AND status = 'open' AND deleted_at IS NULL",
    ),
    (
        3,
        "SELECT t.id, t.title, p.name FROM task t JOIN project p ON p.id = t.project_id WHERE t.assignee_id = 9023 AND p.archived_at IS NULL",
    ),
    (
        2,
        "SELECT assignee_id, count(*) FROM task WHERE tenant_id = 94 AND status = 'open' GROUP BY assignee_id",
    ),
    (
        2,
        "SELECT * FROM task WHERE tenant_id = 95 AND created_at BETWEEN timestamptz '2023-01-01' AND timestamptz '2023-02-01'",
    ),
    (
        2,
        "SELECT id FROM task WHERE tenant_id = 96 AND assignee_id IS NULL AND status = 'open' AND deleted_at IS NULL",
    ),
    (1, "SELECT date_trunc('day', created_at), count(*) FROM task WHERE tenant_id = 97 GROUP BY 1"),
    (
        3,
        "UPDATE task SET status = 'done', updated_at = now() WHERE project_id = 813 AND status = 'doing'",
    ),
    (5, "SELECT * FROM task WHERE id IN (17, 1800, 40000)"),
    (2, "SELECT max(updated_at) FROM task WHERE project_id = 814"),
    (
        2,
        "SELECT * FROM task WHERE project_id IN (815, 816, 817) AND status = 'open' AND priority >= 3",
    ),
    (1, "SELECT id FROM task WHERE deleted_at < timestamptz '2024-07-01' LIMIT 1000"),
    (
        1,
        "SELECT t.status, avg(t.priority) FROM task t JOIN member m ON m.id = t.assignee_id WHERE m.tenant_id = 98 GROUP BY t.status",
    ),
    # comments
    (
        30,
        "SELECT c.*, m.name FROM comment c JOIN member m ON m.id = c.author_id WHERE c.task_id = 7171 ORDER BY c.created_at",
    ),
    (10, "SELECT count(*) FROM comment WHERE task_id = 7172"),
    (4, "SELECT * FROM comment WHERE author_id = 511 ORDER BY created_at DESC LIMIT 20"),
    (
        3,
        "SELECT id, task_id FROM comment WHERE tenant_id = 111 AND created_at > timestamptz '2024-05-20'",
    ),
    (2, "SELECT id FROM comment WHERE body LIKE '%e3b0c%' LIMIT 5"),
    (
        1,
        "SELECT author_id, count(*) FROM comment WHERE tenant_id = 112 GROUP BY author_id ORDER BY 2 DESC LIMIT 5",
    ),
    (
        2,
        "SELECT * FROM comment WHERE edited_at IS NOT NULL AND tenant_id = 113 ORDER BY edited_at DESC LIMIT 10",
    ),
    (
        2,
        "SELECT t.id, count(c.id) FROM task t LEFT JOIN comment c ON c.task_id = t.id WHERE t.project_id = 818 GROUP BY t.id",
    ),
    # attachments
    (8, "SELECT * FROM attachment WHERE task_id = 10101"),
    (2, "SELECT id FROM attachment WHERE sha = '0cc175b9c0f1b6a831c399e269772661'"),
    (1, "SELECT sum(bytes) FROM attachment WHERE uploader_id = 1313"),
    (1, "SELECT * FROM attachment WHERE file_name LIKE 'file 4711%'"),
    (
        1,
        "SELECT a.* FROM attachment a JOIN task t ON t.id = a.task_id WHERE t.project_id = 819 ORDER BY a.created_at DESC LIMIT 20",
    ),
    # events
    (12, "SELECT * FROM event WHERE tenant_id = 131 ORDER BY created_at DESC LIMIT 50"),
    (
        8,
        "SELECT * FROM event WHERE target = 'task' AND target_id = 20202 ORDER BY created_at DESC LIMIT 20",
    ),
    (
        5,
        "SELECT * FROM event WHERE member_id = 2021 AND kind = 'login' ORDER BY created_at DESC LIMIT 1",
    ),
    (
        4,
        "SELECT kind, count(*) FROM event WHERE tenant_id = 132 AND created_at > timestamptz '2024-05-01' GROUP BY kind",
    ),
    (3, "SELECT count(*) FROM event WHERE tenant_id = 133 AND kind = 'export'"),
    (2, "SELECT * FROM event WHERE detail @> '{\"ref\": 4711}' AND tenant_id = 134"),
    (2, "SELECT * FROM event WHERE detail ->> 'ref' = '4712'"),
    (2, "SELECT * FROM event WHERE kind = 'delete' ORDER BY created_at DESC LIMIT 100"),
    (
        1,
        "SELECT date_trunc('hour', created_at), count(*) FROM event WHERE created_at >= timestamptz '2024-05-20' AND created_at < timestamptz '2024-05-27' GROUP BY 1",
    ),
    (1, "SELECT member_id, max(created_at) FROM event WHERE tenant_id = 135 GROUP BY member_id"),
    (
        2,
        "SELECT count(DISTINCT member_id) FROM event WHERE tenant_id = 136 AND created_at > timestamptz '2024-04-01'",
    ),
    # notices
    (50, "SELECT count(*) FROM notice WHERE member_id = 5051 AND read_at IS NULL"),
    (
        20,
        "SELECT * FROM notice WHERE member_id = 5052 AND read_at IS NULL ORDER BY created_at DESC LIMIT 20",
    ),
    (
        6,
        "SELECT n.id, e.kind FROM notice n JOIN event e ON e.id = n.event_id WHERE n.member_id = 5053 ORDER BY n.created_at DESC LIMIT 20",
    ),
    (4, "UPDATE notice SET read_at = now() WHERE member_id = 5054 AND read_at IS NULL"),
    (1, "DELETE FROM notice WHERE created_at < timestamptz '2023-01-02'"),
    (1, "SELECT * FROM notice WHERE event_id = 60606"),
    # invoices
    (3, "SELECT * FROM invoice WHERE tenant_id = 151 ORDER BY due_on DESC"),
    (2, "SELECT sum(amount) FROM invoice WHERE status = 'open' AND due_on < date '2024-01-01'"),
    (2, "SELECT * FROM invoice WHERE number = 'R-4040'"),
    (
        1,
        "SELECT i.*, t.slug FROM invoice i JOIN tenant t ON t.id = i.tenant_id WHERE i.status = 'late' ORDER BY i.due_on LIMIT 50",
    ),
    # jobs
    (40, "SELECT * FROM job WHERE status = 'queued' AND queue = 'mail' ORDER BY run_at LIMIT 10"),
    (5, "SELECT count(*) FROM job WHERE status = 'failed' AND run_at > timestamptz '2024-06-01'"),
    (2, "SELECT queue, count(*) FROM job WHERE status = 'queued' GROUP BY queue"),
    (1, "DELETE FROM job WHERE finished_at < timestamptz '2024-01-01'"),
    # calls of the API
    (
        3,
        "SELECT count(*), avg(took_ms) FROM api_call WHERE tenant_id = 171 AND at > timestamptz '2024-05-01'",
    ),
    (2, "SELECT path, count(*) FROM api_call WHERE status >= 500 GROUP BY path ORDER BY 2 DESC"),
    (2, "SELECT * FROM api_call WHERE tenant_id = 172 AND status = 500 ORDER BY at DESC LIMIT 20"),
    (
        1,
        "SELECT path, max(took_ms) FROM api_call WHERE at > timestamptz '2024-05-15' GROUP BY path",
    ),
    (
        1,
        "SELECT * FROM api_call WHERE path = '/v1/7' AND took_ms > 395 ORDER BY took_ms DESC LIMIT 10",
    ),
    (
        30,
        "INSERT INTO event (id, tenant_id, member_id, kind, target, target_id, detail, created_at) VALUES (9999999, 1, 2, 'view', 'task', 3, '{}', now())",
    ),
    (
        8,
        "INSERT INTO comment (id, tenant_id, task_id, author_id, body, created_at) VALUES (9999999, 1, 2, 3, 'x', now())",
    ),
)
