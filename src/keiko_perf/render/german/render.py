"""What the renderers themselves say: headings, words for outcomes, the labels of charts."""

from __future__ import annotations

TEMPLATES: dict[str, str] = {}
