"""What to do about entries that source and target both have: are they the same?

Sizes and listed digests decide at once. Where a digest must be computed first,
pairs are collected, so that many files are hashed in one go. Documents that an
archive keeps by meaning rather than byte by byte are read and compared so.
"""

from collections.abc import Sequence

from ncore.transfer.actions import Action, ActionKind, Existing
from ncore.transfer.backend import Entry, Source
from ncore.transfer.digests import is_known
from ncore.transfer.documents import rewrites, say_the_same
from ncore.transfer.errors import TransferError, UnsupportedError

# File systems keep times to 2 s (FAT) and servers to 1 s (HTTP).
_MTIME_TOLERANCE = 2.0


class Comparer:
    """Decides about pairs of entries.

    Args:
        source: Where the first of a pair lies.
        target: Where the second lies, None if there is no target.
        existing: The rule.
    """

    def __init__(self, source: Source, target: Source | None, existing: Existing) -> None:
        self._source = source
        self._target = target
        self._existing = existing
        self._undecided: list[tuple[Entry, Entry]] = []
        self._documents: list[tuple[Entry, Entry]] = []  # kept by meaning on one side

    def __len__(self) -> int:
        """Return how many pairs wait for :meth:`settle`."""
        return len(self._undecided) + len(self._documents)

    def decide(self, s: Entry, t: Entry) -> Action | None:
        """Return what to do about a pair, None if :meth:`settle` will tell."""
        existing = self._existing
        if existing is Existing.SKIP:
            return Action(ActionKind.KEEP, s.key, "skipped: exists", s, t)
        if existing is Existing.OVERWRITE:
            return Action(ActionKind.REPLACE, s.key, "overwrite", s, t)
        if rewrites(self._source, s.key) or rewrites(self._target, s.key):
            self._documents.append((s, t))
            return None
        if s.size != t.size and s.size >= 0 and t.size >= 0:
            return self._differs(s, t, f"size {t.size} -> {s.size}")
        if (
            existing is Existing.REFRESH
            and s.size == t.size >= 0
            and s.mtime is not None
            and t.mtime is not None
            and abs(s.mtime - t.mtime) <= _MTIME_TOLERANCE
        ):
            return Action(ActionKind.KEEP, s.key, "same size and time", s, t)
        if s.digest and t.digest and s.digest.algorithm == t.digest.algorithm:
            return self._compared(s, t, s.digest == t.digest)
        self._undecided.append((s, t))
        return None

    def _differs(self, s: Entry, t: Entry, reason: str) -> Action:
        if self._existing is Existing.ERROR:
            reason = f"exists and differs ({reason}); see -e/--existing"
            return Action(ActionKind.ERROR, s.key, reason, s, t)
        return Action(ActionKind.REPLACE, s.key, reason, s, t)

    def _compared(self, s: Entry, t: Entry, equal: bool) -> Action:
        if equal:
            return Action(ActionKind.KEEP, s.key, "identical", s, t)
        return self._differs(s, t, "content differs")

    async def settle(self) -> list[Action]:
        """Decide about the pairs whose digests must be computed, or documents read."""
        documents, self._documents = self._documents, []
        decided = [await self._compare_documents(s, t) for s, t in documents]
        pairs, self._undecided = self._undecided, []
        groups: dict[tuple[str, str, str], list[tuple[Entry, Entry]]] = {}
        can_read = self._source.capabilities.cheap_digests
        can_look = self._target is not None and self._target.capabilities.cheap_digests
        for s, t in pairs:
            ours = s.digest.algorithm if s.digest else ""
            theirs = t.digest.algorithm if t.digest else ""
            if theirs and is_known(theirs) and can_read:
                how = (theirs, "compute", "listed")
            elif ours and is_known(ours) and can_look:
                how = (ours, "listed", "compute")
            elif can_read and can_look:
                how = ("md5", "compute", "compute")
            else:
                decided.append(self._differs(s, t, "cannot be compared"))
                continue
            groups.setdefault(how, []).append((s, t))
        for (algorithm, of_source, of_target), group in groups.items():
            sources, targets = [s for s, _ in group], [t for _, t in group]
            ours_ = await self._digests(self._source, sources, algorithm, of_source)
            theirs_ = await self._digests(self._target, targets, algorithm, of_target)
            for (s, t), a, b in zip(group, ours_, theirs_, strict=True):
                if isinstance(a, TransferError):
                    decided.append(Action(ActionKind.ERROR, s.key, str(a), s, t))
                elif isinstance(b, TransferError):
                    decided.append(self._differs(s, t, f"cannot be read: {b}"))
                else:
                    decided.append(self._compared(s, t, a == b))
        return decided

    async def _compare_documents(self, s: Entry, t: Entry) -> Action:
        assert self._target is not None
        try:
            ours, theirs = await self._source.read(s), await self._target.read(t)
        except TransferError as e:
            return self._differs(s, t, f"cannot be compared: {e}")
        if rewrites(self._target, s.key):
            equal = say_the_same(ours, theirs, ignore_consolidated=True)
        else:
            equal = say_the_same(theirs, ours, ignore_consolidated=False)
        return self._compared(s, t, equal)

    async def _digests(
        self, where: Source | None, entries: list[Entry], algorithm: str, how: str
    ) -> Sequence[object]:
        if how == "listed" or where is None:
            return [e.digest for e in entries]
        try:
            return await where.digests(entries, algorithm)
        except UnsupportedError as e:
            return [e] * len(entries)
