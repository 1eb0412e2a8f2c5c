"""An archive in an object store (s3, gs, az) or on an HTTP server, read through obstore."""

import os
import re
import threading
import weakref
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from ncore.itar.errors import (
    ItarAccessError,
    ItarError,
    ItarIOError,
    ItarNotFoundError,
    ItarRangeError,
)
from ncore.itar.http_source import HttpSource
from ncore.itar.object_options import (
    cloud_of,
    credentials_hint,
    no_credentials,
    reason_of,
    scheme_of,
)
from ncore.itar.object_url import is_anonymous, open_object, plain_url, redact
from ncore.itar.remote import RemoteSource, RemoteTuning, Version, changed

if TYPE_CHECKING:
    from obstore import GetResult
    from obstore.store import ObjectStore, S3Store

_SIGNED_FOR = timedelta(days=6)
"""The longest that S3 allows is seven days; temporary credentials end sooner by themselves."""

_live: "weakref.WeakSet[ObjectSource]" = weakref.WeakSet()
_live_lock = threading.Lock()


class ObjectSource(RemoteSource):
    """A ByteSource over one object.

    obstore's threads do not survive a fork, and using it in a child hangs. So the
    parent signs the object's URL just before it forks, and the child reads that URL by
    plain HTTP, pinned to the same state of the object.
    """

    def __init__(
        self,
        url: str,
        options: Mapping[str, Any] | None = None,
        tuning: RemoteTuning | None = None,
    ) -> None:
        """Make it; nothing is requested yet.

        Args:
            url: ``s3://bucket/key`` and the like, or ``http(s)://host/path``.
            options: see :mod:`ncore.itar.object_url`. They may hold credentials, and
                appear in no message or repr.
            tuning: how requests are shaped.

        Raises:
            ItarOptionError: the URL or an option cannot be used.
        """
        self._url = url
        self._options = dict(options or {})
        self._store: ObjectStore
        self._store, self._key = open_object(url, self._options)
        self._plain: HttpSource | None = None
        self._signed: tuple[str, dict[str, str]] | ItarError | None = None
        super().__init__(redact(url), tuning or RemoteTuning())
        with _live_lock:
            _live.add(self)

    def _open(self, tail: int) -> tuple[bytes, Version]:
        from obstore.exceptions import BaseError

        if self._plain is not None or not _usable():
            return self._by_http()._open(tail)
        try:
            # Azure serves no suffix ranges: ask for the size first.
            if cloud_of(self._url) != "az":
                try:
                    return self._read(self._request({"range": {"suffix": tail}}), None)
                except (BaseError, FileNotFoundError) as error:
                    if _not_partial(error) and not self._over_http():
                        # A range answered with 200 (rclone does): check it by its Content-Range.
                        self._plain = HttpSource(*self._sign(), tuning=self._tuning)
                        return self._plain._open(tail)
                    if not _maybe_no_suffix(error):
                        raise
            return self._open_in_two(tail)
        except (BaseError, FileNotFoundError) as error:
            raise self._translate(error) from None

    def _open_in_two(self, tail: int) -> tuple[bytes, Version]:
        import obstore

        meta = obstore.head(self._store, self._key)
        size = meta["size"]
        if size == 0:
            return b"", Version(0, meta["e_tag"], str(meta["last_modified"]))
        start = max(0, size - tail)
        if start == 0:
            # All of it: no range needed, and rclone would answer one that is too long with 416.
            data, version = self._read(self._request({}), None)
            if len(data) != version.size:
                raise changed(self.name)
            return data, version
        return self._read(self._request({"range": (start, size)}), (start, size))

    def _get(self, start: int, stop: int, version: Version) -> bytes:
        from obstore.exceptions import BaseError

        if self._plain is not None or not _usable():
            return self._by_http()._get(start, stop, version)
        options: dict[str, Any] = {"range": (start, stop)}
        if version.strong_etag:
            options["if_match"] = version.strong_etag
        try:
            data, now = self._read(self._request(options), (start, stop))
        except (BaseError, FileNotFoundError) as error:
            raise self._translate(error) from None
        version.check(now, self.name)
        return data

    def _request(self, options: Any) -> "GetResult":
        import obstore

        return obstore.get(self._store, self._key, options=options)

    def _read(self, result: "GetResult", asked: tuple[int, int] | None) -> tuple[bytes, Version]:
        meta = result.meta
        if asked is not None and result.range != asked:
            raise changed(self.name)
        return bytes(result.bytes()), Version(
            meta["size"], meta["e_tag"], str(meta["last_modified"])
        )

    def _translate(self, error: Exception) -> ItarError:
        from obstore import exceptions

        if isinstance(error, exceptions.PreconditionError):
            return changed(self.name)
        if isinstance(error, (exceptions.NotFoundError, FileNotFoundError)):
            if self._version is not None:
                return changed(self.name)
            return ItarNotFoundError(f"{self.name}: the store has no such object")
        if missing := no_credentials(error, self._url):
            return ItarAccessError(f"{self.name}: {missing}")
        if isinstance(error, (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError)):
            return ItarAccessError(
                f"{self.name}: the store refuses it; {credentials_hint(self._url)}"
            )
        if _not_partial(error):
            return ItarRangeError(
                f"{self.name}: the server ignores byte ranges; download the archive and open "
                "the copy"
            )
        # The text of other errors may hold a signed URL; its class is what can be shown.
        return ItarIOError(
            f"{self.name}: the store cannot be read ({type(error).__name__}: "
            f"{reason_of(error, self._url)}); check the address and the network"
        )

    # Outside the process that made the client.

    def _over_http(self) -> bool:
        return scheme_of(self._url) in ("http", "https")

    def _by_http(self) -> HttpSource:
        if self._plain is None:
            if isinstance(self._signed, ItarError):
                raise self._signed
            if self._signed is None:
                if not (self._over_http() or self._anonymous()):
                    raise ItarIOError(
                        f"{self.name}: cannot be opened in a forked process whose parent has "
                        "read from an object store; open it before forking, or start workers "
                        "with spawn"
                    )
                self._signed = self._sign()
            self._plain = HttpSource(*self._signed, tuning=self._tuning)
        return self._plain

    def _sign(self) -> tuple[str, dict[str, str]]:
        """Return a URL that any HTTP client can read, and the headers it needs."""
        headers = dict((self._options.get("client_options") or {}).get("default_headers") or {})
        if self._over_http():
            return self._url, headers
        import obstore

        if self._anonymous():
            return self._public_url(), headers
        return obstore.sign(cast("S3Store", self._store), "GET", self._key, _SIGNED_FOR), headers

    def _anonymous(self) -> bool:
        return is_anonymous(self._url, self._options)

    def _public_url(self) -> str:
        url = plain_url(self._url, self._options)
        if url is None:
            raise ItarIOError(
                f"{self.name}: cannot be read in a forked process without credentials; "
                "start workers with spawn"
            )
        return url

    def prepare_fork(self) -> None:
        """Sign the URL that a child of this process will read. Called just before a fork."""
        if self._signed is None and self._plain is None and not self._closed:
            try:
                self._signed = self._sign()
            except Exception as error:
                self._signed = ItarIOError(
                    f"{self.name}: cannot be read in a forked process "
                    f"({type(error).__name__}); start workers with spawn"
                )

    def close(self) -> None:  # docstring inherited
        super().close()
        if self._plain is not None:
            self._plain.close()

    def __reduce__(self) -> tuple[object, ...]:
        return ObjectSource, (self._url, self._options, self._tuning)


def _not_partial(error: Exception) -> bool:
    from obstore.exceptions import NotSupportedError

    return isinstance(error, NotSupportedError) or "non-partial response" in str(error)


def _maybe_no_suffix(error: Exception) -> bool:
    """Whether asking with two ends may succeed: no suffix ranges, or an empty object (416)."""
    return _not_partial(error) or re.search(r"\b416\b", str(error)) is not None


_used_by: int | None = None
"""The process whose obstore threads run; ``None`` before its first request."""


def _usable() -> bool:
    global _used_by
    if _used_by is None:
        _used_by = os.getpid()
    return _used_by == os.getpid()


def _before_fork() -> None:
    if _used_by != os.getpid():
        return  # nothing was requested, or a child forks again: it has the signatures
    with _live_lock:
        sources = list(_live)
    for source in sources:
        source.prepare_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork)
