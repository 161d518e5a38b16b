"""
The doctor: why is it slow, in one sentence with a number.

    [service, over HTTP] ─┐
                          ├→ Symptoms → ranked → Cause → Report
    [database] ───────────┘

It stands above the parts that measure, and only reads: what a service tells of itself, and what
its database recorded. The decision, from symptoms to causes, is pure.
"""

from __future__ import annotations

from keiko_perf.doctor.cause import Cause
from keiko_perf.doctor.ranking import ranked
from keiko_perf.doctor.symptoms import Symptoms
from keiko_perf.doctor.tuning import tuning_of

__all__ = ["Cause", "Symptoms", "ranked", "tuning_of"]
