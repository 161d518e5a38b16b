"""Double entry: triggers of each kind, composite foreign keys, upserts, merges, locks."""

from __future__ import annotations

from cases import Case, healthy, sick

SETUP = """
CREATE TABLE branch (id int PRIMARY KEY, city text NOT NULL);
INSERT INTO branch SELECT i, 'city ' || i % 50 FROM generate_series(1, 200) i;
CREATE TABLE customer (branch_id int NOT NULL REFERENCES branch, no int NOT NULL, name varchar(60) NOT NULL, born date NOT NULL, email text, status char(1) NOT NULL, PRIMARY KEY (branch_id, no));
INSERT INTO customer SELECT 1 + i % 200, i, 'name ' || md5(i::text), date '1950-01-01' + (i * 7 % 18000), 'c' || i || '@mail.test', CASE WHEN i % 100 = 0 THEN 'X' ELSE 'A' END FROM generate_series(1, 40000) i;
CREATE TABLE account (id bigint PRIMARY KEY, branch_id int NOT NULL, customer_no int NOT NULL, currency char(3) NOT NULL, balance numeric(14,2) NOT NULL, FOREIGN KEY (branch_id, customer_no) REFERENCES customer ON DELETE CASCADE);
INSERT INTO account SELECT i, 1 + (1 + i % 38000) % 200, 1 + i % 38000, (ARRAY['EUR','USD','CHF'])[1 + i % 3], i % 1000 FROM generate_series(1, 60000) i;
CREATE TABLE posting (id bigint PRIMARY KEY, debit bigint NOT NULL REFERENCES account, credit bigint NOT NULL REFERENCES account, amount numeric(12,2) NOT NULL, booked date NOT NULL, valued timestamptz NOT NULL, text varchar(140));
INSERT INTO posting SELECT i, 1 + (i * 31) % 55000, 1 + (i * 17) % 55000, (i % 5000) / 7.0, date '2024-01-01' + (i / 800)::int, timestamptz '2024-01-01' + i * interval '108 seconds', 'transfer ' || i FROM generate_series(1, 400000) i;
CREATE INDEX posting_debit ON posting (debit);
CREATE INDEX posting_booked ON posting (booked);
CREATE TABLE card (id int PRIMARY KEY, account_id bigint NOT NULL REFERENCES account ON DELETE SET NULL, pan text NOT NULL);
INSERT INTO card SELECT i, 1 + (i * 3) % 59000, lpad((i * 7919)::text, 16, '4') FROM generate_series(1, 80000) i;
CREATE TABLE trail (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, what text, was jsonb, at timestamptz DEFAULT clock_timestamp());
CREATE TABLE limit_ (account_id bigint PRIMARY KEY, daily numeric NOT NULL, used numeric NOT NULL DEFAULT 0);
INSERT INTO limit_ SELECT i, 1000 FROM generate_series(1, 30000) i;
CREATE FUNCTION t_trail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO trail (what, was) VALUES (TG_OP, to_jsonb(OLD)); RETURN coalesce(NEW, OLD); END $$;
CREATE TRIGGER limit_trail BEFORE UPDATE OR DELETE ON limit_ FOR EACH ROW EXECUTE FUNCTION t_trail();
CREATE TABLE rate (cur char(3), day date, value numeric, PRIMARY KEY (cur, day));
INSERT INTO rate SELECT c, d::date, 1.1 FROM unnest(ARRAY['EUR','USD','CHF']) c, generate_series(date '2024-01-01', date '2025-12-31', interval '1 day') d;
CREATE TABLE statement_line (id int PRIMARY KEY, account_id bigint, n int);
INSERT INTO statement_line SELECT i, i % 500, 0 FROM generate_series(1, 4000) i;
CREATE FUNCTION t_total() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM sum(amount) FROM posting WHERE credit = NEW.account_id; RETURN NEW; END $$;
CREATE TRIGGER line_total AFTER INSERT ON statement_line FOR EACH ROW EXECUTE FUNCTION t_total();
CREATE TABLE note (id int PRIMARY KEY, body text, n int);
INSERT INTO note SELECT i, repeat('n', 100), 0 FROM generate_series(1, 30000) i;
CREATE FUNCTION t_stmt() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO trail (what) SELECT 'n ' || count(*) FROM new_rows; RETURN NULL; END $$;
CREATE TRIGGER note_stmt AFTER UPDATE ON note REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION t_stmt();
CREATE TABLE slot (id int PRIMARY KEY, taken boolean NOT NULL, by int);
INSERT INTO slot SELECT i, i % 2 = 0, i FROM generate_series(1, 20000) i;
CREATE FUNCTION t_price(n int) RETURNS int LANGUAGE plpgsql VOLATILE AS $$ BEGIN RETURN n % 77; END $$;
VACUUM ANALYZE
"""
A, T, E, V = "ANALYZE", "ANALYZE, TIMING OFF", "COSTS", "ANALYZE, BUFFERS, VERBOSE, WAL"
P = {"parallel": True}
CASES: list[Case] = [
    sick("unindexed-foreign-key", "customers that go (cascade to account, composite)", "DELETE FROM customer WHERE no BETWEEN 39000 AND 39030"),
    sick("unindexed-foreign-key", "accounts that go: credit, card", "DELETE FROM account WHERE id BETWEEN 59500 AND 59520"),
    sick("unindexed-foreign-key", "one account", "DELETE FROM account WHERE id = 59800"),
    sick("unindexed-foreign-key", "key update", "UPDATE account SET id = id + 1000000 WHERE id BETWEEN 59600 AND 59610"),
    sick("trigger-time", "limits", "UPDATE limit_ SET used = used + 1"),
    sick("trigger-time", "limits of some", "UPDATE limit_ SET used = used + 1 WHERE account_id < 4000", options=A),
    sick("trigger-time", "limits that go", "DELETE FROM limit_ WHERE account_id < 9000", options=V),
    sick("trigger-time", "lines, each a scan", "INSERT INTO statement_line SELECT 10000 + i, i, 0 FROM generate_series(1, 15) i"),
    sick("trigger-time", "upsert", "INSERT INTO limit_ SELECT i, 5, 5 FROM generate_series(1, 12000) i ON CONFLICT (account_id) DO UPDATE SET used = excluded.used"),
    sick("trigger-time", "merge", "MERGE INTO limit_ l USING (SELECT generate_series(1, 9000) i) s ON l.account_id = s.i WHEN MATCHED THEN UPDATE SET used = used + 2 WHEN NOT MATCHED THEN INSERT VALUES (s.i, 1, 1)"),
    sick("lock-or-io-wait", "update from another", "UPDATE account SET balance = balance - 5 WHERE id = 700", "-- lock UPDATE account SET balance = 1 WHERE id = 700"),
    sick("lock-or-io-wait", "select for share", "SELECT * FROM account WHERE id = 701 FOR SHARE", "-- lock UPDATE account SET balance = 1 WHERE id = 701"),
    sick("lock-or-io-wait", "delete", "DELETE FROM card WHERE id = 78", "-- lock UPDATE card SET pan = 'x' WHERE id = 78", options=A),
    sick("lock-or-io-wait", "insert of same key", "INSERT INTO branch VALUES (900, 'x') ON CONFLICT DO NOTHING", "-- lock INSERT INTO branch VALUES (900, 'y')"),
    sick("lock-or-io-wait", "foreign key parent locked", "INSERT INTO card VALUES (900000, 702, 'x')", "-- lock SELECT * FROM account WHERE id = 702 FOR UPDATE"),
    sick("lock-or-io-wait", "one of a batch", "UPDATE account SET balance = balance + 1 WHERE id BETWEEN 710 AND 760", "-- lock UPDATE account SET balance = 1 WHERE id = 730"),
    sick("lock-or-io-wait", "queue without skip locked", "SELECT * FROM slot WHERE NOT taken ORDER BY id LIMIT 5 FOR UPDATE", "-- lock UPDATE slot SET taken = true WHERE id = 1"),
    sick("lock-or-io-wait", "merge", "MERGE INTO account a USING (VALUES (703, 5)) v(i, n) ON a.id = v.i WHEN MATCHED THEN UPDATE SET balance = v.n", "-- lock UPDATE account SET balance = 1 WHERE id = 703"),
    sick("selective-seq-scan", "credits of account", "SELECT sum(amount) FROM posting WHERE credit = 4711"),
    sick("selective-seq-scan", "card by pan", "SELECT * FROM card WHERE pan = '4444444444447919'"),
    sick("selective-seq-scan", "merge source", "MERGE INTO account a USING (SELECT credit, sum(amount) s FROM posting WHERE credit BETWEEN 100 AND 110 GROUP BY credit) p ON a.id = p.credit WHEN MATCHED THEN UPDATE SET balance = balance + p.s"),
    sick("selective-seq-scan", "closed customers", "SELECT * FROM customer WHERE status = 'X'"),
    sick("selective-seq-scan", "update from", "UPDATE account a SET balance = a.balance + p.amount FROM posting p WHERE p.credit = a.id AND p.credit = 99"),
    sick("selective-seq-scan", "delete using", "DELETE FROM card c USING account a WHERE a.id = c.account_id AND a.id = 77"),
    sick("selective-seq-scan", "for update", "SELECT * FROM card WHERE account_id = 66 FOR UPDATE"),
    sick("function-on-column", "lower email", "SELECT * FROM customer WHERE lower(email) = 'c77@mail.test'"),
    sick("function-on-column", "birthday", "SELECT name FROM customer WHERE to_char(born, 'MM-DD') = '02-03'"),
    sick("function-on-column", "right pan", "SELECT * FROM card WHERE right(pan, 4) = '7919'"),
    sick("function-on-column", "abs", "SELECT id FROM posting WHERE abs(amount) > 714.1"),
    sick("function-on-column", "concat", "SELECT * FROM customer WHERE name || email = 'x'"),
    sick("function-on-column", "own function", "SELECT id FROM slot WHERE t_price(id) = 5"),
    sick("function-on-column", "arith on date", "SELECT count(*) FROM posting WHERE booked + 30 > date '2025-06-10'"),
    sick("cast-on-column", "date", "SELECT sum(amount) FROM posting WHERE valued::date = '2024-08-08'"),
    sick("cast-on-column", "varchar to numeric", "SELECT * FROM card WHERE pan::numeric = 7919"),
    sick("cast-on-column", "bigint with float", "SELECT * FROM account WHERE id = 77::float8"),
    sick("leading-wildcard", "suffix", "SELECT * FROM customer WHERE email LIKE '%77@mail.test'"),
    sick("leading-wildcard", "infix par", "SELECT id FROM posting WHERE text LIKE '%fer 12345%'", **P),
    sick("leading-wildcard", "similar", "SELECT id FROM posting WHERE text ~* '77777$'"),
    sick("or-across-tables", "debit or email", "SELECT p.id FROM posting p JOIN account a ON a.id = p.debit JOIN customer c ON c.branch_id = a.branch_id AND c.no = a.customer_no WHERE p.id = 5 OR c.email = 'c5@mail.test'"),
    sick("or-across-tables", "left join", "SELECT a.id FROM account a LEFT JOIN card c ON c.account_id = a.id WHERE a.id = 4 OR c.pan = 'x'"),
    sick("filtered-index-scan", "a month and text", "SELECT id FROM posting WHERE booked BETWEEN '2024-06-01' AND '2024-07-15' AND credit = 17"),
    sick("filtered-index-scan", "accounts of range", "SELECT sum(amount) FROM posting WHERE debit BETWEEN 100 AND 4000 AND amount > 713"),
    sick("limit-walk", "latest big", "SELECT * FROM posting WHERE text = 'nothing' ORDER BY booked DESC LIMIT 1", enable_seqscan="off"),
    sick("limit-walk", "keyset", "SELECT * FROM posting WHERE id > 1000 AND credit = 999999 ORDER BY id LIMIT 20", enable_seqscan="off", enable_sort="off"),
    sick("offset-walk", "posting", "SELECT * FROM posting ORDER BY id OFFSET 100000 LIMIT 100"),
    sick("offset-walk", "filter sort", "SELECT id FROM posting WHERE amount > 100 ORDER BY amount OFFSET 50000 LIMIT 20", work_mem="64MB"),
    sick("sort-spill", "moderate", "SELECT * FROM customer ORDER BY born", work_mem="256kB"),
    sick("sort-spill", "running balance", "SELECT id, sum(amount) OVER (PARTITION BY credit ORDER BY valued) FROM posting", work_mem="4MB"),
    sick("sort-spill", "par", "SELECT * FROM posting ORDER BY text", work_mem="1MB", **P),
    sick("sort-spill", "a count of distinct texts", "SELECT count(DISTINCT text) FROM posting", work_mem="1MB"),
    sick("hash-spill", "group by credit", "SELECT credit, sum(amount) FROM posting GROUP BY credit", work_mem="256kB", enable_sort="off"),
    sick("hash-spill", "join par", "SELECT count(*) FROM posting p JOIN posting q ON q.id = p.id + 1", work_mem="1MB", enable_mergejoin="off", enable_nestloop="off", **P),
    sick("correlated-subplan", "balance", "SELECT a.id, (SELECT sum(amount) FROM posting p WHERE p.debit = a.id) FROM account a WHERE a.id <= 4000"),
    sick("correlated-subplan", "update", "UPDATE account a SET balance = (SELECT coalesce(sum(p.amount), 0) FROM posting p WHERE p.debit = a.id) WHERE a.id <= 3000"),
    sick("correlated-subplan", "not exists or", "SELECT id FROM account a WHERE (SELECT count(*) FROM card c WHERE c.account_id = a.id) = 0 AND a.id <= 60"),
    sick("nested-loop-blowup", "fuzzy", "SELECT count(*) FROM customer a JOIN customer b ON a.born = b.born + 1 OR a.born = b.born - 1 WHERE a.branch_id < 10 AND b.branch_id < 10"),
    sick("row-misestimate", "status and branch", "SELECT count(*) FROM customer c JOIN account a ON a.branch_id = c.branch_id AND a.customer_no = c.no JOIN posting p ON p.debit = a.id WHERE c.no % 100 = 0 AND c.status = 'X'"),
    sick("row-misestimate", "expression", "SELECT s.by, count(*) FROM slot s JOIN posting p ON p.debit = s.by WHERE s.id % 2 = 0 AND s.taken GROUP BY 1", work_mem="32MB"),
    sick("cte-materialized", "postings", "WITH p AS MATERIALIZED (SELECT * FROM posting) SELECT * FROM p WHERE id = 55"),
    sick("cte-materialized", "volatile cte", "WITH p AS (SELECT *, random() r FROM posting) SELECT * FROM p WHERE debit = 55"),
    sick("work-repeated", "two sums", "SELECT (SELECT sum(amount) FROM posting WHERE amount > 200), (SELECT avg(amount) FROM posting WHERE amount > 200)"),
    sick("work-repeated", "union self", "SELECT debit, sum(amount) FROM posting GROUP BY debit HAVING sum(amount) > 4000 UNION ALL SELECT debit, sum(amount) FROM posting GROUP BY debit HAVING sum(amount) < 10", work_mem="64MB"),
    sick("jit-overhead", "join", "SELECT a.currency, count(*), sum(p.amount) FROM posting p JOIN account a ON a.id = p.debit WHERE p.booked < '2024-02-01' GROUP BY 1", jit="on", jit_above_cost="100", jit_inline_above_cost="100", jit_optimize_above_cost="100"),
    sick("workers-not-launched", "sum", "SELECT sum(amount) FROM posting WHERE amount > 1", max_parallel_workers="0", **P),
    healthy("pk", "SELECT * FROM account WHERE id = 5"),
    healthy("debits of account", "SELECT * FROM posting WHERE debit = 5 ORDER BY valued DESC"),
    healthy("day's bookings", "SELECT debit, sum(amount) FROM posting WHERE booked = '2024-06-06' GROUP BY debit"),
    healthy("notes with statement trigger", "UPDATE note SET n = n + 1"),
    healthy("single limit", "UPDATE limit_ SET used = 5 WHERE account_id = 5"),
    healthy("insert postings", "INSERT INTO posting SELECT 1000000 + i, 1 + i % 5000, 1 + i % 700, 5, '2025-12-01', now(), 'x' FROM generate_series(1, 5000) i"),
    healthy("deferred nothing", "INSERT INTO card SELECT 200000 + i, 1 + i % 500, 'p' FROM generate_series(1, 8000) i"),
    healthy("update unrelated column", "UPDATE account SET balance = balance + 1 WHERE id BETWEEN 1 AND 20000"),
    healthy("upsert rates", "INSERT INTO rate SELECT 'EUR', d::date, 2 FROM generate_series(date '2024-01-01', date '2026-12-31', interval '1 day') d ON CONFLICT (cur, day) DO UPDATE SET value = excluded.value"),
    healthy("merge", "MERGE INTO account a USING (SELECT debit, sum(amount) s FROM posting WHERE booked = '2024-06-06' GROUP BY debit) p ON a.id = p.debit WHEN MATCHED THEN UPDATE SET balance = balance + p.s"),
    healthy("for update", "SELECT * FROM account WHERE id IN (5, 6) ORDER BY id FOR UPDATE"),
    healthy("skip locked", "SELECT * FROM slot WHERE NOT taken ORDER BY id LIMIT 5 FOR UPDATE SKIP LOCKED"),
    healthy("trial balance", "SELECT a.currency, sum(p.amount) FROM posting p JOIN account a ON a.id = p.credit GROUP BY 1", work_mem="64MB"),
    healthy("trial balance par", "SELECT a.currency, sum(p.amount) FROM posting p JOIN account a ON a.id = p.credit GROUP BY 1", work_mem="64MB", **P),
    healthy("running of one", "SELECT id, sum(amount) OVER (ORDER BY valued) FROM posting WHERE debit = 31"),
    healthy("month end", "SELECT date_trunc('month', booked), sum(amount) FROM posting GROUP BY 1 ORDER BY 1"),
    healthy("currency third", "SELECT count(*) FROM account WHERE currency = 'EUR'"),
    healthy("customer range", "SELECT * FROM customer WHERE branch_id = 7"),
    healthy("customer key", "SELECT * FROM customer WHERE branch_id = 8 AND no = 7"),
    healthy("branch small", "SELECT * FROM branch WHERE city = 'city 7'"),
    healthy("branch lower", "SELECT * FROM branch WHERE upper(city) = 'CITY 7'"),
    healthy("branch like", "SELECT * FROM branch WHERE city LIKE '%7'"),
    healthy("rates", "SELECT p.id, p.amount * r.value FROM posting p JOIN rate r ON r.cur = 'EUR' AND r.day = p.booked WHERE p.debit = 77"),
    healthy("big delete with children indexed", "DELETE FROM posting WHERE booked = '2024-03-03'"),
    healthy("exists", "SELECT count(*) FROM account a WHERE EXISTS (SELECT FROM posting p WHERE p.debit = a.id)", work_mem="64MB"),
    healthy("except", "SELECT id FROM account EXCEPT SELECT account_id FROM card", work_mem="64MB"),
    healthy("intersect", "SELECT id FROM account INTERSECT SELECT account_id FROM card", work_mem="64MB"),
    healthy("filter aggregates", "SELECT count(*) FILTER (WHERE amount > 10), avg(amount) FROM posting WHERE booked >= '2024-03-01'"),
    healthy("percentile", "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY amount) FROM posting", work_mem="64MB"),
    healthy("est", "SELECT * FROM posting WHERE debit = 7", options=E),
    healthy("est sum", "SELECT sum(amount) FROM posting", options=E),
    healthy("est update", "UPDATE account SET balance = 0 WHERE id = 7", options=E),
    healthy("T join", "SELECT count(*) FROM account a JOIN card c ON c.account_id = a.id", options=T, work_mem="32MB"),
    healthy("create table as", "CREATE TEMP TABLE z AS SELECT debit, sum(amount) s FROM posting GROUP BY debit", work_mem="64MB"),
]  # fmt: skip
