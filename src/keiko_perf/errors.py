"""
What can go wrong, as one tree.

    KeikoError                    something could not be done
    ├── UsageError                the request itself makes no sense            exit 2
    │   └── ConfigError           a setting has a value that cannot be used
    └── Unavailable               something that is needed is not there        exit 1
        ├── DatabaseUnavailable   the database cannot be reached, or not used
        │   └── DatabaseFull      its server has no connection left
        ├── StatementRefused      a statement that this tool will not execute
        ├── StoreUnavailable      the store of measurements cannot be read or written
        ├── ServiceUnavailable    the service under test does not answer
        └── MissingExtra          an optional package is not installed

Each says what could not be done and what would cure it, and keeps the two apart, so that a
report can show them apart. None ever carries a password or a token.
"""

from __future__ import annotations

__all__ = [
    "ConfigError",
    "DatabaseFull",
    "DatabaseUnavailable",
    "KeikoError",
    "MissingExtra",
    "ServiceUnavailable",
    "StatementRefused",
    "StoreUnavailable",
    "Unavailable",
    "UsageError",
]


class KeikoError(Exception):
    """
    Something could not be done.

    Attributes:
        what: what could not be done, a sentence without its full stop.
        cure: what the reader can do about it, likewise.
    """

    exit_code = 1

    def __init__(self, what: str, *, cure: str) -> None:
        super().__init__(what, cure)
        self.what = what
        self.cure = cure

    def __str__(self) -> str:
        return f"{self.what}. {self.cure}."


class UsageError(KeikoError, ValueError):
    """The request itself makes no sense: an argument out of range, two that exclude each other."""

    exit_code = 2


class ConfigError(UsageError):
    """A setting, in a file or in the environment, has a value that cannot be used."""


class Unavailable(KeikoError):
    """Something that is needed is not there, or may not be looked at."""


class DatabaseUnavailable(Unavailable):
    """The database cannot be reached, or lacks something that the question needs."""


class DatabaseFull(DatabaseUnavailable):
    """The database's server has no connection left: who asks why it is slow has his answer."""


class StatementRefused(Unavailable):
    """A statement that is not executed, because it could write or cannot be understood."""


class StoreUnavailable(Unavailable):
    """The store of measurements cannot be read or written."""


class ServiceUnavailable(Unavailable):
    """The service under test does not answer, or not in time."""


class MissingExtra(Unavailable, ImportError):
    """
    An optional package is not installed.

    Args:
        package: the package whose import failed.
        extra: the extra of keiko-perf that brings it.
        purpose: what needs it, as in "the load engine".
    """

    def __init__(self, package: str, *, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package}, which is not installed",
            cure=f"pip install 'keiko-perf[{extra}]'",
        )
