import re
from html.parser import HTMLParser

import numpy as np
import pytest
import zarr

from ncore.itar.tar_header import encode_header
from ncore.itar.trailer import Trailer, encode_trailer
from ncore.itar.writer import ItarWriter
from ncore.stores.indexed_tar import IndexedTarStore
from ncore.stores.layout import read_layout
from ncore.stores.layout_page import layout_page


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "a.zarr.itar"
    with IndexedTarStore(path, "w") as store:
        root = zarr.create_group(store)
        root.create_array("ordered", shape=(40,), chunks=(1,), dtype="u1")
        root.create_array("g/shuffled", shape=(40,), chunks=(1,), dtype="u1")
        for i in range(40):
            store.write(f"ordered/c/{i}", bytes(3000))
        for i in range(40):
            store.write(f"g/shuffled/c/{i * 7 % 40}", bytes(90_000))
    return path


def _layout(path):
    with IndexedTarStore(path) as store:
        return read_layout(store)


def test_every_byte_has_an_owner(path):
    layout = _layout(path)
    assert layout.starts[0] == 0
    assert (layout.starts[1:] == layout.stops[:-1]).all()
    assert layout.stops[-1] == layout.size == path.stat().st_size
    assert sum(region.bytes for region in layout.regions) == layout.size
    regions = {region.path: region for region in layout.regions}
    assert list(regions) == [
        "g/shuffled",
        "ordered",
        "(metadata)",
        "(end of the tar part)",
        "(index)",
    ]
    assert regions["ordered"].members == 40
    assert regions["ordered"].payload == 40 * 3000
    assert regions["ordered"].in_order == 1
    assert regions["g/shuffled"].in_order < 0.2
    assert len(layout.reading) == 80


def test_dead_space_is_found(tmp_path):
    """Two members with a hole between them, as appending in place leaves it."""
    path = tmp_path / "a.itar"
    with ItarWriter(path) as writer:
        writer.set("a", b"1" * 512)
        writer.set("gone", b"2" * 5000)
        writer.set("b", b"3" * 512)
    with IndexedTarStore(path) as store:
        entries = {key: store.entry(key) for key in ("a", "gone", "b")}
        data = path.read_bytes()[: store.reader.trailer.index_offset]
    from ncore.itar.index_codec import encode_index

    kept = [entries["a"], entries["b"]]
    index = encode_index(
        [entry.key for entry in kept],
        np.array([entry.offset for entry in kept], np.uint64),
        np.array([entry.size for entry in kept], np.uint64),
    )
    tail = index.ljust(-(-len(index) // 512) * 512, b"\0")
    path.write_bytes(data + tail + encode_trailer(Trailer(len(data), len(index))))
    layout = _layout(path)
    [dead] = [region for region in layout.regions if region.kind == "dead"]
    assert dead.bytes == len(encode_header("gone", 5000)) + 5120
    assert sum(region.bytes for region in layout.regions) == layout.size
    assert "dead space" in layout_page(layout)


def test_many_alike_are_one_region(tmp_path):
    path = tmp_path / "a.itar"
    with IndexedTarStore(path, "w") as store:
        root = zarr.create_group(store)
        for i in range(30):
            root.create_array(f"cam/frames/{i}", data=np.ones(100, "u1"))
        for i in range(30):
            root.create_array(f"odd/n{i}", data=np.ones(10 + 30 * i * i, "u1"), compressors=None)
    regions = _layout(path).regions
    assert len(regions) <= 14 + 3
    assert [region.kind for region in regions if region.path == "cam"] == ["group"]
    assert "rest" in {region.kind for region in regions}


class _Page(HTMLParser):
    """What a browser makes of a page, as far as these tests ask."""

    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.texts = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        assert not [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data):
        self.texts.append(data)


def test_hostile_keys_stay_text(tmp_path):
    path = tmp_path / "<b>x.itar"
    keys = [
        "<img src=x onerror=alert(1)>",
        "</script><script>alert(1)</script>",
        "a/<!--<script>",
        '" onload="x',
        "\u202eevil\x1b[2J",
        "{{script}}{{data}}",
    ]
    node = b'{"zarr_format":3,"node_type":"group","attributes":{}}'
    with ItarWriter(path) as writer:
        for key in keys:
            writer.set(f"{key}/zarr.json", node)
            writer.set(f"{key}/c/0", b"x" * 9999)
    text = layout_page(_layout(path))
    page = _Page(text)
    assert page.tags.count("script") == 2
    assert "img" not in page.tags
    assert "b" in page.tags
    assert text.count("<script>") == 1
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e]", text)
    assert any("<img src=x onerror=alert(1)>" in part for part in page.texts)
    assert "default-src 'none'" in text
    assert "script-src 'sha256-" in text


def test_an_empty_archive(tmp_path):
    with ItarWriter(tmp_path / "e.itar"):
        pass
    layout = _layout(tmp_path / "e.itar")
    assert "<svg" in layout_page(layout)
    assert [region.kind for region in layout.regions] == ["end", "index"]
    assert layout.in_order is None


def test_the_page_stays_small(tmp_path):
    path = tmp_path / "a.itar"
    with IndexedTarStore(path, "w") as store:
        root = zarr.create_group(store)
        for name in "ab":
            root.create_array(name, shape=(9000,), chunks=(1,), dtype="u1")
        for i in range(9000):
            for name in "ab":
                store.write(f"{name}/c/{i * 101 % 9000}", b"x" * 600)
    assert len(layout_page(_layout(path))) < 1 << 20
