# bazel: optional = ["griffe"]
# bazel: tags = ["manual"]
import pytest

griffe = pytest.importorskip(
    "griffe", reason="griffe is not installed: it comes with deps/docs_3_11.txt"
)


def test_fields_show_their_defaults(tmp_path):
    from tools.griffe_fields import FieldDefaults

    (tmp_path / "fields.py").write_text(
        "from dataclasses import dataclass\n"
        "@dataclass\n"
        "class Lens:\n"
        "    focal: Array = numpy_array_field(np.float32)\n"
        "    cde: Array = numpy_array_field(np.float32, default=(1.0, 0.0))\n"
        "    kind: Kind = enum_field(Kind, Kind.WIDE)\n"
        "    dtype: DType = dtype_field(np.dtype('f8'))\n"
        "    unit: Unit | None = json_field(encode, decode)\n"
        "    glass: Glass | None = external_distortion_parameters_field()\n"
        "    angle: float = 0.5\n"
    )
    extensions = griffe.load_extensions("dataclasses", FieldDefaults())
    module = griffe.load("fields", search_paths=[tmp_path], extensions=extensions)
    defaults = {p.name: p.default for p in module["Lens"].parameters if p.name != "self"}
    assert {name: str(value) for name, value in defaults.items()} == {
        "focal": "...",
        "cde": "(1.0, 0.0)",
        "kind": "Kind.WIDE",
        "dtype": "np.dtype('f8')",
        "unit": "None",
        "glass": "None",
        "angle": "0.5",
    }
