"""Samples -> one batch, without a framework."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ncore.loaders.errors import LoaderArgumentError


def stack_samples(samples: Sequence[Any]) -> Any:
    """Put samples together, entry by entry.

    Dicts of equal keys and tuples keep their structure. Numbers and arrays of equal
    shape and dtype become arrays with a new first dimension; everything else (bytes, text,
    arrays of different lengths such as point clouds, dicts of different keys, None) becomes
    a list. A ``collate_fn`` for PyTorch, whose own cannot put point clouds together.

    Args:
        samples: at least one.

    Raises:
        LoaderArgumentError: there are none (a ``ValueError``).
    """
    if not samples:
        raise LoaderArgumentError("no samples to stack")
    first = samples[0]
    if isinstance(first, dict) and all(
        isinstance(sample, dict) and sample.keys() == first.keys() for sample in samples
    ):
        return {key: stack_samples([sample[key] for sample in samples]) for key in first}
    if isinstance(first, tuple) and all(
        isinstance(sample, tuple) and len(sample) == len(first) for sample in samples
    ):
        return tuple(stack_samples(parts) for parts in zip(*samples, strict=True))
    if isinstance(first, np.ndarray) and all(
        isinstance(sample, np.ndarray)
        and sample.shape == first.shape
        and sample.dtype == first.dtype
        for sample in samples
    ):
        return np.stack(samples)
    if isinstance(first, int | float | np.number) and all(
        isinstance(sample, int | float | np.number) for sample in samples
    ):
        return np.asarray(samples)
    return list(samples)
