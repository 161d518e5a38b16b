"""
Server: what stands at the other end of a connection, and whether it is one that can be read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keiko_perf.errors import DatabaseUnavailable

LEAST_VERSION = 130000


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """
    What stands at the other end.

    Attributes:
        version: as a number, such as 150004.
        version_text: as the server says it, such as `15.4 (Debian 15.4-1)`.
        database: the current database.
        user: as whom we are in.
        is_superuser: whether that user may do anything.
        is_standby: whether the server follows another one.
        search_path: the schemas in which that user's statements find a bare name, in this order.
    """

    version: int
    version_text: str
    database: str
    user: str
    is_superuser: bool
    is_standby: bool
    search_path: tuple[str, ...] = ("public",)

    @property
    def major(self) -> int:
        return self.version // 10000


def server_of(row: Mapping[str, Any]) -> Server:
    """
    What the server says of itself.

    Raises:
        DatabaseUnavailable: it is not PostgreSQL, or one that is too old.
    """
    words = str(row["version"])
    if not words.startswith("PostgreSQL") or int(row["number"]) < LEAST_VERSION:
        raise DatabaseUnavailable(
            f"the server is {' '.join(words.split()[:2])!r}, not PostgreSQL 13 or newer",
            cure="Upgrade the server: keiko-perf reads PostgreSQL 13 to 18",
        )
    return Server(
        version=int(row["number"]),
        version_text=row["version_text"],
        database=row["database"],
        user=row["user_name"],
        is_superuser=row["is_superuser"] == "on",
        is_standby=row["is_standby"],
        search_path=tuple(row["search_path"]),
    )


UNKNOWN = Server(
    version=0, version_text="", database="", user="", is_superuser=False, is_standby=False
)
# Asked on the user's own search path, which is part of the question: each name has its schema.
WHO_IS_THERE = """
SELECT pg_catalog.version() AS version,
       pg_catalog.current_setting('server_version_num') AS number,
       pg_catalog.current_setting('server_version') AS version_text,
       CAST(pg_catalog.current_database() AS pg_catalog.text) AS database,
       CAST(current_user AS pg_catalog.text) AS user_name,
       pg_catalog.current_setting('is_superuser') AS is_superuser,
       pg_catalog.pg_is_in_recovery() AS is_standby,
       CAST(pg_catalog.current_schemas(false) AS pg_catalog.text[]) AS search_path
"""
