"""
Pieces: a long benchmark in several runs of a bounded time, each of which goes on where the last one
stopped. What was found so far is in a file, one JSON value a line.
"""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any


def add_options(parser: ArgumentParser) -> None:
    """The options of a benchmark that can be run in pieces."""
    parser.add_argument("--tally", type=Path, help="Go on with what this file has, and add to it.")
    parser.add_argument("--budget", type=float, help="Begin nothing after so many seconds.")


class Pieces:
    """
    Args:
        options: those of `add_options`.
    """

    def __init__(self, options: Namespace) -> None:
        self._file: Path | None = options.tally
        self._end_s = time.monotonic() + (options.budget or float("inf"))
        self.found: list[dict[str, Any]] = []
        if self._file is not None and self._file.exists():
            self.found = [json.loads(line) for line in self._file.read_text().splitlines()]

    @property
    def has_time(self) -> bool:
        return time.monotonic() < self._end_s

    def add(self, one: dict[str, Any]) -> None:
        self.found.append(one)
        if self._file is not None:
            with self._file.open("a") as file:
                file.write(json.dumps(one) + "\n")
