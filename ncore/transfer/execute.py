"""Carrying out a plan: concurrently, with retries, one report.

Order: conflicts are deleted before what needs their place is written; extra
entries are deleted last and only if nothing failed. An entry that fails is
reported and the others go on.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ncore.transfer.actions import Action, ActionKind, Existing, Extra
from ncore.transfer.backend import Entry, Outcome, Source, Target
from ncore.transfer.errors import (
    DigestMismatchError,
    GuardError,
    LocationError,
    NoMatchError,
    TransferError,
    TransientError,
)
from ncore.transfer.listing import Selection
from ncore.transfer.overlap import refuse_overlap
from ncore.transfer.payloads import WHOLE, Payloads, Sending
from ncore.transfer.plan import Planner, Policy
from ncore.transfer.removal import Removal
from ncore.transfer.report import Report, Reporter, Silent
from ncore.transfer.spool import ActionSpool

_BATCH_BYTES = 16 << 20
_LOAD_IN_LINE = 1 << 16
_LOADS_AT_ONCE = 8


@dataclass(frozen=True)
class Retries:
    """How often and how patiently an entry is tried.

    Attributes:
        attempts: Tries of one entry.
        base: Seconds before the second try; doubles with each, and a random
            part keeps workers from returning all at once.
        longest: Seconds at most, also when a server asks for more.
    """

    attempts: int = 6
    base: float = 0.5
    longest: float = 60.0

    def delay(self, attempt: int, error: TransferError) -> float:
        """Return the seconds to wait after failed try number ``attempt`` (from 1)."""
        asked = getattr(error, "retry_after", None)
        if asked is not None:
            return float(min(asked, self.longest))
        return float(min(self.base * 2 ** (attempt - 1), self.longest) * random.uniform(0.5, 1))


@dataclass
class Options:
    """How a transfer is carried out.

    Attributes:
        mode: ``"full"``, ``"patch"``, ``"subtree"`` or ``"copy"``, as told to
            the target.
        jobs: Entries under way at once; None takes what the backends like.
        dry_run: Plan and report; change nothing.
        yes: Delete more than is kept without refusing.
        allow_empty: A selection that matches nothing is no error.
        remove_source: Delete each source entry once the target has it and
            says so with a digest.
        retries: Retry policy.
    """

    mode: str = "copy"
    jobs: int | None = None
    dry_run: bool = False
    yes: bool = False
    allow_empty: bool = False
    remove_source: bool = False
    retries: Retries = field(default_factory=Retries)


async def transfer(
    source: Source,
    target: Target,
    selection: Selection | None = None,
    policy: Policy | None = None,
    options: Options | None = None,
    reporter: Reporter | None = None,
) -> Report:
    """Make the target hold what is selected of the source.

    Args:
        source: Where from.
        target: Where to.
        selection: Which entries; everything if None.
        policy: What to do about what the target has.
        options: How to go about it.
        reporter: Hears of progress.

    Returns:
        What was done. Entries that failed are in it, not raised.

    Raises:
        NoMatchError: Nothing was selected (see ``Options.allow_empty``).
        GuardError: More would be deleted than kept; nothing was changed.
        LocationError: Source and target are the same or lie inside each other, or
            sources shall be removed that nothing compares; nothing was changed.
        TransferError: Listing, starting or finishing failed as a whole.
    """
    policy, options = policy or Policy(), options or Options()
    refuse_overlap(source, target)
    if options.remove_source:
        refuse_uncompared(policy.existing)
    return await _Run(source, target, selection, policy, options, reporter).run()


def refuse_uncompared(existing: Existing) -> None:
    """Refuse to remove sources that would not be compared with what the target has.

    Raises:
        LocationError: This way to treat what exists compares no digests.
    """
    if existing in (Existing.SKIP, Existing.REFRESH):
        raise LocationError(
            f"--remove-local needs digests compared, and -e {existing} compares none; "
            "use overwrite-different"
        )


class _Run:
    def __init__(
        self,
        source: Source,
        target: Target,
        selection: Selection | None,
        policy: Policy,
        options: Options,
        reporter: Reporter | None,
    ) -> None:
        self._source = source
        self._target = target
        self._policy = policy
        self._options = options
        self._reporter = reporter or Silent()
        self._selection = selection
        self._report = Report(source.url, target.url, dry_run=options.dry_run)
        self._payloads = Payloads(source, target.capabilities.list_digest, self._report)
        self._removal = Removal(source, target, self._payloads, self._report, self._fail)
        self._work = ActionSpool()
        self._deletions = ActionSpool()
        self._started = False

    async def run(self) -> Report:
        report = self._report
        self._reporter.begin(report)
        planning = asyncio.create_task(self._plan())
        try:
            if self._options.dry_run or self._policy.extra is not Extra.KEEP:
                await planning  # a guard looks at the whole plan before anything is done
                self._guard()
            if not self._options.dry_run:
                await self._execute(planning)
        except BaseException as e:
            report.failure = str(e) or "interrupted"
            if self._started:
                await self._target.abort()
            raise
        finally:
            planning.cancel()
            await asyncio.gather(planning, return_exceptions=True)
            self._work.close()
            self._deletions.close()
            self._removal.close()
            report.seconds = time.monotonic() - report.started
            self._reporter.end(report)
        return report

    # Planning.

    async def _plan(self) -> None:
        try:
            planner = Planner(self._source, self._target, self._selection, self._policy)
            async for batch in planner.actions():
                await self._route(batch)
            planned = self._report.planned
            if not (planned.selected or planned.to_delete or self._options.allow_empty):
                raise NoMatchError(
                    f"{self._source.url}: nothing matches the selection; "
                    "--allow-empty if that is meant"
                )
            self._report.plan_done = True
        except BaseException as e:
            self._work.end(e)
            self._deletions.end(e)
            raise
        self._work.end()
        self._deletions.end()

    async def _route(self, batch: Sequence[Action]) -> None:
        work, deletions = [], []
        for action in batch:
            self._report.planned.add(action)
            if self._reporter.wants_entries:
                self._reporter.planned(self._report, action)
            if action.kind is ActionKind.ERROR:
                self._fail(action.key, action.reason)
            elif action.kind is ActionKind.DELETE:
                deletions.append(action)
            elif action.kind is not ActionKind.KEEP or self._options.remove_source:
                work.append(action)
        if not self._options.dry_run:
            self._work.append(work)
            self._deletions.append(deletions)

    def _guard(self) -> None:
        planned = self._report.planned
        deleted = planned.count[ActionKind.DELETE]
        kept = planned.count[ActionKind.KEEP] + planned.count[ActionKind.REPLACE]
        if deleted > kept and not self._options.yes:
            size = planned.bytes[ActionKind.DELETE]
            refusal = (
                f"{self._target.url}: this would delete {deleted} entries ({size} bytes) and keep "
                f"{kept}; nothing was changed. "
                + (
                    "Without --sync nothing is deleted"
                    if self._options.mode == "copy"
                    else "If the source holds only a part, upload it with --zarr-mode patch"
                )
                + "; --yes deletes them"
            )
            self._report.refusal = refusal
            if not self._options.dry_run:
                raise GuardError(refusal)

    # Executing.

    async def _execute(self, planning: asyncio.Task[None]) -> None:
        lists: asyncio.Queue[list[Sending] | None] = asyncio.Queue(1)
        ready: deque[Sending] = deque()
        lock = asyncio.Lock()
        ended = False

        async def next_sending() -> Sending | None:
            nonlocal ended
            if ready:
                return ready.popleft()
            async with lock:
                while not ready and not ended:
                    batch = await lists.get()
                    if batch is None:
                        ended = True
                    else:
                        ready.extend(batch)
                return ready.popleft() if ready else None

        async def work() -> None:
            while (sending := await next_sending()) is not None:
                await self._send(sending)

        async def feed() -> None:
            async for batch in self._ready_lists():
                await lists.put(batch)
            await lists.put(None)

        jobs = self._options.jobs or min(
            self._source.capabilities.concurrency, self._target.capabilities.concurrency
        )
        await _all_or_cancel(planning, feed(), *(work() for _ in range(jobs)))
        if not self._report.failed:
            await self._delete_extra()
        await self._finish()

    async def _ready_lists(self) -> AsyncIterator[list[Sending]]:
        """Yield lists of entries to send, prepared as the target wants them."""
        conflicts: list[Action] = []
        prepare = self._target.capabilities.write_batch
        waiting: list[Sending] = []
        async for batch in self._work.batches():
            for action in batch:
                if action.kind is ActionKind.CONFLICT:
                    conflicts.append(action)
                    continue
                if action.kind is ActionKind.KEEP:
                    await self._removal.remove(action)
                    continue
                if conflicts:
                    await self._begin()
                    await self._delete(conflicts)
                    conflicts = []
                waiting.append(self._payloads.make(action))
            if not waiting:
                continue
            await self._begin()
            if not prepare:
                yield waiting
                waiting = []
            while len(waiting) >= max(prepare, 1):
                async for ready in self._prepared(waiting[:prepare]):
                    yield ready
                waiting = waiting[prepare:]
        if waiting:
            async for ready in self._prepared(waiting):
                yield ready
        if conflicts:
            await self._begin()
            await self._delete(conflicts)

    async def _begin(self) -> None:
        if not self._started:
            self._started = True
            await self._target.start()

    async def _prepared(self, batch: list[Sending]) -> AsyncIterator[list[Sending]]:
        """Load what is small, hash, and let the target prepare; in bounded bytes."""
        start = 0
        while start < len(batch):
            size, end = 0, start
            while end < len(batch) and (end == start or size < _BATCH_BYTES):
                held = batch[end].entry.size
                size += held if 0 <= held <= WHOLE else 0
                end += 1
            good = await self._loaded(batch[start:end])
            if good:
                await self._retry(
                    lambda good=good: self._target.prepare([s.payload for s in good])  # type: ignore[misc]
                )
                yield good
            start = end

    async def _loaded(self, batch: Sequence[Sending]) -> list[Sending]:
        """Load a batch, large entries several at once; return those that could be."""
        algorithm = self._target.capabilities.write_digest
        limit = asyncio.Semaphore(_LOADS_AT_ONCE)

        async def load(sending: Sending) -> bool:
            return await self._attempt(sending, lambda s: self._load(s, algorithm))

        async def load_large(sending: Sending) -> bool:
            async with limit:
                return await load(sending)

        local = self._source.capabilities.cheap_digests
        done: dict[int, bool] = {}
        large = []
        for i, sending in enumerate(batch):
            if local and 0 <= sending.entry.size <= _LOAD_IN_LINE:
                done[i] = await load(sending)  # a task would cost more than the read
            else:
                large.append(i)
        done.update(
            zip(large, await asyncio.gather(*(load_large(batch[i]) for i in large)), strict=True)
        )
        return [sending for i, sending in enumerate(batch) if done[i]]

    async def _load(self, sending: Sending, algorithm: str | None) -> None:
        if sending.payload.data is None and 0 <= sending.entry.size <= WHOLE:
            await self._payloads.load(sending)
        if algorithm is not None:
            await self._payloads.need_digest(sending, algorithm)

    async def _send(self, sending: Sending) -> None:
        if not await self._attempt(sending, self._write):
            sending.payload.data = None
            return
        report = self._report
        report.written += 1
        report.bytes_written += max(sending.entry.size, 0)
        if self._reporter.wants_entries:
            fields = {"action": str(sending.action.kind), "bytes": sending.entry.size}
            self._tell("done", sending.action.key, fields)
        if self._options.remove_source:
            await self._removal.remove(sending.action)
        sending.payload.data = None

    async def _write(self, sending: Sending) -> None:
        await self._load(sending, self._target.capabilities.write_digest)
        digest = await self._target.write(sending.payload)
        if digest is not None:
            try:
                await self._payloads.reported(sending, digest)
            except DigestMismatchError:
                entry = Entry(sending.payload.key, sending.payload.size, digest)
                await self._target.delete([entry])
                raise
        elif self._options.remove_source:
            await self._removal.look_again(sending)

    async def _attempt(self, sending: Sending, step: Callable[[Sending], Awaitable[None]]) -> bool:
        """Try a step until it succeeds or is hopeless; report a failure."""
        key = sending.action.key
        try:
            await self._retry(lambda: step(sending), key)
        except TransferError as e:
            self._fail(key, e)
            return False
        return True

    async def _retry(self, step: Callable[[], Awaitable[None]], key: str = "") -> None:
        retries = self._options.retries
        attempt = 0
        while True:
            attempt += 1
            try:
                return await step()
            except (TransientError, DigestMismatchError) as e:
                if attempt >= retries.attempts:
                    raise
                self._report.retries += 1
                self._tell("retry", key, {"error": str(e), "attempt": attempt})
                await asyncio.sleep(retries.delay(attempt, e))

    async def _delete(self, actions: Sequence[Action]) -> None:
        size = self._target.capabilities.delete_batch
        for start in range(0, len(actions), size):
            batch = [a.target for a in actions[start : start + size] if a.target is not None]
            failures: list[tuple[str, TransferError]] = []

            async def delete(
                batch: list[Entry] = batch, failures: list[tuple[str, TransferError]] = failures
            ) -> None:
                failures[:] = await self._target.delete(batch)

            try:
                await self._retry(delete)
            except TransferError as e:
                failures[:] = [(entry.key, e) for entry in batch]
            for key, error in failures:
                self._fail(key, error)
            self._report.deleted += len(batch) - len(failures)
            if self._reporter.wants_entries:
                failed = {key for key, _ in failures}
                for entry in batch:
                    if entry.key not in failed:
                        self._tell("deleted", entry.key, {"bytes": entry.size})

    async def _delete_extra(self) -> None:
        waiting: list[Action] = []
        async for batch in self._deletions.batches():
            await self._begin()
            waiting.extend(batch)
            if len(waiting) >= self._target.capabilities.delete_batch:
                await self._delete(waiting)
                waiting = []
        await self._delete(waiting)

    async def _finish(self) -> None:
        # Also when nothing was written: an earlier run may have been ended
        # before the target had finished.
        report = self._report
        outcome = Outcome(
            mode=self._options.mode,
            complete=not report.failed and self._policy.extra is Extra.DELETE,
            written=report.written,
            deleted=report.deleted,
            failed=report.failed,
        )
        try:
            await self._target.finish(outcome)
        except TransferError as e:
            if not report.failed:
                raise
            # Beside the entries that failed, which say why.
            self._fail("", e)
            await self._target.abort()
            return
        await self._removal.after_publishing()

    def _tell(self, event: str, key: str, fields: Mapping[str, object]) -> None:
        if self._reporter.wants_entries:
            self._reporter.entry(self._report, event, key, fields)

    def _fail(self, key: str, error: BaseException | str) -> None:
        self._report.fail(key, error)
        self._tell("error", key, {"error": str(error)})


async def _all_or_cancel(first: asyncio.Task[None], *others: Awaitable[None]) -> None:
    """Await all; when one fails cancel the rest and raise its error."""
    tasks = [first, *(asyncio.ensure_future(other) for other in others)]
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
