"""Object stores (s3, gs, az) as source and target, by obstore.

What an object's ETag says of its bytes: of an object put at once it is their
MD5, of one put in parts the MD5 of the parts' MD5s. Parts have one size here
(:func:`part_size`), so the second can be computed of a local file too. Objects
encrypted with SSE-KMS or SSE-C have ETags that only look like an MD5; for
those ``etag_is_md5`` must be false.
"""

import asyncio
import math
import re
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from ncore.itar.errors import ItarOptionError
from ncore.itar.object_options import (
    cloud_of,
    credentials_hint,
    no_credentials,
    normalise_options,
    option_reason,
    reason_of,
)
from ncore.itar.obstore_exit import settle_before_exit
from ncore.transfer.backend import Bytes, Capabilities, DeleteFailure, Entry, Outcome, Payload
from ncore.transfer.digests import Digest, register_hasher
from ncore.transfer.errors import (
    AccessDeniedError,
    EntryChangedError,
    EntryExistsError,
    EntryNotFoundError,
    LocationError,
    TransferError,
    TransientError,
    UnsupportedError,
)
from ncore.transfer.keys import show_key
from ncore.transfer.parts_md5 import PartsMd5

if TYPE_CHECKING:
    from obstore import GetResult, PutMode
    from obstore.store import ObjectStore

_T = TypeVar("_T")
_PART = 16 << 20
_MOST_PARTS = 10_000
_PAGE = 1000
_CHUNK = 1 << 20
_LARGE_AT_ONCE = 4
_GIVE_UP = 5.0  # seconds that a request of an ended transfer is waited for
_MD5 = re.compile(r"[0-9a-f]{32}")
_OF_PARTS = re.compile(r"[0-9a-f]{32}-([0-9]+)")
MULTIPART = "s3-multipart"
"""Digest algorithm: the ETag of an object put in parts of :func:`part_size`."""


def part_size(size: int) -> int:
    """Return the size of the parts, in bytes, that an object of ``size`` is put in."""
    return max(_PART, math.ceil(size / _MOST_PARTS / (1 << 20)) << 20)


register_hasher(MULTIPART, lambda size: PartsMd5(part_size(size)))


def digest_of_etag(etag: str | None, size: int) -> Digest | None:
    """Return what an ETag says of an object's bytes, None if nothing."""
    text = (etag or "").strip('"').lower()
    if _MD5.fullmatch(text):
        return Digest("md5", text)
    parts = _OF_PARTS.fullmatch(text)
    if parts and int(parts[1]) == max(1, math.ceil(size / part_size(size))):
        return Digest(MULTIPART, text)
    return None


