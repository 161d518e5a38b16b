"""
Document: a JSON or YAML text and the references within it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import unquote

from keiko_perf.errors import UsageError
from keiko_perf.loadtest.importers.imported import expect

_LONGEST_CHAIN = 20


def read_document(text: str) -> dict[str, Any]:
    """
    The object that *text* holds, as JSON or, where PyYAML is installed, as YAML.

    Raises:
        UsageError: it holds none; says the line.
    """
    try:
        found = json.loads(text)
    except RecursionError as error:
        raise UsageError("the document is nested too deeply", cure="Correct it") from error
    except ValueError as error:
        if text.lstrip()[:1] in ("{", "[", ""):
            raise UsageError(f"the document is no JSON: {error}", cure="Correct it") from error
        found = _yaml(text)
    document: dict[str, Any] = expect(found, dict, "the document")
    return document


def _yaml(text: str) -> Any:
    try:
        import yaml  # type: ignore[import-untyped, unused-ignore]  # no extra brings its types
    except ImportError as error:
        raise UsageError(
            "the document is no JSON, and to read it as YAML takes the package PyYAML",
            cure="pip install PyYAML, or convert the document to JSON",
        ) from error
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        words = " ".join(str(error).split())
        raise UsageError(f"the document is no YAML: {words}", cure="Correct it") from error


def plain(value: Any) -> Any:
    """YAML reads dates; JSON has only texts."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, list) else value


@dataclass(frozen=True, slots=True)
class Document:
    """An object with references into itself."""

    root: Mapping[str, Any]

    def resolve(self, node: Any, place: str) -> dict[str, Any]:
        """
        The object at *place*, whatever number of references leads to it.

        Raises:
            UsageError: a reference leads nowhere, out of the document, or in a circle.
        """
        chain: list[str] = []
        while isinstance(node, Mapping) and isinstance(node.get("$ref"), str):
            reference = node["$ref"]
            if reference in chain or len(chain) > _LONGEST_CHAIN:
                raise UsageError(f"{place}: {reference} leads in a circle", cure="Correct it")
            chain.append(reference)
            node = self._target(reference, place)
        found: dict[str, Any] = expect(node, dict, place)
        return found

    def _target(self, reference: str, place: str) -> Any:
        if not reference.startswith("#"):
            raise UsageError(
                f"{place}: {reference} leads out of the document",
                cure="Bundle the document into one file first",
            )
        node: Any = self.root
        for part in reference[1:].split("/")[1:]:
            key = unquote(part).replace("~1", "/").replace("~0", "~")
            if isinstance(node, Mapping) and key in node:
                node = node[key]
            elif isinstance(node, list) and key.isdigit() and int(key) < len(node):
                node = node[int(key)]
            else:
                raise UsageError(f"{place}: {reference} leads nowhere", cure="Correct it")
        return node
