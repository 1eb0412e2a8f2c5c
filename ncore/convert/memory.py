"""Whether what must be decoded at once fits into the memory that the user grants."""

import math

from ncore.convert.errors import LayoutError
from ncore.convert.options import ConvertOptions
from ncore.convert.plan import ArrayPlan, Plan
from ncore.convert.translation import Action
from ncore.itar.sizes import human_size

_POINTER = 8  # what an element of Python objects takes at the very least


def check_memory(plan: Plan, options: ConvertOptions) -> None:
    """Refuse chunks that no thread could decode within the memory granted.

    Metadata may claim any size for a chunk of a few bytes.

    Raises:
        LayoutError: naming the array and the size of its chunks.
    """
    for array in plan.arrays:
        needed, what = _needed(array, options)
        if needed > options.memory:
            way = (
                "raise --memory"
                if array.translation.action is Action.REENCODE
                else "raise --memory, or copy it with --no-verify"
            )
            raise LayoutError(
                f"array {array.path or '/'!r}: {what} holds {human_size(needed)} decoded, more "
                f"than the {human_size(options.memory)} of --memory; {way}"
            )


def _needed(plan: ArrayPlan, options: ConvertOptions) -> tuple[int, str]:
    action, document = plan.translation.action, plan.translation.document
    if document is None or (action is Action.COPY and options.verify == "none"):
        return 0, ""
    array = plan.array
    itemsize = _POINTER if array.dtype.hasobject else array.dtype.itemsize
    if not plan.node.keys:
        return itemsize, "an element"
    chunk = math.prod(array.chunks) * itemsize
    new = math.prod(document["chunk_grid"]["configuration"]["chunk_shape"]) * itemsize
    if action is Action.REENCODE and new > chunk:
        return new, "a new chunk or shard"
    return chunk, "a chunk"
