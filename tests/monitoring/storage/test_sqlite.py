from __future__ import annotations

import logging
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from threading import Thread

import pytest
from tests.monitoring.storage.storing import NOON, everything, window

from keiko_perf.errors import StoreUnavailable
from keiko_perf.model import Kind
from keiko_perf.monitoring.storage.sqlite import SqliteStore
from keiko_perf.monitoring.storage.store import MemoryStore, Store


def test_a_store_does_nothing_before_it_is_used(path: Path) -> None:
    store = SqliteStore(path)
    assert everything(store) == []
    store.close()
    assert not path.exists()


def test_the_folder_is_made(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "a" / "b" / "store.db")
    store.append(window())
    assert everything(store) == [window()]
    store.close()


def test_another_process_reads_what_this_one_writes(path: Path) -> None:
    writer, reader = SqliteStore(path), SqliteStore(path)
    writer.append(window(0))
    assert len(everything(reader)) == 1
    writer.append(window(10))
    assert len(everything(reader)) == 2
    writer.close()
    reader.close()


WORKER = """
import sys
from datetime import UTC, datetime, timedelta
from keiko_perf.model import Snapshot
from keiko_perf.monitoring.storage.sqlite import SqliteStore

path, worker, windows = sys.argv[1], sys.argv[2], int(sys.argv[3])
store = SqliteStore(path)
for number in range(windows):
    started_at = datetime(2026, 5, 4, 12, tzinfo=UTC) + timedelta(seconds=number)
    counters = {"arrived": 4, "number": number}
    store.append(
        Snapshot(started_at=started_at, window_s=1.0, counters=counters, worker=worker)
    )
store.close()
"""


