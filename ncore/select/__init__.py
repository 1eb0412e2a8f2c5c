"""Which entries of a zarr, and which zarr: filters and locations, without any I/O."""

from typing import TYPE_CHECKING

from ncore._lazy import lazy_exports

if TYPE_CHECKING:
    from ncore.select.errors import LocationError as LocationError
    from ncore.select.errors import SelectError as SelectError
    from ncore.select.errors import ZarrFilterError as ZarrFilterError
    from ncore.select.filters import ZARR_FILTER_ALIASES as ZARR_FILTER_ALIASES
    from ncore.select.filters import ZarrFilter as ZarrFilter
    from ncore.select.filters import make_zarr_entry_filter as make_zarr_entry_filter
    from ncore.select.filters import parse_zarr_filter as parse_zarr_filter
    from ncore.select.instances import KNOWN_INSTANCES as KNOWN_INSTANCES
    from ncore.select.instances import DandiInstance as DandiInstance
    from ncore.select.instances import known_instances as known_instances
    from ncore.select.key_cover import KeyCover as KeyCover
    from ncore.select.location_parser import parse_location as parse_location
    from ncore.select.locations import AssetFolderURL as AssetFolderURL
    from ncore.select.locations import AssetGlobURL as AssetGlobURL
    from ncore.select.locations import AssetIDURL as AssetIDURL
    from ncore.select.locations import AssetItemURL as AssetItemURL
    from ncore.select.locations import AssetPathPrefixURL as AssetPathPrefixURL
    from ncore.select.locations import AssetZarrEntryURL as AssetZarrEntryURL
    from ncore.select.locations import BaseAssetIDURL as BaseAssetIDURL
    from ncore.select.locations import DandisetURL as DandisetURL
    from ncore.select.locations import HttpURL as HttpURL
    from ncore.select.locations import LocalPath as LocalPath
    from ncore.select.locations import Location as Location
    from ncore.select.locations import ObjectURL as ObjectURL
    from ncore.select.locations import ZarrArchiveURL as ZarrArchiveURL
    from ncore.select.resolve import resolve_instance as resolve_instance
    from ncore.select.resolve import resolve_redirects as resolve_redirects
    from ncore.select.selection import ZarrSelection as ZarrSelection
    from ncore.select.zarr_boundary import split_zarr_location as split_zarr_location

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "LocationError": "ncore.select.errors",
        "SelectError": "ncore.select.errors",
        "ZarrFilterError": "ncore.select.errors",
        "ZARR_FILTER_ALIASES": "ncore.select.filters",
        "ZarrFilter": "ncore.select.filters",
        "make_zarr_entry_filter": "ncore.select.filters",
        "parse_zarr_filter": "ncore.select.filters",
        "DandiInstance": "ncore.select.instances",
        "KNOWN_INSTANCES": "ncore.select.instances",
        "known_instances": "ncore.select.instances",
        "KeyCover": "ncore.select.key_cover",
        "parse_location": "ncore.select.location_parser",
        "AssetFolderURL": "ncore.select.locations",
        "AssetGlobURL": "ncore.select.locations",
        "AssetIDURL": "ncore.select.locations",
        "AssetItemURL": "ncore.select.locations",
        "AssetPathPrefixURL": "ncore.select.locations",
        "AssetZarrEntryURL": "ncore.select.locations",
        "BaseAssetIDURL": "ncore.select.locations",
        "DandisetURL": "ncore.select.locations",
        "HttpURL": "ncore.select.locations",
        "LocalPath": "ncore.select.locations",
        "Location": "ncore.select.locations",
        "ObjectURL": "ncore.select.locations",
        "ZarrArchiveURL": "ncore.select.locations",
        "resolve_instance": "ncore.select.resolve",
        "resolve_redirects": "ncore.select.resolve",
        "ZarrSelection": "ncore.select.selection",
        "split_zarr_location": "ncore.select.zarr_boundary",
    },
)
