"""
The German catalogue: from the English template to the German one, a file for each part.

The placeholders stay as they are, formats included, in any order.
"""

from __future__ import annotations

from keiko_perf.render.german import cli, demo, diagnosis, loadtest, model, monitoring, render

GERMAN: dict[str, str] = {
    **model.TEMPLATES,
    **render.TEMPLATES,
    **monitoring.TEMPLATES,
    **diagnosis.TEMPLATES,
    **loadtest.TEMPLATES,
    **demo.TEMPLATES,
    **cli.TEMPLATES,
}