def start_worker(path: Path, name: str, windows: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", WORKER, str(path), name, str(windows)])


def test_four_processes_write_at_once_and_nothing_is_lost(path: Path) -> None:
    workers = [start_worker(path, f"w{number}", 50) for number in range(4)]
    assert [worker.wait(60) for worker in workers] == [0] * 4
    store = SqliteStore(path)
    found = everything(store)
    store.close()
    assert sorted((one.worker, one.counters["number"]) for one in found) == [
        (f"w{worker}", number) for worker in range(4) for number in range(50)
    ]


def test_a_worker_that_is_killed_leaves_whole_windows(path: Path) -> None:
    store = SqliteStore(path)
    with start_worker(path, "w", 1_000_000) as worker:
        while len(everything(store)) < 20:
            assert worker.poll() is None
            time.sleep(0.01)  # the other process has to get on, and has its own time
        worker.kill()
    found = everything(store)
    assert [one.counters["number"] for one in found] == list(range(len(found)))
    store.append(window(0, worker="the next"))
    assert len(everything(store)) == len(found) + 1
    store.close()


def test_threads_share_a_store(path: Path) -> None:
    store = SqliteStore(path)
    threads = [
        Thread(target=lambda: [store.append(window(number)) for number in range(20)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(everything(store)) == 80
    store.close()


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.write_bytes(b"SQLite format 3\0" + b"this is no database" * 1000),
        lambda file: file.write_bytes(bytes(8192)),
        lambda file: file.write_bytes(file.read_bytes()[:5000]),
        lambda file: file.write_bytes(
            file.read_bytes()[:100] + os.urandom(4000) + file.read_bytes()[4100:]
        ),
    ],
    ids=["other bytes", "zeros", "cut off", "overwritten within"],
)
def test_a_damaged_file_is_moved_aside_and_said(
    path: Path, caplog: pytest.LogCaptureFixture, damage: Callable[[Path], None]
) -> None:
    store = SqliteStore(path)
    for number in range(200):
        store.append(window(number))
    store.close()
    damage(path)
    damaged = path.read_bytes()
    with caplog.at_level(logging.WARNING):
        store.append(window(999))
    assert everything(store) == [window(999)]
    store.close()
    (aside,) = (one for one in path.parent.glob("*.corrupt-*") if "-wal" not in one.name)
    assert aside.read_bytes() == damaged
    assert "moved to" in caplog.text
    assert str(aside) in caplog.text


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"somebody's letters, which are no database" * 100, "is not a database"),
        (b"SQLite format 3\x00" + b"\xff" * 5000, "cannot be read"),
    ],
)
def test_reading_a_file_that_is_no_store_leaves_it_alone(
    path: Path, content: bytes, reason: str
) -> None:
    path.write_bytes(content)
    with pytest.raises(StoreUnavailable, match=reason):
        everything(SqliteStore(path))
    assert path.read_bytes() == content
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("content", [b"import fastapi\n" * 300, b"\x89PNG\r\n" + bytes(9000), b"x"])
def test_a_file_of_somebody_elses_is_never_moved(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(StoreUnavailable, match="is not a database"):
        SqliteStore(path).append(window(0))
    assert path.read_bytes() == content
    assert os.listdir(path.parent) == [path.name]


def test_reading_makes_no_store_of_an_empty_file(path: Path) -> None:
    path.touch()
    assert everything(SqliteStore(path)) == []
    assert path.stat().st_size == 0


def test_reading_does_not_keep_the_writer_from_beginning_anew(path: Path) -> None:
    path.write_bytes(b"SQLite format 3\0" + b"damaged" * 1000)
    store = SqliteStore(path)
    with pytest.raises(StoreUnavailable):
        everything(store)
    store.append(window(1))
    assert everything(store) == [window(1)]
    store.close()


def test_a_store_is_read_by_whoever_may_not_write(path: Path) -> None:
    store = SqliteStore(path)
    store.append(window(0))
    reader = """if True:
        import os, sys
        from datetime import datetime, UTC
        from keiko_perf.monitoring.storage.sqlite import SqliteStore
        if os.geteuid() == 0:
            os.setgid(65534)
            os.setuid(65534)
        windows = SqliteStore(sys.argv[1]).between(
            datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
        )
        print(len(windows))
    """
    for folder in (path.parent, *path.parent.parents[:3]):
        folder.chmod(folder.stat().st_mode | 0o055)
    path.chmod(0o444)
    path.parent.chmod(0o555)
    try:
        command = [sys.executable, "-c", reader, str(path)]
        while_written = subprocess.run(command, capture_output=True, text=True, check=False)
        path.parent.chmod(0o755)
        store.close()
        path.parent.chmod(0o555)
        afterwards = subprocess.run(command, capture_output=True, text=True, check=False)
    finally:
        path.parent.chmod(0o755)
    assert (while_written.stdout, afterwards.stdout) == ("1\n", "1\n"), (
        while_written.stderr + afterwards.stderr
    )


def test_a_path_that_cannot_be_looked_at_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="too long"):
        everything(SqliteStore(tmp_path / ("x" * 300)))


