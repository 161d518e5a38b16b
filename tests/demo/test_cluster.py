"""A private PostgreSQL leaves nothing behind, whatever happens."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg
import pytest

from keiko_perf.demo.cluster import Cluster, private_cluster
from keiko_perf.demo.programs import Programs, find_programs, runnable, runner
from keiko_perf.errors import Unavailable

pytestmark = pytest.mark.postgres


def _libpq(url: str) -> str:
    return url.replace("+psycopg", "")


def _servers_in(folder: Path) -> list[psutil.Process]:
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(str(folder) in part for part in process.info["cmdline"] or ())
    ]


async def test_a_database_has_the_extensions_that_there_are(postgres: Cluster) -> None:
    url = await postgres.create_database("with extensions")
    async with await psycopg.AsyncConnection.connect(_libpq(url)) as db:
        rows = await (await db.execute("SELECT extname FROM pg_extension")).fetchall()
    names = {name for (name,) in rows}
    assert ("pg_stat_statements" in names) is postgres.has_statement_statistics
    assert ("hypopg" in names) is postgres.has_hypopg
    await postgres.drop_database("with extensions")


async def test_the_password_is_in_no_repr(postgres: Cluster) -> None:
    password = postgres.url.split(":")[2].split("@")[0]
    assert password not in repr(postgres)


async def test_it_and_its_folder_are_gone_afterwards() -> None:
    async with private_cluster() as cluster:
        assert _servers_in(cluster.folder)
    assert not cluster.folder.exists()
    assert not _servers_in(cluster.folder)


@pytest.mark.parametrize("after_s", [0.0, 0.1, 0.6, 1.2])
async def test_it_is_gone_when_its_start_is_cancelled(after_s: float, tmp_path: Path) -> None:
    # The folder belongs to another user when we are root, who must be able to reach it.
    for above in (tmp_path, *tmp_path.parents[:3]):
        above.chmod(above.stat().st_mode | 0o055)

    async def use() -> None:
        async with private_cluster(parent=tmp_path):
            await asyncio.sleep(60)

    task = asyncio.create_task(use())
    await asyncio.sleep(after_s)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert os.listdir(tmp_path) == []
    assert not _servers_in(tmp_path)


def test_it_is_gone_when_its_owner_is_killed() -> None:
    script = (
        "import asyncio\n"
        "from keiko_perf.demo.cluster import private_cluster\n"
        "async def main():\n"
        "    async with private_cluster() as cluster:\n"
        "        print(cluster.folder, flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    owner = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    with owner.stdout:
        folder = Path(owner.stdout.readline().strip())
    servers = _servers_in(folder)
    assert servers
    os.kill(owner.pid, signal.SIGKILL)
    owner.wait()
    _, alive = psutil.wait_procs(servers, timeout=30)
    assert not alive
    assert not folder.exists()


def test_without_programs_the_cure_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("keiko_perf.demo.programs.find_spec", lambda _name: None)
    with pytest.raises(Unavailable, match="apt install postgresql") as caught:
        find_programs(places=("/nowhere/*/bin",))
    assert "keiko-perf[embedded]" in caught.value.cure


def test_the_newest_programs_win_and_too_old_ones_are_passed_over(tmp_path: Path) -> None:
    for version in (9, 13, 15, 17):
        directory = tmp_path / str(version) / "bin"
        directory.mkdir(parents=True)
        (directory / "initdb").touch()
        program = directory / "postgres"
        program.write_text(f"#!/bin/sh\necho 'postgres (PostgreSQL) {version}.1'\n")
        program.chmod(0o755)
    found = find_programs(places=(f"{tmp_path}/*/bin",))
    assert (found.version, found.origin) == (17, "system")


async def test_programs_that_fail_say_why_and_leave_nothing(tmp_path: Path) -> None:
    directory = tmp_path / "bin"
    directory.mkdir()
    program = directory / "initdb"
    program.write_text("#!/bin/sh\necho 'could not write: No space left on device' >&2\nexit 1\n")
    program.chmod(0o755)
    (directory / "postgres").symlink_to(program)
    for above in (tmp_path, *tmp_path.parents[:3]):
        above.chmod(above.stat().st_mode | 0o055)
    place = tmp_path / "clusters"
    place.mkdir(mode=0o755)
    with pytest.raises(Unavailable, match="No space left on device"):
        async with private_cluster(find=lambda: Programs(directory, 15, "system"), parent=place):
            pass
    assert not list(place.iterdir())


async def test_it_is_the_complaint_that_is_quoted_and_not_the_last_line(tmp_path: Path) -> None:
    directory = tmp_path / "bin"
    directory.mkdir()
    program = directory / "initdb"
    program.write_text(
        "#!/bin/sh\n"
        "echo 'FATAL:  the disk is full' >&2\n"
        "echo 'removing data directory' >&2\n"
        "exit 1\n"
    )
    program.chmod(0o755)
    for above in (tmp_path, *tmp_path.parents[:3]):
        above.chmod(above.stat().st_mode | 0o055)
    with pytest.raises(Unavailable, match="FATAL:  the disk is full"):
        async with private_cluster(find=lambda: Programs(directory, 15, "system"), parent=tmp_path):
            pass


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to run programs as another user")
async def test_a_temporary_folder_that_is_closed_to_the_runner_is_said(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(Unavailable, match="Permission denied") as refused:
        async with private_cluster(parent=closed):
            pass
    assert f"{closed} is closed to it" in refused.value.cure
    assert not list(closed.iterdir())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to run programs as another user")
def test_programs_closed_to_their_user_are_copied(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    for part in ("bin", "lib", "share"):
        (closed / part).mkdir(parents=True)
    program = closed / "bin" / "postgres"
    program.write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 16.1'\n")
    program.chmod(0o755)
    closed.chmod(0o700)
    folder = tmp_path / "open"
    folder.mkdir(mode=0o755)
    copied = runnable(Programs(closed / "bin", 16, "embedded"), runner(), folder)
    assert copied.directory == folder / "programs" / "bin"
    assert copied.postgres.exists()
