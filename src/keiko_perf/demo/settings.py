"""
What the demo service is told at its start: by a program as values, by a parent process through
the environment.

The token and the database's URL, which can hold a password, stay out of every repr.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from keiko_perf.errors import ConfigError

PREFIX = "KEIKO_DEMO_"


class Fault(StrEnum):
    """A fault that real services have. The value is its name for people and URLs."""

    MISSING_INDEX = "missing-index"  # a hot statement reads the whole of the largest table
    N_PLUS_ONE = "n-plus-one"  # a list asks the database once more for each of its items
    SMALL_POOL = "small-pool"  # requests wait for one of two connections
    BLOCKING_CALL = "blocking-call"  # an async handler sleeps, and all others with it
    LEAKING_CACHE = "leaking-cache"  # search results are kept for ever
    STARVED_POOL = "starved-pool"  # five connections, and a statement that holds one for 50 ms
    CPU_BURN = "cpu-burn"  # an async handler computes for tens of milliseconds
    ROW_LOCK = "row-lock"  # a transaction locks a row that all need, and then does something else
    SLOW_HTTP = "slow-http"  # a handler asks another service that takes its time
    HTTP_LOOP = "http-loop"  # a handler asks another service once for each of some items, in turn
    ASYNC_LOCK = "async-lock"  # requests take turns at a lock of asyncio, held over a statement
    SLOW_TASK = "slow-task"  # one kind of background task takes seconds

    @classmethod
    def named(cls, name: str) -> Fault:
        """
        The fault of that name.

        Raises:
            ConfigError: there is none.
        """
        try:
            return cls(name.strip())
        except ValueError:
            raise ConfigError(
                f"there is no fault named {name.strip()!r}", cure=f"Choose one of {', '.join(cls)}"
            ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoSettings:
    """
    Attributes:
        database_url: of the seeded PostgreSQL.
        token: what a client must present as bearer token.
        host: the address to listen on.
        port: the port to listen on; 0 takes a free one.
        store: the SQLite file for the measurements; None keeps them in memory.
        faults: what is wrong from the start.
        window_s: how long one window of measurements is.
        metrics_window_s: over how long the targets are judged.
        workers: how many background tasks run at a time.
        pool_size: how many database connections there are, unless `small-pool` is on.
        pool_timeout_s: how long a request waits for one of them.
    """

    database_url: str = field(repr=False)
    token: str = field(repr=False)
    host: str = "127.0.0.1"
    port: int = 0
    store: Path | None = None
    faults: frozenset[Fault] = frozenset()
    window_s: float = 10.0
    metrics_window_s: float = 60.0
    workers: int = 2
    pool_size: int = 10
    pool_timeout_s: float = 30.0

    def __post_init__(self) -> None:
        checks = [
            (bool(self.database_url), "DATABASE_URL", "is not set", "postgresql://user@host/name"),
            (bool(self.token.strip()), "TOKEN", "is not set", "any secret text"),
            (0 <= self.port <= 65535, "PORT", f"is {self.port}", "a port, or 0 for a free one"),
            (self.window_s > 0, "WINDOW_S", f"is {self.window_s:g}", "seconds, more than 0"),
            (
                self.metrics_window_s >= self.window_s,
                "METRICS_WINDOW_S",
                f"is {self.metrics_window_s:g}",
                f"{self.window_s:g} seconds, the length of a window, or more",
            ),
            (self.workers >= 0, "WORKERS", f"is {self.workers}", "0 or more"),
            (self.pool_size >= 1, "POOL_SIZE", f"is {self.pool_size}", "1 or more"),
            (self.pool_timeout_s > 0, "POOL_TIMEOUT_S", "is not positive", "seconds, more than 0"),
        ]
        for holds, name, what, cure in checks:
            if not holds:
                raise ConfigError(f"{PREFIX}{name} {what}", cure=f"Give {cure}")

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> DemoSettings:
        """
        The settings that the variables `KEIKO_DEMO_*` give; the others have their defaults.

        Raises:
            ConfigError: one is missing or has a value that cannot be used.
        """
        given: dict[str, Any] = {"database_url": "", "token": ""}
        for name, read in _READERS.items():
            if written := environ.get(PREFIX + name.upper()):
                given[name] = _read(name, written, read)
        return cls(**given)

    def to_environment(self) -> dict[str, str]:
        """The variables that give these settings to a child process."""
        return {
            f"{PREFIX}DATABASE_URL": self.database_url,
            f"{PREFIX}TOKEN": self.token,
            f"{PREFIX}HOST": self.host,
            f"{PREFIX}PORT": str(self.port),
            f"{PREFIX}STORE": str(self.store or ""),
            f"{PREFIX}FAULTS": ",".join(sorted(self.faults)),
            f"{PREFIX}WINDOW_S": repr(self.window_s),
            f"{PREFIX}METRICS_WINDOW_S": repr(self.metrics_window_s),
            f"{PREFIX}WORKERS": str(self.workers),
            f"{PREFIX}POOL_SIZE": str(self.pool_size),
            f"{PREFIX}POOL_TIMEOUT_S": repr(self.pool_timeout_s),
        }


def parse_faults(names: str) -> frozenset[Fault]:
    """
    The faults of a list of names with commas between.

    Raises:
        ConfigError: one of them does not exist.
    """
    return frozenset(Fault.named(name) for name in names.split(",") if name.strip())


_READERS: Mapping[str, Callable[[str], object]] = {
    "database_url": str,
    "token": str,
    "host": str,
    "port": int,
    "store": Path,
    "faults": parse_faults,
    "window_s": float,
    "metrics_window_s": float,
    "workers": int,
    "pool_size": int,
    "pool_timeout_s": float,
}


def _read(name: str, written: str, read: Callable[[str], object]) -> object:
    try:
        return read(written)
    except ConfigError:
        raise
    except ValueError:
        kind = "whole number" if read is int else "number of seconds"
        raise ConfigError(f"{PREFIX}{name.upper()} is {written!r}", cure=f"Give a {kind}") from None
