"""Leaving a process in which obstore has answered asynchronously.

Its threads hand a result over and are then, for a moment, still inside Python. If
the interpreter ends in that moment, Python aborts ("Fatal Python error: Aborted",
about every other time with a list as the last call), and all that was done looks
like a crash. So the end waits until they are outside. Its blocking calls have no
such threads.
"""

import atexit
import time
from functools import cache

_SETTLED = 0.02
"""Seconds; in 100 runs of which half aborted, none did with a twentieth of this."""


@cache
def settle_before_exit() -> None:
    """Have the end of this process wait until obstore's threads are outside Python."""
    # The interpreter can still be entered while these functions run.
    atexit.register(time.sleep, _SETTLED)
