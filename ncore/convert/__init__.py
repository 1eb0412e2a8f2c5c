"""Zarr v2 → v3: translate metadata, plan what is copied and what is re-encoded, execute, verify."""

from typing import TYPE_CHECKING

from ncore._lazy import lazy_exports

if TYPE_CHECKING:
    from ncore.convert.conversion import convert as convert
    from ncore.convert.errors import AlreadyV3Error as AlreadyV3Error
    from ncore.convert.errors import ChunkDecodeError as ChunkDecodeError
    from ncore.convert.errors import ConvertError as ConvertError
    from ncore.convert.errors import FleetError as FleetError
    from ncore.convert.errors import LayoutError as LayoutError
    from ncore.convert.errors import MixedMetadataError as MixedMetadataError
    from ncore.convert.errors import OptionError as OptionError
    from ncore.convert.errors import ResumeError as ResumeError
    from ncore.convert.errors import SourceError as SourceError
    from ncore.convert.errors import TargetError as TargetError
    from ncore.convert.errors import TargetExistsError as TargetExistsError
    from ncore.convert.errors import UnstorableKeyError as UnstorableKeyError
    from ncore.convert.errors import UnsupportedError as UnsupportedError
    from ncore.convert.errors import V2MetadataError as V2MetadataError
    from ncore.convert.errors import VerificationError as VerificationError
    from ncore.convert.in_place import convert_in_place as convert_in_place
    from ncore.convert.options import ConvertOptions as ConvertOptions
    from ncore.convert.relayout import Layout as Layout
    from ncore.convert.report import ConversionReport as ConversionReport
    from ncore.convert.translate_array import TranslationOptions as TranslationOptions

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "convert": "ncore.convert.conversion",
        "convert_in_place": "ncore.convert.in_place",
        "ConvertOptions": "ncore.convert.options",
        "Layout": "ncore.convert.relayout",
        "ConversionReport": "ncore.convert.report",
        "TranslationOptions": "ncore.convert.translate_array",
        "AlreadyV3Error": "ncore.convert.errors",
        "ChunkDecodeError": "ncore.convert.errors",
        "ConvertError": "ncore.convert.errors",
        "FleetError": "ncore.convert.errors",
        "LayoutError": "ncore.convert.errors",
        "MixedMetadataError": "ncore.convert.errors",
        "OptionError": "ncore.convert.errors",
        "ResumeError": "ncore.convert.errors",
        "SourceError": "ncore.convert.errors",
        "TargetError": "ncore.convert.errors",
        "TargetExistsError": "ncore.convert.errors",
        "UnstorableKeyError": "ncore.convert.errors",
        "UnsupportedError": "ncore.convert.errors",
        "V2MetadataError": "ncore.convert.errors",
        "VerificationError": "ncore.convert.errors",
    },
)
