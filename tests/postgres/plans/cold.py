"""A table that fits neither into shared_buffers nor, just then, into the system's memory."""

from __future__ import annotations

from cases import Case, healthy, sick

SERVER = {"shared_buffers": "2MB"}
SETUP = """
CREATE TABLE reading (id int PRIMARY KEY, sensor int NOT NULL, value float8 NOT NULL, note text NOT NULL);
INSERT INTO reading SELECT i, (i::bigint * 7919) % 3000, i % 977, repeat('n', 380) FROM generate_series(1, 150000) i;
CREATE INDEX reading_sensor ON reading (sensor);
CREATE TABLE small (id int PRIMARY KEY, name text NOT NULL);
INSERT INTO small SELECT i, 'small ' || i FROM generate_series(1, 3000) i;
VACUUM ANALYZE
"""
COLD = ("-- cold reading", "-- cold reading_sensor")
A, T, V = "ANALYZE, BUFFERS", "ANALYZE, BUFFERS, TIMING OFF", "ANALYZE, BUFFERS, VERBOSE, SETTINGS"
UNTIMED = {"track_io_timing": "off"}
SEQUENTIAL = {"enable_indexscan": "off", "enable_bitmapscan": "off"}
CASES: list[Case] = [
    sick("cold-read", "each fifth row by an index", "SELECT sum(value) FROM reading WHERE sensor < 60", *COLD, enable_seqscan="off", enable_bitmapscan="off"),
    sick("cold-read", "by a bitmap", "SELECT sum(value) FROM reading WHERE sensor < 60", *COLD, enable_seqscan="off", enable_indexscan="off"),
    sick("cold-read", "by a bitmap, with settings", "SELECT max(note) FROM reading WHERE sensor BETWEEN 500 AND 580", *COLD, options=V, enable_seqscan="off", enable_indexscan="off"),
    sick("cold-read", "in a join", "SELECT count(r.note) FROM small s JOIN reading r ON r.sensor = s.id WHERE s.id < 60", *COLD, enable_seqscan="off", enable_hashjoin="off", enable_mergejoin="off"),
    sick("cold-read", "rows in another order", "SELECT sensor, value FROM reading ORDER BY sensor LIMIT 4000", *COLD, enable_seqscan="off", enable_sort="off"),
    sick("cold-read", "nobody timed the reads", "SELECT sum(value) FROM reading WHERE sensor < 60", *COLD, enable_seqscan="off", enable_bitmapscan="off", **UNTIMED),
    sick("cold-read", "the same from the system's memory, not from the server's", "SELECT sum(value) FROM reading WHERE sensor < 60", enable_seqscan="off", enable_bitmapscan="off"),
    healthy("the same, and nobody timed it", "SELECT sum(value) FROM reading WHERE sensor < 60", enable_seqscan="off", enable_bitmapscan="off", **UNTIMED),
    healthy("a few pages that are cold", "SELECT * FROM reading WHERE id BETWEEN 500 AND 900", "-- cold reading"),
]  # fmt: skip
