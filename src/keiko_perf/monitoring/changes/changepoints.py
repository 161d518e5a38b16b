"""
Change points: where the level of a noisy series changed for good, by how much, and how sure. Pure.

Candidates come from E-divisive: a series is split where the energy distance between its two sides
is largest, then each side again (Matteson & James, "A Nonparametric Approach for Multiple Change
Point Analysis of Multivariate Data", 2014); each split has to pass a t-test, which is quicker and
steadier than permutations (Fleming et al., "Hunter", 2023). A service has days and nights, and a
smooth rise is no change: the candidates are fitted together with a trend and a daily course, the
least significant is dropped until all are significant, and of the backgrounds the one that
explains most with least (Schwarz's criterion) holds.
Where the days before are known, what was usual at each hour (`courses`) is one more of them,
however steep. Neighbours resemble each other, so that n points tell less than n: the residuals'
autocorrelation widens the intervals. Since every position was looked at, a change must be
significant at *alpha* divided by the number of positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, exp, log, pi, sin, sqrt
from statistics import fmean, median

from keiko_perf.model.student import chance, p_value, t_quantile, welch
from keiko_perf.monitoring.changes.courses import Course, course_of
from keiko_perf.monitoring.changes.regression import Fit, Normal, fit

LEAST_SIDE = 6
"""Points that a level lasts at least; what is shorter is an incident and no change."""
LEAST_POINTS = 4 * LEAST_SIDE
_WEAK = 0.05
_BESIDE_WAVES = 0.001
_MOST_CANDIDATES = 8
_OUTLIER = 5.0
"""Times the scale of the series; what is farther out is drawn in, so that it makes no level."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePoint:
    """
    Where the level of a series changed for good.

    Attributes:
        index: the first point of the new level.
        before: the level just before.
        after: the level from there on.
        low: the lower end of the 95 % interval of after ÷ before.
        high: its upper end.
        p: how likely so large a change would be by chance, all positions considered.
    """

    index: int
    before: float
    after: float
    low: float
    high: float
    p: float

    @property
    def ratio(self) -> float:
        return self.after / self.before


def change_points(
    values: Sequence[float | None],
    *,
    points_per_day: float,
    before: Sequence[float | None] = (),
    least_effect: float = 0.1,
    alpha: float = 0.01,
) -> tuple[ChangePoint, ...]:
    """
    The change points of *values*, in their order.

    Args:
        values: at equal distances and over 0; None where nothing was measured.
        points_per_day: how many make a day.
        before: what was measured up to there, at the same distances: some days of it tell what is
            usual at which hour.
        least_effect: the least relative change that matters; 0.1 is 10 %.
        alpha: how likely one is to be found where there is none.
    """
    known = [(at, log(value)) for at, value in enumerate(values) if value is not None and value > 0]
    if len(known) < LEAST_POINTS:
        return ()
    at, raw = [one for one, _ in known], [one for _, one in known]
    level = [1.0] * len(at)
    logs = _drawn_in(raw)
    series = _Series(logs, [0.0] * len(at), likeness_of(logs))
    plain = _candidates(logs)
    models = []
    waves = _waves(at, points_per_day)
    for background in _backgrounds(at, waves):
        rest = _candidates(fit(background, logs).residuals) if background[1:] else set()
        model = _eliminated(background, series, plain | rest, alpha, least_effect)
        if waves and model.splits and not _outlast(model, background, waves):
            model = _eliminated(background, series, set(), alpha, least_effect)
        models.append(model)
    course = course_of(at, list(map(_log, before)), points_per_day)
    if course is not None:
        own = _drawn_in([one - usual for one, usual in zip(raw, course.usual, strict=True)])
        beside = _Series(own, course.usual, series.likeness, course)
        models.append(_eliminated([level], beside, _candidates(own), alpha, least_effect))
    best = min(models, key=lambda one: one.criterion)
    return tuple(_change_point(best, number, at) for number in range(len(best.splits)))


def _log(value: float | None) -> float | None:
    return log(value) if value is not None and value > 0 else None


# E-divisive


def _candidates(values: Sequence[float]) -> set[int]:
    """Where *values* may be split, by E-divisive; the weakest splits are not even candidates."""
    found: list[tuple[float, int]] = []
    waiting = [(0, len(values))]
    while waiting:
        start, end = waiting.pop()
        if end - start < 2 * LEAST_SIDE:
            continue
        split = start + _best_split(values[start:end])
        p = _welch(values[start:split], values[split:end])
        if p < _WEAK:
            found.append((p, split))
            waiting += [(start, split), (split, end)]
    return {split for _, split in sorted(found)[:_MOST_CANDIDATES]}


