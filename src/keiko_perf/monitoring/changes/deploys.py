"""
Deploys: what is another since a deploy, route by route and statement by statement. Pure.

Where a deploy is, nobody has to search: a few minutes tell what a search over a day needs hours
for. The stretches on both sides are the samples of a t-test, widened by how alike neighbours are;
of so many figures that are held side by side none differs by chance but in one of a hundred
services (Holm).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import exp, log, sqrt
from statistics import fmean, median

from keiko_perf.model.compare import holm_rejects
from keiko_perf.model.student import chance, pooled, t_quantile
from keiko_perf.monitoring.changes.changepoints import likeness_of
from keiko_perf.monitoring.changes.changes import Shift, is_worse, keys_of, without_tails
from keiko_perf.monitoring.changes.markers import Marker
from keiko_perf.monitoring.changes.stretches import DEMAND, P50, P95, Key, Stretch

LEAST_PARTS = 3
LEAST_BEFORE = 10
"""What was before is known, however young the deploy is."""
FEW_PARTS = 6
OBVIOUS = 1.5
"""By what factor a figure differs at least where there are but few parts."""
_ALPHA = 0.01
_BY_ITSELF = log(1.1)
"""By what services sway within an hour or two, whatever was deployed."""
_PART_S = 60.0
_MOST_PARTS = 12
_LONGEST_S = 3600.0
"""On each side: beyond, the time of day makes differences of its own."""
_WARM_S = 60.0
"""What has just been started loads and connects: its first minute tells nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference(Shift):
    """
    A figure that is another since a deploy; beside it its attributes are those of `ServiceChange`.

    Attributes:
        deploy: which one.
    """

    deploy: Marker


def parts_of(
    deployed_at: datetime, now: datetime, *, least_s: float = _PART_S
) -> tuple[list[datetime], list[datetime], float]:
    """
    Where the parts before and after a deploy begin, and how long each is; none if it is too young.

    Args:
        deployed_at: when.
        now: until when something is known.
        least_s: how long the windows are that are still known.
    """
    length_s = min((now - deployed_at).total_seconds() - _WARM_S, _LONGEST_S)
    part_s = max(least_s, length_s // _MOST_PARTS // 60 * 60)
    count = int(length_s // part_s)
    if count < LEAST_PARTS:
        return [], [], part_s
    first, part = deployed_at + timedelta(seconds=_WARM_S), timedelta(seconds=part_s)
    after = [first + part * number for number in range(count)]
    earlier = max(count, LEAST_BEFORE)
    return [deployed_at - part * number for number in range(earlier, 0, -1)], after, part_s


def differences(
    before: Sequence[Stretch], after: Sequence[Stretch], *, deploy: Marker
) -> tuple[Difference, ...]:
    """What differs for sure, the worst first; *before* and *after* are of parts of one length."""
    both = [*before, *after]
    keys = [one for one in keys_of(both) if one[0] is not DEMAND]
    # Most requests may be slower while the slowest stay as they were.
    keys += [(P50, subject) for figure, subject in keys if figure is P95]
    found = list(_compared(keys, before, after))
    kept = holm_rejects([one.chance for one in found], alpha=_ALPHA)
    told = [_difference(one, deploy) for one, is_kept in zip(found, kept, strict=True) if is_kept]
    return tuple(
        sorted(without_tails(told), key=lambda one: (not one.is_worse, one.subject or "", one.name))
    )


@dataclass(frozen=True, slots=True)
class _Compared:
    key: Key
    before: float
    more: float
    half: float
    chance: float


def _compared(
    keys: Iterable[Key], before: Sequence[Stretch], after: Sequence[Stretch]
) -> Iterator[_Compared]:
    known = {}
    for key in keys:
        sides = _logs(key, before), _logs(key, after)
        if min(map(len, sides)) >= LEAST_PARTS:
            known[key] = sides
    alike = median(map(_likeness, known.values())) if known else 0.0
    for key, sides in known.items():
        more, error, df = pooled(*sides)
        error *= sqrt((1 + alike) / (1 - alike))
        least = log(1 + key[0].least_effect)
        if error and min(map(len, sides)) < FEW_PARTS:
            least = max(least, log(OBVIOUS))
        by_chance = chance(abs(more) - _BY_ITSELF, error, df) if abs(more) >= least else 1.0
        half = t_quantile(0.975, df) * error
        yield _Compared(key, exp(fmean(sides[0])), more, half, by_chance)


def _likeness(sides: tuple[list[float], list[float]]) -> float:
    """
    How alike neighbours are, whatever the deploy has changed.

    So few tell it badly of one figure: it is the middle one of all figures' that counts.
    """
    return likeness_of([one - fmean(side) for side in sides for one in side])


def _logs(key: Key, side: Sequence[Stretch]) -> list[float]:
    values = (one.values.get(key) for one in side)
    return [log(one) for one in values if one]


def _difference(one: _Compared, deploy: Marker) -> Difference:
    figure, subject = one.key
    return Difference(
        deploy=deploy,
        name=figure.name,
        label=figure.label,
        format=figure.format,
        subject=subject,
        before=one.before,
        after=one.before * exp(one.more),
        low=exp(one.more - one.half),
        high=exp(one.more + one.half),
        is_worse=is_worse(figure, exp(one.more)),
    )
