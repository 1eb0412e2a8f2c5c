"""The plan of a conversion: made from metadata alone, before anything is written."""

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any

from ncore.convert.decode_v2 import missing_codecs
from ncore.convert.errors import ChunkDecodeError, UnsupportedError
from ncore.convert.hierarchy import V2Hierarchy, V2Node
from ncore.convert.ome import axis_names, is_ome, is_ome_list, upgrade
from ncore.convert.options import ConvertOptions
from ncore.convert.read_v2 import V2Reader
from ncore.convert.relayout import relayout
from ncore.convert.report import ArrayReport, ConversionReport
from ncore.convert.source import Source
from ncore.convert.stored_chunks import block_region
from ncore.convert.translate_array import translate_array
from ncore.convert.translate_attributes import ARRAY_DIMENSIONS, translate_attributes
from ncore.convert.translate_group import translate_group
from ncore.convert.translation import Action, Translation
from ncore.convert.v2_metadata import V2Array

_STRING_FORM = "NaN or infinite numbers in attributes became text, such as 'NaN'"


@dataclass(frozen=True)
class ArrayPlan:
    """One array of the plan.

    Attributes:
        path: node path in the target.
        node: the array in the source.
        translation: what becomes of it.
    """

    path: str
    node: V2Node
    translation: Translation

    @property
    def prefix(self) -> str:
        """Of the array's keys: empty for the root, else the path and a slash."""
        return f"{self.path}/" if self.path else ""

    @property
    def size(self) -> int:
        """Bytes of all its chunks as stored in the source."""
        return sum(self.node.keys.values())

    @property
    def array(self) -> V2Array:
        """Its v2 metadata."""
        assert self.node.array is not None
        return self.node.array


@dataclass
class Plan:
    """What will be written.

    Attributes:
        arrays: in the source's order.
        groups: node path → ``zarr.json`` document.
        others: key → size of entries copied as they are.
        consolidated: whether the root carries consolidated metadata.
        root: the node of the source that becomes the root; ``""`` as a rule.
        warnings: about the hierarchy as a whole.
        hints: what else could be asked for.
    """

    arrays: list[ArrayPlan]
    groups: dict[str, dict[str, Any]]
    others: dict[str, int]
    consolidated: bool
    root: str
    warnings: list[str]
    hints: list[str]

    def documents(self) -> dict[str, dict[str, Any]]:
        """Node path → ``zarr.json`` of every node, breadth first."""
        found = dict(self.groups)
        for array in self.arrays:
            if array.translation.document is not None:
                found[array.path] = array.translation.document
        order = sorted(found, key=lambda path: (path.count("/") + bool(path), path))
        return {path: found[path] for path in order}

    def fingerprint(self, source: Source, options: ConvertOptions) -> str:
        """What an interrupted run must have in common with this one to be continued."""
        sizes = [[array.path, len(array.node.keys), array.size] for array in self.arrays]
        choices = [
            options.translation.objects,
            options.translation.allow_pickle,
            options.on_unsupported,
        ]
        what = [source.identity(), self.documents(), sizes, sorted(self.others.items()), choices]
        return hashlib.sha256(json.dumps(what).encode()).hexdigest()


def make_plan(source: Source, hierarchy: V2Hierarchy, options: ConvertOptions, root: str) -> Plan:
    """Decide what becomes of every node.

    Only arrays of Python objects have their values looked at; all else is
    decided by metadata.

    Args:
        source: the store.
        hierarchy: what it holds.
        options: choices of the user.
        root: the node of the source that becomes the root.
    """
    at = f"{root}/" if root else ""

    def holds_only_strings(array: V2Array) -> bool:
        keys = hierarchy.arrays[array.path].keys
        allow = options.translation.allow_pickle
        prefix = at + (f"{array.path}/" if array.path else "")
        reader = V2Reader(source, prefix, array, keys, allow_pickle=allow, memory=options.memory)
        labels = array.filters[0].get("labels")
        if isinstance(labels, list) and all(isinstance(label, str) for label in labels):
            return True  # categorize decodes to nothing but its labels
        for coords in reader.stored:
            values = reader.region(block_region(array.shape, array.chunks, coords))
            if not all(isinstance(value, str) for value in values.flat):
                return False
        return True

    arrays = []
    for path, node in hierarchy.arrays.items():
        translation = _translate(node, options, holds_only_strings)
        if translation.action is Action.REFUSE:
            if options.on_unsupported == "skip":
                translation = replace(translation, action=Action.SKIP)
            elif options.on_unsupported == "keep-v2":
                translation = replace(translation, action=Action.KEEP)
        arrays.append(ArrayPlan(path, node, translation))
    groups = {path: translate_group(attrs) for path, attrs in hierarchy.groups.items()}
    warnings = list(hierarchy.warnings)
    odd = [
        path or "/" for path, found in hierarchy.groups.items() if translate_attributes(found)[1]
    ]
    if odd:
        others = len(odd) - 1
        more = f" and {others} more group{'s' if others > 1 else ''}" if others else ""
        warnings.append(f"{_STRING_FORM} (group {odd[0]}{more})")
    plan = Plan(arrays, groups, dict(hierarchy.others), hierarchy.consolidated, root, warnings, [])
    _plan_ome(plan, hierarchy, root or source.name, options.ome)
    _hint_xarray(plan)
    return plan


