"""What was converted, read by implementations of zarr v3 that are not zarr-python.

An array must be readable by all of them when its metadata uses nothing but the
v3 specification; the report warns about every other one.
"""

import json
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tensorstore
import zarr

from ncore.convert.conversion import convert
from ncore.convert.options import ConvertOptions
from ncore.convert.relayout import Layout, parse_compressor
from ncore.convert.report import ConversionReport
from ncore.convert.translate_array import TranslationOptions

# bazel: data = ["testdata/**"]
# bazel: deps = ["@pypi//zarrs"]

TESTDATA = Path(__file__).parent / "testdata"
SPECIFIED = {"bytes", "blosc", "crc32c", "gzip", "sharding_indexed", "transpose", "zstd"}
CORE_TYPES = {"bool"} | {
    f"{kind}{bits}"
    for kind, sizes in {
        "int": (8, 16, 32, 64),
        "uint": (8, 16, 32, 64),
        "float": (16, 32, 64),
        "complex": (64, 128),
    }.items()
    for bits in sizes
}
Converted = tuple[Path, ConversionReport]


def _convert(tmp: Path, name: str, options: ConvertOptions) -> Converted:
    with zipfile.ZipFile(TESTDATA / "v2_features.zip") as archive:
        archive.extractall(tmp / "old.zarr")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return tmp / name, convert(str(tmp / "old.zarr"), str(tmp / name), options)


@pytest.fixture(scope="module", params=["copied", "sharded"])
def converted(request, tmp_path_factory) -> Converted:
    layout = Layout()
    if request.param == "sharded":
        layout = Layout(shards=1000, compressor=parse_compressor("zstd"))
    forms = TranslationOptions(objects="json-strings", allow_pickle=True)
    tmp = tmp_path_factory.mktemp(request.param)
    return _convert(tmp, "new.zarr", ConvertOptions(forms, layout))


def _specified(path: Path) -> bool:
    document = json.loads((path / "zarr.json").read_text())
    data_type = document["data_type"]
    if not isinstance(data_type, str) or data_type not in CORE_TYPES:
        return False
    codecs = document["codecs"]
    if codecs[0]["name"] == "sharding_indexed":
        codecs = codecs[0]["configuration"]["codecs"]
    return all(codec["name"] in SPECIFIED for codec in codecs)


def _values(array: zarr.Array) -> np.ndarray:
    return np.asarray(array[...], dtype=object if array.dtype.kind == "T" else array.dtype)


def _same(want: np.ndarray, got: np.ndarray) -> bool:
    if want.dtype.hasobject:
        return want.tolist() == np.asarray(got).tolist()
    return want.shape == got.shape and want.tobytes() == np.ascontiguousarray(got).tobytes()


def test_tensorstore(converted: Converted) -> None:
    root, report = converted
    read = 0
    for line in report.arrays:
        path = root / line.path
        if not _specified(path):
            continue
        spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": f"{path}/"}}
        got = tensorstore.open(spec).result().read().result()
        assert _same(_values(zarr.open_array(path, mode="r")), got), line.path
        read += 1
    assert read > 60


def test_zarrs(converted: Converted) -> None:
    root, report = converted
    read = 0
    for line in report.arrays:
        path = root / line.path
        if not _specified(path):
            continue
        want = _values(zarr.open_array(path, mode="r"))
        pipeline = {
            "codec_pipeline.path": "zarrs.ZarrsCodecPipeline",
            "codec_pipeline.strict": True,
        }
        with zarr.config.set(pipeline):
            got = _values(zarr.open_array(path, mode="r"))
        assert _same(want, got), line.path
        read += 1
    assert read > 60


def test_an_image_reads_everywhere(converted: Converted) -> None:
    root, _ = converted
    assert _specified(root / "image")
    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": f"{root / 'image'}/"}}
    assert tensorstore.open(spec).result().read().result().tobytes() == b"\xff\xd8abc\0\0"


def test_the_report_warns_about_every_other_array(converted: Converted) -> None:
    root, report = converted
    for line in report.arrays:
        told = any("core v3 specification" in warning for warning in line.warnings)
        assert told or _specified(root / line.path), line.path
