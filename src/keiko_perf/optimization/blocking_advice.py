"""
What to write instead, where a call holds the event loop.

The watchdog tells places and stacks (`BlockingCall`); here what was called from the place, or what
its line says, is looked up, and has a substitute. What is not known to block belongs in a thread,
or in a process of its own if it computes. Nothing is run and nothing is measured here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from keiko_perf.model import BlockingCall, Recommendation, say
from keiko_perf.model.message import Message

_WORTH_S = 0.05
_COMPUTED_RATIO = 0.5


@dataclass(frozen=True, slots=True)
class Cure:
    """
    Attributes:
        code: stable, the last word of the recommendation's.
        pattern: finds the blocking call in a stack's places.
        instead: what to write.
    """

    code: str
    pattern: re.Pattern[str]
    instead: str


def _cure(code: str, pattern: str, instead: str) -> Cure:
    return Cure(code, re.compile(pattern), instead)


_THREAD = "await asyncio.to_thread(function, *arguments)"
_PROCESS = "await loop.run_in_executor(processes, function, *arguments)  # a ProcessPoolExecutor"

_PAGE = "statement.limit(100)  # a page at a time; where all are needed, await session.stream()"

_ENCODING = re.compile(r"^(?:fastapi/(?:encoders|routing|_compat)|pydantic/type_adapter)\b")
"""FastAPI's own second pass over what a handler returns: a place of its own, not below one."""

CURES = (
    _cure(  # first: whatever a handler of logs does below, it is the log that is written here
        "logging",
        r"\blogging/__init__\.py|\b(structlog|loguru)[/.]",
        "logging.getLogger().addHandler(QueueHandler(queue))  # a QueueListener writes in a thread;"
        " log no traceback where none is read",
    ),
    _cure("rows", r"\bAsyncCursor\.fetch|\bAsyncAdapt_\w+\.(_execute|fetch)|\basyncpg[/.]", _PAGE),
    _cure("sleep", r"\b(time\.)?sleep\(", "await asyncio.sleep(seconds)"),
    _cure(
        "requests",
        r"\b(requests|urllib3)[/.]|\burllib[/.]request\b|\burlopen\(|\bhttp[/.]client\b",
        "await client.get(url)  # one httpx.AsyncClient for all calls",
    ),
    _cure(
        "database",
        r"\b(psycopg2|pymysql|MySQLdb|sqlite3)[/.]|sqlalchemy/engine/default\.py",
        "await session.execute(statement)  # SQLAlchemy's AsyncSession, with an async driver",
    ),
    _cure("rows", r"\bsqlalchemy/(orm/loading|engine/result)\.py", _PAGE),  # while they are made
    _cure(
        "redis", r"\bredis/(client|connection)\.py", "await client.get(key)  # redis.asyncio.Redis"
    ),
    _cure(
        "subprocess",
        r"\bsubprocess\.|\bos\.(system|popen)\(",
        "process = await asyncio.create_subprocess_exec(program, *arguments)",
    ),
    _cure(
        "passwords",
        r"\b(bcrypt|argon2|passlib|pwdlib)[/.]|\b(scrypt|pbkdf2_hmac|checkpw|hashpw)\("
        r"|(verify|check|hash)_password|password_hash",
        "await asyncio.to_thread(bcrypt.checkpw, password, hashed)",
    ),
    _cure(
        "names",
        r"\b(getaddrinfo|gethostbyname|gethostbyaddr)\b",
        "await loop.getaddrinfo(host, port)",
    ),
    _cure(
        "lock",
        r"\bthreading\.py:|\bqueue\.py:|\bconcurrent/futures/",
        "async with lock: ...  # of asyncio, as are Queue and Event",
    ),
    _cure(
        "json",
        r"\bjson/(decoder|encoder|__init__)\.py|\bjson\.(loads?|dumps?)\(",
        "orjson.loads(body)  # or, of many megabytes, await asyncio.to_thread(json.loads, body)",
    ),
    _cure(
        "pattern",
        r"\bre/(__init__|_compiler|_parser)\.py|\bre\.(match|search|sub|findall|fullmatch)\(",
        f"{_PROCESS}, and a pattern that does not backtrack",
    ),
    _cure("numbers", r"\b(pandas|numpy|sklearn|torch|PIL|cv2|fitz|pdfplumber)[/.]", _PROCESS),
    _cure(
        "compression",
        r"\b(gzip|zlib|zipfile|tarfile|bz2|lzma)\.",
        "await asyncio.to_thread(gzip.compress, body)",
    ),
    _cure("pickle", r"\bpickle\.", "await asyncio.to_thread(pickle.loads, body)"),
    _cure(
        "files",
        r"\bopen\(|\.(read|write)(_text|_bytes)?\(|\b(pathlib|shutil|glob|tempfile)\.",
        "await asyncio.to_thread(path.read_bytes)",
    ),
)
"""The first that fits the innermost place counts; one a library, what is wider below."""


