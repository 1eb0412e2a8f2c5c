"""Write the pinned legacy archives with the original itself, and what they must read as.

Run under the legacy lock (deps/legacy_3_11.txt: nvidia-ncore 19.8.3, zarr 2.18.7,
numcodecs 0.15.2), from a directory without this project's ``ncore``::

    python .../tests/legacy/generate.py OUTPUT_DIRECTORY

Beside each store X it writes ``X.expected.json`` (every key with size, sha256
and payload offset; groups, attributes, array metadata) and ``X.expected.npz``
(the values), for the sequence ``*.api.expected.*`` (what the original's readers
and loader return), and ``SHA256SUMS`` over everything. The output is committed
in ``archives/``; sequence ids and times are fixed and random numbers seeded, so
that a new run writes the same values.
"""

import base64
import hashlib
import io
import json
import os
import shutil
import sys
from pathlib import Path

import numcodecs
import numpy as np
import zarr
from PIL import Image
from upath import UPath

from ncore.data import (
    BBox3,
    BivariateWindshieldModelParameters,
    CameraLabelDescriptor,
    CuboidTrackObservation,
    FThetaCameraModelParameters,
    IdealPinholeCameraModelParameters,
    LabelCategory,
    LabelEncoding,
    LabelSchema,
    LabelSource,
    LabelType,
    LabelUnit,
    OpenCVFisheyeCameraModelParameters,
    PointCloud,
    QuantizationParams,
    ReferencePolynomial,
    RowOffsetStructuredSpinningLidarModelParameters,
    ShutterType,
)
from ncore.data.v4 import (
    CameraLabelsComponent,
    CameraSensorComponent,
    ComponentWriter,
    CuboidsComponent,
    IntrinsicsComponent,
    LidarSensorComponent,
    MasksComponent,
    PointCloudsComponent,
    PosesComponent,
    RadarSensorComponent,
    SequenceComponentGroupsReader,
    SequenceComponentGroupsWriter,
    SequenceLoaderV4,
)
from ncore.impl.common.transformations import HalfClosedInterval
from ncore.impl.data.stores import IndexedTarStore, consolidate_compressed_metadata

T0 = 1_650_000_000_000_000
INTERVAL = HalfClosedInterval(T0, T0 + 1_000_001)
ENDS = [T0 + 150_000, T0 + 450_000, T0 + 850_000]


