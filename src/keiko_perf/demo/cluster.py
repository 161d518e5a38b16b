"""
Cluster: a private PostgreSQL for as long as it is needed.

It lives in a temporary folder, listens on a free port of the loopback interface behind a random
password, and is gone with its folder when it is no longer wanted or when we die (see guardian).
It is fast rather than safe: nothing in it outlives the run.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from pwd import getpwnam
from urllib.parse import quote

from keiko_perf.demo.programs import Programs, find_programs, runnable, runner
from keiko_perf.errors import MissingExtra, Unavailable
from keiko_perf.loadtest.comparison.served import free_port

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "track_io_timing": "on",
    "log_min_messages": "warning",
    "logging_collector": "off",
}
_PATIENCE_S = 60.0
_LAST_MOMENTS_S = 5.0
_COMPLAINT = re.compile(r"\b(?:FATAL|PANIC|ERROR|error):")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """
    A running PostgreSQL of our own.

    Attributes:
        url: where the superuser finds database `postgres`, in SQLAlchemy's form. It holds the
            password: don't print it.
        programs: what runs.
        has_statement_statistics: whether pg_stat_statements is preloaded.
        has_hypopg: whether HypoPG can be created.
        folder: where it lives, until it is stopped.
    """

    url: str = field(repr=False)
    programs: Programs
    has_statement_statistics: bool
    has_hypopg: bool
    folder: Path

    async def create_database(self, name: str) -> str:
        """
        Create a database with the extensions that there are.

        Returns:
            Its URL, in SQLAlchemy's form.
        """
        import psycopg
        from psycopg.sql import SQL, Identifier

        async with await psycopg.AsyncConnection.connect(_libpq(self.url), autocommit=True) as db:
            await db.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        url = f"{self.url.rpartition('/')[0]}/{quote(name)}"
        async with await psycopg.AsyncConnection.connect(_libpq(url), autocommit=True) as db:
            if self.has_statement_statistics:
                await db.execute("CREATE EXTENSION pg_stat_statements")
            if self.has_hypopg:
                await db.execute("CREATE EXTENSION hypopg")
        return url

    async def drop_database(self, name: str) -> None:
        """Drop a database, with whoever is connected to it."""
        import psycopg
        from psycopg.sql import SQL, Identifier

        async with await psycopg.AsyncConnection.connect(_libpq(self.url), autocommit=True) as db:
            await db.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


@asynccontextmanager
async def private_cluster(
    *,
    find: Callable[[], Programs] = find_programs,
    parent: Path | None = None,
    settings: Mapping[str, str] | None = None,
) -> AsyncIterator[Cluster]:
    """
    A PostgreSQL of our own while the context lasts.

    Args:
        find: finds PostgreSQL's programs.
        parent: the folder to make its folder in; the system's temporary one by default.
        settings: further settings of the server; they override ours.

    Raises:
        Unavailable: there are no programs, or they don't get it to run; it says why.
        MissingExtra: psycopg is not installed.
    """
    try:
        import psycopg  # noqa: F401  # asked for here, before anything is started
    except ImportError as error:
        raise MissingExtra("psycopg", extra="postgres", purpose="the database") from error
    user = runner()
    folder = Path(tempfile.mkdtemp(prefix="keiko-perf-", dir=parent))
    guardian: subprocess.Popen[bytes] | None = None
    try:
        programs = runnable(find(), user, folder)
        _give(folder, user)
        password = secrets.token_hex(16)
        await _initdb(programs, user, folder, password)
        port = free_port()
        server = _settings(programs, port) | dict(settings or {})
        guardian = _start(programs, user, folder, server)
        url = f"postgresql+psycopg://postgres:{password}@127.0.0.1:{port}/postgres"
        await _until_it_answers(url, guardian, folder)
        yield Cluster(
            url=url,
            programs=programs,
            has_statement_statistics="shared_preload_libraries" in server,
            has_hypopg=programs.has_extension("hypopg"),
            folder=folder,
        )
    finally:
        # Not awaited: a cancelled task must still get to its end.
        if guardian is not None:
            _dismiss(guardian)
        shutil.rmtree(folder, ignore_errors=True)


def _give(folder: Path, user: str | None) -> None:
    """Let *user* own the folder, so that nobody else can look into it."""
    if user is not None:
        entry = getpwnam(user)
        os.chown(folder, entry.pw_uid, entry.pw_gid)


async def _initdb(programs: Programs, user: str | None, folder: Path, password: str) -> None:
    secret = folder / "password"
    secret.touch(mode=0o600)
    secret.write_text(password)
    _give(secret, user)
    command: list[str | Path] = [
        programs.initdb, "--pgdata", folder / "data", "--username", "postgres",
        "--auth", "scram-sha-256", "--pwfile", secret, "--encoding", "UTF8", "--locale", "C",
        "--no-sync",
    ]  # fmt: skip
    log = folder / "initdb.log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: ASYNC220  # not every loop starts one as another user
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=folder,
            user=user, group=_group(user), extra_groups=[] if user else None,
            start_new_session=True,
        )  # fmt: skip
    try:
        while process.poll() is None:  # noqa: ASYNC110  # a process sets no event
            await asyncio.sleep(0.05)
    finally:
        if process.poll() is None:
            _end_with_its_own(process)
        secret.unlink(missing_ok=True)
    if process.returncode:
        raise Unavailable(
            f"PostgreSQL could not make a database cluster: {_last_words(log)}",
            cure=_cure(_read(log), folder, user),
        )


def _end_with_its_own(leader: subprocess.Popen[bytes]) -> None:
    """End the leader of a session and all in it: initdb's own PostgreSQL would write on."""
    with suppress(ProcessLookupError):
        os.killpg(leader.pid, signal.SIGKILL)
    leader.wait()
    deadline = time.monotonic() + _LAST_MOMENTS_S
    with suppress(ProcessLookupError):  # the last one is gone
        while time.monotonic() < deadline:
            os.killpg(leader.pid, 0)
            time.sleep(0.01)


