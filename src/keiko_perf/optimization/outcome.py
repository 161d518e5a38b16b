"""
Outcome: what became of one item of a batch. A failure stays with its item and is never lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from reprlib import Repr
from typing import Generic, Self, TypeVar, cast

from keiko_perf.errors import Unavailable

T = TypeVar("T")
R = TypeVar("R")


class WorkCancelled(Unavailable):
    """The work was cancelled from within, while whoever waits for it was not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome(Generic[T, R]):
    """
    Attributes:
        item: what was worked on.
        index: its place in the source, from 0.
        value: what came of it; None if it failed.
        error: why it failed; None if it did not.
    """

    item: T
    index: int
    value: R | None = None
    error: Exception | None = None

    @property
    def failed(self) -> bool:
        return self.error is not None

    def unwrap(self) -> R:
        """
        The value.

        Raises:
            Exception: the item's own error.
        """
        if self.error is not None:
            raise self.error
        return cast(R, self.value)


class ItemsFailed(ExceptionGroup[Exception]):
    """
    Some items failed; all have run. Each error carries its item in a note.

    Attributes:
        outcomes: those of all items, in their order, the successful ones among them.
    """

    outcomes: tuple[Outcome[object, object], ...] = ()

    @classmethod
    def of(cls, outcomes: Sequence[Outcome[T, R]]) -> Self:
        """The error that tells of all *outcomes*, of which at least one failed."""
        errors = [_noted(one.error, one) for one in outcomes if one.error is not None]
        group = cls(f"{len(errors)} of {len(outcomes)} items failed", errors)
        group.outcomes = tuple(cast(Sequence[Outcome[object, object]], outcomes))
        return group

    @property
    def failures(self) -> tuple[Outcome[object, object], ...]:
        """The outcomes of those that failed."""
        return tuple(one for one in self.outcomes if one.failed)

    def derive(self, excs: Sequence[Exception]) -> ItemsFailed:  # type: ignore[override] # generic
        """What `split` and `except*` make of it: the same outcomes, fewer errors."""
        group = ItemsFailed(self.message, excs)
        group.outcomes = self.outcomes
        return group


_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxother = 80


def shortened(outcome: Outcome[T, R]) -> str:
    """An outcome in some words, however large its item is."""
    said = _SHORT.repr(outcome.value if outcome.error is None else outcome.error)
    return f"item {outcome.index}: {_SHORT.repr(outcome.item)}: {said}"


def _noted(error: Exception, outcome: Outcome[T, R]) -> Exception:
    note = f"item {outcome.index}: {_SHORT.repr(outcome.item)}"
    # One error object may fail several items, and a group may be made twice.
    if note not in getattr(error, "__notes__", ()):
        error.add_note(note)
    return error
