"""A forum: posts and votes of very unequal authors, made by chance."""

from __future__ import annotations

from cases import Case, healthy, sick

SETUP = """
CREATE TABLE users (id serial PRIMARY KEY, username varchar(50) UNIQUE NOT NULL, email text, reputation int, country text, last_seen timestamp, bio text);
INSERT INTO users (username, email, reputation, country, last_seen, bio) SELECT 'u' || i, 'mail' || i || '@x.org', (random()*10000)::int, (ARRAY['DE','US','FR','IN','BR','JP'])[1 + (random()*5)::int], timestamp '2025-01-01' + random()*300 * interval '1 day', md5(i::text) FROM generate_series(1, 50000) i;
CREATE TABLE posts (id serial PRIMARY KEY, author_id int REFERENCES users(id), title text, body text, score int, views int, kind smallint, deleted boolean, created timestamp, parent_id int);
INSERT INTO posts (author_id, title, body, score, views, kind, deleted, created, parent_id) SELECT 1 + (power(random(), 3) * 49999)::int, 'title ' || md5(i::text), repeat(md5(i::text), 4), (random()*200)::int - 20, (random()*100000)::int, CASE WHEN random() < 0.4 THEN 1 ELSE 2 END, random() < 0.02, timestamp '2023-01-01' + i * interval '3 minutes', CASE WHEN i % 3 = 0 THEN NULL ELSE 1 + (random() * 200000)::int END FROM generate_series(1, 400000) i;
CREATE INDEX posts_created ON posts (created);
CREATE INDEX posts_author ON posts (author_id);
CREATE TABLE votes (post_id int, user_id int, value smallint, created timestamp);
INSERT INTO votes SELECT 1 + (random()*399999)::int, 1 + (random()*49999)::int, CASE WHEN random() < 0.9 THEN 1 ELSE -1 END, timestamp '2023-01-01' + random() * 800 * interval '1 day' FROM generate_series(1, 900000) i;
CREATE TABLE tags (id int PRIMARY KEY, name text);
INSERT INTO tags SELECT i, 'tag' || i FROM generate_series(1, 1000) i;
CREATE TABLE post_tags (post_id int, tag_id int, PRIMARY KEY (post_id, tag_id));
INSERT INTO post_tags SELECT DISTINCT 1 + (random()*399999)::int, 1 + (power(random(),2)*999)::int FROM generate_series(1, 600000) i;
CREATE TABLE badge (id int PRIMARY KEY, user_id int NOT NULL REFERENCES users(id) ON DELETE CASCADE, name text);
INSERT INTO badge SELECT i, 1 + (random()*40000)::int, 'b' || i % 50 FROM generate_series(1, 200000) i;
VACUUM ANALYZE
"""
P = {"parallel": True}
CASES: list[Case] = [
    sick("selective-seq-scan", "votes of post", "SELECT count(*) FROM votes WHERE post_id = 5000"),
    sick("selective-seq-scan", "votes of post par", "SELECT count(*) FROM votes WHERE post_id = 5000", **P),
    sick("selective-seq-scan", "children", "SELECT * FROM posts WHERE parent_id = 777"),
    sick("selective-seq-scan", "deleted posts 2%", "SELECT id, title FROM posts WHERE deleted"),
    sick("selective-seq-scan", "5% score", "SELECT id FROM posts WHERE score > 171", options="ANALYZE"),
    sick("selective-seq-scan", "email", "SELECT * FROM users WHERE email = 'mail77@x.org'"),
    sick("selective-seq-scan", "badge of user join", "SELECT b.name FROM users u JOIN badge b ON b.user_id = u.id WHERE u.username = 'u77'"),
    sick("selective-seq-scan", "badge join par", "SELECT b.name FROM users u JOIN badge b ON b.user_id = u.id WHERE u.username = 'u77'", **P),
    sick("selective-seq-scan", "estimated only", "SELECT * FROM votes WHERE user_id = 8", options="COSTS"),
    sick("selective-seq-scan", "tag posts", "SELECT p.title FROM post_tags pt JOIN posts p ON p.id = pt.post_id WHERE pt.tag_id = 900"),
    sick("function-on-column", "lower", "SELECT * FROM users WHERE lower(username) = 'u77'"),
    sick("function-on-column", "date()", "SELECT count(*) FROM posts WHERE date(created) = '2024-03-01'", **P),
    sick("function-on-column", "year month", "SELECT count(*) FROM posts WHERE extract(year from created) = 2023 AND extract(month from created) = 4"),
    sick("function-on-column", "math", "SELECT id FROM posts WHERE score * 2 > 355"),
    sick("function-on-column", "date_trunc month", "SELECT sum(views) FROM posts WHERE date_trunc('month', created) = '2024-02-01'"),
    sick("cast-on-column", "text", "SELECT * FROM posts WHERE id::text = '1234'"),
    sick("cast-on-column", "date", "SELECT id FROM posts WHERE created::date = '2024-02-02'"),
    sick("cast-on-column", "numeric", "SELECT * FROM posts WHERE author_id = 77.0::numeric"),
    sick("cast-on-column", "float", "SELECT * FROM posts WHERE id = 77::double precision", **P),
    sick("cast-on-column", "like on int", "SELECT * FROM posts WHERE id::text LIKE '1234%'"),
    sick("leading-wildcard", "title", "SELECT id FROM posts WHERE title LIKE '%abcdef%'"),
    sick("leading-wildcard", "username varchar", "SELECT id FROM users WHERE username LIKE '%777'"),
    sick("leading-wildcard", "ilike par", "SELECT id FROM posts WHERE body ILIKE '%ABCDEF%' ORDER BY id LIMIT 10", **P),
    sick("or-across-tables", "user or post", "SELECT p.id FROM posts p JOIN users u ON u.id = p.author_id WHERE u.username = 'u5' OR p.id = 9"),
    sick("or-across-tables", "score or rep", "SELECT count(*) FROM posts p JOIN users u ON u.id = p.author_id WHERE u.reputation > 9990 OR p.score > 179"),
    sick("or-across-tables", "left", "SELECT p.id FROM posts p LEFT JOIN badge b ON b.user_id = p.author_id AND b.name = 'b1' WHERE b.id = 5 OR p.id = 10"),
    sick("filtered-index-scan", "range and score", "SELECT * FROM posts WHERE created BETWEEN '2024-01-01' AND '2024-04-01' AND score = 100 AND kind = 1"),
    sick("filtered-index-scan", "heavy author", "SELECT * FROM posts WHERE author_id < 60 AND views = 5"),
    sick("limit-walk", "by id", "SELECT * FROM posts WHERE author_id + 0 = 49999 ORDER BY id LIMIT 3", enable_sort="off"),
    sick("limit-walk", "join", "SELECT p.id FROM posts p JOIN users u ON u.id = p.author_id WHERE u.username = 'u49000' ORDER BY p.created DESC LIMIT 10", enable_sort="off", enable_hashjoin="off", enable_mergejoin="off"),
    sick("offset-walk", "deep", "SELECT id, title FROM posts ORDER BY created DESC LIMIT 25 OFFSET 250000"),
    sick("offset-walk", "10000", "SELECT id, title FROM posts ORDER BY created DESC LIMIT 25 OFFSET 20000"),
    sick("offset-walk", "sorted", "SELECT id, title FROM posts ORDER BY views LIMIT 25 OFFSET 100000", work_mem="64MB"),
    sick("sort-spill", "by body", "SELECT * FROM posts ORDER BY body", work_mem="4MB"),
    sick("sort-spill", "window par", "SELECT id, row_number() OVER (PARTITION BY kind ORDER BY score) FROM posts", work_mem="4MB", **P),
    sick("hash-spill", "votes posts", "SELECT count(*) FROM votes v JOIN posts p ON p.id = v.post_id", work_mem="2MB", enable_mergejoin="off", enable_nestloop="off"),
    sick("hash-spill", "groupby", "SELECT post_id, count(*) FROM votes GROUP BY post_id", work_mem="2MB", enable_sort="off"),
    sick("lossy-bitmap", "many authors", "SELECT sum(score) FROM posts WHERE author_id BETWEEN 100 AND 9000", work_mem="64kB", enable_seqscan="off", enable_indexscan="off"),
    sick("nested-loop-blowup", "users x users", "SELECT count(*) FROM users a JOIN users b ON a.reputation = b.reputation + 1 AND a.id < b.id WHERE a.country = 'DE' AND b.country='US' AND b.id < 20000", enable_hashjoin="off", enable_mergejoin="off"),
    sick("nested-loop-blowup", "cross", "SELECT sum(t.id) FROM users u, tags t WHERE u.country = 'JP'"),
    sick("correlated-subplan", "per user", "SELECT u.username, (SELECT count(*) FROM posts p WHERE p.author_id = u.id) FROM users u"),
    sick("correlated-subplan", "where", "SELECT p.id FROM posts p WHERE p.views > (SELECT avg(q.views) FROM posts q WHERE q.author_id = p.author_id) AND p.created < '2023-02-01'"),
    sick("correlated-subplan", "noindex", "SELECT u.id, (SELECT max(name) FROM badge b WHERE b.user_id = u.id) FROM users u WHERE u.id < 60"),
    sick("cte-materialized", "filter", "WITH p AS MATERIALIZED (SELECT * FROM posts) SELECT * FROM p WHERE id = 7"),
    sick("cte-materialized", "twice", "WITH p AS (SELECT * FROM posts WHERE NOT deleted) SELECT (SELECT count(*) FROM p WHERE author_id = 5) + (SELECT count(*) FROM p WHERE author_id = 6)"),
    sick("cte-materialized", "join", "WITH p AS MATERIALIZED (SELECT author_id, count(*) c FROM posts GROUP BY 1) SELECT u.username, p.c FROM users u JOIN p ON p.author_id = u.id WHERE u.username = 'u5'", work_mem="32MB"),
    sick("work-repeated", "lateral agg", "SELECT t.id, (x.c) FROM (SELECT * FROM tags WHERE id <= 30) t CROSS JOIN LATERAL (SELECT count(*) c FROM badge b WHERE b.name = 'b' || t.id) x"),
    sick("work-repeated", "dup agg", "SELECT a.author_id FROM (SELECT author_id, sum(views) s FROM posts GROUP BY 1) a JOIN (SELECT author_id, sum(views) s FROM posts GROUP BY 1) b USING (author_id) WHERE a.s > b.s", work_mem="32MB"),
    sick("work-repeated", "seq inner", "SELECT count(*) FROM tags t JOIN badge b ON b.name = 'b' || t.id WHERE t.id <= 40", enable_hashjoin="off", enable_mergejoin="off", enable_material="off"),
    sick("jit-overhead", "small", "SELECT kind, count(*), avg(score), sum(views), max(title) FROM posts WHERE id < 20000 GROUP BY kind", jit="on", jit_above_cost="0", jit_inline_above_cost="0", jit_optimize_above_cost="0"),
    sick("workers-not-launched", "none", "SELECT kind, avg(score) FROM posts GROUP BY kind", max_parallel_workers="0", **P),
    sick("unindexed-foreign-key", "badge", "DELETE FROM users WHERE id BETWEEN 45000 AND 45010 AND NOT EXISTS (SELECT FROM posts p WHERE p.author_id = users.id)"),
    healthy("pk", "SELECT * FROM posts WHERE id = 5"),
    healthy("author", "SELECT * FROM posts WHERE author_id = 30000 ORDER BY created DESC LIMIT 20"),
    healthy("latest", "SELECT id, title FROM posts ORDER BY created DESC LIMIT 30"),
    healthy("latest joined", "SELECT p.id, u.username FROM posts p JOIN users u ON u.id = p.author_id ORDER BY p.created DESC LIMIT 30"),
    healthy("latest not deleted", "SELECT id FROM posts WHERE NOT deleted ORDER BY created DESC LIMIT 30"),
    healthy("count", "SELECT count(*) FROM votes"),
    healthy("count par", "SELECT count(*) FROM votes", **P),
    healthy("avg by kind", "SELECT kind, avg(score) FROM posts GROUP BY kind"),
    healthy("group country", "SELECT country, count(*) FROM users GROUP BY country ORDER BY 2 DESC"),
    healthy("kind 40", "SELECT sum(views) FROM posts WHERE kind = 1"),
    healthy("country sixth", "SELECT count(*) FROM users WHERE country = 'DE'"),
    healthy("quarter", "SELECT count(*) FROM posts WHERE score > 125"),
    healthy("15%", "SELECT count(*) FROM posts WHERE score > 147"),
    healthy("hash join", "SELECT u.country, count(*) FROM posts p JOIN users u ON u.id = p.author_id GROUP BY 1", work_mem="64MB"),
    healthy("hash join par", "SELECT u.country, count(*) FROM posts p JOIN users u ON u.id = p.author_id GROUP BY 1", work_mem="64MB", **P),
    healthy("votes agg", "SELECT post_id, sum(value) FROM votes GROUP BY post_id ORDER BY 2 DESC LIMIT 10", work_mem="128MB"),
    healthy("top tags", "SELECT t.name, count(*) FROM post_tags pt JOIN tags t ON t.id = pt.tag_id GROUP BY 1 ORDER BY 2 DESC LIMIT 20", work_mem="64MB"),
    healthy("day", "SELECT count(*) FROM posts WHERE created >= '2024-03-01' AND created < '2024-03-02'"),
    healthy("month", "SELECT date_trunc('day', created), count(*) FROM posts WHERE created >= '2024-03-01' AND created < '2024-04-01' GROUP BY 1"),
    healthy("in list", "SELECT * FROM posts WHERE id IN (1,2,3,400,5000)"),
    healthy("tags of post", "SELECT t.name FROM post_tags pt JOIN tags t ON t.id = pt.tag_id WHERE pt.post_id = 777"),
    healthy("small scan", "SELECT * FROM tags WHERE name = 'tag7'"),
    healthy("small like", "SELECT * FROM tags WHERE name LIKE '%77%'"),
    healthy("small sort", "SELECT * FROM tags ORDER BY name LIMIT 5"),
    healthy("exists", "SELECT EXISTS(SELECT 1 FROM posts WHERE author_id = 5)"),
    healthy("anti join", "SELECT count(*) FROM users u WHERE NOT EXISTS (SELECT 1 FROM posts p WHERE p.author_id = u.id)", work_mem="64MB"),
    healthy("union", "SELECT id FROM posts WHERE id < 100 UNION ALL SELECT id FROM users WHERE id < 100"),
    healthy("window", "SELECT id, rank() OVER (ORDER BY score) FROM posts WHERE author_id = 30000"),
    healthy("cte once", "WITH p AS (SELECT * FROM posts) SELECT * FROM p WHERE id = 9"),
    healthy("cte agg", "WITH s AS MATERIALIZED (SELECT author_id, count(*) c FROM posts GROUP BY 1) SELECT max(c), avg(c) FROM s", work_mem="64MB"),
    healthy("page 3", "SELECT id FROM posts ORDER BY id LIMIT 20 OFFSET 40"),
    healthy("lateral", "SELECT u.id, x.title FROM users u CROSS JOIN LATERAL (SELECT title FROM posts p WHERE p.author_id = u.id LIMIT 1) x WHERE u.id <= 20"),
    healthy("sort mem", "SELECT id FROM users ORDER BY reputation", work_mem="32MB"),
    healthy("update pk", "UPDATE posts SET views = views + 1 WHERE id = 9"),
    healthy("insert", "INSERT INTO votes SELECT i, i, 1, now() FROM generate_series(1, 1000) i"),
    healthy("insert fk", "INSERT INTO badge SELECT 900000 + i, 1 + i % 40000, 'x' FROM generate_series(1, 10000) i"),
    healthy("est pk", "SELECT * FROM posts WHERE id = 5", options="COSTS"),
    healthy("est all", "SELECT count(*) FROM votes", options="COSTS"),
    healthy("est join", "SELECT u.country, count(*) FROM posts p JOIN users u ON u.id = p.author_id GROUP BY 1", options="COSTS"),
    healthy("est country", "SELECT * FROM users WHERE country = 'DE'", options="COSTS"),
    healthy("est kind", "SELECT * FROM posts WHERE kind = 1 AND NOT deleted", options="COSTS"),
    healthy("distinct", "SELECT DISTINCT country FROM users"),
    healthy("self join", "SELECT count(*) FROM posts a JOIN posts b ON b.id = a.parent_id", work_mem="128MB"),
    healthy("jit default big", "SELECT kind, sum(score), avg(views) FROM posts GROUP BY kind", jit="on"),
    healthy("grouping sets", "SELECT country, reputation > 5000, count(*) FROM users GROUP BY GROUPING SETS ((1), (2), ())", work_mem="32MB"),
    healthy("function keeps half", "SELECT count(*) FROM posts WHERE extract(year from created) = 2024"),
    healthy("array agg", "SELECT array_agg(id) FROM posts WHERE author_id = 20000"),
    healthy("merge", "SELECT count(*) FROM post_tags pt JOIN posts p ON p.id = pt.post_id", enable_hashjoin="off", enable_nestloop="off"),
]  # fmt: skip
