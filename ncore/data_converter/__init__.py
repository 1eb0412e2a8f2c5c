"""Base classes of converters from other datasets to NCore."""

from typing import TYPE_CHECKING

from ncore._lazy import lazy_exports

if TYPE_CHECKING:
    from ncore.data_converter.base import BaseDataConverter as BaseDataConverter
    from ncore.data_converter.base import BaseDataConverterConfig as BaseDataConverterConfig
    from ncore.data_converter.base import FileBasedDataConverter as FileBasedDataConverter
    from ncore.data_converter.base import (
        FileBasedDataConverterConfig as FileBasedDataConverterConfig,
    )

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "BaseDataConverter": "ncore.data_converter.base",
        "BaseDataConverterConfig": "ncore.data_converter.base",
        "FileBasedDataConverter": "ncore.data_converter.base",
        "FileBasedDataConverterConfig": "ncore.data_converter.base",
    },
)
