"""Markers: a deploy is noted once, by whoever knows of it, and found without asking git."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from keiko_perf.errors import UsageError
from keiko_perf.monitoring import Marker, MarkerKind, MemoryStore, PerformanceMonitor, SqliteStore
from keiko_perf.monitoring.changes import markers as notes
from keiko_perf.monitoring.changes.revision import find_revision, said_of_deploy
from keiko_perf.monitoring.storage.journal import Journal

T0 = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
NO_COMMIT_OF_ONES_OWN = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}


def git(folder, *words):
    who = ("-c", "user.name=Test", "-c", "user.email=test@example.com")
    done = subprocess.run(
        ["git", "-C", str(folder), *who, *words], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    git(folder, "commit", "-q", "--allow-empty", "-m", "one")
    return folder


def test_it_is_what_git_says_in_all_ways_that_git_keeps_it(repository, tmp_path):
    head = git(repository, "rev-parse", "HEAD")
    below = repository / "src" / "app"
    below.mkdir(parents=True)
    assert find_revision({}, below) == head
    git(repository, "worktree", "add", "-q", "-b", "other", str(tmp_path / "tree"))
    git(tmp_path / "tree", "commit", "-q", "--allow-empty", "-m", "two")
    assert find_revision({}, tmp_path / "tree") == git(tmp_path / "tree", "rev-parse", "HEAD")
    git(repository, "pack-refs", "--all")
    assert find_revision({}, repository) == head
    git(repository, "checkout", "-q", "--detach")
    assert find_revision({}, repository) == head


def test_a_variable_goes_before_the_repository(repository):
    environ = {"GITHUB_SHA": "c0ffee", "KEIKO_PERF_REVISION": "v1.2"}
    assert find_revision(environ, repository) == "v1.2"
    assert find_revision({"GITHUB_SHA": "c0ffee"}, repository) == "c0ffee"
    assert find_revision({"GITHUB_SHA": "; rm -rf /"}, repository) != "; rm -rf /"


@pytest.mark.parametrize("head", [b"", b"ref: refs/heads/gone", b"\xff\xfe", b"ref: ../../secret"])
def test_a_repository_that_is_none_tells_nothing(tmp_path, head):
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_bytes(head)
    (tmp_path / "secret").write_text("hunter2")
    assert find_revision({}, tmp_path) is None


def test_what_is_said_of_a_deploy_is_one_line():
    assert said_of_deploy({"KEIKO_PERF_DEPLOY": " pool of\n 20 "}) == "pool of 20"
    assert said_of_deploy({"KEIKO_PERF_DEPLOY": " "}) is None
    assert said_of_deploy({}) is None


def test_several_workers_note_a_deploy_once_and_the_next_one_too():
    journal = Journal(MemoryStore())
    for number, revision in enumerate(["a", "a", "a", "b", "b"]):
        notes.note_deploy(journal, revision, T0 + timedelta(minutes=number), said=None)
    kept = notes.read(journal)
    assert [(one.revision, one.text) for one in kept] == [("a", "revision a"), ("b", "revision b")]
    assert notes.last_deploy(kept) == kept[-1]
    assert kept[0].is_automatic


def test_a_deploy_that_was_noted_by_hand_is_not_noted_again():
    journal = Journal(MemoryStore())
    by_hand = Marker(at=T0, kind=MarkerKind.DEPLOY, text="the new index", revision="b")
    notes.add(journal, by_hand)
    notes.note_deploy(journal, "b", T0 + timedelta(minutes=1), said=None)
    assert notes.read(journal) == (by_hand,)


def test_what_is_not_known_is_not_noted():
    journal = Journal(MemoryStore())
    notes.note_deploy(journal, None, T0, said=None)
    assert notes.read(journal) == ()


@pytest.mark.parametrize("text", ["", "  ", "two\nlines", "x" * 201, "\x1b[31mred"])
def test_a_text_that_would_break_a_line_is_refused(text):
    with pytest.raises(UsageError, match="one line"):
        Marker(at=T0, text=text)


async def test_a_monitor_begins_and_ends_a_silence(tmp_path):
    monitor = PerformanceMonitor(store=tmp_path / "perf.sqlite")
    made = await monitor.silence("cpu_*", for_s=60, reason="a load test")
    assert await monitor.silences() == (made,)
    await monitor.end_silence(made.key)
    assert await monitor.silences() == ()
    with pytest.raises(UsageError, match="no silence"):
        await monitor.end_silence(made.key)
    monitor.store.close()


async def test_a_monitor_notes_its_own_deploy_and_what_it_is_told(tmp_path):
    monitor = PerformanceMonitor(store=tmp_path / "perf.sqlite", revision="r1")
    await monitor.note_deploy()
    marker = await monitor.mark("pool_size 20", kind="note")
    assert [one.text for one in await monitor.markers()] == ["revision r1", "pool_size 20"]
    monitor.store.close()
    theirs = SqliteStore(tmp_path / "perf.sqlite")
    assert notes.read(Journal(theirs), marker.at) == (marker,)
    theirs.close()
