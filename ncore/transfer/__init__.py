"""Partial transfer of zarrs: one planner, one executor, small backends."""

from typing import TYPE_CHECKING

from ncore._lazy import lazy_exports

if TYPE_CHECKING:
    from ncore.transfer.actions import Existing as Existing
    from ncore.transfer.backend import Capabilities as Capabilities
    from ncore.transfer.backend import Entry as Entry
    from ncore.transfer.backend import Payload as Payload
    from ncore.transfer.backend import Root as Root
    from ncore.transfer.backend import Source as Source
    from ncore.transfer.backend import Target as Target
    from ncore.transfer.checksum import DirectoryDigest as DirectoryDigest
    from ncore.transfer.checksum import ZarrChecksumTree as ZarrChecksumTree
    from ncore.transfer.checksum import ZarrEntry as ZarrEntry
    from ncore.transfer.checksum import compute_zarr_checksum as compute_zarr_checksum
    from ncore.transfer.digests import Digest as Digest
    from ncore.transfer.downloading import Download as Download
    from ncore.transfer.downloading import download as download
    from ncore.transfer.errors import AccessDeniedError as AccessDeniedError
    from ncore.transfer.errors import ChecksumError as ChecksumError
    from ncore.transfer.errors import DigestMismatchError as DigestMismatchError
    from ncore.transfer.errors import EntryChangedError as EntryChangedError
    from ncore.transfer.errors import EntryExistsError as EntryExistsError
    from ncore.transfer.errors import EntryNotFoundError as EntryNotFoundError
    from ncore.transfer.errors import GuardError as GuardError
    from ncore.transfer.errors import LocationError as LocationError
    from ncore.transfer.errors import ManifestError as ManifestError
    from ncore.transfer.errors import NoMatchError as NoMatchError
    from ncore.transfer.errors import TransferError as TransferError
    from ncore.transfer.errors import TransientError as TransientError
    from ncore.transfer.errors import UnsafeKeyError as UnsafeKeyError
    from ncore.transfer.errors import UnsupportedError as UnsupportedError
    from ncore.transfer.execute import Options as Options
    from ncore.transfer.local import LocalBackend as LocalBackend
    from ncore.transfer.ls import Line as Line
    from ncore.transfer.ls import list_location as list_location
    from ncore.transfer.manifest import read_manifest as read_manifest
    from ncore.transfer.manifest import write_manifest as write_manifest
    from ncore.transfer.manifest_check import Verification as Verification
    from ncore.transfer.manifest_check import verify as verify
    from ncore.transfer.manifest_diff import Difference as Difference
    from ncore.transfer.manifest_diff import diff_manifests as diff_manifests
    from ncore.transfer.manifest_diff import prune_manifest as prune_manifest
    from ncore.transfer.merkle_sources import make_manifest as make_manifest
    from ncore.transfer.report import Report as Report
    from ncore.transfer.report import Reporter as Reporter
    from ncore.transfer.roots import OpenOptions as OpenOptions
    from ncore.transfer.uploading import Upload as Upload
    from ncore.transfer.uploading import upload as upload

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "Existing": "ncore.transfer.actions",
        "Capabilities": "ncore.transfer.backend",
        "Entry": "ncore.transfer.backend",
        "Payload": "ncore.transfer.backend",
        "Root": "ncore.transfer.backend",
        "Source": "ncore.transfer.backend",
        "Target": "ncore.transfer.backend",
        "DirectoryDigest": "ncore.transfer.checksum",
        "ZarrChecksumTree": "ncore.transfer.checksum",
        "ZarrEntry": "ncore.transfer.checksum",
        "compute_zarr_checksum": "ncore.transfer.checksum",
        "Digest": "ncore.transfer.digests",
        "Download": "ncore.transfer.downloading",
        "download": "ncore.transfer.downloading",
        "Options": "ncore.transfer.execute",
        "LocalBackend": "ncore.transfer.local",
        "Line": "ncore.transfer.ls",
        "list_location": "ncore.transfer.ls",
        "read_manifest": "ncore.transfer.manifest",
        "write_manifest": "ncore.transfer.manifest",
        "Verification": "ncore.transfer.manifest_check",
        "verify": "ncore.transfer.manifest_check",
        "Difference": "ncore.transfer.manifest_diff",
        "diff_manifests": "ncore.transfer.manifest_diff",
        "prune_manifest": "ncore.transfer.manifest_diff",
        "make_manifest": "ncore.transfer.merkle_sources",
        "Report": "ncore.transfer.report",
        "Reporter": "ncore.transfer.report",
        "OpenOptions": "ncore.transfer.roots",
        "Upload": "ncore.transfer.uploading",
        "upload": "ncore.transfer.uploading",
        "AccessDeniedError": "ncore.transfer.errors",
        "ChecksumError": "ncore.transfer.errors",
        "DigestMismatchError": "ncore.transfer.errors",
        "EntryChangedError": "ncore.transfer.errors",
        "EntryExistsError": "ncore.transfer.errors",
        "EntryNotFoundError": "ncore.transfer.errors",
        "GuardError": "ncore.transfer.errors",
        "LocationError": "ncore.transfer.errors",
        "ManifestError": "ncore.transfer.errors",
        "NoMatchError": "ncore.transfer.errors",
        "TransferError": "ncore.transfer.errors",
        "TransientError": "ncore.transfer.errors",
        "UnsafeKeyError": "ncore.transfer.errors",
        "UnsupportedError": "ncore.transfer.errors",
    },
)
