"""Attribution: where the time of a request went, inside the service."""

from keiko_perf.monitoring.attribution.account import Account, Executions, Lag, current
from keiko_perf.monitoring.attribution.split import Part, Split

__all__ = ["Account", "Executions", "Lag", "Part", "Split", "current"]
