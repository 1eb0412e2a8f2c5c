"""The pool of connections against servers that say exactly what a test wants."""

import asyncio
import contextlib
import datetime
import hashlib
import ssl

import pytest

from ncore.transfer.errors import (
    AccessDeniedError,
    EntryNotFoundError,
    TransferError,
    TransientError,
)
from ncore.transfer.http_session import HttpSession

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def read_request(reader):
    """Return the head and body of a request."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    return head, await reader.readexactly(length)


@contextlib.asynccontextmanager
async def serving(handler, **kwargs):
    """Run a server whose ``handler`` gets each connection; give its base URL."""
    tasks = set()

    async def serve(reader, writer):
        tasks.add(asyncio.current_task())
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await handler(reader, writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, **kwargs)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()


def saying(*answers):
    """A handler that gives these answers, one a request, on one connection after another."""
    waiting = list(answers)
    seen = []

    async def handler(reader, writer):
        while waiting:
            seen.append(await read_request(reader))
            answer = waiting.pop(0)
            writer.write(answer)
            await writer.drain()
            if not answer or b"close" in answer:
                return

    handler.seen = seen
    return handler


@pytest.fixture
async def session():
    made = HttpSession(stall_seconds=5)
    yield made
    await made.close()


async def get(session, port, path="/x", most=1 << 20):
    return bytes(await session.fetch(f"http://127.0.0.1:{port}{path}", {}, most))


async def test_one_connection_serves_one_request_after_another(session):
    connections = 0
    handler = saying(*[OK] * 5)

    async def counting(reader, writer):
        nonlocal connections
        connections += 1
        await handler(reader, writer)

    async with serving(counting) as port:
        for _ in range(5):
            assert await get(session, port) == b"ok"
    assert connections == 1
    head = handler.seen[0][0]
    assert head.startswith(b"GET /x HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" % port)
    assert b"Accept-Encoding: identity" in head


async def test_a_connection_closed_while_idle_is_replaced_unnoticed(session):
    # It answers once, and closes without a word when the second request comes.
    async def once(reader, writer):
        await read_request(reader)
        writer.write(OK)
        await writer.drain()
        await reader.read(1)

    async with serving(once) as port:
        for _ in range(3):
            assert await get(session, port) == b"ok"
    # But what never answers is an error, not asked for ever.
    async with serving(saying(b"")) as port:
        with pytest.raises(TransientError):
            await get(session, port)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, b"ok"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n",
            b"ok",
        ),
        (b"HTTP/1.0 200 OK\r\nConnection: close\r\n\r\nok", b"ok"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok", TransientError),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\nok",
            TransientError,
        ),
        (b"HTTP/1.1 101 Switching\r\n\r\n", TransientError),
        (b"SSH-2.0-OpenSSH close\r\n\r\n", TransientError),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000, TransientError),
        (b"HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno", EntryNotFoundError),
        (b"HTTP/1.1 403 No\r\nContent-Length: 9\r\nConnection: close\r\n\r\nno", AccessDeniedError),
        (b"HTTP/1.1 503 No\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", TransientError),
        (b"HTTP/1.1 302 No\r\nLocation: http://x/\r\nContent-Length: 0\r\n\r\n", TransferError),
    ],
)
async def test_answers(session, answer, expected):
    async with serving(saying(answer)) as port:
        if isinstance(expected, bytes):
            assert await get(session, port) == expected
        else:
            with pytest.raises(expected) as caught:
                await get(session, port, "/x?X-Amz-Signature=secret")
            assert "secret" not in str(caught.value)


async def test_what_follows_an_answer_is_not_taken_for_the_next(session):
    evil = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
    async with serving(saying(OK + evil, OK)) as port:
        with contextlib.suppress(TransientError):
            await get(session, port)
        assert await get(session, port) == b"ok"


async def test_a_stall_is_an_error_but_a_slow_reader_is_none(session):
    session._stall_seconds = 0.2
    data = bytes(range(256)) * (24 << 10)

    async def slow(reader, writer):
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
        await writer.drain()
        await read_request(reader)
        writer.write(OK[:-1])
        await asyncio.sleep(60)

    async with serving(slow) as port:
        h = hashlib.md5()
        async for piece in session.body(f"http://127.0.0.1:{port}/", {}):
            h.update(piece)
            assert len(piece) <= 1 << 20
            await asyncio.sleep(0.25 if h.digest_size and len(piece) == 1 << 20 else 0)
        assert h.digest() == hashlib.md5(data).digest()
        with pytest.raises(TransientError, match=r"nothing came for 0\.2 s"):
            await get(session, port)


async def test_a_body_is_not_received_faster_than_it_is_read(session):
    sent = 0

    async def endless(reader, writer):
        nonlocal sent
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (1 << 40))
        while True:
            writer.write(bytes(1 << 20))
            await writer.drain()
            sent += 1 << 20

    async with serving(endless) as port:
        async with session.exchange("GET", f"http://127.0.0.1:{port}/") as answer:
            pieces = answer.chunks()
            assert len(await anext(pieces)) == 1 << 20
            await asyncio.sleep(0.3)
            assert sent < 64 << 20
        # Of a small file no more is taken than it may have.
        assert len(await get(session, port, most=1000)) == 1000


async def test_requests_with_bodies(session):
    handler = saying(*[OK] * 4)
    large = bytes(range(256)) * (20 << 10)

    async def parts():
        for start in range(0, len(large), 700_000):
            yield large[start : start + 700_000]

    async with serving(handler, limit=1 << 24) as port:
        url = f"http://127.0.0.1:{port}/y"
        for data in (b"small", large, None):
            async with session.exchange("PUT", url, data=data) as answer:
                assert bytes(await answer.read()) == b"ok"
        length = {"Content-Length": str(len(large))}
        async with session.exchange("PUT", url, data=parts(), headers=length) as answer:
            assert answer.status == 200
    assert [body for _, body in handler.seen] == [b"small", large, b"", large]


async def test_a_refusal_before_the_body_has_been_sent_is_heard(session):
    async def refuse(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 403 No\r\nContent-Length: 6\r\n\r\ndenied")
        await writer.drain()
        await asyncio.sleep(60)  # and never read the rest

    async with serving(refuse) as port:
        with pytest.raises(AccessDeniedError, match="denied"):
            async with session.exchange("PUT", f"http://127.0.0.1:{port}/", data=bytes(64 << 20)):
                pass


async def test_no_more_connections_than_allowed():
    session = HttpSession(connections=3)
    now = most = 0

    async def handler(reader, writer):
        nonlocal now, most
        while True:
            await read_request(reader)
            now += 1
            most = max(most, now)
            await asyncio.sleep(0.01)
            now -= 1
            writer.write(OK)

    async with serving(handler) as port:
        await asyncio.gather(*(get(session, port) for _ in range(12)))
        await session.close()
    assert most == 3


@pytest.mark.parametrize(
    "url",
    ["ftp://host/x", "http:///x", "http://[::1/x", "http://ho st/x", "http://h/\r\nX: y", "x"],
)
async def test_urls_that_cannot_be_asked(session, url):
    with pytest.raises(TransferError):
        await session.fetch(url, {}, 1)


async def test_header_values_cannot_end_a_line(session):
    with pytest.raises(TransferError, match="If-Match"):
        await session.fetch("http://127.0.0.1:9/", {"If-Match": "x\r\nHost: evil"}, 1)


async def test_targets_are_sent_as_they_stand_but_for_what_no_target_holds(session):
    handler = saying(*[OK] * 3)
    async with serving(handler) as port:
        for path in ("/a%2Fb/%20?x=%2B+y#fragment", "/ü b", "?q"):
            await get(session, port, path)
    targets = [head.split(b" ")[1] for head, _ in handler.seen]
    assert targets == [b"/a%2Fb/%20?x=%2B+y", b"/%C3%BC%20b", b"/?q"]


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    """Server and client contexts of a certificate made for 127.0.0.1."""
    x509 = pytest.importorskip("cryptography.x509")
    import ipaddress

    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    cert = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(1))
        .not_valid_after(now + datetime.timedelta(1))
        .add_extension(x509.SubjectAlternativeName([address]), False)
        .add_extension(x509.BasicConstraints(True, None), True)
        .sign(key, hashes.SHA256())
    )
    pem = cert.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_bytes(pem + secret)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    return server, ssl.create_default_context(cadata=pem.decode())


async def test_tls(session, tls):
    handler = saying(OK, OK)
    async with serving(handler, ssl=tls[0]) as port:
        with pytest.raises(TransferError, match="self-signed") as caught:
            await session.fetch(f"https://127.0.0.1:{port}/", {}, 10)
        assert not isinstance(caught.value, TransientError)
        session._tls = tls[1]
        for _ in range(2):
            assert await session.fetch(f"https://127.0.0.1:{port}/", {}, 10) == b"ok"


async def test_proxies(monkeypatch, tls):
    """Plain requests are sent whole to the proxy, TLS goes through a tunnel."""
    origin = saying(OK)
    lines = []

    async def proxy(reader, writer):
        head, _ = await read_request(reader)
        lines.append(head.split(b"\r\n")[0])
        assert b"Proxy-Authorization: Basic dTpwQA==" in head
        if not head.startswith(b"CONNECT"):
            writer.write(OK)
            return
        port = int(head.split()[1].rpartition(b":")[2])
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")

        async def pump(a, b):
            while data := await a.read(1 << 16):
                b.write(data)

        await asyncio.wait(
            [
                asyncio.ensure_future(pump(reader, far_writer)),
                asyncio.ensure_future(pump(far_reader, writer)),
            ],
            return_when=asyncio.FIRST_COMPLETED,
        )
        far_writer.close()

    async with serving(origin, ssl=tls[0]) as port, serving(proxy) as proxy_port:
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, f"http://u:p%40@127.0.0.1:{proxy_port}")
        monkeypatch.setenv("no_proxy", "direct.example")
        session = HttpSession()
        session._tls = tls[1]
        assert await session.fetch("http://other.example/x", {}, 10) == b"ok"
        assert await session.fetch(f"https://127.0.0.1:{port}/y", {}, 10) == b"ok"
        assert session._proxy_for("http", "direct.example") is None
        await session.close()
    assert lines == [
        b"GET http://other.example/x HTTP/1.1",
        b"CONNECT 127.0.0.1:%d HTTP/1.1" % port,
    ]
    assert origin.seen[0][0].startswith(b"GET /y HTTP/1.1")
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:1")
    with pytest.raises(TransferError, match="only HTTP proxies"):
        await HttpSession().fetch("http://other.example/x", {}, 10)
