"""Partial transfer of zarrs: one planner, one executor, small backends."""

from typing import TYPE_CHECKING

from ncore._lazy import lazy_exports

if TYPE_CHECKING:
    from ncore.transfer.backend import Capabilities as Capabilities
    from ncore.transfer.backend import Entry as Entry
    from ncore.transfer.backend import Payload as Payload
    from ncore.transfer.backend import Root as Root
    from ncore.transfer.backend import Source as Source
    from ncore.transfer.backend import Target as Target
    from ncore.transfer.digests import Digest as Digest
    from ncore.transfer.errors import TransferError as TransferError

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "Capabilities": "ncore.transfer.backend",
        "Digest": "ncore.transfer.digests",
        "Entry": "ncore.transfer.backend",
        "Payload": "ncore.transfer.backend",
        "Root": "ncore.transfer.backend",
        "Source": "ncore.transfer.backend",
        "Target": "ncore.transfer.backend",
        "TransferError": "ncore.transfer.errors",
    },
)
