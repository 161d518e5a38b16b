"""
Heaviest: of more series than anybody reads, those that took the most time, and all the rest as one.

A table shows a hundred rows. Of ten thousand routes over a quarter of an hour it would have to
unpack and merge some hundred thousand histograms for them; but how many durations one holds, and
what they come to, stands at its beginning. So all series are weighed packed, and those alone are
unpacked that are shown. What is left out is counted, kind by kind, in a series named `REST`: its
counts and its sums are exact, its durations are told by their mean alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from keiko_perf.model import Histogram, Kind, Series, Snapshot
from keiko_perf.monitoring.storage.decoding import Key, weights_of
from keiko_perf.monitoring.storage.pieces import Piece, snapshots

REST = "(rest)"
"""No route, task or statement has that name."""
_MANY_BYTES = 1 << 20
"""Pieces that come to less, some tens of thousands of series, are unpacked as soon as weighed."""
_MOST = 100
_MOST_REFUSED = 10
_OF_ROUTES = frozenset(
    (Kind.IN_SQL, Kind.IN_POOL, Kind.IN_HTTP, Kind.IN_CODE, Kind.IN_LOOP, Kind.ELSEWHERE)
)
_WHOLE = frozenset((Kind.LOOP, Kind.POOL, Kind.HOLD, Kind.GC, Kind.QUEUE))
"""Of which there are few, and none is shown as a row."""


@dataclass(frozen=True, slots=True)
class Few:
    """
    Attributes:
        windows: what was measured, of the heaviest series, and the rest of each kind as `REST`.
        left_out: how many series of a kind that are.
    """

    windows: list[Snapshot]
    left_out: dict[Kind, int] = field(default_factory=dict)


@dataclass(slots=True)
class Weight:
    """What a series comes to: counts of successes, failures, refusals, and seconds of them all."""

    succeeded: int = 0
    failed: int = 0
    refused: int = 0
    sum_s: float = 0.0

    def add(self, counts: Sequence[int], sum_s: float) -> None:
        self.succeeded += counts[0]
        self.failed += counts[1]
        self.refused += counts[2]
        self.sum_s += sum_s


def are_many(pieces: Iterable[Piece]) -> bool:
    """Whether to unpack all of *pieces* takes seconds."""
    return sum(len(one.body) for one in pieces) >= _MANY_BYTES


def heaviest(pieces: Sequence[Piece], more: Iterable[Snapshot] = ()) -> Few:
    """
    The same as the contents of *pieces* and *more*, but for series that nobody would look at.

    Raises nothing for a piece that is damaged: it stays a hole, which is said.
    """
    weighed = [_weighed(one) for one in pieces]
    unpacked = [*more]
    total: defaultdict[Key, Weight] = defaultdict(Weight)
    for weights in (*weighed, *map(_weights, unpacked)):
        for key, counts, sum_s in weights:
            total[key].add(counts, sum_s)
    shown = _shown(total)
    left_out: defaultdict[Kind, int] = defaultdict(int)
    for kind, _ in total.keys() - shown:
        left_out[kind] += 1
    windows = []
    for piece, weights in zip(pieces, weighed, strict=True):
        for one in snapshots([piece], lambda kind, name: (kind, name) in shown):
            windows.append(_with_rest(one, weights, shown))
    for one in unpacked:
        kept = tuple(series for series in one.series if (series.kind, series.name) in shown)
        windows.append(_with_rest(replace(one, series=kept), _weights(one), shown))
    return Few(windows, dict(left_out))


Weights = list[tuple[Key, tuple[int, int, int], float]]


def _weighed(piece: Piece) -> Weights:
    try:
        return weights_of(piece.body)
    except ValueError:
        # Of the first format, or damaged, which is said where it is unpacked.
        return [one for made in snapshots([piece], once=True) for one in _weights(made)]


def _weights(window: Snapshot) -> Weights:
    return [
        (
            (one.kind, one.name),
            (one.succeeded.count, one.failed.count, one.refused.count),
            one.sum_s,
        )
        for one in window.series
    ]


def _shown(total: dict[Key, Weight]) -> set[Key]:
    by_kind: defaultdict[Kind, list[Key]] = defaultdict(list)
    for key in total:
        by_kind[key[0]].append(key)
    shown: set[Key] = set()
    for kind, keys in by_kind.items():
        if kind in _WHOLE or len(keys) <= _MOST:
            shown.update(keys)
            continue
        shown.update(sorted(keys, key=lambda key: (-total[key].sum_s, key[1]))[:_MOST])
        # What is refused takes no time, and what is asked all the time little each.
        refused = sorted(keys, key=lambda key: -total[key].refused)[:_MOST_REFUSED]
        shown.update(key for key in refused if total[key].refused)
        if kind is Kind.STATEMENT:
            shown.update(sorted(keys, key=lambda key: -total[key].succeeded)[:_MOST])
    routes = {name for kind, name in shown if kind is Kind.ROUTE}
    return {key for key in shown if key[0] not in _OF_ROUTES} | {
        (kind, name) for kind in _OF_ROUTES for name in routes if (kind, name) in total
    }


def _with_rest(window: Snapshot, weights: Weights, shown: set[Key]) -> Snapshot:
    rest: defaultdict[Kind, Weight] = defaultdict(Weight)
    for key, counts, sum_s in weights:
        if key not in shown:
            rest[key[0]].add(counts, sum_s)
    series = tuple(
        Series(
            kind=kind,
            name=REST,
            window_s=window.window_s,
            # All of the time is the successes': what the others took is not told apart.
            succeeded=_at_mean(one.succeeded, one.sum_s),
            failed=_at_mean(one.failed, 0.0 if one.succeeded else one.sum_s),
            refused=_at_mean(one.refused, 0.0 if one.succeeded or one.failed else one.sum_s),
        )
        for kind, one in rest.items()
    )
    return replace(window, series=(*window.series, *series))


def _at_mean(count: int, sum_s: float) -> Histogram:
    """A histogram of so many durations of which only the sum is known."""
    if not count:
        return Histogram()
    one = Histogram([sum_s / count]).to_dict()
    below, above = (one[name] * count for name in ("below", "above"))
    counts = [each * count for each in one["counts"]]
    return Histogram.from_dict(
        {**one, "counts": counts, "below": below, "above": above, "sum_ns": round(sum_s * 1e9)}
    )
