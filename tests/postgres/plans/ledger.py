"""Accounts and their entries: foreign keys, triggers, locks, and a server that is busy."""

from __future__ import annotations

from cases import Case, healthy, sick

SETUP = """
CREATE TABLE account (id int PRIMARY KEY, owner text NOT NULL, balance bigint NOT NULL, tenant int NOT NULL);
INSERT INTO account SELECT i, 'owner ' || i % 4000, 0, CASE WHEN i % 10 = 0 THEN 1 + i % 400 ELSE 1 END FROM generate_series(1, 60000) i;
CREATE TABLE entry (id bigint PRIMARY KEY, account_id int NOT NULL REFERENCES account ON DELETE CASCADE, amount bigint NOT NULL, at timestamptz NOT NULL);
INSERT INTO entry SELECT i, 1 + i % 50000, i % 1000, timestamptz '2025-01-01' + i * interval '1 s' FROM generate_series(1, 300000) i;
CREATE TABLE device (id int PRIMARY KEY, name text NOT NULL);
INSERT INTO device SELECT i, 'd' || i FROM generate_series(1, 5000) i;
CREATE TABLE ping (id int PRIMARY KEY, device_id int NOT NULL REFERENCES device ON DELETE CASCADE, ms int NOT NULL);
INSERT INTO ping SELECT i, 1 + i % 4900, i % 90 FROM generate_series(1, 100000) i;
CREATE INDEX ON ping (device_id);
CREATE TABLE audit (id bigint GENERATED ALWAYS AS IDENTITY, tab text, old jsonb, new jsonb, at timestamptz);
CREATE TABLE profile (id int PRIMARY KEY, bio text NOT NULL, n int NOT NULL, changed_at timestamptz);
INSERT INTO profile SELECT i, repeat('b', 50), 0 FROM generate_series(1, 40000) i;
CREATE FUNCTION audited() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO audit (tab, old, new, at) VALUES (TG_TABLE_NAME, to_jsonb(OLD), to_jsonb(NEW), now()); RETURN NULL; END $$;
CREATE TRIGGER profile_audited AFTER UPDATE ON profile FOR EACH ROW EXECUTE FUNCTION audited();
CREATE TABLE stamp (id int PRIMARY KEY, n int NOT NULL, changed_at timestamptz);
INSERT INTO stamp SELECT i, 0 FROM generate_series(1, 40000) i;
CREATE FUNCTION stamped() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.changed_at := now(); RETURN NEW; END $$;
CREATE TRIGGER stamp_stamped BEFORE UPDATE ON stamp FOR EACH ROW EXECUTE FUNCTION stamped();
CREATE TABLE checked (id int PRIMARY KEY, n int NOT NULL);
INSERT INTO checked SELECT i, 0 FROM generate_series(1, 3000) i;
CREATE FUNCTION looked() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM count(*) FROM device WHERE name = 'd' || NEW.n; RETURN NEW; END $$;
CREATE TRIGGER checked_looked BEFORE INSERT OR UPDATE ON checked FOR EACH ROW EXECUTE FUNCTION looked();
VACUUM ANALYZE
"""
CASES: list[Case] = [
    sick("unindexed-foreign-key", "accounts that go", "DELETE FROM account WHERE id BETWEEN 50001 AND 50020"),
    sick("unindexed-foreign-key", "one account that goes", "DELETE FROM account WHERE id = 50500"),
    sick("unindexed-foreign-key", "accounts with their entries", "DELETE FROM account WHERE id BETWEEN 100 AND 115"),
    sick("trigger-time", "an audit of each row", "UPDATE profile SET n = n + 1"),
    sick("trigger-time", "an audit of some rows", "UPDATE profile SET n = n + 1 WHERE id < 5000"),
    sick("trigger-time", "a look-up without index", "UPDATE checked SET n = n + 1 WHERE id <= 500"),
    sick("correlated-subplan", "balances one by one",
         "UPDATE account SET balance = (SELECT coalesce(sum(amount), 0) FROM entry WHERE account_id = account.id) WHERE id <= 30"),
    sick("selective-seq-scan", "the entries of an account", "SELECT * FROM entry WHERE account_id = 77"),
    sick("lock-or-io-wait", "a row that another holds", "UPDATE account SET balance = 1 WHERE id = 7", "-- lock UPDATE account SET balance = 2 WHERE id = 7"),
    sick("lock-or-io-wait", "a row that is wanted for update", "SELECT * FROM account WHERE id = 8 FOR UPDATE", "-- lock UPDATE account SET balance = 2 WHERE id = 8"),
    healthy("devices that go, with their pings", "DELETE FROM device WHERE id BETWEEN 100 AND 130"),
    healthy("a device that goes", "DELETE FROM device WHERE id = 4950"),
    healthy("stamps", "UPDATE stamp SET n = n + 1"),
    healthy("one profile", "UPDATE profile SET n = n + 1 WHERE id = 5"),
    healthy("pings that come", "INSERT INTO ping SELECT 200000 + i, 1 + i % 4000, 5 FROM generate_series(1, 20000) i"),
    healthy("entries that come", "INSERT INTO entry SELECT 400000 + i, 1 + i % 40000, 5, now() FROM generate_series(1, 20000) i"),
    healthy("a row for update", "SELECT * FROM account WHERE id = 9 FOR UPDATE"),
    healthy("entries of all", "SELECT account_id, sum(amount) FROM entry GROUP BY 1", work_mem="64MB"),
    healthy("accounts of the large tenant", "SELECT count(*) FROM account WHERE tenant = 1"),
    healthy("an upsert", "INSERT INTO device SELECT i, 'e' || i FROM generate_series(4000, 4500) i ON CONFLICT (id) DO UPDATE SET name = excluded.name"),
]  # fmt: skip
