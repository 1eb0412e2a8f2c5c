"""Large payloads of a local archive that may come again and again: images, every epoch."""

import os

from ncore.itar.copy_choice import CopyChoice
from ncore.itar.source import FileSource

_UNSEEN, _SEEN, _MAPPED = range(3)


class RepeatedReads:
    """Copies payloads out of the page cache by the way that is the faster one.

    The first time a payload is read with ``pread``, which maps no pages: of what exceeds
    the memory, or is visited once, every time is the first. When it comes again it is
    copied out of the mapped file, if :class:`~ncore.itar.copy_choice.CopyChoice` finds
    that to be the faster way on this machine. Cutting the file short in place during such
    a copy kills the process, as with every memory map.
    """

    def __init__(self, source: FileSource, count: int) -> None:
        """Begin with nothing read.

        Args:
            source: the file.
            count: how many payloads there are; they are told apart by numbers below it.
        """
        self._source = source
        self._states = bytearray(count)

        # Of the source alone: a method of this object would keep both alive in a circle,
        # and the file open, until Python looks for such.
        def copy_mapped(offset: int, size: int) -> bytes:
            return source.view(offset, size).tobytes()

        self._copy_mapped = copy_mapped
        self._copy = CopyChoice(copy_mapped, source.read)
        # Pages of a file that exceeds the memory are gone when they are needed again.
        self._stays = source.size * 2 < _memory_size()

    def read(self, number: int, offset: int, size: int) -> bytes:
        """Return payload ``number``, the ``size`` bytes from ``offset`` on.

        Raises:
            ItarChangedError: the file has been cut since it was opened.
            ItarClosedError: the source is closed.
        """
        state = self._states[number]
        if state == _MAPPED:
            return self._copy(offset, size)
        if state == _SEEN and self._copy.takes_first:
            self._states[number] = _MAPPED
            return self._copy_mapped(offset, size)
        self.see(number)
        return self._source.read(offset, size)

    def seen(self, number: int) -> bool:
        """Whether the payload has been read, so that it lies in memory."""
        return self._states[number] != _UNSEEN

    def see(self, number: int) -> None:
        """Take it that the payload has been brought into memory, in whatever way."""
        if self._stays and self._states[number] == _UNSEEN:
            self._states[number] = _SEEN


def _memory_size() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return 0
