"""
Exporting: what a monitor adds for other tools: its totals, and what it says of itself.
"""

from __future__ import annotations

import platform
from importlib.metadata import version

from keiko_perf.monitoring.alerts.budgets import Budgets
from keiko_perf.monitoring.alerts.slo import SloStatus
from keiko_perf.monitoring.export.families import Sample
from keiko_perf.monitoring.export.totals import Totals


class Exporting:
    """
    Attributes:
        totals: everything that was counted, for those who want counters that only grow.
        budgets: what is promised over weeks, and how much of it is left.
        revision: the code that runs, if it was given.
    """

    totals: Totals
    budgets: Budgets
    revision: str | None

    def build(self) -> dict[str, str]:
        """What runs: `version` of keiko-perf, `python`, and the service's `revision` if known."""
        known = {"version": version("keiko-perf"), "python": platform.python_version()}
        return known if self.revision is None else {**known, "revision": self.revision}

    def figures(self) -> dict[str, tuple[Sample, ...]]:
        """Further gauges to export, by name."""
        return self.budgets.figures()

    def slos(self) -> tuple[SloStatus, ...]:
        """How each SLO stands since the last window: what is left of its error budget."""
        return self.budgets.statuses
