"""
The words that all parts share: values without I/O, clock or dependency.
"""

from keiko_perf.model.asked import Asked, Exemplar
from keiko_perf.model.blocking import BlockingCall
from keiko_perf.model.compare import Change, Comparison, compare
from keiko_perf.model.finding import Finding, Gap, Recommendation, Severity
from keiko_perf.model.histogram import Histogram, samples_needed
from keiko_perf.model.kpi import Kpi, Reading
from keiko_perf.model.message import Message, Text, say
from keiko_perf.model.report import Chart, Column, Line, Report, Section, Status, Table
from keiko_perf.model.series import OTHER, Kind, Series
from keiko_perf.model.snapshot import Gauge, Snapshot
from keiko_perf.model.target import Outcome, Target, Verdict
from keiko_perf.model.tree import Branch, Tree

__all__ = [
    "OTHER",
    "Asked",
    "BlockingCall",
    "Branch",
    "Change",
    "Chart",
    "Column",
    "Comparison",
    "Exemplar",
    "Finding",
    "Gap",
    "Gauge",
    "Histogram",
    "Kind",
    "Kpi",
    "Line",
    "Message",
    "Outcome",
    "Reading",
    "Recommendation",
    "Report",
    "Section",
    "Series",
    "Severity",
    "Snapshot",
    "Status",
    "Table",
    "Target",
    "Text",
    "Tree",
    "Verdict",
    "compare",
    "samples_needed",
    "say",
]
