"""
Judging: a monitor's targets, held against what was measured, as the guide asks for it and beyond.

A KPI of somebody else's that cannot be computed is unknown, said once, and no other suffers by it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from math import isfinite

from keiko_perf.model import Kind, Outcome, Snapshot, Target, Verdict, say
from keiko_perf.monitoring.importance import Importance
from keiko_perf.monitoring.tally import IN_FLIGHT
from keiko_perf.monitoring.wording import sentence
from keiko_perf.render import phrase

_log = logging.getLogger("keiko_perf.monitor")


def is_stuck(snapshot: Snapshot | None) -> bool:
    """Whether requests were under way and none was answered: it hangs, and is not at rest."""
    if snapshot is None or snapshot.whole(Kind.ROUTE).count:
        return False
    in_flight = snapshot.gauges.get(IN_FLIGHT)
    return in_flight is not None and in_flight.peak > 0


class Judging:
    """
    Attributes:
        checks: the targets, by check.
        importance: how much which route matters.
    """

    checks: Mapping[str, Target]
    importance: Importance
    _broken_kpis: set[str]

    async def check_performance_health(self) -> dict[str, bool | None]:
        """Whether each target holds now, by check; None where too little is known to tell."""
        held = {Outcome.MET: True, Outcome.MISSED: False, Outcome.UNKNOWN: None}
        return {name: held[verdict.outcome] for name, verdict in (await self.verdicts()).items()}

    async def get_performance_alerts(self) -> list[dict[str, str]]:
        """The targets that are missed now: `metric`, `severity` and `message` of each."""
        return [
            {
                "metric": name,
                "severity": verdict.target.severity.word,
                "message": phrase(sentence(verdict)),
            }
            for name, verdict in (await self.verdicts()).items()
            if verdict.outcome is Outcome.MISSED
        ]

    async def verdicts(self) -> dict[str, Verdict]:
        """All targets, by check, held against what was measured last."""
        return self.judge(await self.current())

    def judge(self, snapshot: Snapshot | None) -> dict[str, Verdict]:
        """All targets, by check, held against *snapshot*."""
        whole = self.importance.that_matters(snapshot)
        return {
            name: self._judged(target, whole if target.subject is None else snapshot)
            for name, target in self.checks.items()
        }

    async def current(self) -> Snapshot | None:
        """What all workers measured last; None before anything."""
        raise NotImplementedError

    def _judged(self, target: Target, snapshot: Snapshot | None) -> Verdict:
        try:
            verdict = target.judge(snapshot)
        except Exception:  # a stranger's KPI: the other targets are judged nevertheless
            if target.kpi.name not in self._broken_kpis:
                self._broken_kpis.add(target.kpi.name)
                _log.exception("the KPI %s cannot be computed", target.kpi.name)
        else:
            if verdict.value is None or isfinite(verdict.value):
                return verdict
        return Verdict(target, Outcome.UNKNOWN, say("it cannot be computed"))
