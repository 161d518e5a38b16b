"""
The German catalogue: from the English template to the German one, a file for each part.

The placeholders stay as they are, formats included, in any order.
"""

from __future__ import annotations

from keiko_perf.render.german import (
    alerts,
    awaiting,
    causes,
    cli,
    columns,
    dashboard,
    demo,
    diagnosis,
    doctor,
    failures,
    inside,
    loadtest,
    model,
    monitoring,
    optimization,
    plan_findings,
    plans,
    reasons,
    relations,
    render,
    safety,
    server,
    statements,
    stuck,
)

GERMAN: dict[str, str] = {
    template: german
    for part in (
        alerts,
        awaiting,
        causes,
        cli,
        columns,
        dashboard,
        demo,
        diagnosis,
        doctor,
        failures,
        inside,
        loadtest,
        model,
        monitoring,
        optimization,
        plan_findings,
        plans,
        reasons,
        relations,
        render,
        safety,
        server,
        statements,
        stuck,
    )
    for template, german in part.TEMPLATES.items()
}
