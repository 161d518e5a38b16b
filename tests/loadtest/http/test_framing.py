"""Where an answer ends, whichever way its bytes are cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keiko_perf.loadtest.http.framing import Body, Chunks, Head, read_head, read_plain_head
from keiko_perf.loadtest.transport import Malformed


@pytest.mark.parametrize(
    ("block", "head"),
    [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5", Head(200, Body.LENGTH, 5, True)),
        ("HTTP/1.0 200 OK\r\nContent-Length: 5", Head(200, Body.LENGTH, 5, False)),
        (
            "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 5",
            Head(200, Body.LENGTH, 5, True),
        ),
        (
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5",
            Head(200, Body.LENGTH, 5, False),
        ),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", Head(200, Body.CHUNKED, 0, True)),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked", Head(200, Body.CHUNKED, 0, True)),
        ("HTTP/1.1 200 OK\r\nServer: x", Head(200, Body.UNTIL_CLOSE, 0, False)),
        ("HTTP/1.1 204 No Content\r\nServer: x", Head(204, Body.LENGTH, 0, True)),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 5", Head(304, Body.LENGTH, 0, True)),
        ("HTTP/1.1 100 Continue\r\nServer: x", Head(100, Body.INTERIM, 0, True)),
        ("HTTP/1.1 103 Early Hints\r\nLink: x", Head(103, Body.INTERIM, 0, True)),
    ],
)
def test_what_a_header_block_says(block, head):
    assert read_head(block.encode(), answers_head=False) == head


def test_an_answer_to_head_has_no_body_whatever_it_says():
    for block in (b"Content-Length: 5", b"Transfer-Encoding: chunked", b"Server: x"):
        head = read_head(b"HTTP/1.1 200 OK\r\n" + block, answers_head=True)
        assert head == Head(200, Body.LENGTH, 0, True)
    head = read_head(b"HTTP/1.1 200 OK\r\nConnection: x, close", answers_head=True)
    assert not head.keeps_alive


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6", "Duplicate"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked", "can't be present"),
        ("HTTP/1.1 200 OK\r\nContent-Length: -5", "Invalid character"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999", "overflow"),
        ("HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade", "another protocol"),
        ("HTTP/1.1 101 Switching", "another protocol"),
        ("HTTP/2.0 200 OK\r\nContent-Length: 5", r"HTTP/1\.x"),
        ("HTTP/1.1 OK", "Invalid"),
        ("HTTP/1.1 99 OK\r\nContent-Length: 5", "Invalid"),
        ("HTTP/1.1 200 OK\r\nno colon", "Invalid"),
        ("HTTP/1.1 200 OK\r\nX: a\x00b", "Invalid"),
    ],
)
def test_a_malformed_block_is_refused(block, reason):
    with pytest.raises(Malformed, match=reason):
        read_head(block.encode(), answers_head=False)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_head_or_malformed(noise):
    for block in (noise, b"HTTP/1.1 200 OK\r\n" + noise):
        try:
            head = read_head(block, answers_head=False)
        except Malformed:
            continue
        assert head.status >= 100
        assert head.length >= 0


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=6), st.data())
def test_a_chunked_body_ends_where_it_ends_however_it_is_cut(parts, data):
    encoded = b"".join(b"%x;e=1\r\n%s\r\n" % (len(part), part) for part in parts)
    encoded += b"0\r\nTrailer: x\r\n\r\n"
    cuts = sorted(data.draw(st.sets(st.integers(1, len(encoded) - 1), max_size=8)))
    chunks = Chunks()
    for begin, end in zip([0, *cuts], [*cuts, len(encoded)], strict=True):
        assert not chunks.is_complete
        chunks.feed(encoded[begin:end])
    assert chunks.is_complete


@pytest.mark.parametrize(
    ("encoded", "reason"),
    [
        (b"FFFFFFFFFFFFFFFFFF\r\n", "overflow"),
        (b"-1\r\n", "chunk size"),
        (b"zz\r\n", "chunk size"),
        (b"1\r\nab", "chunk data"),
        (b"0\r\n\r\nx", "more bytes"),
        (b"0\r\n\r\nHTTP/1.1 200 OK\r\n", "more bytes"),
    ],
)
def test_a_malformed_chunked_body_is_refused(encoded, reason):
    with pytest.raises(Malformed, match=reason):
        Chunks().feed(encoded)


_LINES = st.lists(
    st.one_of(
        st.sampled_from(
            [
                b"Content-Length: 5",
                b"content-length: 5",
                b"Content-Length: 0000000000000000000005",
                b"Content-Length: +5",
                b"Content-Length : 5",
                b" Content-Length: 5",
                b"X-Content-Length: 7",
                b"X: Content-Length: 7",
                b"Transfer-Encoding: chunked",
                b"Connection: keep-alive",
                b"Connection: close",
                b"Connection: Upgrade",
                b"Upgrade: h2c",
                b"Proxy-Connection: close",
                b"CONTENT-LENGTH: 6",
                b"X-Request-Id: 8f3c",
                b"X:",
                b"X: \xe9\t~",
            ]
        ),
        st.binary(max_size=12),
    ),
    max_size=5,
)


@given(
    start=st.sampled_from(
        [
            b"HTTP/1.1 200 OK",
            b"HTTP/1.1 204 X",
            b"HTTP/1.1 304 X",
            b"HTTP/1.1 500 \xe9",
            b"HTTP/1.1 200",
            b"HTTP/1.1 200 ",
            b"HTTP/1.0 200 OK",
            b"HTTP/1.1 100 X",
            b"HTTP/1.1 600 X",
        ]
    ),
    lines=_LINES,
)
def test_what_is_seen_at_a_glance_is_what_the_parser_says(start, lines):
    block = b"\r\n".join([start, *lines])
    glance = read_plain_head(block)
    if glance is not None:
        status, length = glance
        assert read_head(block, answers_head=False) == Head(status, Body.LENGTH, length, True)


@pytest.mark.parametrize(
    ("block", "meaning"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Request-Id: 1", (200, 5)),
        (b"HTTP/1.1 503 Busy\r\nConnection: keep-alive\r\ncontent-length: 0", (503, 0)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close", None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5", None),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", None),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 5", None),
        (b"HTTP/1.1 103 Hint\r\nContent-Length: 5", None),
        (b"HTTP/1.1 200 OK\r\nServer: s", None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: " + b"x" * 70_000, None),
    ],
)
def test_only_plain_answers_with_a_length_are_seen_at_a_glance(block, meaning):
    assert read_plain_head(block) == meaning
