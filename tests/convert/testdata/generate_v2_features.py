"""Write one small v2 array for each feature of zarr v2, with zarr 2 itself.

Run under an environment with zarr 2.18.7 and numcodecs 0.15.2, in this folder:

    python generate_v2_features.py

Writes ``v2_features.zip`` (a v2 hierarchy, one array a feature),
``v2_features.expected.npz`` (values as zarr 2 reads them) and
``v2_features.expected.json`` (values of Python objects; fill values missing
chunks are ``undefined`` where v2 leaves them so).
"""

import json
import warnings
import zipfile

import numcodecs
import numpy as np
import zarr

warnings.simplefilter("ignore")

numcodecs.pickles.ALLOW_UNSAFE_PICKLE_DECODE = True  # the pickles here are ours

store = {}
root = zarr.open_group(store, mode="w")
expected = {}
objects = {}
undefined = []
rng = np.random.default_rng(7)
base = np.arange(7 * 5).reshape(7, 5)


def add(name, values, chunks=True, partial=False, **kwargs):
    values = np.asarray(values) if not isinstance(values, np.ndarray) else values
    if chunks is True:
        chunks = (3, 2)[: values.ndim] if values.ndim else ()
    kwargs.setdefault("compressor", None)
    array = root.create_dataset(
        name, shape=values.shape, dtype=kwargs.pop("dtype", values.dtype), chunks=chunks, **kwargs
    )
    if partial:  # leave the chunks of the later rows unwritten
        array[:3] = values[:3]
    elif values.size:
        array[...] = values
    if partial and kwargs.get("fill_value", 0) is None:
        undefined.append(name)
    read = array[...]
    read = np.asarray(read, dtype=array.dtype)
    if array.dtype.hasobject:
        objects[name] = [
            x.tolist()
            if isinstance(x, np.ndarray)
            else x.decode("latin1")
            if isinstance(x, bytes)
            else x
            for x in read.reshape(-1).tolist()
        ]
    else:
        expected[name] = read
    return array


def obj(items, shape=None):
    out = np.empty(len(items), dtype=object)
    out[:] = items
    return out.reshape(shape) if shape else out


# dtypes
for t in (
    "?",
    "i1",
    "u1",
    "<i2",
    "<u2",
    "<i4",
    "<u4",
    "<i8",
    "<u8",
    "<f2",
    "<f4",
    "<f8",
    "<c8",
    "<c16",
):
    add(
        f"dtype_{np.dtype(t).name}", (base % 3).astype(t) * (1 if t == "?" else np.dtype(t).type(3))
    )
for t in ">i2", ">u4", ">i8", ">f4", ">f8", ">c8", ">c16":
    add(f"be_{np.dtype(t).name}", base.astype(t), compressor=numcodecs.Zlib(1))
words = np.array(["", "a", "bcd", "efghi", "ab", "é", "日本"])
add("str_S5", np.array([b"", b"a", b"a\0b", b"efghi", b"x"], "S5"))
add("str_U5", words.astype("<U5"))
add("str_U5_big", words.astype(">U5"))
add("str_S300_blosc", np.array([b"z" * 300, b"", b"y" * 299], "S300"), compressor=numcodecs.Blosc())
add("void_V5", np.array([b"\0\0\0\0\1", b"abcde", b"\0" * 5], "V5"))
days = np.array(["1970-01-01", "NaT", "2024-02-29", "1900-05-05"], "M8[D]")
for unit in "ns", "s", "D", "25s":
    add(f"M8_{unit}", days.astype(f"<M8[{unit}]"))
