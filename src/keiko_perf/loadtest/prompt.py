"""
Prompt: what users have in common who all ask one and the same, the moment that they are answered.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from keiko_perf.loadtest.books import Books
from keiko_perf.loadtest.meter import StepMeter


@dataclass(slots=True, kw_only=True)
class Prompt:
    """
    Attributes:
        wire: the request.
        until: when nothing more is asked, on *clock*; the owner moves it forward to stop.
        clock: the owner's.
        meter: of the one step.
        books: where it counts what it did.
    """

    wire: bytes
    until: float
    clock: Callable[[], float]
    meter: StepMeter
    books: Books
