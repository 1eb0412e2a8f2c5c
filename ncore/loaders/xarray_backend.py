"""``xr.open_dataset("recording.zarr.itar")``: xarray's zarr backend over an archive.

xarray finds it by the entry point ``itar`` of the group ``xarray.backends``; nothing
else imports this module.
"""

import os
from collections.abc import Iterable
from typing import Any

from xarray import DataTree
from xarray.backends.common import BackendEntrypoint
from xarray.backends.zarr import ZarrBackendEntrypoint

from ncore.stores.indexed_tar import IndexedTarStore


class ItarBackendEntrypoint(BackendEntrypoint):
    """Opens a zarr group in an ``.itar`` archive, wherever the archive lies.

    Takes what xarray's zarr backend takes; ``storage_options`` go to the client of a
    remote archive. For writing use ``Dataset.to_zarr(IndexedTarStore(path, "w"))``.
    """

    description = "Open zarr groups in indexed tar archives (.itar)"
    open_dataset_parameters = (
        "filename_or_obj",
        "mask_and_scale",
        "decode_times",
        "concat_characters",
        "decode_coords",
        "drop_variables",
        "use_cftime",
        "decode_timedelta",
        "group",
        "consolidated",
        "chunk_store",
        "storage_options",
        "zarr_format",
    )
    supports_groups = True

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Return whether the name ends in ``.itar``."""
        if not isinstance(filename_or_obj, str | os.PathLike):
            return False
        name = os.fspath(filename_or_obj)
        # A query (a signed URL's) does not belong to the name.
        return isinstance(name, str) and name.split("?")[0].lower().endswith(".itar")

    def open_dataset(
        self,
        filename_or_obj: Any,
        *,
        drop_variables: str | Iterable[str] | None = None,
        storage_options: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Open one group as a dataset, lazily.

        Raises:
            ItarError: the archive cannot be opened; the message says why.
        """
        store = _open(filename_or_obj, storage_options)
        return ZarrBackendEntrypoint().open_dataset(store, drop_variables=drop_variables, **kwargs)

    def open_datatree(
        self, filename_or_obj: Any, *, storage_options: dict[str, Any] | None = None, **kwargs: Any
    ) -> DataTree:
        """Open all groups as a tree of datasets, lazily.

        Raises:
            ItarError: the archive cannot be opened; the message says why.
        """
        store = _open(filename_or_obj, storage_options)
        return ZarrBackendEntrypoint().open_datatree(store, **kwargs)

    def open_groups_as_dict(
        self, filename_or_obj: Any, *, storage_options: dict[str, Any] | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        """Open all groups as datasets by path, lazily.

        Raises:
            ItarError: the archive cannot be opened; the message says why.
        """
        store = _open(filename_or_obj, storage_options)
        return ZarrBackendEntrypoint().open_groups_as_dict(store, **kwargs)


def _open(place: Any, storage_options: dict[str, Any] | None) -> Any:
    # Any: xarray takes every zarr store, but says so nowhere.
    if isinstance(place, IndexedTarStore):
        return place
    return IndexedTarStore(place, **(storage_options or {}))