add("m8_us", np.array([1, -5, 10**12, 0], "<m8[us]"))
add("M8_big", days.astype(">M8[ms]"))
add("M8_fill_nat", days.astype("<M8[ns]").repeat(2), fill_value=np.datetime64("NaT"), partial=True)
pair = np.dtype([("a", "<i4"), ("b", "<f8"), ("s", "S3")])
records = np.array([(i, i / 3, str(i)) for i in range(7)], pair)
add("struct_little", records, compressor=numcodecs.Blosc())
add(
    "struct_time_text",
    np.array([(i, f"é{i}", i) for i in range(5)], [("t", "<M8[us]"), ("u", "<U3"), ("v", "|i1")]),
)
add(
    "struct_padded",
    np.array([(1, b"", 2.5), (3, b"", 4.5)], [("a", "i1"), ("", "V7"), ("b", "<f8")]),
)
add("struct_big_field", records.astype([("a", ">i4"), ("b", "<f8"), ("s", "S3")]))
add(
    "struct_all_big",
    records.astype([("a", ">i4"), ("b", ">f8"), ("s", "S3")]),
    fill_value=np.array((7, 0.5, b"q"), [("a", ">i4"), ("b", ">f8"), ("s", "S3")])[()],
    partial=True,
)
nested = np.dtype([("p", [("x", "<f4"), ("y", "<f4")]), ("k", "u1")])
add(
    "struct_nested",
    np.array([((i, -i), i) for i in range(5)], nested),
    compressor=numcodecs.Zstd(3),
)
sub = np.dtype([("id", "<u2"), ("xyz", "<f4", (3,)), ("m", "|u1", (2, 2))])
add("struct_subarray", np.array([(i, [i, 2 * i, 3 * i], [[1, 2], [3, i]]) for i in range(5)], sub))
add(
    "struct_nested_big",
    np.array([((i, -i), i) for i in range(5)], [("p", [("x", ">f4"), ("y", "<f4")]), ("k", "u1")]),
)
add(
    "struct_F_order",
    np.array([[(i * j, j) for j in range(4)] for i in range(5)], [("a", "<i4"), ("b", "<f4")]),
    order="F",
)

# objects
text = obj(["", "a", "héllo", "日本語", "x" * 40, "NaN", "0"])
add("vlen_utf8", text, dtype=object, object_codec=numcodecs.VLenUTF8())
add("vlen_utf8_str", text.astype("U").astype(object), dtype=str)
add(
    "vlen_utf8_blosc",
    text,
    dtype=object,
    object_codec=numcodecs.VLenUTF8(),
    compressor=numcodecs.Blosc(),
)
add("vlen_utf8_0d", np.array("solo", dtype=object), dtype=object, object_codec=numcodecs.VLenUTF8())
add(
    "vlen_utf8_2d_F",
    obj([str(i) for i in range(20)], (5, 4)),
    dtype=object,
    object_codec=numcodecs.VLenUTF8(),
    order="F",
    compressor=numcodecs.Zlib(1),
)
add(
    "vlen_utf8_fill",
    text,
    dtype=object,
    object_codec=numcodecs.VLenUTF8(),
    fill_value="leer",
    partial=True,
)
for label, fill in ("none", None), ("empty", ""), ("zero", 0):
    add(
        f"vlen_bytes_fill_{label}",
        obj([b"", b"a", b"\0\xff", b"z" * 9]),
        dtype=object,
        object_codec=numcodecs.VLenBytes(),
        fill_value=fill,
        chunks=(2,),
    )
add(
    "vlen_bytes_zstd",
    obj([b"", b"a", b"\0\xff", b"z" * 9]),
    dtype=object,
    object_codec=numcodecs.VLenBytes(),
    chunks=(2,),
    compressor=numcodecs.Zstd(1),
)
add(
    "vlen_bytes_0d",
    np.array(b"\0a\0", dtype=object),
    dtype=object,
    object_codec=numcodecs.VLenBytes(),
)
add(
    "vlen_array",
    obj([np.arange(3), np.arange(1), np.arange(5)]),
    dtype=object,
    object_codec=numcodecs.VLenArray("i4"),
)
add("json_strings", text, dtype=object, object_codec=numcodecs.JSON())
add(
    "json_mixed",
    obj([1, "a", None, [1, 2], {"k": 0.5}]),
    dtype=object,
    object_codec=numcodecs.JSON(),
)
add("msgpack_strings", text, dtype=object, object_codec=numcodecs.MsgPack())
add("msgpack_mixed", obj([1, "a", None, 2.5]), dtype=object, object_codec=numcodecs.MsgPack())
add("pickle_strings", text, dtype=object, object_codec=numcodecs.Pickle())
add("pickle_mixed", obj([1, "a", None]), dtype=object, object_codec=numcodecs.Pickle())
add(
    "categorize",
    obj(["b", "a", "b", "c"]),
    dtype=object,
    filters=[numcodecs.Categorize(["a", "b", "c"], dtype=object)],
)

# compressors
ints = base.astype("<i4")
add("comp_gzip", ints, compressor=numcodecs.GZip(5))
add("comp_zstd", ints, compressor=numcodecs.Zstd(3))
add("comp_zstd_checksum", ints, compressor=numcodecs.Zstd(3, checksum=True))
for cname in "lz4", "lz4hc", "blosclz", "zstd", "zlib":
    add(f"comp_blosc_{cname}", ints, compressor=numcodecs.Blosc(cname, 5, numcodecs.Blosc.SHUFFLE))
