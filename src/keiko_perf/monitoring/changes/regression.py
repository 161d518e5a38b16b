"""
Regression: ordinary least squares on some columns, by the normal equations. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from operator import mul

_SINGULAR = 1e-9


@dataclass(frozen=True, slots=True)
class Fit:
    """
    Attributes:
        coefficients: one for each column.
        errors: their standard errors.
        residuals: what is left of each value.
        rss: the residuals' squares added up.
    """

    coefficients: tuple[float, ...]
    errors: tuple[float, ...]
    residuals: tuple[float, ...]
    rss: float


def fit(columns: Sequence[Sequence[float]], values: Sequence[float]) -> Fit:
    """*values* as a sum of multiples of *columns*; see `Normal`."""
    return Normal(columns, values).fit(range(len(columns)))


class Normal:
    """
    The normal equations of *values* as a sum of multiples of *columns*, made once, so that many
    choices of columns can be tried.

    The columns are of size 1 or so, which keeps the equations well conditioned.
    """

    def __init__(self, columns: Sequence[Sequence[float]], values: Sequence[float]) -> None:
        self._columns = columns
        self._values = values
        self._right = [_dot(one, values) for one in columns]
        self._gram = [[0.0] * len(columns) for _ in columns]
        for i, one in enumerate(columns):
            for j in range(i + 1):
                self._gram[i][j] = self._gram[j][i] = _dot(one, columns[j])

    def fit(self, chosen: Sequence[int]) -> Fit:
        """The fit of the *chosen* columns; one that the others make up gets no share."""
        inverse = _inverted([[self._gram[i][j] for j in chosen] for i in chosen])
        right = [self._right[i] for i in chosen]
        coefficients = [_dot(row, right) for row in inverse]
        residuals = list(self._values)
        for i, coefficient in zip(chosen, coefficients, strict=True):
            if coefficient:
                residuals = [
                    one - coefficient * there
                    for one, there in zip(residuals, self._columns[i], strict=True)
                ]
        rss = _dot(residuals, residuals)
        variance = rss / max(1, len(residuals) - len(chosen))
        errors = [sqrt(max(0.0, variance * inverse[i][i])) for i in range(len(chosen))]
        return Fit(tuple(coefficients), tuple(errors), tuple(residuals), rss)


def _inverted(gram: list[list[float]]) -> list[list[float]]:
    """The inverse, by sweeps (Goodnight 1979); a column that is a sum of others is left at 0."""
    n = len(gram)
    swept = [row[:] for row in gram]
    done: list[int] = []
    for pivot in range(n):
        if swept[pivot][pivot] <= _SINGULAR * max(gram[pivot][pivot], 1.0):
            continue
        _sweep(swept, pivot)
        done.append(pivot)
    return [[-swept[i][j] if i in done and j in done else 0.0 for j in range(n)] for i in range(n)]


def _sweep(matrix: list[list[float]], pivot: int) -> None:
    scale = matrix[pivot][pivot]
    above = [row[pivot] for row in matrix]
    beside = matrix[pivot][:]
    for i, row in enumerate(matrix):
        if i == pivot:
            continue
        share = above[i] / scale
        for j in range(len(row)):
            if j != pivot:
                row[j] -= share * beside[j]
        row[pivot] = share
    matrix[pivot] = [one / scale for one in beside]
    matrix[pivot][pivot] = -1 / scale


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return float(sum(map(mul, one, other)))
