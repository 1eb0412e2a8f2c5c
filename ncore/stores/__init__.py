"""zarr-python 3 stores: the itar store, and opening a zarr wherever it lies."""

from typing import TYPE_CHECKING

from ncore._lazy import lazy_exports

if TYPE_CHECKING:
    from ncore.stores.compressed_metadata import (
        ConsolidatedCompressedMetadataStore as ConsolidatedCompressedMetadataStore,
    )
    from ncore.stores.compressed_metadata import (
        consolidate_compressed_metadata as consolidate_compressed_metadata,
    )
    from ncore.stores.compressed_metadata import (
        open_compressed_consolidated as open_compressed_consolidated,
    )
    from ncore.stores.errors import ConsolidatedMetadataError as ConsolidatedMetadataError
    from ncore.stores.errors import ConsolidatedMetadataWarning as ConsolidatedMetadataWarning
    from ncore.stores.errors import MissingPackageError as MissingPackageError
    from ncore.stores.errors import ReferencesError as ReferencesError
    from ncore.stores.errors import StoreError as StoreError
    from ncore.stores.errors import StoreExistsError as StoreExistsError
    from ncore.stores.errors import StoreLocationError as StoreLocationError
    from ncore.stores.errors import StoreNotFoundError as StoreNotFoundError
    from ncore.stores.indexed_tar import IndexedTarStore as IndexedTarStore
    from ncore.stores.itar_filesystem import ItarFileSystem as ItarFileSystem
    from ncore.stores.opening import open_store as open_store
    from ncore.stores.recovery import ZarrRecoveryReport as ZarrRecoveryReport
    from ncore.stores.recovery import recover_archive as recover_archive
    from ncore.stores.references import iter_references as iter_references
    from ncore.stores.references import write_references as write_references

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "ConsolidatedCompressedMetadataStore": "ncore.stores.compressed_metadata",
        "consolidate_compressed_metadata": "ncore.stores.compressed_metadata",
        "open_compressed_consolidated": "ncore.stores.compressed_metadata",
        "ConsolidatedMetadataError": "ncore.stores.errors",
        "ConsolidatedMetadataWarning": "ncore.stores.errors",
        "IndexedTarStore": "ncore.stores.indexed_tar",
        "MissingPackageError": "ncore.stores.errors",
        "ReferencesError": "ncore.stores.errors",
        "StoreError": "ncore.stores.errors",
        "StoreExistsError": "ncore.stores.errors",
        "StoreLocationError": "ncore.stores.errors",
        "StoreNotFoundError": "ncore.stores.errors",
        "ZarrRecoveryReport": "ncore.stores.recovery",
        "ItarFileSystem": "ncore.stores.itar_filesystem",
        "iter_references": "ncore.stores.references",
        "open_store": "ncore.stores.opening",
        "write_references": "ncore.stores.references",
        "recover_archive": "ncore.stores.recovery",
    },
)