add("comp_blosc_bitshuffle", ints, compressor=numcodecs.Blosc("lz4", 5, numcodecs.Blosc.BITSHUFFLE))
add("comp_blosc_noshuffle", ints, compressor=numcodecs.Blosc("lz4", 5, numcodecs.Blosc.NOSHUFFLE))
add("comp_blosc_auto_i4", ints, compressor=numcodecs.Blosc("zstd", 1, numcodecs.Blosc.AUTOSHUFFLE))
add(
    "comp_blosc_auto_u1",
    base.astype("u1"),
    compressor=numcodecs.Blosc("zstd", 1, numcodecs.Blosc.AUTOSHUFFLE),
)
add("comp_zlib", ints, compressor=numcodecs.Zlib(1))
add("comp_bz2", ints, compressor=numcodecs.BZ2(1))
add("comp_lzma", ints, compressor=numcodecs.LZMA())
add("comp_lz4", ints, compressor=numcodecs.LZ4())
add("comp_crc32", ints, compressor=numcodecs.CRC32())
add("comp_adler32", ints, compressor=numcodecs.Adler32())
add("comp_jenkins", ints, compressor=numcodecs.JenkinsLookup3())

# filters
z1 = numcodecs.Zlib(1)
reals = (base / 4 + 1000).astype("<f8")
add("filter_delta", ints, filters=[numcodecs.Delta("<i4")], compressor=z1)
add("filter_delta_astype", ints, filters=[numcodecs.Delta("<i4", "<i2")])
add("filter_delta_big", base.astype(">i4"), filters=[numcodecs.Delta(">i4")], compressor=z1)
add("filter_delta_F", ints, filters=[numcodecs.Delta("<i4")], order="F", compressor=z1)
add(
    "filter_fixedscaleoffset",
    reals,
    filters=[numcodecs.FixedScaleOffset(1000, 4, "<f8", "<i4")],
    compressor=z1,
)
add("filter_quantize", reals, filters=[numcodecs.Quantize(2, "<f8")], compressor=z1)
add("filter_quantize_big", reals.astype(">f8"), filters=[numcodecs.Quantize(2, ">f8")])
add("filter_quantize_astype", reals, filters=[numcodecs.Quantize(2, "<f8", "<f4")])
add("filter_astype_big", reals.astype(">f8"), filters=[numcodecs.AsType("<f4", ">f8")])
add("filter_bitround", reals.astype("<f4"), filters=[numcodecs.BitRound(10)], compressor=z1)
add("filter_astype", reals, filters=[numcodecs.AsType("<f4", "<f8")], compressor=z1)
add("filter_packbits", base % 2 == 0, filters=[numcodecs.PackBits()], compressor=z1)
add("filter_shuffle", ints, filters=[numcodecs.Shuffle(4)], compressor=z1)
add("filter_crc32", ints, filters=[numcodecs.CRC32()], compressor=z1)
add(
    "filter_crc32c",
    ints,
    filters=[numcodecs.checksum32.CRC32C()]
    if hasattr(numcodecs, "checksum32") and hasattr(numcodecs.checksum32, "CRC32C")
    else [numcodecs.CRC32()],
)
add("filter_fletcher32", ints, filters=[numcodecs.Fletcher32()], compressor=z1)
add("filter_zlib", ints, filters=[z1])
add(
    "filter_delta_shuffle",
    ints,
    filters=[numcodecs.Delta("<i4"), numcodecs.Shuffle(4)],
    compressor=z1,
)
add(
    "filter_shuffle_delta",
    ints,
    filters=[numcodecs.Shuffle(4), numcodecs.Delta("u1")],
    compressor=z1,
)
add("filter_base64", ints, filters=[numcodecs.Base64()], compressor=z1)
add("comp_base64", ints, compressor=numcodecs.Base64())

# filters that see the elements as another type, and give back what they got
add("filter_delta_view_big", ints, filters=[numcodecs.Delta(">i4")], compressor=z1)
add("filter_delta_view_short", ints, filters=[numcodecs.Delta("<i2")], compressor=z1)
add("filter_delta_view_float", reals.astype("<f4"), filters=[numcodecs.Delta("<i4")], compressor=z1)
add(
    "filter_delta_view_time", ints.astype("<M8[s]"), filters=[numcodecs.Delta("<i8")], compressor=z1
)
add("filter_packbits_u1", (base % 2).astype("u1"), filters=[numcodecs.PackBits()], compressor=z1)

