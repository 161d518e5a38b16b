"""What is advised where the event loop is held, and what is left out of collections."""

from __future__ import annotations

import inspect
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from keiko_perf.errors import UsageError
from keiko_perf.model import BlockingCall
from keiko_perf.optimization import (
    advise_blocking,
    advise_uvloop,
    freeze_after_startup,
    source_line,
)

AT = datetime(2026, 1, 1, tzinfo=UTC)


def call(
    place: str = "app.py:7 find", *inner: str, total_s: float = 1.0, computed_s: float | None = None
) -> BlockingCall:
    return BlockingCall(
        place=place,
        stack=("main.py:1 run", place, *inner),
        count=4,
        total_s=total_s,
        longest_s=total_s / 2,
        computed_s=computed_s,
        last_at=AT,
    )


@pytest.mark.parametrize(
    ("line", "inner", "code", "instead"),
    [
        ("time.sleep(1)", (), "sleep", "await asyncio.sleep"),
        ("sleep(delay)", (), "sleep", "await asyncio.sleep"),
        ("answer = requests.get(url)", ("ssl.py:1166 read",), "requests", "httpx.AsyncClient"),
        ("call()", ("requests/api.py:59 request", "ssl.py:1 read"), "requests", "httpx.Async"),
        ("session.execute(q)", ("sqlalchemy/engine/default.py:7 do",), "database", "AsyncSession"),
        (
            "rows = (await s.execute(q)).all()",
            (
                "sqlalchemy/engine/default.py:7 do",
                "psycopg/cursor_async.py:284 AsyncCursor.fetchall",
            ),
            "rows",
            "a page at a time",
        ),
        (
            "tags = await session.scalars(q)",
            (
                "sqlalchemy/util/concurrency.py:9 greenlet_spawn",
                "sqlalchemy/orm/loading.py:264 instances",
            ),
            "rows",
            "a page at a time",
        ),
        ("client.get(key)", ("redis/connection.py:9 read_response",), "redis", "redis.asyncio"),
        ("subprocess.run(command)", ("selectors.py:1 select",), "subprocess", "create_subprocess"),
        ("bcrypt.checkpw(one, two)", (), "passwords", "to_thread(bcrypt.checkpw"),
        ("socket.getaddrinfo(host, 80)", (), "names", "await loop.getaddrinfo"),
        ("lock.acquire()", ("threading.py:300 wait",), "lock", "of asyncio"),
        ("data = json.loads(body)", (), "json", "orjson"),
        ("re.search(pattern, text)", (), "pattern", "does not backtrack"),
        ("frame.groupby('a').sum()", ("pandas/core/groupby.py:1 sum",), "numbers", "ProcessPool"),
        ("gzip.compress(body)", (), "compression", "to_thread(gzip"),
        ("text = path.read_text()", ("pathlib.py:1 read_text",), "files", "to_thread(path"),
        ("with open(name) as file:", (), "files", "to_thread(path"),
        (
            "logger.exception('not found')",
            (
                "logging/__init__.py:1568 Logger.error",
                "rich/console.py:1731 Console.print",
                "re/__init__.py:260 escape",
            ),
            "logging",
            "QueueHandler",
        ),
        (
            "log.info('found', rows=rows)",
            ("structlog/_output.py:9 PrintLogger.msg", "json/encoder.py:3 JSONEncoder.encode"),
            "logging",
            "QueueHandler",
        ),
    ],
)
def test_what_blocks_has_a_substitute(
    line: str, inner: tuple[str, ...], code: str, instead: str
) -> None:
    (advice,) = advise_blocking([call("app.py:7 find", *inner)], line_of=lambda _: line)
    assert advice.code == f"loop.{code}"
    assert advice.subject == "app.py:7 find"
    assert instead in advice.statement
    assert f"# instead of: {line}" in advice.statement
    assert advice.verified_by is None


def test_a_function_that_checks_passwords_is_known_by_its_name_where_no_source_is_there() -> None:
    (advice,) = advise_blocking([call("app/core/security.py:30 verify_password")])
    assert advice.code == "loop.passwords"
    (advice,) = advise_blocking([call("app/core/security.py:30 Passwords.get_password_hash")])
    assert advice.code == "loop.passwords"


