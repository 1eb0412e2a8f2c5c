"""The plan: what must be done so that the target holds what was selected.

Source and target are listed side by side in key order, so a plan of a million
entries is made and carried out a page at a time. What is to be done about an
entry that both have is :class:`Existing`'s to say, about one that only the
target has :class:`Extra`'s.

A key cannot name a file and a directory at once. Where the source has ``a/b``
and the target a file ``a``, or the other way round, what stands in the way is
deleted first (``conflict``), or the entry is an ``error`` where nothing may be
overwritten.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass

from ncore.select.key_cover import KeyCover
from ncore.select.selection import ZarrSelection
from ncore.transfer.actions import Action, ActionKind, Existing, Extra
from ncore.transfer.backend import Entry, Source
from ncore.transfer.compare import Comparer
from ncore.transfer.errors import TransferError
from ncore.transfer.keys import ancestors, check_key, is_unsafe, show_key
from ncore.transfer.listing import Selection, list_scopes, scopes

_COMPARE_AT_ONCE = 256
# Up to so many entries are looked up one by one in a target whose first page
# of a listing is full.
_MOST_SOUGHT = 16
_WHOLE_PAGE = 1000


@dataclass
class Policy:
    """How the plan decides.

    Attributes:
        existing: About entries that both sides have.
        extra: About entries that only the target has.
        resolve_conflicts: Delete what stands in the way of an entry; else
            that is an error.
        skip_chunks: The selection can only match metadata.
        source_has: Whether the source has this directory, for
            :attr:`Extra.SUBTREE`.
    """

    existing: Existing = Existing.ERROR
    extra: Extra = Extra.KEEP
    resolve_conflicts: bool = False
    skip_chunks: bool = False
    source_has: Callable[[str], Awaitable[bool]] | None = None


class _Cursor:
    """One of the two listings: the next entry, a page at a time."""

    def __init__(self, pages: AsyncIterator[Sequence[Entry]]) -> None:
        self._pages = pages
        self._page: Sequence[Entry] = ()
        self._at = 0
        self.next: Entry | None = None

    async def fill(self) -> None:
        """Fetch the next page when this one is used up."""
        if self._at < len(self._page):
            return
        try:
            self._page = await anext(self._pages)
        except StopAsyncIteration:
            self._page = ()
        self._at = 0
        self.next = self._page[0] if self._page else None

    def advance(self) -> None:
        """Go to the next entry; at a page's end `fill` must follow."""
        self._at += 1
        self.next = self._page[self._at] if self._at < len(self._page) else None


@dataclass
class _Pending:
    """An entry whose key may yet turn out to be a directory on the other side."""

    key: str
    source: Entry | None
    target: Entry | None
    action: Action | None  # emitted when the keys below it have passed
    removed: bool = False


def _may_hold(key: str, other: Entry | None) -> bool:
    """Return whether keys from ``other`` on may lie below ``key`` as a directory."""
    return (
        other is not None
        and other.key.startswith(key)
        and len(other.key) > len(key)
        and other.key[len(key)] <= "/"
    )


