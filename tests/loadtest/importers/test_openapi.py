"""An OpenAPI document becomes requests that its own schemas allow."""

from __future__ import annotations

import contextlib
import datetime
import json
import sys
import uuid
from enum import StrEnum
from typing import Annotated
from urllib.parse import parse_qs, urlsplit

import httpx
import jsonschema
import pytest
from fastapi import Cookie, FastAPI, Header, Query
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from keiko_perf.errors import UsageError
from keiko_perf.loadtest import Plan
from keiko_perf.loadtest.engine.prepared import prepare
from keiko_perf.loadtest.importers import from_openapi
from keiko_perf.loadtest.importers.document import Document
from keiko_perf.loadtest.importers.sample import NoSample, sample


def document(paths, version="3.1.0", **more):
    return {"openapi": version, "info": {"title": "t", "version": "1"}, "paths": paths, **more}


def parameter(name, where, schema=None, **more):
    more = {"required": True, **more}
    return {"name": name, "in": where, **({} if schema is None else {"schema": schema}), **more}


def only(operation, method="get", path="/x", **more):
    (step,) = from_openapi(document({path: {method: operation}}, **more), writes=True).steps
    return step


# Operations


def test_safe_methods_alone_unless_writing_is_asked_for():
    paths = {
        "/items": {"get": {}, "head": {}, "post": {}, "delete": {}, "trace": {}, "summary": "x"}
    }
    safe = from_openapi(document(paths))
    assert [step.name for step in safe.steps] == ["GET /items", "HEAD /items"]
    assert {one.what for one in safe.left_out} == {"POST /items", "DELETE /items"}
    every = from_openapi(document(paths), writes=True)
    assert {step.method for step in every.steps} == {"GET", "HEAD", "POST", "DELETE"}


def test_names_are_templates_and_values_are_what_the_document_gives():
    step = only(
        {
            "parameters": [
                parameter("item-id", "path", {"type": "integer", "default": 7}),
                parameter("q", "query", {"enum": ["a b", "c"]}),
                parameter("ids", "query", {"type": "array", "items": {"const": 3}, "minItems": 2}),
                parameter("optional", "query", {"type": "string"}, required=False),
                parameter("X-Trace", "header", {"type": "string"}, example="abc"),
                parameter("Authorization", "header", {"type": "string"}),
                parameter("sid", "cookie", {"type": "string"}, examples={"one": {"value": "s;1"}}),
            ]
        },
        path="/items/{item-id}/parts",
    )
    assert step.name == "GET /items/{item_id}/parts"
    assert list(step.paths()) == ["/items/7/parts?q=a+b&ids=3&ids=3"]
    assert step.headers == {"x-trace": "abc", "cookie": "sid=s%3B1"}


def test_parameters_of_the_operation_go_before_those_of_its_path():
    item = {
        "parameters": [
            parameter("a", "query", {"const": 1}),
            parameter("b", "query", {"const": 2}),
        ],
        "get": {"parameters": [{"$ref": "#/components/parameters/a"}]},
    }
    shared = {"parameters": {"a": parameter("a", "query", {"const": 9})}}
    (step,) = from_openapi(document({"/x": item}, components=shared)).steps
    assert parse_qs(urlsplit(step.path).query) == {"a": ["9"], "b": ["2"]}


SERVERS = [
    (None, "", "/x"),
    ([{"url": "/"}], "", "/x"),
    ([{"url": "/api/v1/"}], "", "/api/v1/x"),
    ([{"url": "https://a.example.com:8443/api"}], "https://a.example.com:8443", "/api/x"),
    ([{"url": "https://{h}/{v}", "variables": {"h": {"default": "a"}, "v": {"default": "v2"}}}],
     "https://a", "/v2/x"),
]  # fmt: skip


@pytest.mark.parametrize(("servers", "origin", "path"), SERVERS)
def test_the_first_server_says_where_paths_begin(servers, origin, path):
    more = {} if servers is None else {"servers": servers}
    imported = from_openapi(document({"/x": {"get": {}}}, **more))
    assert imported.origin == origin
    assert imported.steps[0].path == path


def test_bodies_are_json_or_forms_with_what_is_required():
    schema = {
        "type": "object",
        "required": ["name", "size"],
        "properties": {"name": {"type": "string", "minLength": 8}, "size": {"type": "integer"}},
    }
    body = {"requestBody": {"content": {"text/csv": {}, "application/json": {"schema": schema}}}}
    step = only(body, "post")
    assert json.loads(step.body or b"") == {"name": "stringaa", "size": 1}
    assert step.headers == {"content-type": "application/json"}
    form = {"application/x-www-form-urlencoded": {"schema": schema, "example": {"name": "a b"}}}
    assert only({"requestBody": {"content": form}}, "post").body == b"name=a+b"
    assert (
        only({"requestBody": {"content": {"text/plain": {"example": "hi"}}}}, "put").body == b"hi"
    )


