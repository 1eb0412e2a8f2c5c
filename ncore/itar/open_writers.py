"""Writers that nobody closed, told of before the interpreter ends.

Without ``close()`` there is no archive, and a script that forgot it would end
as if all were well.
"""

import atexit
import warnings
import weakref
from typing import TYPE_CHECKING

from ncore.itar.errors import UnclosedArchiveWarning

if TYPE_CHECKING:
    from ncore.itar.writer import ItarWriter

OPEN_WRITERS: "weakref.WeakSet[ItarWriter]" = weakref.WeakSet()


def warn_unclosed(message: str) -> None:
    """Warn of a forgotten writer; whoever collects it or ends the program is not to blame."""
    warnings.warn(message, UnclosedArchiveWarning, stacklevel=4)


@atexit.register
def _end_forgotten() -> None:
    for writer in list(OPEN_WRITERS):
        writer.end_forgotten()