def _best_split(values: Sequence[float]) -> int:
    """
    Where the energy distance of the two sides, weighted by their sizes, is largest.

    The sums of distances within and between the sides follow from those of the split before.
    """
    n = len(values)
    within_left, within_right = 0.0, _sum_of_distances(values)
    whole = within_right
    best, best_at = -1.0, LEAST_SIDE
    for left in range(1, n - LEAST_SIDE + 1):
        moved = values[left - 1]
        within_left += sum(abs(moved - one) for one in values[: left - 1])
        within_right -= sum(abs(moved - one) for one in values[left:])
        if left < LEAST_SIDE:
            continue
        right = n - left
        between = whole - within_left - within_right
        distance = (
            2 * between / (left * right)
            - 2 * within_left / (left * (left - 1))
            - 2 * within_right / (right * (right - 1))
        )
        if (weighted := distance * left * right / n) > best:
            best, best_at = weighted, left
    return best_at


def _sum_of_distances(values: Sequence[float]) -> float:
    """Over all pairs; in the order of size each value is added and taken off as often as that."""
    n = len(values)
    return sum((2 * rank - n + 1) * value for rank, value in enumerate(sorted(values)))


def _welch(left: Sequence[float], right: Sequence[float]) -> float:
    """The two-sided p of Welch's t-test."""
    more, error, df = welch(left, right)
    return chance(abs(more), error, df)


# The joint fit


@dataclass(frozen=True, slots=True)
class _Series:
    """
    Attributes:
        logs: what is looked at.
        usual: what was taken off it.
        likeness: of neighbours, 0 to 0.9.
        course: the days that what is usual was made from.
    """

    logs: Sequence[float]
    usual: Sequence[float]
    likeness: float
    course: Course | None = None

    def bears_out(self, index: int, effect: float) -> bool:
        """Whether the days before have no part in a change."""
        if self.course is None:
            return True
        whole = [one + usual for one, usual in zip(self.logs, self.usual, strict=True)]
        return self.course.bears_out(whole, index, effect)

    @property
    def points_to_tell(self) -> float:
        """How many independent points tell as much as one of these."""
        return (1 + self.likeness) / (1 - self.likeness)


@dataclass(frozen=True, slots=True)
class _Model:
    fit: Fit
    splits: tuple[int, ...]
    background: int  # columns before those of the splits
    widening: float
    df: float
    criterion: float
    positions: int
    series: _Series

    def error(self, number: int) -> float:
        return self.fit.errors[self.background + number] * self.widening

    def effect(self, number: int) -> float:
        return self.fit.coefficients[self.background + number]

    def p(self, number: int) -> float:
        error = self.error(number)
        if error <= 0:
            return 0.0 if self.effect(number) else 1.0
        return min(1.0, self.positions * p_value(self.effect(number) / error, self.df))


_Columns = list[list[float]]


def _backgrounds(at: Sequence[int], waves: _Columns) -> list[_Columns]:
    """The courses that are no change: level, trend, day and night, and both."""
    span = at[-1] - at[0]
    level = [1.0] * len(at)
    trend = [2 * (one - at[0]) / span - 1 for one in at]
    backgrounds = [[level], [level, trend]]
    if waves:
        backgrounds += [[level, *waves], [level, trend, *waves]]
    return backgrounds


def _waves(at: Sequence[int], points_per_day: float) -> _Columns:
    """What a day and a night may look like; nothing where less than most of a day is known."""
    if at[-1] - at[0] < 0.75 * points_per_day:
        return []
    angles = [2 * pi * one / points_per_day for one in at]
    return [[wave(times * angle) for angle in angles] for times in (1, 2) for wave in (sin, cos)]


def _outlast(model: _Model, background: _Columns, waves: _Columns) -> bool:
    """
    Whether the changes are there beside a day and a night as well.

    A small course makes a step of a tenth in the middle of a day, and to take it for one costs less
    than its waves do: of a service that sways by 15 % in a day, it was a change on most days.
    """
    if len(background) > len(waves):
        return True
    columns = _with_steps([*background, *waves], model.splits)
    beside = _modelled(
        len(background) + len(waves), model.series, model.splits, fit(columns, model.series.logs)
    )
    return all(
        beside.p(number) / beside.positions < _BESIDE_WAVES for number in range(len(model.splits))
    )


