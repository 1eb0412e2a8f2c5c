"""Errors that name the damaged node, instead of what tripped over it."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from ncore.data.v4.errors import SequenceFormatError
from ncore.data.v4.nodes import GroupNode
from ncore.errors import NcoreError


@contextmanager
def stored_form(node: GroupNode, what: str) -> Iterator[None]:
    """Decode ``what`` of ``node``, which may hold anything.

    Raises:
        SequenceFormatError: it does not have the form that writers give it.
    """
    try:
        yield
    except NcoreError:
        raise
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
        raise SequenceFormatError(
            f"{node!r}: {what} cannot be read ({type(error).__name__}: {error!s:.200})"
        ) from error


def read_timestamps(node: GroupNode, name: str) -> npt.NDArray[np.uint64]:
    """Return the (M,) uint64 array ``name`` of ``node``.

    Raises:
        SequenceFormatError: it has another shape or dtype.
    """
    times = node.read_array(name)
    if times.ndim != 1 or times.dtype.kind != "u":
        raise SequenceFormatError(
            f"{node!r}: {name} is no list of times but {times.dtype} of shape {times.shape}"
        )
    return times.astype(np.uint64, copy=False)
