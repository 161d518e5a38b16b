"""
Memory: what the server may take, beside what its machine has and what the evidence shows to cost.

Of a machine that is not this one nothing is known, and nothing is said of it.
"""

from __future__ import annotations

from collections.abc import Iterator

from keiko_perf.diagnosis.evidence import Evidence
from keiko_perf.diagnosis.rules.settings import setting_finding
from keiko_perf.diagnosis.rules.writing import GIB, MIB
from keiko_perf.model import Finding, Gap, Severity, say

LEAST_READ_BLOCKS = 100_000
SMALL_RATIO = 1 / 8
"""Of the machine's memory: shared buffers of less are small."""
USUAL_RATIO = 1 / 4
SWAPPED_BYTES = 256 * MIB
SCARCE_RATIO = 0.1
_DOCS = "https://www.postgresql.org/docs/current"


def work_mem(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`settings.work-mem`: much is sorted and hashed in files."""
    database, counted_s = evidence.database, evidence.counted_s
    now = evidence.settings.number("work_mem")
    if database is None or counted_s is None or now is None:
        return
    per_hour = database.temp_bytes / counted_s * 3600
    if database.temp_bytes < 256 * MIB or per_hour < GIB or not database.temp_files:
        return
    each = database.temp_bytes / database.temp_files
    wanted_mib = min(max(4, int(2 * each / MIB)), 256)
    if wanted_mib * MIB <= now:
        return
    yield setting_finding(
        "settings.work-mem",
        "work_mem",
        Severity.WARNING if per_hour >= 100 * GIB else Severity.NOTE,
        say(
            "{per_hour:bytes} of temporary files are written in an hour, {each:bytes} each",
            per_hour=per_hour,
            each=each,
        ),
        {
            "temp_bytes": database.temp_bytes,
            "temp_files": database.temp_files,
            "work_mem_bytes": now,
        },
        say(
            "What does not fit into work_mem is sorted and hashed in files. It counts for each sort"
            " of each session, so give more to the role that needs it rather than to all."
        ),
        cure=f"ALTER ROLE … SET work_mem = '{wanted_mib}MB';",
        link=f"{_DOCS}/runtime-config-resource.html#GUC-WORK-MEM",
    )


def shared_buffers(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`settings.shared-buffers`: the cache is small, and misses are dear."""
    database, counted_s = evidence.database, evidence.counted_s
    now = evidence.settings.number("shared_buffers")
    if database is None or counted_s is None or now is None or now > _small_bytes(evidence):
        return
    ratio, size = database.hit_ratio, sum(one.size_bytes for one in evidence.tables)
    if ratio is None or ratio >= 0.95 or database.read_blocks < LEAST_READ_BLOCKS:
        return
    if database.read_blocks / counted_s < 100 or size < 2 * now:
        return
    memory = evidence.machine.memory_bytes if evidence.machine else None
    yield setting_finding(
        "settings.shared-buffers",
        "shared_buffers",
        Severity.WARNING if ratio < 0.8 else Severity.NOTE,
        say(
            "only {ratio:ratio} of the blocks are found in shared buffers of {now:bytes}",
            ratio=ratio,
            now=now,
        ),
        {
            "cache_hit_ratio": ratio,
            "read_blocks": database.read_blocks,
            "shared_buffers_bytes": now,
            "tables_bytes": size,
            "memory_bytes": memory,
        },
        say(
            "The default is made for the smallest machines. A fourth of the machine's memory is the"
            " usual start; it needs a restart."
        ),
        cure=f"ALTER SYSTEM SET shared_buffers = '{round(USUAL_RATIO * memory / MIB)}MB';"
        if memory is not None
        else None,
        link=f"{_DOCS}/runtime-config-resource.html#GUC-SHARED-BUFFERS",
    )


def effective_cache_size(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`settings.effective-cache-size`: the planner believes in less cache than there is."""
    believed = evidence.settings.number("effective_cache_size")
    there = evidence.settings.number("shared_buffers")
    largest = max((one.size_bytes for one in evidence.tables), default=0)
    if believed is None or there is None or largest <= believed:
        return
    if believed >= there:
        yield from _less_than_the_machine(evidence, believed, largest)
        return
    yield setting_finding(
        "settings.effective-cache-size",
        "effective_cache_size",
        Severity.NOTE,
        say(
            "the planner reckons with {believed:bytes} of cache, and shared buffers alone have"
            " {there:bytes}",
            believed=believed,
            there=there,
        ),
        {"effective_cache_size_bytes": believed, "shared_buffers_bytes": there},
        say(
            "It takes no memory, it only tells the planner what to expect: about what shared"
            " buffers and the operating system's cache have together."
        ),
        cure=f"ALTER SYSTEM SET effective_cache_size = '{round(3 * there / MIB)}MB';",
        link=f"{_DOCS}/runtime-config-query.html#GUC-EFFECTIVE-CACHE-SIZE",
    )


def _less_than_the_machine(
    evidence: Evidence, believed: float, largest: float
) -> Iterator[Finding | Gap]:
    """The same, where the machine's memory is known."""
    machine = evidence.machine
    if machine is None or believed >= USUAL_RATIO * machine.memory_bytes:
        return
    yield setting_finding(
        "settings.effective-cache-size",
        "effective_cache_size",
        Severity.NOTE,
        say(
            "the planner reckons with {believed:bytes} of cache on a machine of {memory:bytes}",
            believed=believed,
            memory=machine.memory_bytes,
        ),
        {
            "effective_cache_size_bytes": believed,
            "memory_bytes": machine.memory_bytes,
            "largest_table_bytes": largest,
        },
        say(
            "It takes no memory, it only tells the planner what to expect: about what shared"
            " buffers and the operating system's cache have together."
        ),
        cure="ALTER SYSTEM SET effective_cache_size ="
        f" '{round(machine.memory_bytes / 2 / MIB)}MB';",
        link=f"{_DOCS}/runtime-config-query.html#GUC-EFFECTIVE-CACHE-SIZE",
    )


def memory(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`settings.memory`: the machine swaps, and the server may take more than it has."""
    machine, setting = evidence.machine, evidence.settings.number
    shared, each, many = setting("shared_buffers"), setting("work_mem"), setting("max_connections")
    if machine is None or shared is None or each is None or many is None:
        return
    may_take = shared + each * many
    is_scarce = machine.available_bytes < SCARCE_RATIO * machine.memory_bytes
    if not is_scarce or machine.swapped_bytes < SWAPPED_BYTES or may_take <= machine.memory_bytes:
        return
    yield setting_finding(
        "settings.memory",
        "shared_buffers" if shared > machine.memory_bytes / 2 else "work_mem",
        Severity.WARNING,
        say(
            "the server may take {may_take:bytes} on a machine of {memory:bytes}, which has moved"
            " {swapped:bytes} to disk",
            may_take=may_take,
            memory=machine.memory_bytes,
            swapped=machine.swapped_bytes,
        ),
        {
            "shared_buffers_bytes": shared,
            "work_mem_bytes": each,
            "max_connections": many,
            "memory_bytes": machine.memory_bytes,
            "available_bytes": machine.available_bytes,
            "swapped_bytes": machine.swapped_bytes,
        },
        say(
            "Shared buffers, and work_mem for one sort of each connection that it allows: what the"
            " system moves to disk is slower than what a query would write there itself. Lower"
            " max_connections and let a pool share them, or lower work_mem."
        ),
        link=f"{_DOCS}/runtime-config-resource.html#RUNTIME-CONFIG-RESOURCE-MEMORY",
    )


def _small_bytes(evidence: Evidence) -> float:
    """What shared buffers are small with."""
    machine = evidence.machine
    return max(128 * MIB, SMALL_RATIO * machine.memory_bytes if machine else 0.0)


RULES = (work_mem, shared_buffers, effective_cache_size, memory)
