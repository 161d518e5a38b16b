"""Attribution: where the time of a request went, inside the service."""

from keiko_perf.monitoring.attribution.account import Account, Executions, Lag, current
from keiko_perf.monitoring.attribution.outgoing import watch_client
from keiko_perf.monitoring.attribution.split import Part, Split
from keiko_perf.monitoring.attribution.table import parts_table

__all__ = [
    "Account",
    "Executions",
    "Lag",
    "Part",
    "Split",
    "current",
    "parts_table",
    "watch_client",
]
