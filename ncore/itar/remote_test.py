"""Sources over the network, against real servers on loopback."""

import asyncio
import os
import pickle
import random
import signal
import threading
import time

import pytest

from ncore.errors import NcoreError
from ncore.itar.errors import (
    ItarAccessError,
    ItarChangedError,
    ItarClosedError,
    ItarIOError,
    ItarNotFoundError,
    ItarRangeError,
)
from ncore.itar.location import open_source
from ncore.itar.testing.range_server import RangeServer

DATA = random.Random(0).randbytes(300_000)


@pytest.fixture
def server():
    with RangeServer({"a b/x.itar": DATA}) as running:
        yield running


@pytest.fixture(params=["obstore", "plain"])
def url(request, server):
    # A query makes the URL one that only plain HTTP can read.
    return f"{server.url}/a%20b/x.itar" + ("?sig=secret" if request.param == "plain" else "")


def opened(url, **options):
    source = open_source(url, **options)
    assert source.read_tail(1000) == DATA[-1000:]
    assert source.size == len(DATA)
    return source


def in_child(work):
    """Run ``work`` in a forked child; return its exit status, or None if it hangs."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    timer = threading.Timer(20, os.kill, (pid, signal.SIGKILL))
    timer.start()
    _, status = os.waitpid(pid, 0)
    timer.cancel()
    return os.waitstatus_to_exitcode(status)


def test_opening_costs_one_request(url, server):
    opened(url)
    assert len(server.requests) == 1


def test_reads_cost_one_request_each(url, server):
    source = opened(url, read_ahead=0)
    for offset, size in [(0, 10), (299_000, 1000), (5, 1), (100_000, 150_000)]:
        assert source.read(offset, size) == DATA[offset : offset + size]
    assert source.read(7, 0) == b""
    assert len(server.requests) == 1 + 4


def test_many_ranges_coalesce_and_run_at_once(url, server):
    source = opened(url, coalesce_gap=100, concurrency=4)
    server.latency = 0.05
    ranges = [(i * 30_000, 500) for i in range(9)] + [(i * 30_000 + 550, 50) for i in range(9)]
    ranges.append((1, 0))
    assert source.read_many(ranges) == [DATA[o : o + s] for o, s in ranges]
    assert len(server.requests) == 1 + 9
    assert server.most_under_way == 4


def test_many_ranges_in_an_event_loop(url, server):
    source = opened(url)
    ranges = [(i * 80_000, 500) for i in range(3)]

    async def read():
        return await asyncio.gather(source.read_many_async(ranges), source.read_async(5, 5))

    assert asyncio.run(read()) == [[DATA[o : o + s] for o, s in ranges], DATA[5:10]]


def test_sequential_reads_are_fetched_ahead(url, server):
    source = opened(url, read_ahead=1 << 16)
    at, count = 0, 0
    while at + 1000 <= len(DATA):
        assert source.read(at, 1000) == DATA[at : at + 1000]
        count += 1
        assert len(server.requests) <= 1 + count
        at += 1512
    assert len(server.requests) < count / 5


def test_random_reads_are_not(url, server):
    source = opened(url)
    rng = random.Random(1)
    for _ in range(30):
        offset = rng.randrange(len(DATA) - 100)
        assert source.read(offset, 100) == DATA[offset : offset + 100]
    assert len(server.requests) <= 31


@pytest.mark.parametrize("etags", [True, False])
def test_a_replaced_object_is_noticed(url, server, etags):
    server.etags = etags
    source = opened(url)
    server.objects["a b/x.itar"] = DATA[1:] + b"?" if etags else DATA + b"!"
    with pytest.raises(ItarChangedError, match="replaced"):
        source.read(0, 10)
    with pytest.raises(ItarChangedError, match="replaced"):
        source.read_many([(0, 10), (200_000, 10)])


def test_a_deleted_object_is_noticed(url, server):
    source = opened(url)
    server.objects.clear()
    with pytest.raises(ItarChangedError):
        source.read(0, 10)


def test_ignored_ranges_are_refused_without_downloading(url, server):
    server.ignore_ranges = True
    with pytest.raises(ItarRangeError, match="ignores byte ranges"):
        open_source(url).read_tail(1000)


def test_a_server_without_suffix_ranges(server):
    server.suffix_ranges = False
    opened(f"{server.url}/a%20b/x.itar")
    assert [r.method for r in server.requests] == ["GET", "HEAD", "GET"]


def test_partial_answers_with_status_200_are_checked(server):
    server.partial_status = 200
    source = opened(f"{server.url}/a%20b/x.itar?q=1")
    assert source.read(3, 4) == DATA[3:7]


def test_an_object_smaller_than_the_tail(url, server):
    server.objects["a b/x.itar"] = b"abc"
    source = open_source(url)
    assert (source.read_tail(1000), source.size) == (b"abc", 3)


def test_an_empty_object(url, server):
    server.objects["a b/x.itar"] = b""
    source = open_source(url)
    assert (source.read_tail(1000), source.size) == (b"", 0)


def test_a_missing_object(server):
    for url in (f"{server.url}/no", f"{server.url}/no?sig=secret"):
        with pytest.raises(ItarNotFoundError, match="no such object") as caught:
            open_source(url).read_tail(10)
        assert "secret" not in str(caught.value)


def test_refused_access(server):
    for url in (f"{server.url}/x", f"{server.url}/x?sig=secret"):
        server.failures = [403]
        with pytest.raises(ItarAccessError) as caught:
            open_source(url).read_tail(10)
        assert "secret" not in str(caught.value)


def test_passing_failures_are_retried(url, server):
    server.failures = [503, 500]
    opened(url)
    assert len(server.requests) == 3


def test_an_answer_that_breaks_off_is_asked_for_again(url, server):
    source = opened(url, read_ahead=0)
    server.broken_off = 2
    assert source.read(1000, 5000) == DATA[1000:6000]
    assert len(server.requests) == 1 + 3


def test_retries_log_no_secrets(server, caplog, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    caplog.set_level("INFO")
    server.failures = [503, 500]
    server.broken_off = 1
    opened(f"{server.url}/a%20b/x.itar?sig=secret")
    with pytest.raises(ItarIOError, match="cannot be reached") as caught:
        open_source("http://user:secret@127.0.0.1:9/x?sig=secret").read_tail(10)
    assert "secret" not in str(caught.value)
    server.failures = [503] * 6
    with pytest.raises(ItarIOError, match="the server answered HTTP 503"):
        open_source(f"{server.url}/a%20b/x.itar?sig=secret").read_tail(10)
    assert "secret" not in caplog.text


def test_a_server_says_when_to_come_again(server, monkeypatch):
    pauses = []
    here, sleep = threading.get_ident(), time.sleep

    def pause(seconds):  # what an earlier test left behind sleeps in threads of its own
        if threading.get_ident() == here:
            pauses.append(seconds)
        else:
            sleep(seconds)

    monkeypatch.setattr("time.sleep", pause)
    server.failures = [429, 503]
    server.retry_after = "7"
    opened(f"{server.url}/a%20b/x.itar?sig=secret")
    assert pauses == [7, 7]
    server.failures = [429]
    server.retry_after = "99999"
    opened(f"{server.url}/a%20b/x.itar?sig=secret")
    assert pauses[2:] == [60]


def test_an_unreachable_server_is_an_error_without_secrets():
    for query in ("", "?sig=secret"):
        source = open_source(
            f"http://127.0.0.1:9/x{query}",
            **({} if query else {"retry_config": {"max_retries": 0}}),
        )
        with pytest.raises(NcoreError) as caught:
            source.read_tail(10)
        assert "secret" not in str(caught.value)


def test_closed(url):
    source = opened(url)
    source.close()
    source.close()
    with pytest.raises(ItarClosedError):
        source.read(0, 10)
    with pytest.raises(ItarClosedError):
        source.read_many([(0, 10), (200_000, 10)])


def test_headers_reach_the_host(server):
    headers = {"client_options": {"default_headers": {"Authorization": "Bearer secret"}}}
    for query in ("", "?q=1"):
        source = opened(f"{server.url}/a%20b/x.itar{query}", **headers)
        assert "secret" not in repr(source)
    assert all(
        r.headers.get("authorization", r.headers.get("Authorization")) for r in server.requests
    )


def test_pickled(url, server):
    source = pickle.loads(pickle.dumps(opened(url)))
    assert source.read_tail(1000) == DATA[-1000:]
    assert source.read(5, 6) == DATA[5:11]


def test_read_in_a_forked_child(url, server):
    source = opened(url)
    source.read(0, 10), source.read(10, 10), source.read_many([(0, 1), (200_000, 1)])

    def work():
        assert source.read(50, 70) == DATA[50:120]
        assert source.read_many([(0, 9), (200_000, 9)]) == [DATA[:9], DATA[200_000:200_009]]

    assert in_child(work) == 0
    work()


def test_a_change_is_noticed_in_a_forked_child(url, server):
    source = opened(url)
    server.objects["a b/x.itar"] = DATA + b"!"

    def work():
        with pytest.raises(ItarChangedError):
            source.read(50, 70)

    assert in_child(work) == 0


def test_opened_in_a_forked_child(url, server):
    opened(url)
    assert in_child(lambda: opened(url).read(0, 10)) == 0


def test_fsspec_is_the_fallback():
    import fsspec

    fs = fsspec.filesystem("memory")
    fs.pipe_file("/ncore-test/x.itar", DATA)
    source = opened("memory://ncore-test/x.itar")
    assert source.read_many([(0, 9), (200_000, 9)]) == [DATA[:9], DATA[200_000:200_009]]
    with pytest.raises(ItarNotFoundError):
        open_source("memory://ncore-test/no.itar").read_tail(10)
    with pytest.raises(NcoreError, match="nosuch"):
        open_source("nosuch://x/y.itar")


def test_local_locations(tmp_path):
    (tmp_path / "a b.itar").write_bytes(DATA)
    opened(tmp_path / "a b.itar")
    opened((tmp_path / "a b.itar").as_uri())
    with pytest.raises(NcoreError, match="takes no option 'region'"):
        open_source(tmp_path / "a b.itar", region="x")