def test_what_cannot_be_made_up_is_left_out_with_its_reason():
    upload = {"required": True, "content": {"multipart/form-data": {}}}
    pattern = parameter("code", "query", {"type": "string", "pattern": "^XK-[0-9]{3}$"})
    imported = from_openapi(
        document(
            {
                "/u": {"post": {"requestBody": upload}},
                "/c": {"get": {"parameters": [pattern]}},
                "/": {"get": {}},
            }
        ),
        writes=True,
    )
    assert {one.what: one.why for one in imported.left_out} == {
        "POST /u": "its body: there is no way to write multipart/form-data",
        "GET /c": "code: it has no example that fits its pattern '^XK-[0-9]{3}$'",
    }


# A real application


class Size(StrEnum):
    SMALL = "small"
    LARGE = "large"


class Part(BaseModel):
    code: str = Field(pattern="^[a-z]{3}$")
    weight: float = Field(gt=0, lt=1)


class Item(BaseModel):
    name: str = Field(min_length=12, max_length=14)
    price: Annotated[int, Field(ge=10, multiple_of=7)]
    size: Size
    made_at: datetime.datetime
    day: datetime.date
    main: Part
    parts: list[Part] = Field(min_length=2)
    parent: Item | None = None
    either: int | Part
    site: str | None


def application() -> FastAPI:
    app = FastAPI()

    @app.get("/items/{item_id}")
    def one(
        item_id: uuid.UUID,
        size: Size,
        least: Annotated[float, Query(gt=2, le=2.5)],
        tag: Annotated[list[str], Query(min_length=1)],
        x_api: Annotated[str, Header(min_length=20)],
        session: Annotated[str, Cookie()],
    ) -> str:
        return f"{item_id} {size} {least} {tag} {x_api} {session}"

    @app.post("/items")
    def make(item: Item) -> Item:
        return item

    @app.put("/parts/{code}")
    def put(code: int, part: Part, items: list[Item]) -> str:
        return f"{code} {part} {items}"

    return app


async def test_a_real_application_takes_each_request():
    app = application()
    imported = from_openapi(json.dumps(app.openapi()), writes=True)
    assert imported.left_out == ()
    plan = Plan(base_url="http://testserver", steps=imported.steps, duration_s=1)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url=plan.base_url) as client:
        for (request,) in prepare(plan):
            headers = [(name.decode(), value.decode()) for name, value in request.headers]
            answer = await client.request(
                request.method, request.path, headers=headers, content=request.body
            )
            assert answer.status_code == 200, answer.text


# Schemas


VALUES = [
    ({"type": "string", "format": "email"}, "user@example.com"),
    ({"type": ["null", "integer"], "minimum": 5}, 5),
    ({"type": "integer", "exclusiveMinimum": 5}, 6),
    ({"type": "integer", "minimum": 5, "exclusiveMinimum": True}, 6),
    ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, 0.5),
    ({"type": "integer", "maximum": -3}, -3),
    ({"type": "integer", "minimum": 10, "multipleOf": 7}, 14),
    ({"type": "boolean"}, True),
    ({"type": "null"}, None),
    ({"type": "array", "items": {"type": "string"}}, []),
    ({"examples": ["x", "y"]}, "x"),
    ({"anyOf": [{"type": "null"}, {"const": 4}]}, 4),
    ({"allOf": [{"type": "object", "required": ["a"], "properties": {"a": {"const": 1}}},
                {"required": ["b"], "properties": {"b": {"const": 2}}}]}, {"a": 1, "b": 2}),
    ({"type": "string", "pattern": "^[A-Z]{2}$"}, "AA"),
    ({"type": "object"}, {}),
    ({"default": datetime.date(2024, 5, 6)}, "2024-05-06"),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "value"), VALUES)
def test_the_smallest_value_of_a_schema(schema, value):
    found = sample(Document({}), schema, "schema")
    assert found == value
    assert type(found) is type(value)


