"""Zarr v2 → v3: translate metadata, plan what is copied and what is re-encoded, execute, verify."""

from typing import TYPE_CHECKING

from ncore._lazy import lazy_exports

if TYPE_CHECKING:
    from ncore.convert.errors import ConvertError as ConvertError
    from ncore.convert.errors import UnsupportedError as UnsupportedError
    from ncore.convert.errors import VerificationError as VerificationError

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "ConvertError": "ncore.convert.errors",
        "UnsupportedError": "ncore.convert.errors",
        "VerificationError": "ncore.convert.errors",
    },
)