def advise_blocking(
    calls: Iterable[BlockingCall], *, line_of: Callable[[str], str] | None = None
) -> tuple[Recommendation, ...]:
    """
    One recommendation for each place that held the loop for 50 ms or more in all, longest first.

    Args:
        calls: what the watchdog saw; see `PerformanceMonitor.blocking_calls`.
        line_of: the source of a place such as `app.py:42 find`, or an empty string; `source_line`
            is one. Functions written in C, `time.sleep` among them, are in no stack, but there.
    """
    worth = sorted(
        (call for call in calls if call.total_s >= _WORTH_S),
        key=lambda call: (-call.total_s, call.place),
    )
    return tuple(_advice(call, "" if line_of is None else line_of(call.place)) for call in worth)


def advise_uvloop(
    *, loop: str, requests_per_s: float | None, busy_ratio: float | None
) -> Recommendation | None:
    """
    Whether uvloop is worth trying: a busy process that serves much on asyncio's own loop.

    Args:
        loop: the module of the running loop's class, as in `type(loop).__module__`.
        requests_per_s: how many requests this process answers; None if that is not known.
        busy_ratio: the share of a core that it uses; None if that is not known.
    """
    if loop.startswith("uvloop") or requests_per_s is None or busy_ratio is None:
        return None
    if requests_per_s < 200 or busy_ratio < 0.5:
        return None
    return Recommendation(
        code="loop.uvloop",
        subject="event loop",
        summary=say(
            "The process is busy with {rate:rate} on asyncio's own loop; uvloop does the same with "
            "less, which a load test before and after shows",
            rate=requests_per_s,
        ),
        statement="uvicorn --loop uvloop  # pip install uvloop",
        verified_by=None,
        evidence={"requests_per_s": requests_per_s, "busy_ratio": busy_ratio},
    )


def _advice(call: BlockingCall, line: str) -> Recommendation:
    cure = _cure_of(call, line)
    if cure is not None:
        code, instead = cure.code, cure.instead
    else:
        computed = call.computed_s is not None and call.computed_s >= _COMPUTED_RATIO * call.total_s
        code, instead = ("computing", _PROCESS) if computed else ("waiting", _THREAD)
    said = line.strip() and not _ENCODING.match(call.place)  # that line is nobody's to write
    return Recommendation(
        code=f"loop.{code}",
        subject=call.place,
        summary=_summary(call),
        statement=f"{instead}\n# instead of: {line.strip()}" if said else instead,
        verified_by=None,
        evidence={"calls": call.count, "total_s": call.total_s, "longest_s": call.longest_s},
    )


def _summary(call: BlockingCall) -> Message:
    return say(
        "{place} held the event loop {count:count} time(s), for up to {longest:duration}: nothing "
        "else was answered meanwhile",
        place=call.place,
        count=call.count,
        longest=call.longest_s,
    )


def _cure_of(call: BlockingCall, line: str) -> Cure | None:
    """By what was called from the place, and by what stands there."""
    if _ENCODING.match(call.place):
        return _cure("encoding", "", "return Response(orjson.dumps(rows))  # or fewer rows")
    stack = list(call.stack)
    if call.place in stack:
        stack = stack[len(stack) - stack[::-1].index(call.place) :]
    function = call.place.rpartition(" ")[2]  # its name may say what it does where no line does
    for cure in CURES:
        if any(cure.pattern.search(text) for text in (*stack, line, function)):
            return cure
    return None
