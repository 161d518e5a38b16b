"""Scenarios are values; files of them are loaded, or refused with the line."""

from __future__ import annotations

import pickle
import sys

import pytest

from keiko_perf.errors import UsageError
from keiko_perf.loadtest import (
    Plan,
    Scenario,
    Step,
    load_promises,
    load_scenarios,
    read_promises,
    rows,
    scenario,
)
from keiko_perf.loadtest.users.scenario import Think


async def browse(user):
    return user


@scenario(weight=3, think="0.5s..2s", headers={"x-a": "b"})
async def shop(user):
    return user


# Values


def test_an_async_function_becomes_a_scenario_and_can_still_be_called():
    made = scenario(browse)
    assert isinstance(made, Scenario)
    assert (made.name, made.weight, made.think.most_s) == ("browse", 1, 0.0)
    assert (shop.name, shop.weight, shop.think) == ("shop", 3, Think(0.5, 2.0))


async def test_a_scenario_is_called_with_its_user():
    assert await shop("me") == "me"


THOUGHTS = [(2, 2, 2), (0.5, 0.5, 0.5), ("500ms", 0.5, 0.5), ("1s..2m", 1, 120), ("1 .. 2", 1, 2)]


@pytest.mark.parametrize(("given", "least_s", "most_s"), THOUGHTS)
def test_think_times_are_read(given, least_s, most_s):
    assert Think.parsed(given) == Think(least_s, most_s)


REFUSED = [
    ({"think": "2s..1s"}, "cannot think for 2 s to 1 s"),
    ({"think": "soon"}, "'soon' is no time to think"),
    ({"think": "1s.."}, "'' is no time to think"),
    ({"think": -1}, "cannot think for -1 s"),
    ({"pacing": float("nan")}, "is paced by nan s"),
    ({"pacing": 1, "think": 1}, "both a think time and a pacing"),
    ({"weight": 0}, "has the weight 0"),
    ({"on_start": print}, "'print' is no async function"),
]


@pytest.mark.parametrize(("arguments", "reason"), REFUSED)
def test_what_makes_no_sense_is_refused(arguments, reason):
    with pytest.raises(UsageError, match=reason):
        scenario(**arguments)(browse)


def test_a_function_that_is_not_async_or_takes_no_user_is_refused():
    with pytest.raises(UsageError, match=r"'plain' is no async function. Write async def plain"):

        @scenario
        def plain(user):
            """Not async."""

    with pytest.raises(UsageError, match="'lonely' does not take one argument"):

        @scenario
        async def lonely():
            """No user."""


def test_a_plan_has_steps_or_scenarios():
    plan = Plan(base_url="http://a", duration_s=1, scenarios=(shop,))
    assert plan.steps == ()
    with pytest.raises(UsageError, match="steps and scenarios"):
        Plan(base_url="http://a", duration_s=1, scenarios=(shop,), steps=(Step(path="/x"),))
    with pytest.raises(UsageError, match="two scenarios are called 'shop'"):
        Plan(base_url="http://a", duration_s=1, scenarios=(shop, shop))
    bad = scenario(headers={"Content-Length": "3"})(browse)
    with pytest.raises(UsageError, match="is the engine's own"):
        Plan(base_url="http://a", duration_s=1, scenarios=(bad,))


def test_a_plan_does_not_show_what_scenarios_send():
    secret = scenario(headers={"authorization": "Bearer secret"})(browse)
    assert "secret" not in repr(Plan(base_url="http://a", duration_s=1, scenarios=(secret,)))


# Files

FILE = """
from keiko_perf.loadtest import rows, scenario
import beside

ROWS = rows([{"n": 1}])

@scenario(weight=2, rows=ROWS, think=beside.THINK)
async def first(user):
    await user.get("/")

@scenario
async def second(user):
    await user.get("/")

again = second
"""


@pytest.fixture
def folder(tmp_path):
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("keiko_perf_scenarios_")]:
        del sys.modules[name]
    sys.modules.pop("beside", None)


