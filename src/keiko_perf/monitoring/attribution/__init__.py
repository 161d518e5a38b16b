"""Attribution: where the time of a request went, inside the service."""

from keiko_perf.monitoring.attribution.account import Account, Lag, current, opened, shut, whole_of
from keiko_perf.monitoring.attribution.outgoing import watch_client
from keiko_perf.monitoring.attribution.split import Part, Split
from keiko_perf.monitoring.attribution.table import parts_table

__all__ = [
    "Account",
    "Lag",
    "Part",
    "Split",
    "current",
    "opened",
    "parts_table",
    "shut",
    "watch_client",
    "whole_of",
]