class ObjectBackend:
    """The objects whose keys begin with a path in one bucket.

    Args:
        bucket_url: ``s3://bucket`` and the like.
        path: What all keys begin with, without slashes at its ends; ``""`` is
            the whole bucket.
        options: Client options by obstore's or fsspec's names; secrets among
            them are shown nowhere.
        must_exist: Listing nothing is an error (a source).
        only: This one object of them, and no other, is listed and written.
        etag_is_md5: ETags of single-part objects are MD5s; unless it is said, they
            are, but for Azure's, which say nothing of the bytes.
    """

    def __init__(
        self,
        bucket_url: str,
        path: str,
        options: Mapping[str, Any] | None = None,
        *,
        must_exist: bool = False,
        only: str | None = None,
        etag_is_md5: bool | None = None,
    ) -> None:
        from obstore.exceptions import BaseError
        from obstore.store import from_url

        self._place = f"{bucket_url}/{path}".rstrip("/")
        self.url = self._place if only is None else f"{self._place}/{only}"
        self._base = f"{path}/" if path else ""
        self.object_prefix = f"{bucket_url}/{self._base}" if only is None else ""
        self._must_exist = must_exist
        self._only = only
        if etag_is_md5 is None:
            etag_is_md5 = cloud_of(bucket_url) != "az"
        self._etag_is_md5 = etag_is_md5
        self.capabilities = Capabilities(
            writable=True,
            list_digest="md5" if etag_is_md5 else None,
            concurrency=48,
            list_ranges=True,
        )
        self._large = asyncio.Semaphore(_LARGE_AT_ONCE)
        self._conditional_put = True
        self._under_way: set[asyncio.Future[Any]] = set()
        self._closed = False
        try:
            settings = normalise_options(bucket_url, options or {})
        except ItarOptionError as e:
            raise LocationError(f"{bucket_url}: {e}") from None
        # The executor retries: with the client's own ten tries on top an
        # unreachable server would be tried for minutes.
        settings.setdefault("retry_config", {"max_retries": 2})
        settle_before_exit()
        try:
            self._store: ObjectStore = from_url(bucket_url, **settings)
        except (BaseError, TypeError, ValueError) as e:
            reason = option_reason(e)
            raise LocationError(f"{bucket_url}: cannot use these options: {reason}") from None

    async def _answer(self, request: Awaitable[_T]) -> _T:
        """Await a request, which goes on by itself if this is cancelled.

        A request that is cancelled still calls back when it ends, perhaps into an
        interpreter that is going away, so :meth:`close` waits for it.
        """
        task = asyncio.ensure_future(request)
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: "asyncio.Future[Any]") -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # looked at, also where nobody waits any more

    def _entry(self, meta: Mapping[str, Any]) -> Entry:
        size, etag = meta["size"], meta["e_tag"]
        if etag and not etag.endswith('"'):
            etag = f'"{etag}"'  # Azure's listings leave the quotes out, conditions need them
        digest = digest_of_etag(etag, size) if self._etag_is_md5 else None
        key = meta["path"][len(self._base) :]
        return Entry(key, size, digest, meta["last_modified"].timestamp(), etag)

    async def list(self, prefix: str = "", *, after: str = "") -> AsyncIterator[Sequence[Entry]]:
        """List objects in pages, in key order; a seek costs nothing."""
        import obstore

        if self._only is not None:
            entry = await self.stat(self._only)
            if entry is None:
                if self._must_exist:
                    raise EntryNotFoundError(f"{self.url}: no such object")
                return
            if self._only.startswith(prefix) and self._only > after:
                yield [entry]
            return
        # The store lists by whole components: seek into the directory, stop behind.
        directory = prefix.rpartition("/")[0]
        start = max(after, _just_before(prefix) if prefix > directory + "/" else "")
        listing = obstore.list(
            self._store,
            prefix=f"{self._base}{directory}" or None,
            offset=f"{self._base}{start}" if start else None,
            chunk_size=_PAGE,
        )
        found = False
        try:
            while True:
                try:
                    metas = await self._answer(anext(listing))
                except StopAsyncIteration:
                    break
                page = [self._entry(meta) for meta in metas]
                found = True
                wanted = [e for e in page if e.key.startswith(prefix) and e.key > after]
                if wanted:
                    yield wanted
                if not page[-1].key.startswith(prefix) and page[-1].key > prefix:
                    return
        except Exception as e:
            raise self._translate(e, prefix) from None
        if not found and self._must_exist and not prefix and not after:
            raise EntryNotFoundError(f"{self.url}: nothing is stored there")

    async def stat(self, key: str) -> Entry | None:
        """Return one object."""
        import obstore

        try:
            meta = await self._answer(obstore.head_async(self._store, self._base + key))
        except FileNotFoundError:
            return None
        except Exception as e:
            raise self._translate(e, key) from None
        return self._entry(meta)

    async def read(self, entry: Entry) -> bytes:
        """Return all bytes of one object, of the state that was listed."""
        try:
            result = await self._get(entry, _same_state(entry))
            return bytes(await self._answer(result.bytes_async()))
        except Exception as e:
            raise self._translate(e, entry.key) from None

    async def _get(self, entry: Entry, options: Any) -> "GetResult":
        import obstore

        return await self._answer(
            obstore.get_async(self._store, self._base + entry.key, options=options)
        )

    async def stream(self, entry: Entry, offset: int = 0) -> AsyncIterator[Bytes]:
        """Yield an object's bytes from ``offset`` on."""
        options = _same_state(entry)
        if offset:
            options["range"] = {"offset": offset}
        try:
            try:
                result, skip = await self._get(entry, options), 0
            except Exception as e:
                if not offset or "non-partial" not in str(e):
                    raise
                # The server answers a range with status 200, perhaps with the whole.
                result, skip = await self._get(entry, _same_state(entry)), offset
            chunks = result.stream(min_chunk_size=_CHUNK)
            while True:
                try:
                    chunk = await self._answer(anext(chunks))
                except StopAsyncIteration:
                    return
                data = bytes(chunk)
                if skip:
                    data, skip = data[skip:], max(0, skip - len(data))
                if data:
                    yield data
        except Exception as e:
            raise self._translate(e, entry.key) from None

    async def digests(
        self, entries: Sequence[Entry], algorithm: str
    ) -> Sequence[Digest | TransferError]:
        """Refuse: an object's bytes would have to be downloaded."""
        raise UnsupportedError(
            f"{self.url}: cannot compute digests without downloading; "
            "download it, and take them of the copy"
        )

    async def close(self) -> None:
        """Wait a little for requests that a cancelled transfer left under way."""
        self._closed = True
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=_GIVE_UP)

    async def start(self) -> None:
        """Do nothing: a bucket must exist, and a path in it needs not be made."""

    async def prepare(self, payloads: Sequence[Payload]) -> None:
        """Do nothing."""

    async def write(self, payload: Payload) -> Digest | None:
        """Put one object; in parts where it is large. It appears whole or not at all."""
        if payload.data is not None:
            etag, size = await self._put(payload, bytes(payload.data)), payload.size
        elif 0 <= payload.size <= _PART:
            async with self._large:
                data = b"".join([chunk async for chunk in payload.stream()])
                etag, size = await self._put(payload, data), len(data)
        else:
            async with self._large:
                etag, size = await self._put_parts(payload), payload.size
        return digest_of_etag(etag, size) if self._etag_is_md5 else None

    async def _put(self, payload: Payload, data: bytes) -> str | None:
        import obstore

        create = payload.replaces is None and self._conditional_put
        mode: PutMode = "create" if create else "overwrite"
        try:
            result = await self._answer(
                obstore.put_async(
                    self._store, self._base + payload.key, data, mode=mode, use_multipart=False
                )
            )
        except Exception as e:
            if create and _not_implemented(e):
                # Some servers know no If-None-Match; the plan saw nothing there.
                self._conditional_put = False
                return await self._put(payload, data)
            raise self._translate(e, payload.key) from None
        return result["e_tag"]

    async def _put_parts(self, payload: Payload) -> str | None:
        import obstore

        failure: list[BaseException] = []

        async def chunks() -> AsyncIterator[bytes]:
            try:
                async for chunk in payload.stream():
                    if self._closed:  # nobody waits for this any more
                        raise TransferError(f"{self.url}: interrupted")
                    yield bytes(chunk)
            except BaseException as e:
                failure.append(e)
                raise

        if payload.replaces is None and await self.stat(payload.key) is not None:
            raise EntryExistsError(f"{self._place}/{show_key(payload.key)}: exists already")
        try:
            result = await self._answer(
                obstore.put_async(
                    self._store,
                    self._base + payload.key,
                    chunks(),
                    use_multipart=True,
                    chunk_size=part_size(payload.size),
                    max_concurrency=4,
                )
            )
        except Exception as e:
            if failure:
                raise failure[0] from None
            raise self._translate(e, payload.key) from None
        return result["e_tag"]

    async def delete(self, entries: Sequence[Entry]) -> Sequence[DeleteFailure]:
        """Delete objects, a batch in one request."""
        import obstore

        try:
            await self._answer(
                obstore.delete_async(self._store, [self._base + e.key for e in entries])
            )
        except FileNotFoundError:
            if len(entries) > 1:
                for entry in entries:
                    await self.delete([entry])
        except Exception as e:
            raise self._translate(e, entries[0].key) from None
        return []

    async def finish(self, outcome: Outcome) -> None:
        """Do nothing: an object is safe when its put has been answered."""

    async def abort(self) -> None:
        """Do nothing: parts of unfinished puts expire as the bucket's rules say."""

    def _translate(self, e: Exception, key: str) -> TransferError:
        from obstore import exceptions

        if isinstance(e, TransferError):
            return e
        what = f"{self._place}/{show_key(key)}" if key else self.url
        if isinstance(e, (exceptions.NotFoundError, FileNotFoundError)):
            return EntryNotFoundError(f"{what}: no such object or bucket")
        if re.search("<Code>(NoSuchBucket|ContainerNotFound)<", str(e)):
            return EntryNotFoundError(f"{what}: {reason_of(e, self.url)}")
        if isinstance(e, exceptions.PreconditionError):
            return EntryChangedError(f"{what}: changed since it was listed")
        if isinstance(e, exceptions.AlreadyExistsError):
            return EntryExistsError(f"{what}: exists already")
        if missing := no_credentials(e, self.url):
            return AccessDeniedError(f"{what}: {missing}")
        denied = (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError)
        if isinstance(e, denied) or re.search(r"\b40[13] [A-Z][a-z]", str(e)):
            return AccessDeniedError(
                f"{what}: the store refuses; {credentials_hint(self.url)} "
                "(skip_signature=true for public data)"
            )
        if isinstance(e, (exceptions.InvalidPathError, ValueError)):
            return TransferError(f"{what}: a key that this store's client cannot handle")
        reason = reason_of(e, self.url)
        if isinstance(e, (exceptions.GenericError, exceptions.BaseError, OSError)):
            if _is_client_error(e):
                return TransferError(f"{what}: {reason}")
            return TransientError(f"{what}: {reason}")
        raise e


def _just_before(text: str) -> str:
    """Return a key below ``text`` and above all that sort before its first match."""
    head, last = text[:-1], text[-1]
    if last <= "\x01":
        return head
    before = chr(ord(last) - 1)
    if before == "/":
        before = "."  # the client refuses an empty component, and no key has one
    return f"{head}{before}\U0010ffff"


def _same_state(entry: Entry) -> Any:
    return {"if_match": entry.etag} if entry.etag else {}


def _not_implemented(e: Exception) -> bool:
    from obstore.exceptions import NotSupportedError

    return (
        isinstance(e, (NotSupportedError, NotImplementedError))
        or re.search(r"\b501\b|NotImplemented", str(e)) is not None
    )


def _is_client_error(e: Exception) -> bool:
    """Return whether the answer was a 4xx that trying again will not change."""
    status = re.search(r"\b(4[0-9]{2}) [A-Z][a-z]", str(e))
    return status is not None and status[1] not in ("408", "425", "429")
