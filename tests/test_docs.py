"""The documentation says what is there, and all of it."""

from __future__ import annotations

import re
import runpy
from importlib import import_module
from inspect import isclass, isfunction
from pathlib import Path

import pytest

import keiko_perf
from keiko_perf.doctor import codes

ROOT = Path(__file__).parent.parent
PAGES = [
    *(ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"),
    ROOT / "benchmarks" / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
REFERENCE = runpy.run_path(str(ROOT / "scripts" / "cli-reference"))["reference"]()
API = runpy.run_path(str(ROOT / "scripts" / "api-reference"))
COMMANDS = re.findall(r"^## (keiko-perf .+)$", REFERENCE, re.M)


def test_the_command_reference_is_that_of_the_commands() -> None:
    written = (ROOT / "docs" / "cli.md").read_text()
    assert written == REFERENCE, "run scripts/cli-reference"


def test_the_reference_of_names_is_that_of_the_code() -> None:
    written = (ROOT / "docs" / "api.md").read_text()
    assert written == API["reference"](), "run scripts/api-reference"


@pytest.mark.parametrize("part", sorted(API["PARTS"]))
def test_each_public_name_says_what_it_is(part: str) -> None:
    page = (ROOT / "docs" / "api.md").read_text()
    module = import_module(f"keiko_perf.{part}")
    for name in module.__all__:
        assert f"\n### {name}\n" in page
        one = getattr(module, name)
        if isclass(one) or isfunction(one):
            own = vars(one).get("__doc__") if isclass(one) else one.__doc__
            # What a dataclass gets by itself is its signature, which says nothing.
            assert own, name
            assert not own.startswith(f"{name}("), name


def test_each_name_of_the_package_is_that_of_a_part() -> None:
    told = {name for part in API["PARTS"] for name in import_module(f"keiko_perf.{part}").__all__}
    assert set(keiko_perf.__all__) - {"__version__"} <= told


def test_the_types_of_each_name_of_the_package_are_checked() -> None:
    source = (ROOT / "tests" / "typing" / "api.py").read_text()
    assert {name for name in keiko_perf.__all__ if not re.search(rf"\b{name}\b", source)} == set()


@pytest.mark.parametrize("command", COMMANDS)
def test_the_readme_has_a_line_for_each_command(command: str) -> None:
    assert f"| `{command}` |" in (ROOT / "README.md").read_text()


def test_each_benchmark_is_listed() -> None:
    page = (ROOT / "benchmarks" / "README.md").read_text()
    for script in (ROOT / "benchmarks").rglob("*.py"):
        # A server that a benchmark starts is no benchmark.
        if "__main__" in script.read_text() and script.stem != "loadgen_server":
            assert f"({script.relative_to(ROOT / 'benchmarks')})" in page, script


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_a_heading_lead_to_one(page: Path) -> None:
    for file, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", page.read_text()):
        headings = re.findall(
            r"^#+ (.+)$", (page.parent / file if file else page).read_text(), re.M
        )
        assert anchor in {_anchor(one) for one in headings}, f"{file}#{anchor}"


def _anchor(heading: str) -> str:
    """As GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_where_to_begin_leads_on_from_each_cause_that_the_doctor_names() -> None:
    page = (ROOT / "docs" / "how-to" / "begin.md").read_text()
    named = {value for name, value in vars(codes).items() if name.isupper()}
    assert {code for code in named if f"| `{code}` |" not in page} == set()


def test_the_readme_names_the_front_doors() -> None:
    readme = (ROOT / "README.md").read_text()
    named = set(re.findall(r"`(\w+)`", readme))
    parts = ("monitoring", "diagnosis", "optimization", "loadtest")
    doors = {name for part in parts for name in keiko_perf._HOME[part]}
    assert doors <= named


def test_the_quick_start_runs() -> None:
    readme = (ROOT / "README.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", readme, re.S)
    from sqlalchemy.ext.asyncio import create_async_engine

    engine = create_async_engine("postgresql+psycopg://me@127.0.0.1/app")
    names = {"engine": engine, "__name__": "quick_start"}
    exec(code.replace('"keiko-perf.db"', "None"), names)  # noqa: S102  # our own page
    app = names["app"]
    assert any("/performance" in str(getattr(route, "path", route)) for route in app.routes)  # type: ignore[attr-defined]


def test_every_target_of_make_is_explained() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.+)$", makefile, re.M)
    assert phony is not None
    explained = set(re.findall(r"^(\w+):.*##", makefile, re.M))
    assert set(phony[1].split()) == explained


def test_the_changelog_has_this_version_or_what_is_to_come() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert "## Unreleased" in changelog or f"## {keiko_perf.__version__}" in changelog


def test_the_repository_speaks_of_itself_alone() -> None:
    for page in PAGES:
        assert not re.search(r"/(work|root|home)/", page.read_text()), page