def _eliminated(
    background: _Columns,
    series: _Series,
    candidates: set[int],
    alpha: float,
    least_effect: float,
) -> _Model:
    """The model with the candidates that are left once the least significant ones are dropped."""
    splits = sorted(candidates)
    known = {split: len(background) + number for number, split in enumerate(splits)}
    equations = Normal(_with_steps(background, splits), series.logs)
    while True:
        chosen = [*range(len(background)), *(known[split] for split in splits)]
        model = _modelled(len(background), series, splits, equations.fit(chosen))
        if not splits:
            return model
        ps = [model.p(number) for number in range(len(splits))]
        worst = max(range(len(splits)), key=lambda number: ps[number])
        if ps[worst] < alpha:
            small = min(range(len(splits)), key=lambda number: abs(model.effect(number)))
            strange = next(
                (n for n, at in enumerate(splits) if not series.bears_out(at, model.effect(n))),
                None,
            )
            if strange is not None:
                small = strange
            elif abs(model.effect(small)) >= log(1 + least_effect):
                splits = _settled(background, series.logs, splits)
                settled = fit(_with_steps(background, splits), series.logs)
                return _modelled(len(background), series, splits, settled)
            worst = small
        del splits[worst]


def _settled(background: _Columns, logs: Sequence[float], splits: list[int]) -> list[int]:
    """Each split where it explains most, given the others: the dropped ones had pulled at it."""
    for number, split in enumerate(splits):
        lowest = splits[number - 1] + LEAST_SIDE if number else LEAST_SIDE
        highest = (splits[number + 1] if number + 1 < len(splits) else len(logs)) - LEAST_SIDE
        tried = [one for one in range(split - 3, split + 4) if lowest <= one <= highest]
        splits[number] = min(
            tried or [split],
            key=lambda one: (
                fit(
                    _with_steps(background, [*splits[:number], one, *splits[number + 1 :]]), logs
                ).rss
            ),
        )
    return splits


def _with_steps(background: _Columns, splits: Sequence[int]) -> _Columns:
    n = len(background[0])
    return [*background, *([0.0] * split + [1.0] * (n - split) for split in splits)]


def _modelled(background: int, series: _Series, splits: Sequence[int], fitted: Fit) -> _Model:
    n = len(series.logs)
    independent = n / series.points_to_tell
    parameters = background + 2 * len(splits)  # a split has a place and a height
    return _Model(
        fit=fitted,
        splits=tuple(splits),
        background=background,
        widening=sqrt(series.points_to_tell),
        df=max(2.0, independent - background - len(splits)),
        criterion=independent * log(max(fitted.rss, 1e-12) / n) + parameters * log(independent),
        positions=n,
        series=series,
    )


def likeness_of(logs: Sequence[float]) -> float:
    """
    How alike neighbours are, 0 to 0.9, whatever changes and courses the series has.

    Of an autoregressive series the squared differences two points apart are 1 + r times those of
    one; a few changes of level are among the largest ones, which are left out. Its standard error
    is added: to take neighbours for strangers makes changes of nothing.
    """
    near, far = _typical_square(logs, 1), _typical_square(logs, 2)
    if near <= 0:
        return 0.0
    return min(0.9, max(0.0, far / near - 1 + 1 / sqrt(len(logs))))


def _typical_square(logs: Sequence[float], distance: int) -> float:
    squares = sorted((one - after) ** 2 for one, after in zip(logs, logs[distance:], strict=False))
    return fmean(squares[: max(1, len(squares) * 9 // 10)])


def _drawn_in(logs: Sequence[float]) -> list[float]:
    """*logs* with the outliers drawn in to five times the scale."""
    middle = median(logs)
    scale = 1.4826 * median(abs(one - middle) for one in logs)
    if scale <= 0:
        return list(logs)
    low, high = middle - _OUTLIER * scale, middle + _OUTLIER * scale
    return [min(max(one, low), high) for one in logs]


def _change_point(model: _Model, number: int, at: Sequence[int]) -> ChangePoint:
    split = model.splits[number]
    effect, error = model.effect(number), model.error(number)
    half = t_quantile(0.975, model.df) * error
    level = model.series.logs[split - 1] - model.fit.residuals[split - 1]
    level += model.series.usual[split - 1]
    return ChangePoint(
        index=at[split],
        before=exp(level),
        after=exp(level + effect),
        low=exp(effect - half),
        high=exp(effect + half),
        p=model.p(number),
    )
