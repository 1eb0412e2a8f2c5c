"""Archives that NVIDIA's ncore wrote, converted: every expected value must come out of zarr 3."""

import json
import os
import subprocess
import warnings
from pathlib import Path

import numpy as np
import pytest
import zarr

from ncore.convert.conversion import convert
from ncore.convert.errors import ConvertError
from ncore.convert.options import ConvertOptions
from ncore.itar.reader import ItarReader
from ncore.stores.indexed_tar import IndexedTarStore

LEGACY = Path(
    os.environ.get("NCORE_LEGACY_DIR")
    or Path(__file__).resolve().parents[2] / ".." / "shared" / "legacy"
)
STORES = sorted(
    p.with_name(p.name.removesuffix(".expected.json"))
    for folder in ("sequence", "generic")
    for p in (LEGACY / folder).rglob("*.expected.json")
    if not p.name.endswith(".api.expected.json")
)

pytestmark = pytest.mark.skipif(not STORES, reason="NCORE_LEGACY_DIR is not there")


def _id(path: Path) -> str:
    return f"{path.parent.name}/{path.name.rpartition('@')[2][-40:]}"


CASES = [
    pytest.param(path, to, id=f"{_id(path)}-{to}")
    for path in STORES
    for to in ("itar", "directory")
    # The twelve archives of one sequence hold what default_itar holds.
    if not (to == "directory" and path.parent.name == "multi_itar")
]


def _expected(path: Path) -> tuple[dict, dict]:
    document = json.loads(path.with_name(path.name + ".expected.json").read_text())
    npz = path.with_name(path.name + ".expected.npz")
    if not npz.exists():
        return document, {}
    with np.load(npz) as values:
        return document, dict(values)


@pytest.mark.parametrize(("path", "to"), CASES)
def test_every_expected_value(path: Path, to: str, tmp_path: Path) -> None:
    expected, values = _expected(path)
    target = tmp_path / ("new.zarr.itar" if to == "itar" else "new.zarr")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if to == "directory" and path.name == "generic_names.itar":
            with pytest.raises(ConvertError, match="too long"):
                convert(str(path), str(target))
            assert list(tmp_path.iterdir()) == []
            return
        report = convert(str(path), str(target))
        store = IndexedTarStore(target) if to == "itar" else target
        root = zarr.open_group(store, mode="r", zarr_format=3)
        for name, group in expected["groups"].items():
            node = root[name] if name else root
            assert dict(node.attrs) == group["attrs"], name
        if expected["arrays"]:
            assert len(report.arrays) == len(expected["arrays"])
        for name, array in expected["arrays"].items():
            node = root[name]
            assert dict(node.attrs) == array["attrs"], name
            if array.get("npz") is None:
                continue
            want = values[array["npz"]]
            got = np.asarray(node[...], dtype=node.dtype)
            form = next(line.form for line in report.arrays if line.path == name)
            if form == "blob":
                length = int(array["zarray"]["dtype"][2:])
                assert got.shape == (length,)
                assert got.tobytes() == want.tobytes().ljust(length, b"\0"), name
            elif form == "flat-struct":
                assert got.tobytes() == want.tobytes(), name
            elif "undefined_chunks" not in array:
                assert got.shape == want.shape, name
                assert got.dtype == want.dtype.newbyteorder("<"), name
                assert got.tobytes() == want.astype(got.dtype).tobytes(), name


@pytest.fixture(scope="module")
def sequence() -> Path:
    return next((LEGACY / "sequence" / "default_itar").glob("*.itar"))


def test_gnu_tar_extracts_what_was_written(sequence: Path, tmp_path: Path) -> None:
    target = tmp_path / "new.zarr.itar"
    convert(str(sequence), str(target), ConvertOptions(verify="none"))
    (tmp_path / "x").mkdir()
    subprocess.run(["tar", "-xf", target, "-C", tmp_path / "x"], check=True, capture_output=True)
    reader = ItarReader(target)
    extracted = {
        str(p.relative_to(tmp_path / "x")): p.read_bytes()
        for p in (tmp_path / "x").rglob("*")
        if p.is_file()
    }
    assert extracted == {key: reader.read(key) for key in reader}


def test_chunks_keep_their_bytes_keys_and_checksums(sequence: Path, tmp_path: Path) -> None:
    target = tmp_path / "new.zarr.itar"
    convert(str(sequence), str(target))
    old, new = ItarReader(sequence), ItarReader(target)
    chunks = [k for k in old if not k.rpartition("/")[2].startswith(".z")]
    assert chunks == [k for k in new if not k.rpartition("/")[2].startswith("zarr.")]
    for key in chunks:
        assert new.read(key) == old.read(key)
        assert new.verify(key)
    assert new.dead_bytes == 0
    assert "zarr.cbor.xz" in new
    assert "zarr.json" not in new


def test_the_source_is_only_read(sequence: Path, tmp_path: Path) -> None:
    before = sequence.read_bytes()
    convert(str(sequence), str(tmp_path / "new.zarr.itar"))
    assert sequence.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["new.zarr.itar"]