def test_a_file_is_loaded_with_what_lies_beside_it(folder):
    (folder / "beside.py").write_text("THINK = '1s'")
    file = folder / "my shop.py"
    file.write_text(FILE)
    path = list(sys.path)
    found = load_scenarios(file)
    assert [one.name for one in found] == ["first", "second"]
    assert found[0].think == Think(1, 1)
    assert load_scenarios(str(file))[0] is found[0]
    assert sys.path == path


def test_a_scenario_travels_to_another_process_by_its_name(folder):
    (folder / "beside.py").write_text("THINK = '1s'")
    file = folder / "shop.py"
    file.write_text(FILE)
    first, _ = load_scenarios(file)
    sent = pickle.dumps(first)
    for name in [name for name in sys.modules if name.startswith("keiko_perf_scenarios_")]:
        del sys.modules[name]  # as in a process that has not seen it
    found = pickle.loads(sent)  # noqa: S301 - our own
    assert (found.name, found.weight, found.think) == ("first", 2, Think(1, 1))
    assert found is not first
    assert list(found.rows.source) == [{"n": 1}]


def test_a_scenario_that_another_process_cannot_find_says_so():
    @scenario
    async def local(user):
        """Nobody else can name it."""

    with pytest.raises(UsageError, match="is not found in another process"):
        pickle.loads(pickle.dumps(local))  # noqa: S301 - our own


BAD_FILES = [
    ("x = 1", "has no scenario. Write @scenario above an async function"),
    ("async def browse(user): ...", "has no scenario"),
    ("def broken(:\n", "shop.py cannot be run: line 1: SyntaxError"),
    ("\nimport no_such_module_at_all", "line 2: ModuleNotFoundError"),
    ("def f():\n    return 1 / 0\n\nf()\n", "line 2: ZeroDivisionError"),
    ("raise SystemExit(3)", "line 1: SystemExit"),
    ("from keiko_perf.loadtest import scenario\n@scenario\ndef f(user): ...", "no async function"),
]


@pytest.mark.parametrize(("text", "reason"), BAD_FILES)
def test_a_file_that_cannot_be_used_says_why_and_where(folder, text, reason):
    file = folder / "shop.py"
    file.write_text(text)
    with pytest.raises(UsageError, match=reason):
        load_scenarios(file)
    file.write_text("from keiko_perf.loadtest import scenario\n@scenario\nasync def f(user): ...")
    if "has no" not in reason:  # a file that failed is run again once it is corrected
        assert load_scenarios(file)[0].name == "f"


SCENARIO = "from keiko_perf.loadtest import scenario\n@scenario\nasync def f(user): ...\n"


@pytest.mark.parametrize(
    "said", ['slo = "p95<200ms, errors<0.1%"', 'slo = ["p95<200ms", "errors<0.1%"]']
)
def test_a_file_says_what_it_promises(folder, said):
    file = folder / "shop.py"
    file.write_text(f"{SCENARIO}{said}\n")
    assert load_promises(file) == read_promises("p95<200ms, errors<0.1%")
    assert [one.name for one in load_scenarios(file)] == ["f"]


def test_a_file_need_not_promise_anything(folder):
    (folder / "shop.py").write_text(SCENARIO)
    assert load_promises(folder / "shop.py") == ()


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("slo = 200", "slo in shop.py is no text. Write it as slo ="),
        ("slo = ['p95<200ms', 1]", "slo in shop.py is no text"),
        ("slo = 'speed<200ms'", "slo in shop.py: .*there is no figure 'speed'"),
        ("slo = ''", "slo in shop.py: .*here a figure is expected"),
    ],
)
def test_a_promise_that_cannot_be_read_names_its_file(folder, said, reason):
    (folder / "shop.py").write_text(f"{SCENARIO}{said}\n")
    with pytest.raises(UsageError, match=f"(?s){reason}"):
        load_promises(folder / "shop.py")


def test_no_file_and_no_python_file(folder):
    with pytest.raises(UsageError, match="there is no file"):
        load_scenarios(folder / "missing.py")
    (folder / "a.txt").write_text("")
    with pytest.raises(UsageError, match="is no Python file"):
        load_scenarios(folder / "a.txt")


def test_rows_are_a_scenarios_own_argument():
    assert scenario(rows=rows([{"a": 1}]))(browse).rows is not None
