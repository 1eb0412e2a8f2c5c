"""Removing local files that the target has: the second half of a move.

A file goes once the target has shown that it holds the same bytes: by the
digest it answered with, by one computed of what it holds, or, of a target that
is published as one, by what lies there after it was published.
"""

from collections.abc import Callable, Sequence

from ncore.transfer.actions import Action
from ncore.transfer.backend import Entry, Source, Target
from ncore.transfer.digests import Digest
from ncore.transfer.documents import rewrites, say_the_same
from ncore.transfer.errors import TransferError
from ncore.transfer.keys import show_key
from ncore.transfer.overlap import is_same_file
from ncore.transfer.payloads import Payloads, Sending
from ncore.transfer.report import Report
from ncore.transfer.spool import ActionSpool


class Removal:
    """Removes what one transfer has moved.

    Args:
        source: Where the files are.
        target: Where they went.
        payloads: Knows what was sent.
        report: Counts.
        fail: Is told of a file that stays, and why.
    """

    def __init__(
        self,
        source: Source,
        target: Target,
        payloads: Payloads,
        report: Report,
        fail: Callable[[str, BaseException | str], None],
    ) -> None:
        self._source = source
        self._target = target
        self._payloads = payloads
        self._report = report
        self._fail = fail
        self._published = ActionSpool()

    async def look_again(self, sending: Sending) -> None:
        """Ask a target that reported nothing after a write what it holds.

        Raises:
            TransferError: It cannot tell, or holds something else.
        """
        if self._target.capabilities.published_whole:
            return  # it shows when it is there
        found = await self._target.stat(sending.payload.key)
        if found is not None and found.digest is None and self._target.capabilities.cheap_digests:
            (digest,) = await self._target.digests([found], "md5")
            if isinstance(digest, TransferError):
                raise digest
            found = found._replace(digest=digest)
        if found is None or found.digest is None:
            raise TransferError(
                f"{show_key(sending.payload.key)!r}: the target reports no digest, so the local "
                "file is kept"
            )
        await self._payloads.need_digest(sending, found.digest.algorithm)
        await self._payloads.reported(sending, found.digest)

    async def remove(self, action: Action) -> None:
        """Remove a file that the target has, now or when the target is published."""
        if self._target.capabilities.published_whole:
            self._published.append([action])
        else:
            await self._remove(action)

    async def after_publishing(self) -> None:
        """Remove what waited for the target to be published, and is in it."""
        self._published.end()
        async for batch in self._published.batches():
            for action, problem in zip(batch, await self._problems(batch), strict=True):
                if problem:
                    self._fail(action.key, problem)
                else:
                    await self._remove(action)

    async def _problems(self, batch: Sequence[Action]) -> list[str]:
        """Return why each file must stay, ``""`` where the target holds the same bytes."""
        found = [await self._target.stat(action.key) for action in batch]
        problems = ["" if f else "the target does not hold it, so it is kept" for f in found]
        bytewise = []
        for i, (action, entry) in enumerate(zip(batch, found, strict=True)):
            if entry is None:
                continue
            if not rewrites(self._target, action.key):
                bytewise.append((i, action.source or entry, entry))
            elif not await self._say_the_same(action.source or entry, entry):
                problems[i] = "the target holds another document, so it is kept"
        ours = await self._source.digests([entry for _, entry, _ in bytewise], "md5")
        theirs = await self._target.digests([entry for _, _, entry in bytewise], "md5")
        for (i, _, _), a, b in zip(bytewise, ours, theirs, strict=True):
            if not (isinstance(a, Digest) and a == b):
                why = a if isinstance(a, TransferError) else b
                problems[i] = (
                    str(why)
                    if isinstance(why, TransferError)
                    else (f"the target holds {b}, the local file {a}, so it is kept")
                )
        return problems

    async def _say_the_same(self, ours: Entry, theirs: Entry) -> bool:
        plain, rewritten = await self._source.read(ours), await self._target.read(theirs)
        return say_the_same(plain, rewritten, ignore_consolidated=True)

    async def _remove(self, action: Action) -> None:
        """Delete a local file that the target has; not one that has changed since."""
        entry = action.source
        assert entry is not None
        assert isinstance(self._source, Target)
        now = await self._source.stat(entry.key)
        if now is None:
            return
        if (now.size, now.mtime) != (entry.size, entry.mtime):
            self._fail(action.key, "changed since it was sent, so the local file is kept")
            return
        if is_same_file(self._source, self._target, entry.key):
            self._fail(action.key, "the target's file is this very file, so it is kept")
            return
        for key, error in await self._source.delete([entry]):
            self._fail(key, error)
            return
        self._report.removed_local += 1

    def close(self) -> None:
        """Give up what waits."""
        self._published.close()
