"""Members of one archive into another, many small neighbours at once."""

from collections.abc import Iterator, Mapping

from ncore.itar.member_runs import member_runs
from ncore.itar.reader import ItarReader
from ncore.itar.writer import ItarWriter


def copy_members(reader: ItarReader, writer: ItarWriter, keys: Mapping[str, str]) -> Iterator[int]:
    """Copy members as :meth:`ItarWriter.copy_from` does, with one read for many small ones.

    Args:
        reader: the archive that they are in.
        writer: the one that they go to.
        keys: name in ``writer`` -> name in ``reader``.

    Yields:
        Payload bytes copied since the last time.

    Raises:
        ItarKeyError: ``reader`` lacks one of them; nothing was copied.
    """
    index = reader.index
    names, theirs = list(keys), list(keys.values())
    numbers = [index.find(key) for key in theirs]
    if -1 in numbers:
        reader.entry(theirs[numbers.index(-1)])  # says so
    for first, stop in member_runs(index, numbers):
        if stop == first + 1 or reader.verify_reads:
            for at in range(first, stop):
                writer.copy_from(reader, theirs[at], names[at])
                yield index.span(numbers[at])[1]
            continue
        run = numbers[first:stop]
        spans = [index.span(number) for number in run]
        begin = spans[0][0]
        data = memoryview(reader.source.read(begin, sum(spans[-1]) - begin))
        for name, number, (offset, size) in zip(names[first:stop], run, spans, strict=True):
            crc32c, md5 = index.digests(number)
            payload = data[offset - begin : offset - begin + size]
            writer.set(name, payload, crc32c=crc32c, md5=md5)
        yield sum(size for _, size in spans)
