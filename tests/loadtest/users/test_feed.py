"""Rows go to one user each, whatever the number of processes."""

from __future__ import annotations

from itertools import count, islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keiko_perf.errors import UsageError
from keiko_perf.loadtest.processes.share import Share
from keiko_perf.loadtest.users.feed import rows


def all_of(feed, *, of=1):
    return [list(feed.share(Share(index, of))) for index in range(of)]


def test_csv_has_a_line_of_names(tmp_path):
    file = tmp_path / "users.csv"
    file.write_bytes('\ufeffname,note\r\nAnn,"a, ""b""\nc"\r\n\r\nBob,ü\r\n'.encode())
    assert all_of(rows(file)) == [
        [{"name": "Ann", "note": 'a, "b"\nc'}, {"name": "Bob", "note": "ü"}]
    ]


def test_tsv_and_json_lines(tmp_path):
    (tmp_path / "a.tsv").write_text("x\ty\n1\t2\n")
    (tmp_path / "a.jsonl").write_text('{"x": [1]}\n\n{"x": null}\n')
    assert all_of(rows(str(tmp_path / "a.tsv"))) == [[{"x": "1", "y": "2"}]]
    assert all_of(rows(tmp_path / "a.jsonl")) == [[{"x": [1]}, {"x": None}]]


@given(st.integers(1, 60), st.integers(1, 7))
def test_shares_have_each_row_once_and_together_all(length, processes):
    given_rows = [{"n": number} for number in range(length)]
    shares = all_of(rows(given_rows), of=processes)
    assert sorted(row["n"] for share in shares for row in share) == list(range(length))
    assert all(row["n"] % processes == index for index, share in enumerate(shares) for row in share)


def test_repeated_rows_go_on_from_the_start_in_step_with_the_other_processes():
    feed = rows([{"n": number} for number in range(3)], repeats=True)
    first, second = (
        [row["n"] for row in islice(feed.share(Share(index, 2)), 6)] for index in (0, 1)
    )
    assert (first, second) == ([0, 2, 1, 0, 2, 1], [1, 0, 2, 1, 0, 2])


def test_rows_are_read_when_they_are_needed():
    endless = rows({"n": number} for number in count())
    assert next(endless.share(Share(1, 4))) == {"n": 1}


BAD_FILES = [
    ("a.csv", "", "has no row"),
    ("a.csv", "x,y\n", "has no row"),
    ("a.csv", "x,x\n1,2\n", "an empty name, or one twice"),
    ("a.csv", "x,y\n1,2\n3\n", "a.csv:3 has 1 values for 2 columns"),
    ("a.csv", 'x\n"1', "a.csv:2 is no CSV"),
    ("a.csv", b"x\n\xff\n", "is not UTF-8"),
    ("a.jsonl", '{"x": 1}\n[1]\n', "a.jsonl:2 is no object"),
    ("a.jsonl", "\n{]\n", "a.jsonl:2 is no JSON"),
]


@pytest.mark.parametrize(("name", "text", "reason"), BAD_FILES)
def test_a_file_that_holds_no_rows_says_where(tmp_path, name, text, reason):
    file = tmp_path / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UsageError, match=reason):
        all_of(rows(file))


def test_what_is_no_source_of_rows_is_refused(tmp_path):
    with pytest.raises(UsageError, match="is no file of rows"):
        rows("users.xlsx")
    with pytest.raises(UsageError, match="cannot be read from"):
        all_of(rows(tmp_path / "missing.csv"))
    with pytest.raises(UsageError, match="per 'day'"):
        rows([{}], per="day")
    with pytest.raises(UsageError, match="read only once"):
        rows(iter([{}]), repeats=True)
    with pytest.raises(UsageError, match="no mapping at row 1"):
        all_of(rows([{}, 3]))
