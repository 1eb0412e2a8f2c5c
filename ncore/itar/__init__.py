"""The itar container: bytes on disk <-> key -> (offset, size). Knows nothing of zarr.

:func:`ncore.itar.verify.verify`, :func:`ncore.itar.repack.repack` and
:func:`ncore.itar.recover.recover` are called like the modules they are in.
"""

from typing import TYPE_CHECKING

from ncore._lazy import lazy_exports

if TYPE_CHECKING:
    from ncore.itar.errors import ItarAccessError as ItarAccessError
    from ncore.itar.errors import ItarChangedError as ItarChangedError
    from ncore.itar.errors import ItarClosedError as ItarClosedError
    from ncore.itar.errors import ItarDigestError as ItarDigestError
    from ncore.itar.errors import ItarError as ItarError
    from ncore.itar.errors import ItarExistsError as ItarExistsError
    from ncore.itar.errors import ItarFormatError as ItarFormatError
    from ncore.itar.errors import ItarIOError as ItarIOError
    from ncore.itar.errors import ItarKeyError as ItarKeyError
    from ncore.itar.errors import ItarLockedError as ItarLockedError
    from ncore.itar.errors import ItarNotFoundError as ItarNotFoundError
    from ncore.itar.errors import ItarOptionError as ItarOptionError
    from ncore.itar.errors import ItarRangeError as ItarRangeError
    from ncore.itar.errors import ItarReadOnlyError as ItarReadOnlyError
    from ncore.itar.index import Entry as Entry
    from ncore.itar.location import open_source as open_source
    from ncore.itar.reader import ItarReader as ItarReader
    from ncore.itar.recover import RecoveryReport as RecoveryReport
    from ncore.itar.remote import RemoteTuning as RemoteTuning
    from ncore.itar.repack import RepackReport as RepackReport
    from ncore.itar.source import ByteSource as ByteSource
    from ncore.itar.source import FileSource as FileSource
    from ncore.itar.verify import VerifyReport as VerifyReport
    from ncore.itar.writer import ItarWriter as ItarWriter

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "ByteSource": "ncore.itar.source",
        "Entry": "ncore.itar.index",
        "FileSource": "ncore.itar.source",
        "ItarAccessError": "ncore.itar.errors",
        "ItarChangedError": "ncore.itar.errors",
        "ItarClosedError": "ncore.itar.errors",
        "ItarDigestError": "ncore.itar.errors",
        "ItarError": "ncore.itar.errors",
        "ItarExistsError": "ncore.itar.errors",
        "ItarFormatError": "ncore.itar.errors",
        "ItarIOError": "ncore.itar.errors",
        "ItarKeyError": "ncore.itar.errors",
        "ItarLockedError": "ncore.itar.errors",
        "ItarNotFoundError": "ncore.itar.errors",
        "ItarOptionError": "ncore.itar.errors",
        "ItarRangeError": "ncore.itar.errors",
        "ItarReadOnlyError": "ncore.itar.errors",
        "ItarReader": "ncore.itar.reader",
        "ItarWriter": "ncore.itar.writer",
        "RecoveryReport": "ncore.itar.recover",
        "RemoteTuning": "ncore.itar.remote",
        "RepackReport": "ncore.itar.repack",
        "VerifyReport": "ncore.itar.verify",
        "open_source": "ncore.itar.location",
    },
)
