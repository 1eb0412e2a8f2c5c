"""Servers on loopback that behave like the real ones, for tests of transfers."""

from typing import TYPE_CHECKING

from ncore._lazy import lazy_exports

if TYPE_CHECKING:
    from ncore.transfer.testing.archive import Archive as Archive
    from ncore.transfer.testing.dandi_server import DandiServer as DandiServer
    from ncore.transfer.testing.faults import Fault as Fault

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "Archive": "ncore.transfer.testing.archive",
        "DandiServer": "ncore.transfer.testing.dandi_server",
        "Fault": "ncore.transfer.testing.faults",
    },
)
