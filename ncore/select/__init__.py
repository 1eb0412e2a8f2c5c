"""Which entries of a zarr, and which zarr: filters and locations, without any I/O."""

from typing import TYPE_CHECKING

from ncore._lazy import lazy_exports

if TYPE_CHECKING:
    from ncore.select.errors import SelectError as SelectError
    from ncore.select.errors import ZarrFilterError as ZarrFilterError
    from ncore.select.filters import ZARR_FILTER_ALIASES as ZARR_FILTER_ALIASES
    from ncore.select.filters import ZarrFilter as ZarrFilter
    from ncore.select.filters import make_zarr_entry_filter as make_zarr_entry_filter
    from ncore.select.filters import parse_zarr_filter as parse_zarr_filter
    from ncore.select.key_cover import KeyCover as KeyCover
    from ncore.select.selection import ZarrSelection as ZarrSelection

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "SelectError": "ncore.select.errors",
        "ZarrFilterError": "ncore.select.errors",
        "ZARR_FILTER_ALIASES": "ncore.select.filters",
        "KeyCover": "ncore.select.key_cover",
        "ZarrFilter": "ncore.select.filters",
        "ZarrSelection": "ncore.select.selection",
        "make_zarr_entry_filter": "ncore.select.filters",
        "parse_zarr_filter": "ncore.select.filters",
    },
)
