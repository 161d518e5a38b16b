"""Codes: what the doctor's causes are called, for whoever reads a report with a program."""

from __future__ import annotations

LOCK = "locks.waiting"
REPEATED_CODE = "statements.repeated"
INDEX = "indexes.missing"
SLOW = "statements.slow"
MANY = "statements.many-rows"
BETWEEN = "statements.between"
COMPUTES = "loop.computing"
BLOCKS = "loop.blocking-call"
BUSY = "loop.busy"
OUTSIDE = "loop.outside"
POOL = "pool.exhausted"
HTTP = "http.slow"
UNSEEN = "service.unseen"
AWAITS = "service.awaiting"
THREADS = "threads.exhausted"
