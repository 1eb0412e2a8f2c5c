"""One huge array encoded by several processes or machines, share by share.

What is handed out is small: where the source lies, and which blocks. Whoever
gets it opens the source itself, and hands back encoded bytes, which one writer
stores, so that any target can be written.
"""

import functools
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from typing import Any

from ncore.convert.locations import open_source
from ncore.convert.plan import ArrayPlan
from ncore.convert.reencode import BlockEncoder, Encoded, in_order
from ncore.convert.source import Source
from ncore.convert.stored_chunks import Coords

SHARE_BYTES = 32 << 20
"""Decoded size of what is handed out at once."""
SHARES = 8
"""An array of fewer shares is not worth the way."""
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
class Split:
    """Where shares go: to an executor that runs functions that can be pickled."""

    executor: Executor
    source: SourcePlace


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
