"""Where an answer's body ends, however its bytes are cut."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncore.transfer.http_body import IncomingBody
from ncore.transfer.http_message import HttpProtocolError, make_head, parse_head


def receive(wire, cuts, headers, piece_bytes=10, method="GET", status=200):
    """Deliver bytes in parts, into the body's own buffer where it offers one."""
    fields = parse_head(b"HTTP/1.1 200 OK\r\n" + headers)[2]
    body = IncomingBody(method, status, fields, piece_bytes)
    ends = sorted({c % (len(wire) + 1) for c in cuts} | {len(wire)})
    got, start = bytearray(), 0
    for end in ends:
        part, start = wire[start:end], end
        while part:
            room = body.buffer()
            if room is None:
                body.take(memoryview(part))
                break
            count = min(len(room), len(part))
            room[:count] = part[:count]
            body.filled(count)
            part = part[count:]
        while (piece := body.pop()) is not None:
            got += piece
    assert body.waiting == 0
    return body, bytes(got)


def chunked(data, sizes):
    wire, at = b"", 0
    for size in sizes:
        part = data[at : at + size]
        if part:
            wire += b"%x;x=y\r\n%b\r\n" % (len(part), part)
        at += size
    if data[at:]:
        wire += b"%X\r\n%b\r\n" % (len(data[at:]), data[at:])
    return wire + b"0\r\nTrailer: t\r\n\r\n"


@settings(deadline=None)
@given(st.binary(max_size=80), st.lists(st.integers(0, 400)), st.lists(st.integers(1, 30)))
def test_a_body_is_the_same_however_it_arrives(data, cuts, sizes):
    body, got = receive(data, cuts, b"Content-Length: %d" % len(data))
    assert (body.is_over, body.is_framed, got) == (True, True, data)
    body, got = receive(chunked(data, sizes), cuts, b"Transfer-Encoding: chunked")
    assert (body.is_over, body.is_framed, got) == (True, True, data)
    body, got = receive(data, cuts, b"X: y")
    assert (body.is_over, body.is_framed, got) == (False, False, data)
    assert body.closed()


def test_bodies_cut_short_are_not_over():
    for wire, headers in (
        (b"12345", b"Content-Length: 6"),
        (b"5\r\n12345\r\n0\r\n", b"Transfer-Encoding: chunked"),
        (b"5\r\n123", b"Transfer-Encoding: chunked"),
    ):
        body, _ = receive(wire, [2], headers)
        assert not body.is_over
        assert not body.closed()


@pytest.mark.parametrize(
    ("wire", "headers"),
    [
        (b"1234567", b"Content-Length: 6"),
        (b"z\r\n", b"Transfer-Encoding: chunked"),
        (b"-1\r\n", b"Transfer-Encoding: chunked"),
        (b"2\r\nabc\r\n", b"Transfer-Encoding: chunked"),
        (b"0\r\n\r\nmore", b"Transfer-Encoding: chunked"),
        (b"1" * 70_000, b"Transfer-Encoding: chunked"),
        (b"", b"Content-Length: +6"),
        (b"", b"Content-Length: " + b"9" * 30),
        (b"", b"Content-Length: 1\r\nContent-Length: 2"),
        (b"", b"Transfer-Encoding: gzip"),
        (b"", b"no colon"),
        (b"", b"na me: x"),
    ],
)
def test_nonsense_is_an_error(wire, headers):
    with pytest.raises(HttpProtocolError):
        receive(wire, [], headers)


def test_answers_without_a_body():
    for method, status in (("HEAD", 200), ("GET", 204), ("GET", 304), ("CONNECT", 200)):
        body, _ = receive(b"", [], b"Content-Length: 6", method=method, status=status)
        assert body.is_over


def test_heads():
    status, is_new, fields = parse_head(b"HTTP/1.0 404 Not Here\r\nA:  b \r\na: c\r\n\td\r\nE:")
    assert (status, is_new, dict(fields)) == (404, False, {"a": "b, c d", "e": ""})
    assert fields["A"] == "b, c d"
    for head in (b"HTTP/2 200", b"SSH-2.0-x", b"", b"HTTP/1.1 999 x"):
        with pytest.raises(HttpProtocolError):
            parse_head(head)
    assert make_head("GET", "/x?y", {"A": "b"}) == b"GET /x?y HTTP/1.1\r\nA: b\r\n\r\n"
    with pytest.raises(ValueError, match="control character"):
        make_head("GET", "/", {"If-Match": "a\r\nHost: evil"})
