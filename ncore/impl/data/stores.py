"""Alias of this module's contents under the name that NVIDIA's ncore has for it."""

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
    from ncore.stores.indexed_tar import IndexedTarStore as IndexedTarStore

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "ConsolidatedCompressedMetadataStore": "ncore.stores.compressed_metadata",
        "IndexedTarStore": "ncore.stores.indexed_tar",
        "consolidate_compressed_metadata": "ncore.stores.compressed_metadata",
        "open_compressed_consolidated": "ncore.stores.compressed_metadata",
    },
)