def test_a_schema_that_requires_itself_has_no_value_and_one_that_may_hold_itself_has():
    node = {
        "type": "object",
        "required": ["next"],
        "properties": {"next": {"$ref": "#/node"}},
    }
    with pytest.raises(NoSample, match="it requires itself"):
        sample(Document({"node": node}), node, "schema")
    node["properties"] = {"next": {"anyOf": [{"type": "null"}, {"$ref": "#/node"}]}}
    with pytest.raises(NoSample, match="it requires itself"):
        sample(Document({"node": node}), node, "schema")
    node["properties"] = {"next": {"type": "array", "items": {"$ref": "#/node"}}}
    assert sample(Document({"node": node}), node, "schema") == {"next": []}


NUMBERS = st.integers(-50, 50) | st.floats(-50, 50).map(lambda x: round(x, 2))


@given(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["integer", "number"])},
        optional={
            "minimum": NUMBERS,
            "maximum": NUMBERS,
            "exclusiveMinimum": NUMBERS,
            "exclusiveMaximum": NUMBERS,
            "multipleOf": st.integers(1, 9),
        },
    )
)
def test_a_number_that_is_made_up_is_one_that_the_schema_allows(schema):
    # A bound and its exclusive form at once is something else: the narrower of the two holds.
    for key in ("minimum", "maximum"):
        if f"exclusive{key.capitalize()}" in schema:
            schema.pop(key, None)
    try:
        value = sample(Document({}), schema, "schema")
    except NoSample:
        return
    jsonschema.Draft202012Validator(schema).validate(value)


# What is refused


REFUSED = [
    ("{", "the document is no JSON"),
    ("[]", "the document is a list, not an object"),
    (json.dumps({"swagger": "2.0"}), "of version '2.0'"),
    (json.dumps({"openapi": "4.0.0"}), "of version '4.0.0'"),
    (json.dumps(document(None)), "paths is missing, not an object"),
    (json.dumps(document({})), "no operation to ask for"),
    (json.dumps(document({"x": {}})), "paths.x does not begin with a slash"),
    (json.dumps(document({"/x": {"get": 3}})), "paths./x.get is a number"),
    (json.dumps(document({"/{a}": {"get": {}}})), r"the path has \{a\}, and there is no such"),
    (json.dumps(document({"/x": {"get": {"parameters": [{"in": "query"}]}}})),
     r"paths./x.get.parameters\[0\].name is missing"),
    (json.dumps(document({"/x": {"$ref": "#/nowhere"}})), "#/nowhere leads nowhere"),
    (json.dumps(document({"/x": {"$ref": "other.json#/x"}})), "leads out of the document"),
    (json.dumps(document({"/x": {"$ref": "#/a"}}, a={"$ref": "#/b"}, b={"$ref": "#/a"})),
     "leads in a circle"),
    (json.dumps(document({"/x": {"get": {}}}, servers=[{"url": "http://{h}"}])),
     r"servers\[0\].variables.h is missing"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "reason"), REFUSED)
def test_what_is_no_openapi_is_refused_with_the_place(text, reason):
    with pytest.raises(UsageError, match=reason):
        from_openapi(text)


def test_a_reference_may_hold_escaped_signs():
    shared = {"a/b~c": {"get": {}}}
    imported = from_openapi(document({"/x": {"$ref": "#/shared/a~1b~0c"}}, shared=shared))
    assert len(imported.steps) == 1


YAML = """
openapi: 3.0.3
info: {title: t, version: 1}
paths:
  /day/{day}:
    get:
      parameters:
        - {name: day, in: path, required: true, schema: {type: string}, example: 2024-05-06}
"""


def test_yaml_is_read_where_pyyaml_is_there():
    (step,) = from_openapi(YAML).steps
    assert list(step.paths()) == ["/day/2024-05-06"]
    with pytest.raises(UsageError, match="the document is no YAML"):
        from_openapi("a: [")


def test_without_pyyaml_a_document_in_yaml_says_what_brings_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(UsageError, match="takes the package PyYAML"):
        from_openapi(YAML)


LEAVES = st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab#/{}", max_size=4)
KEYS = st.sampled_from(
    ["type", "$ref", "allOf", "anyOf", "items", "properties", "required", "enum", "schema", "in",
     "name", "parameters", "get", "content", "requestBody", "pattern", "minimum", "minItems"]
)  # fmt: skip


@given(
    st.recursive(
        LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4)
    )
)
@example({"allOf": [{"properties": None}]})
def test_whatever_is_in_the_document_it_is_steps_or_refused(node):
    for paths in ({"/x": node}, {"/x": {"get": node}}, {"/x": {"get": {"parameters": [node]}}}):
        with contextlib.suppress(UsageError):
            from_openapi(document(paths), writes=True)
    with contextlib.suppress(UsageError, NoSample):
        sample(Document({"a": node}), node, "schema")
