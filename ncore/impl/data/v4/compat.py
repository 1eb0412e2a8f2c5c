"""Alias of this module's contents under the name that NVIDIA's ncore has for it."""

from typing import TYPE_CHECKING

from ncore._lazy import lazy_exports

if TYPE_CHECKING:
    from ncore.data.v4.loader import SequenceLoaderV4 as SequenceLoaderV4

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "SequenceLoaderV4": "ncore.data.v4.loader",
    },
)
