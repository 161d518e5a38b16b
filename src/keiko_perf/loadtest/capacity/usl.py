"""
USL: the Universal Scalability Law, fitted to the steps of a search. A model, and no measurement.

With n requests in the service it gets X(n) = c·n ÷ (1 + a·(n - 1) + b·n·(n - 1)) through a second:
c times as many as one alone if nothing were shared, less by the share a that has to queue, and less
by b, what it costs that they have to agree with each other (Gunther, "Guerrilla Capacity Planning",
2007). It is shown only where it fits what was measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

LEAST_POINTS = 6
_LEAST_FIT = 0.95
_LEAST_SPAN = 2.0
"""From the fewest requests in the service to the most: on a shorter stretch anything fits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """
    Attributes:
        alone_per_s: c, what one request at a time gets through a second.
        queueing: a, the share that has to queue.
        agreeing: b, the cost of agreement.
        fit: R², of the throughput: 1 is exact.
    """

    alone_per_s: float
    queueing: float
    agreeing: float
    fit: float

    def per_s(self, in_service: float) -> float:
        """X(n)."""
        n = in_service
        return self.alone_per_s * n / (1 + self.queueing * (n - 1) + self.agreeing * n * (n - 1))

    @property
    def best_in_service(self) -> float | None:
        """With how many requests in the service most get through; None if ever more help."""
        if self.agreeing <= 0:
            return None
        return max(1.0, sqrt(max(0.0, 1 - self.queueing) / self.agreeing))

    @property
    def most_per_s(self) -> float | None:
        """The most that gets through, by this model; None if that has no end."""
        best = self.best_in_service
        if best is not None:
            return self.per_s(best)
        return self.alone_per_s / self.queueing if self.queueing > 0 else None


def fitted(points: Sequence[tuple[float, float]]) -> Law | None:
    """
    The law that fits *points* best; None where it does not fit well.

    Args:
        points: requests in the service, and how many got through a second.
    """
    points = [(n, x) for n, x in points if n > 0 and x > 0]
    if len(points) < LEAST_POINTS:
        return None
    if max(n for n, _ in points) < _LEAST_SPAN * min(n for n, _ in points):
        return None
    best: Law | None = None
    # Neither cost is negative: where the best fit says so, that one is left out.
    for terms in ((0, 1, 2), (0, 1), (0, 2), (0,)):
        found = _law(points, terms)
        if found is not None and (best is None or found.fit > best.fit + 1e-9):
            best = found
    return best if best is not None and best.fit >= _LEAST_FIT else None


def _law(points: Sequence[tuple[float, float]], terms: tuple[int, ...]) -> Law | None:
    """n ÷ X is a sum of 1, n - 1 and n(n - 1), so least squares fit it, relative to its size."""
    rows = []
    for n, x in points:
        columns = (1.0, n - 1, n * (n - 1))
        weight = x / n
        rows.append(([columns[at] * weight for at in terms], 1.0))
    solved = _least_squares(rows)
    if solved is None:
        return None
    values = [0.0, 0.0, 0.0]
    for at, value in zip(terms, solved, strict=True):
        values[at] = value
    base, queueing, agreeing = values
    if base <= 0 or queueing < 0 or agreeing < 0 or queueing / base > 1:
        return None
    law = Law(alone_per_s=1 / base, queueing=queueing / base, agreeing=agreeing / base, fit=0.0)
    mean = sum(x for _, x in points) / len(points)
    total = sum((x - mean) ** 2 for _, x in points)
    rest = sum((x - law.per_s(n)) ** 2 for n, x in points)
    fit = 1 - rest / total if total > 0 else 0.0
    return Law(alone_per_s=law.alone_per_s, queueing=law.queueing, agreeing=law.agreeing, fit=fit)


def _least_squares(rows: Sequence[tuple[list[float], float]]) -> list[float] | None:
    """The normal equations, by Gauss with pivots; None where they have no one answer."""
    size = len(rows[0][0])
    matrix = [
        [sum(row[i] * row[j] for row, _ in rows) for j in range(size)]
        + [sum(row[i] * y for row, y in rows)]
        for i in range(size)
    ]
    for at in range(size):
        pivot = max(range(at, size), key=lambda i: abs(matrix[i][at]))
        if abs(matrix[pivot][at]) < 1e-12:
            return None
        matrix[at], matrix[pivot] = matrix[pivot], matrix[at]
        for i in range(size):
            if i != at:
                factor = matrix[i][at] / matrix[at][at]
                matrix[i] = [a - factor * b for a, b in zip(matrix[i], matrix[at], strict=True)]
    return [matrix[i][size] / matrix[i][i] for i in range(size)]
