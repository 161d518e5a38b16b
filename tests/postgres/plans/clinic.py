"""A clinic: visits, vital signs and prescriptions."""

from __future__ import annotations

from cases import Case, healthy, sick

SETUP = """
CREATE TABLE clinic (id serial PRIMARY KEY, name varchar(60) NOT NULL, region varchar(20) NOT NULL);
INSERT INTO clinic (name, region) SELECT 'Clinic ' || i, (ARRAY['north','south','east','west'])[1 + i % 4] FROM generate_series(1, 60) i;
CREATE TABLE doctor (id serial PRIMARY KEY, clinic_id int NOT NULL REFERENCES clinic, last_name varchar(40) NOT NULL, speciality varchar(30) NOT NULL, hired date NOT NULL);
INSERT INTO doctor (clinic_id, last_name, speciality, hired) SELECT 1 + i % 60, 'Doc' || i, 'spec' || i % 25, date '2000-01-01' + i * 3 FROM generate_series(1, 2500) i;
CREATE TABLE patient (id serial PRIMARY KEY, first_name varchar(40), last_name varchar(40) NOT NULL, birth date NOT NULL, phone varchar(20), insurer_id int, vip boolean NOT NULL DEFAULT false, notes text);
INSERT INTO patient (first_name, last_name, birth, phone, insurer_id, vip, notes) SELECT 'F' || i % 700, 'L' || md5((i % 30000)::text), date '1930-01-01' + (i * 37 % 33000), '0' || (i * 7919 % 9999999), i % 90, i % 400 = 0, repeat('note ', i % 20) FROM generate_series(1, 90000) i;
CREATE TABLE visit (id bigserial PRIMARY KEY, patient_id int NOT NULL REFERENCES patient, doctor_id int NOT NULL REFERENCES doctor, starts timestamptz NOT NULL, ends timestamptz, status varchar(12) NOT NULL, cost numeric(10,2), summary text);
INSERT INTO visit (patient_id, doctor_id, starts, ends, status, cost, summary) SELECT 1 + (i::bigint * 48271) % 88000, 1 + (i::bigint * 31) % 2500, timestamptz '2023-06-01' + i * interval '4 minutes', timestamptz '2023-06-01 00:20' + i * interval '4 minutes', CASE WHEN i % 300 = 0 THEN 'noshow' WHEN i % 12 = 0 THEN 'cancelled' ELSE 'done' END, i % 450, 'summary ' || md5(i::text) FROM generate_series(1, 300000) i;
CREATE INDEX visit_patient ON visit (patient_id);
CREATE INDEX visit_starts ON visit (starts);
CREATE TABLE vital (patient_id int NOT NULL, at timestamptz NOT NULL, kind smallint NOT NULL, value real NOT NULL);
INSERT INTO vital SELECT 1 + (i::bigint * 613) % 5000, timestamptz '2024-01-01' + i * interval '10 seconds', i % 6, i % 200 FROM generate_series(1, 500000) i;
CREATE INDEX vital_at ON vital USING brin (at);
CREATE INDEX vital_patient ON vital (patient_id, kind);
CREATE TABLE prescription (id bigserial PRIMARY KEY, visit_id bigint NOT NULL REFERENCES visit ON DELETE CASCADE, drug varchar(40) NOT NULL, dose int NOT NULL);
INSERT INTO prescription (visit_id, drug, dose) SELECT 1 + (i::bigint * 17) % 299000, 'drug' || i % 1200, i % 50 FROM generate_series(1, 250000) i;
CREATE TABLE invoice (id int PRIMARY KEY, visit_id bigint REFERENCES visit, paid boolean NOT NULL, amount numeric NOT NULL, changed timestamptz);
INSERT INTO invoice SELECT i, i, i % 25 <> 0, i % 300, NULL FROM generate_series(1, 50000) i;
CREATE FUNCTION inv() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE s numeric; BEGIN SELECT sum(dose) INTO s FROM prescription WHERE visit_id = NEW.visit_id AND id < 2000; NEW.changed := clock_timestamp(); RETURN NEW; END $$;
CREATE TRIGGER inv_t BEFORE UPDATE ON invoice FOR EACH ROW EXECUTE FUNCTION inv();
VACUUM ANALYZE
"""
A, T, E = "ANALYZE", "ANALYZE, TIMING OFF", "COSTS"
V = "ANALYZE, BUFFERS, VERBOSE, SETTINGS, WAL"
P = {"parallel": True}
CASES: list[Case] = [
    sick("selective-seq-scan", "by phone", "SELECT * FROM patient WHERE phone = '07919'"),
    sick("selective-seq-scan", "vip", "SELECT id, last_name FROM patient WHERE vip"),
    sick("selective-seq-scan", "two columns", "SELECT * FROM patient WHERE last_name = 'Lx' AND birth > '1990-01-01'"),
    sick("selective-seq-scan", "noshow count", "SELECT count(*) FROM visit WHERE status = 'noshow'", **P),
    sick("selective-seq-scan", "prescriptions of visits", "SELECT p.drug FROM visit v JOIN prescription p ON p.visit_id = v.id WHERE v.patient_id = 4711"),
    sick("selective-seq-scan", "prescriptions of visits par", "SELECT p.drug FROM visit v JOIN prescription p ON p.visit_id = v.id WHERE v.patient_id = 4711", **P),
    sick("limit-walk", "doctor day", "SELECT v.id FROM visit v WHERE v.doctor_id = 77 ORDER BY v.starts DESC LIMIT 10"),
    sick("selective-seq-scan", "unpaid", "SELECT id FROM invoice WHERE NOT paid AND amount > 200"),
    sick("selective-seq-scan", "drug in", "SELECT count(*) FROM prescription WHERE drug IN ('drug7', 'drug9')"),
    sick("selective-seq-scan", "max by drug", "SELECT max(dose) FROM prescription WHERE drug = 'drug77'", options=A),
    sick("selective-seq-scan", "exists sub", "SELECT d.last_name FROM doctor d WHERE d.id = 5 AND EXISTS (SELECT FROM visit v WHERE v.doctor_id = d.id AND v.status = 'noshow' AND v.cost > 440)"),
    sick("selective-seq-scan", "update", "UPDATE prescription SET dose = 1 WHERE visit_id = 77"),
    sick("function-on-column", "upper name", "SELECT * FROM patient WHERE upper(last_name) = 'LABC'"),
    sick("function-on-column", "year", "SELECT count(*) FROM visit WHERE extract(year FROM starts) = 2025 AND extract(month FROM starts) = 8"),
    sick("function-on-column", "age", "SELECT count(*) FROM patient WHERE age(birth) < interval '6 years'"),
    sick("function-on-column", "trim", "SELECT id FROM doctor d JOIN visit v USING (id) WHERE btrim(v.summary) = 'x'"),
    sick("function-on-column", "difference", "SELECT id FROM visit WHERE ends - starts > interval '1 hour'"),
    sick("function-on-column", "date minus", "SELECT count(*) FROM visit WHERE starts - interval '3 days' > '2025-09-08'"),
    sick("cast-on-column", "date", "SELECT * FROM visit WHERE starts::date = '2024-05-05'"),
    sick("cast-on-column", "text id", "SELECT * FROM patient WHERE id::text = '77'"),
    sick("cast-on-column", "numeric", "SELECT * FROM vital WHERE patient_id = 77.5::numeric"),
    sick("leading-wildcard", "name ends", "SELECT * FROM patient WHERE last_name LIKE '%abc9'"),
    sick("leading-wildcard", "summary par", "SELECT id FROM visit WHERE summary ILIKE '%deadbeef%'", **P),
    sick("leading-wildcard", "drug", "SELECT count(*) FROM prescription WHERE drug LIKE '%g777'"),
    sick("or-across-tables", "patient or doctor", "SELECT v.id FROM visit v JOIN patient p ON p.id = v.patient_id JOIN doctor d ON d.id = v.doctor_id WHERE p.phone = '07919' OR d.last_name = 'Doc7'"),
    sick("or-across-tables", "visit or presc", "SELECT v.id FROM visit v LEFT JOIN prescription p ON p.visit_id = v.id WHERE v.status = 'x' OR p.drug = 'drug1'"),
    sick("filtered-index-scan", "patient range", "SELECT * FROM vital WHERE patient_id BETWEEN 100 AND 500 AND value = 7"),
    sick("filtered-index-scan", "a month of noshow", "SELECT * FROM visit WHERE starts >= '2024-02-01' AND starts < '2024-04-01' AND status = 'noshow'"),
    sick("limit-walk", "latest of a doctor", "SELECT * FROM visit WHERE summary = 'none' ORDER BY starts DESC LIMIT 1", enable_seqscan="off"),
    sick("limit-walk", "oldest unpaid of none", "SELECT * FROM invoice WHERE amount = 999 ORDER BY id LIMIT 3", enable_seqscan="off", enable_sort="off"),
    sick("offset-walk", "patients", "SELECT * FROM patient ORDER BY id OFFSET 50000 LIMIT 20"),
    sick("offset-walk", "patients by name", "SELECT * FROM patient ORDER BY last_name OFFSET 20000 LIMIT 20", work_mem="64MB"),
    sick("offset-walk", "join", "SELECT v.id, p.last_name FROM visit v JOIN patient p ON p.id = v.patient_id ORDER BY v.starts OFFSET 30000 LIMIT 20"),
    sick("sort-spill", "visits", "SELECT * FROM visit ORDER BY summary", work_mem="4MB"),
    sick("sort-spill", "group sorted", "SELECT last_name, count(*) FROM patient GROUP BY last_name", work_mem="256kB", enable_hashagg="off"),
    sick("sort-spill", "merge join", "SELECT count(*) FROM visit v JOIN prescription p ON p.visit_id = v.id", work_mem="1MB", enable_hashjoin="off", enable_nestloop="off"),
    sick("hash-spill", "join", "SELECT count(*) FROM prescription p JOIN visit v ON v.id = p.visit_id", work_mem="1MB", enable_mergejoin="off", enable_nestloop="off"),
    sick("hash-spill", "agg", "SELECT patient_id, at::date, avg(value) FROM vital GROUP BY 1, 2", work_mem="1MB", enable_sort="off"),
    sick("hash-spill", "left join par", "SELECT count(*) FROM patient p LEFT JOIN visit v ON v.patient_id = p.id", work_mem="512kB", enable_mergejoin="off", enable_nestloop="off", **P),
    sick("lossy-bitmap", "kinds", "SELECT sum(value) FROM vital WHERE patient_id < 1500", work_mem="64kB", enable_seqscan="off", enable_indexscan="off"),
    sick("lossy-bitmap", "and", "SELECT count(summary) FROM visit WHERE patient_id < 30000", work_mem="64kB", enable_seqscan="off", enable_indexscan="off", options=A),
    sick("nested-loop-blowup", "same day", "SELECT count(*) FROM doctor a JOIN doctor b ON a.hired < b.hired AND a.clinic_id <> b.clinic_id WHERE a.speciality < 'spec5' "),
    sick("nested-loop-blowup", "clinic x patient", "SELECT count(*) FROM clinic c, patient p WHERE c.region = 'north' AND p.insurer_id < 45"),
    sick("nested-loop-blowup", "wrong", "SELECT count(*) FROM patient p JOIN visit v ON v.patient_id = p.id WHERE p.id % 2 = 0 AND p.insurer_id % 2 = 0", enable_hashjoin="off", enable_mergejoin="off"),
    sick("row-misestimate", "insurer and id", "SELECT count(*) FROM patient p JOIN visit v ON v.patient_id = p.id WHERE p.id % 90 = 7 AND p.insurer_id = 7"),
    sick("correlated-subplan", "visits per patient", "SELECT p.id, (SELECT count(*) FROM visit v WHERE v.patient_id = p.id) FROM patient p WHERE p.insurer_id = 4"),
    sick("correlated-subplan", "doctor visits", "SELECT d.id, (SELECT max(starts) FROM visit v WHERE v.doctor_id = d.id) FROM doctor d WHERE d.clinic_id = 4"),
    sick("correlated-subplan", "last vital", "SELECT p.id, (SELECT v.value FROM vital v WHERE v.patient_id = p.id AND v.kind = 3 ORDER BY at DESC LIMIT 1) FROM patient p WHERE p.id <= 2000"),
    sick("cte-materialized", "visits", "WITH v AS MATERIALIZED (SELECT * FROM visit) SELECT * FROM v WHERE patient_id = 77"),
    sick("cte-materialized", "two uses", "WITH v AS (SELECT id, patient_id, cost FROM visit) SELECT (SELECT sum(cost) FROM v WHERE patient_id = 5), (SELECT sum(cost) FROM v WHERE patient_id = 6)"),
    sick("work-repeated", "region totals", "SELECT (SELECT count(*) FROM visit WHERE status = 'done'), (SELECT sum(cost) FROM visit WHERE status = 'done'), (SELECT avg(cost) FROM visit WHERE status = 'done')"),
    sick("work-repeated", "lateral", "SELECT c.id, x.n FROM clinic c CROSS JOIN LATERAL (SELECT count(*) n FROM visit v JOIN doctor d ON d.id = v.doctor_id WHERE d.clinic_id = c.id) x WHERE c.id <= 20", work_mem="32MB"),
    sick("jit-overhead", "doctors", "SELECT speciality, count(*), min(hired), max(hired), avg(clinic_id) FROM doctor GROUP BY 1", jit="on", jit_above_cost="0", jit_inline_above_cost="0", jit_optimize_above_cost="0"),
    sick("workers-not-launched", "vital", "SELECT kind, avg(value) FROM vital GROUP BY kind", max_parallel_workers="0", **P),
    sick("unindexed-foreign-key", "visits that go", "DELETE FROM visit WHERE id BETWEEN 299100 AND 299130"),
    sick("unindexed-foreign-key", "a doctor", "DELETE FROM doctor WHERE id = 2500 AND NOT EXISTS (SELECT FROM visit WHERE doctor_id = 2500)", "UPDATE visit SET doctor_id = 1 WHERE doctor_id = 2500"),
    sick("trigger-time", "invoices", "UPDATE invoice SET amount = amount + 1 WHERE id < 60"),
    sick("heap-fetches", "patients' visits", "SELECT count(patient_id) FROM visit WHERE patient_id < 9000", "UPDATE visit SET cost = cost WHERE patient_id < 9000", enable_seqscan="off", enable_bitmapscan="off"),
    sick("lock-or-io-wait", "visit", "UPDATE visit SET status = 'x' WHERE id = 77", "-- lock UPDATE visit SET status = 'y' WHERE id = 77"),
    sick("lock-or-io-wait", "nokey share", "SELECT * FROM patient WHERE id = 78 FOR NO KEY UPDATE", "-- lock SELECT * FROM patient WHERE id = 78 FOR UPDATE", options=A),
    sick("slow-planning", "eleven joins", "SELECT count(*) FROM " + ", ".join(f"doctor d{i}" for i in range(11)) + " WHERE " + " AND ".join(f"d{i}.id = d{i-1}.id" for i in range(1, 11)) + " AND d0.id = 5", join_collapse_limit="12", from_collapse_limit="12", geqo="off"),
    healthy("patient", "SELECT * FROM patient WHERE id = 5"),
    healthy("visits of patient", "SELECT * FROM visit WHERE patient_id = 77 ORDER BY starts DESC"),
    healthy("day", "SELECT d.last_name, count(*) FROM visit v JOIN doctor d ON d.id = v.doctor_id WHERE v.starts >= '2024-05-05' AND v.starts < '2024-05-06' GROUP BY 1"),
    healthy("all visits by status", "SELECT status, count(*), sum(cost) FROM visit GROUP BY status"),
    healthy("all visits by status par", "SELECT status, count(*), sum(cost) FROM visit GROUP BY status", **P),
    healthy("regions", "SELECT c.region, sum(v.cost) FROM visit v JOIN doctor d ON d.id = v.doctor_id JOIN clinic c ON c.id = d.clinic_id GROUP BY 1", work_mem="32MB"),
    healthy("regions par", "SELECT c.region, sum(v.cost) FROM visit v JOIN doctor d ON d.id = v.doctor_id JOIN clinic c ON c.id = d.clinic_id GROUP BY 1", work_mem="32MB", **P),
    healthy("vitals of patient", "SELECT at, value FROM vital WHERE patient_id = 77 AND kind = 3 ORDER BY at"),
    healthy("brin hour", "SELECT kind, avg(value) FROM vital WHERE at >= '2024-01-20' AND at < '2024-01-20 02:00' GROUP BY kind"),
    healthy("brin three days", "SELECT kind, avg(value) FROM vital WHERE at >= '2024-01-20' AND at < '2024-01-23' GROUP BY kind"),
    healthy("doctors small", "SELECT * FROM doctor WHERE last_name = 'Doc77'"),
    healthy("doctors small lower", "SELECT * FROM doctor WHERE lower(last_name) = 'doc77'"),
    healthy("doctors like", "SELECT * FROM doctor WHERE last_name LIKE '%77'"),
    healthy("doctors sort", "SELECT * FROM doctor ORDER BY hired DESC LIMIT 10"),
    healthy("done", "SELECT count(*) FROM visit WHERE status = 'done'"),
    healthy("cancelled", "SELECT count(*) FROM visit WHERE cost > 380"),
    healthy("latest", "SELECT id, status FROM visit ORDER BY starts DESC LIMIT 25"),
    healthy("page two", "SELECT id FROM visit ORDER BY id LIMIT 50 OFFSET 100"),
    healthy("keyset", "SELECT id FROM visit WHERE id > 200000 ORDER BY id LIMIT 50"),
    healthy("distinct patients", "SELECT count(DISTINCT patient_id) FROM visit", work_mem="64MB"),
    healthy("never", "SELECT count(*) FROM patient p WHERE NOT EXISTS (SELECT FROM visit v WHERE v.patient_id = p.id)", work_mem="64MB"),
    healthy("window", "SELECT id, row_number() OVER (PARTITION BY patient_id ORDER BY starts) FROM visit WHERE patient_id < 300"),
    healthy("cte inlined", "WITH v AS (SELECT * FROM visit) SELECT * FROM v WHERE id = 7"),
    healthy("cte agg used", "WITH v AS MATERIALIZED (SELECT doctor_id, count(*) n FROM visit GROUP BY 1) SELECT max(n), min(n), avg(n) FROM v", work_mem="32MB"),
    healthy("insert", "INSERT INTO vital SELECT i, now(), 1, 1 FROM generate_series(1, 20000) i"),
    healthy("insert with fk", "INSERT INTO prescription (visit_id, drug, dose) SELECT i, 'x', 1 FROM generate_series(1, 5000) i"),
    healthy("update range", "UPDATE visit SET cost = cost + 1 WHERE starts >= '2024-05-05' AND starts < '2024-05-06'"),
    healthy("invoice update one", "UPDATE invoice SET paid = true WHERE id = 77"),
    healthy("nested loop", "SELECT v.id, p.last_name, d.last_name FROM visit v JOIN patient p ON p.id = v.patient_id JOIN doctor d ON d.id = v.doctor_id WHERE v.starts >= '2024-05-05 10:00' AND v.starts < '2024-05-05 12:00'"),
    healthy("lateral", "SELECT d.id, x.starts FROM doctor d CROSS JOIN LATERAL (SELECT starts FROM visit v ORDER BY starts LIMIT 1) x WHERE d.id < 10"),
    healthy("histogram", "SELECT width_bucket(cost, 0, 450, 10), count(*) FROM visit GROUP BY 1"),
    healthy("T", "SELECT drug, sum(dose) FROM prescription GROUP BY drug ORDER BY 2 DESC LIMIT 5", options=T),
    healthy("E", "SELECT * FROM visit WHERE patient_id = 77", options=E),
    healthy("E all", "SELECT status, count(*) FROM visit GROUP BY status", options=E),
    healthy("V", "SELECT region, count(*) FROM clinic GROUP BY region", options=V),
    healthy("jit default", "SELECT drug, avg(dose) FROM prescription GROUP BY drug", jit="on"),
    healthy("union", "SELECT id FROM doctor UNION SELECT id FROM clinic"),
    healthy("gather merge", "SELECT id, cost FROM visit WHERE cost > 100 ORDER BY cost LIMIT 100000", work_mem="64MB", **P),
    healthy("values", "SELECT * FROM (VALUES (1,'a'),(2,'b')) v(i,t) JOIN patient p ON p.id = v.i"),
    healthy("generate", "SELECT sum(i) FROM generate_series(1, 100000) i"),
]  # fmt: skip
