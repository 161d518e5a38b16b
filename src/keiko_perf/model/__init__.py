"""
The words that all parts share: values without I/O, clock or dependency.
"""

from keiko_perf.model.asked import Asked, Exemplar
from keiko_perf.model.blocking import BlockingCall
from keiko_perf.model.bottleneck import Bottleneck, Limitation, bottleneck
from keiko_perf.model.compare import Change, Comparison, compare, holm
from keiko_perf.model.finding import Finding, Gap, Recommendation, Severity
from keiko_perf.model.histogram import Histogram
from keiko_perf.model.kpi import Kpi, Reading
from keiko_perf.model.message import Message, Text, say
from keiko_perf.model.pairing import noise_floor, paired
from keiko_perf.model.repeats import Kept, Repeats
from keiko_perf.model.report import Chart, Column, Line, Report, Section, Status, Table
from keiko_perf.model.samples import samples_needed
from keiko_perf.model.series import OTHER, Kind, Series
from keiko_perf.model.snapshot import Gauge, Snapshot
from keiko_perf.model.target import Outcome, Target, Verdict
from keiko_perf.model.tree import Branch, Tree
from keiko_perf.model.usage import Limit, Resource, Use, Window, window_of

__all__ = [
    "OTHER",
    "Asked",
    "BlockingCall",
    "Bottleneck",
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
    "Kept",
    "Kind",
    "Kpi",
    "Limit",
    "Limitation",
    "Line",
    "Message",
    "Outcome",
    "Reading",
    "Recommendation",
    "Repeats",
    "Report",
    "Resource",
    "Section",
    "Series",
    "Severity",
    "Snapshot",
    "Status",
    "Table",
    "Target",
    "Text",
    "Tree",
    "Use",
    "Verdict",
    "Window",
    "bottleneck",
    "compare",
    "holm",
    "noise_floor",
    "paired",
    "samples_needed",
    "say",
    "window_of",
]
