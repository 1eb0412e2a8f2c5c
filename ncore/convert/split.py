"""One huge zarr encoded or copied by several processes or machines, share by share.

What is handed out is small: where the source lies, and which blocks or keys.
Whoever gets it opens the source itself. Encoded bytes are handed back to one
writer, so that any target can be written. What is copied unchanged goes from the
source to the target without a detour, where several can write there: directories
and prefixes.
"""

import functools
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from typing import Any

from ncore.convert.locations import open_source, open_target
from ncore.convert.plan import ArrayPlan
from ncore.convert.reencode import BlockEncoder, Encoded, in_order
from ncore.convert.source import Source
from ncore.convert.stored_chunks import Coords
from ncore.convert.target import Target

SHARE_BYTES = 32 << 20
"""Decoded size of what is handed out at once."""
SHARES = 8
"""What makes fewer shares is not worth the way."""
SHARE_ENTRIES = 4096
_UNDER_WAY = 64


@dataclass(frozen=True)
class SourcePlace:
    """How a worker finds the source.

    Attributes:
        location: as the user gave it.
        storage_options: of a remote one.
        run: tells this conversion from others, so that a worker opens it once for each.
    """

    location: str
    storage_options: Mapping[str, Any] = field(default_factory=dict, compare=False)
    run: str = field(default_factory=lambda: uuid.uuid4().hex)


@dataclass(frozen=True)
class TargetPlace:
    """How a worker finds the target.

    Attributes:
        location: as the user gave it.
        storage_options: of a remote one.
        jobs: threads.
    """

    location: str
    storage_options: Mapping[str, Any] = field(default_factory=dict)
    jobs: int = 4


@dataclass(frozen=True)
class Split:
    """Where shares go: to an executor that runs functions that can be pickled."""

    executor: Executor
    source: SourcePlace
    target: TargetPlace | None = None


@dataclass(frozen=True)
class _CopyShare:
    source: SourcePlace
    target: TargetPlace
    known: Any
    keys: dict[str, str]
    sizes: dict[str, int]


@dataclass(frozen=True)
class _Share:
    source: SourcePlace
    plan: ArrayPlan
    root: str
    memory: int
    allow_pickle: bool
    blocks: tuple[Coords, ...]


def worth_splitting(encoder: BlockEncoder) -> bool:
    """Whether an array is large enough for it."""
    size: int = len(encoder.blocks()) * encoder.block_bytes
    return size >= SHARES * SHARE_BYTES


def split_reencode(
    split: Split, plan: ArrayPlan, encoder: BlockEncoder, root: str, *, memory: int, pickles: bool
) -> Iterator[Encoded]:
    """Like `ncore.convert.reencode.reencode`, by the executor's workers.

    Args:
        split: where they are.
        plan: the array.
        encoder: of the array, here.
        root: the node of the source that became the root.
        memory: bytes that a worker, and the encoded bytes here, may take.
        pickles: unpickle pickled objects.

    Yields:
        Relative key and bytes to store, in the order of the chunk grid.
    """

    def shares() -> Iterator[_Share]:
        blocks = encoder.blocks()
        count = max(1, SHARE_BYTES // encoder.block_bytes)
        for start in range(0, len(blocks), count):
            some = tuple(blocks[start : start + count])
            names = {key for coords in some for key in encoder.keys_of(coords)}
            node = replace(plan.node, keys={name: plan.node.keys[name] for name in names})
            yield _Share(
                split.source,
                replace(plan, node=node),
                root,
                memory,
                pickles,
                some,
            )

    most = max(1, min(_UNDER_WAY, memory // max(SHARE_BYTES, encoder.block_bytes)))
    for encoded in in_order(split.executor, _encode_share, shares(), most):
        yield from encoded


def split_copy(
    split: Split,
    source: Source,
    target: Target,
    keys: Mapping[str, str],
    progress: Callable[[int], None],
) -> bool:
    """Copy entries unchanged by the executor's workers.

    Args:
        split: where they are.
        source: where the entries are.
        target: where they go.
        keys: key there → key in the source.
        progress: told of bytes that are done.

    Returns:
        False where nothing was done: too little to copy, or a target with one writer.
    """
    sizes = source.entries()
    size = sum(sizes[there] for there in keys.values())
    worth = size >= SHARES * SHARE_BYTES or len(keys) >= SHARES * SHARE_ENTRIES
    if split.target is None or not worth:
        return False
    known = target.hand_out(keys)
    if known is None:
        return False
    place = split.target

    def shares() -> Iterator[_CopyShare]:
        some: dict[str, str] = {}
        size = 0
        for here, there in keys.items():
            if some and (size + sizes[there] > SHARE_BYTES or len(some) >= SHARE_ENTRIES):
                yield share(some)
                some, size = {}, 0
            some[here] = there
            size += sizes[there]
        yield share(some)

    def share(some: dict[str, str]) -> _CopyShare:
        known_sizes = {there: sizes[there] for there in some.values()}
        return _CopyShare(split.source, place, known, some, known_sizes)

    for size in in_order(split.executor, _copy_share, shares(), _UNDER_WAY):
        progress(size)
    return True


def _copy_share(share: _CopyShare) -> int:
    source = _opened(share.source).with_sizes(share.sizes)
    place = share.target
    target = open_target(place.location, place.jobs, place.storage_options)
    target.copy_share(share.known, source, share.keys)
    return sum(share.sizes.values())


def _encode_share(share: _Share) -> list[Encoded]:
    encoder = BlockEncoder(
        share.plan,
        _opened(share.source),
        share.root,
        memory=share.memory,
        allow_pickle=share.allow_pickle,
    )
    encoded = map(encoder.encode, share.blocks)
    return [block for block in encoded if block is not None]


@functools.lru_cache(maxsize=2)
def _opened(place: SourcePlace) -> Source:
    return open_source(place.location, place.storage_options)
