"""
Statements: what pg_stat_statements keeps of each, and what the planner knows of their columns.
"""

from __future__ import annotations

from dataclasses import dataclass

MOST_CHARACTERS = 4_000
"""Of a statement's text; a longer one is cut, and `characters` tells how long it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementStats:
    """
    One normalised statement of pg_stat_statements.

    Attributes:
        query: its text, with `$1` for constants, at most `MOST_CHARACTERS` of it.
        calls: how often it was executed.
        total_s: all the time that took.
        mean_s: the time of one execution.
        stddev_s: its standard deviation.
        max_s: the longest.
        rows: rows returned or changed, in all.
        hit_blocks: blocks found in shared buffers.
        read_blocks: blocks that had to be fetched.
        temp_blocks: blocks written to temporary files.
        read_s: the time spent to fetch blocks; None if the server does not time that.
        plan_s: the time spent planning; None if the server does not time that.
        wal_bytes: what it wrote to the log.
        jit_s: the time spent compiling; None where the server does not tell.
        characters: how long its whole text is.
    """

    query: str
    calls: int
    total_s: float
    mean_s: float
    stddev_s: float
    max_s: float
    rows: int
    hit_blocks: int
    read_blocks: int
    temp_blocks: int
    read_s: float | None = None
    plan_s: float | None = None
    wal_bytes: float = 0.0
    jit_s: float | None = None
    characters: int = 0

    @property
    def rows_per_call(self) -> float:
        return self.rows / self.calls if self.calls else 0.0

    @property
    def hit_ratio(self) -> float | None:
        """The share of blocks found in shared buffers; None if it touched none."""
        blocks = self.hit_blocks + self.read_blocks
        return self.hit_blocks / blocks if blocks else None

    @property
    def square_s2(self) -> float:
        """The sum of the squares of all durations, which unlike the deviation can be subtracted."""
        return self.calls * (self.stddev_s**2 + self.mean_s**2)

    @property
    def is_whole(self) -> bool:
        """Whether the text was not cut."""
        return self.characters <= len(self.query)


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnGroup:
    """
    Columns of one table that a statement compares for equality, all at once.

    Attributes:
        table: the table, as one would write it.
        columns: their names.
        rows_expected: how many rows the planner expects if they have nothing to do with each other.
        rows_found: how many there were on average.
        has_statistics: whether extended statistics cover them already.
        query: the statement that asks for them.
        total_s: the time that it took in all.
    """

    table: str
    columns: tuple[str, ...]
    rows_expected: float
    rows_found: float
    has_statistics: bool
    query: str
    total_s: float
