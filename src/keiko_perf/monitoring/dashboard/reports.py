"""
Reports: what else is known of a service, from the async functions that the monitor was given.

They are asked while a page is open, in the background and no more than once in five minutes; what
they said last stands until then. One that fails is left out, and that is logged once.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

from keiko_perf.model import Finding, Gap, Recommendation, Report
from keiko_perf.monitoring.protocol import Monitor
from keiko_perf.render import phrase

_FRESH_S = 300.0
_PATIENCE_S = 120.0
_log = logging.getLogger("keiko_perf.dashboard")

Row = dict[str, Any]


class Reports:
    """
    Args:
        monitor: of the service.
        clock: monotonic seconds.
    """

    def __init__(self, monitor: Monitor, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._monitor = monitor
        self._clock = clock
        self._said: tuple[Report, ...] = ()
        self._asked_s: float | None = None
        self._asking: asyncio.Task[None] | None = None

    def rows(self, lang: str) -> list[Row]:
        """The findings, recommendations and gaps that were reported last, as documents."""
        is_old = self._asked_s is None or self._clock() - self._asked_s >= _FRESH_S
        if self._monitor.reports and is_old and (self._asking is None or self._asking.done()):
            self._asking = asyncio.ensure_future(self._ask())
        return [row for report in self._said for row in _rows(report, lang)]

    async def asked(self) -> None:
        """Wait until what is being asked is answered."""
        if self._asking is not None:
            await self._asking

    async def _ask(self) -> None:
        self._asked_s = self._clock()
        said = []
        for ask in tuple(self._monitor.reports):
            try:
                said.append(await asyncio.wait_for(ask(), _PATIENCE_S))
            except Exception as error:  # a stranger's function
                _log.warning("what else is known cannot be told: %s", type(error).__name__)
        self._said = tuple(said)


def finding_row(finding: Finding, lang: str) -> Row:
    """A finding as a document."""
    explanation = finding.explanation
    return {
        "code": finding.code,
        "severity": finding.severity.word,
        "subject": finding.subject,
        "summary": phrase(finding.summary, lang),
        "explanation": None if explanation is None else phrase(explanation, lang),
        "cure": finding.cure,
        "link": finding.link,
        "verified_by": None,
    }


def _rows(report: Report, lang: str) -> Iterator[Row]:
    for section in report.sections:
        yield from (finding_row(one, lang) for one in section.findings)
        yield from (_recommended(one, lang) for one in section.recommendations)
        yield from (_gap(one, lang) for one in section.gaps)


def _recommended(recommendation: Recommendation, lang: str) -> Row:
    return {
        "code": recommendation.code,
        "severity": "note",
        "subject": recommendation.subject,
        "summary": phrase(recommendation.summary, lang),
        "explanation": None,
        "cure": recommendation.statement,
        "link": None,
        "verified_by": recommendation.verified_by,
    }


def _gap(gap: Gap, lang: str) -> Row:
    return {
        "code": "gap",
        "severity": "note",
        "subject": phrase(gap.subject, lang),
        "summary": phrase(gap.reason, lang),
        "explanation": phrase(gap.remedy, lang),
        "cure": None,
        "link": None,
        "verified_by": None,
    }
