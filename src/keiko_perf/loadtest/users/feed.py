"""
Feed: rows of data for users, each row to one user only, whatever the number of processes.

Of *n* processes the first takes the rows 0, n, 2n…, the second 1, n + 1, 2n + 1…, so that they need
not talk with each other. Rows are read when they are needed, so a file may be larger than
the memory.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count as numbers
from pathlib import Path
from typing import Any, Literal

from keiko_perf.errors import UsageError
from keiko_perf.loadtest.processes.share import Share

Row = Mapping[str, Any]
Per = Literal["user", "iteration"]

_FILES = (".csv", ".tsv", ".jsonl", ".ndjson")


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """
    Attributes:
        source: the path of a file of CSV (with a line of names), TSV or JSON lines, or the rows.
        per: whether a user keeps a row, or takes a new one for each iteration.
        repeats: whether the rows are used again from the start once they are used up. Without, no
            row is used twice.
    """

    source: Path | Iterable[Row] = field(repr=False)
    per: Per = "user"
    repeats: bool = False

    def __post_init__(self) -> None:
        if self.per not in ("user", "iteration"):
            raise UsageError(f"rows per {self.per!r}", cure="Use per='user' or per='iteration'")
        if isinstance(self.source, Path):
            if self.source.suffix.lower() not in _FILES:
                raise UsageError(
                    f"{self.source} is no file of rows", cure=f"Name one of {', '.join(_FILES)}"
                )
        elif self.repeats and isinstance(self.source, Iterator):
            raise UsageError(
                "rows that can be read only once cannot be repeated", cure="Give a list of them"
            )

    @property
    def name(self) -> str:
        """What errors call it."""
        return self.source.name if isinstance(self.source, Path) else "the rows"

    def share(self, share: Share) -> Iterator[Row]:
        """
        The rows of one process, read one by one.

        Raises:
            UsageError: the file cannot be read, or has a line that is no row.
        """
        return share.sequence(self._rows())

    def _rows(self) -> Iterator[Row]:
        while True:
            number = -1
            for number, row in enumerate(self._once()):
                if not isinstance(row, Mapping):
                    raise UsageError(
                        f"{self.name} has no mapping at row {number}",
                        cure="Give rows as mappings from a name to a value",
                    )
                yield row
            if number < 0:
                raise UsageError(f"{self.name} has no row", cure="Give at least one")
            if not self.repeats:
                return

    def _once(self) -> Iterator[Row]:
        if not isinstance(self.source, Path):
            yield from self.source
            return
        suffix = self.source.suffix.lower()
        try:
            with self.source.open(encoding="utf-8-sig", newline="") as file:
                if suffix in (".csv", ".tsv"):
                    yield from _table(file, self.source, "\t" if suffix == ".tsv" else ",")
                else:
                    yield from _lines(file, self.source)
        except OSError as error:
            raise UsageError(
                f"the rows cannot be read from {self.source}: {error.strerror}",
                cure="Name a file that exists and that you may read",
            ) from error
        except UnicodeDecodeError as error:
            raise UsageError(f"{self.source} is not UTF-8", cure="Convert it") from error


def rows(source: str | Path | Iterable[Row], *, per: Per = "user", repeats: bool = False) -> Feed:
    """
    Rows for users: of a file, by its path, or of any iterable of mappings.

    Raises:
        UsageError: it is no such thing.
    """
    if isinstance(source, str):
        source = Path(source)
    return Feed(source=source, per=per, repeats=repeats)


def _table(file: Iterable[str], source: Path, separator: str) -> Iterator[Row]:
    reader = csv.reader(file, delimiter=separator, strict=True)
    try:
        names = next(reader, [])
        if not all(names) or len(set(names)) < len(names):
            raise UsageError(
                f"the first line of {source} has an empty name, or one twice",
                cure="Name each column in it",
            )
        for row in reader:
            if len(row) != len(names) and row:
                raise UsageError(
                    f"{source}:{reader.line_num} has {len(row)} values for {len(names)} columns",
                    cure="Correct the line",
                )
            if row:
                yield dict(zip(names, row, strict=True))
    except csv.Error as error:
        raise UsageError(
            f"{source}:{reader.line_num} is no CSV: {error}", cure="Correct the line"
        ) from error


def _lines(file: Iterable[str], source: Path) -> Iterator[Row]:
    for number, line in zip(numbers(1), file, strict=False):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise UsageError(
                f"{source}:{number} is no JSON: {error}", cure="Write one object a line"
            ) from error
        if not isinstance(row, dict):
            raise UsageError(f"{source}:{number} is no object", cure="Write one object a line")
        yield row
