"""
Regression: ordinary least squares on some columns, by the normal equations. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

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
    """
    *values* as a sum of multiples of *columns*; a column that the others make up gets no share.

    The columns are of size 1 or so, which keeps the normal equations well conditioned.
    """
    gram = [[_dot(one, other) for other in columns] for one in columns]
    inverse = _inverted(gram)
    right = [_dot(one, values) for one in columns]
    coefficients = [_dot(row, right) for row in inverse]
    residuals = list(values)
    for coefficient, column in zip(coefficients, columns, strict=True):
        if coefficient:
            residuals = [
                one - coefficient * there for one, there in zip(residuals, column, strict=True)
            ]
    rss = _dot(residuals, residuals)
    variance = rss / max(1, len(values) - len(columns))
    errors = [sqrt(max(0.0, variance * inverse[i][i])) for i in range(len(columns))]
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
    return sum(map(_times, one, other))


def _times(one: float, other: float) -> float:
    return one * other