def _hint_xarray(plan: Plan) -> None:
    """xarray reads the fill value of v2 as a mask, and of v3 only a ``_FillValue`` attribute."""
    masked = [
        array.path
        for array in plan.arrays
        if array.node.array is not None
        and ARRAY_DIMENSIONS in array.array.attributes
        and array.array.fill_value is not None
        and "_FillValue" not in array.array.attributes
        and array.array.dtype.kind == "f"
    ]
    if masked:
        plan.hints.append(
            f"xarray masks with the fill value of zarr v2, but not of v3 ({masked[0]} and "
            f"{len(masked) - 1} more): open with use_zarr_fill_value_as_mask=True"
        )


def _plan_ome(plan: Plan, hierarchy: V2Hierarchy, name: str, wanted: bool) -> None:
    """Bring OME-Zarr metadata to 0.5, or say that this could be done."""
    images = [path for path, attributes in hierarchy.groups.items() if is_ome(attributes)]
    if not images:
        if wanted:
            plan.warnings.append("--ome: there is no OME-Zarr 0.4 metadata in the source")
        return
    if not wanted:
        plan.hints.append(
            f"OME-Zarr 0.4 metadata found ({images[0] or '/'}); to make it valid 0.5, say --ome"
        )
        return
    lists = [
        path
        for path, attributes in hierarchy.groups.items()
        if is_ome_list((path or name).rstrip("/").rpartition("/")[2], attributes)
    ]
    names: dict[str, list[str]] = {}
    for path in dict.fromkeys([*images, *lists]):
        attributes = plan.groups[path]["attributes"]
        upgraded, problems = upgrade(attributes)
        plan.groups[path] = {**plan.groups[path], "attributes": upgraded}
        plan.warnings += [f"{path or '/'}: {problem}" for problem in problems]
        for relative, axes in axis_names(attributes).items():
            names[f"{path}/{relative}" if path else relative] = axes
    for i, array in enumerate(plan.arrays):
        document = array.translation.document
        axes_of = names.get(array.path)
        if document is None or axes_of is None:
            continue
        if len(axes_of) != len(document["shape"]):
            plan.warnings.append(f"{array.path}: has not as many dimensions as there are axes")
            continue
        translation = replace(array.translation, document={**document, "dimension_names": axes_of})
        plan.arrays[i] = replace(array, translation=translation)


def refuse_unsupported(plan: Plan, name: str) -> None:
    """Stop before anything is written if some array cannot be converted.

    Raises:
        UnsupportedError: naming each such array with its reason.
    """
    refused = [
        (array.path or "/", array.translation.reason)
        for array in plan.arrays
        if array.translation.action is Action.REFUSE
    ]
    if refused:
        count = "1 array" if len(refused) == 1 else f"{len(refused)} arrays"
        lines = "\n".join(f"  {path}: {reason}" for path, reason in refused)
        raise UnsupportedError(
            f"{name}: {count} cannot be converted, so nothing was written\n{lines}\n"
            "To convert the rest, say --on-unsupported skip or --on-unsupported keep-v2.",
            refused,
        )


def report_plan(plan: Plan, source: str, target: str | None, *, dry_run: bool) -> ConversionReport:
    """The report of a conversion before it begins."""
    return ConversionReport(
        source=source,
        target=target,
        dry_run=dry_run,
        arrays=[_report_array(array) for array in plan.arrays],
        groups=len(plan.groups),
        others=len(plan.others),
        bytes=sum(array.size for array in plan.arrays),
        warnings=plan.warnings,
        hints=plan.hints,
    )


def _report_array(array: ArrayPlan) -> ArrayReport:
    """The line of the report for an array, before it is converted."""
    translation = array.translation
    document = translation.document or {}
    warnings = list(translation.warnings)
    if array.node.array is not None and translate_attributes(array.node.array.attributes)[1]:
        warnings.append(_STRING_FORM)
    return ArrayReport(
        path=array.path,
        action=translation.action.value,
        v2="" if array.node.array is None else describe_v2(array.node.array),
        v3=describe_v3(document) if document else "",
        form=translation.form.value,
        reason=translation.reason,
        chunks=len(array.node.keys),
        bytes=array.size,
        warnings=warnings,
    )


def describe_v2(array: V2Array) -> str:
    """dtype and codecs in a few words: ``<i4, delta, blosc``."""
    dtype = array.document.get("dtype")
    words = [dtype if isinstance(dtype, str) else "struct", *(f["id"] for f in array.filters)]
    if array.compressor:
        words.append(array.compressor["id"])
    return ", ".join(map(str, words))


def describe_v3(document: dict[str, Any]) -> str:
    """Data type and codecs in a few words: ``int32, bytes, blosc``."""
    if document.get("node_type") != "array":
        return ""
    data_type = document["data_type"]
    codecs = document["codecs"]
    words = [data_type if isinstance(data_type, str) else data_type["name"]]
    if codecs[0]["name"] == "sharding_indexed":
        words.append("shards of")
        codecs = codecs[0]["configuration"]["codecs"]
    words += [codec["name"] for codec in codecs if codec["name"] != "bytes"]
    return ", ".join(words).replace("shards of, ", "shards of ")


def _translate(node: V2Node, options: ConvertOptions, only_strings: Any) -> Translation:
    array = node.array
    if array is None:
        return Translation(Action.REFUSE, None, reason=node.problem)
    try:
        translation = translate_array(array, options.translation, only_strings)
    except ChunkDecodeError as error:
        return Translation(Action.REFUSE, None, reason=str(error))
    translation = relayout(translation, array, options.layout)
    if translation.action is Action.REENCODE and (missing := missing_codecs(array)):
        names = ", ".join(missing)
        return Translation(
            Action.REFUSE,
            None,
            reason=f"codec {names} has no v3 form and cannot be decoded here: "
            "install the package that provides it",
        )
    return translation
