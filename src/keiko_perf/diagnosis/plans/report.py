"""
The report of a plan: what is wrong with it, and the tree with each finding at its step.

Pure: the plan comes in as it was read, whether from a server, a file or a log.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from keiko_perf.diagnosis.plans.plan import Node, Plan
from keiko_perf.diagnosis.server import Server
from keiko_perf.model import (
    Branch,
    Finding,
    Message,
    Report,
    Section,
    Severity,
    Status,
    Text,
    Tree,
    say,
)

MOST_NODES = 300
_LONGEST_DETAIL = 300
_DETAILS = (
    "Index Cond", "Recheck Cond", "Filter", "Join Filter", "Hash Cond", "Merge Cond", "Sort Key",
    "Group Key", "Sort Method", "Subplan Name",
)  # fmt: skip
_READS = ("Shared Hit Blocks", "Shared Read Blocks", "Local Hit Blocks", "Local Read Blocks")
_SPILLS = ("Temp Read Blocks", "Temp Written Blocks")


def explain_report(
    plan: Plan,
    findings: Sequence[Finding],
    *,
    read_at: datetime,
    server: Server | None = None,
    why_not_executed: Message | None = None,
    left_out: int = 0,
    sections: Sequence[Section] = (),
) -> Report:
    """
    A plan, its steps, and what is wrong with them.

    Args:
        server: where it was made; None if it was read from a file.
        why_not_executed: why the statement was only planned.
        left_out: how many other plans the file holds.
        sections: what else is to be told, such as the prices of parameters.
    """
    return Report(
        command="db explain",
        title=say("The plan of a statement"),
        headline=_headline(findings, sections),
        status=Status.of(findings=findings),
        created_at=read_at,
        sections=(
            Section(
                title=say("What is wrong with it") if findings else say("What it took"),
                paragraphs=_paragraphs(plan, why_not_executed, left_out),
                findings=tuple(findings),
            ),
            *sections,
            Section(title=say("The plan"), trees=(tree_of(plan, findings),)),
        ),
        environment=_environment(plan, server),
    )


def tree_of(plan: Plan, findings: Sequence[Finding] = ()) -> Tree:
    """The steps of a plan with what was measured, and the findings at them."""
    at: defaultdict[int, list[tuple[Severity, str]]] = defaultdict(list)
    for one in findings:
        step = one.evidence.get("step")
        if isinstance(step, int):
            at[step - 1].append((one.severity, one.code))
    shown = plan.nodes[:MOST_NODES]
    return Tree(
        title=say("Its steps, as they are nested"),
        columns=(
            (say("Itself"), "duration"),
            (say("Rows"), "count"),
            (say("Rows expected"), "count"),
            (say("Off by"), "factor"),
            (say("Rows thrown away"), "count"),
            (say("Loops"), "count"),
            (say("Pages"), "count"),
            (say("Pages not in memory"), "count"),
            (say("Pages of temporary files"), "count"),
        ),
        branches=tuple(_branch(plan, node, tuple(at[node.id])) for node in shown),
        left_out=len(plan.nodes) - len(shown),
    )


def _branch(plan: Plan, node: Node, found: tuple[tuple[Severity, str], ...]) -> Branch:
    removed = sum(
        node.removed(f"Rows Removed by {by}") for by in ("Filter", "Join Filter", "Index Recheck")
    )
    expected = node.plan_rows * max(node.loops or 1.0, 1.0)
    pages = sum(plan.own(node, name) for name in _READS)
    name = f"{node.name} (never executed)" if node.was_never_executed else node.name
    return Branch(
        parent=node.parent,
        name=name,
        share=node.share,
        cells=(
            node.self_s,
            None if node.was_never_executed else node.rows,
            None if node.was_never_executed else expected,
            _off_by(node),
            removed or None,
            node.loops if (node.loops or 0) > 1 else None,
            pages or None,
            plan.own(node, "Shared Read Blocks") or None,
            sum(plan.own(node, name) for name in _SPILLS) or None,
        ),
        details=tuple(_details(node)),
        findings=found,
    )


def _off_by(node: Node) -> float | None:
    """By what factor the rows were misjudged, where that is worth a look."""
    actual = node.rows_per_loop
    if actual is None or max(actual, node.plan_rows) < 100:
        return None
    low, high = sorted((max(actual, 1.0), max(node.plan_rows, 1.0)))
    return high / low if high >= 3 * low else None


def _details(node: Node) -> list[tuple[str, str]]:
    told = []
    for name in _DETAILS:
        value = node.details.get(name)
        if value is None:
            continue
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        cut = f"{text[: _LONGEST_DETAIL - 1]}…" if len(text) > _LONGEST_DETAIL else text
        told.append((name, cut))
    return told


def _headline(findings: Sequence[Finding], sections: Sequence[Section]) -> Text:
    if findings:
        first, more = findings[0], len(findings) - 1
        if not more:
            return say("{step}: {what}", step=first.subject, what=first.summary)
        return say(
            "{step}: {what}. Further findings: {more:count}",
            step=first.subject,
            what=first.summary,
            more=more,
        )
    if any(section.findings for section in sections):
        return say("what it costs depends on the value of a parameter")
    return say("nothing to do here: no part of the plan costs more than it should")


def _paragraphs(plan: Plan, why: Message | None, left_out: int) -> tuple[Text, ...]:
    told: list[Text] = []
    if why is not None:
        told.append(say("It was planned, but not executed: {why}.", why=why))
    elif not plan.executed:
        told.append(
            say("It was planned, but not executed: what stands here is what the planner expects.")
        )
    if plan.executed and plan.execution_s is not None and plan.planning_s is not None:
        told.append(
            say(
                "Execution took {execution_s:duration}, planning {planning_s:duration}.",
                execution_s=plan.execution_s,
                planning_s=plan.planning_s,
            )
        )
    if left_out:
        told.append(
            say("It is the slowest of {count:count} plans in the file.", count=left_out + 1)
        )
    return tuple(told)


def _environment(plan: Plan, server: Server | None) -> dict[str, str]:
    told: dict[str, str] = {}
    if server is not None:
        told |= {
            "database": server.database,
            "PostgreSQL": server.version_text,
            "user": server.user,
        }
    return told | {name: str(value) for name, value in plan.settings.items()}