def _cure(said: bytes, folder: Path, user: str | None) -> str:
    if user is not None and b"Permission denied" in said:
        return (
            f"Name a temporary folder in TMPDIR that the user {user} may enter, such as /tmp: "
            f"as root PostgreSQL runs as that user, and {folder.parent} is closed to it"
        )
    return "Free some disk space under the temporary folder, or name another one in TMPDIR"


def _group(user: str | None) -> int | None:
    return getpwnam(user).pw_gid if user else None


def _settings(programs: Programs, port: int) -> dict[str, str]:
    settings = {**_SETTINGS, "port": str(port)}
    if programs.has_extension("pg_stat_statements"):
        settings["shared_preload_libraries"] = "pg_stat_statements"
        settings["pg_stat_statements.track"] = "all"
    return settings


def _start(
    programs: Programs, user: str | None, folder: Path, settings: dict[str, str]
) -> subprocess.Popen[bytes]:
    """Start the server under a guardian, which stops it when the returned pipe closes."""
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    command = [
        sys.executable, "-I", str(Path(__file__).with_name("guardian.py")),
        str(folder), user or "-", str(folder / "postgres.log"),
        str(programs.postgres), "-D", str(folder / "data"), *options,
    ]  # fmt: skip
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True
    )


async def _until_it_answers(url: str, guardian: subprocess.Popen[bytes], folder: Path) -> None:
    import psycopg

    deadline = asyncio.get_running_loop().time() + _PATIENCE_S
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(_libpq(url), connect_timeout=5):
                return
        except psycopg.OperationalError as error:
            log = folder / "postgres.log"
            pid_file = folder / "data" / "postmaster.pid"
            over = asyncio.get_running_loop().time() > deadline
            failed = b"FATAL" in _read(log) and not pid_file.exists()
            if over or failed or guardian.poll() is not None:
                raise Unavailable(
                    f"the private PostgreSQL did not start: {_last_words(log)}",
                    cure="Try again; if it stays, name a running server with --database URL",
                ) from error
        await asyncio.sleep(0.05)


def _dismiss(guardian: subprocess.Popen[bytes]) -> None:
    assert guardian.stdin is not None
    guardian.stdin.close()
    try:
        guardian.wait(25)
    except subprocess.TimeoutExpired:
        guardian.kill()
        guardian.wait()


def _read(log: Path) -> bytes:
    try:
        return log.read_bytes()
    except OSError:
        return b""


def _last_words(log: Path) -> str:
    """What a program complained of last, else what it said last."""
    lines = _read(log).decode(errors="replace").strip().splitlines()
    complaints = [line for line in lines if _COMPLAINT.search(line)]
    return (complaints or lines or ["it said nothing"])[-1].strip()


def _libpq(url: str) -> str:
    """SQLAlchemy's URL as libpq writes it."""
    return url.replace("postgresql+psycopg://", "postgresql://", 1)
