"""
Generator: one process of the load generator, as it saw itself during a run.

A generator that was held up measured itself and not the service, so what could hold it up is
measured with the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Generator:
    """
    Attributes:
        cpu_ratio: its thread, as a share of one core; None if it was not measured.
        late_p99_s: how late it turned to a request that was due; None for too few to tell.
        gc_pauses: how often the garbage collector held it up.
        gc_paused_s: for how long in all.
        gc_longest_s: for how long at most.
        files: how many files it had open at the end; 0 if that cannot be seen here.
        files_limit: how many it may open; 0 if that cannot be seen here.
        opened: how many connections it made.
        ports: how many connections to one target this machine has ports for; 0 if unknown.
    """

    cpu_ratio: float | None = None
    late_p99_s: float | None = None
    gc_pauses: int = 0
    gc_paused_s: float = 0.0
    gc_longest_s: float = 0.0
    files: int = 0
    files_limit: int = 0
    opened: int = 0
    ports: int = 0

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Generator:
        """
        Undo `to_dict`.

        Raises:
            KeyError, TypeError, ValueError: it is no such document.
        """
        return cls(
            cpu_ratio=_optional(document["cpu_ratio"]),
            late_p99_s=_optional(document["late_p99_s"]),
            gc_pauses=int(document["gc_pauses"]),
            gc_paused_s=float(document["gc_paused_s"]),
            gc_longest_s=float(document["gc_longest_s"]),
            files=int(document["files"]),
            files_limit=int(document["files_limit"]),
            opened=int(document["opened"]),
            ports=int(document["ports"]),
        )


def _optional(number: float | None) -> float | None:
    return None if number is None else float(number)