class Planner:
    """Compares two listings and yields what is to be done.

    Args:
        source: Where the entries come from.
        target: Where they go, None for a listing of the source alone.
        selection: Which entries; everything if None.
        policy: How to decide.
    """

    def __init__(
        self,
        source: Source,
        target: Source | None,
        selection: Selection | None = None,
        policy: Policy | None = None,
    ) -> None:
        self._source = source
        self._target = target
        self._selection = selection or ZarrSelection()
        self._policy = policy or Policy()
        self._exclusive = target is None or target.capabilities.exclusive_names
        self._stack: list[_Pending] = []
        self._out: list[Action] = []
        self._comparer = Comparer(source, target, self._policy.existing)
        self._last_target = ""
        self._scopes = scopes(self._selection.cover())
        self._above: dict[str, bool] = {}
        self._has_top: dict[str, bool] = {}

    async def actions(self) -> AsyncIterator[Sequence[Action]]:
        """Yield the plan in batches.

        A conflict comes before the entry that it makes room for.

        Raises:
            TransferError: A listing failed.
        """
        skip = self._policy.skip_chunks
        await self._narrow()
        source = _Cursor(list_scopes(self._source, self._scopes, skip_chunks=skip))
        target = _Cursor(
            list_scopes(self._target, self._scopes, skip_chunks=skip)
            if self._target is not None
            else _nothing()
        )
        matches = self._selection.matches
        await source.fill()
        await target.fill()
        while source.next is not None or target.next is not None:
            s, t = source.next, target.next
            key = min(e.key for e in (s, t) if e is not None)
            if self._stack:
                self._pop(key)
            if s is not None and s.key == key:
                source.advance()
                if t is not None and t.key == key:
                    target.advance()
                    self._last_target = key
                else:
                    t = None
                if matches(key):
                    if source.next is None:
                        await source.fill()
                    if target.next is None:
                        await target.fill()
                    await self._selected(s, t, source.next, target.next)
            elif t is not None:
                target.advance()
                self._last_target = key
                if target.next is None:
                    await target.fill()
                await self._only_in_target(t)
            if source.next is None:
                await source.fill()
            if target.next is None:
                await target.fill()
            if len(self._comparer) >= _COMPARE_AT_ONCE:
                self._out += await self._comparer.settle()
            if len(self._out) >= _COMPARE_AT_ONCE:
                yield self._take()
        self._pop(None)
        self._out += await self._comparer.settle()
        if self._out:
            yield self._take()

    async def _narrow(self) -> None:
        """Look for only what the source has, when that is little and the target has much.

        Where nothing is deleted, one changed file in a zarr of a million chunks
        then costs a few look-ups, and no listing of a million.
        """
        target = self._target
        if (
            target is None
            or self._policy.extra is not Extra.KEEP
            or not target.capabilities.list_ranges
            or not self._source.capabilities.cheap_digests
        ):
            return
        wide = next((scope.text for scope in self._scopes if not scope.is_key), None)
        if wide is None:
            return
        keys: list[str] = []
        async for page in list_scopes(self._source, self._scopes):
            keys += [entry.key for entry in page if self._selection.matches(entry.key)]
            if len(keys) > _MOST_SOUGHT:
                return
        async for page in target.list(wide):
            is_large = len(page) >= _WHOLE_PAGE
            break
        else:
            is_large = False
        if not is_large:
            return
        self._scopes = scopes(KeyCover.of(keys))

    def _take(self) -> list[Action]:
        out, self._out = self._out, []
        return out

    def _pop(self, key: str | None) -> None:
        """Drop pending entries that no key from ``key`` on can lie below."""
        stack = self._stack
        while stack:
            top = stack[-1]
            if key is not None and key.startswith(top.key) and key[len(top.key)] <= "/":
                return
            stack.pop()
            if top.action is not None and not top.removed:
                self._out.append(top.action)

    def _holders(self, key: str) -> Iterator[_Pending]:
        """Yield pending entries that are files where ``key`` needs a directory."""
        return (p for p in self._stack if key[len(p.key)] == "/")

    async def _selected(
        self, s: Entry, t: Entry | None, next_s: Entry | None, next_t: Entry | None
    ) -> None:
        key = s.key
        if is_unsafe(key):
            try:
                check_key(key)
            except TransferError as e:
                self._out.append(Action(ActionKind.ERROR, key, str(e), s, t))
            return
        if self._exclusive:
            blocked = await self._make_room(s, t, next_t)
            if blocked:
                self._out.append(Action(ActionKind.ERROR, key, blocked, s, t))
                return
        pending = _Pending(key, s, t, None)
        if t is None:
            action = Action(ActionKind.CREATE, key, "not in the target", s)
            if self._exclusive and _may_hold(key, next_t):
                pending.action = action
            else:
                self._out.append(action)
        elif (decided := self._comparer.decide(s, t)) is not None:
            self._out.append(decided)
        if self._exclusive and (_may_hold(key, next_s) or _may_hold(key, next_t)):
            self._stack.append(pending)

    async def _make_room(self, s: Entry, t: Entry | None, next_t: Entry | None) -> str:
        """See to files where the entry needs directories; return why it cannot be."""
        key = s.key
        for p in self._holders(key):
            if p.source is not None:
                return f"the source has {show_key(p.key)!r} as a file and as a directory"
            if t is not None or p.target is None:
                continue  # the target itself holds both
            if not self._policy.resolve_conflicts:
                return f"{show_key(p.key)!r} is a file in the target"
            if not p.removed:
                p.removed = True
                reason = "a file in a directory's place"
                self._out.append(Action(ActionKind.CONFLICT, p.key, reason, None, p.target))
        if t is None and self._target is not None:
            return await self._above_scope(key, next_t)
        return ""

    async def _above_scope(self, key: str, next_t: Entry | None) -> str:
        """Look outside what was listed for a file above the key, or keys below it."""
        scope = next(scope for scope in reversed(self._scopes) if scope.holds(key))
        assert self._target is not None
        if scope.is_key:
            async for page in self._target.list(key + "/"):
                if not self._policy.resolve_conflicts:
                    return f"{show_key(key)!r} is a directory in the target"
                reason = "in a directory in a file's place"
                self._out.extend(Action(ActionKind.CONFLICT, e.key, reason, None, e) for e in page)
        for directory in ancestors(key):
            if len(directory) >= len(scope.text):
                break
            below = directory + "/"
            if self._last_target.startswith(below) or (next_t and next_t.key.startswith(below)):
                continue
            if directory not in self._above:
                found = await self._target.stat(directory)
                if found is not None and self._policy.resolve_conflicts:
                    reason = "a file in a directory's place"
                    self._out.append(Action(ActionKind.CONFLICT, directory, reason, None, found))
                    found = None
                self._above[directory] = found is not None
            if self._above[directory]:
                return f"{show_key(directory)!r} is a file in the target"
        return ""

    async def _only_in_target(self, t: Entry) -> None:
        key = t.key
        pending = _Pending(key, None, t, None)
        for p in self._holders(key):
            if p.source is not None and p.target is None:
                # The source has a file where the target has a directory.
                if self._policy.resolve_conflicts:
                    reason = "in a directory in a file's place"
                    self._out.append(Action(ActionKind.CONFLICT, key, reason, None, t))
                elif p.action is not None and p.action.kind is ActionKind.CREATE:
                    reason = f"{show_key(p.key)!r} is a directory in the target"
                    p.action = Action(ActionKind.ERROR, p.key, reason, p.source)
                return
        if await self._is_extra(key):
            pending.action = Action(ActionKind.DELETE, key, "not in the source", None, t)
        self._stack.append(pending)

    async def _is_extra(self, key: str) -> bool:
        extra = self._policy.extra
        if extra is Extra.KEEP or not self._selection.matches(key):
            return False
        if extra is Extra.DELETE:
            return True
        top, slash, _ = key.partition("/")
        if not slash or self._policy.source_has is None:
            return False
        if top not in self._has_top:
            self._has_top[top] = await self._policy.source_has(top)
        return self._has_top[top]


async def _nothing() -> AsyncIterator[Sequence[Entry]]:
    no_pages: tuple[Sequence[Entry], ...] = ()
    for page in no_pages:
        yield page