@pytest.mark.parametrize(("computed_s", "code"), [(0.9, "computing"), (0.1, "waiting")])
def test_what_is_not_known_goes_to_a_process_if_it_computes_and_else_to_a_thread(
    computed_s: float, code: str
) -> None:
    (advice,) = advise_blocking([call(computed_s=computed_s)])
    assert advice.code == f"loop.{code}"


def test_a_line_of_the_frameworks_is_nobodys_to_write_anew() -> None:
    place = "fastapi/encoders.py:259 jsonable_encoder"
    (advice,) = advise_blocking([call(place, computed_s=0.9)], line_of=lambda _: "if one(obj):")
    assert advice.code == "loop.encoding"
    assert "orjson" in advice.statement
    assert "instead of" not in advice.statement


def test_what_called_the_place_says_nothing_about_it() -> None:
    (advice,) = advise_blocking([call("app.py:7 sum_up")], line_of=lambda _: "total += one")
    assert advice.code == "loop.waiting"
    seen = BlockingCall(
        place="app.py:7 sum_up",
        stack=("requests/hooks.py:3 dispatch", "app.py:7 sum_up"),
        count=1,
        total_s=1,
        longest_s=1,
        last_at=AT,
    )
    assert advise_blocking([seen])[0].code == "loop.waiting"


def test_the_longest_comes_first_and_what_is_short_is_left_out() -> None:
    calls = [
        call("a.py:1 a", total_s=0.2),
        call("b.py:1 b", total_s=2),
        call("c.py:1", total_s=0.01),
    ]
    assert [one.subject for one in advise_blocking(calls)] == ["b.py:1 b", "a.py:1 a"]


def test_a_line_is_read_where_it_is() -> None:
    assert source_line(f"{__file__}:1 <module>").startswith('"""What is advised')
    here = f"{__file__}:{inspect.currentframe().f_lineno}"  # type: ignore[union-attr]
    assert source_line(f"{here} test_a_line_is_read_where_it_is").startswith("here = f")
    assert source_line(here) == source_line(f"{here} Case.<lambda>") != ""
    for nowhere in (f"{__file__}:99999 f", "nowhere.py:1 f", "(other)", "a:b"):
        assert source_line(nowhere) == ""


def test_a_line_of_another_version_of_the_file_is_not_taken_for_it(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("class A:\n    def find(self):\n        go()\n\nx = 1\n")
    (tmp_path / "odd.py").write_text("def find(:\n    go()\n")
    assert source_line(f"{tmp_path}/app.py:3 A.find") == "go()"
    for other in ("app.py:3 seek", "app.py:5 A.find", "odd.py:2 find"):
        assert source_line(f"{tmp_path}/{other}") == ""


@pytest.mark.parametrize(
    ("loop", "rate", "busy", "advised"),
    [
        ("asyncio.unix_events", 1000, 0.9, True),
        ("uvloop", 1000, 0.9, False),
        ("asyncio.unix_events", 1000, 0.1, False),
        ("asyncio.unix_events", 10, 0.9, False),
        ("asyncio.unix_events", None, 0.9, False),
        ("asyncio.unix_events", 1000, None, False),
    ],
)
def test_uvloop_is_for_a_busy_process_on_another_loop(
    loop: str, rate: float | None, busy: float | None, advised: bool
) -> None:
    advice = advise_uvloop(loop=loop, requests_per_s=rate, busy_ratio=busy)
    assert (advice is not None) is advised


def test_after_the_start_what_is_there_is_left_out_of_collections() -> None:
    script = """
import gc
from keiko_perf.optimization import freeze_after_startup
kept = [[n] for n in range(100_000)]
done = freeze_after_startup(new_objects=5000)
assert done.frozen > 100_000, done
assert done.thresholds[0] == gc.get_threshold()[0] == 5000
assert len(gc.get_objects()) < 10_000
"""
    subprocess.run([sys.executable, "-c", script], check=True)  # it is for good
    with pytest.raises(UsageError, match="from 1 on"):
        freeze_after_startup(new_objects=0)