class Values:
    """Collects arrays under short names for an ``.npz``."""

    def __init__(self):
        self.arrays = {}

    def add(self, array):
        name = f"a{len(self.arrays):04d}"
        self.arrays[name] = np.ascontiguousarray(array).reshape(np.shape(array))
        return name

    def __call__(self, array):
        array = np.asarray(array)
        return {"npz": self.add(array), "dtype": str(array.dtype), "shape": list(array.shape)}

    def save(self, document, path):
        path.write_text(json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n")
        np.savez_compressed(path.with_suffix(".npz"), **self.arrays)


def node_name(path):
    return path.strip("/")


def describe_store(path):
    """Write the expectations of one store, as the original's zarr reads it."""
    values = Values()
    document = {"groups": {}, "arrays": {}, "keys": []}
    if path.is_dir():
        store = zarr.DirectoryStore(str(path))
        keys = sorted(str(p.relative_to(path)) for p in path.rglob("*") if p.is_file())
    else:
        store = IndexedTarStore(path)
        keys = list(store)
    for key in keys:
        data = store[key]
        entry = {"key": key, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        if not path.is_dir():
            entry["offset_data"] = store.index.records[key].offset_data
        document["keys"].append(entry)
    if ".zgroup" in keys:
        root = zarr.open_group(store, mode="r")

        def visit(name, node):
            if isinstance(node, zarr.Group):
                document["groups"][name] = {
                    "attrs": node.attrs.asdict(),
                    "group_keys": sorted(node.group_keys()),
                    "array_keys": sorted(node.array_keys()),
                }
            else:
                document["arrays"][name] = {
                    "zarray": json.loads(store[f"{name}/.zarray"]),
                    "attrs": node.attrs.asdict(),
                    "shape": list(node.shape),
                    "chunks": list(node.chunks),
                    "dtype": str(node.dtype.str),
                    "npz": values.add(np.asarray(node[...], dtype=node.dtype)),
                }

        visit("", root)
        root.visititems(lambda name, node: visit(node_name(name), node))
    values.save(document, path.with_name(path.name + ".expected.json"))


def write_generic(out):
    """Stores that the original's store writes, without NCore's components."""
    rng = np.random.default_rng(5)
    store = IndexedTarStore(out / "arrays.itar", mode="w")
    root = zarr.group(store)
    root.attrs.put({"é": "☀", "n": [1, None, True, 0.1], "big": 2**63, "nan": float("inf")})
    numbers = root.create_group("numbers")
    for dtype in ("?", "i1", "<u2", "<i4", "<u8", "<f2", "<f4", ">f8", "<c8", ">i2"):
        data = rng.integers(0, 2 if dtype == "?" else 100, (7, 5)).astype(dtype)
        numbers.create_dataset(dtype.strip("<>?") or "bool", data=data, chunks=(4, 5))
    codecs = root.create_group("codecs")
    data = (np.arange(6 * 50) % 37).reshape(6, 50).astype("<i4")
    for name, compressor in {
        "none": None,
        "lz4_bit": numcodecs.Blosc("lz4", 5, numcodecs.Blosc.BITSHUFFLE),
        "lz4_byte": numcodecs.Blosc("lz4", 5, numcodecs.Blosc.SHUFFLE),
        "zstd_no": numcodecs.Blosc("zstd", 1, numcodecs.Blosc.NOSHUFFLE),
        "auto": numcodecs.Blosc("blosclz", 9, numcodecs.Blosc.AUTOSHUFFLE),
        "gzip": numcodecs.GZip(5),
        "zstd": numcodecs.Zstd(3),
        "zlib": numcodecs.Zlib(1),
        "lzma": numcodecs.LZMA(),
    }.items():
        codecs.create_dataset(name, data=data, chunks=(1, 50), compressor=compressor)
    codecs.create_dataset("delta", data=data, filters=[numcodecs.Delta(dtype="<i4")])
    layout = root.create_group("layout")
    layout.create_dataset("fortran", data=data, order="F", chunks=(4, 30))
    layout.create_dataset("slashes", data=data, dimension_separator="/", chunks=(4, 30))
    layout.create_dataset("scalar", data=np.float64(2.5))
    layout.create_dataset("blob", data=np.asarray(b"\xff\xd8abc\0\0"), compressor=None)
    layout.create_dataset("sparse", shape=(9, 4), chunks=(2, 4), dtype="<f4", fill_value=-1.5)
    layout["sparse"][2:4] = 7
    layout.create_dataset("no_rows", shape=(0, 3), chunks=(1, 3), dtype="<f4")
    layout.create_dataset("text", data=np.array(["ab", "ç"], "<U3"))
    layout.create_dataset("time", data=np.array(["2020-01-02", "NaT"], "<M8[ns]"))
    names = root.create_group("names")
    for name in ("a b", "日本", "x" * 120, "-", "a.b", "A", "a"):
        names.create_dataset(name, data=np.arange(3, dtype="<u2"))
    consolidate_compressed_metadata(store)
    store.close()

    store = IndexedTarStore(out / "unconsolidated.itar", mode="w")
    group = zarr.group(store).create_group("g")
    group.create_dataset("d", data=np.arange(10))
    group.attrs.put({"k": 1})
    store.close()
    IndexedTarStore(out / "empty.itar", mode="w").close()
    store = IndexedTarStore(out / "empty_group.itar", mode="w")
    zarr.group(store)
    consolidate_compressed_metadata(store)
    store.close()
    root = zarr.open_group(zarr.DirectoryStore(str(out / "directory.zarr")), mode="w")
    root.attrs.put({"d": 1})
    root.create_dataset("g/x", data=np.arange(12).reshape(3, 4), chunks=(2, 2))


class VelocityWriter(ComponentWriter):
    """A user-defined component."""

    @staticmethod
    def get_component_name():
        return "com.myorg.velocity"

    @staticmethod
    def get_component_version():
        return "v1"

    def store(self, velocities, timestamps_us):
        self._group.create_dataset("velocities", data=velocities)
        self._group.create_dataset("timestamps_us", data=timestamps_us)


def image(seed, image_format="png", size=(16, 12)):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, image_format)
    return file.getvalue()


def rigid(x, y, z, yaw, dtype=np.float64):
    pose = np.eye(4)
    pose[:2, :2] = [[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]]
    pose[:3, 3] = x, y, z
    return pose.astype(dtype)


def camera_models():
    common = {"resolution": np.array([16, 12], np.uint64)}
    windshield = BivariateWindshieldModelParameters(
        ReferencePolynomial.FORWARD,
        *(np.array(p, np.float32) for p in ([0, 1, 0], [0, 0, 1], [0, 1, 0.1], [0, 0.1, 1])),
    )
    return {
        "front": FThetaCameraModelParameters(
            **common,
            shutter_type=ShutterType.ROLLING_TOP_TO_BOTTOM,
            external_distortion_parameters=windshield,
            principal_point=np.array([7.7, 5.9], np.float32),
            reference_poly=FThetaCameraModelParameters.PolynomialType.PIXELDIST_TO_ANGLE,
            pixeldist_to_angle_poly=np.array([0, 0.1, 1e-5], np.float32),
            angle_to_pixeldist_poly=np.array([0, 10, -0.1], np.float32),
            max_angle=1.2,
            linear_cde=np.array([1.001, 2e-4, -3e-4], np.float32),
        ),
        "left": IdealPinholeCameraModelParameters(
            **common,
            shutter_type=ShutterType.GLOBAL,
            external_distortion_parameters=None,
            principal_point=np.array([8.25, 6.1], np.float32),
            focal_length=np.array([15.1, 14.9], np.float32),
        ),
        "rear": OpenCVFisheyeCameraModelParameters(
            **common,
            shutter_type=ShutterType.ROLLING_RIGHT_TO_LEFT,
            external_distortion_parameters=None,
            principal_point=np.array([8, 6], np.float32),
            focal_length=np.array([6.5, 6.4], np.float32),
            radial_coeffs=np.array([-0.03, -0.005, 0, 0.001], np.float32),
            max_angle=1.5,
        ),
    }


def lidar_model():
    return RowOffsetStructuredSpinningLidarModelParameters(
        10.0,
        "cw",
        3,
        8,
        np.linspace(0.2, -0.4, 3).astype(np.float32),
        np.linspace(3.0, -2.9, 8).astype(np.float32),
        np.linspace(-0.02, 0.02, 3).astype(np.float32),
    )


def rays(index, end, count, returns):
    rng = np.random.default_rng(100 + index)
    direction = rng.normal(size=(count, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    distance = rng.uniform(1, 60, (returns, count)).astype(np.float32)
    distance[1:, ::2] = np.nan
    intensity = np.where(np.isnan(distance), np.nan, rng.uniform(0, 1, distance.shape))
    return {
        "direction": direction.astype(np.float32),
        "timestamp_us": np.sort(rng.integers(end - 90_000, end + 1, count)).astype(np.uint64),
        "model_element": np.stack([np.arange(count) % 3, np.arange(count) // 3], 1).astype("u2"),
        "distance_m": distance,
        "intensity": intensity.astype(np.float32),
        "frame_timestamps_us": np.array([end - 100_000, end], np.uint64),
    }


def labels():
    def schema(dtype, suffix=(), quantization=None, image_format=None):
        encoding = LabelEncoding.RAW if image_format is None else LabelEncoding.IMAGE_ENCODED
        return LabelSchema(np.dtype(dtype), suffix, encoding, image_format, quantization)

    q16 = QuantizationParams(np.dtype("uint16"), 0.0025, 0.0)
    rng = np.random.default_rng(9)
    depth = rng.uniform(0, 150, (6, 8)).astype(np.float32)
    opaque = LabelType(LabelCategory.OTHER, "opaque", LabelUnit.PIXELS)
    return {
        "depth.z@front": (LabelType.DEPTH_Z_M, schema("float32", (), q16), depth),
        "flow.optical_forward@left": (
            LabelType.FLOW_OPTICAL_FORWARD_PX,
            schema(">f4", (2,)),
            rng.normal(size=(6, 8, 2)).astype(">f4"),
        ),
        "mask.dynamic@front": (LabelType.MASK_DYNAMIC, schema("bool"), depth > 50),
        "material": (
            LabelType(LabelCategory.MATERIAL, "albedo"),
            schema("uint8", (3,), None, "png"),
            image(4, size=(330, 270)),
        ),
        "opaque@nowhere": (opaque, schema("uint8", (), None, "bin"), b"not an image\0\0"),
        "nothing": (LabelType.DEPTH_RAY_M, schema("float16"), None),
    }


def write_sequence(out):
    """One NCore V4 sequence with everything, in two component groups."""
    writer = SequenceComponentGroupsWriter(
        UPath(out), "pinned", "pinned-sequence", INTERVAL, {"dataset": "pinned", "é": [1, None]}
    )
    register = writer.register_component_writer
    poses = register(PosesComponent.Writer, "default", None, {"source": "odometry"})
    times = np.linspace(INTERVAL.start, INTERVAL.end, 7).astype(np.uint64)
    drive = np.stack([rigid(3.0 * i, 0.2 * i, 0, 0.03 * i) for i in range(7)])
    poses.store_dynamic_pose("rig", "world", drive, times)
    for i, (name, dtype) in enumerate(
        {"front": "f4", "left": "f8", "rear": "f2", "top": "f4", "bumper": "f4"}.items()
    ):
        poses.store_static_pose(name, "rig", rigid(i, 0.5, 1 + i, 0.25 * i, dtype))
    poses.set_generic_data({"covariance": np.eye(6), "empty": np.zeros((0, 3), np.float32)})

    intrinsics = register(IntrinsicsComponent.Writer, "default")
    for name, model in camera_models().items():
        intrinsics.store_camera_intrinsics(name, model)
    intrinsics.store_lidar_intrinsics("top", lidar_model())
    masks = register(MasksComponent.Writer, "default")
    ego = Image.fromarray(np.eye(12, 16) > 0)
    masks.store_camera_masks("front", {"ego": ego, "sky": Image.new("L", (16, 12), 9)})
    masks.store_camera_masks("left", {})

    for i, name in enumerate(camera_models()):
        camera = register(CameraSensorComponent.Writer, name, "sensors", {"serial": i})
        for j, end in enumerate(ENDS):
            data = image(10 * i + j, "jpeg" if i == 1 else "png")
            frame = np.array([end - 30_000, end], np.uint64)
            more = {"exposure": np.array([0.5, j]), "none": np.zeros((0, 2), np.int16)}
            meta = {"frame": j, "note": None}
            camera.store_frame(data, "jpeg" if i == 1 else "png", frame, more, meta)
    lidar = register(LidarSensorComponent.Writer, "top", "sensors")
    radar = register(RadarSensorComponent.Writer, "bumper", "sensors")
    for i, (end, count) in enumerate(zip(ENDS, (24, 21, 0))):  # noqa: B905 (Python 3.8)
        rgb = {"rgb": np.full((count, 3), i, np.uint8)}
        frame = rays(i, end, count, 2)
        lidar.store_frame(**frame, generic_data=rgb, generic_meta_data={"k": i})
        frame = rays(50 + i, end, count // 3, 1)
        del frame["model_element"], frame["intensity"]
        radar.store_frame(**frame, generic_data={}, generic_meta_data={})

    cuboids = register(CuboidsComponent.Writer, "default")
    cuboids.store_observations(
        [
            CuboidTrackObservation(
                f"t{i % 2}",
                "véhicule",
                T0 + 100_000 * i,
                "rig" if i % 2 else "world",
                T0 + 100_000 * i,
                BBox3((1.0 + i, 2.0, 0.5), (4.5, 2.0, 1.5), (0.0, 0.01, 0.1 * i)),
                list(LabelSource)[i % 4],
                None if i % 2 else "v1",
            )
            for i in range(6)
        ]
    )
    kinds = PointCloud.AttributeTransformType
    attribute = PointCloudsComponent.AttributeSchema
    clouds = register(
        PointCloudsComponent.Writer,
        "map",
        None,
        None,
        PointCloud.CoordinateUnit.METERS,
        {
            "rgb": attribute(kinds.INVARIANT, np.dtype("uint8"), (3,)),
            "normal": attribute(kinds.DIRECTION, np.dtype("float32"), (3,)),
            "anchor": attribute(kinds.POINT, np.dtype("float32"), (3,)),
        },
    )
    rng = np.random.default_rng(3)
    for i, count in enumerate((9, 4, 0)):
        clouds.store_pc(
            rng.normal(size=(count, 3)).astype(np.float32),
            "world" if i else "rig",
            T0 + 100_000 + i,
            {
                "rgb": rng.integers(0, 255, (count, 3), dtype=np.uint8),
                "normal": rng.normal(size=(count, 3)).astype(np.float32),
                "anchor": rng.normal(size=(count, 3)).astype(np.float32),
            },
            {"cov": np.eye(3) * i},
            {"tags": ["ä", None, i]},
        )
    for name, (kind, schema, data) in labels().items():
        camera_id = name.partition("@")[2] or "front"
        descriptor = CameraLabelDescriptor(camera_id, kind, schema, LabelSource.GT_SYNTHETIC)
        layer = register(
            CameraLabelsComponent.Writer, name, None, {"name": name}, descriptor=descriptor
        )
        if data is not None:
            for end in ENDS[: 1 if name == "material" else 2]:
                layer.store_label(data, end, {"end": end})
    velocity = register(VelocityWriter, "default", None, {"unit": "m/s"})
    velocity.store(rng.normal(size=(5, 3)), np.arange(5, dtype=np.uint64) + T0)
    return writer.finalize()


def describe_poses(poses, values):
    static = [
        {"source": s, "target": t, "pose": values(p)} for (s, t), p in poses.get_static_poses()
    ]
    dynamic = [
        {"source": s, "target": t, "poses": values(p), "timestamps_us": values(u)}
        for (s, t), (p, u) in poses.get_dynamic_poses()
    ]
    return static, dynamic


def describe_generic(sensor, i, values):
    return {
        "generic_data": {
            name: values(sensor.get_frame_generic_data(i, name))
            for name in sensor.get_frame_generic_data_names(i)
        },
        "generic_meta_data": sensor.get_frame_generic_meta_data(i),
    }


def describe_camera(loader, component, name, values):
    sensor = loader.get_camera_sensor(name)
    times = sensor.frames_timestamps_us
    indices = np.arange(len(times))
    frames = []
    for i in indices:
        data = sensor.get_frame_data(i)
        encoded = data.get_encoded_image_data()
        frames.append(
            {
                "format": data.get_encoded_image_format(),
                "encoded_sha256": hashlib.sha256(encoded).hexdigest(),
                "encoded_len": len(encoded),
                "decoded": values(sensor.get_frame_image_array(i)),
                **describe_generic(sensor, i, values),
            }
        )
    return {
        "frames_timestamps_us": values(times),
        "frames_count": sensor.frames_count,
        "T_sensor_rig": values(sensor.T_sensor_rig),
        "frames": frames,
        "T_sensor_world_end": values(sensor.get_frames_T_sensor_target("world", indices)),
        "T_world_sensor_both": values(sensor.get_frames_T_source_sensor("world", indices, None)),
        "closest": [
            [t, r, sensor.get_closest_frame_index(t, r)]
            for t in (T0, ENDS[0] - 1, ENDS[1], ENDS[1] + 200_000, INTERVAL.end)
            for r in (0.0, 0.5, 1.0)
        ],
        "generic_meta_data": component.generic_meta_data,
        "component_version": component.component_version,
        "model": type(sensor.model_parameters).__name__,
    }


def describe_rays(sensor, values):
    frames = []
    for i in range(sensor.frames_count):
        count = sensor.get_frame_ray_bundle_return_count(i)
        frame = {
            "n_rays": sensor.get_frame_ray_bundle_count(i),
            "n_returns": count,
            "direction": values(sensor.get_frame_ray_bundle_direction(i)),
            "timestamp_us": values(sensor.get_frame_ray_bundle_timestamp_us(i)),
            "distance_m": [],
            "valid_mask": [],
            "pc_raw": [],
            "pc_mc": [],
            **describe_generic(sensor, i, values),
        }
        for r in range(count):
            frame["distance_m"].append(values(sensor.get_frame_ray_bundle_return_distance_m(i, r)))
            frame["valid_mask"].append(values(sensor.get_frame_ray_bundle_return_valid_mask(i, r)))
            for key, compensate in (("pc_raw", False), ("pc_mc", True)):
                cloud = sensor.get_frame_point_cloud(i, compensate, True, r)
                frame[key].append(
                    {"start": values(cloud.xyz_m_start), "end": values(cloud.xyz_m_end)}
                )
        if hasattr(sensor, "lidar_reader"):
            frame["intensity"] = [
                values(sensor.get_frame_ray_bundle_return_intensity(i, r)) for r in range(count)
            ]
            frame["model_element"] = values(sensor.get_frame_ray_bundle_model_element(i))
        frames.append(frame)
    return {
        "frames_timestamps_us": values(sensor.frames_timestamps_us),
        "T_sensor_rig": values(sensor.T_sensor_rig),
        "frames": frames,
    }


def describe_clouds(loader, source_id, return_index, values):
    source = loader.get_point_clouds_source(source_id, return_index=return_index)
    clouds = []
    for i in range(source.pcs_count):
        cloud = source.get_pc(i)
        moved = cloud.transform("world", T0 + 700_000, loader.pose_graph)
        clouds.append(
            {
                "reference_frame_id": cloud.reference_frame_id,
                "reference_frame_timestamp_us": int(cloud.reference_frame_timestamp_us),
                "unit": cloud.coordinate_unit.name,
                "xyz": values(cloud.xyz),
                "attributes": {
                    name: {
                        "type": cloud.get_attribute_transform_type(name).name,
                        "value": values(cloud.get_attribute(name)),
                    }
                    for name in cloud.attribute_names
                },
                "generic_data": {
                    name: values(source.get_pc_generic_data(i, name))
                    for name in source.get_pc_generic_data_names(i)
                },
                "generic_meta_data": source.get_pc_generic_meta_data(i),
                "transformed_world_T0+700000": {
                    "xyz": values(moved.xyz),
                    "attributes": {
                        n: values(moved.get_attribute(n)) for n in moved.attribute_names
                    },
                },
            }
        )
    return {
        "return_index": return_index,
        "pcs_count": source.pcs_count,
        "pc_timestamps_us": values(source.pc_timestamps_us),
        "pcs": clouds,
    }


def describe_layer(loader, reader, name, values):
    layer = loader.get_camera_labels(name)
    described = []
    for timestamp in layer.label_timestamps_us:
        label = layer.get_label(int(timestamp))
        encoded = label.get_encoded_data()
        try:
            data = values(label.get_data())
        except OSError as error:
            data = {"error": type(error).__name__}
        described.append(
            {
                "timestamp_us": int(timestamp),
                "generic_meta_data": label.generic_meta_data,
                "data": data,
                "encoded": None
                if encoded is None
                else {
                    "len": len(encoded),
                    "sha256": hashlib.sha256(encoded).hexdigest(),
                    "b64_tail": base64.b64encode(encoded[-8:]).decode(),
                },
            }
        )
    descriptor = layer.label_descriptor
    return {
        "descriptor": descriptor.to_dict(),
        "default_instance_name": descriptor.default_instance_name,
        "category_value": descriptor.label_type.category.value,
        "dtype": str(descriptor.label_schema.dtype),
        "labels_count": layer.labels_count,
        "label_timestamps_us": values(layer.label_timestamps_us),
        "labels_generic_meta_data": layer.labels_generic_meta_data,
        "generic_data": {
            n: values(reader.get_generic_data(n)) for n in reader.get_generic_data_names()
        },
        "component_version": reader.component_version,
        "labels": described,
    }


def describe_queries(loader):
    by_id = {id(loader.get_camera_labels(n)._reader): n for n in loader.camera_labels_ids}
    queries = []
    kinds = [None, LabelType.DEPTH_Z_M, LabelType.MASK_DYNAMIC]
    for camera_id in ("front", "left", "nowhere", "unknown"):
        for kind in kinds:
            for category in (None, LabelCategory.DEPTH, LabelCategory.OTHER):
                found = loader.query_camera_labels(camera_id, kind, category)
                queries.append(
                    {
                        "camera_id": camera_id,
                        "label_type": None if kind is None else kind.to_dict(),
                        "label_category": None if category is None else category.name,
                        "instances": [by_id[id(layer._reader)] for layer in found],
                    }
                )
    return queries


def describe_sequence(paths, out):
    """Write what the original's API returns."""
    values = Values()
    reader = SequenceComponentGroupsReader(paths)
    loader = SequenceLoaderV4(reader)
    cameras = reader.open_component_readers(CameraSensorComponent.Reader)
    poses = reader.open_component_readers(PosesComponent.Reader)["default"]
    intrinsics = reader.open_component_readers(IntrinsicsComponent.Reader)["default"]
    masks = reader.open_component_readers(MasksComponent.Reader)["default"]
    static, dynamic = describe_poses(poses, values)
    times = np.linspace(INTERVAL.start, INTERVAL.end, 5).astype(np.uint64)
    pairs = [("rig", "world"), ("world", "front"), ("top", "left"), ("rear", "bumper")]

    def model(name):
        parameters = intrinsics.get_camera_model_parameters(name)
        encoded = parameters.to_dict()
        if encoded["external_distortion_parameters"] is not None:
            del encoded["external_distortion_parameters"]["external_distortion_type"]
        return {
            "class": type(parameters).__name__,
            "dict": encoded,
            "resolution": values(parameters.resolution),
            "principal_point": values(parameters.principal_point),
        }

    def camera_masks(name):
        images = dict(masks.get_camera_mask_images(name))
        return {
            "names": masks.get_camera_mask_names(name),
            "images": {
                n: {"mode": i.mode, "array": values(np.asarray(i))} for n, i in images.items()
            },
        }

    lidar = intrinsics.get_lidar_model_parameters("top")
    observations = list(loader.get_cuboid_track_observations())
    part = HalfClosedInterval(T0 + 100_000, T0 + 400_000)
    document = {
        "sequence_id": loader.sequence_id,
        "generic_meta_data": loader.generic_meta_data,
        "interval": [INTERVAL.start, INTERVAL.stop],
        "camera_ids": loader.camera_ids,
        "lidar_ids": loader.lidar_ids,
        "radar_ids": loader.radar_ids,
        "point_clouds_ids": loader.point_clouds_ids,
        "static_poses": static,
        "dynamic_poses": dynamic,
        "camera_intrinsics": {name: model(name) for name in loader.camera_ids},
        "lidar_intrinsics": {"top": {"class": type(lidar).__name__, "dict": lidar.to_dict()}},
        "masks": {name: camera_masks(name) for name in ("front", "left")},
        "pose_graph": {
            "nodes": sorted(loader.pose_graph.nodes),
            "timestamps_us": values(times),
            "evaluate": [
                {
                    "source": s,
                    "target": t,
                    "T": values(loader.pose_graph.evaluate_poses(s, t, times)),
                }
                for s, t in pairs
            ],
        },
        "cameras": {
            name: describe_camera(loader, cameras[name], name, values) for name in loader.camera_ids
        },
        "ray_sensors": {
            "top": describe_rays(loader.get_lidar_sensor("top"), values),
            "bumper": describe_rays(loader.get_radar_sensor("bumper"), values),
        },
        "point_clouds": {
            name: describe_clouds(loader, name, index, values)
            for name, index in (("map", 0), ("top", 1), ("bumper", 0))
        },
        "cuboids": [o.to_dict() for o in observations],
        "cuboids_in_interval": {
            "interval": [part.start, part.stop],
            "timestamps": [o.timestamp_us for o in loader.get_cuboid_track_observations(part)],
        },
        "cuboids_transformed_rig_T0+400000": [
            o.transform("rig", T0 + 400_000, loader.pose_graph).to_dict() for o in observations
        ],
        "sequence_meta": loader.get_sequence_meta(),
    }
    layers = reader.open_component_readers(CameraLabelsComponent.Reader)
    document["camera_labels"] = {
        name: describe_layer(loader, layers[name], name, values) for name in layers
    }
    document["queries"] = describe_queries(loader)
    values.save(document, out / "sequence.api.expected.json")


def main():
    out = Path(sys.argv[1])
    shutil.rmtree(out, ignore_errors=True)
    (out / "generic").mkdir(parents=True)
    (out / "sequence").mkdir()
    write_generic(out / "generic")
    paths = write_sequence(out / "sequence")
    describe_sequence(paths, out / "sequence")
    for path in sorted([*(out / "generic").glob("*.itar"), out / "generic" / "directory.zarr"]):
        describe_store(path)
    for path in paths:
        describe_store(Path(str(path)))
    lines = []
    for folder, _, names in sorted(os.walk(out)):
        for name in sorted(names):
            file = Path(folder, name)
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            lines.append(f"{digest}  {file.relative_to(out)}\n")
    (out / "SHA256SUMS").write_text("".join(lines))


if __name__ == "__main__":
    main()