@pytest.mark.parametrize("make", [MemoryStore, lambda **bounds: SqliteStore("unused", **bounds)])
def test_a_clock_that_is_wrong_once_does_not_cost_the_history(
    make: Callable[..., Store], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = make(retention_s=86_400.0)
    for number in range(300):
        store.append(window(10 * number))
    store.append(window(500 * 86_400.0))
    store.append(window(3000))
    requests = sum(
        one.whole(Kind.ROUTE).count for one in store.between(NOON, NOON + timedelta(seconds=3010))
    )
    assert requests >= 4 * (301 - 10)
    store.close()


def test_a_store_that_another_worker_has_begun_anew_is_not_moved_aside(path: Path) -> None:
    path.write_bytes(b"SQLite format 3\0" + b"this is no database" * 1000)
    first, second = SqliteStore(path), SqliteStore(path)
    first.append(window(0))
    second.append(window(1))
    first.append(window(2))
    assert len(everything(second)) == 3
    assert len(list(path.parent.glob("*.corrupt-*"))) == 1
    first.close()
    second.close()


def test_a_file_that_was_taken_away_is_begun_anew(path: Path) -> None:
    store = SqliteStore(path)
    store.append(window(0))
    path.unlink()
    store.append(window(1))
    other = SqliteStore(path)
    assert everything(other) == [window(1)]
    store.close()
    other.close()


def test_a_window_that_cannot_be_read_is_a_hole_and_said(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = SqliteStore(path)
    for after_s in (0, 10, 20):
        store.append(window(after_s))
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE windows SET body = x'00' WHERE id = 2")
    raw.close()
    with caplog.at_level(logging.WARNING):
        assert everything(store) == [window(0), window(20)]
    assert "cannot be read" in caplog.text
    store.close()


def test_a_database_of_another_program_is_left_alone(path: Path) -> None:
    with sqlite3.connect(path) as raw:
        raw.execute("CREATE TABLE mine (x)")
    raw.close()
    before = path.read_bytes()
    store = SqliteStore(path)
    with pytest.raises(StoreUnavailable, match="another program") as refused:
        store.append(window())
    assert "Name another file" in refused.value.cure
    assert path.read_bytes() == before


def test_a_store_of_a_newer_version_is_left_alone(path: Path) -> None:
    store = SqliteStore(path)
    store.append(window())
    store.close()
    with sqlite3.connect(path) as raw:
        raw.execute("PRAGMA user_version = 99")
    raw.close()
    with pytest.raises(StoreUnavailable, match="layout 99") as refused:
        everything(store)
    assert "Upgrade" in refused.value.cure


def test_a_lock_that_is_not_given_back_is_said_and_later_all_is_well(path: Path) -> None:
    store = SqliteStore(path, busy_timeout_s=0.0)
    store.append(window(0))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked") as refused:
        store.append(window(1))
    assert "busy_timeout_s" in refused.value.cure
    assert everything(store) == [window(0)]  # reading goes on
    other.execute("ROLLBACK")
    other.close()
    store.append(window(1))
    assert everything(store) == [window(0), window(1)]
    store.close()


FULL_DISK = """
import resource, signal, sys
from datetime import UTC, datetime, timedelta
from keiko_perf.errors import StoreUnavailable
from keiko_perf.model import Snapshot
from keiko_perf.monitoring.storage.sqlite import SqliteStore

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, hard))
store, noon = SqliteStore(sys.argv[1]), datetime(2026, 5, 4, 12, tzinfo=UTC)

def keep(number):
    counters = {f"counter {number * 1000 + turn}": 1 for turn in range(200)}
    at = noon + timedelta(microseconds=number)
    store.append(Snapshot(started_at=at, window_s=1.0, counters=counters))

def kept():
    return len(store.between(noon, noon + timedelta(1)))

for number in range(1_000):
    try:
        keep(number)
    except StoreUnavailable as error:
        said = error
        break
assert 0 < number < 999 and kept() == number, (number, kept())
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
keep(number)
assert kept() == number + 1
print(said)
"""


def test_a_disk_that_takes_no_more_is_said_and_once_it_does_all_goes_on(path: Path) -> None:
    finished = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(path)],
        check=False,  # what it says comes first
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert finished.returncode == 0, finished.stderr
    assert "cannot be written" in finished.stdout


def test_a_folder_that_cannot_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    store = SqliteStore(tmp_path / "file" / "store.db")
    with pytest.raises(StoreUnavailable, match="cannot be written") as refused:
        store.append(window())
    assert "folder" in refused.value.cure


def test_a_folder_in_place_of_the_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="cannot be written"):
        SqliteStore(tmp_path).append(window())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_process_that_forks_shares_no_connection(path: Path) -> None:
    store = SqliteStore(path)
    store.append(window(0, worker="parent"))
    child = os.fork()
    if not child:
        try:
            store.append(window(1, worker="child"))
            store.close()
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    store.append(window(2, worker="parent"))
    assert [one.worker for one in everything(store)] == ["parent", "child", "parent"]
    store.close()
