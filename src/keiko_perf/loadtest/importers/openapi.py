"""
OpenAPI 3.0 and 3.1: the operations of a document, as steps.

Only safe methods (GET, HEAD, OPTIONS) unless writing is asked for. Parameters and body hold what is
required, with the values that the document gives as examples or defaults, or the smallest that its
schemas allow. An operation for which no value can be made up is left out, and that is said.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from keiko_perf.errors import UsageError
from keiko_perf.loadtest.importers.document import Document, read_document
from keiko_perf.loadtest.importers.imported import Imported, LeftOut, expect, told_apart
from keiko_perf.loadtest.importers.sample import NoSample, given, sample
from keiko_perf.loadtest.plan import Step

_SAFE = ("get", "head", "options")
_WRITING = ("post", "put", "patch", "delete")
_OF_THE_BODY = ("accept", "authorization", "content-type")  # OpenAPI: as parameters without effect
_TEMPLATE = re.compile(r"\{([^{}]*)\}")
_FORM = "application/x-www-form-urlencoded"


def from_openapi(source: str | Mapping[str, Any], *, writes: bool = False) -> Imported:
    """
    The operations of an OpenAPI document, each a step.

    Args:
        source: the document, as JSON or YAML, or read already.
        writes: also take POST, PUT, PATCH and DELETE. They change what the service keeps.

    Raises:
        UsageError: it is no OpenAPI 3.0 or 3.1, or breaks its rules; names the place.
    """
    root = read_document(source) if isinstance(source, str) else source
    version = root.get("openapi")
    if not isinstance(version, str) or not version.startswith(("3.0", "3.1")):
        found = f"version {version or root.get('swagger')!r}"
        raise UsageError(
            f"the document is no OpenAPI 3.0 or 3.1, but of {found}",
            cure="Convert it, or fetch /openapi.json of the service",
        )
    document = Document(root)
    origin, base = _server(root.get("servers"), "servers")
    steps: list[Step] = []
    left_out: list[LeftOut] = []
    for path, method, item, place in _operations(document, root):
        name = f"{method.upper()} {base}{path}"
        if method not in _SAFE and not (writes and method in _WRITING):
            left_out.append(LeftOut(name, "it is not safe to repeat"))
            continue
        try:
            steps.append(_Operation(document, item, method, place).step(base, path))
        except NoSample as error:
            left_out.append(LeftOut(name, str(error)))
    if not steps:
        raise UsageError(
            f"the document has no operation to ask for ({len(left_out)} are left out)",
            cure="Allow writing if it only writes, or add examples",
        )
    return Imported(origin=origin, steps=told_apart(steps), left_out=tuple(left_out))


def _operations(
    document: Document, root: Mapping[str, Any]
) -> Iterator[tuple[str, str, dict[str, Any], str]]:
    paths = expect(root.get("paths"), dict, "paths")
    for path, node in paths.items():
        if not isinstance(path, str) or not path.startswith("/"):
            raise UsageError(f"paths.{path} does not begin with a slash", cure="Correct it")
        item = document.resolve(node, f"paths.{path}")
        for method in (*_SAFE, *_WRITING):
            if method in item:
                yield path, method, item, f"paths.{path}.{method}"


def _server(servers: Any, place: str) -> tuple[str, str]:
    """Origin and base path of the first server; a variable has its default."""
    if not servers:
        return "", ""
    server = expect(expect(servers, list, place)[0], dict, f"{place}[0]")
    url = expect(server.get("url"), str, f"{place}[0].url")
    variables = expect(server.get("variables", {}), dict, f"{place}[0].variables")

    def default(found: re.Match[str]) -> str:
        where = f"{place}[0].variables.{found[1]}"
        variable = expect(variables.get(found[1]), dict, where)
        return str(expect(variable.get("default"), str, f"{where}.default"))

    url = _TEMPLATE.sub(default, url)
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise UsageError(f"{place}[0].url cannot be read", cure="Correct it") from error
    is_whole = parts.scheme in ("http", "https") and parts.netloc
    base = parts.path.rstrip("/")
    base = base if not base or base.startswith("/") else f"/{base}"
    return (f"{parts.scheme}://{parts.netloc}" if is_whole else ""), base


class _Operation:
    """One operation, with the parameters of its path."""

    def __init__(
        self, document: Document, item: Mapping[str, Any], method: str, place: str
    ) -> None:
        self._document = document
        self._method = method
        self._place = place
        self._node: dict[str, Any] = expect(item[method], dict, place)
        path = place.rpartition(".")[0]
        parameters = self._parameters(item.get("parameters", []), f"{path}.parameters")
        # The operation's own go before those of the path.
        self._given = parameters | self._parameters(
            self._node.get("parameters", []), f"{place}.parameters"
        )

    def step(self, base: str, path: str) -> Step:
        """
        The operation as a step.

        Raises:
            NoSample: no value can be made up for something that is required.
        """
        row: dict[str, object] = {}
        names = {name: re.sub(r"\W", "_", name) for name in _TEMPLATE.findall(path)}
        for name, key in names.items():
            parameter, place = self._given.get((name, "path"), (None, ""))
            if parameter is None:
                raise UsageError(
                    f"{self._place}: the path has {{{name}}}, and there is no such parameter",
                    cure="Add it to the document",
                )
            row[key] = _in_path(self._value(parameter, place))
        template = base + _TEMPLATE.sub(lambda found: f"{{{names[found[1]]}}}", path)
        template = quote(template, safe="/{}%:@!$&'()*+,;=~-._")
        headers, body = self._body()
        headers = self._headers() | headers
        if query := self._query():
            query = "?" + query.replace("{", "%7B").replace("}", "%7D")
        return Step(
            method=self._method.upper(),
            path=template + query,
            name=f"{self._method.upper()} {template}",
            headers=headers,
            body=body,
            rows=(row,) if row else (),
        )

    def _parameters(self, nodes: Any, place: str) -> dict[tuple[str, str], tuple[Any, str]]:
        found: dict[tuple[str, str], tuple[Any, str]] = {}
        for index, node in enumerate(expect(nodes, list, place)):
            where = f"{place}[{index}]"
            parameter = self._document.resolve(node, where)
            name = expect(parameter.get("name"), str, f"{where}.name")
            kind = expect(parameter.get("in"), str, f"{where}.in")
            found[name, kind] = (parameter, where)
        return found

    def _required(self, kind: str) -> Iterator[tuple[str, Any, Mapping[str, Any]]]:
        for (name, where), (parameter, place) in self._given.items():
            if where == kind and parameter.get("required") is True:
                yield name, self._value(parameter, place), parameter

    def _value(self, parameter: Mapping[str, Any], place: str) -> Any:
        name = parameter["name"]
        try:
            if found := given(self._document, parameter, place):
                return found[0]
            if "schema" in parameter:
                value = sample(self._document, parameter["schema"], f"{place}.schema")
            else:
                content = expect(parameter.get("content"), dict, f"{place}.schema")
                value = self._content(content, f"{place}.content")[1]
        except NoSample as error:
            raise NoSample(f"{name}: {error}") from None
        return value

    def _query(self) -> str:
        pairs: list[tuple[str, str]] = []
        for name, value, parameter in self._required("query"):
            if "content" in parameter:
                pairs.append((name, json.dumps(value)))
            elif isinstance(value, list):
                texts = [_word(one) for one in value]
                explodes = parameter.get("explode", True)
                pairs += [(name, one) for one in texts] if explodes else [(name, ",".join(texts))]
            elif isinstance(value, Mapping):
                deep = parameter.get("style") == "deepObject"
                pairs += [(f"{name}[{k}]" if deep else k, _word(v)) for k, v in value.items()]
            else:
                pairs.append((name, _word(value)))
        return urlencode(pairs)

    def _headers(self) -> dict[str, str]:
        headers = {
            name.lower(): _in_path(value)
            for name, value, _ in self._required("header")
            if name.lower() not in _OF_THE_BODY
        }
        cookies = [
            f"{name}={quote(_in_path(value))}" for name, value, _ in self._required("cookie")
        ]
        return headers | ({"cookie": "; ".join(cookies)} if cookies else {})

    def _body(self) -> tuple[dict[str, str], bytes | None]:
        if "requestBody" not in self._node or self._method in _SAFE:
            return {}, None
        place = f"{self._place}.requestBody"
        node = self._document.resolve(self._node["requestBody"], place)
        content = expect(node.get("content"), dict, f"{place}.content")
        try:
            kind, value = self._content(content, f"{place}.content")
        except NoSample as error:
            if node.get("required") is not True:
                return {}, None
            raise NoSample(f"its body: {error}") from None
        if kind == _FORM:
            pairs = value.items() if isinstance(value, Mapping) else ()
            body = urlencode([(key, _word(one)) for key, one in pairs])
        elif _is_json(kind):
            body = json.dumps(value)
        else:
            body = str(value)
        return {"content-type": kind}, body.encode()

    def _content(self, content: Mapping[str, Any], place: str) -> tuple[str, Any]:
        """A media type that can be written, and a value for it; JSON goes first."""
        kinds = sorted(content, key=lambda kind: not _is_json(kind))
        kind = next((one for one in kinds if _is_json(one) or one in (_FORM, "text/plain")), None)
        if kind is None:
            raise NoSample(f"there is no way to write {' or '.join(kinds) or 'nothing'}")
        media = expect(content[kind], dict, f"{place}.{kind}")
        if found := given(self._document, media, f"{place}.{kind}"):
            return kind, found[0]
        return kind, sample(self._document, media.get("schema", True), f"{place}.{kind}.schema")


def _is_json(kind: str) -> bool:
    kind = kind.partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json") or kind == "*/*"


def _in_path(value: Any) -> str:
    """A value in OpenAPI's style `simple`."""
    if isinstance(value, list):
        return ",".join(map(_word, value))
    if isinstance(value, Mapping):
        return ",".join(f"{key},{_word(one)}" for key, one in value.items())
    return _word(value)


def _word(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value)
