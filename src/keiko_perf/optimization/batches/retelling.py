"""
Retelling: what a service's log says of items that are tried again.

stamina logs `stamina.retry_scheduled` for each retry, with what it knows as extra fields that a
plain format does not show. For a batch the line says what failed, with which item, how, and when it
is tried again. As one service that is gone makes thousands fail, some lines are written at first,
and later one a second, which says how many it stands for. Logger, level and fields stay stamina's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from reprlib import Repr

_FIRST = 5
_EVERY_S = 1.0
_LONGEST_ERROR = 200
_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxother = 80


@dataclass(slots=True)
class Retelling:
    """
    The lines of one batch.

    Attributes:
        name: of the function that is tried again.
        attempts: how often, at most.
    """

    name: str
    attempts: int
    _written: int = 0
    _left_out: int = 0
    _last_s: float = field(default=float("-inf"))

    def line(self, item: object, error: str, retry: int, wait_s: float, now_s: float) -> str | None:
        """What to write of a retry; None if nothing, because much was written just now."""
        if self._written >= _FIRST and now_s - self._last_s < _EVERY_S:
            self._left_out += 1
            return None
        others = f" ({self._left_out:,} others since the last line)" if self._left_out else ""
        self._written, self._left_out, self._last_s = self._written + 1, 0, now_s
        return (
            f"{self.name} failed for {_SHORT.repr(item)}: {error}. Attempt {retry + 1} of "
            f"{self.attempts} in {wait_s:.2f} s{others}"
        )


_current: ContextVar[tuple[Retelling, object] | None] = ContextVar("keiko_perf_retry", default=None)


def retelling_of(function: Callable[..., object], attempts: int) -> Retelling:
    """The lines of a batch; from now on stamina's log has them. Of others it tells as before."""
    logger = logging.getLogger("stamina")
    if _retold not in logger.filters:
        logger.addFilter(_retold)
    inner = getattr(function, "func", function)  # of a partial
    return Retelling(getattr(inner, "__qualname__", type(inner).__qualname__), attempts)


@contextmanager
def telling(retelling: Retelling | None, item: object = None) -> Iterator[None]:
    """What is tried again within is *item*; with None it is none of a batch's."""
    before = _current.set(None if retelling is None else (retelling, item))
    try:
        yield
    finally:
        _current.reset(before)


def _retold(record: logging.LogRecord) -> bool:
    told = _current.get()
    if told is None or record.msg != "stamina.retry_scheduled":
        return True
    retelling, item = told
    known = vars(record)
    error = str(known.get("stamina.caused_by", ""))[:_LONGEST_ERROR]
    retry, wait_s = int(known.get("stamina.retry_num", 0)), float(known.get("stamina.wait_for", 0))
    line = retelling.line(item, error, retry, wait_s, record.created)
    if line is None:
        return False
    record.msg, record.args = line, ()
    return True