# layout
for ndim, shape in (1, (7,)), (2, (7, 5)), (3, (5, 4, 3)):
    values = np.arange(np.prod(shape)).reshape(shape).astype("<i4")
    add(f"order_F_{ndim}d", values, chunks=(3, 2, 2)[:ndim], order="F")
add("order_F_blosc", ints, order="F", compressor=numcodecs.Blosc())
add("order_F_big", base.astype(">f8"), order="F")
add("separator_dot", ints, dimension_separator=".")
add("separator_slash", ints, dimension_separator="/")
add("zero_d", np.array(5, "<i8"))
add("zero_d_slash", np.array(5, "<i8"), dimension_separator="/")
add("zero_d_S3", np.array(b"a\0", "S3"))
add("zero_length", np.zeros((0, 3), "<f4"), chunks=(1, 3))
add(
    "edge_chunks",
    np.arange(11 * 13).reshape(11, 13).astype("<u2"),
    chunks=(4, 5),
    compressor=numcodecs.Blosc(),
)
add("chunk_above_shape", ints, chunks=(100, 100))
add("sparse", ints, partial=True, fill_value=42)

add("odd/-é.日/0", ints)
root.create_group("odd/empty")
add("zero_chunks", np.zeros((0, 3), "<f4"), chunks=(1, 3))
orphan = json.loads(store["zero_chunks/.zarray"])
store["zero_chunks/.zarray"] = json.dumps({**orphan, "chunks": [0, 3]}).encode()

# fill values
floats = base.astype("<f8")
for label, fill in ("nan", np.nan), ("inf", np.inf), ("ninf", -np.inf), ("third", 1 / 3):
    add(f"fill_{label}", floats, partial=True, fill_value=fill)
add("fill_c_nan", base.astype("<c16"), partial=True, fill_value=complex(np.nan, -np.inf))
add("fill_u8_max", base.astype("<u8"), partial=True, fill_value=2**64 - 1)
add("fill_i8_min", base.astype("<i8"), partial=True, fill_value=-(2**63))
add("fill_bool", base % 2 == 0, partial=True, fill_value=True)
add("fill_S", np.array([b"a"] * 7, "S5"), partial=True, fill_value=b"fill!")
add("fill_U", np.array(["a"] * 7, "<U5"), partial=True, fill_value="fíll")
add("fill_U_big", np.array(["a"] * 7, ">U5"), partial=True, fill_value="fíll")
add("fill_M8_big", np.arange(7).astype(">M8[s]"), partial=True, fill_value=np.datetime64(5, "s"))
add("fill_big", base.astype(">i4"), partial=True, fill_value=-2)
add("fill_struct", records, partial=True, fill_value=np.array((5, 2.5, b"xy"), pair)[()])
for label, values in (
    ("bool", base % 2 == 0),
    ("i4", ints),
    ("f8", floats),
    ("S5", np.array([b"a"] * 7, "S5")),
    ("U3", np.array(["abc"] * 7, "<U3")),
    ("V4", np.array([b"abcd"] * 7, "V4")),
    ("struct", records),
    ("M8", np.arange(7).astype("<M8[s]")),
):
    add(f"fill_null_{label}", values, fill_value=None)
    add(f"fill_null_{label}_missing", values, fill_value=None, partial=True)

# attributes and NCore blobs
named = add("dims", ints)
named.attrs.put(
    {
        "z": 1,
        "a": float("nan"),
        "_ARRAY_DIMENSIONS": ["y", "x"],
        "big": 2**70,
        "uni": "é🚗",
        "deep": [{"inf": float("inf")}, None, 1.0],
    }
)
dims_odd = add("dims_odd", ints)
dims_odd.attrs.put({"_ARRAY_DIMENSIONS": ["only one"]})
blob = root.create_dataset("image", data=np.asarray(b"\xff\xd8abc\0\0"), compressor=None)
blob.attrs["format"] = "jpeg"
expected["image"] = np.frombuffer(b"\xff\xd8abc\0\0", "u1")

with zipfile.ZipFile("v2_features.zip", "w", zipfile.ZIP_DEFLATED) as archive:
    for key, value in sorted(store.items()):
        info = zipfile.ZipInfo(key, (1980, 1, 1, 0, 0, 0))
        archive.writestr(info, bytes(value), zipfile.ZIP_DEFLATED)
np.savez_compressed("v2_features.expected.npz", **expected)
with open("v2_features.expected.json", "w") as out:
    json.dump({"objects": objects, "undefined": undefined}, out, indent=1, sort_keys=True)
    out.write("\n")
